//! Two candidates for one name; when the node of the leader is stopped, the other one leads.
//!
//! Office, ledger and candidates are in `app.rs`, with what they promise; the simulator runs the same ones through crashes
//! and pauses (`sim/src/bin/odeon-sim`).

mod app;
#[path = "../append_log.rs"]
#[expect(dead_code, reason = "the example has a main of its own")]
mod append_log;

use std::{error::Error, sync::Arc, time::Duration};

use app::{Candidacy, Ledger, Office};
use odeon_examples::{cluster, stop};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("odeon-leader-{}", std::process::id()));
    let setup = |node: odeon::NodeBuilder| node.actor::<Office>().actor::<Ledger>();
    let mut nodes = cluster(&["office", "a", "b"], Some(&folder), setup).await?;
    app::open(&nodes[0]).await?;
    let stand = |node: odeon::Node| {
        let (office, leads) = ("office".to_owned(), Arc::new(|_: &str, _, _| ()));
        app::stand(Candidacy { node, office, leads, overstays: Duration::ZERO })
    };
    // Whoever comes first has the name.
    stand(nodes[1].clone()).await?;
    assert_eq!(next_leader(&nodes[0], 0).await, ("a".to_owned(), 1));
    stand(nodes[2].clone()).await?;
    let a = nodes.remove(1);
    a.stop(Duration::from_secs(5)).await;
    assert_eq!(next_leader(&nodes[0], 1).await, ("b".to_owned(), 2));
    stop(nodes).await;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

/// Who acts next with a greater fence than this.
async fn next_leader(office: &odeon::Node, fence: u64) -> (String, u64) {
    loop {
        let acts = app::acts(office, "office").await.unwrap_or_default();
        if let Some(act) = acts.into_iter().find(|(_, it)| *it > fence) {
            return act;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
