//! What a supervisor knows about a child: how to start it, when to start it again, how to stop it.
//!
//! The words are OTP's (`supervisor` in Erlang/OTP, "Child Specification"). Read `supervisor.rs` next.

use std::{
    any::type_name,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    Actor, Backoff, Shutdown, SpawnOptions, SpecError, StartError,
    bonds::Parent,
    cell::CellPtr,
    life::Starter,
    spawn,
    supervisor::{Flags, Rules},
    worker::Worker,
};

/// When a child that has ended is started again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// Unless it ended [normally](crate::ExitReason::is_normal): it stopped, or was shut down.
    Transient,
    /// Never.
    Temporary,
}

/// What happens when a child has used up its own [budget](ChildSpec::budget) of restarts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum WhenSpent {
    /// Its supervisor gives up, as with its own intensity.
    #[default]
    Escalate,
    /// The child stays down, its siblings go on.
    GiveUpChild,
}

/// How many restarts one child may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) restarts_max: u32,
    pub(crate) period: Duration,
    pub(crate) when_spent: WhenSpent,
}

/// What is needed to make an actor of a family.
pub(crate) struct Birth {
    pub(crate) worker: Arc<Worker>,
    pub(crate) options: SpawnOptions,
    pub(crate) parent: Parent,
    pub(crate) starter: Option<Starter>,
}

/// Makes an actor from what it starts from, each time.
pub(crate) type Make = dyn Fn(Birth) -> Result<CellPtr, StartError> + Send + Sync;

/// A maker of actors that start from `args`.
pub(crate) fn make<A: Actor>(args: A::Args) -> Arc<Make> {
    let args = Mutex::new(args);
    Arc::new(move |birth: Birth| {
        let args = args.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Birth { worker, options, parent, starter } = birth;
        spawn::begin::<A>(worker, args, &options, Some(parent), starter).map(CellPtr::new)
    })
}

/// How a supervisor treats one child. Cheap to clone.
#[derive(Clone)]
pub struct ChildSpec {
    pub(crate) id: Arc<str>,
    pub(crate) rules: Rules,
    pub(crate) kind: &'static str,
    pub(crate) supervises: bool,
    pub(crate) options: SpawnOptions,
    pub(crate) make: Arc<Make>,
}

impl ChildSpec {
    /// A permanent child, known to its supervisor as `id`, that starts from `args` each time.
    #[must_use]
    pub fn new<A: Actor>(id: &str, args: A::Args) -> Self {
        Self {
            id: id.into(),
            rules: Rules::of::<A>(),
            kind: A::ID.unwrap_or_else(|| type_name::<A>()),
            supervises: A::SUPERVISES,
            options: SpawnOptions::default(),
            make: make::<A>(args),
        }
    }

    /// When the child is started again. Default: [`Restart::Permanent`].
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.rules.restart = restart;
        self
    }

    /// How the child is stopped: how long it may take before it is ended where it stands; zero ends it at once.
    /// Default 5 s; a supervisor is waited for, [`Shutdown::Unlimited`].
    #[must_use]
    pub fn shutdown(mut self, shutdown: impl Into<Shutdown>) -> Self {
        self.rules.shutdown = shutdown.into();
        self
    }

    /// Whether the supervisor may end when this child has; see [`AutoShutdown`](crate::AutoShutdown). Only transient
    /// and temporary children can be significant. Default: no.
    #[must_use]
    pub fn significant(mut self, significant: bool) -> Self {
        self.rules.significant = significant;
        self
    }

    /// Pauses before the child is started again. Default: none. With one_for_all and rest_for_one the whole group
    /// waits; its mailboxes fill meanwhile.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.rules.backoff = Some(backoff);
        self
    }

    /// A bound of its own on restarts of this child, which then do not count for the supervisor's
    /// [intensity](crate::SupervisorSpec::intensity). Default: none.
    #[must_use]
    pub fn budget(mut self, restarts_max: u32, period: Duration, when_spent: WhenSpent) -> Self {
        self.rules.budget = Some(Budget { restarts_max, period, when_spent });
        self
    }

    /// How the child is spawned: its name, which survives restarts, and its mailbox. The time to stop is that of the
    /// spec.
    #[must_use]
    pub fn options(mut self, options: SpawnOptions) -> Self {
        self.options = options;
        self
    }

    /// The id by which its supervisor knows the child.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When the child is started again.
    #[must_use]
    pub fn restart_kind(&self) -> Restart {
        self.rules.restart
    }

    /// How the child is stopped.
    #[must_use]
    pub fn shutdown_kind(&self) -> Shutdown {
        self.rules.shutdown
    }

    /// Whether its supervisor may end with it.
    #[must_use]
    pub fn is_significant(&self) -> bool {
        self.rules.significant
    }

    /// Whether the child is a supervisor.
    #[must_use]
    pub fn is_supervisor(&self) -> bool {
        self.supervises
    }

    pub(crate) fn check(&self, flags: &Flags) -> Result<(), SpecError> {
        self.rules.check(&self.id, flags)
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChildSpec({} {}, {:?})", self.id, self.kind, self.rules.restart)
    }
}
