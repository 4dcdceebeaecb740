//! The guest: how a client knows who is in the cluster.
//!
//! What it is: one task on the endpoint's thread that asks a member, again and again, who the members are, and another
//! one when that does not answer. It takes the place of the membership hall in a client. What it is NOT: gossip; what
//! comes of that is left aside.

use std::{collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};

use odeon_actor::ActorSystem;
use odeon_message::{Incarnation, NodeId};
use odeon_transport::{PeerId, Transport};
use tokio::time::{Instant, sleep_until};

use crate::{
    directory::{Directory, DownReason, Member},
    newsfeed::{News, Newsfeed},
    phase::Phases,
    roster::receptionist::{Guide, GuideMember, Receptionist},
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
                    let pause = if self.look().await { LOOK_EVERY } else { NEXT_AFTER };
                    look_at = Instant::now() + pause;
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
                    if self.contacts.len() < CONTACTS_MAX || self.contacts.contains_key(&node) {
                        self.contacts.insert(node, incarnation);
                    }
                    is_lost |= self.guide.is_none();
                }
                News::ConnectionLost(peer) => is_lost |= self.guide == Some(peer),
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

    /// Asks the guide who the members are, or another one the next time; `false` if it did not answer.
    async fn look(&mut self) -> bool {
        let Some(guide) = self.guide.or_else(|| self.next_guide(None)) else { return false };
        self.guide = Some(guide);
        let receptionist = Receptionist::of(&self.system, guide.node, guide.incarnation);
        match receptionist.ask(Guide).within(LOOK_WITHIN).await {
            // One that is in no cluster itself has nothing to say.
            Ok(members) if members.iter().any(|it| NodeId::of(&it.name) == guide.node) => {
                self.failures = 0;
                self.learn(members);
                self.phases.up();
                true
            }
            answer => {
                let error = answer.err().map(|error| error.to_string());
                tracing::debug!(guide = %guide, error, "the guide did not answer: another one is asked");
                self.contacts.remove(&guide.node);
                self.guide = self.next_guide(Some(guide));
                self.failures += 1;
                self.give_up_on_all();
                false
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

    /// Who comes after this one: of the members, and then of those who have answered a knock.
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
        let after = last.and_then(|last| all.iter().map(peer).find(|it| it.node > last.node));
        after.or_else(|| all.iter().map(peer).find(|it| Some(*it) != last))
    }

    /// Takes what the guide sees.
    fn learn(&self, members: Vec<GuideMember>) {
        let seen: BTreeMap<NodeId, Member> = members
            .into_iter()
            .map(|it| {
                let GuideMember { name, incarnation, addr } = it;
                let node = NodeId::of(&name);
                let (profile, leaving) = Default::default();
                (node, Member { node, incarnation, name, addr, profile, leaving })
            })
            .filter(|(node, _)| *node != self.system.node())
            .collect();
        for known in self.directory.members() {
            let now = seen.get(&known.node);
            if now.is_none_or(|now| now.incarnation > known.incarnation) {
                let reason = if now.is_some() { DownReason::Replaced } else { DownReason::Left };
                self.down(known, reason);
            }
        }
        for (node, member) in seen {
            if self.directory.member(node).is_none() {
                self.directory.up(member);
            }
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
