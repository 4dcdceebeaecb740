//! Whether an actor reads a message in place, for what `#[actor]` checks while a program is compiled.
//!
//! A constant of a type comes before one of a trait of the same name, if its bounds hold: so [`Views::READ`] says `true`
//! where there is a [`ViewHandler`] and falls back to [`NoView::READ`] where there is none. It works for named types, not
//! where the actor is generic.

use std::marker::PhantomData;

use odeon_message::{Message, Wire};

use crate::ViewHandler;

/// An actor and a message.
#[doc(hidden)]
pub struct Views<A, M>(PhantomData<fn(A, M)>);

impl<A: ViewHandler<M>, M: Message + Wire> Views<A, M> {
    /// There is a view handler.
    pub const READ: bool = true;
}

/// What holds where nothing better is known.
#[doc(hidden)]
pub trait NoView {
    /// There is no view handler.
    const READ: bool = false;
}

impl<A, M> NoView for Views<A, M> {}
