//! What nodes say of themselves, spread to all members; and who is a member, where news of that were lost.
//!
//! Three means, each of which costs a node the same in a large cluster as in a small one. News go as rumours: who hears
//! something new passes it on to a few members, a few times (Demers et al., PODC 1987). Who joins asks a member at
//! random for all that it does not know yet, a packet at a time. And once in a while each node tells a member at random
//! a sum over all that it knows. Where the sums differ, both tell each other what they know, in short lists from where
//! the last ones ended, and ask for what they lack, members included (`mend.rs`). SWIM's own news end after a few
//! transmissions, and who joins a large cluster gets a packet of members from it; that mends both. What a node says of
//! itself again and again, such as its load, it says the less often the more members there are, so that all nodes
//! together say as much.
//!
//! A record is kept for members that are up, of their present life; so there are no more of them than members.

mod mend;

use std::{collections::BTreeMap, time::Duration};

use odeon_message::{Incarnation, NodeId};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

use super::{Membership, inbound::Origin};
use crate::{
    Effect, Member, Profile,
    outbox::Output,
    packet::{ASKED_MAX, About, Record, Telling, fitting},
};

use mend::Mend;

/// How soon a node says something new of itself at the earliest.
const PERIOD: Duration = Duration::from_secs(1);

/// How much later for each member: ten news a second in the whole cluster.
const PERIOD_MEMBER: Duration = Duration::from_millis(100);

/// Packets that answer one question: what a node that joins learns in one round trip.
const ANSWERS_MAX: usize = 4;

/// What is known and what is to be said.
#[derive(Debug)]
pub(super) struct Profiles {
    own: Record,
    /// What the node wants to say, once it may again.
    next: Option<(Profile, bool)>,
    said_at: Duration,
    /// Of other members that are up.
    known: BTreeMap<NodeId, Record>,
    /// Whose records are passed on, and how often still.
    rumours: BTreeMap<NodeId, u8>,
    /// Members of whose present life nothing is known.
    missing: BTreeMap<NodeId, Incarnation>,
    rumour_at: Option<Duration>,
    mend: Mend,
    rng: Xoshiro256PlusPlus,
}

impl Profiles {
    pub(super) fn new(me: &Member, seed: u64) -> Self {
        let (leaving, profile) = (false, Profile::default());
        let own = Record { member: me.clone(), number: 1, leaving, profile };
        Self {
            mend: Mend::of(&own),
            own,
            next: None,
            said_at: Duration::ZERO,
            known: BTreeMap::new(),
            rumours: BTreeMap::new(),
            missing: BTreeMap::new(),
            rumour_at: None,
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
        }
    }

    /// When there is something to do.
    pub(super) fn next(&self) -> Option<Duration> {
        self.rumour_at.into_iter().chain(self.mend.next()).min()
    }

    /// What that member said, in its present life.
    pub(super) fn of(&self, node: NodeId) -> Option<(&Profile, bool)> {
        self.known.get(&node).map(|record| (&record.profile, record.leaving))
    }

    /// It is down.
    pub(super) fn remove(&mut self, node: NodeId) {
        self.known.remove(&node);
        self.rumours.remove(&node);
        self.missing.remove(&node);
    }

    fn record(&self, node: NodeId) -> Option<&Record> {
        if node == self.own.member.node { Some(&self.own) } else { self.known.get(&node) }
    }

    fn spread(&mut self, now: Duration, node: NodeId, members: usize) {
        // Each hop reaches four times as many; two more for those who were asked twice.
        let hops = 2 + members.max(1).ilog2().div_ceil(2);
        self.rumours.insert(node, u8::try_from(hops).unwrap_or(u8::MAX));
        self.rumour_at.get_or_insert(now);
    }

    /// Takes the records that are passed on now, those with the most hops to go first.
    fn take_rumours(&mut self) -> Vec<Record> {
        let mut nodes: Vec<(u8, NodeId)> =
            self.rumours.iter().map(|(node, hops)| (*hops, *node)).collect();
        nodes.sort_by(|a, b| b.cmp(a));
        let records: Vec<&Record> =
            nodes.iter().filter_map(|(_, node)| self.record(*node)).collect();
        let fitting = fitting(records.iter().copied());
        let taken: Vec<Record> = records.into_iter().take(fitting).cloned().collect();
        for record in &taken {
            if let Some(hops) = self.rumours.get_mut(&record.member.node) {
                *hops -= 1;
            }
        }
        self.rumours.retain(|_, hops| *hops > 0);
        taken
    }
}

impl Membership {
    /// The node says something else of itself from now on.
    pub(super) fn describe(&mut self, now: Duration, profile: Profile, leaving: bool) {
        let own = &self.profiles.own;
        let is_same = (&own.profile, own.leaving) == (&profile, leaving);
        let may_wait = leaving == own.leaving;
        self.profiles.next = (!is_same).then_some((profile, leaving));
        if !may_wait || self.up.is_empty() {
            // Nobody has heard what was said before, or everybody must know at once.
            self.say(now);
            self.profiles.rumour_at = Some(now);
        }
        self.profiles.rumour_at.get_or_insert(now);
    }

    fn say(&mut self, now: Duration) {
        let Some((profile, leaving)) = self.profiles.next.take() else { return };
        let me = self.me.node;
        self.revise(me, |it| {
            let own = &mut it.profiles.own;
            own.number = own.number.saturating_add(1);
            (own.profile, own.leaving) = (profile, leaving);
        });
        self.profiles.said_at = now;
        self.profiles.spread(now, me, self.up.len());
    }

