//! A name of the cluster, followed.
//!
//! What it is NOT: a name of one node, which is [`RemoteName`](crate::RemoteName).

use std::{marker::PhantomData, sync::Arc};

use odeon_actor::{Actor, ActorRef};
use odeon_cluster::Touched;
use odeon_message::{ActorTypeId, Address};
use tokio::sync::watch;

use crate::roster::RosterHall;

/// Who has a name in the cluster, as it changes; from [`Cluster::follow`](crate::Cluster::follow).
///
/// # Examples
/// ```
/// use odeon::{Actor, LookupError, Node};
///
/// async fn meet<A: Actor>(node: &Node) -> Result<(), LookupError> {
///     let mut name = node.cluster().follow::<A>("scheduler")?;
///     while let Some(scheduler) = name.held().await {
///         println!("the scheduler is {:?}", scheduler.identity());
///         name.changed().await;
///     }
///     Ok(()) // this node has stopped
/// }
/// ```
pub struct ClusterName<A: Actor> {
    roster: Arc<RosterHall>,
    name: Box<str>,
    actor_type: ActorTypeId,
    sign: watch::Receiver<u64>,
    /// Who had it when it was last looked at.
    known: Option<Address>,
    actor: PhantomData<fn() -> A>,
}

impl<A: Actor> ClusterName<A> {
    pub(crate) fn new(
        roster: Arc<RosterHall>,
        name: &str,
        actor_type: ActorTypeId,
    ) -> Option<Self> {
        let sign = roster.signs.follow(Touched::Name(name.into()))?;
        let mut this =
            Self { roster, name: name.into(), actor_type, sign, known: None, actor: PhantomData };
        this.known = this.holder();
        Some(this)
    }

    fn holder(&self) -> Option<Address> {
        let holder = self.roster.with(|roster| roster.holder(&self.name));
        holder.filter(|holder| holder.actor_type == self.actor_type)
    }

    fn reference(&self, holder: Option<Address>) -> Option<ActorRef<A>> {
        holder.map(|holder| ActorRef::from_address(self.roster.system(), holder))
    }

    /// The holder now: `None` while nobody has the name, or an actor of another type.
    #[must_use]
    pub fn current(&self) -> Option<ActorRef<A>> {
        self.reference(self.holder())
    }

    /// Waits until another actor has the name, or nobody; a slow reader sees the latest holder only. `None` also once
    /// this node has stopped.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn changed(&mut self) -> Option<ActorRef<A>> {
        loop {
            self.sign.borrow_and_update();
            let holder = self.holder();
            if holder != self.known {
                self.known = holder;
                return self.reference(holder);
            }
            if self.sign.changed().await.is_err() {
                return None;
            }
        }
    }

    /// Waits until somebody has the name; `None` once this node has stopped.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn held(&mut self) -> Option<ActorRef<A>> {
        loop {
            if self.sign.has_changed().is_err() {
                return None;
            }
            self.sign.borrow_and_update();
            if let Some(holder) = self.holder() {
                self.known = Some(holder);
                return self.reference(self.known);
            }
            if self.sign.changed().await.is_err() {
                return None;
            }
        }
    }
}
