//! Who judges what senders and receivers wrote of their letters, and whether there is enough to be judged.

use std::time::Duration;

use odeon_check::{Honesty, OneAnswer, PairFifo, What};
use odeon_sim::World;

/// The longest that an ask may take of those that are judged.
pub(crate) const DEADLINE: Duration = Duration::from_secs(1);

pub(crate) fn judges(world: &mut World) {
    world.check_at_end(PairFifo);
    world.check_at_end(OneAnswer::within(2 * DEADLINE));
    world.check_at_end(Honesty);
}

/// Refusals of each certainty, answers and letters that were taken, so that nobody judges empty pages.
pub(crate) fn tally(world: &World) -> [usize; 5] {
    let history = world.history().history();
    let mut tally = [0; 5];
    for event in history.events() {
        match &event.what {
            What::Refused { certainty, .. } => tally[*certainty as usize] += 1,
            What::Answered { .. } => tally[3] += 1,
            What::Taken { .. } => tally[4] += 1,
            _ => {}
        }
    }
    tally
}
