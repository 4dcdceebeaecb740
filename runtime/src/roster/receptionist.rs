//! The receptionist: takes what other nodes say of their names, groups and topics.
//!
//! What it is: an actor at a place that every node knows, slot 1, told by `telling.rs` on other nodes with ordinary asks;
//! and asked by clients, which have no roster. What it is NOT: the roster, which it only hands the pages to; or what it
//! does for a client that publishes, which is `carrying.rs`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use odeon_actor::{Actor, ActorRef, ActorSystem, Context, Handler, StartError};
use odeon_cluster::{Page, Profile, Reached};
use odeon_env::buggify_number;
use odeon_macros::{actor, data, message};
use odeon_message::{ActorKey, ActorTypeId, Address, Incarnation, NodeId};

use super::{
    Here, RosterHall,
    carrying::{Carried, NotCarried, Publish, carry},
};
use crate::{directory::Member, outbound::OutboundRemotes, phase::Phase};

/// The id of the receptionist's type.
const TYPE: &str = "odeon/Receptionist";

/// Take these entries of mine.
#[message(id = "odeon/TakePage", reply = Reached)]
pub(crate) struct TakePage {
    pub(crate) page: Page,
}

/// Who has this name in the cluster?
#[message(id = "odeon/Find", reply = Option<Address>)]
pub(crate) struct Find {
    pub(crate) name: String,
}

/// Who is in this group of the cluster?
#[message(id = "odeon/FindGroup", reply = Vec<Address>)]
pub(crate) struct FindGroup {
    pub(crate) group: String,
}

/// Who is in the cluster? Asked by clients, of one member at a time.
#[message(id = "odeon/Guide", reply = Vec<GuideMember>)]
pub(crate) struct Guide;

/// A member, as another one sees it.
#[data]
#[derive(Clone, Debug)]
pub(crate) struct GuideMember {
    pub(crate) name: String,
    pub(crate) incarnation: Incarnation,
    pub(crate) addr: SocketAddr,
    pub(crate) profile: Profile,
    pub(crate) leaving: bool,
}

/// Takes pages for the roster of its node.
pub(crate) struct Receptionist {
    roster: Arc<RosterHall>,
    /// The way to other nodes.
    remotes: OutboundRemotes,
}

impl Receptionist {
    /// Its place on each node.
    pub(crate) const KEY: ActorKey = ActorKey { slot: 1, generation: 0 };

    /// The receptionist of that life of a node.
    pub(crate) fn of(
        system: &ActorSystem,
        node: NodeId,
        incarnation: Incarnation,
    ) -> ActorRef<Self> {
        let actor_type = ActorTypeId::of(TYPE);
        ActorRef::from_address(system, Address { node, incarnation, key: Self::KEY, actor_type })
    }
}

#[actor(id = "odeon/Receptionist", handles(TakePage, Find, FindGroup, Guide, Publish))]
impl Actor for Receptionist {
    type Args = (Arc<RosterHall>, OutboundRemotes);

    async fn start(args: Self::Args, _: &mut Context<Self>) -> Result<Self, StartError> {
        let (roster, remotes) = args;
        Ok(Self { roster, remotes })
    }
}

impl Handler<TakePage> for Receptionist {
    async fn handle(&mut self, take: TakePage, ctx: &mut Context<Self>) -> Reached {
        let asker = ctx.asker();
        if let Some(ms) = buggify_number!(1..100) {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        self.roster.take(take.page, asker)
    }
}

impl Handler<Find> for Receptionist {
    async fn handle(&mut self, find: Find, _: &mut Context<Self>) -> Option<Address> {
        self.roster.with(|roster| roster.holder(&find.name))
    }
}

impl Handler<FindGroup> for Receptionist {
    async fn handle(&mut self, find: FindGroup, _: &mut Context<Self>) -> Vec<Address> {
        self.roster.with(|roster| roster.members(&find.group))
    }
}

impl Handler<Publish> for Receptionist {
    async fn handle(
        &mut self,
        publish: Publish,
        _: &mut Context<Self>,
    ) -> Result<Carried, NotCarried> {
        // Without a pause: whoever publishes holds up nobody.
        carry(&self.roster, &self.remotes, &publish)
    }
}

impl Handler<Guide> for Receptionist {
    async fn handle(&mut self, _: Guide, ctx: &mut Context<Self>) -> Vec<GuideMember> {
        let Here { name, addr, directory, phases, own, is_member } = &self.roster.here;
        let is_up = *is_member && phases.current() == Phase::Up;
        let others = directory.members().into_iter().map(|it| {
            let Member { name, incarnation, addr, profile, leaving, .. } = it;
            GuideMember { name, incarnation, addr, profile: (*profile).clone(), leaving }
        });
        let (incarnation, (profile, leaving)) = (ctx.system().incarnation(), own.borrow().clone());
        let name = name.clone();
        let myself = GuideMember { name, incarnation, addr: *addr, profile, leaving };
        is_up.then_some(myself).into_iter().chain(others).collect()
    }
}

#[cfg(test)]
mod tests {
    use odeon_cluster::{Entry, Subject};
    use odeon_env::{Env, RealEnv};
    use odeon_transport::{Ca, Validity};

