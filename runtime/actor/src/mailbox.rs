//! The mailbox: a bounded, intrusive queue of many senders and one receiver.
//!
//! Senders push on a Treiber stack (R. K. Treiber, "Systems programming: coping with parallelism", 1986) whose top
//! also says whether the receiver is asleep or gone; the receiver takes the whole stack with one swap and reverses
//! it, so that each sender's messages keep their order. Room is counted beside it: a sender first
//! [reserves](Mailbox::reserve), then pushes. What it is NOT: the waiting room of senders that found it full; read
//! `room.rs` next.
#![expect(unsafe_code, reason = "the queue is linked through the messages themselves")]

use std::{
    cell::Cell,
    ptr::{self, NonNull},
    sync::atomic::{
        AtomicPtr, AtomicUsize,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
};

use crate::envelope::{Envelope, Head};

/// The top of an empty stack whose receiver must be scheduled by the next push. No node has this address.
const ASLEEP: usize = 1;
/// The top of a stack that takes nothing any more.
const CLOSED: usize = 2;
/// In the count: senders wait, so nobody reserves without asking `room.rs`.
const WAITING: usize = 1 << (usize::BITS - 1);
/// The receiver gives room back in portions of at most this many messages.
const PORTION_MAX: u32 = 32;

fn mark(value: usize) -> *mut Head {
    ptr::without_provenance_mut(value)
}

/// What became of a push.
pub(crate) enum Pushed {
    /// It is in; the receiver is awake or already scheduled.
    Queued,
    /// It is in, and the pusher must schedule the receiver.
    Woke,
    /// The mailbox is closed; the envelope comes back and its reservation is gone.
    Closed(Envelope),
}

pub(crate) struct Mailbox {
    top: AtomicPtr<Head>,
    count: AtomicUsize,
    bound: u32,
    portion: u32,
}

impl Mailbox {
    /// An empty mailbox whose receiver is awake; a bound of 0 is taken as 1.
    pub(crate) fn new(bound: u32) -> Self {
        let bound = bound.max(1);
        Self {
            top: AtomicPtr::new(ptr::null_mut()),
            count: AtomicUsize::new(0),
            bound,
            portion: (bound / 4).clamp(1, PORTION_MAX),
        }
    }

    /// After how many handled messages the receiver should [`release`](Self::release) their room.
    pub(crate) fn portion(&self) -> u32 {
        self.portion
    }

    pub(crate) fn bound(&self) -> u32 {
        self.bound
    }

    /// Whether a message that came now would have to wait. Only a hint: others come and go.
    pub(crate) fn is_full(&self) -> bool {
        // The waiting mark makes the count larger than any bound.
        self.count.load(Relaxed) >= self.bound as usize
    }

    /// How much the receiver has to do: messages in the mailbox, and one more unless it sleeps. Only a hint.
    pub(crate) fn load(&self) -> usize {
        let queued = self.count.load(Relaxed) & !WAITING;
        queued + usize::from(self.top.load(Relaxed).addr() != ASLEEP)
    }

    /// Reserves room for one message; `false` if there is none or others wait for it.
    pub(crate) fn reserve(&self) -> bool {
        let mut count = self.count.load(Relaxed);
        // The waiting mark makes the count larger than any bound.
        while count < self.bound as usize {
            match self.count.compare_exchange_weak(count, count + 1, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(now) => count = now,
            }
        }
        false
    }

    /// Reserves room past the waiting mark, for whoever holds the lock of the waiting room.
    pub(crate) fn reserve_waiting(&self) -> bool {
        let free = self.count.load(Relaxed) & !WAITING < self.bound as usize;
        if free {
            self.count.fetch_add(1, Relaxed);
        }
        free
    }

    /// Gives back the room of `taken` messages; `true` if senders wait for it.
    pub(crate) fn release(&self, taken: u32) -> bool {
        self.count.fetch_sub(taken as usize, AcqRel) & WAITING != 0
    }

    /// From now on nobody reserves without asking the waiting room.
    pub(crate) fn mark_waiting(&self) {
        self.count.fetch_or(WAITING, AcqRel);
    }

    pub(crate) fn clear_waiting(&self) {
        self.count.fetch_and(!WAITING, AcqRel);
    }

    /// Puts an envelope in, for which room was reserved.
    pub(crate) fn push(&self, envelope: Envelope) -> Pushed {
        let node = envelope.into_raw();
        let mut top = self.top.load(Relaxed);
        loop {
            if top.addr() == CLOSED {
                self.count.fetch_sub(1, Relaxed);
                // SAFETY: it was taken out of an envelope above and never published.
                return Pushed::Closed(unsafe { Envelope::from_raw(node) });
            }
            let asleep = top.addr() == ASLEEP;
            let below = if asleep { ptr::null_mut() } else { top };
            // SAFETY: the node is still ours alone: it is published by the exchange below.
            unsafe { node.as_ref() }.next.store(below, Relaxed);
            match self.top.compare_exchange_weak(top, node.as_ptr(), AcqRel, Relaxed) {
                Ok(_) if asleep => return Pushed::Woke,
                Ok(_) => return Pushed::Queued,
                Err(now) => top = now,
            }
        }
    }

    /// Takes everything that is in, oldest first. Only the receiver calls it.
    pub(crate) fn take(&self) -> Batch {
        if self.top.load(Relaxed).addr() <= CLOSED {
            return Batch::default();
        }
        Batch::reversed(self.top.swap(ptr::null_mut(), Acquire))
    }

    /// Lets the next push schedule the receiver; `false` if something came in meanwhile. Only the receiver calls it.
    pub(crate) fn sleep(&self) -> bool {
        match self.top.compare_exchange(ptr::null_mut(), mark(ASLEEP), AcqRel, Relaxed) {
            Ok(_) => true,
            Err(top) => top.addr() <= CLOSED,
        }
    }

    /// Takes nothing any more; what was in comes out, oldest first.
    pub(crate) fn close(&self) -> Batch {
        Batch::reversed(self.top.swap(mark(CLOSED), AcqRel))
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        drop(self.close());
    }
}

/// Messages taken out of a mailbox, oldest first, linked in place. Dropping it refuses them.
#[derive(Default)]
pub(crate) struct Batch {
    first: Cell<Option<NonNull<Head>>>,
}

// SAFETY: it owns its nodes, which are envelopes, and those are `Send`.
unsafe impl Send for Batch {}

impl Batch {
    /// Turns a stack that was just taken, and is owned, round.
    fn reversed(top: *mut Head) -> Self {
        let mut rest = if top.addr() <= CLOSED { ptr::null_mut() } else { top };
        let mut first = ptr::null_mut();
        while let Some(node) = NonNull::new(rest) {
            // SAFETY: the stack was taken as a whole, so its nodes are alive and ours.
            let next = &unsafe { node.as_ref() }.next;
            rest = next.load(Relaxed);
            next.store(first, Relaxed);
            first = node.as_ptr();
        }
        Self { first: Cell::new(NonNull::new(first)) }
    }

    /// The oldest message.
    pub(crate) fn pop(&self) -> Option<Envelope> {
        let node = self.first.get()?;
        // SAFETY: the batch owns its nodes.
        let next = unsafe { node.as_ref() }.next.load(Relaxed);
        self.first.set(NonNull::new(next));
        // SAFETY: it has just left the list, so nobody else owns it.
        Some(unsafe { Envelope::from_raw(node) })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.get().is_none()
    }

    /// Replaces an empty batch.
    pub(crate) fn refill(&self, other: &Self) {
        debug_assert!(self.first.get().is_none(), "only an empty batch is refilled");
        self.first.set(other.first.take());
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        while let Some(envelope) = self.pop() {
            drop(envelope);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, convert::Infallible};

    use odeon_message::{Codec, Message};
    use proptest::prelude::*;

    use super::*;
    use crate::{Actor, Context, Handler, StartError};

    struct Nobody;

    struct Letter(u64);

    impl Message for Letter {
        type Reply = ();
        type Error = Infallible;
        type Output = ();
        const NAME: &'static str = "Letter";
        const CODEC: Option<Codec<Self>> = None;

        fn answer((): ()) -> Result<(), Infallible> {
            Ok(())
        }
    }

    impl Actor for Nobody {
        type Args = ();

        async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
            Ok(Self)
        }
    }

    impl Handler<Letter> for Nobody {
        async fn handle(&mut self, _: Letter, _: &mut Context<Self>) {}
    }

    fn open(envelope: Envelope) -> u64 {
        // SAFETY: all envelopes of these tests are letters.
        unsafe { envelope.reclaim::<Letter>() }.0
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Send,
        Receive,
        Release,
        Sleep,
        Close,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            8 => Just(Step::Send),
            6 => Just(Step::Receive),
            3 => Just(Step::Release),
            3 => Just(Step::Sleep),
            1 => Just(Step::Close),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        /// Against a model: order, bound, the one wake after a sleep, and nothing after the close.
        #[test]
        fn it_is_a_bounded_queue(bound in 1_u32..20, steps in steps()) {
            let mailbox = Mailbox::new(bound);
            let batch = Batch::default();
            let mut model = VecDeque::new();
            let (mut taken, mut asleep, mut closed) = (0, false, false);
            for (step, n) in steps.into_iter().zip(0..) {
                match step {
                    Step::Send => {
                        let room = mailbox.reserve();
                        prop_assert_eq!(room, model.len() + (taken as usize) < bound as usize);
                        if !room {
                            continue;
                        }
                        match mailbox.push(Envelope::tell::<Nobody, _>(Letter(n))) {
                            Pushed::Closed(envelope) => {
                                prop_assert!(closed);
                                prop_assert_eq!(open(envelope), n);
                                continue;
                            }
                            Pushed::Woke => prop_assert!(std::mem::take(&mut asleep)),
                            Pushed::Queued => prop_assert!(!asleep && !closed),
                        }
                        model.push_back(n);
                    }
                    Step::Receive => {
                        if batch.is_empty() {
                            batch.refill(&mailbox.take());
                        }
                        let next = batch.pop().map(open);
                        taken += u32::from(next.is_some());
                        prop_assert_eq!(next, model.pop_front());
                    }
                    Step::Release => {
                        prop_assert!(!mailbox.release(std::mem::take(&mut taken)));
                    }
                    Step::Sleep => {
                        if batch.is_empty() {
                            let slept = mailbox.sleep();
                            prop_assert_eq!(slept, model.is_empty());
                            asleep = slept && !closed;
                        }
                    }
                    Step::Close => {
                        let rest = mailbox.close();
                        for batch in [&batch, &rest] {
                            while let Some(envelope) = batch.pop() {
                                prop_assert_eq!(Some(open(envelope)), model.pop_front());
                                taken += 1;
                            }
                        }
                        prop_assert!(model.is_empty());
                        (closed, asleep) = (true, false);
                    }
                }
            }
        }
    }
}
