//! The receptionist: takes what other nodes say of their names, groups and topics.
//!
//! What it is: an actor at a place that every node knows, slot 1, told by `telling.rs` on other nodes with ordinary asks;
//! and asked by clients, which have no roster. What it is NOT: the roster, which it only hands the pages to.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use odeon_actor::{Actor, ActorRef, ActorSystem, Context, Handler, StartError};
use odeon_cluster::{Page, Profile, Reached};
use odeon_env::buggify_number;
use odeon_macros::{actor, data, message};
use odeon_message::{ActorKey, ActorTypeId, Address, Incarnation, NodeId};

use super::{Here, RosterHall};
use crate::{directory::Member, phase::Phase};

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

#[actor(id = "odeon/Receptionist", handles(TakePage, Find, FindGroup, Guide))]
impl Actor for Receptionist {
    type Args = Arc<RosterHall>;

    async fn start(roster: Self::Args, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { roster })
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
