//! Tells from another node that came together, as one envelope: a node that holds the memory they lie in.
//!
//! They count in the mailbox like as many messages that came alone, each with the node that it would have had, and are
//! handled one by one, without an envelope for each. Where a mailbox, a waiting room or an ending actor wants a part of
//! them, or one alone, it is [split off](Envelope::take_some). What it is NOT: a message that can be asked, given up or late; those
//! come alone (`inbound.rs`).

use std::{
    mem::ManuallyDrop,
    ptr::{self, NonNull},
};

use odeon_message::{Credit, Failure, Message, Taken, Train};

use super::{FromNetwork, InboundNode, Opening, unreadable};
use crate::{
    Handler,
    cell::CellHead,
    envelope::{Envelope, EnvelopeCalls, Head},
    life::Ride,
    load::{Bounds, Charge, units},
    nodes,
    turn::Turn,
};

/// What can be done with the node of a train, beside what can be done with any.
pub(crate) struct TrainCalls {
    /// Handles its messages, from the first on, until there are none, one waits, or something else comes first: `true` if
    /// the slot is idle then. At least one is handled; the node goes with its last.
    ///
    /// # Safety
    /// As [`EnvelopeCalls::start`], but the node is the first of the actor's batch, and stays there.
    run: unsafe fn(NonNull<Head>, NonNull<CellHead>, &mut Turn<'_>) -> bool,
    /// The table of one of its messages alone.
    alone: fn() -> &'static EnvelopeCalls,
}

#[repr(C)]
struct TrainNode {
    head: Head,
    archives: Train,
    credit: Credit,
}

/// What one message of a train takes up, as if it had come alone.
fn units_of(taken: &Taken) -> u32 {
    const { units(size_of::<InboundNode>()) }.saturating_add(units(taken.bytes()))
}

/// # Safety
/// The node is owned and is one of a train.
unsafe fn refuse(node: NonNull<Head>, _: &Failure) {
    // SAFETY: the caller says so. Nobody waits for an answer, and its credit goes back.
    drop(unsafe { nodes::take(node.cast::<TrainNode>()) });
}

impl<A: Handler<M>, M: Message> FromNetwork<A, M> {
    /// The calls of messages that came together and are opened by `W`.
    pub(super) const fn train_calls<W: Opening<A, M>>() -> EnvelopeCalls {
        EnvelopeCalls {
            start: Self::start_first::<W>,
            refuse,
            units: 0,
            payload: None,
            reads: A::READS,
            asked: None,
            caused: false,
            train: Some(
                const { &TrainCalls { run: Self::run::<W>, alone: Self::calls_alone::<W> } },
            ),
        }
    }

    fn calls_alone<W: Opening<A, M>>() -> &'static EnvelopeCalls {
        const { &Self::calls::<W>() }
    }

    /// Starts a train that has one message.
    unsafe fn start_first<W: Opening<A, M>>(
        node: NonNull<Head>,
        cell: NonNull<CellHead>,
        turn: &mut Turn<'_>,
    ) -> bool {
        // SAFETY: the caller owns the node, and this table is only put on nodes of this type.
        let mut train = unsafe { Envelope::from_raw(node) };
        debug_assert!(train.messages() == 1, "others are run in their batch");
        match train.take_one() {
            // SAFETY: the caller keeps the contract.
            Some(alone) => unsafe { alone.start(cell, turn) },
            None => true,
        }
    }

    unsafe fn run<W: Opening<A, M>>(
        node: NonNull<Head>,
        cell: NonNull<CellHead>,
        turn: &mut Turn<'_>,
    ) -> bool {
        let node = node.cast::<TrainNode>();
        // SAFETY: the caller says that it is the cell's turn.
        let ride = unsafe { Ride::<A>::new(cell) };
        loop {
            // SAFETY: the caller says that the node is in the batch, from where nobody takes it in this turn but this
            // function.
            let archives = unsafe { &raw mut (*node.as_ptr()).archives };
            // SAFETY: as above; whoever else looks at the batch meanwhile looks at heads alone.
            let archives = unsafe { &mut *archives };
            let Some(taken) = archives.take() else {
                drop(ride.end());
                return true;
            };
            ride.take(turn, units_of(&taken));
            let is_last = archives.is_empty();
            let opened = if is_last {
                let ended = ride.end().map(Envelope::into_raw);
                debug_assert!(ended == Some(node.cast()), "it was the first");
                // SAFETY: it has left the batch just now, and is one of a train.
                let TrainNode { archives, mut credit, .. } = unsafe { nodes::take(node) };
                W::open_of(&archives, &taken, &mut credit, turn)
            } else {
                // SAFETY: as for the archives.
                let credit = unsafe { &raw mut (*node.as_ptr()).credit };
                // SAFETY: as for the archives.
                let credit = unsafe { &mut *credit };
                W::open_of(archives, &taken, credit, turn)
            };
            match opened {
                Ok(opened) => {
                    // SAFETY: the caller keeps the contract of the turn; nobody waits for what the handler returns, which
                    // is what no target says.
                    if !unsafe { W::handle::<Self>(cell, ptr::null_mut(), opened, turn) } {
                        return false;
                    }
                }
                Err(error) => drop(unreadable::<M>(turn, &error)),
            }
            if is_last || !ride.goes_on(turn) {
                return true;
            }
        }
    }
}

