//! The membership hall: drives `odeon-cluster` with what the transport hears, and does what it decides.
//!
//! What it is: one task on the endpoint's thread that owns the state machine and its timer. What it is NOT: the
//! protocol. News come from `inbound.rs` by way of `newsfeed.rs`; effects go to the transport, to the directory that everyone
//! reads, and to the actor system, whose watchers learn of lost nodes here.

use std::{rc::Rc, sync::Arc, time::Duration};

use odeon_actor::ActorSystem;
use odeon_cluster::{Effect, Event, Membership, Profile};
use odeon_env::{Observed, Observer, buggify_number};
use odeon_transport::{Association, PeerId, Transport};
use tokio::{sync::watch, time::Instant};

use crate::{
    cluster_stats::ClusterCounts,
    directory::{Directory, DownReason, Member},
    join::Beginning,
    newsfeed::{News, Newsfeed},
    phase::Phases,
    roster::RosterHall,
};

/// The membership of one node, in motion.
pub(crate) struct MembershipHall {
    pub(crate) machine: Membership,
    pub(crate) beginning: Rc<Beginning>,
    pub(crate) news: Rc<Newsfeed>,
    pub(crate) transport: Rc<Transport>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) system: ActorSystem,
    pub(crate) roster: Arc<RosterHall>,
    pub(crate) phases: Arc<Phases>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) counts: Arc<ClusterCounts>,
    /// What this node says of itself, and whether it is about to leave.
    pub(crate) own: watch::Receiver<(Profile, bool)>,
    /// The zero of the machine's time.
    pub(crate) began: Instant,
}

impl MembershipHall {
    /// Runs until it is dropped.
    pub(crate) async fn run(mut self) {
        let news = Rc::clone(&self.news);
        let mut own = self.own.clone();
        own.mark_changed();
        loop {
            let due = self.machine.next_wakeup().map(|at| self.began + at);
            let timer = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due + late()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = news.arrived() => self.read_news(),
                Ok(()) = own.changed() => {
                    let (profile, leaving) = own.borrow_and_update().clone();
                    self.step(Event::Describe { profile, leaving });
                }
                () = timer => {
                    self.observe(Observed::TimerFired { timer: "membership" });
                    self.step(Event::Tick);
                }
            }
        }
    }

    fn read_news(&mut self) {
        // Bounded by the queue: what arrives meanwhile is read too, before anything else runs.
        while let Some(news) = self.news.pop() {
            match news {
                News::Contact(peer) => self.contact(&peer),
                News::Gossip { from, bytes } => {
                    self.step(Event::Datagram { from: from.node, bytes });
                }
                News::Unreachable(addr) => self.step(Event::Unreachable { addr }),
                News::ConnectionLost(PeerId { node, incarnation }) => {
                    self.beginning.lose(node, incarnation);
                    self.step(Event::ConnectionLost { node, incarnation });
                }
                News::Outdated(known) => self.step(Event::Outdated { known }),
                News::Leave => self.step(Event::Leave),
                // Members hear it by gossip, with all else that a member says of itself.
                News::Leaving(_) | News::Refused { .. } => {}
            }
        }
    }

    fn contact(&mut self, peer: &Association) {
        if peer.is_guest() {
            // It is no node to begin a cluster with, and nobody to gossip with.
            return;
        }
        let info = peer.peer();
        match odeon_cluster::NodeName::new(info.name()) {
            Ok(name) => {
                let member = odeon_cluster::Member::new(name, info.id.incarnation, peer.addr());
                let asked = self.beginning.meet(member);
                asked.into_iter().for_each(|member| self.step(Event::Contact(member)));
            }
            Err(error) => tracing::warn!(peer = %info.id, %error, "the peer cannot be a member"),
        }
    }

    fn step(&mut self, event: Event) {
        let effects = self.machine.handle(self.began.elapsed(), event);
        // Whoever sees that the node is up finds the members in its roster.
        let mut joined = None;
        for effect in effects {
            match effect {
                Effect::Joined => joined = Some(effect),
                effect => self.apply(effect),
            }
        }
        joined.into_iter().for_each(|joined| self.apply(joined));
        self.counts.membership(self.machine.stats());
    }

    fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Send { to, bytes, idle_only } => {
                // A goodbye is said several times; whoever has heard it does not want to be dialled for the next.
                let peer = PeerId { node: to.node, incarnation: to.incarnation };
                if self.news.was_let_go_by(peer) {
                    return;
                }
                if idle_only {
                    self.transport.knock((to.node, to.addr), bytes);
                } else {
                    self.transport.datagram((to.node, to.addr), bytes);
                }
            }
            Effect::Joined => {
                self.phases.up();
                let asked = self.beginning.joined();
                asked.into_iter().for_each(|member| self.step(Event::Contact(member)));
            }
            Effect::Up(member) => {
                let member = describe(&member);
                tracing::info!(member = member.name, addr = %member.addr, "member up");
                self.note("member up", &member.name);
                self.roster.up(member.node, member.incarnation);
                self.directory.up(member);
            }
            Effect::Described { member, profile, leaving } => {
                if leaving {
                    tracing::info!(member = member.name.as_str(), "member is about to leave");
                }
                self.note("member described", member.name.as_str());
                self.directory.describe((member.node, member.incarnation), profile, leaving);
            }
            Effect::Down { member, reason } => self.down(&describe(&member), reason.into()),
            Effect::Rejoined { me } => {
                let incarnation = me.incarnation;
                tracing::warn!(%incarnation, "others held this node for dead: it lives on under a new incarnation");
                self.note("rejoined", me.name.as_str());
                self.system.set_incarnation(incarnation);
                self.roster.renew();
                self.transport.peers().reincarnate(incarnation);
            }
            Effect::Left => self.phases.left(),
            Effect::Superseded { by } => {
                tracing::error!(
                    %by,
                    "a later life of this node is in the cluster: this one stops; see runbook: name-in-use"
                );
                self.phases.superseded();
            }
            _ => {}
        }
    }

    fn down(&self, member: &Member, reason: DownReason) {
        match reason {
            DownReason::Left => tracing::info!(member = member.name, "member left"),
            _ => tracing::info!(member = member.name, ?reason, "member down"),
        }
        self.note("member down", &member.name);
        // First the association: whatever is told to watchers and asks below finds it closed.
        self.transport
            .peers()
            .quarantine(PeerId { node: member.node, incarnation: member.incarnation });
        self.directory.down(member.clone(), reason);
        self.roster.down(member.node, member.incarnation);
        self.system.node_lost(member.node, member.incarnation);
    }

    fn note(&self, name: &str, detail: &str) {
        self.observe(Observed::Note { name, detail });
    }

    fn observe(&self, event: Observed<'_>) {
        if let Some(observer) = &self.observer {
            observer.observe(event);
        }
    }
}

/// In a simulation the timer is late now and then, as on a busy thread.
fn late() -> Duration {
    Duration::from_millis(buggify_number!(0.1, 1..20).unwrap_or(0))
}

fn describe(member: &odeon_cluster::Member) -> Member {
    Member {
        node: member.node,
        incarnation: member.incarnation,
        name: member.name.to_string(),
        addr: member.addr,
        profile: Arc::default(),
        leaving: false,
    }
}

impl From<odeon_cluster::DownReason> for DownReason {
    fn from(reason: odeon_cluster::DownReason) -> Self {
        match reason {
            odeon_cluster::DownReason::Left => Self::Left,
            odeon_cluster::DownReason::Unreachable => Self::Unreachable,
            odeon_cluster::DownReason::Replaced => Self::Replaced,
            _ => Self::Suspected,
        }
    }
}
