#![cfg_attr(
    unix,
    expect(unsafe_code, reason = "a signal has a handler that is set by a C function")
)]
//! Ctrl-C, for a program that plays many runs: it is asked to end, and may say first what came of them.
//!
//! What it is: one flag. What it is NOT: something a simulated node sees; signals are refused there.

use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whether this program was told to end, by Ctrl-C or SIGTERM, since [`note_interrupts`] was called.
#[must_use]
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// From now on the first Ctrl-C or SIGTERM is noted, and the next one ends the program as usual. Programs that are started
/// later are told nothing of this.
#[cfg(unix)]
pub fn note_interrupts() {
    extern "C" fn note(_: libc::c_int) {
        INTERRUPTED.store(true, Ordering::Relaxed);
    }
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: all zeroes is a valid value of this plain struct.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = note as extern "C" fn(libc::c_int) as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART | libc::SA_RESETHAND;
        // SAFETY: the action lives over the call; its handler only stores to an atomic, which signals may.
        unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    }
}

/// There are no such signals here: does nothing.
#[cfg(not(unix))]
pub fn note_interrupts() {}
