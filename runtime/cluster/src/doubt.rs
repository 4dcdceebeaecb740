//! Doubts about members whose port seems closed, until they are certainties or gone.
//!
//! One report that a port is closed may be late and meant for an earlier life. So the first report makes a doubt;
//! after a short pause the member is probed; a report in answer to that probe, with no sign of life in between, makes
//! it certain. What it is NOT: SWIM's suspicion, which is about silence. Nothing here sends; `membership.rs` does.

use std::{collections::BTreeMap, time::Duration};

use odeon_message::{Incarnation, NodeId};

use crate::{Member, MembershipConfig};

/// Reports that make a doubt a certainty.
const REPORTS: u8 = 2;

/// Doubts by node; bounded by the members that are up.
#[derive(Debug)]
pub(crate) struct Doubts {
    settle: Duration,
    period: Duration,
    longest: Duration,
    by_node: BTreeMap<NodeId, Doubt>,
}

#[derive(Debug)]
struct Doubt {
    incarnation: Incarnation,
    reports: u8,
    /// Whether a probe went out since the last report that counted: only then a report counts.
    probed: bool,
    probe_at: Duration,
    ends_at: Duration,
}

impl Doubts {
    pub(crate) fn new(config: &MembershipConfig) -> Self {
        Self {
            settle: config.doubt_settle,
            period: config.doubt_period.max(Duration::from_millis(1)),
            longest: config.doubt_max,
            by_node: BTreeMap::new(),
        }
    }

    /// A report that the member's port is closed; `true` if that is certain now.
    pub(crate) fn report(&mut self, now: Duration, member: &Member) -> bool {
        let probe_at = now + self.settle;
        let Some(doubt) = self.current(member) else {
            self.begin(now, member, 1, probe_at);
            return false;
        };
        if !doubt.probed {
            return false;
        }
        doubt.reports += 1;
        doubt.probed = false;
        if doubt.reports < REPORTS {
            doubt.probe_at = probe_at;
            return false;
        }
        self.by_node.remove(&member.node);
        true
    }

    /// Something else made the member doubtful: it is probed at once, and two reports must follow.
    pub(crate) fn suspect(&mut self, now: Duration, member: &Member) {
        if self.current(member).is_none() {
            self.begin(now, member, 0, now);
        }
    }

    /// A sign of life, or a life that is over.
    pub(crate) fn clear(&mut self, node: NodeId, incarnation: Incarnation) {
        if self.by_node.get(&node).is_some_and(|doubt| doubt.incarnation <= incarnation) {
            self.by_node.remove(&node);
        }
    }

    /// Whom to probe now. Doubts that lasted too long end.
    pub(crate) fn due(&mut self, now: Duration) -> Vec<NodeId> {
        self.by_node.retain(|_, doubt| doubt.ends_at > now);
        let mut due = Vec::new();
        for (node, doubt) in &mut self.by_node {
            if doubt.probe_at <= now {
                doubt.probed = true;
                doubt.probe_at = now + self.period;
                due.push(*node);
            }
        }
        due
    }

    /// When [`due`](Self::due) has something to do.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.by_node.values().map(|doubt| doubt.probe_at.min(doubt.ends_at)).min()
    }

    fn current(&mut self, member: &Member) -> Option<&mut Doubt> {
        self.by_node.get_mut(&member.node).filter(|doubt| doubt.incarnation == member.incarnation)
    }

    fn begin(&mut self, now: Duration, member: &Member, reports: u8, probe_at: Duration) {
        let doubt = Doubt {
            incarnation: member.incarnation,
            reports,
            probed: false,
            probe_at,
            ends_at: now + self.longest,
        };
        self.by_node.insert(member.node, doubt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeName;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn member(incarnation: u64) -> Member {
        let name = NodeName::new("a").unwrap();
        Member::new(name, Incarnation(incarnation), "127.0.0.1:1".parse().unwrap())
    }

    fn doubts() -> Doubts {
        Doubts::new(&MembershipConfig::lan(3))
    }

    #[test]
    fn a_report_in_answer_to_a_probe_is_certain() {
        let (mut doubts, a) = (doubts(), member(1));
        assert!(!doubts.report(ms(0), &a));
        assert!(!doubts.report(ms(1), &a), "an answer to what was sent before");
        assert_eq!(doubts.next(), Some(ms(2)));
        assert_eq!(doubts.due(ms(2)), [a.node]);
        assert!(doubts.report(ms(3), &a));
        assert_eq!(doubts.next(), None);
    }

    #[test]
    fn a_sign_of_life_ends_a_doubt() {
        let (mut doubts, a) = (doubts(), member(2));
        doubts.report(ms(0), &a);
        doubts.clear(a.node, Incarnation(1));
        assert!(doubts.next().is_some(), "an earlier life says nothing about this one");
        doubts.clear(a.node, Incarnation(2));
        assert_eq!(doubts.next(), None);
    }

    #[test]
    fn a_doubt_is_about_one_life() {
        let (mut doubts, old, new) = (doubts(), member(1), member(2));
        doubts.report(ms(0), &old);
        doubts.due(ms(2));
        assert!(!doubts.report(ms(3), &new), "the report may have been meant for the old life");
    }

    #[test]
    fn probes_are_repeated_until_the_doubt_ends() {
        let (mut doubts, a) = (doubts(), member(1));
        doubts.report(ms(0), &a);
        let mut probes = 0;
        while let Some(next) = doubts.next() {
            assert!(next <= ms(1_500));
            probes += doubts.due(next).len();
        }
        assert_eq!(probes, 15);
    }

    #[test]
    fn a_lost_connection_needs_two_reports() {
        let (mut doubts, a) = (doubts(), member(1));
        doubts.suspect(ms(0), &a);
        assert_eq!(doubts.due(ms(0)), [a.node]);
        assert!(!doubts.report(ms(1), &a));
        assert_eq!(doubts.due(ms(3)), [a.node]);
        assert!(doubts.report(ms(4), &a));
    }
}
