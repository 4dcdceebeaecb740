//! Looking names up: what goes wrong on the way to the answer.
//!
//! Pure. As on a link, each kind of fault draws from a stream of its own, that depends on the seed, who asks, the name
//! and how often it was asked for. Look-ups go past the links: a host that is cut off from all others still gets its
//! answers, for name servers are no hosts of the world. Read `names.rs` for what the answers are.

use std::{io, time::Duration};

use odeon_interpose::{Stream, mix};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    latency::Latency,
    rule::{RuleError, check_probability},
};

/// How names are looked up: how long it takes, and how often it fails.
///
/// Probabilities are for each look-up, from 0 (never, the default) to 1 (always), and each has a random stream of its
/// own. Addresses in figures are no names and are never looked up.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use odeon_sim::{Latency, LookupRule};
///
/// let slow = Latency::Uniform(Duration::from_millis(1), Duration::from_millis(200));
/// let rule = LookupRule { latency: slow, failure: 0.1, stale: 0.5, ..LookupRule::default() };
/// assert_eq!(rule.check(), Ok(()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LookupRule {
    /// How long an answer takes. Default: no time at all.
    pub latency: Latency,
    /// Probability that the server says it cannot tell (SERVFAIL, RFC 1035, section 4.1.1).
    pub failure: f64,
    /// Probability that no answer comes.
    pub silence: f64,
    /// After this time without an answer the look-up has failed. Default: 10 s, two attempts of 5 s (resolv.conf(5)).
    pub time_out: Duration,
    /// Probability that the answer is what was true before the name's last change.
    pub stale: f64,
}

impl Default for LookupRule {
    fn default() -> Self {
        Self {
            latency: Latency::Constant(Duration::ZERO),
            failure: 0.0,
            silence: 0.0,
            time_out: Duration::from_secs(10),
            stale: 0.0,
        }
    }
}

impl LookupRule {
    /// Every look-up fails at once.
    #[must_use]
    pub fn failing() -> Self {
        Self { failure: 1.0, ..Self::default() }
    }

    /// No look-up is answered.
    #[must_use]
    pub fn silent() -> Self {
        Self { silence: 1.0, ..Self::default() }
    }

    /// Whether the numbers make a rule; whoever reads one from a file asks first.
    ///
    /// # Errors
    /// When a probability or the latency is outside its range.
    pub fn check(&self) -> Result<(), RuleError> {
        check_probability("failure", self.failure)?;
        check_probability("silence", self.silence)?;
        check_probability("stale", self.stale)?;
        self.latency.check()
    }

    /// Decides one look-up, with the random word that is its own.
    pub(super) fn decide(&self, word: u64) -> Lookup {
        let draw = |decision| Stream::new(mix(word) ^ decision as u64);
        if draw(Decision::Silence).chance(self.silence) {
            return Lookup { takes: self.time_out, course: Course::Silent };
        }
        let takes = self.latency.draw(&draw(Decision::Latency));
        if draw(Decision::Failure).chance(self.failure) {
            return Lookup { takes, course: Course::Fails };
        }
        let stale = draw(Decision::Stale).chance(self.stale);
        Lookup { takes, course: Course::Answers { stale, order: draw(Decision::Order) } }
    }
}

/// What is decided for each look-up.
#[derive(Clone, Copy)]
enum Decision {
    Silence = 1,
    Latency,
    Failure,
    Stale,
    Order,
}

/// A look-up under way.
#[derive(Debug)]
pub(crate) struct Lookup {
    pub(crate) takes: Duration,
    pub(super) course: Course,
}

impl Lookup {
    /// Whether the answer is stale, and what its order is drawn from.
    pub(super) fn answered(&self, name: &str) -> Result<(bool, &Stream), ResolveError> {
        match &self.course {
            Course::Silent => Err(ResolveError::Silent { name: name.to_owned() }),
            Course::Fails => Err(ResolveError::Failed { name: name.to_owned() }),
            Course::Answers { stale, order } => Ok((*stale, order)),
        }
    }
}

/// How a look-up goes.
#[derive(Debug)]
pub(super) enum Course {
    Silent,
    Fails,
    Answers { stale: bool, order: Stream },
}

/// Why a name was not resolved; it is inside the [`io::Error`] that [`Env::resolve`](odeon_env::Env::resolve) returns.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// What was asked for is no `host:port`.
    #[error("{given:?} is not host:port; write the port behind a colon, as in \"seed:7400\"")]
    NotHostPort {
        /// What was asked for.
        given: String,
    },
    /// There is no such name (NXDOMAIN).
    #[error("no host of this world is called {name:?}, and the name has no address")]
    NoSuchName {
        /// The name.
        name: String,
    },
    /// The name has no SRV records.
    #[error("{name:?} has no SRV records in this world")]
    NoSrv {
        /// The name.
        name: String,
    },
    /// The server says it cannot tell (SERVFAIL).
    #[error("the name server failed to look {name:?} up; trying again may help")]
    Failed {
        /// The name.
        name: String,
    },
    /// No answer came.
    #[error("no name server answered for {name:?} in time; trying again may help")]
    Silent {
        /// The name.
        name: String,
    },
}

impl From<ResolveError> for io::Error {
    fn from(error: ResolveError) -> Self {
        let kind = match error {
            ResolveError::NotHostPort { .. } => io::ErrorKind::InvalidInput,
            ResolveError::NoSuchName { .. } | ResolveError::NoSrv { .. } => io::ErrorKind::NotFound,
            ResolveError::Failed { .. } => io::ErrorKind::Other,
            ResolveError::Silent { .. } => io::ErrorKind::TimedOut,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide_all(rule: &LookupRule) -> Vec<Lookup> {
        (0..1000).map(|word| rule.decide(mix(word))).collect()
    }

    fn text(lookup: &Lookup) -> String {
        format!("{lookup:?}")
    }

    #[test]
    fn faults_occur_as_often_as_the_rule_says_and_none_shifts_another() {
        let latency = Latency::Uniform(Duration::ZERO, Duration::from_secs(1));
        let all =
            LookupRule { latency, failure: 0.2, silence: 0.1, stale: 0.3, ..LookupRule::default() };
        let with = decide_all(&all);
        let count = |is: fn(&Course) -> bool| with.iter().filter(|one| is(&one.course)).count();
        assert!((60..140).contains(&count(|course| matches!(course, Course::Silent))));
        assert!((130..230).contains(&count(|course| matches!(course, Course::Fails))));
        let stale = |course: &Course| matches!(course, Course::Answers { stale: true, .. });
        assert!((160..280).contains(&count(stale)));
        let unfailing = decide_all(&LookupRule { failure: 0.0, ..all });
        let unsilent = decide_all(&LookupRule { silence: 0.0, ..all });
        let fresh = decide_all(&LookupRule { stale: 0.0, ..all });
        for (at, with) in with.iter().enumerate() {
            let same = |other: &[Lookup]| text(with) == text(&other[at]);
            assert!(same(&unfailing) || matches!(with.course, Course::Fails));
            assert!(same(&unsilent) || matches!(with.course, Course::Silent));
            assert!(same(&fresh) || stale(&with.course));
        }
    }

    #[test]
    fn no_answer_takes_the_whole_time_and_no_rule_no_time() {
        assert_eq!(LookupRule::silent().decide(1).takes, Duration::from_secs(10));
        assert_eq!(LookupRule::default().decide(1).takes, Duration::ZERO);
        let error = LookupRule { stale: -0.1, ..LookupRule::default() }.check();
        assert_eq!(error, Err(RuleError::Probability { name: "stale", value: -0.1 }));
    }
}
