//! What few actors need and only their own turn touches: sources and receive timeout.
//!
//! Allocated on first need, so that an idle actor does not pay for it. What it is NOT: what others may touch, which is
//! in `bonds.rs`. Used by `life/aside.rs`, filled by what a [`Context`] can do.
#![expect(unsafe_code, reason = "a context reaches into its own cell")]

use std::cell::{Cell, RefCell, RefMut};

use crate::{
    Actor, Context, SourcesFull,
    cell::{CellPtr, Signals},
    envelope::Envelope,
    sources::{Source, Sources},
    timers::Quiet,
    wakes::Wakes,
};

pub(crate) struct Extras {
    pub(crate) wakes: Wakes,
    sources: RefCell<Sources>,
    pub(crate) quiet: RefCell<Option<Quiet>>,
    /// A handler of a message of the mailbox waits in the slot.
    pub(crate) held: Cell<bool>,
}

impl Extras {
    pub(crate) fn new(cell: CellPtr) -> Self {
        Self {
            wakes: Wakes::new(cell),
            sources: RefCell::default(),
            quiet: RefCell::default(),
            held: Cell::new(false),
        }
    }

    /// The sources. While they are borrowed only a source's poll runs, which cannot get here.
    pub(crate) fn sources(&self) -> RefMut<'_, Sources> {
        self.sources.borrow_mut()
    }

    /// Polls what was woken.
    pub(crate) fn poll_woken(&self) {
        for key in self.wakes.take() {
            let ended = self.sources().poll(key);
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
