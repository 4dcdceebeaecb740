//! Two candidates for one name; when the node of the leader is stopped, the other one leads.
//!
//! Office, ledger and candidates are in `app.rs`, with what they promise; the simulator runs the same ones through crashes
//! and pauses (`sim/src/bin/odeon-sim`).

mod app;
#[path = "../append_log.rs"]
#[expect(dead_code, reason = "the example has a main of its own")]
mod append_log;

use std::{error::Error, sync::Arc, time::Duration};

use app::{Candidacy, Keeping, Ledger, Office, who_acted};
use odeon_examples::{cluster, stop};
use tokio::sync::watch;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("odeon-leader-{}", std::process::id()));
    let setup = |node: odeon::NodeBuilder| node.actor::<Office>().actor::<Ledger>();
    let mut nodes = cluster(&["office", "a", "b"], Some(&folder), setup).await?;
    let (acts, mut acted) = watch::channel((String::new(), 0));
    let book = Arc::new(move |who: &str, fence| drop(acts.send_replace((who.to_owned(), fence))));
    app::open(&nodes[0], Ledger::new(book, Keeping::default())).await?;
    let stand = |node: odeon::Node| {
        let (office, leads) = ("office".to_owned(), Arc::new(|_: &str, _, _| ()));
        app::stand(Candidacy { node, office, leads, overstays: Duration::ZERO })
    };
    // Whoever comes first has the name.
    stand(nodes[1].clone()).await?;
    assert_eq!(*acted.wait_for(|(_, fence)| *fence > 0).await?, ("a".to_owned(), 1));
    let read = who_acted(&nodes[2].on("office")).await.ok_or("the ledger does not answer")?;
    assert_eq!((read.candidate.as_str(), read.fence), ("a", 1));
    stand(nodes[2].clone()).await?;
    let a = nodes.remove(1);
    a.stop(Duration::from_secs(5)).await;
    assert_eq!(*acted.wait_for(|(_, fence)| *fence > 1).await?, ("b".to_owned(), 2));
    stop(nodes).await;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
