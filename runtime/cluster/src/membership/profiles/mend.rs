//! Sums and lists of what is known, by which two members find what one of them has missed.
//!
//! What it is: anti-entropy over members and their profiles. What it is NOT: how deaths are noticed, or taken back; a
//! member that is held for dead is taken in again only in a later life, by SWIM's own rules.

use std::time::Duration;

use foca::State;
use odeon_message::NodeId;

use super::super::{MEMBERS_MAX, Membership};
use crate::{
    Member,
    identity::Identity,
    packet::{ASKED_MAX, About, Edition, LISTED_MAX, Record},
};

/// How often a sum is told; sooner after a difference.
const PERIOD: Duration = Duration::from_secs(1);

/// Lists that answer a sum which differs: two hundred members in each round trip.
const LISTS_MAX: usize = 4;

/// When the next sum is told, and up to where the last list went.
#[derive(Debug, Default)]
pub(super) struct Mend {
    tell_at: Option<Duration>,
    listed: u64,
    /// Over the editions of all that are known, this node's own among them.
    sum: u64,
}

impl Mend {
    /// Knows this record, which is the node's own.
    pub(super) fn of(own: &Record) -> Self {
        Self { sum: weight(own.member.node, own.edition()), ..Self::default() }
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.tell_at
    }

    /// There is somebody to compare with.
    pub(super) fn begin(&mut self, now: Duration) {
        self.tell_at.get_or_insert(now + PERIOD);
    }
}

impl Membership {
    pub(super) fn mend_due(&mut self, now: Duration) {
        if self.profiles.mend.tell_at.is_none_or(|at| at > now) {
            return;
        }
        if let Some(member) = self.any_member() {
            let sum = self.sum();
            self.tell(&member, About::List(sum, Vec::new()));
        }
        self.profiles.mend.tell_at = (!self.up.is_empty()).then(|| now + PERIOD);
    }

    /// What a member knows: its sum, and perhaps a part of it.
    pub(super) fn compare(
        &mut self,
        now: Duration,
        other: &Member,
        sum: u64,
        list: &[(NodeId, Edition)],
    ) {
        let differs = sum != self.sum();
        if differs {
            // There is more to mend, probably with others as well.
            let soon = now + self.config.gossip_period.max(Duration::from_millis(1));
            let next = self.profiles.mend.tell_at.map_or(soon, |at| at.min(soon));
            self.profiles.mend.tell_at = Some(next);
        }
        if list.is_empty() && differs {
            self.list(other);
        }
        let mut lacks = Vec::new();
        let mut wanted = Vec::new();
        for (node, theirs) in list.iter().filter(|(node, _)| *node != self.me.node) {
            match self.edition(*node) {
                Some(ours) if ours > *theirs => lacks.push(*node),
                Some(ours) if ours < *theirs => wanted.push(*node),
                Some(_) => {}
                None if self.is_dead(*node, *theirs) => {}
                None => wanted.push(*node),
            }
        }
        if !lacks.is_empty() {
            self.answer(other, &lacks);
        }
        if !wanted.is_empty() {
            wanted.truncate(ASKED_MAX);
            self.tell(other, About::Question(wanted));
        }
    }

    /// Tells a member of a few more of those that are known, this node always among them.
    fn list(&mut self, to: &Member) {
        let sum = self.sum();
        for _ in 0..LISTS_MAX.min(self.up.len().div_ceil(LISTED_MAX - 1)) {
            let begin = NodeId(self.profiles.mend.listed);
            let after = self.up.range(begin..);
            let nodes: Vec<NodeId> = after
                .chain(self.up.range(..begin))
                .map(|(node, _)| *node)
                .take(LISTED_MAX - 1)
                .collect();
            let Some(NodeId(last)) = nodes.last() else { return };
            self.profiles.mend.listed = last.wrapping_add(1);
            let known = nodes.into_iter().chain([self.me.node]);
            let known = known.filter_map(|node| Some((node, self.edition(node)?))).collect();
            self.tell(to, About::List(sum, known));
        }
    }

    /// Lets SWIM know of members that it does not know.
    pub(super) fn take_in(&mut self, records: &[Record]) {
        for Record { member, .. } in records {
            let is_known = self.up.get(&member.node);
            let is_later = is_known.is_none_or(|known| known.incarnation < member.incarnation);
            if member.node == self.me.node {
                if member.incarnation > self.me.incarnation {
                    self.outdated(member.incarnation);
                    return;
                }
                continue;
            }
            let room = MEMBERS_MAX - 1;
            if !is_later || self.swim.iter_membership_state().len() >= room {
                continue;
            }
            let alive = foca::Member::alive(Identity(member.clone()));
            let done = self.swim.apply_many([alive].into_iter(), false, &mut self.outbox);
            self.count_fault(done);
        }
    }

    /// Which edition is known of a member that is up, or of this node; the number is 0 where only the member is known.
    fn edition(&self, node: NodeId) -> Option<Edition> {
        let known = self.profiles.record(node).map(Record::edition);
        known.or_else(|| {
            let incarnation = self.up.get(&node)?.incarnation;
            Some(Edition { incarnation, number: 0 })
        })
    }

    /// Whether that life is known to be over.
    fn is_dead(&self, node: NodeId, edition: Edition) -> bool {
        self.swim.iter_membership_state().any(|known| {
            let Identity(member) = known.id();
            member.node == node
                && known.state() == State::Down
                && member.incarnation >= edition.incarnation
        })
    }

    /// Changes what is known of one node, itself perhaps, and with it the sum.
    pub(in super::super) fn revise<R>(
        &mut self,
        node: NodeId,
        change: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let before = self.weight(node);
        let done = change(self);
        self.profiles.mend.sum ^= before ^ self.weight(node);
        done
    }

    fn weight(&self, node: NodeId) -> u64 {
        self.edition(node).map_or(0, |edition| weight(node, edition))
    }

    /// The same wherever the same is known, and hardly ever else.
    fn sum(&self) -> u64 {
        let sum = self.profiles.mend.sum;
        debug_assert_eq!(
            sum,
            self.up.keys().chain([&self.me.node]).fold(0, |sum, node| sum ^ self.weight(*node)),
            "every change is made by `revise`"
        );
        sum
    }
}

/// What an edition counts for in a sum.
fn weight(node: NodeId, Edition { incarnation, number }: Edition) -> u64 {
    mix(mix(mix(node.0) ^ incarnation.0) ^ u64::from(number))
}

/// Spreads each bit over all of them (Steele, Lea, Flood: SplitMix, OOPSLA 2014).
fn mix(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
