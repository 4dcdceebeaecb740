//! Asks of other nodes that a probe asks for: looked for between two turns, when all actors of the worker stand still.
//!
//! What it is NOT: a search of its own accord; `system/network.rs` brings what the runtime's hall was asked, which bounds
//! how many wait here. What an actor waits for is followed in `edges/far.rs`.
#![expect(unsafe_code, reason = "the worker looks into what only it may touch")]

use std::{collections::VecDeque, mem, sync::PoisonError};

use super::{Order, Worker};
use crate::{
    Along, AskThere, Found,
    cell::CellPtr,
    edges::{way_along, ways_from},
};

/// Asks looked for in one poll: each may lead over a thousand waits.
const SOUGHT_MAX: usize = 16;

/// One ask that is looked for.
pub(crate) struct Seek {
    pub(crate) cell: CellPtr,
    pub(crate) ask: AskThere,
    pub(crate) along: Along,
    pub(crate) found: Found,
}

impl Worker {
    /// Looks for an ask in one of the next polls; a worker that leaves drops the question.
    pub(crate) fn seek(&self, seek: Seek) {
        self.sought.lock().unwrap_or_else(PoisonError::into_inner).push_back(seek);
        self.order(Order::SEEK);
    }

    /// Called between two turns.
    pub(super) fn answer_seeks(&self) {
        self.orders.fetch_and(!Order::SEEK, std::sync::atomic::Ordering::AcqRel);
        let (now, more) = {
            let mut sought = self.sought.lock().unwrap_or_else(PoisonError::into_inner);
            let now = sought.len().min(SOUGHT_MAX);
            (sought.drain(..now).collect::<Vec<_>>(), !sought.is_empty())
        };
        if more {
            self.order(Order::SEEK);
        }
        for Seek { cell, ask, along, found } in now {
            // SAFETY: it is the worker of the cell, in its poll and between two turns.
            let ways = match (unsafe { cell.seek(&ask) }, along) {
                (None, _) => Vec::new(),
                (Some(came), Along::Any { until, ways_max }) => {
                    ways_from(&cell, came, until, ways_max)
                }
                (Some(came), Along::These(numbers)) => {
                    way_along(&cell, came, &numbers).into_iter().collect()
                }
            };
            found(ways);
        }
    }

    pub(super) fn close_seeks(&self) {
        let mut sought = self.sought.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped: VecDeque<Seek> = mem::take(&mut *sought);
        drop(sought);
        // Outside the lock: it may be the last reference to an actor.
        drop(dropped);
    }
}
