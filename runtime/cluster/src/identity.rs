//! A member as SWIM sees it.
//!
//! The address is the node, the identity is one of its lives; the later life wins. What is NOT here: when a node
//! takes a new life by itself; that is `membership/rejoin.rs`.

use odeon_message::{Incarnation, NodeId, planted::Bug};

use crate::Member;

/// [`Member`] under foca's rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Identity(pub(crate) Member);

impl foca::Identity for Identity {
    type Addr = NodeId;

    fn renew(&self) -> Option<Self> {
        let next = self.0.incarnation.0.checked_add(1)?;
        Some(Self(self.0.with_incarnation(Incarnation(next))))
    }

    fn addr(&self) -> NodeId {
        self.0.node
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        match Bug::OlderLifeWins.is_planted() {
            true => self.0.incarnation < adversary.0.incarnation,
            false => self.0.incarnation > adversary.0.incarnation,
        }
    }
}
