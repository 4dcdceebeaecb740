//! Asking to be taken in, until somebody does; and asking those who answered a member to come in.
//!
//! The question is the same both ways: whoever hears it knows the other from then on. A node that has not joined asks
//! for as long as it takes. A member asks a few times: who does not answer then is gone, or comes with a new contact.

use std::{collections::BTreeMap, time::Duration};

use odeon_message::NodeId;

use super::{Membership, Phase};
use crate::Member;

/// Most contacts that are asked again and again; more are asked once. Of a node that has not joined one that answers is
/// enough; a member takes in as many as start at once, and further ones learn of it by gossip.
const CONTACTS_MAX: usize = 64;

/// How often a member asks a contact: with losses of one in ten packets one in a million is not taken in.
const ASKED_MAX: u8 = 6;

/// Those who may take us in, or whom we take in.
#[derive(Debug, Default)]
pub(super) struct Join {
    contacts: BTreeMap<NodeId, Contact>,
    ask_at: Option<Duration>,
}

#[derive(Debug)]
struct Contact {
    member: Member,
    /// Times that it was asked again since we are a member.
    asked: u8,
}

impl Join {
    /// When to ask again.
    pub(super) fn next(&self) -> Option<Duration> {
        self.ask_at
    }

    /// Asks everybody anew, now.
    pub(super) fn hurry(&mut self, now: Duration) {
        self.ask_at = (!self.contacts.is_empty()).then_some(now);
    }

    /// It is a member now.
    pub(super) fn remove(&mut self, node: NodeId) {
        self.contacts.remove(&node);
    }
}

impl Membership {
    /// The transport knows somebody.
    pub(super) fn contact(&mut self, now: Duration, member: Member) {
        if member.node == self.me.node {
            return;
        }
        self.doubts.clear(member.node, member.incarnation);
        if self.up.get(&member.node) == Some(&member) {
            return;
        }
        let known = self.join.contacts.contains_key(&member.node);
        if known || self.join.contacts.len() < CONTACTS_MAX {
            let contact = Contact { member: member.clone(), asked: 0 };
            self.join.contacts.insert(member.node, contact);
        }
        self.join.ask_at.get_or_insert(now + self.config.join_period);
        self.announce(member);
    }

    pub(super) fn join_due(&mut self, now: Duration) {
        if self.join.ask_at.is_none_or(|at| at > now) {
            return;
        }
        if self.phase == Phase::Up {
            self.join.contacts.retain(|_, contact| {
                contact.asked += 1;
                contact.asked < ASKED_MAX
            });
        }
        let contacts: Vec<Member> =
            self.join.contacts.values().map(|contact| contact.member.clone()).collect();
        let period = self.config.join_period.max(Duration::from_millis(1));
        self.join.ask_at = (!contacts.is_empty()).then(|| now + period);
        for contact in contacts {
            self.announce(contact);
        }
    }
}
