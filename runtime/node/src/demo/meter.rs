//! The meter: what is measured and remembered of a run, out of the notes of its feeders.
//!
//! What it is: latencies, labels of failed asks, the progress bar, and when which partition was lost and counted again.
//! What it is NOT: the board (`job/board.rs`), by which the feeders work. `report.rs` and `verdict.rs` read it at the end.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use odeon::Certainty;
use tokio::time::Instant;

use crate::demo::job::board::Note;

/// One failed ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FailedAsk {
    pub(crate) ask: u64,
    pub(crate) label: Certainty,
}

/// What was measured.
pub(crate) struct Meter {
    bar: ProgressBar,
    latency_us: RefCell<Histogram<u32>>,
    /// Asks that have no end yet.
    open: RefCell<BTreeSet<u64>>,
    replied: RefCell<Vec<u64>>,
    failed: RefCell<Vec<FailedAsk>>,
    /// The partitions that were lost, and when each had its first words counted again.
    lost: RefCell<BTreeMap<usize, Option<Instant>>>,
}

impl Meter {
    /// Nothing yet.
    pub(crate) fn new(bar: ProgressBar) -> Self {
        let latency_us = Histogram::new_with_max(60_000_000, 2)
            .expect("a minute in microseconds fits two digits");
        Self {
            bar,
            latency_us: RefCell::new(latency_us),
            open: RefCell::default(),
            replied: RefCell::default(),
            failed: RefCell::default(),
            lost: RefCell::default(),
        }
    }

    /// Takes a note.
    pub(crate) fn note(&self, note: Note) {
        match note {
            Note::Asks { ask } => drop(self.open.borrow_mut().insert(ask)),
            Note::Counted { partition, ask, words, took } => {
                self.is_back(partition);
                self.open.borrow_mut().remove(&ask);
                self.replied.borrow_mut().push(ask);
                let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                self.latency_us.borrow_mut().saturating_record(took);
                self.bar.inc(words as u64);
            }
            Note::Failed { ask, label } => {
                self.open.borrow_mut().remove(&ask);
                self.failed.borrow_mut().push(FailedAsk { ask, label });
            }
            // A partition without words is counted again as soon as it has a counter.
            Note::Complete { partition } => self.is_back(partition),
            Note::Lost { partition, words } => {
                self.bar.set_position(self.bar.position().saturating_sub(words as u64));
                self.lost.borrow_mut().insert(partition, None);
            }
        }
    }

    fn is_back(&self, partition: usize) {
        if let Some(back) = self.lost.borrow_mut().get_mut(&partition) {
            back.get_or_insert_with(Instant::now);
        }
    }

    /// When the last lost partition had its first words counted again; `None` while one has not, or none was lost.
    pub(crate) fn recovered_at(&self) -> Option<Instant> {
        let lost = self.lost.borrow();
        lost.values().copied().collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// All failed asks.
    pub(crate) fn failures(&self) -> Vec<FailedAsk> {
        self.failed.borrow().clone()
    }

    /// Asks that were neither answered nor failed.
    pub(crate) fn open(&self) -> Vec<u64> {
        self.open.borrow().iter().copied().collect()
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
