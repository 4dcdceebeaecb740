//! A group of the cluster, seen from a client.
//!
//! What it is: the members as some member of the cluster knew them, at most about a second ago. What it is NOT: the
//! group that nodes see, [`ClusterGroup`](crate::ClusterGroup), which is told of each change.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use odeon_actor::{Actor, ActorRef, Aim, Pick, Router, Target, strategy};
use odeon_message::{ActorTypeId, Address, Failure, FailureKind};

use super::Client;
use crate::{
    directory::Directory,
    remote_node::LookupError,
    tasks::{TaskHandle, Tasks},
};

/// How often the members are asked for.
const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// A member, and where it is.
type Found<A> = (Address, ActorRef<A>);

struct Shared<A: Actor> {
    directory: Arc<Directory>,
    name: Box<str>,
    actor_type: ActorTypeId,
    members: Mutex<Arc<[Found<A>]>>,
    turn: AtomicUsize,
}

impl<A: Actor> Shared<A> {
    fn members(&self) -> Arc<[Found<A>]> {
        Arc::clone(&self.members.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn refresh(&self, client: &Client) -> Result<(), LookupError> {
        let found = client.find_group(&self.name).await?.into_iter();
        let found = found.filter(|address| address.actor_type == self.actor_type);
        let found: Arc<[Found<A>]> = found
            .map(|address| (address, ActorRef::from_address(client.system(), address)))
            .collect();
        *self.members.lock().unwrap_or_else(PoisonError::into_inner) = found;
        Ok(())
    }
}

impl<A: Actor> Router<A> for Shared<A> {
    fn pick(&self) -> Result<Pick<A>, Failure> {
        let members = self.members();
        let first = strategy::round_robin(self.turn.fetch_add(1, Relaxed), members.len());
        let (before, from) = members.split_at(first.unwrap_or(0));
        // That a node is gone, or about to leave, is known before the members are asked for again.
        let stays = |address: &Address| {
            let member = self.directory.member(address.node)?;
            (member.incarnation == address.incarnation).then_some(!member.leaving)
        };
        let turns = || from.iter().chain(before);
        let staying = turns().find(|(address, _)| stays(address) == Some(true));
        let member = staying.or_else(|| turns().find(|(address, _)| stays(address).is_some()));
        let (_, member) = member.ok_or_else(|| {
            Failure::not_delivered(FailureKind::Stopped, "the group has no member")
        })?;
        Ok(Pick::of(member.clone()))
    }
}

/// A group of the cluster, seen from a [`Client`]: a [`Target`] that sends to one member after the other. An ask that was
/// not delivered is worth a [retry](odeon_actor::Ask::retry), which goes to another member.
pub struct ClientGroup<A: Actor> {
    client: Client,
    shared: Arc<Shared<A>>,
    _task: Option<TaskHandle>,
}

impl<A: Actor> ClientGroup<A> {
    pub(crate) fn new(client: Client, name: &str, actor_type: ActorTypeId) -> Self {
        let members = Mutex::new(Arc::from([]));
        let (turn, directory) = (AtomicUsize::new(0), Arc::clone(client.node.directory()));
        let shared = Shared { directory, name: name.into(), actor_type, members, turn };
        let shared = Arc::new(shared);
        Self { client, shared, _task: None }
    }

    /// Asks for the members again and again, until the handle is dropped.
    pub(crate) fn keep_fresh(mut self, tasks: &Tasks) -> Result<Self, LookupError> {
        let (client, shared) = (self.client.clone(), Arc::clone(&self.shared));
        let task = async move {
            loop {
                tokio::time::sleep(REFRESH_EVERY).await;
                if let Err(error) = shared.refresh(&client).await {
                    tracing::debug!(group = &*shared.name, %error, "the members are not known anew");
                }
            }
        };
        self._task = Some(tasks.spawn(task).ok_or(LookupError::Stopped)?);
        Ok(self)
    }

    /// The members, as last heard.
    #[must_use]
    pub fn members(&self) -> Vec<ActorRef<A>> {
        self.shared.members().iter().map(|(_, actor)| actor.clone()).collect()
    }

    /// Asks for the members now.
    ///
    /// # Errors
    /// When no member of the cluster answers; then those that were known stay.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn refresh(&self) -> Result<(), LookupError> {
        self.shared.refresh(&self.client).await
    }
}

impl<A: Actor> Target for ClientGroup<A> {
    type Actor = A;

    fn aim(&self) -> Aim<A> {
        Aim::routed(Arc::clone(&self.shared) as _)
    }
}

impl<A: Actor> fmt::Debug for ClientGroup<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientGroup({:?}, {} members)", self.shared.name, self.shared.members().len())
    }
}
