//! What plan and family say to each other: where a child stands, what happened to it, what is to be done.

use tokio::time::Instant;

use super::{Backoff, Flags, SpecError};
use crate::{Actor, Restart, Shutdown, child_spec::Budget};

/// Where a child stands among its siblings: places are given in order and never used again.
pub(crate) type Place = u64;

/// How one child is to be treated.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) restart: Restart,
    pub(crate) significant: bool,
    pub(crate) shutdown: Shutdown,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) budget: Option<Budget>,
}

impl Rules {
    /// The default for this type of actor.
    pub(crate) fn of<A: Actor>() -> Self {
        let shutdown = Shutdown::of::<A>();
        let restart = Restart::default();
        Self { restart, significant: false, shutdown, backoff: None, budget: None }
    }

    pub(crate) fn check(&self, id: &str, flags: &Flags) -> Result<(), SpecError> {
        flags.check_significant(id, self.significant, self.restart)?;
        if self.budget.is_some_and(|budget| budget.period.is_zero()) {
            return Err(SpecError::Period);
        }
        self.backoff.map_or(Ok(()), |backoff| backoff.check())
    }
}

/// Where a child is in its life, as its supervisor knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// It lies, and is to be started.
    Down,
    /// It was told to start.
    Starting,
    /// It runs.
    Up { since: Instant },
    /// It was told to stop, or let go; `again`: to be started afterwards.
    Stopping { again: bool, killed: bool },
    /// It has ended, and is started by a call only, or with its group.
    Gone,
}

/// Who wants a start, and is told of its failure instead of the failure being counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    /// The child is new.
    New,
    /// It was there before.
    Again,
}

/// What happened to a child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    /// Its start is done.
    Started,
    /// Its life is over; `gone`: and so is its cell, else that waits for the verdict.
    Ended { normal: bool, gone: bool },
    /// It could not even be spawned.
    Unspawned,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// Start it: the cell that waits, or a new one.
    Start(Place),
    /// Ask it to stop; `again`: its cell is kept.
    Stop { place: Place, again: bool },
    /// End it where it stands; `again`: its cell is kept.
    Kill { place: Place, again: bool },
    /// Its cell, which waits, may end.
    Release(Place),
    /// Its cell does not end: forget it.
    Abandon(Place),
    /// The start that somebody asked for has failed.
    Refused(Place),
    /// It has ended for good.
    Gone(Place),
    /// Nothing of it is kept.
    Removed(Place),
    /// Too many restarts: the supervisor ends.
    GiveUp(Place),
    /// Too many restarts of this child: it stays down.
    GiveUpChild(Place),
    /// Its significant children have ended: the supervisor ends.
    ShutDown(Place),
}

/// Why a call is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Busy {
    Running,
    Restarting,
}
