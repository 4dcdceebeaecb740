//! The state machine: events and the time in, effects out.
//!
//! What it is: the one place that holds a node's view of the cluster and routes each event to the part that knows
//! it: `inbound.rs` (packets), `news.rs` (what SWIM says), `accuse.rs`, `join.rs`, `heal.rs`, `ring.rs`, `leave.rs`,
//! `profiles.rs`, `rejoin.rs`, `tune.rs`.
//! What it is NOT: a protocol of its own; SWIM is foca's. Effects go to the runtime, which sends packets and tells
//! the node's other halls who is up. Read `membership/inbound.rs` next.

mod accuse;
mod clock;
mod heal;
mod inbound;
mod join;
mod leave;
mod news;
mod profiles;
mod rejoin;
mod ring;
mod tune;

use std::{collections::BTreeMap, fmt, net::SocketAddr, time::Duration};

use foca::{Foca, NoCustomBroadcast, Timer};
use odeon_message::{Incarnation, NodeId};
use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

use crate::{
    Effect, Event, Member, MembershipConfig, Profile,
    doubt::Doubts,
    identity::Identity,
    member::canonical,
    outbox::{Outbox, Output},
    packet::{PacketCodec, Touch, TouchKind},
};

use accuse::Accuse;
use clock::Clock;
use heal::Heal;
use join::Join;
use leave::Leave;
use profiles::Profiles;
use ring::Ring;
use tune::Tune;

/// Most nodes that are remembered, up and down together. A packet that would go beyond is dropped.
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
    /// Errors inside SWIM; more than none is a bug.
    pub faults: u64,
}

type Swim = Foca<Identity, PacketCodec, Xoshiro256PlusPlus, NoCustomBroadcast>;

/// One node's view of the cluster.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use odeon_cluster::{Effect, Event, Member, Membership, MembershipConfig, NodeName};
/// use odeon_message::Incarnation;
///
/// let member = |name: &str, addr: &str| {
///     Member::new(NodeName::new(name).unwrap(), Incarnation(1), addr.parse().unwrap())
/// };
/// let (a, b) = (member("a", "10.0.0.1:7400"), member("b", "10.0.0.2:7400"));
/// let mut membership = Membership::new(a, MembershipConfig::default(), 1);
/// // The transport shook hands with a seed: it is asked to take us in.
/// let effects = membership.handle(Duration::ZERO, Event::Contact(b));
/// assert!(matches!(&effects[..], [Effect::Send { to, .. }] if to.name.as_str() == "b"));
/// ```
pub struct Membership {
    me: Member,
    phase: Phase,
    config: MembershipConfig,
    swim: Swim,
    outbox: Outbox,
    clock: Clock,
    /// The others that are up: what foca calls active.
    up: BTreeMap<NodeId, Member>,
    doubts: Doubts,
    accuse: Accuse,
    ring: Ring,
    heal: Heal,
    join: Join,
    leave: Leave,
    profiles: Profiles,
    tune: Tune,
    effects: Vec<Effect>,
    stats: Stats,
}

impl Membership {
    /// A node that knows nobody yet; `seed` decides whom it probes and when.
    #[must_use]
    pub fn new(me: Member, config: MembershipConfig, seed: u64) -> Self {
        let rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let identity = Identity(me.clone());
        let profiles = Profiles::new(&me, seed.rotate_left(32));
        Self {
            me,
            phase: Phase::Joining,
            swim: Foca::new(identity, config.swim(), rng, PacketCodec::default()),
            outbox: Outbox::new(config.gossip_period),
            clock: Clock::default(),
            up: BTreeMap::new(),
            doubts: Doubts::new(&config),
            accuse: Accuse::default(),
            ring: Ring::default(),
            heal: Heal::default(),
            join: Join::default(),
            leave: Leave::default(),
            profiles,
            tune: Tune::default(),
            effects: Vec::new(),
            stats: Stats::default(),
            config,
        }
    }

    /// Takes an event that happened `now`, counted from the node's start, and says what is to be done.
    ///
    /// A time before an earlier one counts as that earlier one. A call that comes much later than
    /// [`next_wakeup`](Self::next_wakeup) (500 ms) shows that this node stood still: the time in between is not held
    /// against the others.
    pub fn handle(&mut self, now: Duration, event: Event) -> Vec<Effect> {
        if self.phase == Phase::Down {
            return Vec::new();
        }
        let now = self.clock.advance(now, self.next_due());
        self.outbox.set_now(now);
        if self.phase == Phase::Leaving {
            self.leave_due(now);
        } else {
            self.take(now, event);
            self.settle(now);
            self.run_due(now);
            self.settle(now);
        }
        std::mem::take(&mut self.effects)
    }

