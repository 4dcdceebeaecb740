//! What a program has to say beside its node: figures of its own, and whether it is ready itself.
//!
//! What it is: two functions of the program's, called when somebody asks. One that panics says nothing, and ends nothing.
//! What it is NOT: the check of what they say about figures; that is `metrics/own.rs`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::harmless;

/// Characters of a reason, some three lines of a terminal; what is longer is cut, for probes and tables show it in one.
const REASON_MAX: usize = 300;

/// Gives figures, in the text format of Prometheus.
pub(crate) type Figures = Box<dyn Fn() -> String>;

/// Says whether the program is ready, or why not.
pub(crate) type IsReady = Box<dyn Fn() -> Result<(), String>>;

/// A function of the program's has panicked in place of an answer.
#[derive(Debug)]
pub(crate) struct Panicked;

/// What a program has to say.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) metrics: Option<Figures>,
    pub(crate) ready: Option<IsReady>,
}

impl Hooks {
    /// Whether the program is ready, as far as it says; the reason in one line that anybody may read.
    pub(crate) fn ready(&self) -> Result<(), String> {
        let Some(ready) = &self.ready else { return Ok(()) };
        let said = guarded(ready);
        said.unwrap_or_else(|| Err("the function that says so panicked".to_owned())).map_err(
            |why| {
                let why = harmless(&why).chars().take(REASON_MAX).collect::<String>();
                format!("the program is not ready: {why}; see runbook: node-not-ready")
            },
        )
    }

    /// The program's own figures: none where it has none, nothing to be said where its function panicked.
    pub(crate) fn figures(&self) -> Option<Result<String, Panicked>> {
        self.metrics.as_ref().map(|figures| guarded(figures).ok_or(Panicked))
    }
}

/// Calls a function of the program's. The port's connection, and all that others ask there, go on where it panics; the
/// panic itself is on standard error, as any is.
fn guarded<T>(said: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(said)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_line_of_bounded_length() {
        let hooks = |why: &str| {
            let why = why.to_owned();
            Hooks { ready: Some(Box::new(move || Err(why.clone()))), ..Hooks::default() }
        };
        let said = hooks("the database\nis gone").ready().unwrap_err();
        assert!(
            said.starts_with("the program is not ready: the database\\u{a}is gone; see"),
            "{said}"
        );
        assert!(hooks(&"x".repeat(10_000)).ready().unwrap_err().len() < 400);
        assert_eq!(Hooks::default().ready(), Ok(()));
    }

    #[test]
    fn a_function_that_panics_says_nothing_and_ends_nothing() {
        let hooks = Hooks {
            metrics: Some(Box::new(|| panic!("as told"))),
            ready: Some(Box::new(|| panic!("as told"))),
        };
        for _ in 0..2 {
            let why = hooks.ready().unwrap_err();
            assert!(why.contains("not ready: the function that says so panicked; see"), "{why}");
            assert!(matches!(hooks.figures(), Some(Err(Panicked))));
        }
        assert!(Hooks::default().figures().is_none());
    }
}
