//! A storm of requests against two servers, one of them far too slow: many are answered, and all of them end fast.
//!
//! Servers and front are in `app.rs`; the simulator runs the same ones with slow and paused nodes
//! (`sim/src/bin/odeon-sim`).

mod app;

use std::{error::Error, sync::Arc, time::Duration};

use app::{Front, Server};
use odeon_examples::{cluster, stop};
use tokio::time::Instant;

const MS: Duration = Duration::from_millis(1);
const REQUESTS: u64 = 60;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let nodes = cluster(&["front", "fast", "slow"], None, |node| node.actor::<Server>()).await?;
    for (node, takes) in nodes[1..].iter().zip([MS, 400 * MS]) {
        app::open(node, Server { takes, begun: Arc::new(|_, _| ()) }).await?;
    }
    let front = Arc::new(Front::new(nodes[0].clone(), &["fast", "slow"], false));
    // The first one finds a server.
    while front.serve(0).await.is_err() {}
    let mut storm = tokio::task::JoinSet::new();
    for number in 2..REQUESTS + 2 {
        let front = Arc::clone(&front);
        storm.spawn(async move {
            let began = Instant::now();
            (front.serve(number).await.is_ok(), began.elapsed())
        });
        tokio::time::sleep(20 * MS).await;
    }
    let (mut answered, mut longest) = (0, Duration::ZERO);
    while let Some(one) = storm.join_next().await {
        let (is_answered, took) = one?;
        answered += u64::from(is_answered);
        longest = longest.max(took);
    }
    // More on a machine that is not busy itself.
    assert!(answered > REQUESTS / 4, "{answered} of {REQUESTS} were answered");
    assert!(longest < Duration::from_secs(5), "one took {longest:?}");
    stop(nodes).await;
    Ok(())
}
