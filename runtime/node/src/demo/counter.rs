//! The actors of the demo: counters, and on each node an usher that starts them.
//!
//! A [`Counter`] counts the words of one partition and writes down in the shared journal which asks it ran. An
//! [`Usher`] is found by its name and answers with a reference to a new counter. Both run on the demo's nodes
//! (`child.rs`) and are asked by the driver (`feeder.rs`).

use std::{ops::Bound, sync::Arc};

use odeon::{Actor, ActorRef, Context, Handler, SpawnOptions, StartError, actor, data, message};

use crate::demo::{journal::Journal, tally::Tally};

/// The name under which each node's usher is found.
pub(crate) const USHER: &str = "demo/usher";

/// Count these words, in this order.
#[message(id = "odeon-demo/Count", reply = Counted)]
pub(crate) struct Count {
    /// Number of the ask, for the journal.
    pub(crate) ask: u64,
    pub(crate) words: Vec<String>,
}

/// What a counter has counted so far.
#[data]
pub(crate) struct Counted {
    /// The ask that this answers, by which the witness knows it.
    pub(crate) ask: u64,
    pub(crate) words: u64,
}

/// A page of the counts: those after a word, in order.
#[message(id = "odeon-demo/Totals", reply = Page)]
pub(crate) struct Totals {
    pub(crate) after: Option<String>,
    pub(crate) at_most: u32,
}

/// Part of what a counter has counted.
#[data]
pub(crate) struct Page {
    pub(crate) counts: Vec<(String, u64)>,
    pub(crate) words: u64,
    pub(crate) digest: u64,
}

/// Start a counter.
#[message(id = "odeon-demo/StartCounter", reply = ActorRef<Counter>, error = NotStarted)]
pub(crate) struct StartCounter;

/// A counter did not start.
#[data]
#[derive(Debug)]
pub(crate) struct NotStarted {
    pub(crate) why: String,
}

/// Counts the words of one partition.
pub(crate) struct Counter {
    journal: Arc<Journal>,
    tally: Tally,
}

#[actor(id = "odeon-demo/Counter", handles(Count, Totals))]
impl Actor for Counter {
    type Args = Arc<Journal>;

    async fn start(journal: Arc<Journal>, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { journal, tally: Tally::default() })
    }
}

impl Handler<Count> for Counter {
    async fn handle(&mut self, count: Count, _: &mut Context<Self>) -> Counted {
        // First the journal: whatever happens after this line, the ask has run.
        assert!(self.journal.ran(count.ask), "the journal has room for every ask of the demo");
        count.words.iter().for_each(|word| self.tally.add(word));
        Counted { ask: count.ask, words: self.tally.words() }
    }
}

impl Handler<Totals> for Counter {
    async fn handle(&mut self, totals: Totals, _: &mut Context<Self>) -> Page {
        let after = totals.after.map_or(Bound::Unbounded, Bound::Excluded);
        let counts = self.tally.counts().range((after, Bound::Unbounded));
        Page {
            counts: counts
                .take(totals.at_most as usize)
                .map(|(word, n)| (word.clone(), *n))
                .collect(),
            words: self.tally.words(),
            digest: self.tally.digest(),
        }
    }
}

/// Starts counters on its node.
pub(crate) struct Usher {
    journal: Arc<Journal>,
}

#[actor(id = "odeon-demo/Usher", handles(StartCounter))]
impl Actor for Usher {
    type Args = Arc<Journal>;

    async fn start(journal: Arc<Journal>, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { journal })
    }
}

impl Handler<StartCounter> for Usher {
    async fn handle(
        &mut self,
        _: StartCounter,
        ctx: &mut Context<Self>,
    ) -> Result<ActorRef<Counter>, NotStarted> {
        let started =
            ctx.spawn::<Counter>(Arc::clone(&self.journal), SpawnOptions::default()).await;
        started.map_err(|error| NotStarted { why: error.to_string() })
    }
}
