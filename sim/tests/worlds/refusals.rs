//! What leaves the simulated world fails the seed, says who did it and what to write instead, even where the node
//! swallows the error.
#![expect(unsafe_code, reason = "what nodes must not call is called here to see it refused")]
#![expect(
    clippy::disallowed_methods,
    reason = "what nodes must not call is called here to see it refused"
)]

use std::{
    fs,
    net::{self, ToSocketAddrs as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::Command,
    time::Duration,
};

use odeon_sim::World;

const MS: Duration = Duration::from_millis(1);

#[odeon_sim::test(
    seeds = 1,
    fails = "node alice started a thread, which leaves the simulated world: spawn a task"
)]
async fn a_thread_fails_the_seed(world: &mut World) {
    world.node("alice", |_| async { drop(std::thread::Builder::new().spawn(|| ())) });
    world.run_for(MS).await;
}

#[odeon_sim::test(seeds = 1, fails = "node alice started a thread")]
async fn blocking_work_fails_the_seed(world: &mut World) {
    world.node("alice", |_| async { drop(tokio::task::spawn_blocking(|| ()).await) });
    world.run_for(MS).await;
}

#[odeon_sim::test(
    seeds = 1,
    fails = "node alice opened the file /etc/hostname, which leaves the simulated world: read files before the world starts, or keep them on the node's disk, Env::disk"
)]
async fn a_file_fails_the_seed(world: &mut World) {
    world.node("alice", |_| async { drop(fs::read("/etc/hostname")) });
    world.run_for(MS).await;
}

#[odeon_sim::test(
    seeds = 1,
    fails = "opened a socket of the internet, which leaves the simulated world: open sockets"
)]
async fn a_socket_fails_the_seed(world: &mut World) {
    world.node("alice", |_| async { drop(net::UdpSocket::bind("127.0.0.1:0")) });
    world.run_for(MS).await;
}

#[odeon_sim::test(seeds = 1, fails = "opened a socket of the internet")]
async fn a_connection_fails_the_seed(world: &mut World) {
    world.node("alice", |_| async { drop(net::TcpStream::connect("127.0.0.1:1")) });
    world.run_for(MS).await;
}

#[odeon_sim::test(
    seeds = 1,
    fails = "node alice resolved the name example.com, which leaves the simulated world: resolve names with Env::resolve"
)]
async fn a_name_fails_the_seed(world: &mut World) {
    world.node("alice", |_| async { drop(("example.com", 80).to_socket_addrs()) });
    world.run_for(MS).await;
}

#[odeon_sim::test(
    seeds = 1,
    fails = "node alice looked at the file /etc/hostname, which leaves the simulated world: look at files before"
)]
async fn a_look_at_a_file_fails_the_seed(world: &mut World) {
    world.node("alice", |_| async { assert!(!Path::new("/etc/hostname").exists()) });
    world.run_for(MS).await;
}

#[odeon_sim::test(
    seeds = 1,
    fails = "node alice made its thread sleep, which leaves the simulated world: await tokio::time::sleep"
)]
async fn sleep_of_the_thread_fails_the_seed_and_takes_no_time(world: &mut World) {
    world.node("alice", |_| async { std::thread::sleep(Duration::from_secs(3600)) });
    world.run_for(MS).await;
}

#[odeon_sim::test(
    seeds = 1,
    fails = "node alice blocked its thread, which leaves the simulated world: await tokio::time::timeout"
)]
async fn a_wait_of_the_thread_fails_the_seed_and_takes_no_time(world: &mut World) {
    world.node("alice", |_| async {
        let (_keeps_it_open, hears) = std::sync::mpsc::channel::<()>();
        assert!(hears.recv_timeout(Duration::from_secs(3600)).is_err());
    });
    world.run_for(MS).await;
}

#[odeon_sim::test(seeds = 1, fails = "node alice linked the file here, which leaves")]
async fn a_link_to_a_file_fails_the_seed(world: &mut World) {
    world.node("alice", |_| async { drop(std::os::unix::fs::symlink("here", "there")) });
    world.run_for(MS).await;
}

