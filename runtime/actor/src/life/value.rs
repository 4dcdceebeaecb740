//! What an actor starts from, and then the actor itself: never both, so that an idle actor has room for one of them.
//!
//! An actor that may be started again starts from copies; what they are made of is kept among its bonds, which it has
//! anyway.

use std::{any::Any, mem};

use crate::{Actor, cell::CellHead};

/// What an actor is in its present phase.
pub(super) enum Value<A: Actor> {
    /// A start runs, or the actor is gone.
    Nothing,
    /// It has yet to start.
    Args(A::Args),
    Actor(A),
}

impl<A: Actor> Value<A> {
    /// The actor, which runs.
    ///
    /// # Panics
    /// In another phase.
    #[inline]
    pub(super) fn actor(&mut self) -> &mut A {
        match self {
            Self::Actor(actor) => actor,
            Self::Nothing | Self::Args(_) => panic!("a running actor has a value"),
        }
    }

    /// As [`actor`](Self::actor), for reads.
    ///
    /// # Panics
    /// As there.
    pub(super) fn shared(&self) -> &A {
        match self {
            Self::Actor(actor) => actor,
            Self::Nothing | Self::Args(_) => panic!("a running actor has a value"),
        }
    }

    pub(super) fn take_actor(&mut self) -> Option<A> {
        match mem::replace(self, Self::Nothing) {
            Self::Actor(actor) => Some(actor),
            other => {
                *self = other;
                None
            }
        }
    }

    pub(super) fn take_args(&mut self) -> Option<A::Args> {
        match mem::replace(self, Self::Nothing) {
            Self::Args(args) => Some(args),
            other => {
                *self = other;
                None
            }
        }
    }

    /// A copy of what the actor starts from, which `head`, its own, keeps. Calls foreign code, which may panic: all is then
    /// as before.
    pub(super) fn copy_args(&mut self, head: &CellHead) -> Option<A::Args> {
        if let Self::Args(args) = self {
            let copy = args.clone();
            let kept = self.take_args().map(|args| Box::new(args) as _);
            head.with_bonds(|bonds| bonds.args = kept);
            return Some(copy);
        }
        let lent = Lent { args: head.if_bonds(|bonds| bonds.args.take()).flatten(), head };
        lent.args.as_ref()?.downcast_ref::<A::Args>().cloned()
    }
}

/// What is kept of an actor, while it is copied.
struct Lent<'a> {
    args: Option<Box<dyn Any + Send>>,
    head: &'a CellHead,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let args = self.args.take();
        self.head.with_bonds(|bonds| bonds.args = args);
    }
}
