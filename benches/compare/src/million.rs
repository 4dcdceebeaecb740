//! One million live actors of Odeon in one process, and the memory that the process takes with them.
//!
//! The node has its defaults and one worker thread; the actors have a number each. Every thousandth is asked, to show
//! that they live.

use std::time::Duration;

use odeon::{Actor, Context, Handler, StartError, message};

use crate::{Outcome, memory::resident_bytes, systems::odeon::node, threads};

const ACTORS: u64 = 1_000_000;

/// Megabytes that the whole process may take.
const TARGET_MB: u64 = 300;

#[derive(Clone)]
struct Account {
    cents: u64,
}

impl Actor for Account {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

#[message(local, reply = u64)]
struct Balance;

impl Handler<Balance> for Account {
    async fn handle(&mut self, _: Balance, _: &mut Context<Self>) -> u64 {
        self.cents
    }
}

/// Spawns them, asks some, prints the memory.
///
/// # Errors
/// When one does not start or answers wrongly.
#[expect(clippy::print_stdout, reason = "the figure is what was asked for")]
pub(crate) fn run() -> Outcome<()> {
    threads::single()?.block_on(async {
        let node = node(false).start().await?;
        let mut asked = Vec::new();
        for cents in 0..ACTORS {
            let account = node.spawn(Account { cents }).await?;
            if cents % 1000 == 0 {
                asked.push((cents, account));
            }
        }
        for (cents, account) in asked {
            if account.ask(Balance).await? != cents {
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
