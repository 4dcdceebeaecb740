//! How a supervisor is declared: its children, its strategy, and how much it puts up with.
//!
//! The words are OTP's (`supervisor` in Erlang/OTP, "Supervisor Flags"). How one child is declared is in
//! `child_spec.rs`, a supervisor of many alike in `dynamic.rs`. Read `strategy.rs` for what becomes of it.

use std::{collections::BTreeSet, time::Duration};

use crate::{ChildSpec, Restart};

/// Who else starts again when a child is started again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Strategy {
    /// Nobody.
    #[default]
    OneForOne,
    /// All others: they are stopped, right to left, then all are started, left to right.
    OneForAll,
    /// Those to the right of it, in the same way.
    RestForOne,
}

/// Whether a supervisor ends when its [significant](ChildSpec::significant) children have.
///
/// It ends with [`ExitKind::Shutdown`](crate::ExitKind::Shutdown), after it has stopped the others. A child that is
/// stopped by the supervisor, or by a call, does not count, nor does one that starts again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum AutoShutdown {
    /// It does not; significant children are refused.
    #[default]
    Never,
    /// When one of them has ended for good.
    AnySignificant,
    /// When the last of them has.
    AllSignificant,
}

/// How much a supervisor puts up with, and when it ends; shared by both kinds of supervisor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flags {
    pub(crate) strategy: Strategy,
    pub(crate) restarts_max: u32,
    pub(crate) period: Duration,
    pub(crate) auto_shutdown: AutoShutdown,
    pub(crate) children_max: u32,
}

impl Flags {
    pub(crate) fn new(strategy: Strategy) -> Self {
        Self {
            strategy,
            restarts_max: 1,
            period: Duration::from_secs(5),
            auto_shutdown: AutoShutdown::Never,
            children_max: SupervisorSpec::CHILDREN_MAX,
        }
    }

    pub(crate) fn check(&self) -> Result<(), SpecError> {
        if self.period.is_zero() { Err(SpecError::Period) } else { Ok(()) }
    }

    /// Whether a child may be of this importance here.
    pub(crate) fn check_significant(
        &self,
        id: &str,
        significant: bool,
        restart: Restart,
    ) -> Result<(), SpecError> {
        if !significant {
            return Ok(());
        }
        let id = id.into();
        match (self.auto_shutdown, restart) {
            (AutoShutdown::Never, _) => Err(SpecError::NeverShutDown { id }),
            (_, Restart::Permanent) => Err(SpecError::PermanentSignificant { id }),
            _ => Ok(()),
        }
    }
}

/// How a supervisor is declared: its children from left to right, and how many restarts it puts up with.
///
/// ```
/// use std::time::Duration;
///
/// # use odeon_actor as odeon;
/// use odeon::{ChildSpec, Restart, SpawnOptions, SupervisorSpec};
/// # use odeon_actor::{Actor, Context, StartError};
/// # struct Account;
/// # impl Actor for Account {
/// #     type Args = ();
/// #     async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> { Ok(Self) }
/// # }
///
/// let account = ChildSpec::new::<Account>("account", ())
///     .restart(Restart::Transient) // after a failure, not after a stop
///     .options(SpawnOptions::default().named("account"));
/// let spec = SupervisorSpec::one_for_one().intensity(3, Duration::from_secs(10)).child(account);
/// # let _ = spec;
/// ```
///
/// A node starts it with `node.spawn_with::<Supervisor>(spec)`.
#[derive(Clone, Debug)]
pub struct SupervisorSpec {
    pub(crate) flags: Flags,
    pub(crate) children: Vec<ChildSpec>,
}

impl SupervisorSpec {
    /// Children of a supervisor, by default: 65,536.
    pub const CHILDREN_MAX: u32 = 1 << 16;

    /// Of this strategy. No children yet; at most 1 restart in 5 s, OTP's default.
    #[must_use]
    pub fn new(strategy: Strategy) -> Self {
        Self { flags: Flags::new(strategy), children: Vec::new() }
    }

    /// A child that ends is judged alone.
    #[must_use]
    pub fn one_for_one() -> Self {
        Self::new(Strategy::OneForOne)
    }

    /// When a child is started again, so are all others.
    #[must_use]
    pub fn one_for_all() -> Self {
        Self::new(Strategy::OneForAll)
    }

    /// When a child is started again, so are those to the right of it.
    #[must_use]
    pub fn rest_for_one() -> Self {
        Self::new(Strategy::RestForOne)
    }

    /// Adds a child to the right of those before it: it starts after them and stops before them.
    #[must_use]
    pub fn child(mut self, child: ChildSpec) -> Self {
        self.children.push(child);
        self
    }

    /// At most so many restarts in any such period; one more and the supervisor gives up: it stops its children and
    /// ends, as [`ExitKind::Shutdown`](crate::ExitKind::Shutdown), which counts with its own supervisor, where it is
    /// permanent. So intensities multiply up the tree. Default 1 in 5 s.
    #[must_use]
    pub fn intensity(mut self, restarts_max: u32, period: Duration) -> Self {
        self.flags.restarts_max = restarts_max;
        self.flags.period = period;
        self
    }

    /// Whether it ends when its significant children have. Default [`AutoShutdown::Never`].
    #[must_use]
    pub fn auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Self {
        self.flags.auto_shutdown = auto_shutdown;
        self
    }

    /// Most children it ever has; a start beyond is refused. Default [`CHILDREN_MAX`](Self::CHILDREN_MAX).
    #[must_use]
    pub fn children_max(mut self, children_max: u32) -> Self {
        self.flags.children_max = children_max;
        self
    }

    pub(crate) fn check(&self) -> Result<(), SpecError> {
        self.flags.check()?;
        if self.children.len() > self.flags.children_max as usize {
            return Err(SpecError::TooMany { max: self.flags.children_max });
        }
        let mut ids = BTreeSet::new();
        for child in &self.children {
            child.check(&self.flags)?;
            if !ids.insert(&*child.id) {
                return Err(SpecError::Duplicate { id: child.id.as_ref().into() });
            }
        }
        Ok(())
    }
}

/// A declaration that cannot be followed. Nothing was started.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// Two children have one id.
    #[error("two children are called {id:?}: rename one of them")]
    Duplicate {
        /// The id.
        id: Box<str>,
    },
    /// A permanent child never ends for good, so nothing can depend on its end.
    #[error("child {id:?} is permanent and significant: make it transient or temporary")]
    PermanentSignificant {
        /// The child.
        id: Box<str>,
    },
    /// The supervisor never shuts itself down, so no child can matter to that.
    #[error(
        "child {id:?} is significant and its supervisor never shuts itself down: set auto_shutdown"
    )]
    NeverShutDown {
        /// The child.
        id: Box<str>,
    },
    /// A period of no time.
    #[error("restarts are counted in a period of no time: use a second or more")]
    Period,
    /// Pauses that do not grow from one bound to the other.
    #[error("pauses from {first:?} to {max:?}: begin above zero and not beyond the longest")]
    Backoff {
        /// The first pause.
        first: Duration,
        /// The longest.
        max: Duration,
    },
    /// More than the whole of a pause.
    #[error("a jitter of {percent} %: use 0 to 100")]
    Jitter {
        /// The value.
        percent: u8,
    },
    /// Too many children.
    #[error(
        "more than {max} children: allow more with children_max, or spread them over supervisors"
    )]
    TooMany {
        /// The bound.
        max: u32,
    },
}
