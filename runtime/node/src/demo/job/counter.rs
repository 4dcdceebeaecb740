//! The actors of the demo: counters, and on each node an usher that starts them.
//!
//! A [`Counter`] counts the words of one partition and says first which ask it runs. An [`Usher`] is found by its name and
//! answers with a reference to a new counter, in whose place it stops an earlier one of that partition. Both run on the
//! nodes of the job and are asked by feeders (`feeder.rs`).

use std::{collections::BTreeMap, ops::Bound, sync::Arc, time::Duration};

use odeon::{
    Actor, ActorRef, Context, Handler, Node, SpawnOptions, StartError, actor, data, message,
};

use super::tally::Tally;

/// The name under which each node's usher is found.
pub(crate) const USHER: &str = "demo/usher";

/// Count these words, in this order.
#[message(id = "odeon-demo/Count", reply = Counted)]
pub(crate) struct Count {
    /// Number of the ask, for whoever writes down what ran.
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

/// Start a counter of this partition.
#[message(id = "odeon-demo/StartCounter", reply = ActorRef<Counter>, error = NotStarted)]
pub(crate) struct StartCounter {
    pub(crate) partition: u32,
}

/// A counter did not start.
#[data]
#[derive(Debug)]
pub(crate) struct NotStarted {
    pub(crate) why: String,
}

/// Is told of each ask before it does anything.
pub(crate) type Ran = Arc<dyn Fn(u64) + Send + Sync>;

/// What the counters of a node have in common.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) ran: Ran,
    /// How long each batch takes a counter beside the counting; zero for as fast as it can.
    pub(crate) takes: Duration,
}

/// Counts the words of one partition.
pub(crate) struct Counter {
    desk: Desk,
    tally: Tally,
}

#[actor(id = "odeon-demo/Counter", handles(Count, Totals))]
impl Actor for Counter {
    type Args = Desk;

    async fn start(desk: Desk, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { desk, tally: Tally::default() })
    }
}

impl Handler<Count> for Counter {
    async fn handle(&mut self, count: Count, _: &mut Context<Self>) -> Counted {
        // Whatever happens after this line, the ask has run.
        (self.desk.ran)(count.ask);
        if !self.desk.takes.is_zero() {
            tokio::time::sleep(self.desk.takes).await;
        }
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

/// Starts counters on its node, one for each partition at most.
pub(crate) struct Usher {
    desk: Desk,
    counters: BTreeMap<u32, ActorRef<Counter>>,
}

#[actor(id = "odeon-demo/Usher", handles(StartCounter))]
impl Actor for Usher {
    type Args = Desk;

    async fn start(desk: Desk, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { desk, counters: BTreeMap::new() })
    }
}

impl Handler<StartCounter> for Usher {
    async fn handle(
        &mut self,
        start: StartCounter,
        ctx: &mut Context<Self>,
    ) -> Result<ActorRef<Counter>, NotStarted> {
        let started = ctx.spawn::<Counter>(self.desk.clone(), SpawnOptions::default()).await;
        let counter = started.map_err(|error| NotStarted { why: error.to_string() })?;
        // Nobody asks the earlier one any more: its feeder took it for lost.
        if let Some(earlier) = self.counters.insert(start.partition, counter.clone()) {
            earlier.kill();
        }
        Ok(counter)
    }
}

/// Opens the usher of a node.
pub(crate) async fn open(node: &Node, desk: Desk) -> Result<(), StartError> {
    let options = SpawnOptions::default().named(USHER);
    node.spawn_opts::<Usher>(desk, options).await.map(drop)
}
