//! What looks at a run and says whether it was right.

use std::{fmt, time::Duration};

use crate::world::World;

type Look = Box<dyn FnMut(&World) -> Result<(), String>>;

/// A named check, and when it is made. The first error fails the seed.
///
/// It has what it needs by its closure, most often a history that the steps of the workload write; whatever has
/// a function from a history to a `Result` can be one:
///
/// ```
/// use std::{cell::RefCell, rc::Rc};
///
/// use odeon_sim::Check;
///
/// fn rising(history: &[u64]) -> Result<(), String> {
///     if history.is_sorted() { Ok(()) } else { Err(format!("{history:?} falls")) }
/// }
///
/// let history = Rc::new(RefCell::new(Vec::new()));
/// let checked = Rc::clone(&history);
/// let check = Check::at_end("rising", move |_| rising(&checked.borrow()));
/// # drop(check);
/// ```
pub struct Check {
    name: String,
    when: When,
    look: Look,
}

/// When a check is made.
enum When {
    AtEnd,
    Every(Duration),
    At(Duration),
}

impl Check {
    /// A check at the end, after the liveness phase, whether that came to its end or not.
    pub fn at_end(
        name: impl Into<String>,
        check: impl FnMut(&World) -> Result<(), String> + 'static,
    ) -> Self {
        Self { name: name.into(), when: When::AtEnd, look: Box::new(check) }
    }

    /// A check of what must always hold: this often in the safety phase (a millisecond at least), and at the end.
    pub fn every(
        time: Duration,
        name: impl Into<String>,
        check: impl FnMut(&World) -> Result<(), String> + 'static,
    ) -> Self {
        let when = When::Every(time.max(Duration::from_millis(1)));
        Self { name: name.into(), when, look: Box::new(check) }
    }

    /// A check at one moment of the safety phase, counted from its beginning. A moment that is later than the end of
    /// the phase does not come.
    pub fn at(
        time: Duration,
        name: impl Into<String>,
        check: impl FnMut(&World) -> Result<(), String> + 'static,
    ) -> Self {
        Self { name: name.into(), when: When::At(time), look: Box::new(check) }
    }

    /// When it is due in the safety phase after a look at this moment, or, without one, for the first time.
    pub(super) fn due_after(&self, looked: Option<Duration>) -> Option<Duration> {
        match self.when {
            When::AtEnd => None,
            When::Every(every) => looked.unwrap_or_default().checked_add(every),
            When::At(time) => Some(time).filter(|_| looked.is_none()),
        }
    }

    /// Whether it is made at the end of a run.
    pub(super) const fn is_last(&self) -> bool {
        !matches!(self.when, When::At(_))
    }

    /// Looks, and says its name where something is wrong.
    pub(super) fn look(&mut self, world: &World) -> Result<(), String> {
        (self.look)(world).map_err(|error| format!("check {}: {error}", self.name))
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Check({})", self.name)
    }
}
