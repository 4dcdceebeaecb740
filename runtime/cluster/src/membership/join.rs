//! Asking to be taken in, until somebody does.

use std::{collections::BTreeMap, time::Duration};

use odeon_message::NodeId;

use super::{Membership, Phase};
use crate::Member;

/// Most contacts that are asked again and again; more are asked once. One that answers is enough.
const CONTACTS_MAX: usize = 16;

/// Those who may take us in.
#[derive(Debug, Default)]
pub(super) struct Join {
    contacts: BTreeMap<NodeId, Member>,
    ask_at: Option<Duration>,
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

    /// We are in.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Membership {
    /// The transport knows somebody.
    pub(super) fn contact(&mut self, now: Duration, member: Member) {
        if member.node == self.me.node {
            return;
        }
        self.doubts.clear(member.node, member.incarnation);
        if self.phase == Phase::Joining {
            let known = self.join.contacts.contains_key(&member.node);
            if known || self.join.contacts.len() < CONTACTS_MAX {
                self.join.contacts.insert(member.node, member.clone());
            }
            self.join.ask_at.get_or_insert(now + self.config.join_period);
        } else if self.up.get(&member.node) == Some(&member) {
            return;
        }
        self.announce(member);
    }

    pub(super) fn join_due(&mut self, now: Duration) {
        if self.join.ask_at.is_none_or(|at| at > now) {
            return;
        }
        self.join.ask_at = Some(now + self.config.join_period.max(Duration::from_millis(1)));
        let contacts: Vec<Member> = self.join.contacts.values().cloned().collect();
        for contact in contacts {
            self.announce(contact);
        }
    }
}
