//! How the archive of a message from another node is opened for its handler: as a value, or in place.
//!
//! What it is: the one difference between `handles(…)` and `views(…)`. All else of an inbound message, its deadline,
//! cancel, answer, credit and measures, is `inbound.rs`, for both.

use std::{marker::PhantomData, ptr::NonNull};

use odeon_message::{Credit, DecodeError, Message, Payload, Taken, Train, View, Wire};

use crate::{Actor, Handler, ViewHandler, cell::CellHead, future_slot::Sink, life, turn::Turn};

/// One way to open the messages `M` to `A`.
pub(super) trait Opening<A: Actor, M: Message> {
    /// What the handler gets.
    type Opened;

    /// Checks the archive and opens it; the credit goes back as soon as nothing of the message is held any more.
    fn open(
        payload: Payload,
        credit: Credit,
        turn: &mut Turn<'_>,
    ) -> Result<Self::Opened, DecodeError>;

    /// The same of one that was taken off a train, with its part of the train's credit.
    fn open_of(
        train: &Train,
        taken: &Taken,
        credit: &mut Credit,
        turn: &mut Turn<'_>,
    ) -> Result<Self::Opened, DecodeError>;

    /// Runs the handler to its end or to its first wait: `true` if the slot is idle then.
    ///
    /// # Safety
    /// As [`life::handle`].
    unsafe fn handle<S: Sink<M::Output>>(
        cell: NonNull<CellHead>,
        target: *mut (),
        opened: Self::Opened,
        turn: &mut Turn<'_>,
    ) -> bool;
}

/// A value is made of an archive in the layout of `O`, and of that the message.
pub(super) struct AsValue<O>(PhantomData<O>);

impl<A: Handler<M>, M: Message, O: Message + Into<M>> Opening<A, M> for AsValue<O> {
    type Opened = M;

    fn open(payload: Payload, credit: Credit, turn: &mut Turn<'_>) -> Result<M, DecodeError> {
        turn.give_back(credit);
        let codec = O::CODEC.expect("only messages with a codec are accepted");
        codec.decode(&payload, turn.worker.system()).map(Into::into)
    }

    #[inline(always)]
    fn open_of(
        train: &Train,
        taken: &Taken,
        credit: &mut Credit,
        turn: &mut Turn<'_>,
    ) -> Result<M, DecodeError> {
        turn.give_back_part(credit, 1, taken.whole_bytes as u64);
        let codec = O::CODEC.expect("only messages with a codec are accepted");
        codec.decode_bytes(train.bytes_of(taken), turn.worker.system()).map(Into::into)
    }

    unsafe fn handle<S: Sink<M::Output>>(
        cell: NonNull<CellHead>,
        target: *mut (),
        message: M,
        turn: &mut Turn<'_>,
    ) -> bool {
        // SAFETY: the caller says so.
        unsafe { life::handle::<A, M, S>(cell, target, message, turn) }
    }
}

/// The handler reads the archive where it lies, and its credit goes back when that is let go.
pub(super) struct InPlace;

impl<A: ViewHandler<M>, M: Message + Wire> Opening<A, M> for InPlace {
    type Opened = View<M>;

    fn open(payload: Payload, credit: Credit, _: &mut Turn<'_>) -> Result<View<M>, DecodeError> {
        View::open(payload, Some(credit))
    }

    fn open_of(
        train: &Train,
        taken: &Taken,
        credit: &mut Credit,
        _: &mut Turn<'_>,
    ) -> Result<View<M>, DecodeError> {
        let credit = credit.part(1, taken.whole_bytes as u64);
        View::open(train.payload_of(taken), Some(credit))
    }

    unsafe fn handle<S: Sink<M::Output>>(
        cell: NonNull<CellHead>,
        target: *mut (),
        view: View<M>,
        turn: &mut Turn<'_>,
    ) -> bool {
        // SAFETY: the caller says so.
        unsafe { life::view::<A, M, S>(cell, target, view, turn) }
    }
}
