//! How programs end: told to, by themselves, and with a thread that is blocked.

use std::{future::pending, time::Instant};

use clap::{Args as _, FromArgMatches as _};
use odeon::{
    Actor, Ca, Context, Handler, Placement, SpawnOptions, StartError, Validity, env::Env, message,
};
use tokio::{sync::oneshot, task::LocalSet};

use super::*;

/// Blocks its thread.
#[message(local)]
struct Block {
    begun: oneshot::Sender<()>,
}

struct Blocking;

impl Actor for Blocking {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self)
    }
}

impl Handler<Block> for Blocking {
    #[expect(clippy::disallowed_methods, reason = "it is the mistake that the test is about")]
    async fn handle(&mut self, block: Block, _: &mut Context<Self>) {
        let _ = block.begun.send(());
        std::thread::sleep(Duration::from_secs(60));
    }
}

/// From now on the endpoint's thread of this node does nothing.
async fn block(node: &Node) {
    let options = SpawnOptions::default().placement(Placement::Endpoint);
    let blocking = node.spawn_opts::<Blocking>((), options).await.unwrap();
    let (begun, is_begun) = oneshot::channel();
    blocking.tell(Block { begun }).await.unwrap();
    is_begun.await.unwrap();
}

/// Neither its time nor a second signal ended the program.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "how long it takes a person")]
async fn a_node_whose_own_thread_is_blocked_is_left_behind() {
    for again in [false, true] {
        let node = Node::builder("a").alone().workers(1).start().await.unwrap();
        block(&node).await;
        let began = Instant::now();
        let left = if again {
            leave(&node, Duration::from_secs(3_600), async {}).await
        } else {
            leave(&node, Duration::from_millis(100), pending()).await
        };
        assert!(left.unwrap_err().to_string().contains("endpoint's thread is blocked"));
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}

/// Lives by these flags, with these actors.
async fn live_by<R: Future<Output = Started>>(
    program: Program,
    start: impl FnOnce(Node) -> R,
) -> Result<(), Failed> {
    let command = clap::Command::new("test").no_binary_name(true);
    let args = ["--name", "a", "--dev", "--workers", "1", "--drain-within", "5s"];
    let matches = Flags::augment_args(command).get_matches_from(args);
    let flags = Flags::from_arg_matches(&matches).unwrap();
    LocalSet::new().run_until(live(program, flags, start)).await
}

/// It ended with status 1, and spoke of another node of its name.
#[tokio::test]
async fn a_program_that_stops_its_own_node_ends_well() {
    let stopping = |node: Node| async move {
        node.stop(Duration::from_secs(5)).await;
        Ok(())
    };
    live_by(Program::new("test"), stopping).await.unwrap();
    let later = |node: Node| async move {
        tokio::task::spawn_local(async move { node.drain(Duration::from_secs(5)).await });
        Ok(())
    };
    live_by(Program::new("test"), later).await.unwrap();
}

#[tokio::test]
async fn a_program_says_by_itself_when_it_is_done_and_when_it_has_failed() {
    let done = Program::new("test").until(|node| async move {
        assert!(node.joined().await);
        Ok(())
    });
    live_by(done, |_| async { Ok(()) }).await.unwrap();
    let failing = Program::new("test").until(|_| async { Err("the root has given up".into()) });
    let failed = live_by(failing, |_| async { Ok(()) }).await.unwrap_err();
    assert_eq!(failed.to_string(), "the root has given up");
    // It says so also where the node ends in the same moment.
    let stops_and_fails = Program::new("test").until(|node| async move {
        node.stop(Duration::from_secs(5)).await;
        Err("the root has given up".into())
    });
    let failed = live_by(stops_and_fails, |_| async { Ok(()) }).await.unwrap_err();
    assert_eq!(failed.to_string(), "the root has given up");
}

/// What it waited for was over because its node was, and not the other way round.
#[tokio::test]
async fn a_program_that_waits_for_its_node_says_that_another_has_its_name() {
    let ca = Ca::in_memory("test").unwrap();
    let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(86_400));
    let identity = |name: &str| ca.issue(name, validity).unwrap();
    let node = |name: &str| Node::builder(name).identity(identity(name)).workers(1);
    let other = node("b").alone().start().await.unwrap();
    let (seed, mine, later) = (other.addr().to_string(), identity("a"), node("a"));
    let seed_of_later = seed.clone();
    let waiting = Program::new("test")
        .node(move |builder| builder.identity(mine).seed(seed))
        .until(move |node| async move {
            // Up by itself it would not be known to the other one, and come after the later one.
            let mut members = node.members();
            while node.members_now().is_empty() {
                members.next().await.unwrap();
            }
            let later = later.seed(seed_of_later).start().await?;
            node.ended().await;
            later.stop(Duration::from_secs(5)).await;
            Ok(())
        });
    let failed = live_by(waiting, |_| async { Ok(()) }).await.unwrap_err();
    assert!(failed.to_string().contains("another node of its name"), "{failed}");
    other.stop(Duration::from_secs(5)).await;
}

/// The stop after it had no end where a thread was blocked.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "how long it takes a person")]
async fn a_program_whose_actors_do_not_start_ends_though_a_thread_is_blocked() {
    let began = Instant::now();
    let start = |node: Node| async move {
        block(&node).await;
        Err("no table is free".into())
    };
    let failed = live_by(Program::new("test"), start).await.unwrap_err();
    assert!(failed.to_string().contains("did not start: no table is free"), "{failed}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}
