use crate::*;
use odeon_env::Env;
use odeon_message::*;
use std::{fmt, future::{Future, IntoFuture}, marker::PhantomData, pin::Pin, sync::Arc, task::Poll, time::Duration};

/// One watch of an actor on another node, unique on the watching node for one incarnation; never 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WatchId(pub u64);
/// Who an actor is, for comparing: an actor of this node by its number, another's by its address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Identity { Local(u64), Remote(Address) }
/// A watched actor has ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Terminated { pub who: Identity, pub reason: ExitReason }
/// One watch by another node; its id is unique with the node and incarnation that watches.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NetworkWatcher { pub node: NodeId, pub incarnation: Incarnation, pub watch: WatchId }

pub struct Accepts<A: Actor>(PhantomData<A>);
impl<A: Actor> Accepts<A> { pub fn handles<M: Message>(&mut self) where A: Handler<M> { todo!() } }
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Accepted { pub message: MessageId, pub name: &'static str, pub fingerprint: Fingerprint }
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeclareError {
    #[error("x")] Message { ours: &'static str, theirs: &'static str },
    #[error("x")] Actor { ours: &'static str, theirs: &'static str },
    #[error("x")] LocalMessage { actor: &'static str, message: &'static str },
}
#[derive(Clone, Debug, thiserror::Error)]
#[error("name {name} is taken")]
#[non_exhaustive]
pub struct NameTaken { pub name: Box<str> }
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError { #[error("no id")] NoId, #[error("undeclared")] Undeclared, #[error("gone")] Gone, #[error("full")] Full }

/// An actor of this node whose type is not known statically.
#[derive(Clone)]
pub struct AnyRef;
impl AnyRef {
    pub fn downcast<A: Actor>(&self) -> Option<ActorRef<A>> { todo!() }
    pub fn address(&self) -> Result<Address, ExportError> { todo!() }
    pub fn identity(&self) -> Identity { todo!() }
}
#[derive(Clone)]
pub enum NameChange { Registered(AnyRef), Freed }
pub struct NameChanges;
impl NameChanges {
    /// The present holder at first, then each change; a slow reader sees the latest. None when the system has ended. Cancel safe.
    pub async fn next(&mut self) -> Option<NameChange> { todo!() }
}

pub struct ActorRef<A: Actor>(PhantomData<fn(A)>);
impl<A: Actor> Clone for ActorRef<A> { fn clone(&self) -> Self { todo!() } }
impl<A: Actor> fmt::Debug for ActorRef<A> { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { todo!() } }
impl<A: Actor> ActorRef<A> {
    pub fn from_address(system: &ActorSystem, address: Address) -> Self { todo!() }
    pub fn tell<M: Message>(&self, m: M) -> Tell<'_, A, M> where A: Handler<M> { todo!() }
    pub fn try_tell<M: Message>(&self, m: M) -> Result<(), TellError<M>> where A: Handler<M> { todo!() }
    pub fn ask<M: Message>(&self, m: M) -> Ask<A, M> where A: Handler<M> { todo!() }
    pub fn address(&self) -> Result<Address, ExportError> { todo!() }
    pub fn identity(&self) -> Identity { todo!() }
    pub fn is_local(&self) -> bool { todo!() }
    pub fn stop(&self) { todo!() }
}
pub struct Tell<'a, A: Actor, M: Message>(PhantomData<(&'a A, M)>);
impl<A: Handler<M>, M: Message> Tell<'_, A, M> { pub fn within(self, d: Duration) -> Self { todo!() } }
impl<A: Handler<M>, M: Message> Future for Tell<'_, A, M> { type Output = Result<(), TellError<M>>; fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> { todo!() } }
pub struct Ask<A: Actor, M: Message>(PhantomData<(fn(A), M)>);
impl<A: Handler<M>, M: Message> Ask<A, M> { pub fn within(self, d: Duration) -> Self { todo!() } }
pub struct AskFuture<A: Actor, M: Message>(PhantomData<(fn(A), M)>);
impl<A: Handler<M>, M: Message> IntoFuture for Ask<A, M> { type Output = Result<M::Reply, AskError<M::Error>>; type IntoFuture = AskFuture<A, M>; fn into_future(self) -> AskFuture<A, M> { todo!() } }
impl<A: Handler<M>, M: Message> Future for AskFuture<A, M> { type Output = Result<M::Reply, AskError<M::Error>>; fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> { todo!() } }

