//! Credit: how a sender knows what each receiver has room for.
//!
//! Counters are totals since the credit state of (connection, lane, receiver) began, for messages and for bytes of
//! whole frames. The sender's half is a [`CreditBook`], one a lane; the receiver's half a [`WindowTable`] of
//! [`Window`]s, one a lane too. Neither waits: the transport does.
//!
//! The rule, checked by both with the same function: a message may be sent while at least one message, and at least
//! `min(bytes, half the window)` bytes, are left of the credit. So a message larger than the whole window passes
//! when at most half of it is taken, and takes the credit below zero: one at a time. The receiver grants again when
//! half a window was consumed since its last grant. Once all was consumed, more than half is therefore left or
//! granted, and no message of any size waits for ever. A receiver holds at most one window and one frame.
//!
//! State ends by agreement: the sender forgets a receiver only when every byte it used was granted back (so that no
//! grant can be on its way), and says so with an empty credit frame in the lane, behind the last message that it
//! counted and before the first of a new count. Counting from zero begins on both sides at that place of the lane.
//! Receivers help by granting the rest when they were left alone for a while ([`WindowTable::settle`]).

mod book;
mod items;
#[cfg(test)]
mod tests;
mod window;

pub use book::{CreditBook, CreditRefused, CreditRoom, GrantError};
pub use items::{ItemsBook, ItemsOverrun, ItemsWindow};
pub use window::{Grant, Overrun, Window, WindowTable};

use crate::InitialCredit;

/// Bytes that must be left for a message of this length.
fn bytes_needed(bytes: usize, window: InitialCredit) -> u64 {
    (bytes as u64).min(u64::from(window.bytes.div_ceil(2)))
}
