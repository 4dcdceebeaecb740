//! What `#[odeon::main]` and `#[odeon::test]` call: a runtime for the async body, and a node for those that take one.
//!
//! What it is: the shortest way into a program or a test. What it is NOT: needed; a node starts from any async code,
//! on any executor. The attributes are in `odeon-macros`.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::Duration,
};

use crate::Node;

/// How long the node of a program or a test may take to stop, in each of its steps.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Runs the body on a current-thread tokio runtime with timers and, where tokio has them, sockets.
fn block_on<T>(body: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a program can have a runtime for its main function").block_on(body)
}

/// Runs the body of a program that starts its nodes itself.
///
/// # Panics
/// When the system gives the process no more file descriptors, which a runtime needs.
pub fn main<T>(body: impl Future<Output = T>) -> T {
    block_on(body)
}

/// Runs the body of a program with a node that is a cluster of its own, and stops the node afterwards.
///
/// # Panics
/// When the node does not start: the text says why and what to do.
pub fn main_with_node<T>(name: &str, body: impl AsyncFnOnce(Node) -> T) -> T {
    block_on(async {
        let node = start(name).await;
        let result = body(node.clone()).await;
        node.stop(STOP_WITHIN).await;
        result
    })
}

/// Runs the body of a test with a node of its own, stops the node, and holds the ends of its actors against what the
/// test expects: `exits` actors that end otherwise than by a stop, restarted ones counted each time.
///
/// # Panics
/// When the body does, when the node does not start, or when another number of actors failed: the text names them.
pub fn test<T>(exits: u64, body: impl AsyncFnOnce(Node) -> T) -> T {
    let mut started = None;
    let ran = catch_unwind(AssertUnwindSafe(|| {
        block_on(async {
            let node = start("test").await;
            started = Some(node.clone());
            let result = body(node.clone()).await;
            node.stop(STOP_WITHIN).await;
            result
        })
    }));
    let result = ran.unwrap_or_else(|panic| {
        // The body failed: its node must not outlive it.
        if let Some(node) = started.take() {
            block_on(node.stop(STOP_WITHIN));
        }
        resume_unwind(panic)
    });
    let failures = started.map(|node| (node.stats().failures, node.system().recent_failures()));
    let (count, recent) = failures.unwrap_or_default();
    let list =
        if recent.is_empty() { String::new() } else { format!(":\n  {}", recent.join("\n  ")) };
    let actors = if count == 1 { "actor" } else { "actors" };
    assert!(
        count == exits,
        "{count} {actors} ended otherwise than by a stop and {exits} were expected{list}\n\
         if that is meant, say how many: #[odeon::test(exits = {count})]"
    );
    result
}

async fn start(name: &str) -> Node {
    match Node::builder(name).alone().start().await {
        Ok(node) => node,
        Err(error) => panic!("the node {name:?} did not start: {error}"),
    }
}