#[odeon_sim::test(
    seeds = 1,
    fails = "node alice started the program /bin/true, which leaves the simulated world: write the outside program"
)]
async fn another_program_fails_the_seed(world: &mut World) {
    world.node("alice", |_| async { drop(Command::new("/bin/true").spawn()) });
    world.run_for(MS).await;
}

#[odeon_sim::test(seeds = 1, fails = "node alice forked, which leaves the simulated world")]
async fn another_program_with_a_user_fails_the_seed(world: &mut World) {
    // This way std forks by itself.
    world.node("alice", |_| async { drop(Command::new("/bin/true").uid(0).spawn()) });
    world.run_for(MS).await;
}

#[odeon_sim::test(
    seeds = 1,
    fails = "node alice ended the program with status 3, which leaves the simulated world: return from the node's body"
)]
async fn the_end_of_the_program_fails_the_seed(world: &mut World) {
    world.node("alice", |_| async { std::process::exit(3) });
    world.run_for(MS).await;
}

#[odeon_sim::test(
    seeds = 1,
    fails = "node alice changed the environment variable COLOUR, which leaves the simulated world: give nodes"
)]
async fn a_change_of_the_environment_fails_the_seed(world: &mut World) {
    // SAFETY: no other thread of this program reads the environment; and it is refused.
    world.node("alice", |_| async { unsafe { std::env::set_var("COLOUR", "blue") } });
    world.run_for(MS).await;
}

#[odeon_sim::test(seeds = 1, fails = "node alice went to the folder /, which leaves")]
async fn another_working_folder_fails_the_seed(world: &mut World) {
    world.node("alice", |_| async { drop(std::env::set_current_dir("/")) });
    world.run_for(MS).await;
}

#[odeon_sim::test(
    seeds = 1,
    fails = "node alice sent signal 10, which leaves the simulated world: handle signals in main"
)]
async fn a_signal_fails_the_seed(world: &mut World) {
    // SAFETY: the call takes two numbers, and is refused.
    world.node("alice", |_| async { assert_eq!(unsafe { libc::kill(1, libc::SIGUSR1) }, -1) });
    world.run_for(MS).await;
}

#[odeon_sim::test(seeds = 1, fails = "System is not running: a simulated node has no actix System")]
async fn a_system_of_actix_fails_the_seed(world: &mut World) {
    world.node("alice", |_| async { drop(actix_rt::System::current()) });
    world.run_for(MS).await;
}

#[odeon_sim::test(seeds = 1, fails = "System is not running: a simulated node has no actix System")]
async fn an_arbiter_fails_the_seed(world: &mut World) {
    world.node("alice", |_| async { drop(actix_rt::Arbiter::new()) });
    world.run_for(MS).await;
}

#[odeon_sim::test(
    seeds = 1,
    fails = "blocking on it: a simulated node shares the world's runtime: await instead of block_on"
)]
async fn a_second_runtime_fails_the_seed(world: &mut World) {
    world.node("alice", |_| async {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {});
    });
    world.run_for(MS).await;
}

#[odeon_sim::test(seeds = 1, fails = "node alice spawned a task with tokio::spawn")]
async fn a_task_that_escapes_fails_the_seed(world: &mut World) {
    world.node("bob", |_| std::future::pending::<()>());
    world.node("alice", |_| async {
        drop(tokio::spawn(std::future::pending::<()>()));
        std::future::pending::<()>().await;
    });
    world.run_for(MS).await;
}

/// It used to be looked for after turns alone.
#[odeon_sim::test(seeds = 1, fails = "node alice spawned a task with tokio::spawn")]
async fn a_task_that_escapes_from_a_destructor_fails_the_seed(world: &mut World) {
    struct Spawns;
    impl Drop for Spawns {
        fn drop(&mut self) {
            drop(tokio::spawn(std::future::pending::<()>()));
        }
    }
    world.node("alice", |_| async {
        let _spawns = Spawns;
        std::future::pending::<()>().await;
    });
    world.run_for(MS).await;
    world.crash("alice");
    world.run_for(MS).await;
}

