//! A host keeps its disk over the lives of its node, and a life keeps nothing of it.

use std::{
    cell::{Cell, RefCell},
    future::pending,
    io,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use odeon_env::{BlockingFile, DiskFile, Env as _, FileName, OpenMode};
use odeon_sim::{DiskRule, Latency, SimEnv, World};

const MS: Duration = Duration::from_millis(1);

async fn open(env: &SimEnv, name: &str) -> io::Result<Arc<dyn DiskFile>> {
    let disk = env.disk()?;
    let file = disk.open(&FileName::new(name)?, OpenMode::Either).await?;
    disk.sync().await?;
    Ok(file)
}

#[odeon_sim::test(seeds = 0..20)]
async fn a_node_restarts_with_its_disk(world: &mut World) {
    let found = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&found);
    world.node("alice", move |env| {
        let seen = Rc::clone(&seen);
        async move {
            let file = open(&env, "lives").await?;
            let lives = file.len().await?;
            seen.borrow_mut().push(lives);
            file.write_at(lives, vec![1].into()).await?;
            file.sync().await?;
            file.write_at(lives + 1, vec![2; 5_000].into()).await?;
            file.set_len(lives + 1).await?;
            file.sync().await?;
            pending::<io::Result<()>>().await
        }
    });
    for _ in 0..5 {
        world.run_for(MS * 50).await;
        world.crash("alice");
        world.restart("alice");
    }
    world.run_for(MS * 50).await;
    assert_eq!(*found.borrow(), [0, 1, 2, 3, 4, 5]);
    world.wipe_disk("alice");
    assert!(!world.is_up("alice") && world.disk("alice").files().is_empty());
    world.restart("alice");
    world.run_for(MS * 50).await;
    assert_eq!(found.borrow().last(), Some(&0));
}

#[odeon_sim::test(seeds = 0..5)]
async fn an_exit_is_no_crash(world: &mut World) {
    world.node("alice", |env| async move {
        let file = open(&env, "a").await?;
        file.write_at(0, b"not synced".as_slice().into()).await
    });
    world.run_for(MS * 20).await;
    assert!(!world.is_up("alice"));
    assert_eq!(world.disk("alice").content("a").as_deref(), Some(b"not synced".as_slice()));
    assert_eq!(world.disk("alice").durable("a").as_deref(), Some(b"".as_slice()));
}

/// Writes when it is dropped, as a database does that marks a clean end.
struct LastWords {
    file: Arc<dyn BlockingFile>,
    refused: Rc<Cell<bool>>,
}

impl Drop for LastWords {
    fn drop(&mut self) {
        let results = [self.file.write_at(0, b"clean end"), self.file.set_len(3), self.file.sync()];
        let refused = |result: &io::Result<()>| {
            result.as_ref().is_err_and(|error| error.to_string().contains("has crashed"))
        };
        self.refused.set(results.iter().all(refused));
    }
}

#[odeon_sim::test(seeds = 0..20)]
async fn a_destructor_writes_nothing_after_the_crash(world: &mut World) {
    let refused = Rc::new(Cell::new(false));
    let told = Rc::clone(&refused);
    world.node("alice", move |env| {
        let refused = Rc::clone(&told);
        async move {
            let file = open(&env, "a").await?;
            file.write_at(0, vec![7; 20].into()).await?;
            file.sync().await?;
            let _last = LastWords { file: file.blocking(), refused };
            pending::<io::Result<()>>().await
        }
    });
    world.run_for(MS * 20).await;
    world.crash("alice");
    assert!(refused.get());
    assert_eq!(world.disk("alice").content("a"), Some(vec![7; 20]));
}

#[odeon_sim::test(seeds = 0..10)]
async fn the_disk_of_a_crashed_life_is_refused(world: &mut World) {
    world.node("alice", |_| pending::<()>());
    let env = world.env("alice").expect("it is up");
    let disk = env.disk().expect("it is up");
    world.crash("alice");
    world.restart("alice");
    assert_eq!(
        env.disk().map(drop).map_err(|error| error.kind()),
        Err(io::ErrorKind::NotConnected)
    );
    assert!(disk.list().await.is_err());
    assert!(world.env("alice").expect("it is up").disk().is_ok());
}

/// One slow disk holds up its own node, and nobody else.
#[odeon_sim::test(seeds = 0..5)]
async fn disks_of_two_hosts_are_two_disks(world: &mut World) {
    let done = Rc::new(RefCell::new(Vec::new()));
    for name in ["slow", "fast"] {
        let done = Rc::clone(&done);
        world.node(name, move |env| {
            let done = Rc::clone(&done);
            async move {
                let file = open(&env, "a").await?;
                file.write_at(0, env.name().as_bytes().to_vec().into()).await?;
                file.sync().await?;
                done.borrow_mut().push((env.name().to_owned(), env.now()));
                Ok::<(), io::Error>(())
            }
        });
    }
    let slow = DiskRule { sync_latency: Latency::Constant(MS * 500), ..DiskRule::ssd() };
    world.set_disk_rule("slow", slow);
    world.run_for(MS * 2_000).await;
    let done = done.borrow();
    assert!(done[0].0 == "fast" && done[0].1 < MS * 20, "{done:?}");
    assert!(done[1].0 == "slow" && done[1].1 >= MS * 1_000, "{done:?}");
    assert_eq!(world.disk("fast").durable("a").as_deref(), Some(b"fast".as_slice()));
}

/// Actors reach the disk of their node through the node.
#[odeon_sim::test(seeds = 0..3)]
async fn a_node_of_the_runtime_has_the_disk_of_its_host(world: &mut World) {
    let setup = |builder: odeon::NodeBuilder| builder.alone();
    world.start_node("alice", setup, |node| async move {
        let disk = node.env().disk()?;
        let file = disk.open(&FileName::new("a")?, OpenMode::New).await?;
        file.write_at(0, b"kept".as_slice().into()).await?;
        file.sync().await?;
        disk.sync().await
    });
    world.run_for(MS * 500).await;
    assert_eq!(world.disk("alice").durable("a").as_deref(), Some(b"kept".as_slice()));
    let lines = world.trace().last_lines(usize::MAX);
    assert!(
        lines.iter().any(|line| line.contains("alice") && line.contains("sync a done")),
        "{lines:?}"
    );
}
