//! The picture of a node's actors.

use tokio::time::{Duration, Instant, sleep};

use crate::{
    fixture::{Tally, Threads, Worker, on_one_thread, spawn_thread},
    kin::{Begin, Birth, Diary, How, child, end, get, kid, settle, supervise},
    odeon::{ActorState, Backoff, ChildSpec, SpawnOptions, Supervisor, SupervisorSpec, Tree},
};

/// The lines of a tree, without the paths of types.
fn lines(tree: &Tree) -> Vec<String> {
    let text = tree.to_string();
    let short = |word: &str| word.rsplit("::").next().unwrap_or(word).to_owned();
    let line = |line: &str| line.split(' ').map(short).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect()
}

#[test]
fn a_tree_shows_parents_children_names_states_and_restarts() {
    on_one_thread(2, |system| async move {
        let diary = Diary::default();
        let slow = Backoff::exponential(Duration::from_secs(9), Duration::from_secs(9));
        let inner = SupervisorSpec::rest_for_one().child(kid('b', &diary)).child(kid('c', &diary));
        let spec = SupervisorSpec::one_for_one()
            .intensity(9, Duration::from_secs(60))
            .child(kid('a', &diary).options(SpawnOptions::default().named("first")))
            .child(ChildSpec::new::<Supervisor>("inner", inner))
            .child(kid('d', &diary).backoff(slow));
        let options = SpawnOptions::default().named("root");
        let root = system.spawn::<Supervisor>(spec, options).await.unwrap();
        let alone =
            system.spawn::<Worker>(Tally::default(), SpawnOptions::default()).await.unwrap();
        for _ in 0..2 {
            end(&get(&root, "a").await, How::Panic).await;
        }
        let inner = root.child::<Supervisor>("inner").await.unwrap();
        end(&get(&inner, "b").await, How::Panic).await;
        end(&get(&root, "d").await, How::Panic).await;
        let tree = system.tree().await;
        assert_eq!(
            lines(&tree),
            [
                "Supervisor #1 \"root\" running",
                "├─ a: Kid #2 \"first\" running, 2 restarts",
                "├─ inner: Supervisor #3 running",
                "│  ├─ b: Kid #4 running, 1 restart",
                "│  └─ c: Kid #5 running, 1 restart",
                "└─ d: Kid #6 waiting",
                "Worker #7 running",
            ]
        );
        let actors = tree.actors();
        assert_eq!(tree.children(3).map(|actor| actor.number).collect::<Vec<_>>(), [4, 5]);
        assert_eq!(actors[5].state, ActorState::Waiting);
        assert_eq!(actors[6].actor.downcast::<Worker>(), Some(alone));
        assert_eq!((tree.left_out(), tree.silent_workers()), (0, 0));
    });
}

#[test]
fn a_tree_shows_who_starts_and_who_stops() {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        let supervisor = supervise(&system, SupervisorSpec::one_for_one()).await;
        let hangs = child(&Birth::new('h', &diary).begins([Begin::Hang]));
        let calls = supervisor.clone();
        tokio::task::spawn_local(async move { calls.start_child(hangs).await });
        settle().await;
        assert_eq!(lines(&system.tree().await)[1], "└─ h: Kid #2 starting");
        supervisor.stop();
        settle().await;
        assert!(lines(&system.tree().await)[0].ends_with("stopping"));
    });
}

#[test]
fn a_tree_has_a_bound() {
    on_one_thread(2, |system| async move {
        let tally = Tally::default();
        for _ in 0..Tree::ACTORS_MAX + 5 {
            system.spawn::<Worker>(tally.clone(), SpawnOptions::default()).await.unwrap();
        }
        let tree = system.tree().await;
        assert_eq!((tree.actors().len(), tree.left_out()), (Tree::ACTORS_MAX, 5));
        assert!(tree.to_string().contains("and 5 more"));
    });
}

#[test]
fn a_worker_that_is_blocked_or_gone_is_not_waited_for() {
    let threads = Threads::new(2);
    let system = threads.system.clone();
    let (left, began) = threads.block_on(async {
        for _ in 0..4 {
            system.spawn::<Worker>(Tally::default(), SpawnOptions::default()).await.unwrap();
        }
        let tree = system.tree().await;
        assert_eq!(tree.actors().len(), 4);
        (tree, Instant::now())
    });
    assert!(began.elapsed() < Duration::from_secs(60));
    drop(left);
    threads.end();
    let gone = system.clone();
    let tree = spawn_thread(move || crate::fixture::block_on_plain(gone.tree())).join().unwrap();
    assert_eq!((tree.actors().len(), tree.silent_workers()), (0, 0), "no worker, nobody");
    on_one_thread(1, |system| async move {
        sleep(Duration::from_millis(1)).await;
        assert!(system.tree().await.to_string().is_empty());
    });
}
