//! How long a checker may think, in real time.
//!
//! What it is: a question that a checker asks now and then while it works. What it is NOT: a clock; whoever lets it look
//! has one. Read `checker.rs` next.

use std::{fmt, time::Duration};

/// Whether a checker may go on. Default: for ever.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use odeon_check::{Call, Linearizability, Patience, Recorder};
///
/// let recorder = Recorder::new(|| Duration::ZERO);
/// let write = recorder.invoke("c1", Call::write("r", 1));
/// recorder.done(write, ());
/// let began = Instant::now();
/// let spent = || Some(began.elapsed()).filter(|spent| *spent >= Duration::from_secs(45));
/// let patience = Patience::until(&spent);
/// recorder.history().check_within(&Linearizability::of_registers(), &patience).unwrap();
/// ```
#[derive(Clone, Copy, Default)]
pub struct Patience<'a>(Option<&'a dyn Fn() -> Option<Duration>>);

impl<'a> Patience<'a> {
    /// Without an end.
    pub const ENDLESS: Patience<'static> = Patience(None);

    /// Until `spent` tells how much real time the check took, which is when it is to give up. It is asked often: every
    /// few thousand steps of a search.
    #[must_use]
    pub fn until(spent: &'a dyn Fn() -> Option<Duration>) -> Self {
        Self(Some(spent))
    }

    /// The real time that was spent, if it is time to give up.
    #[must_use]
    pub fn spent(&self) -> Option<Duration> {
        self.0.and_then(|spent| spent())
    }
}

impl fmt::Debug for Patience<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Patience(until)" } else { "Patience(ENDLESS)" })
    }
}
