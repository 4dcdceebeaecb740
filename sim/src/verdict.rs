//! The result of one run of one seed, and its text form.
//!
//! The child writes the text, the parent reads it: one line `verdict …`, then a line for each problem, its details
//! and the last lines of the trace, then `end`. Read `runner.rs` next.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use crate::{
    mischief::Buggified,
    printable::printable,
    problem::Problem,
    trace::{Mark, Trace},
};

/// Lines of the trace that a verdict carries over, at most.
const LINES_MAX: usize = 4_000;

/// And of a run that passed, unless somebody asked for its lines: to write all of them out takes as long as a tenth of a
/// short run, for nobody to read.
const LINES_PASSED_MAX: usize = 200;

/// How the problem of a run begins that ended without having told anything.
#[cfg(target_os = "linux")]
pub(crate) const NO_VERDICT: &str = "the run ended without a verdict";

/// Whether another run of the same seed is the same run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
    /// In a fresh program, by the runner: yes.
    Guaranteed,
    /// No, and why.
    NotGuaranteed(String),
}

/// What one run of one seed came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The seed.
    pub seed: u64,
    /// The hash of the full trace.
    pub hash: u128,
    /// How many events the trace has.
    pub events: u64,
    /// How long the world existed.
    pub virtual_time: Duration,
    /// How many faults of the script have begun.
    pub faults: u64,
    /// Whether the run can be repeated.
    pub replay: Replay,
    /// Why the seed failed; empty where it passed.
    pub problems: Vec<Problem>,
    /// What is not known, because a check gave up before the seed's real time was over. The seed does not fail for it, and
    /// of another run of the same seed it may be known.
    pub unknown: Vec<String>,
    /// The places that said `buggify!` while some were on, and how often each fired.
    pub buggified: Vec<Buggified>,
    /// The last lines of the trace: up to 4,000 of a run that failed, or of which lines were asked for
    /// ([`Case::lines_until`](crate::runner::Case::lines_until)); up to 200 of another.
    pub lines: Vec<String>,
    /// The event of each of these lines.
    pub marks: Vec<Mark>,
    /// How many lines before these were forgotten.
    pub forgot: u64,
    /// The hash at equal distances over the whole run.
    pub checkpoints: Vec<Mark>,
}

impl Verdict {
    /// Whether the seed passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether a problem says this.
    #[must_use]
    pub fn says(&self, text: &str) -> bool {
        self.problems.iter().any(|problem| problem.text.contains(text))
    }

    /// A verdict on a run that came to none.
    #[must_use]
    pub(crate) fn missing(seed: u64, why: String) -> Self {
        Self {
            seed,
            hash: 0,
            events: 0,
            virtual_time: Duration::ZERO,
            faults: 0,
            replay: Replay::NotGuaranteed("there is no verdict".to_owned()),
            problems: vec![Problem::new(why)],
            unknown: Vec::new(),
            buggified: Vec::new(),
            lines: Vec::new(),
            marks: Vec::new(),
            forgot: 0,
            checkpoints: Vec::new(),
        }
    }

    /// Takes over what the trace has kept.
    pub(crate) fn take_trace(&mut self, trace: &Trace, lines_asked_for: bool) {
        (self.hash, self.events) = (trace.hash(), trace.events());
        let is_quiet = self.passed() && !lines_asked_for;
        let count = if is_quiet { LINES_PASSED_MAX } else { LINES_MAX };
        self.lines = trace.last_lines(count);
        (self.marks, self.forgot) = trace.last_marks(count);
        self.checkpoints = trace.checkpoints();
    }

    /// The text form, which [`decode`](Self::decode) reads: for a file, or a line to another program.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let replay = match &self.replay {
            Replay::Guaranteed => "guaranteed",
            Replay::NotGuaranteed(why) => why,
        };
        let Self { seed, hash, events, .. } = self;
        let time_ns = self.virtual_time.as_nanos();
        // Writing to a string does not fail.
        let _ = writeln!(text, "verdict {seed} {hash:032x} {events} {time_ns} {replay}");
        let _ = writeln!(text, "faults {}", self.faults);
        for problem in &self.problems {
            let _ = writeln!(text, "problem {}", problem.text.escape_debug());
            let _ = writeln!(text, "detail {}", problem.detail.escape_debug());
        }
        for unknown in &self.unknown {
            let _ = writeln!(text, "unknown {}", unknown.escape_debug());
        }
        for Buggified { place, on, asked, fired } in &self.buggified {
            let _ = writeln!(text, "buggified {} {asked} {fired} {place}", u8::from(*on));
        }
        for Mark { event, hash } in &self.checkpoints {
            let _ = writeln!(text, "checkpoint {event} {hash:016x}");
        }
        let _ = writeln!(text, "forgot {}", self.forgot);
        for (Mark { event, hash }, line) in self.marks.iter().zip(&self.lines) {
            let _ = writeln!(text, "line {event} {hash:016x} {line}");
        }
        text.push_str("end\n");
        text
    }

    /// Reads the text form; `None` where it is not whole.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let body = text.strip_suffix("end\n")?;
        let mut lines = body.lines();
        let mut verdict = Self::decode_first(lines.next()?)?;
        for line in lines {
            match line.split_once(' ')? {
                ("faults", number) => verdict.faults = number.parse().ok()?,
                ("problem", text) => verdict.problems.push(Problem::new(unescape(text))),
                ("detail", text) => verdict.problems.last_mut()?.detail = unescape(text),
                ("unknown", text) => verdict.unknown.push(unescape(text)),
                ("buggified", text) => verdict.buggified.push(decode_place(text)?),
                ("checkpoint", text) => verdict.checkpoints.push(decode_mark(text)?.0),
                ("forgot", text) => verdict.forgot = text.parse().ok()?,
                ("line", text) => {
                    let (mark, line) = decode_mark(text)?;
                    verdict.marks.push(mark);
                    verdict.lines.push(line.to_owned());
                }
                _ => return None,
            }
        }
        Some(verdict)
    }

    fn decode_first(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("verdict ")?.splitn(5, ' ');
        let mut next = || words.next();
        Some(Self {
            seed: next()?.parse().ok()?,
            hash: u128::from_str_radix(next()?, 16).ok()?,
            events: next()?.parse().ok()?,
            virtual_time: Duration::from_nanos(next()?.parse().ok()?),
            faults: 0,
            replay: match next()? {
                "guaranteed" => Replay::Guaranteed,
                why => Replay::NotGuaranteed(why.to_owned()),
            },
            problems: Vec::new(),
            ..Self::missing(0, String::new())
        })
    }
}

