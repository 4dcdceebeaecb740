//! Transfers between accounts on two nodes, each with its journal on a disk of its own.
//!
//! The bank is in `app.rs`; the simulator runs the same one through crashes and partitions (`sim/src/bin/odeon-sim`).

mod app;
#[path = "../append_log.rs"]
#[expect(dead_code, reason = "the example has a main of its own")]
mod append_log;

use std::{error::Error, sync::Arc};

use app::{Audit, Branch, CARD, Opening, Order};
use odeon_examples::{cluster, stop};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("odeon-bank-{}", std::process::id()));
    let nodes = cluster(&["east", "west"], Some(&folder), |node| node.actor::<Branch>()).await?;
    // Whoever charges cards is outside; this one always does.
    let charge: app::Charge = Arc::new(|_, _, _| Box::pin(async { Ok(true) }));
    let opening = |node| {
        let charge = Arc::clone(&charge);
        Opening { node, balances: vec![100, 100], compensates: true, charge }
    };
    for node in &nodes {
        app::open(opening(node.clone())).await?;
    }
    let east = &nodes[0];
    let order = |number, to, cents| Order { number, from: 0, branch: "west".to_owned(), to, cents };

    let moved = app::transfer(east, "east", order(1, 1, 30)).await;
    assert_eq!(moved, Ok(true));
    // Twice is as good as once.
    let moved = app::transfer(east, "east", order(1, 1, 30)).await;
    assert_eq!(moved, Ok(true));
    // The money is not there, or the account is not, so that it is given back.
    assert_eq!(app::transfer(east, "east", order(2, 1, 500)).await, Ok(false));
    assert_eq!(app::transfer(east, "east", order(3, 7, 20)).await, Ok(false));

    // Money from a card; that account there is, and that one there is not.
    let card = |number, to| Order { from: CARD, ..order(number, to, 15) };
    assert_eq!(app::transfer(east, "west", card(4, 0)).await, Ok(true));
    assert_eq!(app::transfer(east, "west", card(5, 7)).await, Ok(false));

    for (branch, expected) in [("east", [70, 100]), ("west", [115, 130])] {
        let found = app::find(east, branch).await.ok_or("a branch is closed")?;
        let books = found.ask(Audit).await?;
        assert_eq!((books.balances, books.underway), (expected.to_vec(), 0));
    }
    stop(nodes).await;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
