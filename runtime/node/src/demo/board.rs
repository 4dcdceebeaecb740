//! The board: what all feeders of a run know together.
//!
//! What it is: which node has which partition, how far each has come, every failed ask's label, the latencies. One
//! thread writes and reads it. `demo.rs` watches it to decide when to kill, `verdict.rs` reads it at the end.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    time::Duration,
};

use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use odeon::Certainty;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::demo::witness::marked;

/// With more nodes than this one of them is given more than its share, so that it holds a fifth of all words.
const EVEN_NODES_MAX: usize = 5;

/// One failed ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FailedAsk {
    pub(crate) ask: u64,
    pub(crate) label: Certainty,
}

/// How far one partition has come.
#[derive(Clone, Default, Debug)]
struct Partition {
    home: String,
    words: usize,
    complete: bool,
    /// Asks that a lane has taken and nobody has answered.
    in_flight: BTreeSet<u64>,
    /// An ask waits for credit.
    waits: bool,
    lost_at: Option<Instant>,
    back_at: Option<Instant>,
}

/// What all feeders know.
pub(crate) struct Board {
    nodes: RefCell<Vec<String>>,
    gone: RefCell<BTreeSet<String>>,
    partitions: RefCell<Vec<Partition>>,
    failed: RefCell<Vec<FailedAsk>>,
    latency_us: RefCell<Histogram<u32>>,
    asks: Cell<u64>,
    replied: RefCell<Vec<u64>>,
    /// The node that each partition is given at first, by its place among the nodes.
    plan: Vec<usize>,
    bar: ProgressBar,
    /// Whether nobody will be killed any more.
    calm: Cell<bool>,
    /// Counts the changes that finished feeders wait for.
    changes: watch::Sender<u64>,
    /// Something moved.
    pub(crate) moved: Notify,
}

impl Board {
    /// A board for partitions of these many words over these nodes; `shift` turns the assignment.
    pub(crate) fn new(nodes: Vec<String>, words: &[usize], shift: usize, bar: ProgressBar) -> Self {
        let plan = plan(nodes.len(), words, shift);
        Self {
            nodes: RefCell::new(nodes),
            gone: RefCell::default(),
            partitions: RefCell::new(vec![Partition::default(); words.len()]),
            failed: RefCell::default(),
            latency_us: RefCell::new(
                Histogram::new_with_max(60_000_000, 2)
                    .expect("a minute in microseconds fits two digits"),
            ),
            asks: Cell::new(0),
            replied: RefCell::default(),
            plan,
            bar,
            calm: Cell::new(false),
            changes: watch::Sender::new(0),
            moved: Notify::new(),
        }
    }

    /// The node that should count a partition now.
    pub(crate) fn home(&self, partition: usize) -> String {
        let gone = self.gone.borrow();
        let nodes = self.nodes.borrow();
        let planned = &nodes[self.plan[partition]];
        if !gone.contains(planned) {
            return planned.clone();
        }
        let there: Vec<&String> = nodes.iter().filter(|node| !gone.contains(*node)).collect();
        there[partition % there.len()].clone()
    }

    /// Nobody will be killed any more: feeders may end once all have counted everything.
    pub(crate) fn calm(&self) {
        self.calm.set(true);
        self.change();
    }

    fn change(&self) {
        self.changes.send_modify(|changes| *changes += 1);
        self.moved.notify_one();
    }

    /// Whether every partition is counted.
    pub(crate) fn all_complete(&self) -> bool {
        self.partitions.borrow().iter().all(|partition| partition.complete)
    }

    /// A partition is counted to its end by a counter on `home`. Waits until the run is over: true; or until that
    /// node is gone, and its counter with it: false.
    pub(crate) async fn finished(&self, partition: usize, home: &str) -> bool {
        {
            let at = &mut self.partitions.borrow_mut()[partition];
            at.complete = true;
            // A partition without words is counted again as soon as it has a counter.
            at.back_at = at.back_at.or(at.lost_at.map(|_| Instant::now()));
        }
        self.change();
        let mut changes = self.changes.subscribe();
        loop {
            if self.gone.borrow().contains(home) {
                return false;
            }
            if self.calm.get() && self.all_complete() {
                return true;
            }
            // The sender lives in `self`.
            let _ = changes.changed().await;
        }
    }

    /// A node is not to be given counters any more.
    pub(crate) fn gone(&self, node: &str) {
        self.gone.borrow_mut().insert(node.to_owned());
        self.change();
    }

    /// A fresh id for an ask, by which the [witness](crate::demo::witness) knows it.
    pub(crate) fn next_ask(&self) -> u64 {
        self.asks.set(self.asks.get() + 1);
        marked(self.asks.get())
    }

    pub(crate) fn placed(&self, partition: usize, home: &str) {
        let mut partitions = self.partitions.borrow_mut();
        let partition = &mut partitions[partition];
        home.clone_into(&mut partition.home);
    }

    /// An ask is about to be sent, and waits for credit if need be.
    pub(crate) fn sending(&self, partition: usize) {
        self.partitions.borrow_mut()[partition].waits = true;
    }

