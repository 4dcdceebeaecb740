//! The board: what all feeders of a run know together.
//!
//! What it is: which node has which partition, which nodes are there, how far each partition has come. One thread writes
//! and reads it; what happens to each ask is noted in a [`Book`] of whoever runs the job. What it is NOT: measurements,
//! a history or a verdict; those are made of the notes.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use odeon::Certainty;
use tokio::sync::{Notify, watch};

/// With more nodes than this one of them is given more than its share, so that it holds a fifth of all words.
const EVEN_NODES_MAX: usize = 5;

/// What happens in a run of the job.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Note {
    /// An ask is about to be sent.
    Asks { ask: u64 },
    /// An ask was answered, after this time.
    Counted { partition: usize, ask: u64, words: usize, took: Duration },
    /// An ask failed, and this is known of it.
    Failed { ask: u64, label: Certainty },
    /// A counter has counted the whole partition.
    Complete { partition: usize },
    /// The partition's counter is lost, and the words that it had counted.
    Lost { partition: usize, words: usize },
}

/// Who is told of each note, at once.
pub(crate) type Book = Box<dyn Fn(Note)>;

/// A node in one of its lives, as far as the board can tell them apart.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Home {
    pub(crate) node: String,
    losses: u64,
}

/// Whether a node is there, and how often it was lost.
#[derive(Clone, Copy, Default, Debug)]
struct Presence {
    is_gone: bool,
    losses: u64,
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
}

/// What all feeders know.
pub(crate) struct Board {
    nodes: Vec<String>,
    presence: RefCell<BTreeMap<String, Presence>>,
    partitions: RefCell<Vec<Partition>>,
    /// The id of the last ask.
    asked: Cell<u64>,
    /// The node that each partition is given at first, by its place among the nodes.
    plan: Vec<usize>,
    book: Book,
    /// Whether nobody will be killed any more.
    calm: Cell<bool>,
    /// Counts the changes that finished feeders wait for.
    changes: watch::Sender<u64>,
    /// Something moved.
    pub(crate) moved: Notify,
}

impl Board {
    /// A board for partitions of these many words over these nodes; `shift` turns the assignment. The ids of asks begin
    /// after `asked`.
    pub(crate) fn new(
        nodes: Vec<String>,
        words: &[usize],
        shift: usize,
        asked: u64,
        book: Book,
    ) -> Self {
        Self {
            plan: plan(nodes.len(), words, shift),
            nodes,
            presence: RefCell::default(),
            partitions: RefCell::new(vec![Partition::default(); words.len()]),
            asked: Cell::new(asked),
            book,
            calm: Cell::new(false),
            changes: watch::Sender::new(0),
            moved: Notify::new(),
        }
    }

    fn presence(&self, node: &str) -> Presence {
        self.presence.borrow().get(node).copied().unwrap_or_default()
    }

    /// The node that should count a partition now. Where all are gone, one that may come back.
    pub(crate) fn home(&self, partition: usize) -> Home {
        let planned = &self.nodes[self.plan[partition]];
        let there = |node: &&String| !self.presence(node).is_gone;
        let others: Vec<&String> = self.nodes.iter().filter(there).collect();
        let chosen = match others.len() {
            0 => planned,
            _ if there(&planned) => planned,
            count => others[partition % count],
        };
        Home { node: chosen.clone(), losses: self.presence(chosen).losses }
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
    pub(crate) async fn finished(&self, partition: usize, home: &Home) -> bool {
        self.partitions.borrow_mut()[partition].complete = true;
        (self.book)(Note::Complete { partition });
        self.change();
        let mut changes = self.changes.subscribe();
        loop {
            // By the number of losses, because the node may be back already.
            if self.presence(&home.node).losses != home.losses {
                return false;
            }
            if self.calm.get() && self.all_complete() {
                return true;
            }
            // The sender lives in `self`.
            let _ = changes.changed().await;
        }
    }

    /// A node is lost, with the counters on it; it is not to be given others until it is back.
    pub(crate) fn gone(&self, node: &str) {
        let losses = self.presence(node).losses + 1;
        self.presence.borrow_mut().insert(node.to_owned(), Presence { is_gone: true, losses });
        self.change();
    }

    /// A node is there, in a new life or for the first time.
    pub(crate) fn back(&self, node: &str) {
        let losses = self.presence(node).losses;
        self.presence.borrow_mut().insert(node.to_owned(), Presence { is_gone: false, losses });
        self.change();
    }

    /// A fresh id for an ask.
    pub(crate) fn next_ask(&self) -> u64 {
        self.asked.set(self.asked.get() + 1);
        self.asked.get()
    }

    pub(crate) fn placed(&self, partition: usize, home: &Home) {
        home.node.clone_into(&mut self.partitions.borrow_mut()[partition].home);
    }

    /// An ask is about to be sent, and waits for credit if need be.
    pub(crate) fn sending(&self, partition: usize, ask: u64) {
        self.partitions.borrow_mut()[partition].waits = true;
        (self.book)(Note::Asks { ask });
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
        self.partitions.borrow_mut()[partition].words += words;
        (self.book)(Note::Counted { partition, ask, words, took });
        self.moved.notify_one();
    }

    /// The partition's counter is lost, and all it had counted.
    pub(crate) fn lost(&self, partition: usize) {
        let words = {
            let at = &mut self.partitions.borrow_mut()[partition];
            at.complete = false;
            std::mem::take(&mut at.words)
        };
        (self.book)(Note::Lost { partition, words });
        self.moved.notify_one();
    }

    pub(crate) fn failed(&self, ask: u64, label: Certainty) {
        (self.book)(Note::Failed { ask, label });
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
        let fit = self.nodes.iter().filter_map(|node| {
            let here = || partitions.iter().filter(|partition| partition.home == *node);
            let words: usize = here().map(|one| one.words).sum();
            let flying_min = flying_min * here().filter(|one| !one.complete).count().max(1);
            let flying = here().flat_map(|one| &one.in_flight).filter(|ask| flies(**ask)).count();
            let waits = here().any(|one| one.waits);
            (flying >= flying_min && waits && words * 5 >= counted).then_some((words, node))
        });
        fit.max_by_key(|(words, _)| *words).map(|(_, node)| node.clone())
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

    #[test]
    fn a_counter_is_lost_with_its_node_though_that_is_back_at_once() {
        let board = Board::new(vec!["a".into(), "b".into()], &[1, 1], 0, 0, Box::new(drop));
        let home = board.home(0);
        assert_eq!(home.node, "a");
        board.gone("a");
        assert_eq!(board.home(0).node, "b");
        board.gone("b");
        assert_eq!(board.home(0).node, "a", "all are gone, and it may come back");
        board.back("a");
        assert_ne!(board.home(0), home);
        board.calm();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(!runtime.block_on(board.finished(0, &home)));
    }
}
