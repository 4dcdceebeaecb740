//! The supervisor: an actor that starts children, starts them again when they fail, and stops them in order.
//!
//! The strategy is OTP's one_for_one: a child that ends is judged alone, by its spec. A restarted child keeps its
//! reference, its mailbox and its names; the message it failed on is not run again. More restarts than the intensity
//! allows within its period, and the supervisor stops its children, the last first, and fails itself. Source:
//! Erlang/OTP, "Supervisor Behaviour". What it is NOT: where the panic is caught; that is `life/ending.rs`, which
//! sends a supervisor [`ChildExited`] in its system lane.

use std::{collections::VecDeque, convert::Infallible, future::Future, time::Duration};

use odeon_message::{Codec, Message};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use crate::{
    Actor, ActorRef, AnyRef, ChildSpec, Context, ExitReason, Handler, Restart, StartError,
    cell::{CellPtr, Signals},
    envelope::Envelope,
    watchers::Watcher,
};

/// How a supervisor is declared: its children from left to right, and how many restarts it puts up with.
///
/// ```
/// use std::time::Duration;
/// use odeon_actor::SupervisorSpec;
///
/// let spec = SupervisorSpec::one_for_one().intensity(3, Duration::from_secs(10));
/// # let _ = spec; // `.child(ChildSpec::new::<Account>("accounts", args))` for each child
/// ```
#[derive(Clone, Debug)]
pub struct SupervisorSpec {
    children: Vec<ChildSpec>,
    restarts_max: u32,
    period: Duration,
}

impl SupervisorSpec {
    /// A child that ends is judged alone. No children yet; at most 1 restart in 5 s, OTP's default.
    #[must_use]
    pub fn one_for_one() -> Self {
        Self { children: Vec::new(), restarts_max: 1, period: Duration::from_secs(5) }
    }

    /// Adds a child to the right of those before it: it starts after them and stops before them.
    #[must_use]
    pub fn child(mut self, child: ChildSpec) -> Self {
        self.children.push(child);
        self
    }

    /// At most so many restarts in any such period; one more and the supervisor fails.
    #[must_use]
    pub fn intensity(mut self, restarts_max: u32, period: Duration) -> Self {
        self.restarts_max = restarts_max;
        self.period = period;
        self
    }
}

/// An actor that supervises others; spawn it with a [`SupervisorSpec`].
pub struct Supervisor {
    children: Vec<Child>,
    restarts_max: u32,
    period: Duration,
    /// The restarts of the last period, at most `restarts_max`.
    restarts: VecDeque<Instant>,
}

struct Child {
    spec: ChildSpec,
    /// `None` once it has ended for good.
    cell: Option<CellPtr>,
}

impl Actor for Supervisor {
    type Args = SupervisorSpec;

    async fn start(spec: SupervisorSpec, ctx: &mut Context<Self>) -> Result<Self, StartError> {
        let SupervisorSpec { children, restarts_max, period } = spec;
        let restarts = VecDeque::new();
        let mut supervisor = Self { children: Vec::new(), restarts_max, period, restarts };
        for spec in children {
            if supervisor.children.iter().any(|child| child.spec.id == spec.id) {
                let twice = format!("two children are called {:?}: rename one of them", spec.id);
                supervisor.stop_children().await;
                return Err(StartError::new(twice));
            }
            match spec.spawn(ctx).await {
                Ok(cell) => supervisor.children.push(Child { spec, cell: Some(cell) }),
                Err(error) => {
                    let failed = format!("child {:?}: {error}", spec.id);
                    supervisor.stop_children().await;
                    return Err(StartError::new(failed));
                }
            }
        }
        Ok(supervisor)
    }

    async fn stopped(&mut self, _: &ExitReason, _: &mut Context<Self>) {
        self.stop_children().await;
    }
}

