//! The guest: how a client knows who is in the cluster.
//!
//! What it is: one task on the endpoint's thread that asks a member, again and again, who the members are, and another
//! one when that does not answer. It takes the place of the membership hall in a client. What it is NOT: gossip; what
//! comes of that is left aside.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use odeon_actor::ActorSystem;
use odeon_message::{Incarnation, NodeId};
use odeon_transport::{PeerId, Transport};
use tokio::time::{Instant, sleep_until};

use crate::{
    directory::{Directory, DownReason, Member},
    newsfeed::{News, Newsfeed},
    phase::{Phase, Phases},
    roster::{
        draw,
        receptionist::{Guide, GuideMember, Receptionist},
    },
};

/// How often the guide is asked who the members are.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a guide may take before another one is asked.
const LOOK_WITHIN: Duration = Duration::from_secs(1);

/// Pause before another guide is asked.
const NEXT_AFTER: Duration = Duration::from_millis(100);

/// Most members at the seeds that are remembered before one of them has said who there is.
const CONTACTS_MAX: usize = 16;

/// The client's view of the cluster, in motion.
pub(crate) struct Guest {
    pub(crate) system: ActorSystem,
    pub(crate) news: Rc<Newsfeed>,
    pub(crate) transport: Rc<Transport>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) phases: Arc<Phases>,
    /// Members that have answered a knock.
    pub(crate) contacts: BTreeMap<NodeId, Incarnation>,
    /// Who is asked.
    pub(crate) guide: Option<PeerId>,
    /// How often in a row nobody answered.
    pub(crate) failures: usize,
    /// Members that the last guide did not see, each with the guide that missed it first.
    pub(crate) missing: BTreeMap<PeerId, NodeId>,
    /// Members that did not answer when they were asked themselves, while one of them is missing.
    pub(crate) silent: BTreeSet<PeerId>,
}

impl Guest {
    /// Runs until it is dropped.
    pub(crate) async fn run(mut self) {
        let mut look_at = Instant::now();
        loop {
            let news = Rc::clone(&self.news);
            tokio::select! {
                biased;
                () = news.arrived() => {
                    if self.read_news() {
                        look_at = Instant::now();
                    }
                }
                () = sleep_until(look_at) => {
                    look_at = Instant::now() + self.look().await;
                }
            }
        }
    }

    /// Whether there is reason to look at once.
    fn read_news(&mut self) -> bool {
        let mut is_lost = false;
        while let Some(news) = self.news.pop() {
            match news {
                // Another client knows no more than this one.
                News::Contact(peer) if peer.is_guest() => {}
                News::Contact(peer) => {
                    let PeerId { node, incarnation } = peer.peer().id;
                    self.silent.remove(&peer.peer().id);
                    if self.contacts.len() < CONTACTS_MAX || self.contacts.contains_key(&node) {
                        self.contacts.insert(node, incarnation);
                    }
                    is_lost |= self.guide.is_none();
                }
                News::ConnectionLost(peer) => {
                    is_lost |= self.guide == Some(peer);
                    if self.contacts.get(&peer.node) == Some(&peer.incarnation) {
                        self.contacts.remove(&peer.node);
                    }
                }
                News::Leaving(peer) => self.leaving(peer),
                News::Outdated(known) => {
                    // A client of this name was there before, with a clock that was ahead.
                    let next = Incarnation(known.0.saturating_add(1));
                    self.system.set_incarnation(next);
                    self.transport.peers().reincarnate(next);
                }
                News::Leave => self.phases.left(),
                News::Gossip { .. } | News::Unreachable(_) | News::Refused { .. } => {}
            }
        }
        is_lost
    }

    /// A member says itself that it is about to leave, which a guide would say up to a second later.
    fn leaving(&self, PeerId { node, incarnation }: PeerId) {
        if let Some(member) = self.directory.member(node) {
            self.directory.describe((node, incarnation), (*member.profile).clone(), true);
        }
    }

