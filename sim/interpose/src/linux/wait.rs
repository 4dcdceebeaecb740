#![expect(unsafe_code, reason = "words that a caller waits for")]
//! Waits of the thread with a time limit: `park_timeout`, `Condvar::wait_timeout`, `recv_timeout` and their like, which
//! std brings before the kernel as futex(2).
//!
//! The limit is a moment on a clock of the simulation, and the kernel would hold it against its own: the wait would be
//! over at once, or last for days. It is refused, and over at once; the clocks show that it has lasted. A wait without
//! a limit is not refused: locks that a thread of the test harness holds for a moment are waited for so.

use std::{ffi::c_int, ptr};

use libc::timespec;

use super::{clock::shown, refused, sleep::span};
use crate::{
    hits::Override,
    state::{ask, let_pass},
};

const REMEDY: &str = "await tokio::time::timeout around a channel or a Notify of tokio";

/// Whether this call of futex(2) would wait with a limit, and was refused.
///
/// # Safety
/// The contract of futex(2) for this operation.
pub(super) unsafe fn refused_wait(
    word: *const u32,
    operation: c_int,
    expected: u32,
    limit: *const timespec,
) -> bool {
    let flags = libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME;
    let is_absolute = match operation & !flags {
        libc::FUTEX_WAIT => false,
        libc::FUTEX_WAIT_BITSET => true,
        _ => return false,
    };
    if ask::gated().is_none() || word.is_null() || limit.is_null() {
        return false;
    }
    // SAFETY: not null, and a futex word by the caller's contract; volatile, because others may write it.
    if unsafe { ptr::read_volatile(word) } != expected {
        // The kernel says so at once.
        return false;
    }
    let refused = refused(Override::SyscallRandom, "blocked its thread", REMEDY, String::new);
    if refused {
        // SAFETY: valid for reads by the caller's contract.
        let limit = unsafe { span(limit) };
        let clock = if operation & libc::FUTEX_CLOCK_REALTIME == 0 {
            libc::CLOCK_MONOTONIC
        } else {
            libc::CLOCK_REALTIME
        };
        let_pass(if is_absolute { limit.saturating_sub(shown(clock)) } else { limit });
    }
    refused
}