/// A train that is the first of its actor's batch.
#[derive(Clone, Copy)]
pub(crate) struct FirstTrain {
    node: NonNull<Head>,
    calls: &'static TrainCalls,
}

impl FirstTrain {
    /// The train that a node is, if it is one.
    #[inline(always)]
    pub(crate) fn of(node: NonNull<Head>) -> Option<Self> {
        let calls = Envelope::calls(node).train?;
        Some(Self { node, calls })
    }

    /// Handles messages of it: `true` if the slot is idle then.
    ///
    /// # Safety
    /// It is the first of the batch of `cell`, whose turn it is and whose slot is idle.
    pub(crate) unsafe fn run(self, cell: NonNull<CellHead>, turn: &mut Turn<'_>) -> bool {
        // SAFETY: the caller says so.
        unsafe { (self.calls.run)(self.node, cell, turn) }
    }
}

impl Envelope {
    /// Messages from the network that came together.
    pub(super) fn train(calls: &'static EnvelopeCalls, archives: Train, credit: Credit) -> Self {
        debug_assert!(calls.train.is_some(), "it is the table of a train");
        let node = nodes::put(TrainNode { head: Head::new(calls), archives, credit }).cast();
        // SAFETY: it is the start of a node whose table is its own, and nobody else has it.
        unsafe { Self::from_raw(node) }
    }

    /// The parts of a train.
    fn parts(&self) -> Option<(&Train, &'static TrainCalls)> {
        let node = self.as_node();
        let calls = Self::calls(node).train?;
        // SAFETY: the table says that it is the node of a train, which `self` owns.
        let archives = unsafe { &(*node.cast::<TrainNode>().as_ptr()).archives };
        Some((archives, calls))
    }

    /// How many messages it is.
    #[inline]
    pub(crate) fn messages(&self) -> u32 {
        self.parts().map_or(1, |(archives, _)| archives.len())
    }

    #[inline]
    pub(crate) fn is_train(&self) -> bool {
        Self::calls(self.as_node()).train.is_some()
    }

    /// What all messages of a train take up, if none of them is larger than the bounds.
    pub(crate) fn whole_charge(&self) -> Charge {
        let Some((archives, _)) = self.parts() else { return Charge::default() };
        let each = units(size_of::<InboundNode>());
        let all = units(archives.padded_bytes()).saturating_add(archives.len() * each);
        Charge::of(archives.len(), all)
    }

    /// What each message of a train takes up, in order.
    pub(crate) fn charges(&self, bounds: Bounds) -> impl Iterator<Item = Charge> + '_ {
        let archives = self.parts().map(|(archives, _)| archives.iter());
        archives.into_iter().flatten().map(move |taken| bounds.charge(units_of(&taken)))
    }

    /// Takes the first `count` messages of a train, as a train of their own.
    pub(crate) fn take_some(&mut self, count: u32) -> Option<Self> {
        let node = self.as_node();
        let calls = Self::calls(node);
        calls.train?;
        // SAFETY: the table says that it is the node of a train, which `self` owns.
        let TrainNode { archives, credit, .. } = unsafe { node.cast::<TrainNode>().as_mut() };
        let some = archives.take_some(count);
        let credit = credit.part(some.len().into(), some.whole_bytes() as u64);
        Some(Self::train(calls, some, credit))
    }

    /// Takes the first message of a train, as one that came alone; `None` if there is none any more.
    pub(crate) fn take_one(&mut self) -> Option<Self> {
        let node = self.as_node();
        let alone = Self::calls(node).train?.alone;
        // SAFETY: the table says that it is the node of a train, which `self` owns.
        let TrainNode { archives, credit, .. } = unsafe { node.cast::<TrainNode>().as_mut() };
        let taken = archives.take()?;
        let payload = archives.payload_of(&taken);
        let credit = credit.part(1, taken.whole_bytes as u64);
        let head = Head::new(alone());
        let one = InboundNode { head, payload, deadline: None, reply: None, trace: None, credit };
        // SAFETY: it is the start of a node whose table is its own, and nobody else has it.
        Some(unsafe { Self::from_raw(nodes::put(one).cast()) })
    }
}

/// Takes the first message of a train that is the first of a batch, as one alone: and whether the train has others.
///
/// # Safety
/// The node is that of a train, and whoever calls this owns it.
pub(crate) unsafe fn split_first(node: NonNull<Head>) -> (Option<Envelope>, bool) {
    // SAFETY: the caller says so; it is not dropped, for it stays where it is.
    let mut train = ManuallyDrop::new(unsafe { Envelope::from_raw(node) });
    (train.take_one(), train.messages() > 0)
}
