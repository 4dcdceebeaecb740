//! Why there is no order: a counterexample that people can read.
//!
//! It shows the longest order that fits, the state it leads to, and the operations that had to happen by then and find
//! no place in it. Linearizability is closed under prefixes, so what came later cannot matter. What it is NOT: the
//! smallest counterexample.

use super::{Model, Part, search::Stuck};
use crate::{checker::Violation, operation::Operation};

/// Placed operations that are shown, from the last one back.
const PLACED_SHOWN_MAX: usize = 10;

/// Operations without a place that are shown.
const UNPLACED_SHOWN_MAX: usize = 16;

/// The violation that a search found.
pub(super) fn violation<M: Model>(
    model: &M,
    part: &Part,
    operations: &[Operation<'_>],
    stuck: &Stuck,
) -> Violation {
    let blocked = &operations[stuck.blocked];
    let what = format!(
        "{part}: no order of the operations explains that {} was answered {}",
        blocked.call,
        blocked.answer().map(ToString::to_string).unwrap_or_default(),
    );
    let mut violation = Violation::new(what);
    let skipped = stuck.order.len().saturating_sub(PLACED_SHOWN_MAX);
    let heading = match skipped {
        0 => format!("in order, {} operations fit:", stuck.order.len()),
        skipped => format!("in order, {} operations fit, {skipped} and then:", stuck.order.len()),
    };
    violation = violation.line(heading);
    let mut state = model.begin(part, operations);
    for (at, operation) in stuck.order.iter().map(|at| &operations[*at]).enumerate() {
        // The search has made each of these steps.
        let Some(next) = model.step(&state, operation.call, operation.answer()) else { break };
        state = next;
        if at >= skipped {
            violation = violation.line(format!("{operation}   [{}]", model.describe(&state)));
        }
    }
    let unplaced = unplaced(operations, stuck);
    violation =
        violation.line(format!("then it holds {}, and these fit nowhere:", model.describe(&state)));
    for operation in unplaced.iter().take(UNPLACED_SHOWN_MAX) {
        violation = violation.line(operation.to_string());
    }
    if unplaced.len() > UNPLACED_SHOWN_MAX {
        violation = violation.line(format!("… and {} more", unplaced.len() - UNPLACED_SHOWN_MAX));
    }
    violation
}

/// What was called before the blocked operation was answered and has no place, that one first.
fn unplaced<'a, 'h>(operations: &'a [Operation<'h>], stuck: &Stuck) -> Vec<&'a Operation<'h>> {
    let mut is_placed = vec![false; operations.len()];
    stuck.order.iter().for_each(|at| is_placed[*at] = true);
    let Some(end) = operations[stuck.blocked].ended else { return Vec::new() };
    let others = operations.iter().enumerate().filter(|(at, operation)| {
        !is_placed[*at] && *at != stuck.blocked && operation.invoked.seq < end.seq
    });
    let others = others.map(|(_, operation)| operation);
    std::iter::once(&operations[stuck.blocked]).chain(others).collect()
}
