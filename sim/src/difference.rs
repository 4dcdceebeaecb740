//! Where two recorded runs part: the first event that differs, who did it, and what probably made it differ.
//!
//! What it is: a comparison of two verdicts, line by line where both still have the lines, and by checkpoints of the hash
//! where they are forgotten. What it is NOT: a way to run anything; [`Scenario::check`](crate::Scenario::check) does, and
//! runs again for lines that were forgotten. Read `difference/cause.rs` next.

mod cause;

use std::fmt;

use crate::{trace::Mark, verdict::Verdict};

/// Lines that both have in common and that are told before the first that differs.
const BEFORE: usize = 5;

/// The first difference of two runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The number of the first event that is known to differ, from 1.
    pub event: u64,
    /// The number of the last event that is known to be alike. Between the two are events without a line (polls), or, when
    /// [`is_exact`](Self::is_exact) is false, events whose lines were forgotten.
    pub alike: u64,
    /// Whether the lines here are those of the first difference.
    pub is_exact: bool,
    /// The last lines that are alike, at most five.
    pub before: Vec<String>,
    /// The first line of the one run that differs; `None` where that run had ended, or the lines were forgotten.
    pub left: Option<String>,
    /// The same of the other run.
    pub right: Option<String>,
    /// What probably made it differ, and where to look.
    pub cause: String,
}

impl Difference {
    /// The first difference of two runs, the one and the other; `None` where they are one run.
    #[must_use]
    pub fn between(left: &Verdict, right: &Verdict) -> Option<Self> {
        if left.hash == right.hash && left.events == right.events {
            return None;
        }
        let lines = Pairs { left, right };
        let mut found = lines.first().unwrap_or_else(|| forgotten(left, right));
        found.cause = cause::of(left, right, &found);
        Some(found)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { event, alike, .. } = self;
        if !self.is_exact {
            return write!(
                f,
                "the runs part after event {alike} and up to event {event}, whose lines were forgotten: {}",
                self.cause
            );
        }
        writeln!(f, "the runs part at event {event} ({alike} are alike): {}", self.cause)?;
        self.before.iter().try_for_each(|line| writeln!(f, "    {line}"))?;
        let ended = |line: &Option<String>| line.clone().unwrap_or_else(|| "(ended)".to_owned());
        writeln!(f, "  - {}", ended(&self.left))?;
        write!(f, "  + {}", ended(&self.right))
    }
}

/// The lines of two runs, by the number of their events.
struct Pairs<'a> {
    left: &'a Verdict,
    right: &'a Verdict,
}

/// One line with its mark.
type Marked<'a> = (Mark, &'a str);

fn marked(verdict: &Verdict, from: u64) -> impl Iterator<Item = Marked<'_>> {
    let lines = verdict.marks.iter().copied().zip(verdict.lines.iter().map(String::as_str));
    lines.skip_while(move |(mark, _)| mark.event < from)
}

impl Pairs<'_> {
    /// The first lines that differ, if the lines before them are known to be alike.
    fn first(&self) -> Option<Difference> {
        let begin = |verdict: &Verdict| verdict.marks.first().map_or(1, |mark| mark.event);
        let from = begin(self.left).max(begin(self.right));
        let whole = self.left.forgot == 0 && self.right.forgot == 0;
        let (mut left, mut right) = (marked(self.left, from), marked(self.right, from));
        let mut before: Vec<Marked<'_>> = Vec::new();
        loop {
            match (left.next(), right.next()) {
                (Some(one), Some(other)) if one.0 == other.0 => before.push(one),
                // What was forgotten may differ already.
                _ if before.is_empty() && !whole => return None,
                (one, other) => return Some(self.part(&before, one, other)),
            }
        }
    }

    fn part(
        &self,
        before: &[Marked<'_>],
        left: Option<Marked<'_>>,
        right: Option<Marked<'_>>,
    ) -> Difference {
        let alike = before.last().map_or(0, |(mark, _)| mark.event);
        let events = [left, right].into_iter().flatten().map(|(mark, _)| mark.event);
        // Without any line left, one run has more events without a line.
        let event = events.min().unwrap_or(self.left.events.min(self.right.events) + 1);
        let text = |line: Option<Marked<'_>>| line.map(|(_, text)| text.to_owned());
        let skip = before.len().saturating_sub(BEFORE);
        Difference {
            event,
            alike,
            is_exact: true,
            before: before[skip..].iter().map(|(_, text)| (*text).to_owned()).collect(),
            left: text(left),
            right: text(right),
            cause: String::new(),
        }
    }
}