impl Supervisor {
    /// Stops the children, right to left, each within its own time.
    async fn stop_children(&mut self) {
        while let Some(Child { spec, cell }) = self.children.pop() {
            let Some(cell) = cell else { continue };
            let (sender, mut ended) = oneshot::channel();
            if cell.add_watcher(Watcher::Once(sender)).is_err() {
                continue;
            }
            if !spec.shutdown.is_zero() {
                cell.signal(Signals::STOP);
                if timeout(spec.shutdown, &mut ended).await.is_ok() {
                    continue;
                }
                tracing::warn!(child = &*spec.id, within = ?spec.shutdown, "child did not stop in time");
            }
            cell.signal(Signals::KILL);
            // It ends in its next turn, on this very worker; a dropped sender is an end too.
            let _ = ended.await;
        }
    }

    /// Whether one more restart is within the intensity; then it counts.
    fn may_restart(&mut self, now: Instant) -> bool {
        let period = self.period;
        while self.restarts.front().is_some_and(|at| now.duration_since(*at) > period) {
            self.restarts.pop_front();
        }
        let within = self.restarts.len() < self.restarts_max as usize;
        if within {
            self.restarts.push_back(now);
        }
        within
    }
}

/// A child has ended and waits for the verdict.
pub(crate) struct ChildExited {
    child: u64,
    reason: ExitReason,
}

/// Makes the message that tells a supervisor of a child's end.
pub(crate) fn report(child: u64, reason: ExitReason) -> Envelope {
    Envelope::tell::<Supervisor, _>(ChildExited { child, reason })
}

impl Message for ChildExited {
    type Reply = ();
    type Error = Infallible;
    type Output = ();
    const NAME: &'static str = "ChildExited";
    const CODEC: Option<Codec<Self>> = None;

    fn answer((): ()) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Handler<ChildExited> for Supervisor {
    async fn handle(&mut self, message: ChildExited, ctx: &mut Context<Self>) {
        let ChildExited { child, reason } = message;
        let known = |c: &Child| c.cell.as_ref().is_some_and(|cell| cell.number == child);
        let Some(at) = self.children.iter().position(known) else { return };
        let again = match self.children[at].spec.restart {
            Restart::Permanent => true,
            Restart::Transient => !reason.is_normal(),
            Restart::Temporary => false,
        };
        let allowed = again && self.may_restart(Instant::now());
        let child = &mut self.children[at];
        let id = &*child.spec.id;
        if allowed {
            tracing::warn!(child = id, %reason, "child is started again");
            child.cell.as_ref().into_iter().for_each(|cell| cell.signal(Signals::RESTART));
            return;
        }
        if let Some(cell) = child.cell.take() {
            cell.signal(Signals::RELEASE);
        }
        if again {
            let (restarts, period) = (self.restarts_max, self.period);
            let why =
                format!("child {id:?} ended ({reason}) after {restarts} restarts in {period:?}");
            tracing::error!(child = id, %reason, "too many restarts: the supervisor gives up");
            ctx.fail(&why);
        }
    }
}

/// Asks a supervisor for a child by its id.
struct FindChild(Box<str>);

impl Message for FindChild {
    type Reply = Option<AnyRef>;
    type Error = Infallible;
    type Output = Option<AnyRef>;
    const NAME: &'static str = "FindChild";
    const CODEC: Option<Codec<Self>> = None;

    fn answer(output: Option<AnyRef>) -> Result<Option<AnyRef>, Infallible> {
        Ok(output)
    }
}

impl Handler<FindChild> for Supervisor {
    async fn handle(&mut self, message: FindChild, _: &mut Context<Self>) -> Option<AnyRef> {
        let child = self.children.iter().find(|child| *child.spec.id == *message.0)?;
        child.cell.clone().map(AnyRef)
    }
}

impl ActorRef<Supervisor> {
    /// The child with this id, if it is alive and of this type.
    pub fn child<A: Actor>(&self, id: &str) -> impl Future<Output = Option<ActorRef<A>>> + Send {
        let ask = self.ask(FindChild(id.into()));
        async move { ask.await.ok()??.downcast() }
    }
}
