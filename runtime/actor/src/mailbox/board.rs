//! The way of a train into a mailbox: as many of its messages as there is room for, and the rest stays outside.
//!
//! What it is NOT: the place where the rest waits, or the decision what becomes of it; read `room/trains.rs`.

use super::{Mailbox, Pushed};
use crate::{envelope::Envelope, load::Spare};

/// What became of a train at the door.
pub(crate) struct Boarded {
    /// Messages are in, and whoever put them in must schedule the receiver.
    pub(crate) woke: bool,
    /// Those that had room in a mailbox that is closed.
    pub(crate) closed: Option<Envelope>,
    /// Those behind them, for which there is no room.
    pub(crate) rest: Option<Envelope>,
}

impl Mailbox {
    /// Puts as many messages of a train in as there is room for, in a mailbox without lanes; `first` is for the first of
    /// those who wait, as with [`offer_first`](Self::offer_first).
    pub(crate) fn board(&self, mut train: Envelope, first: bool) -> Boarded {
        let bounds = self.load.bounds();
        let each = || train.charges(bounds);
        let fit = self.load.reserve_some(train.whole_charge(), each, first);
        let (some, rest) = match fit {
            0 => (None, Some(train)),
            fit if fit == train.messages() => (Some(train), None),
            fit => (train.take_some(fit), Some(train)),
        };
        match some.map(|some| self.push(some)) {
            None | Some(Pushed::Queued) => Boarded { woke: false, closed: None, rest },
            Some(Pushed::Woke) => Boarded { woke: true, closed: None, rest },
            Some(Pushed::Closed(some)) => Boarded { woke: false, closed: Some(some), rest },
        }
    }

    /// Counts what the receiver's own thread has handed over, before it sends more: `false` if there is no room for it.
    pub(crate) fn count_handed_over(&self, spare: &Spare) -> bool {
        self.load.reserve_owed(spare)
    }
}
