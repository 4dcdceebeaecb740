//! How each planted bug is looked for: in which scenario, and which check must speak of it.
//!
//! A scenario that fails with a bug in the code has not found it yet: that something takes too long, say, has many
//! reasons. It has found it where a check objects that looks for just this, in words that say it. What it is NOT: the
//! search; that is `planted.rs`.

use odeon_message::planted::Bug;

use crate::verdict::Verdict;

/// How problems begin that a check of a scenario has found; those that a checker has found begin with its name.
const OF_SCENARIO: &str = "the scenario failed: check ";

/// How one bug is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hunt {
    /// The scenario.
    pub(super) scenario: &'static str,
    /// The check, or the checker, that speaks of it, by its name.
    pub(super) check: &'static str,
    /// A part of what that says of it.
    says: &'static str,
    /// How many of a hundred places that say `buggify!` are on, for a bug on a way that is rare without them.
    pub(super) buggify_percent: u8,
}

impl Hunt {
    const fn new(scenario: &'static str, check: &'static str, says: &'static str) -> Self {
        Self { scenario, check, says, buggify_percent: 0 }
    }

    const fn buggify(self, percent: u8) -> Self {
        Self { buggify_percent: percent, ..self }
    }

    /// What this check says of this bug, if it is the first problem of a run.
    pub(super) fn said<'v>(&self, verdict: &'v Verdict) -> Option<&'v str> {
        let text = verdict.problems.first()?.text.as_str();
        let line = text.strip_prefix(OF_SCENARIO).unwrap_or(text).lines().next()?;
        let said = line.strip_prefix(self.check)?.strip_prefix(": ")?;
        Some(said).filter(|said| said.contains(self.says))
    }

    /// Whether this check has found this bug.
    pub(super) fn is_found_by(&self, verdict: &Verdict) -> bool {
        self.said(verdict).is_some()
    }

    /// What it waits for, for who is told that it did not come.
    pub(super) fn in_words(&self) -> String {
        format!("{}: … {} …", self.check, self.says)
    }
}

/// The checks of the scenario `workers` that say what supervisors did wrong.
const TABLE: &str = "supervisors keep the table";

const HONESTY: &str = "honesty of failures";
const LEAKS: &str = "no leaks";
const WATCHES: &str = "watch exactly once";
const BALANCES: &str = "conservation";

/// How this bug is looked for.
pub(super) const fn hunt(bug: Bug) -> Hunt {
    let told_of_watch = "was not told of its end";
    let is_to_end = "and its supervisor is to end";
    match bug {
        Bug::AskNumberReused => Hunt::new("truth", HONESTY, "was told that it was not delivered"),
        Bug::CancelledAskRuns => Hunt::new("request-storm", HONESTY, "ran 2 times"),
        Bug::CreditNotGivenBack => Hunt::new("request-storm", LEAKS, "held messages"),
        Bug::FramesOutliveConnection => Hunt::new("truth", LEAKS, "surplus answers"),
        Bug::HealLooksOnce => Hunt::new("truth", "convergence of membership", "and must see"),
        Bug::IncarnationReused | Bug::IntensityOffByOne => Hunt::new("workers", TABLE, is_to_end),
        Bug::LostAskNotDelivered => {
            Hunt::new("truth", HONESTY, "was told that it was not delivered")
        }
        // Few turns are used up in a simulation whose turns are as long as those of a node.
        Bug::LostWakeUp => {
            Hunt::new("chat", "nobody sleeps on messages", "none was taken").buggify(30)
        }
        Bug::MailboxHoldsOneMore => {
            Hunt::new("request-storm", "queues are bounded", "9 requests wait")
        }
        Bug::NameOutlivesActor => Hunt::new("workers", TABLE, "it has not ended within"),
        Bug::OlderLifeWins => Hunt::new("truth", "present lives", "makes way for a later one"),
        Bug::PanicNotDelivered | Bug::RetryForgetsDoubt => {
            Hunt::new("bank", BALANCES, "unexplained balance")
        }
        Bug::PiecesSwapped => {
            let order = "first in, first out for each pair";
            Hunt::new("chat", order, "begins after a later message of its pair")
        }
        Bug::ReplacedNotDown | Bug::WatchMissesRace | Bug::WatchesNotResent => {
            Hunt::new("chat", WATCHES, told_of_watch)
        }
        Bug::ReplySentTwice => Hunt::new("truth", LEAKS, "surplus answers"),
        Bug::RestForOneTooFew | Bug::SiblingsStopInOrder => {
            Hunt::new("workers", TABLE, "is stopped before")
        }
        Bug::RestartEmptiesMailbox => {
            Hunt::new("workers", "what waits outlasts its worker", "loses what waits")
        }
        Bug::TimeForgottenOnTheWay => {
            Hunt::new("request-storm", "requests begin in time", "whose time is up")
        }
        Bug::TransientComesBack => Hunt::new("workers", TABLE, "is not to start"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed_with(text: &str) -> Verdict {
        Verdict::missing(1, text.to_owned())
    }

    #[test]
    fn a_bug_is_found_by_the_check_that_speaks_of_it_and_by_no_other_failure() {
        let hunt = hunt(Bug::IntensityOffByOne);
        let table = "the scenario failed: check supervisors keep the table: the supervision table: a.1: worker-2 starts, ";
        let found = failed_with(&format!("{table}and its supervisor is to end\n#3 …"));
        let said = "the supervision table: a.1: worker-2 starts, and its supervisor is to end";
        assert_eq!(hunt.said(&found), Some(said));
        assert!(!hunt.is_found_by(&failed_with(&format!("{table}and is not to start"))));
        for other in [
            "the scenario failed: the liveness phase did not come to its end within 180s",
            "the scenario failed: check nobody sleeps: worker-2 starts, and its supervisor is to end",
            "honesty of failures: worker-2 starts, and its supervisor is to end",
            "node a panicked at workers/app.rs:1:1: and its supervisor is to end",
        ] {
            assert!(!hunt.is_found_by(&failed_with(other)), "{other}");
        }
        let mut passed = failed_with("");
        passed.problems.clear();
        assert!(!hunt.is_found_by(&passed));
    }

    /// What comes first is what `shrink` holds on to.
    #[test]
    fn a_bug_that_is_told_of_second_is_not_found() {
        let mut verdict = failed_with("the scenario failed: it took too long");
        let told = "honesty of failures: front -> servers no. 190 ran 2 times";
        verdict.problems.extend(failed_with(told).problems);
        assert!(!hunt(Bug::CancelledAskRuns).is_found_by(&verdict));
        verdict.problems.remove(0);
        assert!(hunt(Bug::CancelledAskRuns).is_found_by(&verdict));
    }
}
