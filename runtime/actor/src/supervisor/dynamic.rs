//! A supervisor of many children alike, which come and go: OTP's `simple_one_for_one`.
//!
//! A child has no id: whoever started it holds its reference. Children are spread over the node's workers, judged
//! alone, and stopped all at once; nothing is kept of one that has ended. What it is NOT: a pool; nobody chooses among
//! the children. Declared children are in `spec.rs`.

use std::{any::type_name, convert::Infallible, fmt, marker::PhantomData, time::Duration};

use odeon_message::{Codec, Message};
use tokio::sync::oneshot;

use super::{
    AutoShutdown, Backoff, ChildCounts, ChildError, ChildInfo, Flags, Rules, Strategy, Supervises,
    calls::{answer, call},
    family::Family,
    member::{Member, StartReply, StopReply},
};
use crate::{
    Actor, ActorRef, Context, ExitReason, Handler, Restart, Shutdown, SpawnOptions, StartError,
    WhenSpent,
    child_spec::{Budget, make},
};

/// How a dynamic supervisor treats its children.
///
/// ```
/// use std::time::Duration;
/// # use odeon_actor as odeon;
/// use odeon::{DynamicSpec, Restart};
/// # use odeon_actor::{Actor, Context, StartError};
/// # struct Session;
/// # impl Actor for Session {
/// #     type Args = u64;
/// #     async fn start(_: u64, _: &mut Context<Self>) -> Result<Self, StartError> { Ok(Self) }
/// # }
///
/// let spec = DynamicSpec::<Session>::new()
///     .restart(Restart::Transient)
///     .intensity(100, Duration::from_secs(10))
///     .children_max(1_000_000);
/// # let _ = spec; // `.start_child(args)` on the reference for each child
/// ```
pub struct DynamicSpec<A> {
    flags: Flags,
    rules: Rules,
    options: SpawnOptions,
    actor: PhantomData<fn() -> A>,
}

impl<A: Actor> DynamicSpec<A> {
    /// Permanent children, as many as 65,536, at most 1 restart of any of them in 5 s.
    #[must_use]
    pub fn new() -> Self {
        let flags = Flags::new(Strategy::OneForOne);
        let options = SpawnOptions::default();
        Self { flags, rules: Rules::of::<A>(), options, actor: PhantomData }
    }

    /// When a child is started again. Default: [`Restart::Permanent`].
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.rules.restart = restart;
        self
    }

    /// How a child is stopped; as [`ChildSpec::shutdown`](crate::ChildSpec::shutdown).
    #[must_use]
    pub fn shutdown(mut self, shutdown: impl Into<Shutdown>) -> Self {
        self.rules.shutdown = shutdown.into();
        self
    }

    /// Whether the supervisor may end with its children. Default: no.
    #[must_use]
    pub fn significant(mut self, significant: bool) -> Self {
        self.rules.significant = significant;
        self
    }

    /// Pauses before a child is started again. Default: none.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.rules.backoff = Some(backoff);
        self
    }

    /// A bound on restarts for each child alone; as [`ChildSpec::budget`](crate::ChildSpec::budget).
    #[must_use]
    pub fn budget(mut self, restarts_max: u32, period: Duration, when_spent: WhenSpent) -> Self {
        self.rules.budget = Some(Budget { restarts_max, period, when_spent });
        self
    }

    /// How children are spawned: the size of their mailbox.
    #[must_use]
    pub fn options(mut self, options: SpawnOptions) -> Self {
        self.options = options;
        self
    }

    /// As [`SupervisorSpec::intensity`](crate::SupervisorSpec::intensity), over all children.
    #[must_use]
    pub fn intensity(mut self, restarts_max: u32, period: Duration) -> Self {
        self.flags.restarts_max = restarts_max;
        self.flags.period = period;
        self
    }

    /// Whether it ends when a significant child, or the last one, has. Default [`AutoShutdown::Never`].
    #[must_use]
    pub fn auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Self {
        self.flags.auto_shutdown = auto_shutdown;
        self
    }

    /// Most children at one time; a start beyond is refused. Default 65,536.
    #[must_use]
    pub fn children_max(mut self, children_max: u32) -> Self {
        self.flags.children_max = children_max;
        self
    }
}

impl<A: Actor> Default for DynamicSpec<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A> Clone for DynamicSpec<A> {
    fn clone(&self) -> Self {
        let (rules, options) = (self.rules.clone(), self.options.clone());
        Self { flags: self.flags, rules, options, actor: PhantomData }
    }
}

impl<A> fmt::Debug for DynamicSpec<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DynamicSpec({}, {:?})", type_name::<A>(), self.rules.restart)
    }
}

/// A supervisor of many actors of one type; spawn it with a [`DynamicSpec`].
pub struct DynamicSupervisor<A: Actor> {
    family: Family,
    spec: DynamicSpec<A>,
}

impl<A: Actor> Actor for DynamicSupervisor<A> {
    type Args = DynamicSpec<A>;

    const SUPERVISES: bool = true;

    async fn start(spec: DynamicSpec<A>, ctx: &mut Context<Self>) -> Result<Self, StartError> {
        spec.flags.check().map_err(StartError::new)?;
        spec.rules.check(type_name::<A>(), &spec.flags).map_err(StartError::new)?;
        Ok(Self { family: Family::new(ctx, spec.flags, true), spec })
    }

