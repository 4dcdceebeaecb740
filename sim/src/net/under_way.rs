//! What is under way in a network, by when it arrives.
//!
//! The heap holds places and not what is there, so that ordering it moves a few words an entry. Equal times are told apart
//! by the tie, then by which was sent first. Read `fabric.rs` for what arrives.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    time::Duration,
};

use super::fabric::Freight;

/// All that is under way.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    /// Due, tie, number in order of sending, place.
    order: BinaryHeap<Reverse<(Duration, u64, u64, u32)>>,
    places: Vec<Option<Freight>>,
    free: Vec<u32>,
    sent: u64,
}

impl UnderWay {
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// When the next arrives.
    pub(super) fn first_due(&self) -> Option<Duration> {
        self.order.peek().map(|Reverse((due, ..))| *due)
    }

    pub(super) fn push(&mut self, (due, tie): (Duration, u64), freight: Freight) {
        self.sent += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() as u32 - 1
        });
        self.places[place as usize] = Some(freight);
        self.order.push(Reverse((due, tie, self.sent, place)));
    }

    /// Takes the next out, whenever it is due.
    pub(super) fn pop(&mut self) -> Option<Freight> {
        let Reverse((.., place)) = self.order.pop()?;
        self.free.push(place);
        self.places[place as usize].take()
    }

    /// Forgets what is not to be kept.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Freight) -> bool) {
        let gone = self.places.iter_mut().enumerate().filter_map(|(at, freight)| {
            let goes = freight.as_ref().is_some_and(|freight| !keep(freight));
            goes.then(|| freight.take()).map(|_| at as u32)
        });
        let gone: BTreeSet<u32> = gone.collect();
        self.order.retain(|Reverse((.., place))| !gone.contains(place));
        self.free.extend(gone);
    }
}
