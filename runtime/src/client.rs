//! A client: a program that talks to a cluster and is no member of it.
//!
//! What it is: [`Client`], which finds names, groups and members, and publishes to topics, by asking a member, its guide,
//! and another one when that
//! does not answer; the references it gets lead to their nodes directly. What it is NOT: a member; nobody gossips with
//! it, nobody begins a cluster with it, for its handshake says what it is; it has no names and no groups, and no entry of
//! the cluster knows it. Read `client/guest.rs` for how it follows the
//! cluster.

pub(crate) mod group;
pub(crate) mod guest;
pub(crate) mod topic;

use std::time::Duration;

use odeon_actor::{Actor, ActorRef, ActorSystem};
use odeon_message::Message;

use crate::{
    builder::{NodeBuilder, NodeError},
    cluster::type_of,
    directory::{Member, Members},
    node::Node,
    remote_node::{LookupError, RemoteNode},
    roster::receptionist::{Find, FindGroup, Receptionist},
};
use group::ClientGroup;

/// Pause before another guide is asked, when none has answered.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// How often a question is asked of one guide after another.
const GUIDES_MAX: usize = 4;

/// A program that talks to a cluster without being a member of it. Cheap to clone.
///
/// It needs a certificate of the cluster's authority, as a node does, and the address of at least one member. Its actors,
/// if it has any, can be told by whoever has their reference, and can watch actors of the cluster; but they have no names
/// that others find, and the client is no place for groups, subscriptions and remote spawns.
///
/// # Examples
/// ```no_run
/// use odeon::{Actor, Client, Handler, Message, Node, Papers};
///
/// async fn example<A: Actor + Handler<M>, M: Message>(question: M) -> Result<(), Box<dyn std::error::Error>> {
///     let client: Client = Node::builder("till-7")
///         .papers(Papers::new("till-7.pem", "till-7.key", "ca.pem"))
///         .seed("10.0.0.1:7400")
///         .seed("10.0.0.2:7400")
///         .start_client()
///         .await?;
///     let scheduler = client.lookup::<A>("scheduler").await?.ok_or("nobody has that name")?;
///     let _ = scheduler.ask(question).await;
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    node: Node,
}

impl NodeBuilder {
    /// Starts a client instead of a node: it joins no cluster, and asks the members at the [seeds](Self::seed). Of the
    /// rest of the builder, bounds, certificate, addresses, workers and environment hold for it too.
    ///
    /// # Errors
    /// See [`NodeError`]; nothing is left behind.
    ///
    /// # Cancel safety
    /// Dropping the future ends the client that was about to start.
    pub async fn start_client(mut self) -> Result<Client, NodeError> {
        self.guest = true;
        Ok(Client { node: self.start().await? })
    }

    /// As [`start_client`](Self::start_client), inside of the current `LocalSet`; see [`start_here`](Self::start_here).
    ///
    /// # Errors
    /// See [`NodeError`].
    ///
    /// # Panics
    /// Outside of a `LocalSet`.
    ///
    /// # Cancel safety
    /// As [`start_here`](Self::start_here).
    pub async fn start_client_here(mut self) -> Result<Client, NodeError> {
        self.guest = true;
        Ok(Client { node: self.start_here().await? })
    }
}

impl Client {
    /// Waits until a member has answered; `false` if the client ended before.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn connected(&self) -> bool {
        self.node.joined().await
    }

    /// Waits until the client has ended.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn ended(&self) {
        self.node.ended().await;
    }

    /// The actors of this client.
    #[must_use]
    pub fn system(&self) -> &ActorSystem {
        self.node.system()
    }

    /// The members of the cluster, as its guide sees them, and their changes.
    #[must_use]
    pub fn members(&self) -> Members {
        self.node.members()
    }

    /// The members now.
    #[must_use]
    pub fn members_now(&self) -> Vec<Member> {
        self.node.members_now()
    }

    /// A member by its name, for the names that it has for itself.
    #[must_use]
    pub fn on(&self, node: &str) -> RemoteNode {
        self.node.on(node)
    }

    /// The actor that has a name in the cluster.
    ///
    /// Asks one member, and if that does not answer, others.
    ///
    /// # Errors
    /// When the type has no id, the holder is of another type, or no member answers.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn lookup<A: Actor>(&self, name: &str) -> Result<Option<ActorRef<A>>, LookupError> {
        let actor_type = type_of::<A>()?;
        let find = || Find { name: name.to_owned() };
        let Some(holder) = self.ask(find).await? else { return Ok(None) };
        if holder.actor_type != actor_type {
            let member = self.node.directory().member(holder.node);
            let node = member.map_or_else(|| holder.node.to_string(), |member| member.name);
            return Err(LookupError::OtherType { name: name.to_owned(), node });
        }
        Ok(Some(ActorRef::from_address(self.node.system(), holder)))
    }

    /// The members of a group of the cluster; they are asked for again each second, as long as the handle lives.
    ///
    /// # Errors
    /// When the type has no id, or no member answers.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn group<A: Actor>(&self, name: &str) -> Result<ClientGroup<A>, LookupError> {
        let actor_type = type_of::<A>()?;
        let group = ClientGroup::new(self.clone(), name, actor_type);
        group.refresh().await?;
        group.keep_fresh(self.node.tasks())
    }

    /// Whom to ask, and whose turn that is: the same member as long as it answers, then the next.
    fn guide(&self) -> Option<(usize, Member)> {
        let mut members = self.node.members_now();
        let turn = self.node.roster().guide_turn();
        let at = turn.checked_rem(members.len())?;
        Some((turn, members.swap_remove(at)))
    }

    /// Asks one guide after the other.
    pub(crate) async fn ask<M>(&self, message: impl Fn() -> M) -> Result<M::Reply, LookupError>
    where
        M: Message<Error = std::convert::Infallible>,
        Receptionist: odeon_actor::Handler<M>,
    {
        let mut failure = "no member has answered yet".to_owned();
        let mut asked = String::new();
        for attempt in 0..GUIDES_MAX {
            if attempt > 0 {
                self.pause().await;
            }
            let Some((turn, guide)) = self.guide() else { continue };
            let receptionist = Receptionist::of(self.node.system(), guide.node, guide.incarnation);
            match receptionist.ask(message()).within(ASK_WITHIN).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    self.node.roster().next_guide(turn);
                    (asked, failure) = (guide.name, error.to_string());
                }
            }
        }
        Err(LookupError::NoAnswer { node: asked, failure })
    }

    async fn pause(&self) {
        let pause = {
            let _entered = self.node.system().runtime().enter();
            tokio::time::sleep(RETRY_AFTER)
        };
        pause.await;
    }

    pub(crate) async fn find_group(
        &self,
        group: &str,
    ) -> Result<Vec<odeon_message::Address>, LookupError> {
        self.ask(|| FindGroup { group: group.to_owned() }).await
    }

    /// Ends the client: its actors, then what others still send it, 2 s at most, what it sends, and its connections; each
    /// takes at most `within`.
    ///
    /// # Cancel safety
    /// The client ends all the same.
    pub async fn stop(&self, within: Duration) {
        self.node.stop(within).await;
    }
}

/// How long one guide may take to answer.
const ASK_WITHIN: Duration = Duration::from_secs(2);
