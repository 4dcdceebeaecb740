//! Another node, seen from this one: its names.
//!
//! What it is: [`RemoteNode`], from [`Node::on`](crate::Node::on), which looks names up there and follows them. What
//! it is NOT: a connection; it is a name, and the node behind it may come and go. It asks the registrar over there
//! (`registrar.rs`) with ordinary messages.

use std::{marker::PhantomData, time::Duration};

use odeon_actor::{Actor, ActorRef, ActorSystem, ExportError, NameChanges, SpawnOptions};
use odeon_message::{ActorTypeId, Address, AskError, Certainty, Fingerprint};
use odeon_transport::{AssociationStats, PeerId};
use tokio::sync::watch;

use crate::{
    directory::{Member, MemberEvent, Members},
    follower::{Follower, Known, learn, lost},
    node::Node,
    registrar::{Follow, Holding, Lookup, Registrar},
    tasks::TaskHandle,
};

/// How often a followed name is asked for again, in case a change was lost with a connection.
const REFRESH_EVERY: Duration = Duration::from_secs(5);

/// Pause before a node that did not answer is asked again.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Why a look-up on another node failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// The actor type has no id, so that no other node can know it.
    #[error(
        "actors of this type cannot be looked up on another node: give the type an id, #[actor(id = \"…\")]"
    )]
    LocalType,
    /// The holder of the name is of another type.
    #[error("{name} on {node} is an actor of another type")]
    OtherType {
        /// The name.
        name: String,
        /// The node.
        node: String,
    },
    /// The holder's node takes messages of this type in another layout only.
    #[error(
        "{name} on {node} takes {message} in another layout ({theirs}) than ours ({ours}): let both nodes run the same \
         version, or one that accepts the former layout"
    )]
    Incompatible {
        /// The name.
        name: String,
        /// The node.
        node: String,
        /// The message.
        message: &'static str,
        /// Its layout here.
        ours: Fingerprint,
        /// Its layout there.
        theirs: Fingerprint,
    },
    /// Somebody holds the name and cannot be reached from other nodes.
    #[error("{name} is there on {node}, but cannot be reached from other nodes: {why}")]
    Hidden {
        /// The name.
        name: String,
        /// The node.
        node: String,
        /// Why, and what to do about it over there.
        why: ExportError,
    },
    /// There is no such member now.
    #[error("{node} is not a member of the cluster now: wait for it with Node::members")]
    NotMember {
        /// The node's name.
        node: String,
    },
    /// The node did not answer.
    #[error("{node} did not answer the look-up: {failure}")]
    NoAnswer {
        /// The node's name.
        node: String,
        /// What happened, in words.
        failure: String,
    },
    /// This node has stopped.
    #[error("this node has stopped")]
    Stopped,
}

/// A node of the cluster by its name, whichever life of it is there. Cheap to clone.
///
/// # Examples
/// ```
/// use odeon::{Actor, LookupError, Node};
///
/// async fn cashier<A: Actor>(node: &Node) -> Result<(), LookupError> {
///     // Now, or not at all:
///     let found = node.on("bank").lookup::<A>("cashier").await?;
///     # let _ = found;
///     // As soon as there is one, and again after the bank was restarted:
///     let mut name = node.on("bank").follow::<A>("cashier").await?;
///     while let Some(cashier) = name.held().await {
///         println!("the cashier is {:?}", cashier.identity());
///         name.changed().await;
///     }
///     Ok(()) // this node has stopped
/// }
/// ```
#[derive(Clone, Debug)]
pub struct RemoteNode {
    node: Node,
    name: String,
}

impl RemoteNode {
    pub(crate) fn new(node: Node, name: String) -> Self {
        Self { node, name }
    }

    /// What was counted on the way to the present life of that node: frames, bytes, batches, stalls for want of credit, and
    /// what its messages pin here. `None` where it is no member, or nothing was exchanged yet.
    ///
    /// ```no_run
    /// # fn example(node: &odeon::Node) {
    /// if let Some(stats) = node.on("bank").stats() {
    ///     println!("messages of the bank hold {} bytes here", stats.pinned_bytes);
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> Option<AssociationStats> {
        let member = self.node.directory().named(&self.name)?;
        let id = PeerId { node: member.node, incarnation: member.incarnation };
        self.node.outbound().known(id).map(|association| association.stats())
    }