    /// When [`Event::Tick`] is due, counted from the node's start; `None` while there is nothing to wait for.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Duration> {
        self.next_due().map(|due| self.clock.outside(due))
    }

    /// The other members that are up, in the order of their node ids.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.up.values()
    }

    /// The life of that node that is up, if it is another than ours.
    #[must_use]
    pub fn member(&self, node: NodeId) -> Option<&Member> {
        self.up.get(&node)
    }

    /// This node in its present life.
    #[must_use]
    pub fn me(&self) -> &Member {
        &self.me
    }

    /// What a member that is up said of itself, and whether it is about to leave; `None` until it is known.
    #[must_use]
    pub fn profile(&self, node: NodeId) -> Option<(&Profile, bool)> {
        self.profiles.of(node)
    }

    /// Where this node stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn take(&mut self, now: Duration, event: Event) {
        match event {
            Event::Tick => {}
            Event::Datagram { from, bytes } => self.inbound(now, from, &bytes),
            Event::Describe { profile, leaving } => self.describe(now, profile, leaving),
            Event::Contact(member) => self.contact(now, member),
            Event::Unreachable { addr } => self.unreachable(now, addr),
            Event::Answered { node, incarnation } => self.doubts.clear(node, incarnation),
            Event::ConnectionLost { node, incarnation } => {
                if let Some(member) = self.up.get(&node).filter(|m| m.incarnation == incarnation) {
                    self.doubts.suspect(now, member);
                }
            }
            Event::Outdated { known } => self.outdated(known),
            Event::Leave => self.begin_leave(now),
        }
    }

    /// A port is closed. Several members may have said that it is theirs; each is probed.
    fn unreachable(&mut self, now: Duration, addr: SocketAddr) {
        let addr = canonical(addr);
        let doubts = &mut self.doubts;
        let certain: Vec<Member> = self
            .up
            .values()
            .filter(|member| member.addr == addr)
            .filter(|member| doubts.report(now, member))
            .cloned()
            .collect();
        for member in certain {
            self.declare_unreachable(member);
        }
    }

    /// Does what the time has come for.
    fn run_due(&mut self, now: Duration) {
        if self.phase != Phase::Joining && self.phase != Phase::Up {
            return;
        }
        let mut probing = false;
        while let Some(timer) = self.outbox.pop_timer() {
            probing |= matches!(timer, Timer::ProbeRandomMember(_));
            if self.is_refuted(&timer) {
                continue;
            }
            let done = self.swim.handle_timer(timer, &mut self.outbox);
            self.count_fault(done);
        }
        for node in self.doubts.due(now) {
            if let Some(member) = self.up.get(&node) {
                Self::touch(&mut self.outbox, TouchKind::Probe, &self.me, member);
            }
        }
        self.accuse_due(now);
        self.ring_due(now, probing);
        self.heal_due(now);
        self.join_due(now);
        self.profiles_due(now);
    }

    fn next_due(&self) -> Option<Duration> {
        match self.phase {
            Phase::Down => None,
            Phase::Leaving => Some(self.leave.next()),
            Phase::Joining | Phase::Up => [
                self.outbox.next_timer(),
                self.doubts.next(),
                self.accuse.next(),
                self.ring.next(),
                self.heal.next(),
                self.join.next(),
                self.profiles.next(),
            ]
            .into_iter()
            .flatten()
            .min(),
        }
    }

    fn touch(outbox: &mut Outbox, kind: TouchKind, me: &Member, to: &Member) {
        let bytes = Touch::new(kind, me, to).write().into();
        let idle_only = kind == TouchKind::Touch;
        outbox.push(Output::Send { to: to.clone(), bytes, idle_only });
    }

    fn announce(&mut self, to: Member) {
        let done = self.swim.announce(Identity(to), &mut self.outbox);
        self.count_fault(done);
    }

    fn count_fault(&mut self, done: Result<(), foca::Error>) {
        if done.is_err() {
            self.stats.faults += 1;
        }
    }

    /// The last words of this life.
    fn end(&mut self, effect: Effect) {
        self.phase = Phase::Down;
        self.outbox.stop_timers();
        self.effects.push(effect);
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership")
            .field("me", &self.me)
            .field("phase", &self.phase)
            .field("up", &self.up.len())
            .finish_non_exhaustive()
    }
}

/// The life after `incarnation`; `None` after the last.
fn next_life(incarnation: Incarnation) -> Option<Incarnation> {
    incarnation.0.checked_add(1).map(Incarnation)
}
