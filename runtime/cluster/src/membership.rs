//! The state machine.

use std::time::Duration;

use crate::{Effect, Event, Member, MembershipConfig};

/// Most nodes that are remembered, up and down together.
pub const MEMBERS_MAX: usize = 10_000;

/// Where this node stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Phase {
    /// No member has answered yet.
    Joining,
    /// Part of the cluster; perhaps alone in it, after all others went down.
    Up,
    /// Saying good-bye.
    Leaving,
    /// Left or superseded; nothing happens any more.
    Down,
}

/// What membership counted since it was made.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams that were garbage, too long, or not from whom they said.
    pub datagrams_refused: u64,
    /// Datagrams dropped because they would have gone beyond [`MEMBERS_MAX`].
    pub datagrams_over_bound: u64,
    /// Times this node was held for dead and came back.
    pub rejoins: u64,
}

/// One node's view of the cluster.
pub struct Membership {
    me: Member,
}

impl Membership {
    /// A node that knows nobody yet; `seed` decides whom it probes and when.
    #[must_use]
    pub fn new(me: Member, config: MembershipConfig, seed: u64) -> Self {
        let _ = (config, seed);
        Self { me }
    }

    /// Takes an event that happened `now`, counted from the node's start, and says what is to be done.
    pub fn handle(&mut self, now: Duration, event: Event) -> Vec<Effect> {
        let _ = (now, event);
        Vec::new()
    }

    /// When [`Event::Tick`] is due, counted from the node's start; `None` while there is nothing to wait for.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Duration> {
        None
    }

    /// The other members that are up, in the order of their node ids.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        std::iter::empty()
    }

    /// This node in its present life.
    #[must_use]
    pub fn me(&self) -> &Member {
        &self.me
    }

    /// Where this node stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        Phase::Joining
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::default()
    }
}
