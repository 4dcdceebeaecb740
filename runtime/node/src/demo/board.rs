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
use tokio::{sync::Notify, time::Instant};

/// One failed ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FailedAsk {
    pub(crate) ask: u64,
    /// Whether a lane had taken it.
    pub(crate) taken: bool,
    pub(crate) label: Certainty,
}

/// How far one partition has come.
#[derive(Clone, Default, Debug)]
struct Partition {
    home: String,
    words: usize,
    in_flight: usize,
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
    replied: Cell<u64>,
    shift: usize,
    bar: ProgressBar,
    /// Something moved.
    pub(crate) moved: Notify,
}

impl Board {
    /// A board for `partitions` partitions over these nodes; `shift` turns the assignment.
    pub(crate) fn new(
        nodes: Vec<String>,
        partitions: usize,
        shift: usize,
        bar: ProgressBar,
    ) -> Self {
        Self {
            nodes: RefCell::new(nodes),
            gone: RefCell::default(),
            partitions: RefCell::new(vec![Partition::default(); partitions]),
            failed: RefCell::default(),
            latency_us: RefCell::new(
                Histogram::new_with_max(60_000_000, 2)
                    .expect("a minute in microseconds fits two digits"),
            ),
            asks: Cell::new(0),
            replied: Cell::new(0),
            shift,
            bar,
            moved: Notify::new(),
        }
    }

    /// The node that should count a partition now.
    pub(crate) fn home(&self, partition: usize) -> String {
        let gone = self.gone.borrow();
        let nodes = self.nodes.borrow();
        let there: Vec<&String> = nodes.iter().filter(|node| !gone.contains(*node)).collect();
        there[(partition + self.shift) % there.len()].clone()
    }

    /// A node is not to be given counters any more.
    pub(crate) fn gone(&self, node: &str) {
        self.gone.borrow_mut().insert(node.to_owned());
    }

    /// A fresh number for an ask, from 1.
    pub(crate) fn next_ask(&self) -> u64 {
        self.asks.set(self.asks.get() + 1);
        self.asks.get()
    }

    pub(crate) fn placed(&self, partition: usize, home: &str) {
        let mut partitions = self.partitions.borrow_mut();
        let partition = &mut partitions[partition];
        home.clone_into(&mut partition.home);
    }

    pub(crate) fn sent(&self, partition: usize) {
        self.partitions.borrow_mut()[partition].in_flight += 1;
    }

    pub(crate) fn answered(&self, partition: usize) {
        self.partitions.borrow_mut()[partition].in_flight -= 1;
    }

    pub(crate) fn counted(&self, partition: usize, words: usize, took: Duration) {
        let mut partitions = self.partitions.borrow_mut();
        let partition = &mut partitions[partition];
        partition.words += words;
        if partition.lost_at.is_some() && partition.back_at.is_none() {
            partition.back_at = Some(Instant::now());
        }
        self.replied.set(self.replied.get() + 1);
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
        partition.lost_at = Some(Instant::now());
        partition.back_at = None;
        self.moved.notify_one();
    }

    pub(crate) fn failed(&self, ask: u64, taken: bool, label: Certainty) {
        self.failed.borrow_mut().push(FailedAsk { ask, taken, label });
    }

    /// Words counted so far, by all counters that are alive.
    pub(crate) fn words(&self) -> usize {
        self.partitions.borrow().iter().map(|partition| partition.words).sum()
    }

    /// The node with the most counted words, those words, and the asks that are in flight to it.
    pub(crate) fn fullest(&self) -> (String, usize, usize) {
        let partitions = self.partitions.borrow();
        let of = |node: &String| {
            let here = partitions.iter().filter(|partition| partition.home == *node);
            here.fold((0, 0), |(words, flying), one| (words + one.words, flying + one.in_flight))
        };
        let nodes = self.nodes.borrow();
        let all = nodes.iter().map(|node| (node.clone(), of(node).0, of(node).1));
        all.max_by_key(|(_, words, _)| *words).expect("a demo has nodes")
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
    pub(crate) fn replied(&self) -> u64 {
        self.replied.get()
    }

    /// The latency below which this share of all answered asks lies, in microseconds.
    pub(crate) fn latency_us(&self, quantile: f64) -> u64 {
        self.latency_us.borrow().value_at_quantile(quantile)
    }
}
