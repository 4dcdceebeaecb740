//! The waiting room of a full mailbox: messages that wait in order until there is space.
//!
//! Tells, asks and inbound messages of the network wait side by side; the worker moves the first of them into the
//! mailbox whenever handled messages have left it. While somebody waits, nobody overtakes: the mailbox's waiting mark
//! sends every sender here. A mailbox with priorities has a line for each. A tell keeps a claim on its message, so that
//! it can leave again. Mailboxes that do not let wait, and those with lanes, are told apart here too. Data comes from
//! `tell.rs`, `ask.rs` and `system/network.rs`. Read `mailbox.rs` for the mark.

mod trains;

use std::{collections::VecDeque, mem, task::Waker};

use odeon_message::{Failure, FailureKind};

use crate::{
    Overflow,
    bonds::Bonds,
    cell::{CellHead, CellPtr},
    envelope::Envelope,
    lanes::Lanes,
    mailbox::{Boarded, Offered, Pushed},
    stats::count,
};

/// Where the priority stands in a ticket; below is the number.
const PRIORITY_AT: u32 = 56;

struct Entry {
    ticket: u64,
    envelope: Envelope,
    /// A tell's; it takes its message back when the actor ends.
    waker: Option<Waker>,
}

impl Entry {
    fn messages(&self) -> usize {
        self.envelope.messages() as usize
    }
}

#[derive(Default)]
pub(crate) struct Room {
    /// By priority; made as far as they are used.
    lines: Vec<VecDeque<Entry>>,
    /// Messages, of which an entry may be many.
    waiting: usize,
    tickets: u64,
    closed: bool,
}

/// How long a sender is ready to wait.
#[derive(Clone, Copy)]
pub(crate) enum Patience<'a> {
    /// Not at all.
    None,
    /// Until somebody withdraws the message: asks, and messages from other nodes.
    Quiet,
    /// Until it withdraws the message itself: a tell, which is woken.
    Woken(&'a Waker),
}

/// What became of a message that was not put in the common way.
pub(crate) enum Entered {
    /// There was space after all, or the mailbox drops what it has no space for.
    Queued,
    /// It waits under this ticket.
    Waiting(u64),
    /// It may not wait: the actor is gone, or too many wait, or nobody may.
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
    /// The line of a ticket, and the place in it.
    fn find(&self, ticket: u64) -> Option<(usize, usize)> {
        let line = usize::try_from(ticket >> PRIORITY_AT).ok()?;
        let entries = self.lines.get(line)?;
        let at = entries.binary_search_by_key(&ticket, |entry| entry.ticket).ok()?;
        Some((line, at))
    }

    /// Whether a message waits under this ticket, and somebody may let it in.
    pub(crate) fn holds(&self, ticket: u64) -> bool {
        !self.closed && self.find(ticket).is_some()
    }

    /// Whether the first that fits is a read.
    pub(crate) fn find_read(&self, fits: &impl Fn(&Envelope) -> bool) -> Option<bool> {
        let mut all = self.lines.iter().flatten().map(|entry| &entry.envelope);
        all.find(|envelope| fits(envelope)).map(Envelope::reads)
    }

    fn remove(&mut self, ticket: u64) -> Option<Entry> {
        let (line, at) = self.find(ticket)?;
        let entry = self.lines.get_mut(line)?.remove(at)?;
        self.waiting -= entry.messages();
        Some(entry)
    }

    fn push(&mut self, envelope: Envelope, priority: u8, waker: Option<Waker>) -> u64 {
        self.tickets += 1;
        let ticket = u64::from(priority) << PRIORITY_AT | self.tickets;
        let line = usize::from(priority);
        if self.lines.len() <= line {
            self.lines.resize_with(line + 1, VecDeque::new);
        }
        let entry = Entry { ticket, envelope, waker };
        self.waiting += entry.messages();
        self.lines[line].push_back(entry);
        ticket
    }

    /// Whether nobody waits who is as urgent.
    fn is_first(&self, priority: u8) -> bool {
        self.lines.iter().skip(usize::from(priority)).all(VecDeque::is_empty)
    }

    /// Takes the first of the most urgent line.
    fn pop(&mut self) -> Option<(u8, Entry)> {
        let line = self.lines.iter().rposition(|line| !line.is_empty())?;
        let entry = self.lines[line].pop_front()?;
        self.waiting -= entry.messages();
        Some((u8::try_from(line).ok()?, entry))
    }

    /// Undoes a [`pop`](Self::pop).
    fn put_back(&mut self, priority: u8, entry: Entry) {
        self.waiting += entry.messages();
        self.lines[usize::from(priority)].push_front(entry);
    }
}