    async fn stopped(&mut self, _: &ExitReason, _: &mut Context<Self>) {
        self.family.stop_together().await;
    }
}

impl<A: Actor> Supervises for DynamicSupervisor<A> {
    fn family(&mut self) -> &mut Family {
        &mut self.family
    }
}

/// A call and who waits for its answer.
enum DynamicCall<A: Actor> {
    Start(A::Args, Option<SpawnOptions>, StartReply),
    Terminate(ActorRef<A>, StopReply),
    Which(oneshot::Sender<Vec<ChildInfo>>),
    Count(oneshot::Sender<ChildCounts>),
    Spec(oneshot::Sender<DynamicSpec<A>>),
}

impl<A: Actor> Message for DynamicCall<A> {
    type Reply = ();
    type Error = Infallible;
    type Output = ();
    const NAME: &'static str = "DynamicSupervisorCall";
    const CODEC: Option<Codec<Self>> = None;

    fn answer((): ()) -> Result<(), Infallible> {
        Ok(())
    }
}

impl<A: Actor> Handler<DynamicCall<A>> for DynamicSupervisor<A> {
    async fn handle(&mut self, call: DynamicCall<A>, ctx: &mut Context<Self>) {
        let family = &mut self.family;
        match call {
            DynamicCall::Start(args, options, reply) => {
                let kind = A::ID.unwrap_or_else(|| type_name::<A>());
                let options = options.unwrap_or_else(|| self.spec.options.clone());
                let rules = self.spec.rules.clone();
                let make = make::<A>(args);
                let member = Member::new(None, kind, A::SUPERVISES, rules, options, make);
                family.add(member, reply);
            }
            DynamicCall::Terminate(child, reply) => {
                let cell = child.cell();
                match cell.and_then(|cell| family.find_number(cell.number)) {
                    Some(place) => family.terminate(place, reply),
                    None => {
                        let id = format!("{child:?}").into();
                        answer(reply, Err(ChildError::NotFound { id }));
                    }
                }
            }
            DynamicCall::Which(reply) => answer(reply, family.which()),
            DynamicCall::Count(reply) => answer(reply, family.count()),
            DynamicCall::Spec(reply) => answer(reply, self.spec.clone()),
        }
        family.end_if_over(ctx);
    }
}

/// The calls of OTP's `supervisor` that make sense for children without ids. Each waits for the supervisor and for the
/// child, however long that takes.
impl<A: Actor> ActorRef<DynamicSupervisor<A>> {
    /// Starts one more child, on the next worker; done when it has started. OTP's `start_child`.
    ///
    /// # Errors
    /// When there are too many children, or it does not start.
    ///
    /// # Cancel safety
    /// The child is started all the same.
    pub async fn start_child(&self, args: A::Args) -> Result<ActorRef<A>, ChildError> {
        self.start(args, None).await
    }

    /// Starts one more child with options of its own: a name.
    ///
    /// # Errors
    /// As [`start_child`](Self::start_child), and when the name is taken.
    ///
    /// # Cancel safety
    /// The child is started all the same.
    pub async fn start_child_with(
        &self,
        args: A::Args,
        options: SpawnOptions,
    ) -> Result<ActorRef<A>, ChildError> {
        self.start(args, Some(options)).await
    }

    async fn start(
        &self,
        args: A::Args,
        options: Option<SpawnOptions>,
    ) -> Result<ActorRef<A>, ChildError> {
        let started = call(self, |reply| DynamicCall::Start(args, options, reply)).await??;
        started.downcast().ok_or(ChildError::Ended)
    }

    /// Stops a child within its shutdown time; done when it is gone. OTP's `terminate_child`.
    ///
    /// # Errors
    /// When it is no child of this supervisor, or not any more.
    ///
    /// # Cancel safety
    /// The child is stopped all the same.
    pub async fn terminate_child(&self, child: &ActorRef<A>) -> Result<(), ChildError> {
        let child = child.clone();
        call(self, |reply| DynamicCall::Terminate(child, reply)).await?
    }

    /// All children, in the order in which they were started. OTP's `which_children`.
    ///
    /// # Errors
    /// When the supervisor cannot be asked.
    ///
    /// # Cancel safety
    /// Nothing changes.
    pub async fn which_children(&self) -> Result<Vec<ChildInfo>, ChildError> {
        call(self, DynamicCall::Which).await
    }

    /// How many children there are. OTP's `count_children`.
    ///
    /// # Errors
    /// When the supervisor cannot be asked.
    ///
    /// # Cancel safety
    /// Nothing changes.
    pub async fn count_children(&self) -> Result<ChildCounts, ChildError> {
        call(self, DynamicCall::Count).await
    }

    /// How its children are declared. OTP's `get_childspec`.
    ///
    /// # Errors
    /// When the supervisor cannot be asked.
    ///
    /// # Cancel safety
    /// Nothing changes.
    pub async fn spec(&self) -> Result<DynamicSpec<A>, ChildError> {
        call(self, DynamicCall::Spec).await
    }
}
