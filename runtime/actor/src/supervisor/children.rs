//! What a supervisor tells of its children.

use std::sync::Arc;

use odeon_message::Failure;

use super::{SpecError, terms::State};
use crate::{AnyRef, StartError};

/// Where a child stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ChildState {
    /// It starts.
    Starting,
    /// It runs.
    Running,
    /// It was told to stop.
    Stopping,
    /// It has ended, and waits to be started again: for its siblings, or for a pause to pass.
    Restarting,
    /// It has ended for good; a call may start it again.
    Ended,
}

impl From<State> for ChildState {
    fn from(state: State) -> Self {
        match state {
            State::Starting => Self::Starting,
            State::Up { .. } => Self::Running,
            State::Stopping { again: false, .. } => Self::Stopping,
            State::Down | State::Stopping { again: true, .. } => Self::Restarting,
            State::Gone => Self::Ended,
        }
    }
}

/// One child of a supervisor, as it is now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChildInfo {
    /// Its id; `None` for a child of a dynamic supervisor.
    pub id: Option<Arc<str>>,
    /// The child, unless it has ended for good.
    pub actor: Option<AnyRef>,
    /// Where it stands.
    pub state: ChildState,
    /// What people call its type.
    pub kind: &'static str,
    /// Whether it is a supervisor.
    pub supervisor: bool,
}

/// How many children a supervisor has, in OTP's four numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub struct ChildCounts {
    /// Children, alive or not.
    pub specs: usize,
    /// Those that start, run or stop.
    pub active: usize,
    /// Those that are supervisors, alive or not.
    pub supervisors: usize,
    /// Those that are not.
    pub workers: usize,
}

/// Why a supervisor did not do as it was asked. Nothing has changed, unless it says so.
///
/// Variants in order of blame: the caller, the child, the supervisor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChildError {
    /// The spec cannot be followed.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A child with this id runs already.
    #[error("child {id:?} runs already: use it, or terminate it first")]
    AlreadyRuns {
        /// Its id.
        id: Box<str>,
        /// The child.
        actor: AnyRef,
    },
    /// A child with this id has ended, and its spec is kept.
    #[error("child {id:?} is known already: restart it, or delete it first")]
    AlreadyPresent {
        /// Its id.
        id: Box<str>,
    },
    /// No child is called so.
    #[error("no child {id}: see which_children")]
    NotFound {
        /// Its id, or the actor that is no child here.
        id: Box<str>,
    },
    /// The child runs.
    #[error("child {id:?} runs: terminate it first")]
    Running {
        /// Its id.
        id: Box<str>,
    },
    /// The child is being started again.
    #[error("child {id:?} is being started again: wait, or terminate it first")]
    Restarting {
        /// Its id.
        id: Box<str>,
    },
    /// The child did not start; a new one is forgotten, one that was there stays as it was.
    #[error("the child did not start: {0}")]
    Start(#[source] StartError),
    /// The supervisor could not be asked.
    #[error("the supervisor was not asked: {0}")]
    Unreachable(Failure),
    /// The supervisor ended before it could answer; what it had begun ends with it.
    #[error("the supervisor has ended: look it up again")]
    Ended,
}