impl CellPtr {
    /// Puts a message in whose room is reserved.
    fn push(&self, envelope: Envelope) -> Result<(), Envelope> {
        match self.mailbox.push(envelope) {
            Pushed::Queued => Ok(()),
            Pushed::Woke => {
                self.schedule();
                Ok(())
            }
            Pushed::Closed(envelope) => Err(envelope),
        }
    }

    /// Puts a message in, or lets it wait, or does what the mailbox does when it is full. Without lanes `priority`
    /// changes nothing.
    pub(crate) fn enter(
        &self,
        envelope: Envelope,
        priority: u8,
        patience: Patience<'_>,
    ) -> Entered {
        if self.reserve(envelope.units()) {
            return match self.push(envelope) {
                Ok(()) => Entered::Queued,
                Err(envelope) => Entered::Refused(envelope, FailureKind::Stopped),
            };
        }
        let offered = match (self.mailbox.lanes(), self.overflow) {
            (Some(lanes), Overflow::DropOldest) => self.press(lanes, envelope, priority),
            (Some(lanes), _) => lanes.offer(envelope, priority, false),
            (None, _) => Offered::Full(envelope),
        };
        match (self.settle(offered), self.overflow) {
            (Ok(entered), _) => entered,
            (Err(envelope), _) if self.mailbox.is_closed() => {
                Entered::Refused(envelope, FailureKind::Stopped)
            }
            (Err(envelope), Overflow::Wait) => self.wait(envelope, priority, patience),
            (Err(envelope), Overflow::Reject) => Entered::Refused(envelope, FailureKind::Full),
            (Err(envelope), Overflow::DropOldest | Overflow::DropNewest) => {
                self.lose(envelope);
                Entered::Queued
            }
        }
    }

    /// Puts a message in, in the place of others.
    fn press(&self, lanes: &Lanes, envelope: Envelope, priority: u8) -> Offered {
        let (offered, gone) = lanes.press(envelope, priority);
        gone.into_iter().for_each(|envelope| self.lose(envelope));
        offered
    }

    /// Schedules the receiver if need be; what was full comes back.
    fn settle(&self, offered: Offered) -> Result<Entered, Envelope> {
        match offered {
            Offered::Queued => Ok(Entered::Queued),
            Offered::Woke => {
                self.schedule();
                Ok(Entered::Queued)
            }
            Offered::Closed(envelope) => Ok(Entered::Refused(envelope, FailureKind::Stopped)),
            Offered::Full(envelope) => Err(envelope),
        }
    }

    /// The mailbox drops a message.
    fn lose(&self, envelope: Envelope) {
        count(&self.worker.system().counters().dropped);
        self.tally(|counts| &counts.dropped);
        envelope.refuse(&self.refusal(FailureKind::Full));
    }

    fn wait(&self, envelope: Envelope, priority: u8, patience: Patience<'_>) -> Entered {
        let waker = match patience {
            Patience::None => return Entered::Refused(envelope, FailureKind::Full),
            Patience::Quiet => None,
            Patience::Woken(waker) => Some(waker.clone()),
        };
        let priority = self.mailbox.lanes().map_or(0, |lanes| lanes.rank(priority));
        let waiting_max = self.worker.system().config().waiting_max as usize;
        let offered = self.with_bonds(|bonds| {
            let room = &mut bonds.room;
            if room.closed {
                return Err(Entered::Refused(envelope, FailureKind::Stopped));
            }
            self.mailbox.mark_waiting();
            let offered = match room.is_first(priority) {
                true => self.mailbox.offer_first(envelope, priority),
                false => Offered::Full(envelope),
            };
            let entered = match offered {
                Offered::Full(envelope) if room.waiting < waiting_max => {
                    Err(Entered::Waiting(room.push(envelope, priority, waker)))
                }
                Offered::Full(envelope) => Err(Entered::Refused(envelope, FailureKind::Full)),
                offered => Ok(offered),
            };
            if room.waiting == 0 {
                self.mailbox.clear_waiting();
            }
            entered
        });
        match offered.map(|offered| self.settle(offered)) {
            Ok(Ok(entered)) | Err(entered) => entered,
            Ok(Err(envelope)) => Entered::Refused(envelope, FailureKind::Full),
        }
    }

    /// Takes a waiting message out again; `None` if it is in the mailbox by now. Those behind it may fit where it did
    /// not.
    pub(crate) fn leave(&self, ticket: u64) -> Option<Envelope> {
        let mut woke = false;
        let mut wakers = Vec::new();
        let left = self.with_bonds(|bonds| {
            let entry = bonds.room.remove(ticket)?;
            woke = self.serve(bonds, &mut wakers);
            Some(entry)
        });
        if woke {
            self.schedule();
        }
        wakers.into_iter().for_each(Waker::wake);
        // Its waker is dropped here, outside the lock: that is foreign code, which may come back.
        left.map(|entry| entry.envelope)
    }
}