#[odeon_sim::test(
    seeds = 1,
    fails = "node alice renamed the file here, which leaves the simulated world: keep files on the node's disk, Env::disk"
)]
async fn a_change_of_names_fails_the_seed(world: &mut World) {
    world.node("alice", |_| async { drop(fs::rename("here", "there")) });
    world.run_for(MS).await;
}

#[odeon_sim::test(seeds = 1, fails = "node alice opened the file")]
async fn a_destructor_is_inside_the_gate_too(world: &mut World) {
    struct Writes;
    impl Drop for Writes {
        fn drop(&mut self) {
            drop(fs::write("never-written", "last words"));
        }
    }
    world.node("alice", |_| async {
        let _writes = Writes;
        std::future::pending::<()>().await;
    });
    world.run_for(MS).await;
    world.crash("alice");
    world.run_for(MS).await;
}

#[odeon_sim::test(seeds = 1, fails = "node alice panicked at sim/tests/worlds/refusals.rs")]
async fn a_panic_in_a_task_fails_the_seed(world: &mut World) {
    world.node("alice", |_| async {
        drop(tokio::task::spawn_local(async { panic!("swallowed by tokio") }));
        std::future::pending::<()>().await;
    });
    world.run_for(MS).await;
}

#[odeon_sim::test(seeds = 1, fails = "the scenario panicked")]
async fn a_panic_in_the_scenario_fails_the_seed(world: &mut World) {
    world.expect_panics("world.rs", "no node of this world");
    world.crash("nobody");
}

#[odeon_sim::test(seeds = 1, fails = "node alice failed: \"out of luck\"")]
async fn an_error_of_a_node_fails_the_seed(world: &mut World) {
    world.node("alice", |_| async { Err::<(), _>("out of luck") });
    world.run_for(MS).await;
}

#[odeon_sim::test(seeds = 1, fails = "did not end within")]
async fn waiting_for_what_never_comes_fails_the_seed(_world: &mut World) {
    std::future::pending::<()>().await;
}

#[odeon_sim::test(seeds = 1, limit_s = 1, fails = "the run took longer than 1s of real time")]
async fn a_node_that_never_yields_fails_the_seed(world: &mut World) {
    world.node("alice", |_| async {
        loop {
            std::hint::spin_loop();
        }
    });
    world.run_for(MS).await;
}

#[odeon_sim::test(seeds = 1, fails = "the run ended without a verdict: signal: 6")]
async fn an_abort_fails_the_seed(world: &mut World) {
    world.node("alice", |_| async { std::process::abort() });
    world.run_for(MS).await;
}

#[odeon_sim::test(seeds = 1)]
async fn an_expected_panic_does_not(world: &mut World) {
    world.expect_panics("tests/worlds/refusals.rs", "part of the scenario");
    world.node("alice", |_| async { panic!("part of the scenario") });
    world.run_for(MS).await;
    assert!(!world.is_up("alice"));
    assert_eq!(world.panics(), 1);
}

/// One that was expected used to excuse all others.
#[odeon_sim::test(seeds = 1, fails = "node alice panicked at sim/tests/worlds/refusals.rs")]
async fn a_panic_in_another_file_fails_the_seed(world: &mut World) {
    world.expect_panics("refusals/app.rs", "part of the scenario");
    world.node("alice", |_| async { panic!("part of the scenario") });
    world.run_for(MS).await;
}

#[odeon_sim::test(seeds = 1, fails = "node bob panicked at sim/tests/worlds/refusals.rs")]
async fn a_panic_that_says_something_else_fails_the_seed(world: &mut World) {
    world.expect_panics("refusals.rs", "part of the scenario");
    world.node("alice", |_| async { panic!("part of the scenario") });
    world.node("bob", |_| async { panic!("part of nothing") });
    world.run_for(MS).await;
}

#[odeon_sim::test(seeds = 1)]
async fn the_scenario_itself_is_outside_the_gate(world: &mut World) -> std::io::Result<()> {
    world.node("alice", |_| std::future::pending::<()>());
    world.run_for(MS).await;
    fs::read("/etc/hostname").map(drop)
}
