//! The waiting room of a full mailbox: messages that wait in order until there is space.
//!
//! Tells, asks and inbound messages of the network wait side by side; the worker moves the first of them into the
//! mailbox whenever handled messages have left it. While somebody waits, nobody overtakes: the mailbox's waiting mark
//! sends every sender here. A tell keeps a claim on its message, so that it can leave again. Data comes from
//! `tell.rs`, `ask.rs` and `slots.rs`. Read `mailbox.rs` for the mark.

use std::{collections::VecDeque, task::Waker};

use odeon_message::{Failure, FailureKind};

use crate::{
    cell::{CellHead, CellPtr},
    envelope::Envelope,
    mailbox::Pushed,
};

struct Entry {
    ticket: u64,
    envelope: Envelope,
    /// A tell's; it takes its message back when the actor ends.
    waker: Option<Waker>,
}

#[derive(Default)]
pub(crate) struct Room {
    entries: VecDeque<Entry>,
    tickets: u64,
    closed: bool,
}

/// What became of a message that found the mailbox full.
pub(crate) enum Entered {
    /// There was space after all.
    Queued,
    /// It waits under this ticket.
    Waiting(u64),
    /// It may not wait: the actor is gone, or too many wait.
    Refused(Envelope, FailureKind),
}

/// How a waiting tell fares.
pub(crate) enum Place {
    Waiting,
    /// It is in the mailbox.
    Delivered,
    /// The actor is gone.
    Ended(Envelope),
}

impl Room {
    fn find(&self, ticket: u64) -> Option<usize> {
        self.entries.binary_search_by_key(&ticket, |entry| entry.ticket).ok()
    }
}

impl CellPtr {
    /// Puts a message in whose room is reserved.
    pub(crate) fn push(&self, envelope: Envelope) -> Result<(), Envelope> {
        match self.mailbox.push(envelope) {
            Pushed::Queued => Ok(()),
            Pushed::Woke => {
                self.schedule();
                Ok(())
            }
            Pushed::Closed(envelope) => Err(envelope),
        }
    }

    /// Puts a message in, or lets it wait. `waker` is a tell's.
    pub(crate) fn enter(&self, envelope: Envelope, waker: Option<&Waker>) -> Entered {
        if self.mailbox.reserve() {
            return self.queue(envelope);
        }
        let waiting_max = self.worker.system().config().waiting_max as usize;
        let entered = self.with_bonds(|bonds| {
            let room = &mut bonds.room;
            if room.closed {
                return Err(Entered::Refused(envelope, FailureKind::Stopped));
            }
            self.mailbox.mark_waiting();
            if room.entries.is_empty() && self.mailbox.reserve_waiting() {
                self.mailbox.clear_waiting();
                return Ok(envelope);
            }
            if room.entries.len() >= waiting_max {
                return Err(Entered::Refused(envelope, FailureKind::Full));
            }
            room.tickets += 1;
            let ticket = room.tickets;
            room.entries.push_back(Entry { ticket, envelope, waker: waker.cloned() });
            Err(Entered::Waiting(ticket))
        });
        match entered {
            Ok(envelope) => self.queue(envelope),
            Err(entered) => entered,
        }
    }

    fn queue(&self, envelope: Envelope) -> Entered {
        match self.push(envelope) {
            Ok(()) => Entered::Queued,
            Err(envelope) => Entered::Refused(envelope, FailureKind::Stopped),
        }
    }
}

impl CellHead {
    /// How a waiting tell fares; its waker is kept if it still waits.
    pub(crate) fn place(&self, ticket: u64, waker: &Waker) -> Place {
        self.with_bonds(|bonds| {
            let room = &mut bonds.room;
            let Some(at) = room.find(ticket) else { return Place::Delivered };
            if room.closed {
                return room
                    .entries
                    .remove(at)
                    .map_or(Place::Delivered, |e| Place::Ended(e.envelope));
            }
            room.entries[at].waker.get_or_insert_with(|| waker.clone()).clone_from(waker);
            Place::Waiting
        })
    }

    /// Takes a waiting message out again; `None` if it is in the mailbox by now.
    pub(crate) fn leave(&self, ticket: u64) -> Option<Envelope> {
        self.with_bonds(|bonds| {
            let room = &mut bonds.room;
            let entry = room.find(ticket).and_then(|at| room.entries.remove(at))?;
            if room.entries.is_empty() {
                self.mailbox.clear_waiting();
            }
            Some(entry.envelope)
        })
    }

    /// Moves waiting messages into the space that there is. Only the worker calls it, when the actor is awake.
    #[cold]
    pub(crate) fn serve_room(&self) {
        let wakers = self.with_bonds(|bonds| {
            let room = &mut bonds.room;
            let mut wakers = Vec::new();
            // Those who wait at a closed room take their messages back themselves.
            while !room.closed && !room.entries.is_empty() && self.mailbox.reserve_waiting() {
                let Some(Entry { envelope, waker, .. }) = room.entries.pop_front() else { break };
                wakers.extend(waker);
                let pushed = self.mailbox.push(envelope);
                debug_assert!(!matches!(pushed, Pushed::Woke), "the receiver is awake");
            }
            if room.entries.is_empty() {
                self.mailbox.clear_waiting();
            }
            wakers
        });
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Nobody waits here any more: tells are woken to take their messages back, the rest comes out.
    pub(crate) fn close_room(&self) -> Vec<Envelope> {
        let (refused, wakers) = self.with_bonds(|bonds| {
            let room = &mut bonds.room;
            room.closed = true;
            let (tells, rest) = std::mem::take(&mut room.entries)
                .into_iter()
                .partition::<VecDeque<_>, _>(|entry| entry.waker.is_some());
            room.entries = tells;
            let wakers = room.entries.iter().filter_map(|e| e.waker.clone()).collect::<Vec<_>>();
            (rest.into_iter().map(|entry| entry.envelope).collect(), wakers)
        });
        wakers.into_iter().for_each(Waker::wake);
        refused
    }

    /// Why a message was refused, for whoever sent it.
    pub(crate) fn refusal(&self, kind: FailureKind) -> Failure {
        let detail = match kind {
            FailureKind::Full => format!(
                "the mailbox of actor {} holds {} messages: send less, or allow more",
                self.number,
                self.mailbox.bound()
            ),
            _ => self
                .if_bonds(|bonds| bonds.ended.as_ref().map(ToString::to_string))
                .flatten()
                .unwrap_or_default(),
        };
        Failure::not_delivered(kind, detail)
    }
}
