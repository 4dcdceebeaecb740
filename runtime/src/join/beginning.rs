//! Who may begin a cluster, and when.
//!
//! What it is: those whom a node knows while it is in no cluster, held back from the membership until there are enough
//! of them ([`bootstrap_expect`](crate::JoinConfig::bootstrap_expect)), or until a cluster that is there has taken the
//! node in. What it is NOT: how they are found (`join.rs`) or taken in (`odeon-cluster`).
//!
//! Why it holds: a node in no cluster asks nobody to take it in, so two such nodes that meet stay two. A node in one asks
//! every node that it meets. So a cluster begins where somebody may begin it, and everybody else is taken in. Where
//! several nodes see enough of each other at once, each asks the others, and as they see each other it is one cluster.

use std::{cell::RefCell, collections::BTreeMap};

use odeon_cluster::Member;
use odeon_message::{Incarnation, NodeId};

/// Most nodes that are held back: as many as an endpoint has peers by default. One more is let through, for it is
/// certain then that somebody is there.
const HELD_MAX: usize = 1024;

/// Whether this node may ask others yet, and whom it would.
pub(crate) struct Beginning {
    expect: usize,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    is_open: bool,
    held: BTreeMap<NodeId, Member>,
}

/// What a node waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Waits {
    /// For nothing.
    No,
    /// For a cluster that is there; it knows these nodes, and none of them is in one.
    ForCluster(Vec<String>),
    /// For so many more nodes, beside itself and these, to begin a cluster with.
    ForMore(usize, Vec<String>),
}

impl Beginning {
    /// Of a node that may begin a cluster of its own, or with `expect` nodes, or none at all where that is 0.
    pub(crate) fn new(dev: bool, expect: usize) -> Self {
        let is_open = dev || expect == 1;
        Self { expect, state: RefCell::new(State { is_open, ..State::default() }) }
    }

    /// Whether the node may be a cluster of its own.
    pub(crate) fn is_open(&self) -> bool {
        self.state.borrow().is_open
    }

    /// Somebody answered: those whom the membership shall ask now.
    pub(crate) fn meet(&self, member: Member) -> Vec<Member> {
        let mut state = self.state.borrow_mut();
        if state.is_open {
            return vec![member];
        }
        if state.held.len() >= HELD_MAX && !state.held.contains_key(&member.node) {
            return vec![member];
        }
        state.held.insert(member.node, member);
        if self.expect == 0 || state.held.len() + 1 < self.expect {
            return Vec::new();
        }
        state.open()
    }

    /// The connection to that life of a node is gone: it counts no more.
    pub(crate) fn lose(&self, node: NodeId, incarnation: Incarnation) {
        let mut state = self.state.borrow_mut();
        if state.held.get(&node).is_some_and(|member| member.incarnation == incarnation) {
            state.held.remove(&node);
        }
    }

    /// A cluster has taken this node in: it takes in all whom it knows.
    pub(crate) fn joined(&self) -> Vec<Member> {
        self.state.borrow_mut().open()
    }

    /// What it waits for.
    pub(crate) fn waits(&self) -> Waits {
        let state = self.state.borrow();
        let names = || state.held.values().map(|member| member.name.to_string()).collect();
        match self.expect {
            _ if state.is_open => Waits::No,
            0 => Waits::ForCluster(names()),
            expect => Waits::ForMore(expect.saturating_sub(state.held.len() + 1), names()),
        }
    }
}

impl State {
    fn open(&mut self) -> Vec<Member> {
        self.is_open = true;
        std::mem::take(&mut self.held).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use odeon_cluster::NodeName;

    use super::*;

    fn member(name: &str, incarnation: u64) -> Member {
        let name = NodeName::new(name).unwrap();
        Member::new(name, Incarnation(incarnation), "127.0.0.1:1".parse().unwrap())
    }

    #[test]
    fn a_node_that_may_be_alone_asks_at_once() {
        for beginning in [Beginning::new(true, 0), Beginning::new(false, 1)] {
            assert_eq!(beginning.meet(member("b", 1)), [member("b", 1)]);
            assert_eq!(beginning.waits(), Waits::No);
        }
    }

    #[test]
    fn one_that_waits_for_others_asks_all_of_them_once_they_are_enough() {
        let beginning = Beginning::new(false, 3);
        assert_eq!(beginning.meet(member("b", 1)), []);
        assert_eq!(beginning.meet(member("b", 2)), [], "the same node in another life");
        assert_eq!(beginning.waits(), Waits::ForMore(1, vec!["b".to_owned()]));
        assert_eq!(beginning.meet(member("c", 1)).len(), 2);
        assert_eq!(beginning.meet(member("d", 1)).len(), 1);
    }

    #[test]
    fn who_is_gone_counts_no_more() {
        let beginning = Beginning::new(false, 3);
        assert_eq!(beginning.meet(member("b", 2)), []);
        beginning.lose(member("b", 1).node, Incarnation(1));
        assert_eq!(beginning.waits(), Waits::ForMore(1, vec!["b".to_owned()]));
        beginning.lose(member("b", 2).node, Incarnation(2));
        assert_eq!(beginning.meet(member("c", 1)), []);
    }

    #[test]
    fn one_that_may_begin_none_asks_nobody_until_it_was_taken_in() {
        let beginning = Beginning::new(false, 0);
        assert_eq!(beginning.meet(member("b", 1)), []);
        assert_eq!(beginning.meet(member("c", 1)), []);
        assert_eq!(beginning.waits(), Waits::ForCluster(vec!["b".to_owned(), "c".to_owned()]));
        assert_eq!(beginning.joined().len(), 2);
        assert_eq!(beginning.meet(member("d", 1)).len(), 1);
    }
}