pub struct Context<A: Actor>(PhantomData<A>);
impl<A: Actor> Context<A> {
    pub fn self_ref(&self) -> ActorRef<A> { todo!() }
    pub fn system(&self) -> &ActorSystem { todo!() }
    pub fn spawn<C: Actor>(&self, args: C::Args, options: SpawnOptions) -> impl Future<Output = Result<ActorRef<C>, StartError>> + Send + use<A, C> { async { todo!() } }
    pub fn watch<B: Actor>(&mut self, actor: &ActorRef<B>) { todo!() }
    pub fn unwatch<B: Actor>(&mut self, actor: &ActorRef<B>) { todo!() }
    pub fn stop(&mut self) { todo!() }
    pub fn fail(&mut self, why: &str) { todo!() }
}

#[derive(Clone)]
pub struct ActorSystem(Arc<()>);
impl ActorSystem {
    pub fn new(config: SystemConfig, env: Arc<dyn Env>, node: NodeId, incarnation: Incarnation, runtime: tokio::runtime::Handle) -> Self { todo!() }
    pub fn node(&self) -> NodeId { todo!() }
    pub fn incarnation(&self) -> Incarnation { todo!() }
    pub fn runtime(&self) -> &tokio::runtime::Handle { todo!() }
    pub fn env(&self) -> &Arc<dyn Env> { todo!() }
    pub fn set_incarnation(&self, incarnation: Incarnation) { todo!() }
    pub fn start_worker(&self) { todo!() }
    pub fn declare<A: Actor>(&self) -> Result<(), DeclareError> { todo!() }
    pub fn accepted(&self) -> Vec<Accepted> { todo!() }
    pub fn set_remotes(&self, remotes: Arc<dyn Remotes>) { todo!() }
    pub fn spawn<A: Actor>(&self, args: A::Args, options: SpawnOptions) -> impl Future<Output = Result<ActorRef<A>, StartError>> + Send + use<A> { async { todo!() } }
    pub fn register<A: Actor>(&self, name: &str, actor: &ActorRef<A>) -> Result<(), NameTaken> { todo!() }
    pub fn lookup<A: Actor>(&self, name: &str) -> Option<ActorRef<A>> { todo!() }
    pub fn lookup_any(&self, name: &str) -> Option<AnyRef> { todo!() }
    pub fn subscribe(&self, name: &str) -> Result<NameChanges, NameTaken> { todo!() }
    pub fn deliver(&self, inbound: Inbound) -> Result<(), Failure> { todo!() }
    /// A Watch frame: `sink` is told exactly once, at once if there is no such actor.
    pub fn watch_from_network(&self, target: ActorKey, watcher: NetworkWatcher, sink: Arc<dyn TerminatedSink>) -> Result<(), Failure> { todo!() }
    pub fn unwatch_from_network(&self, target: ActorKey, watcher: NetworkWatcher) { todo!() }
    /// A Terminated frame from that life of that node.
    pub fn terminated_from_network(&self, node: NodeId, incarnation: Incarnation, watch: WatchId, reason: ExitReason) { todo!() }
    /// Watches of ours on actors of that life of that node, to send again after a reconnect.
    pub fn remote_watches(&self, node: NodeId, incarnation: Incarnation) -> Vec<(WatchId, Address)> { todo!() }
    /// NodeLost to our watchers of its actors; its own watches here are dropped.
    pub fn node_lost(&self, node: NodeId, incarnation: Incarnation) { todo!() }
    pub async fn stop(&self, within: Duration) { todo!() }
    /// Closes the gates of a simulated crash: no handler runs any more, also not while the LocalSet is dropped.
    pub fn crash(&self) { todo!() }
    pub fn stats(&self) -> SystemStats { todo!() }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Restart { Permanent, Transient, Temporary }
#[derive(Clone)]
pub struct ChildSpec;
impl ChildSpec {
    pub fn new<A: Actor>(id: impl Into<String>, args: A::Args) -> Self { todo!() }
    pub fn restart(self, restart: Restart) -> Self { todo!() }
    pub fn shutdown(self, within: Duration) -> Self { todo!() }
    pub fn options(self, options: SpawnOptions) -> Self { todo!() }
}
#[derive(Clone)]
pub struct SupervisorSpec;
impl SupervisorSpec {
    pub fn one_for_one() -> Self { todo!() }
    pub fn child(self, child: ChildSpec) -> Self { todo!() }
    pub fn intensity(self, restarts: u32, within: Duration) -> Self { todo!() }
}
pub struct Supervisor;
impl Actor for Supervisor { type Args = SupervisorSpec; async fn start(args: SupervisorSpec, ctx: &mut Context<Self>) -> Result<Self, StartError> { todo!() } }
impl ActorRef<Supervisor> {
    pub fn child<A: Actor>(&self, id: &str) -> impl Future<Output = Option<ActorRef<A>>> + Send { async { todo!() } }
}
