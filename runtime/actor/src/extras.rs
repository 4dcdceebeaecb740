//! What few actors need and only their own turn touches: sources, receive timeout, reads, stash.
//!
//! Allocated on first need, so that an idle actor does not pay for it. What it is NOT: what others may touch, which is
//! in `bonds.rs`. Used by `life/aside.rs`, filled by what a [`Context`] can do.
#![expect(unsafe_code, reason = "a context reaches into its own cell")]

use std::{
    cell::{Cell, RefCell, RefMut},
    collections::VecDeque,
    future::{Future, poll_fn},
    ptr::NonNull,
    task::Poll,
    time::Duration,
};

use odeon_message::{Incarnation, Message, NodeId};

use crate::{
    Actor, Context, SourcesFull,
    cell::{CellHead, CellPtr, Signals},
    envelope::Envelope,
    future_slot::{FutureSlot, Waits},
    reads::Reads,
    responder::Responder,
    sources::{Source, Sources},
    timers::Quiet,
    turn::Turn,
    wakes::Wakes,
    watched::Held,
    worker::{
        is_own_turn,
        waiting::{Part, begin_part},
    },
};

pub(crate) struct Extras {
    pub(crate) wakes: Wakes,
    sources: RefCell<Sources>,
    pub(crate) quiet: RefCell<Option<Quiet>>,
    /// Reads that wait.
    pub(crate) reads: Reads,
    /// Set aside, oldest first.
    stashed: RefCell<VecDeque<Envelope>>,
    /// Taken out of the stash again, to be handled before the mailbox.
    returned: RefCell<VecDeque<Envelope>>,
    /// A handler of a message of the mailbox waits in the slot.
    pub(crate) held: Cell<bool>,
    /// The handler that waits in the slot is looked at.
    pub(crate) watched: Cell<Option<Box<Held>>>,
}

impl Extras {
    pub(crate) fn new(cell: CellPtr) -> Self {
        Self {
            wakes: Wakes::new(cell),
            sources: RefCell::default(),
            quiet: RefCell::default(),
            reads: Reads::default(),
            stashed: RefCell::default(),
            returned: RefCell::default(),
            held: Cell::new(false),
            watched: Cell::new(None),
        }
    }

    /// The sources. While they are borrowed only a source's poll runs, which cannot get here.
    pub(crate) fn sources(&self) -> RefMut<'_, Sources> {
        self.sources.borrow_mut()
    }

    /// Polls what was woken: sources, and reads if there may be any.
    ///
    /// # Safety
    /// With a cell, it is its turn, and these are its extras.
    pub(crate) unsafe fn poll_woken(&self, mut reads: Option<(NonNull<CellHead>, &mut Turn<'_>)>) {
        for key in self.wakes.take() {
            if let Some((cell, turn)) = &mut reads {
                // SAFETY: the caller says so.
                if unsafe { self.reads.poll(key, *cell, turn) } {
                    continue;
                }
            }
            let part = begin_part(Part::Source);
            let ended = self.sources().poll(key);
            drop(part);
            drop(ended);
        }
    }

    /// The signals that say what is left to do, once an item was `served` or there was none.
    pub(crate) fn wants(&self, served: bool) -> u16 {
        let sources = self.sources();
        // An item goes before the receive timeout, which is looked at when there is none.
        let again = sources.is_ready() || (served && self.quiet.borrow().is_some());
        let owed = if sources.is_owed() { Signals::OWED } else { 0 };
        if again { owed | Signals::SOURCES } else { owed }
    }

    /// Messages of the mailbox were handled.
    pub(crate) fn touch(&self) {
        if let Some(quiet) = &mut *self.quiet.borrow_mut() {
            quiet.touch();
        }
    }

    /// The message of the receive timeout, if it is time and no message of the mailbox was `active` just now.
    pub(crate) fn poll_quiet(&self, active: bool) -> Option<Envelope> {
        let mut quiet = self.quiet.borrow_mut();
        let quiet = quiet.as_mut()?;
        if active {
            quiet.touch();
        }
        quiet.poll()
    }

    /// Sets a message aside; it comes back if there are so many already.
    pub(crate) fn stash(&self, envelope: Envelope, stash_max: u32) -> Result<(), Envelope> {
        let mut stashed = self.stashed.borrow_mut();
        if stashed.len() >= stash_max as usize {
            return Err(envelope);
        }
        stashed.push_back(envelope);
        Ok(())
    }

    /// Puts what was stashed before what is returned already, in order; how many.
    pub(crate) fn unstash(&self) -> usize {
        let mut returned = self.returned.borrow_mut();
        let stashed = self.stashed.take();
        let count = stashed.len();
        stashed.into_iter().rev().for_each(|envelope| returned.push_front(envelope));
        count
    }

    /// The next message that was unstashed.
    pub(crate) fn next_returned(&self) -> Option<Envelope> {
        self.returned.borrow_mut().pop_front()
    }

    /// The life is over: all that it had going on comes out, one by one, to be dropped.
    pub(crate) fn end_life(&self, quietly: impl Fn(&mut dyn FnMut())) {
        self.held.set(false);
        quietly(&mut || drop(self.quiet.take()));
        loop {
            let removed = self.sources().pop();
            if removed.is_none() {
                break;
            }
            let mut removed = Some(removed);
            quietly(&mut || drop(removed.take()));
        }
        *self.sources() = Sources::default();
    }
}

