//! One million live actors of Odeon in one process, and the memory that the process takes with them.
//!
//! The node has its defaults and one worker thread; every thousandth actor is asked, to show that they live.

use std::time::Duration;

use crate::{
    Outcome,
    counting::Counting,
    gate::Gate,
    memory::resident_bytes,
    system::System,
    systems::odeon::{Odeon, node},
    threads,
};

const ACTORS: u64 = 1_000_000;

/// Megabytes that the whole process may take.
const TARGET_MB: u64 = 300;

/// Spawns them, asks some, prints the memory.
///
/// # Errors
/// When one does not start or answers wrongly.
#[expect(clippy::print_stdout, reason = "the figure is what was asked for")]
pub(crate) fn run() -> Outcome<()> {
    threads::single()?.block_on(async {
        let node = node().await?;
        let system = Odeon::of(&node);
        let gate = Gate::new();
        let mut asked = Vec::new();
        for number in 0..ACTORS {
            let counter = system.counter(Counting::asked(&gate)).await?;
            if number % 1000 == 0 {
                asked.push(counter);
            }
        }
        for (counter, value) in asked.iter().zip(0..) {
            if Odeon::ask(counter, value).await? != value {
                return Err("an actor answered wrongly".into());
            }
        }
        let live = node.stats().live_actors;
        let megabytes = resident_bytes()? / 1_000_000;
        let verdict = if megabytes < TARGET_MB { "ok" } else { "missed" };
        println!("{live} live actors: {megabytes} MB resident, {TARGET_MB} MB allowed: {verdict}");
        node.stop(Duration::from_secs(30)).await;
        Ok(())
    })
}