    use super::*;
    use crate::{Node, NodeBuilder};

    #[derive(Clone)]
    struct Idle;

    #[actor(id = "receptionist/Idle", handles())]
    impl Actor for Idle {
        type Args = Self;

        async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
            Ok(args)
        }
    }

    fn page((owner, incarnation): (NodeId, Incarnation), entries: Vec<(u64, Entry)>) -> Page {
        let (removals, digest) = (Vec::new(), None);
        Page { owner, incarnation, from: 0, to: 9, entries, removals, digest }
    }

    async fn say(by: &ActorSystem, to: &Node, page: Page) -> Reached {
        let receptionist = Receptionist::of(by, to.id(), to.incarnation());
        receptionist.ask(TakePage { page }).await.unwrap()
    }

    fn builder(ca: &Ca, name: &str) -> NodeBuilder {
        let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(3_600));
        let identity = ca.issue(name, validity).unwrap();
        Node::builder(name).identity(identity).actor::<Idle>().workers(1)
    }

    /// Whoever has a certificate could take names from others, and all names from all by a stamp after which none comes.
    #[tokio::test]
    async fn a_page_is_taken_of_its_owner_and_of_no_time_to_come() {
        let ca = Ca::in_memory("test").unwrap();
        let a = builder(&ca, "a").alone().start().await.unwrap();
        let seed = a.addr().to_string();
        let b = builder(&ca, "b").seed(seed.clone()).start().await.unwrap();
        let c = builder(&ca, "c").seed(seed.clone()).start().await.unwrap();
        let till = builder(&ca, "till").seed(seed).start_client().await.unwrap();
        assert!(b.joined().await && c.joined().await && till.connected().await);
        let idle = c.spawn(Idle).await.unwrap();
        c.cluster().register("leader", &idle).await.unwrap();
        let of_c = (c.id(), c.incarnation());
        for by in [b.system(), till.system()] {
            // That c has nothing any more.
            assert!(!say(by, &a, page(of_c, Vec::new())).await.is_member);
            assert!(!say(by, &a, page((by.node(), Incarnation(1)), Vec::new())).await.is_member);
        }
        let own = (till.system().node(), till.system().incarnation());
        assert!(!say(till.system(), &a, page(own, Vec::new())).await.is_member);
        assert!(a.cluster().lookup::<Idle>("leader").unwrap().is_some());
        let (of_b, key) = ((b.id(), b.incarnation()), ActorKey { slot: 9, generation: 0 });
        let actor_type = ActorTypeId::of("receptionist/Idle");
        let address = Address { node: of_b.0, incarnation: of_b.1, key, actor_type };
        let subject = Subject::Name("far".into());
        let entry = Entry { subject, address: Some(address), stamp: u64::MAX };
        assert!(!say(b.system(), &a, page(of_b, vec![(1, entry)])).await.is_member);
        let here = a.spawn(Idle).await.unwrap();
        a.cluster().register("later", &here).await.unwrap();
        let stamp = |roster: &odeon_cluster::Roster| {
            roster.own(&Subject::Name("later".into())).map(|entry| entry.stamp)
        };
        assert!(a.roster().with(stamp).is_some_and(|stamp| stamp < u64::MAX));
        till.stop(Duration::from_secs(1)).await;
        for node in [c, b, a] {
            node.stop(Duration::from_secs(1)).await;
        }
    }
}
