//! Who goes next among those that are ready: nodes of a world, and actors of a node.
//!
//! What it is: the choice alone, as a function of what was chosen before and of the seed. What it is NOT: the queue of
//! those that are ready: nodes stand in `world/turns.rs`, actors in the engine, which asks through
//! [`Env::choose_among`](odeon_env::Env::choose_among).

mod pct;

use std::fmt;

use odeon_interpose::Stream;

use pct::Pct;

/// The most changes of priority of one [`Schedule::Pct`], and so its depth less one.
pub const CHANGES_MAX: u32 = 64;

/// In which order nodes of a world, and actors of a node, have their turns when several are ready in one moment.
///
/// It is applied on two floors, each with priorities and steps of its own: to the nodes of the world, and on each node to
/// its actors. Tasks of a node that are not actors run in the order in which tokio's `LocalSet` wakes them.
///
/// ```
/// use odeon_sim::Schedule;
///
/// let deep = Schedule::Pct { depth: 3, steps: 500 };
/// assert_eq!("pct:3:500".parse(), Ok(deep));
/// assert_eq!(deep.to_string(), "pct:3:500");
/// assert!("pct:0:500".parse::<Schedule>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Schedule {
    /// In the order in which they became ready: the one order that a quiet machine would show.
    Fifo,
    /// Any of them, each with the same probability, at each turn.
    #[default]
    Random,
    /// By priorities: the ready one with the highest has its turn. Each gets a random one when it is first seen, and at
    /// `depth - 1` random steps within the first `steps` the one that would have its turn falls below all others.
    ///
    /// A bug that needs `depth` turns in a certain order is found by one run with a probability of at least
    /// 1 / (n × steps^(depth - 1)), n being how many nodes (or actors of the node) there are (Burckhardt, Kothari, Musuvathi
    /// and Nagarakatte, "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010). The figure
    /// holds on one floor, for a bug whose turns are all of nodes or all of actors of one node. `depth` is 1 to
    /// [`CHANGES_MAX`] + 1; `steps` should be about how often a run has a choice (see [`World::choices`](crate::World::choices)).
    ///
    /// One that has 1,000 turns in a row while others wait falls below them as well: it may be waiting for one of them in
    /// a loop, and time would never move.
    Pct {
        /// How many turns must come in a certain order for the bugs that are looked for.
        depth: u32,
        /// Among how many choices the changes are spread, at least 1.
        steps: u64,
    },
}

impl Schedule {
    /// The same with every number within its bounds.
    pub(crate) fn clamped(self) -> Self {
        match self {
            Self::Pct { depth, steps } => {
                Self::Pct { depth: depth.clamp(1, CHANGES_MAX + 1), steps: steps.max(1) }
            }
            other => other,
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fifo => f.write_str("fifo"),
            Self::Random => f.write_str("random"),
            Self::Pct { depth, steps } => write!(f, "pct:{depth}:{steps}"),
        }
    }
}

/// A text that names no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no schedule: write fifo, random, or pct:DEPTH:STEPS with a depth of 1 to {max} and at least one step",
    max = CHANGES_MAX + 1
)]
pub struct UnknownSchedule(pub String);

impl std::str::FromStr for Schedule {
    type Err = UnknownSchedule;

    fn from_str(text: &str) -> Result<Self, UnknownSchedule> {
        let parsed = match text.split(':').collect::<Vec<_>>()[..] {
            ["fifo"] => Some(Self::Fifo),
            ["random"] => Some(Self::Random),
            ["pct", depth, steps] => depth
                .parse()
                .ok()
                .zip(steps.parse().ok())
                .map(|(depth, steps)| Self::Pct { depth, steps })
                .filter(|schedule| schedule.clamped() == *schedule),
            _ => None,
        };
        parsed.ok_or_else(|| UnknownSchedule(text.to_owned()))
    }
}

/// Makes the choices of one floor.
#[derive(Debug)]
pub(crate) struct Picker {
    stream: Stream,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Fifo,
    Random,
    Pct(Pct),
}

impl Picker {
    /// Chooses by this schedule; `floor` names the random stream.
    pub(crate) fn new(schedule: Schedule, seed: u64, floor: &str) -> Self {
        let stream = Stream::named(seed, floor);
        let way = match schedule.clamped() {
            Schedule::Fifo => Way::Fifo,
            Schedule::Random => Way::Random,
            Schedule::Pct { depth, steps } => Way::Pct(Pct::new(depth, steps, &stream)),
        };
        Self { stream, way }
    }

    /// Which of so many goes next, by its place; `number` tells who stands at a place. `None` keeps the order.
    pub(crate) fn pick(&mut self, ready: usize, number: &dyn Fn(usize) -> u64) -> Option<usize> {
        match &mut self.way {
            Way::Fifo => None,
            // No choice is no step: nobody else could run.
            _ if ready < 2 => Some(0),
            Way::Random => Some(self.stream.below(ready as u64) as usize),
            Way::Pct(pct) => Some(pct.pick(ready, number, &self.stream)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_read_as_they_are_written() {
        for schedule in [Schedule::Fifo, Schedule::Random, Schedule::Pct { depth: 2, steps: 9 }] {
            assert_eq!(schedule.to_string().parse(), Ok(schedule));
        }
        for text in ["", "pct", "pct:2", "pct:0:1", "pct:66:1", "pct:2:0", "lifo", "pct:2:3:4"] {
            let error = text.parse::<Schedule>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn random_reaches_every_place_and_fifo_keeps_the_order() {
        let mut picker = Picker::new(Schedule::Random, 1, "test");
        let mut seen = [false; 5];
        (0..100).for_each(|_| seen[picker.pick(5, &|at| at as u64).unwrap()] = true);
        assert_eq!(seen, [true; 5]);
        assert_eq!(Picker::new(Schedule::Fifo, 1, "test").pick(5, &|at| at as u64), None);
    }
}