    /// Asks the guide who the members are, or another one the next time; says when that is.
    async fn look(&mut self) -> Duration {
        let Some(guide) = self.guide.or_else(|| self.next_guide(None)) else { return NEXT_AFTER };
        self.guide = Some(guide);
        let receptionist = Receptionist::of(&self.system, guide.node, guide.incarnation);
        match receptionist.ask(Guide).within(LOOK_WITHIN).await {
            // One that is in no cluster itself has nothing to say yet.
            Ok(members) if members.iter().any(|it| NodeId::of(&it.name) == guide.node) => {
                self.failures = 0;
                self.silent.remove(&guide);
                let was_sure = self.missing.is_empty();
                let is_first = self.phases.current() < Phase::Up;
                self.learn(guide.node, members);
                self.phases.up();
                if is_first {
                    // It was whoever answered first, and so it is for all clients with these seeds.
                    self.guide = self.next_guide(None).or(self.guide);
                }
                if self.missing.is_empty() {
                    self.silent.clear();
                    return LOOK_EVERY;
                }
                // It may be the one that is cut off: another one is asked, at once the first time.
                self.guide = self.next_guide(Some(guide)).or(self.guide);
                if was_sure { NEXT_AFTER } else { LOOK_EVERY }
            }
            answer => {
                let error = answer.err().map(|error| error.to_string());
                if error.is_some() && !self.missing.is_empty() {
                    self.silent.insert(guide);
                }
                tracing::debug!(guide = %guide, error, "the guide knows no cluster: another one is asked");
                // It stays a contact while there is a connection: nobody knocks again where there is one.
                self.guide = self.next_guide(Some(guide));
                self.failures += 1;
                self.give_up_on_all();
                NEXT_AFTER
            }
        }
    }

    /// When nobody whom it knows has answered, the client knows nobody, and knocks at the seeds as at first.
    fn give_up_on_all(&mut self) {
        let members = self.directory.members();
        if self.failures > members.len() + CONTACTS_MAX {
            self.failures = 0;
            self.guide = None;
            members.into_iter().for_each(|member| self.down(member, DownReason::Suspected));
        }
    }

    /// Who comes after this one, or anyone at first: of the members, and then of those who have answered a knock. Whoever
    /// was missed is asked after those who were not, then who misses some, and last who was asked since and did not answer.
    fn next_guide(&self, last: Option<PeerId>) -> Option<PeerId> {
        let members = self.directory.members();
        let known = members.iter().map(|it| (it.node, it.incarnation));
        let contacts = self.contacts.iter().map(|(node, incarnation)| (*node, *incarnation));
        // Who has answered a knock since may be in a later life.
        let all: BTreeMap<NodeId, Incarnation> = known.chain(contacts).collect();
        let peer = |(node, incarnation): (&NodeId, &Incarnation)| PeerId {
            node: *node,
            incarnation: *incarnation,
        };
        if last.is_none() {
            let any = draw(&**self.system.env()).checked_rem(all.len() as u64)?;
            return all.iter().map(peer).nth(any as usize);
        }
        let after = |it: &PeerId| last.is_some_and(|last| it.node > last.node);
        let rank = |it: &PeerId| {
            let accuses = self.missing.values().any(|by| *by == it.node);
            (self.silent.contains(it), accuses, self.missing.contains_key(it), !after(it), it.node)
        };
        all.iter().map(peer).filter(|it| Some(*it) != last).min_by_key(rank)
    }

    /// Takes what the guide sees. Whom it does not see is gone if another guide did not see that one either, or if it did
    /// not answer when it was asked itself: a guide that is cut off sees nobody, and a connection that was lost before says
    /// nothing of now.
    fn learn(&mut self, guide: NodeId, members: Vec<GuideMember>) {
        let seen: BTreeMap<NodeId, Member> = members
            .into_iter()
            .map(|it| {
                let GuideMember { name, incarnation, addr, profile, leaving } = it;
                let (node, profile) = (NodeId::of(&name), Arc::new(profile));
                (node, Member { node, incarnation, name, addr, profile, leaving })
            })
            .filter(|(node, _)| *node != self.system.node())
            .collect();
        let mut missing = BTreeMap::new();
        for known in self.directory.members() {
            let peer = PeerId { node: known.node, incarnation: known.incarnation };
            match seen.get(&known.node) {
                Some(now) if now.incarnation > known.incarnation => {
                    self.down(known, DownReason::Replaced);
                }
                Some(_) => {}
                None => {
                    let by = *self.missing.get(&peer).unwrap_or(&guide);
                    if by != guide || self.silent.contains(&peer) {
                        self.silent.remove(&peer);
                        self.down(known, DownReason::Left);
                    } else {
                        missing.insert(peer, by);
                    }
                }
            }
        }
        self.missing = missing;
        for (node, member) in seen {
            let Some(known) = self.directory.member(node) else {
                self.directory.up(member);
                continue;
            };
            let Member { incarnation, profile, leaving, .. } = member;
            // Whoever is about to leave does not change its mind, and the guide may not have heard it yet.
            let leaving = leaving || known.leaving && known.incarnation == incarnation;
            self.directory.describe((node, incarnation), (*profile).clone(), leaving);
        }
    }

    fn down(&self, member: Member, reason: DownReason) {
        let peer = PeerId { node: member.node, incarnation: member.incarnation };
        // First the association: whatever is told to watchers and asks below finds it closed. The member itself is told
        // nothing by that: whether it lives is for members to say.
        self.transport.peers().forget(peer);
        self.directory.down(member, reason);
        self.system.node_lost(peer.node, peer.incarnation);
    }
}
