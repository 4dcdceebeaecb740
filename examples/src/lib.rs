//! Examples of Odeon, one idea each: the programs in `src/bin`, which `tests/smoke.rs` runs.
//!
//! Run one with `cargo run -p odeon-examples --bin first_actor`. What this library is NOT: anything to build on; it has
//! what the examples of several nodes begin with.

use std::{error::Error, path::Path, sync::Arc, time::Duration};

use odeon::{
    Ca, Node, NodeBuilder, Validity,
    env::{Env, RealEnv},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long a node may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Nodes of these names in this program, on loopback, which see each other; `setup` adds what each of them declares. With
/// a folder, each has a disk of its own in it.
///
/// # Errors
/// When a node does not start, or ends before it has joined.
pub async fn cluster(
    names: &[&str],
    folder: Option<&Path>,
    setup: impl Fn(NodeBuilder) -> NodeBuilder,
) -> Result<Vec<Node>, Box<dyn Error>> {
    let ca = Ca::in_memory("examples")?;
    let mut nodes = Vec::<Node>::new();
    for name in names {
        let identity = ca.issue(name, Validity::from(RealEnv.wall_clock(), DAY))?;
        let mut builder = setup(Node::builder(name).identity(identity));
        if let Some(folder) = folder {
            let env = RealEnv::builder().data_folder(folder.join(name)).open()?;
            builder = builder.env(Arc::new(env));
        }
        let builder = match nodes.first() {
            Some(first) => builder.seed(first.addr().to_string()),
            None => builder.alone(),
        };
        nodes.push(builder.start().await?);
    }
    for node in &nodes {
        let others = || node.members_now().into_iter().filter(|member| member.name != node.name());
        while others().count() + 1 < names.len() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    Ok(nodes)
}

/// Stops them, the last one first.
pub async fn stop(nodes: Vec<Node>) {
    for node in nodes.into_iter().rev() {
        node.stop(STOP_WITHIN).await;
    }
}

/// Completes when standard input has ended, as when the program that started this one lets it go.
///
/// # Cancel safety
/// What was read is gone.
pub async fn end_of_input() {
    // Whatever was wrong with it, it has ended.
    let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await;
}
