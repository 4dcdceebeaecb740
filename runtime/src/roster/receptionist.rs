//! The receptionist: takes what other nodes say of their names, groups and topics.
//!
//! What it is: an actor at a place that every node knows, slot 1, told by `telling.rs` on other nodes with ordinary asks.
//! What it is NOT: the roster, which it only hands the pages to.

use std::{sync::Arc, time::Duration};

use odeon_actor::{Actor, ActorRef, ActorSystem, Context, Handler, StartError};
use odeon_cluster::{Page, Reached};
use odeon_env::buggify_number;
use odeon_macros::{actor, message};
use odeon_message::{ActorKey, ActorTypeId, Address, Incarnation, NodeId};

use super::RosterHall;

/// The id of the receptionist's type.
const TYPE: &str = "odeon/Receptionist";

/// Take these entries of mine.
#[message(id = "odeon/TakePage", reply = Reached)]
pub(crate) struct TakePage {
    pub(crate) page: Page,
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

#[actor(id = "odeon/Receptionist", handles(TakePage))]
impl Actor for Receptionist {
    type Args = Arc<RosterHall>;

    async fn start(roster: Self::Args, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { roster })
    }
}

impl Handler<TakePage> for Receptionist {
    async fn handle(&mut self, take: TakePage, _: &mut Context<Self>) -> Reached {
        if let Some(ms) = buggify_number!(1..100) {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        self.roster.take(take.page)
    }
}
