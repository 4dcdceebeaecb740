//! What a program has to say beside its node: figures of its own, and whether it is ready itself.
//!
//! What it is: two functions of the program's, called when somebody asks. What it is NOT: the check of what they say about
//! figures; that is `metrics/own.rs`.

use crate::harmless;

/// Characters of a reason; what is longer is cut.
const REASON_MAX: usize = 300;

/// Gives figures, in the text format of Prometheus.
pub(crate) type Figures = Box<dyn Fn() -> String>;

/// Says whether the program is ready, or why not.
pub(crate) type IsReady = Box<dyn Fn() -> Result<(), String>>;

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
        ready().map_err(|why| {
            let why = harmless(&why).chars().take(REASON_MAX).collect::<String>();
            format!("the program is not ready: {why}; see runbook: node-not-ready")
        })
    }
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
}
