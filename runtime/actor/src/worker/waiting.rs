//! Which part of an actor's turn this thread is in, for sends that wait in it: see `edges.rs`.
//!
//! A handler keeps its actor until it is done, and so what it waits for holds up every message behind it. A read holds
//! up only what is no read, and a piped future or stream holds up nothing. What it is NOT: the turn itself.

use super::{
    Worker,
    present::{is_own_turn, polling, running},
};
use crate::{
    cell::{CellHead, CellPtr},
    edges::By,
};

/// What is being polled in the turn that goes on.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Part {
    /// The actor's handler, or its start or end.
    #[default]
    Handler,
    /// A read, by the address of the ask that it answers.
    Read(usize),
    /// A timer, a piped future or a stream.
    Source,
}

/// Until it is dropped, something else than the handler is polled.
pub(crate) struct Parted<'a>(Option<&'a Worker>);

impl Drop for Parted<'_> {
    fn drop(&mut self) {
        if let Some(bound) = self.0.and_then(Worker::own) {
            bound.part.set(Part::Handler);
        }
    }
}

/// Says what is polled from now on in the turn of this thread.
pub(crate) fn begin_part<'a>(part: Part) -> Parted<'a> {
    let worker = polling();
    if let Some(bound) = worker.and_then(Worker::own) {
        bound.part.set(part);
    }
    Parted(worker)
}

/// Whether an ask that this thread makes right now waits for whoever makes it.
pub(crate) fn waits_for_itself(cell: *const CellHead, reads: bool) -> bool {
    is_own_turn(cell)
        && polling().and_then(Worker::own).is_some_and(|bound| match bound.part.get() {
            Part::Handler => true,
            Part::Read(_) => !reads,
            Part::Source => false,
        })
}

/// Whether a send that is polled right now keeps an actor.
pub(crate) fn keeps_actor() -> bool {
    let part = polling().and_then(Worker::own).filter(|bound| !bound.running.get().is_null());
    part.is_some_and(|bound| bound.part.get() != Part::Source)
}

/// Whether the worker that this thread is polling has woken those without a timer just as often.
pub(crate) fn has_not_swept(swept: u32) -> bool {
    polling().and_then(Worker::own).is_some_and(|bound| bound.sweeps.get() == swept)
}

/// The actor that a send keeps waiting that is polled right now, and what of it; `None` if it keeps none, or began to
/// wait after this many sweeps, in the present poll of the worker.
pub(crate) fn who_waits(swept: u32) -> Option<(CellPtr, By)> {
    let bound = polling().and_then(Worker::own).filter(|bound| bound.sweeps.get() != swept)?;
    let by = match bound.part.get() {
        Part::Handler => By::Handler,
        Part::Read(ask) => By::Read(ask),
        Part::Source => return None,
    };
    Some((running(bound)?, by))
}