fn decode_place(text: &str) -> Option<Buggified> {
    let mut words = text.splitn(4, ' ');
    let mut next = || words.next();
    Some(Buggified {
        on: next()? == "1",
        asked: next()?.parse().ok()?,
        fired: next()?.parse().ok()?,
        place: next()?.to_owned(),
    })
}

/// A mark, and what stands behind it.
fn decode_mark(text: &str) -> Option<(Mark, &str)> {
    let mut words = text.splitn(3, ' ');
    let event = words.next()?.parse().ok()?;
    let hash = u64::from_str_radix(words.next()?, 16).ok()?;
    Some((Mark { event, hash }, words.next().unwrap_or_default()))
}

/// The other way of `escape_debug`, for what it escapes in practice.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(char) = rest.next() {
        match char {
            '\\' => match rest.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('0') => out.push('\0'),
                Some('u') => out.extend(unicode(&mut rest)),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            other => out.push(other),
        }
    }
    out
}

fn unicode(rest: &mut std::str::Chars<'_>) -> Option<char> {
    let digits: String =
        rest.by_ref().take_while(|char| *char != '}').filter(|char| *char != '{').collect();
    u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, hash, events, virtual_time, .. } = self;
        write!(
            f,
            "seed {seed}: hash {hash:032x}, {events} events, {virtual_time:?} of virtual time"
        )?;
        if let Replay::NotGuaranteed(why) = &self.replay {
            write!(f, ", replay not guaranteed ({why})")?;
        }
        let fired = self.buggified.iter().filter(|place| place.fired > 0);
        let (places, times) = fired.fold((0, 0), |(n, sum), place| (n + 1, sum + place.fired));
        if times > 0 {
            write!(f, ", buggified {times} times in {places} places")?;
        }
        self.unknown.iter().try_for_each(|unknown| write!(f, "\n  {}", printable(unknown)))?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {}", printable(&problem.text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Event, HostId};

    #[test]
    fn the_text_form_goes_both_ways() {
        let mut verdict = Verdict::missing(7, "first\nsecond \"quoted\" \\ \u{7f} end".to_owned());
        verdict.problems[0].detail = "a\tb\n".to_owned();
        verdict.lines = vec!["   1.000000000 a sent".to_owned()];
        verdict.marks = vec![Mark { event: 9, hash: 5 }];
        verdict.checkpoints = vec![Mark { event: 8, hash: u64::MAX }];
        verdict.forgot = 3;
        verdict.unknown = vec!["gave up\nafter 45.0 s".to_owned()];
        verdict.hash = u128::MAX - 5;
        verdict.faults = 3;
        let place = "odeon_transport::lane:12:5".to_owned();
        verdict.buggified = vec![Buggified { place, on: true, asked: 9, fired: 2 }];
        assert_eq!(Verdict::decode(&verdict.encode()), Some(verdict.clone()));
        verdict.replay = Replay::Guaranteed;
        assert_eq!(Verdict::decode(&verdict.encode()), Some(verdict));
    }

    /// Notes hold whatever a scenario says.
    #[test]
    fn a_note_of_several_lines_is_one_line() {
        let trace = Trace::new();
        let event = Event::Note { name: "said\r", detail: "two\nlines\nend\n" };
        trace.name_host("a\nb");
        trace.record(Duration::ZERO, Some(HostId(0)), &event);
        let mut verdict = Verdict::missing(7, String::new());
        verdict.take_trace(&trace, true);
        assert_eq!(Verdict::decode(&verdict.encode()), Some(verdict.clone()));
        let line = &verdict.lines[0];
        assert!(line.contains(r" a\nb ") && line.ends_with(r"said\r two\nlines\nend\n"), "{line}");
    }

    #[test]
    fn half_a_text_is_no_verdict() {
        let text = Verdict::missing(7, "why".to_owned()).encode();
        assert!((0..text.len()).all(|length| Verdict::decode(&text[..length]).is_none()));
    }
}