impl CellHead {
    /// Whether a full mailbox has nothing to offer to whoever does not wait.
    pub(crate) fn is_plain(&self) -> bool {
        let drops = matches!(self.overflow, Overflow::DropOldest | Overflow::DropNewest);
        self.mailbox.lanes().is_none() && !drops
    }

    /// How a waiting tell fares; its waker is kept if it still waits.
    pub(crate) fn place(&self, ticket: u64, waker: &Waker) -> Place {
        // Cloned and dropped outside the lock: both are foreign code, which may come back.
        let mut other = Some(waker.clone());
        self.with_bonds(|bonds| {
            let room = &mut bonds.room;
            let Some((line, at)) = room.find(ticket) else { return Place::Delivered };
            if room.closed {
                return room.remove(ticket).map_or(Place::Delivered, |e| Place::Ended(e.envelope));
            }
            let kept = &mut room.lines[line][at].waker;
            if !kept.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
                mem::swap(kept, &mut other);
            }
            Place::Waiting
        })
    }

    /// Moves waiting messages into the space that there is. Only the worker calls it, in the actor's turn.
    #[cold]
    pub(crate) fn serve_room(&self) {
        let mut wakers = Vec::new();
        // Whoever is in its turn sees what comes in.
        let _ = self.with_bonds(|bonds| self.serve(bonds, &mut wakers));
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Moves waiting messages into the space that there is; `true` if the receiver must be scheduled.
    fn serve(&self, bonds: &mut Bonds, wakers: &mut Vec<Waker>) -> bool {
        let room = &mut bonds.room;
        let mut woke = false;
        // Those who wait at a closed room take their messages back themselves.
        while !room.closed {
            let Some((priority, Entry { ticket, envelope, waker })) = room.pop() else { break };
            if envelope.is_train() {
                let Boarded { woke: roused, closed, rest } = self.mailbox.board(envelope, true);
                woke |= roused;
                let left = [rest, closed].into_iter().flatten();
                let back = left.map(|envelope| Entry { ticket, envelope, waker: None });
                if back.map(|entry| room.put_back(priority, entry)).count() > 0 {
                    break;
                }
                continue;
            }
            match self.mailbox.offer_first(envelope, priority) {
                // Of a closed mailbox the worker closes the room next.
                Offered::Full(envelope) | Offered::Closed(envelope) => {
                    room.put_back(priority, Entry { ticket, envelope, waker });
                    break;
                }
                offered => {
                    woke |= matches!(offered, Offered::Woke);
                    wakers.extend(waker);
                }
            }
        }
        if room.waiting == 0 {
            self.mailbox.clear_waiting();
        }
        woke
    }

    /// Nobody waits here any more: tells are woken to take their messages back, the rest comes out.
    pub(crate) fn close_room(&self) -> Vec<Envelope> {
        let (refused, wakers) = self.with_bonds(|bonds| {
            let room = &mut bonds.room;
            room.closed = true;
            let (mut refused, mut wakers) = (Vec::new(), Vec::new());
            for line in room.lines.iter_mut().rev() {
                let (tells, rest) = mem::take(line)
                    .into_iter()
                    .partition::<VecDeque<_>, _>(|entry| entry.waker.is_some());
                *line = tells;
                // They stay tells; nobody wakes them twice.
                let nobody = || Waker::noop().clone();
                let woken = line.iter_mut().filter_map(|entry| entry.waker.as_mut());
                wakers.extend(woken.map(|waker| mem::replace(waker, nobody())));
                refused.extend(rest.into_iter().map(|entry| entry.envelope));
            }
            room.waiting -=
                refused.iter().map(|envelope| envelope.messages() as usize).sum::<usize>();
            (refused, wakers)
        });
        wakers.into_iter().for_each(Waker::wake);
        refused
    }

    /// Why a message was refused, for whoever sent it.
    pub(crate) fn refusal(&self, kind: FailureKind) -> Failure {
        let detail = match kind {
            FailureKind::Full => {
                let bounds = self.mailbox.bounds();
                format!(
                    "the mailbox of actor #{} takes at most {} messages and {} bytes: send less, or allow \
                     more with SpawnOptions::mailbox and mailbox_bytes; see runbook: mailbox-growing",
                    self.number,
                    bounds.messages_max(),
                    bounds.bytes_max()
                )
            }
            _ => self
                .if_bonds(|bonds| bonds.ended.clone())
                .flatten()
                .map(|reason| format!("actor #{} has ended: {reason}", self.number))
                .unwrap_or_default(),
        };
        Failure::not_delivered(kind, detail)
    }
}