    /// The actor that holds `name` over there, if one does.
    ///
    /// On this node's own name it is [`Node::lookup`].
    ///
    /// # Errors
    /// See [`LookupError`]. Nothing changes on either node.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn lookup<A: Actor>(&self, name: &str) -> Result<Option<ActorRef<A>>, LookupError> {
        let actor_type = type_of::<A>()?;
        if self.name == self.node.name() {
            return Ok(self.node.lookup(name));
        }
        let Some(member) = self.node.directory().named(&self.name) else {
            return Err(LookupError::NotMember { node: self.name.clone() });
        };
        let system = self.node.system();
        let registrar = registrar(system, &member);
        let answer = registrar.ask(Lookup { name: name.to_owned() }).await;
        let answer = answer.map_err(|error| self.no_answer(&error))?;
        if let Some(hidden) = answer.hidden {
            let (name, node) = (name.to_owned(), self.name.clone());
            return Err(LookupError::Hidden { name, node, why: hidden.error() });
        }
        match answer.holder {
            Some(holder) if holder.actor_type != actor_type => {
                Err(LookupError::OtherType { name: name.to_owned(), node: self.name.clone() })
            }
            holder => Ok(holder.map(|holder| ActorRef::from_address(system, holder))),
        }
    }

    /// The holder of `name` over there, now and whenever it changes, across restarts of that node too.
    ///
    /// Ends when the returned value is dropped.
    ///
    /// # Errors
    /// When the type has no id, or this node has stopped.
    ///
    /// # Cancel safety
    /// Nothing is followed.
    pub async fn follow<A: Actor>(&self, name: &str) -> Result<RemoteName<A>, LookupError> {
        let actor_type = type_of::<A>()?;
        let system = self.node.system().clone();
        let (sender, known) = watch::channel(Known::default());
        let follower = system
            .spawn::<Follower>(sender.clone(), SpawnOptions::default())
            .await
            .map_err(|_| LookupError::Stopped)?;
        let task = if self.name == self.node.name() {
            let changes = system.subscribe(name).map_err(|_| LookupError::Stopped);
            changes.map(|changes| {
                self.node.tasks().spawn(follow_here(system.clone(), changes, sender))
            })
        } else {
            let following = Following {
                system: system.clone(),
                members: self.node.members(),
                node: self.name.clone(),
                name: name.to_owned(),
                known: sender,
                follower: follower.clone(),
            };
            Ok(self.node.tasks().spawn(following.run()))
        };
        let Ok(Some(task)) = task else {
            follower.stop();
            return Err(LookupError::Stopped);
        };
        Ok(RemoteName { system, known, actor_type, follower, _task: task, actor: PhantomData })
    }

    fn no_answer(&self, error: &AskError<std::convert::Infallible>) -> LookupError {
        LookupError::NoAnswer { node: self.name.clone(), failure: error.to_string() }
    }
}

/// Follows a name of this node itself.
async fn follow_here(system: ActorSystem, mut changes: NameChanges, known: watch::Sender<Known>) {
    while let Some(state) = changes.next_state().await {
        learn(&known, Holding::of(&system, &state));
    }
}

fn type_of<A: Actor>() -> Result<ActorTypeId, LookupError> {
    A::ID.map(ActorTypeId::of).ok_or(LookupError::LocalType)
}

fn registrar(system: &ActorSystem, member: &Member) -> ActorRef<Registrar> {
    ActorRef::from_address(system, Registrar::address(member.node, member.incarnation))
}

/// Who holds a name on another node, as it changes; from [`RemoteNode::follow`].
pub struct RemoteName<A: Actor> {
    system: ActorSystem,
    known: watch::Receiver<Known>,
    actor_type: ActorTypeId,
    follower: ActorRef<Follower>,
    _task: TaskHandle,
    actor: PhantomData<fn() -> A>,
}