/// What the checkpoints of the hash say.
fn forgotten(left: &Verdict, right: &Verdict) -> Difference {
    let hash_at = |verdict: &Verdict, event| {
        verdict.checkpoints.iter().find(|mark| mark.event == event).map(|mark| mark.hash)
    };
    let (mut alike, mut event) = (0, left.events.max(right.events));
    for mark in &left.checkpoints {
        match hash_at(right, mark.event) {
            Some(hash) if hash == mark.hash => alike = mark.event,
            Some(_) => {
                event = mark.event;
                break;
            }
            // The other run has ended, or has spread its checkpoints wider.
            None => {}
        }
    }
    let (before, cause) = (Vec::new(), String::new());
    Difference { event, alike, is_exact: false, before, left: None, right: None, cause }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::trace::{Event, HostId, Trace};

    /// The verdict on a run that noted these, one a millisecond, and kept so many lines.
    fn run(notes: impl IntoIterator<Item = String>, kept: usize) -> Verdict {
        let trace = Trace::new();
        trace.name_host("alice");
        for (at, detail) in notes.into_iter().enumerate() {
            let event = Event::Note { name: "said", detail: &detail };
            trace.record(Duration::from_millis(at as u64), Some(HostId(0)), &event);
        }
        let mut verdict = Verdict::missing(1, String::new());
        verdict.take_trace(&trace, true);
        let skip = verdict.lines.len().saturating_sub(kept);
        verdict.forgot = skip as u64;
        verdict.lines.drain(..skip);
        verdict.marks.drain(..skip);
        verdict
    }

    fn notes(count: usize, odd: usize) -> impl Iterator<Item = String> {
        (0..count).map(move |at| if at == odd { "odd".to_owned() } else { at.to_string() })
    }

    #[test]
    fn equal_runs_have_none_and_the_first_that_differs_is_found() {
        let quiet = run(notes(100, 1000), 100);
        assert_eq!(Difference::between(&quiet, &quiet), None);
        for odd in [0, 1, 50, 99] {
            let other = run(notes(100, odd), 100);
            let found = Difference::between(&quiet, &other).expect("they differ");
            assert_eq!((found.event, found.alike), (odd as u64 + 1, odd as u64));
            assert!(found.is_exact && found.before.len() == odd.min(BEFORE), "{found}");
            assert!(found.right.as_ref().is_some_and(|line| line.ends_with("said odd")), "{found}");
            assert!(found.to_string().contains("alice"), "{found}");
        }
    }

    #[test]
    fn a_run_that_ends_earlier_differs_where_it_ends() {
        let found = Difference::between(&run(notes(90, 1000), 100), &run(notes(100, 1000), 100));
        let found = found.expect("they differ");
        assert_eq!((found.event, found.left.clone()), (91, None));
        assert!(found.to_string().contains("(ended)"), "{found}");
    }

    #[test]
    fn what_was_forgotten_is_bracketed_by_checkpoints() {
        for odd in [10, 3000, 9000] {
            let (one, other) = (run(notes(10_000, 20_000), 100), run(notes(10_000, odd), 100));
            let found = Difference::between(&one, &other).expect("they differ");
            let event = odd as u64 + 1;
            assert!(!found.is_exact && found.alike < event && event <= found.event, "{found:?}");
            assert!(found.event - found.alike <= 64, "{found:?}");
        }
    }

    #[test]
    fn a_line_that_looks_alike_is_told_as_such() {
        let long = |end: &str| format!("{}{end}", "x".repeat(40));
        let found = Difference::between(&run([long("a")], 9), &run([long("b")], 9));
        let found = found.expect("they differ");
        assert_eq!(found.left, found.right);
        assert!(found.cause.contains("does not show"), "{found}");
    }
}