    /// A lane has taken the ask, or it failed before that.
    pub(crate) fn sent(&self, partition: usize, taken: Option<u64>) {
        let partition = &mut self.partitions.borrow_mut()[partition];
        partition.waits = false;
        partition.in_flight.extend(taken);
    }

    pub(crate) fn answered(&self, partition: usize, ask: u64) {
        self.partitions.borrow_mut()[partition].in_flight.remove(&ask);
    }

    pub(crate) fn counted(&self, partition: usize, ask: u64, words: usize, took: Duration) {
        let mut partitions = self.partitions.borrow_mut();
        let partition = &mut partitions[partition];
        partition.words += words;
        if partition.lost_at.is_some() && partition.back_at.is_none() {
            partition.back_at = Some(Instant::now());
        }
        self.replied.borrow_mut().push(ask);
        self.latency_us
            .borrow_mut()
            .saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        self.bar.inc(words as u64);
        self.moved.notify_one();
    }

    /// The partition's counter is lost, and all it had counted.
    pub(crate) fn lost(&self, partition: usize) {
        let mut partitions = self.partitions.borrow_mut();
        let partition = &mut partitions[partition];
        self.bar.set_position(self.bar.position().saturating_sub(partition.words as u64));
        partition.words = 0;
        partition.complete = false;
        partition.lost_at = Some(Instant::now());
        partition.back_at = None;
        self.moved.notify_one();
    }

    pub(crate) fn failed(&self, ask: u64, label: Certainty) {
        self.failed.borrow_mut().push(FailedAsk { ask, label });
    }

    /// Words counted so far, by all counters that are alive.
    pub(crate) fn words(&self) -> usize {
        self.partitions.borrow().iter().map(|partition| partition.words).sum()
    }

    /// A node that holds at least a fifth of all counted words and leaves failed asks of both labels if it dies now: the
    /// fullest such. So many asks to each of its counters, on average, must be with QUIC and unanswered, as `flies` says,
    /// that not all are answered while it is killed; and some must wait for credit.
    pub(crate) fn victim(&self, flying_min: usize, flies: impl Fn(u64) -> bool) -> Option<String> {
        let partitions = self.partitions.borrow();
        let counted = self.words();
        let nodes = self.nodes.borrow();
        let fit = nodes.iter().filter_map(|node| {
            let here = || partitions.iter().filter(|partition| partition.home == *node);
            let words: usize = here().map(|one| one.words).sum();
            let flying_min = flying_min * here().filter(|one| !one.complete).count().max(1);
            let flying = here().flat_map(|one| &one.in_flight).filter(|ask| flies(**ask)).count();
            let waits = here().any(|one| one.waits);
            (flying >= flying_min && waits && words * 5 >= counted).then_some((words, node))
        });
        fit.max_by_key(|(words, _)| *words).map(|(_, node)| node.clone())
    }

    /// When the last lost partition had its first words counted again; `None` while one has not, or none was lost.
    pub(crate) fn recovered_at(&self) -> Option<Instant> {
        let partitions = self.partitions.borrow();
        let lost = || partitions.iter().filter(|partition| partition.lost_at.is_some());
        if lost().any(|partition| partition.back_at.is_none()) {
            return None;
        }
        lost().filter_map(|partition| partition.back_at).max()
    }

    /// All failed asks.
    pub(crate) fn failures(&self) -> Vec<FailedAsk> {
        self.failed.borrow().clone()
    }

    /// Asks that were answered.
    pub(crate) fn replied(&self) -> Vec<u64> {
        self.replied.borrow().clone()
    }

    /// The latency below which this share of all answered asks lies, in microseconds.
    pub(crate) fn latency_us(&self, quantile: f64) -> u64 {
        self.latency_us.borrow().value_at_quantile(quantile)
    }
}

/// Which node is given each partition: in turns, or, where a fair share would be less than a fifth, so that one node
/// has a third of all words.
fn plan(nodes: usize, words: &[usize], shift: usize) -> Vec<usize> {
    let chosen = shift % nodes;
    if nodes <= EVEN_NODES_MAX {
        return (0..words.len()).map(|partition| (partition + shift) % nodes).collect();
    }
    let total: usize = words.iter().sum();
    let mut given = 0;
    let mut turn = 0;
    let share = |words: &usize| {
        if given * 3 < total {
            given += words;
            return chosen;
        }
        turn += 1;
        (chosen + 1 + turn % (nodes - 1)) % nodes
    };
    words.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_node_is_given_a_fifth_of_all_words_however_many_there_are() {
        for nodes in 2..=16 {
            let words: Vec<usize> = (0..nodes * 4).map(|n| 1000 + 37 * (n % 11)).collect();
            let plan = plan(nodes, &words, 3);
            let of = |node| {
                plan.iter()
                    .zip(&words)
                    .filter(|(at, _)| **at == node)
                    .map(|(_, n)| n)
                    .sum::<usize>()
            };
            let total: usize = words.iter().sum();
            assert!((0..nodes).any(|node| of(node) * 5 >= total), "{nodes} nodes");
            assert!((0..nodes).all(|node| of(node) > 0), "{nodes} nodes");
        }
    }
}
