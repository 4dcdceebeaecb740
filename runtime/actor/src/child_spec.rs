//! What a supervisor knows about a child: how to start it, when to start it again, how to stop it.
//!
//! The words are OTP's (`supervisor` in Erlang/OTP, "Child Specification"). Read `supervisor.rs` next.

use std::{
    any::type_name,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    Actor, Context, SpawnOptions, StartError, Supervisor, bonds::Parent, cell::CellPtr,
    supervisor::report,
};

/// When a child that has ended is started again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// Unless it stopped normally.
    Transient,
    /// Never.
    Temporary,
}

type Spawning = Pin<Box<dyn Future<Output = Result<CellPtr, StartError>> + Send>>;
type Spawn = dyn Fn(&Context<Supervisor>, SpawnOptions) -> Spawning + Send + Sync;

/// How a supervisor treats one child. Cheap to clone.
#[derive(Clone)]
pub struct ChildSpec {
    pub(crate) id: Arc<str>,
    pub(crate) restart: Restart,
    pub(crate) shutdown: Duration,
    kind: &'static str,
    options: SpawnOptions,
    spawn: Arc<Spawn>,
}

impl ChildSpec {
    /// How long a child may take to stop, by default: 5 s, as in OTP.
    pub const SHUTDOWN: Duration = Duration::from_secs(5);

    /// A permanent child, known to its supervisor as `id`, that starts from `args` each time.
    #[must_use]
    pub fn new<A: Actor>(id: &str, args: A::Args) -> Self {
        let args = Mutex::new(args);
        let spawn = move |ctx: &Context<Supervisor>, options: SpawnOptions| -> Spawning {
            let args = args.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let parent = Parent { cell: ctx.own_cell(), report: Some(report) };
            let spawned = ctx.spawn_with::<A>(args, options, parent);
            Box::pin(async move { spawned.await?.cell().ok_or(StartError::Stopped) })
        };
        Self {
            id: id.into(),
            restart: Restart::Permanent,
            shutdown: Self::SHUTDOWN,
            kind: A::ID.unwrap_or_else(|| type_name::<A>()),
            options: SpawnOptions::default(),
            spawn: Arc::new(spawn),
        }
    }

    /// When the child is started again. Default: [`Restart::Permanent`].
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// How long the child may take to stop before it is ended where it stands; zero ends it at once. Default 5 s.
    #[must_use]
    pub fn shutdown(mut self, within: Duration) -> Self {
        self.shutdown = within;
        self
    }

    /// How the child is spawned: its name, which survives restarts, and its mailbox.
    #[must_use]
    pub fn options(mut self, options: SpawnOptions) -> Self {
        self.options = options;
        self
    }

    pub(crate) fn spawn(&self, ctx: &Context<Supervisor>) -> Spawning {
        (self.spawn)(ctx, self.options.clone().shutdown(self.shutdown))
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChildSpec({} {}, {:?})", self.id, self.kind, self.restart)
    }
}
