//! What a run plays: a plain body, or a scenario with its script.

use std::{fmt, sync::Arc};

use crate::{
    outcome::LocalFuture,
    scenario::{Cast, Scenario},
    world::World,
};

/// The body of a plain simulator test.
pub type Body = for<'w> fn(&'w mut World) -> LocalFuture<'w, Result<(), String>>;

/// What a run plays.
#[derive(Clone)]
pub(crate) enum Act {
    Body(Body),
    Cast(Arc<dyn Fn() -> Box<dyn Cast> + Send + Sync>),
}

impl Act {
    /// A scenario, made anew for each run.
    pub(crate) fn of<S: Scenario>(make: fn() -> S) -> Self {
        Self::Cast(Arc::new(move || Box::new(make())))
    }

    /// A fresh scenario; `None` for a plain body.
    pub(crate) fn cast(&self) -> Option<Box<dyn Cast>> {
        match self {
            Self::Body(_) => None,
            Self::Cast(make) => Some(make()),
        }
    }
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Body(_) => "Body",
            Self::Cast(_) => "Scenario",
        })
    }
}
