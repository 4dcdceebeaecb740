//! A scenario: nodes, a workload, faults, checks, and how long all that takes.
//!
//! What it is: the trait that somebody implements who wants to simulate actors of their own; the
//! [guide](crate::guide) shows one. What it is NOT: the run. The seed is expanded to a [`Script`](crate::Script)
//! before the run begins, and `scenario/driver.rs` plays it: set-up, a safety phase with faults and workload, then
//! everything is healed, and a liveness phase must come to its end in time; then the checks have the word.

mod cast;
mod check;
mod driver;
mod outline;

use std::{fmt::Debug, future::Future, time::Duration};

use odeon_interpose::Stream;
use serde::{Serialize, de::DeserializeOwned};

pub use check::Check;
pub use outline::{Outline, Site};

pub(crate) use cast::Cast;
pub(crate) use driver::drive;

use crate::world::World;

/// One scenario. A value of it lives for one run.
///
/// The functions without a world are pure: from the same seed they make the same data, in any program.
pub trait Scenario: 'static {
    /// What the command line calls it: lower case, without spaces.
    const NAME: &'static str;

    /// What it tries, in one line.
    const ABOUT: &'static str;

    /// One step of the workload, as data: it is written to files and read again.
    type Step: Serialize + DeserializeOwned + Debug;

    /// Its nodes, how long its phases are, and its faults.
    fn outline(&self) -> Outline;

    /// The workload of a seed: what is to be done, and when, from the beginning of the safety phase on. `draw` is a
    /// stream of this seed.
    fn workload(&self, draw: &Stream) -> Vec<(Duration, Self::Step)>;

    /// Starts the nodes, before the first fault.
    ///
    /// # Errors
    /// Where the scenario cannot begin; the seed fails.
    fn set_up(&mut self, world: &mut World) -> impl Future<Output = Result<(), String>>;

    /// Begins one step. The future runs beside the other steps and the faults, outside every node; a step that has
    /// not ended when the liveness phase has, fails the seed. What it finds out belongs into a history that the
    /// scenario shares with its checks.
    fn step(&mut self, world: &mut World, step: Self::Step) -> impl Future<Output = ()> + 'static;

    /// What must come true once everything is healed, within the time for it.
    ///
    /// # Errors
    /// Where it does not; the seed fails.
    fn recover(&mut self, world: &mut World) -> impl Future<Output = Result<(), String>>;

    /// What is checked, and when. Default: nothing beside what the phases check.
    ///
    /// Checkers of whole histories need none of these: [`set_up`](Self::set_up) hands them to the world by
    /// [`World::check_at_end`], and steps write [`World::history`].
    fn checks(&self) -> Vec<Check> {
        Vec::new()
    }
}