impl<A: Actor> Context<A> {
    /// What this actor has beside the usual, made if need be.
    pub(crate) fn extras(&mut self) -> &Extras {
        let cell = self.own_cell();
        // SAFETY: only what runs in the actor's turn borrows its context, and this borrow is the only one.
        let core = unsafe { self.cell().core() };
        core.extras_or(cell)
    }
}

impl<A: Actor> Context<A> {
    fn slot(&self) -> &FutureSlot {
        // SAFETY: only what runs in the actor's turn borrows its context; what is read here is written in between, by the
        // worker or through `&mut self`.
        unsafe { self.cell().core() }.slot()
    }

    /// Takes the duty to answer the present message.
    pub(crate) fn take_responder<M: Message>(&mut self, verb: &str) -> Responder<M> {
        let mut responder = None::<Responder<M>>;
        let cell = self.own_cell().as_raw();
        // SAFETY: only what runs in the actor's turn borrows its context; the context keeps the cell alive.
        unsafe { self.slot().detach(cell, &mut responder) };
        let name = M::NAME;
        responder.unwrap_or_else(|| {
            panic!("ctx.{verb}: the handler that runs is not one of {name}, or its message was passed on before")
        })
    }

    /// The time that whoever asked the present message still waits; `None` for a tell, and for one who waits for ever.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.waits().remaining()
    }

    /// The life of the other node from which the present message was asked, as its certificate and handshake say; `None`
    /// for a tell, and for an ask of this node.
    #[must_use]
    pub fn asker(&self) -> Option<(NodeId, Incarnation)> {
        // SAFETY: it is the present one of the slot.
        self.slot().asker().and_then(|asker| unsafe { asker.node() })
    }

    /// Whether somebody waits for the answer to the present message, and until when.
    pub(crate) fn waits(&self) -> Waits {
        // SAFETY: it is the present one of the slot.
        self.slot().asker().map_or(Waits::Not, |asker| unsafe { asker.waits() })
    }

    /// Whether whoever asked the present message has given up: its time is up, its future was dropped, or its node is lost.
    /// `false` for a tell. A handler that looks may stop early; nobody hears its answer.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let Some(asker) = self.slot().asker() else { return false };
        // SAFETY: it is the present one of the slot.
        let given_up = unsafe { asker.is_cancelled(None) };
        given_up || self.remaining().is_some_and(|time| time.is_zero())
    }

    /// Is done when whoever asked the present message has given up, and never for a tell. It is not woken by the deadline
    /// of an asker on another node, but by the news from there. Of several in one handler, the one that was polled last is
    /// woken; one that is polled by another thread is not.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send {
        poll_fn(|cx| {
            let Some(asker) = self.slot().asker() else { return Poll::Pending };
            let own = is_own_turn(&raw const self.cell().head);
            // SAFETY: it is the present one of the slot, and one thread has the actor's turn.
            let given_up = unsafe { asker.is_cancelled(own.then(|| cx.waker())) };
            if given_up { Poll::Ready(()) } else { Poll::Pending }
        })
    }
}

/// Gives an actor one more source.
pub(crate) fn add_source<A: Actor>(
    ctx: &mut Context<A>,
    name: Option<&str>,
    source: Box<dyn Source>,
) -> Result<(), SourcesFull> {
    let sources_max = ctx.system().config().sources_max;
    let extras = ctx.extras();
    let own = extras.wakes.one();
    let replaced = extras.sources().add(own, name, source, sources_max);
    // What was replaced is dropped outside the borrow.
    replaced.map(drop)
}