    /// This node has another incarnation: it says all again.
    pub(super) fn describe_anew(&mut self, now: Duration) {
        let me = self.me.clone();
        let node = me.node;
        self.revise(node, |it| (it.profiles.own.member, it.profiles.own.number) = (me, 1));
        self.profiles.spread(now, node, self.up.len());
    }

    /// A member is up, in a life of which nothing is known.
    pub(super) fn expect_profile(&mut self, now: Duration, member: &Member) {
        let profiles = &mut self.profiles;
        if profiles.known.is_empty() {
            // The first of all: it knows nothing of us either.
            let me = self.me.node;
            profiles.spread(now, me, 1);
        }
        profiles.known.remove(&member.node);
        profiles.missing.insert(member.node, member.incarnation);
        // Whoever is up has said so before, or does so now: most records come without being asked for.
        profiles.rumour_at.get_or_insert(now + self.config.gossip_period);
        profiles.mend.begin(now);
    }

    pub(super) fn profiles_due(&mut self, now: Duration) {
        self.mend_due(now);
        if self.profiles.rumour_at.is_none_or(|at| at > now) {
            return;
        }
        let members = u32::try_from(self.up.len()).unwrap_or(u32::MAX);
        let pause = PERIOD.max(PERIOD_MEMBER.saturating_mul(members));
        if self.profiles.said_at + pause <= now {
            self.say(now);
        }
        if !self.up.is_empty() {
            self.pass_on();
            self.ask();
        }
        let profiles = &self.profiles;
        let is_done =
            profiles.rumours.is_empty() && profiles.missing.is_empty() && profiles.next.is_none();
        let period = self.config.gossip_period.max(Duration::from_millis(1));
        self.profiles.rumour_at = (!is_done && !self.up.is_empty()).then(|| now + period);
    }

    fn pass_on(&mut self) {
        if self.profiles.rumours.is_empty() {
            return;
        }
        let records = self.profiles.take_rumours();
        for _ in 0..self.config.gossip_members.min(self.up.len()) {
            if let Some(member) = self.any_member() {
                self.tell(&member, About::Records(records.clone()));
            }
        }
    }

    fn ask(&mut self) {
        let missing: Vec<NodeId> = self.profiles.missing.keys().copied().take(ASKED_MAX).collect();
        if missing.is_empty() {
            return;
        }
        if let Some(member) = self.any_member() {
            self.tell(&member, About::Question(missing));
        }
    }

    fn any_member(&mut self) -> Option<Member> {
        if self.up.is_empty() {
            return None;
        }
        let place = self.profiles.rng.random_range(0..self.up.len());
        self.up.values().nth(place).cloned()
    }

    fn tell(&mut self, to: &Member, about: About) {
        let bytes = Telling::new(&self.me, to, about).write().into();
        self.outbox.push(Output::Send { to: to.clone(), bytes, idle_only: false });
    }

    /// A packet about profiles from that node; `false` if it is not from whom it says.
    pub(super) fn hear(&mut self, now: Duration, from: NodeId, telling: Telling) -> bool {
        let (source, source_life) = telling.source;
        match self.origin(from, telling.source, telling.destination) {
            Origin::Forged => return false,
            Origin::ToLaterLife => return true,
            Origin::Right => {}
        }
        // Whoever is no member is heard once it is one.
        let known = self.up.get(&source).filter(|member| member.incarnation == source_life);
        let Some(member) = known.cloned() else { return true };
        match telling.about {
            About::Records(records) => self.learn(now, records),
            About::Question(nodes) => self.answer(&member, &nodes),
            About::List(sum, list) => self.compare(now, &member, sum, &list),
        }
        true
    }

    /// Takes what is new: first who is a member, then what it said of itself.
    fn learn(&mut self, now: Duration, records: Vec<Record>) {
        self.take_in(&records);
        // What SWIM makes of them is known at once.
        self.settle(now);
        for record in records {
            self.learn_one(now, record);
        }
    }

    fn learn_one(&mut self, now: Duration, record: Record) {
        let node = record.member.node;
        let Some(member) = self.up.get(&node) else { return };
        let is_new =
            self.profiles.known.get(&node).is_none_or(|it| it.edition() < record.edition());
        if !is_new || *member != record.member || record.number == 0 {
            return;
        }
        self.effects.push(Effect::Described {
            member: member.clone(),
            profile: record.profile.clone(),
            leaving: record.leaving,
        });
        self.profiles.missing.remove(&node);
        let is_first = self.revise(node, |it| it.profiles.known.insert(node, record).is_none());
        // What nobody had to ask for is news to others too; what was asked for, others know.
        if !is_first {
            self.profiles.spread(now, node, self.up.len());
        }
    }

    fn answer(&mut self, to: &Member, nodes: &[NodeId]) {
        let records: Vec<Record> = nodes.iter().filter_map(|node| self.tellable(*node)).collect();
        let mut rest = &records[..];
        for _ in 0..ANSWERS_MAX {
            let fitting = fitting(rest.iter());
            if fitting == 0 {
                return;
            }
            let (first, later) = rest.split_at(fitting);
            self.tell(to, About::Records(first.to_vec()));
            rest = later;
        }
    }

    /// What is known of a node: at least that it is a member.
    fn tellable(&self, node: NodeId) -> Option<Record> {
        self.profiles.record(node).cloned().or_else(|| {
            let member = self.up.get(&node)?.clone();
            Some(Record { member, number: 0, leaving: false, profile: Profile::default() })
        })
    }
}
