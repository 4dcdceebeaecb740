//! How long an actor may take to stop before whoever stops it ends it where it stands.
//!
//! The words are OTP's (`supervisor` in Erlang/OTP, "Child Specification", `shutdown`). What it is NOT: the waiting
//! itself; a supervisor does it in `supervisor/family.rs`, any other parent in `life/reaping.rs`.

use std::time::Duration;

use crate::Actor;

/// How a parent or a supervisor stops a child.
///
/// Ending an actor where it stands drops the future of its handler at the await where it is suspended. A handler that
/// blocks its thread in a loop is never suspended and cannot be ended; it is waited for one second more and then left
/// behind, on a worker that it blocks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Shutdown {
    /// It is ended where it stands, at once; [`Actor::stopped`] does not run. OTP's `brutal_kill`.
    Brutal,
    /// It is asked to stop, and ended where it stands when it takes longer.
    Within(Duration),
    /// It is asked to stop and waited for, however long it takes. OTP's `infinity`, and its choice for supervisors,
    /// whose time the times of their own children bound.
    Unlimited,
}

impl Shutdown {
    /// The default of an actor that is no supervisor: 5 s, as in OTP.
    pub const DEFAULT: Self = Self::Within(Duration::from_secs(5));

    /// How long an actor that was ended where it stands may block its thread before it is left behind: a second, as
    /// long as the system waits for its workers.
    pub(crate) const KILL_WITHIN: Duration = Duration::from_secs(1);

    /// The default of this type of actor.
    pub(crate) const fn of<A: Actor>() -> Self {
        if A::SUPERVISES { Self::Unlimited } else { Self::DEFAULT }
    }
}

impl From<Duration> for Shutdown {
    /// Within that time; zero is [`Shutdown::Brutal`].
    fn from(within: Duration) -> Self {
        if within.is_zero() { Self::Brutal } else { Self::Within(within) }
    }
}
