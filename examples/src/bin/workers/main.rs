//! A pool of workers on two nodes, and jobs of which some make workers panic.
//!
//! Workers, pool and porter are in `app.rs`; the simulator runs the same ones through crashes and partitions
//! (`sim/src/bin/odeon-sim`).

mod app;

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
};

use app::{Book, Note, PANICS, Porter, Task, TooHard, WORKERS, Worker};
use odeon::Strategy;
use odeon_examples::{cluster, stop};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let nodes = cluster(&["foreman", "a", "b"], None, |node| node.actor::<Worker>()).await?;
    let lines = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::clone(&lines);
    let book: Book = Arc::new(move |note| {
        let line = match note {
            Note::Started { pool, worker } => format!("{worker} of {pool} starts"),
            Note::Failed { pool, worker } => format!("{worker} of {pool} panics"),
            Note::Stopped { pool, worker } => format!("{worker} of {pool} stops"),
            Note::Finished { pool, worker } => format!("{worker} of {pool} is ready"),
            Note::GaveUp { pool } => format!("{pool} gives up"),
            Note::Did { number } => format!("job {number} is done"),
        };
        written.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    });
    for (node, strategy) in nodes[1..].iter().zip([Strategy::OneForOne, Strategy::RestForOne]) {
        node.spawn_with::<Porter>((node.clone(), strategy, Arc::clone(&book))).await?;
    }
    // What waits for a worker that panics waits for its next life.
    assert_eq!(app::outlasts(&nodes[0], "b", WORKERS[0], 0).await, Some(true));
    for number in 1..=12 {
        let task = Task { number, hard: u32::from(number % 3 == 0) };
        let done = app::get_done(&nodes[0], &["a", "b"], task, false).await;
        assert_eq!(done, Ok(number * number));
    }
    let task = Task { number: 13, hard: PANICS };
    assert_eq!(app::get_done(&nodes[0], &["a", "b"], task, false).await, Err(TooHard));
    let lines = lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let count = |what: &str| lines.iter().filter(|line| line.ends_with(what)).count();
    assert_eq!((count(" panics"), count(" is done")), (9, 13), "{lines:#?}");
    assert!(count(" starts") > 8, "nobody was started again: {lines:#?}");
    stop(nodes).await;
    Ok(())
}