impl<A: Actor> RemoteName<A> {
    /// The holder now: `None` while nobody holds the name, the holder is of another type or cannot be reached from
    /// other nodes, or the node is away.
    #[must_use]
    pub fn current(&self) -> Option<ActorRef<A>> {
        let holder = self.known.borrow().holder;
        self.reference(holder)
    }

    /// Waits for the next change; a slow reader sees the latest holder only.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn changed(&mut self) -> Option<ActorRef<A>> {
        // The sender lives as long as the follower, which ends with this value or with the node.
        if self.known.changed().await.is_err() {
            return None;
        }
        let holder = self.known.borrow_and_update().holder;
        self.reference(holder)
    }

    /// Waits until somebody holds the name; `None` once this node has stopped.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn held(&mut self) -> Option<ActorRef<A>> {
        let actor_type = self.actor_type;
        let of_type =
            |known: &Known| known.holder.is_some_and(|holder| holder.actor_type == actor_type);
        let holder = self.known.wait_for(of_type).await.ok()?.holder;
        self.reference(holder)
    }

    fn reference(&self, holder: Option<Address>) -> Option<ActorRef<A>> {
        let holder = holder.filter(|holder| holder.actor_type == self.actor_type)?;
        Some(ActorRef::from_address(&self.system, holder))
    }
}

impl<A: Actor> Drop for RemoteName<A> {
    fn drop(&mut self) {
        self.follower.stop();
    }
}

/// The task behind one followed name: asks each life of the node to tell the follower.
struct Following {
    system: ActorSystem,
    members: Members,
    node: String,
    name: String,
    known: watch::Sender<Known>,
    follower: ActorRef<Follower>,
}

impl Following {
    async fn run(mut self) {
        let mut there: Option<Member> = None;
        while self.present(&mut there).await {
            let Some(member) = &there else { continue };
            let registrar = registrar(&self.system, member);
            if self.ask_to_tell(&registrar).await {
                self.refresh(&registrar, &mut there).await;
            } else {
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }

    /// Reads all member events there are, or waits for one while the node is away; `false` at this node's end.
    async fn present(&mut self, there: &mut Option<Member>) -> bool {
        loop {
            let event = if there.is_some() {
                tokio::select! {
                    biased;
                    event = self.members.next() => event,
                    () = std::future::ready(()) => return true,
                }
            } else {
                self.members.next().await
            };
            let Some(event) = event else { return false };
            if !self.note(event, there) {
                return true;
            }
        }
    }

    /// Takes one event; `false` when the node has just gone.
    fn note(&self, event: MemberEvent, there: &mut Option<Member>) -> bool {
        match event {
            MemberEvent::Up(member) if member.name == self.node => *there = Some(member),
            MemberEvent::Down { member, .. }
                if there.as_ref().is_some_and(|it| it.is_same_life(&member)) =>
            {
                *there = None;
                lost(&self.known, member.incarnation);
                return false;
            }
            _ => {}
        }
        true
    }

    async fn ask_to_tell(&self, registrar: &ActorRef<Registrar>) -> bool {
        let follow = Follow { name: self.name.clone(), follower: self.follower.clone() };
        match registrar.ask(follow).await {
            Ok(()) => true,
            Err(error) => {
                let safe = error.certainty() == Certainty::NotDelivered;
                tracing::debug!(node = self.node, name = self.name, %error, safe, "cannot follow the name yet");
                false
            }
        }
    }

    /// While that life of the node is there: asks again now and then, in case a change was lost.
    async fn refresh(&mut self, registrar: &ActorRef<Registrar>, there: &mut Option<Member>) {
        loop {
            tokio::select! {
                biased;
                event = self.members.next() => {
                    let Some(event) = event else { return };
                    let before = there.clone();
                    if !self.note(event, there) || *there != before {
                        return;
                    }
                }
                () = tokio::time::sleep(REFRESH_EVERY) => {
                    if let Ok(holding) = registrar.ask(Lookup { name: self.name.clone() }).await {
                        learn(&self.known, holding);
                    }
                }
            }
        }
    }
}
