//! The libc symbols that make a program deterministic.
//!
//! What it is: definitions of `getrandom`, `clock_gettime`, `pthread_create`, `open` and their relatives, which win
//! over libc's in every program this crate is linked into. On a thread that called [`activate`] entropy and clocks
//! come from the simulation, and while a node is polled ([`enter`]) threads, files, sockets and programs are refused
//! and the refusal is recorded. All other threads see the real kernel. Beside them, [`Heap`]: an allocator with memory of its
//! own for such a thread.
//!
//! What it is NOT: a sandbox. System calls in assembly, `rdtsc` and `rdrand`, and the C library's own calls go past it; and it must never be linked into anything but simulators, because every clock read of the program passes here.
//! It fixes no addresses either: that is done before `exec`, see [`fix_addresses`].
//!
//! Only Linux on x86_64 (tested) and aarch64 (written for, untested) have the symbols; elsewhere the crate compiles
//! to an empty shell and [`unsupported`] says why. Read `state.rs` next.

mod heap;
mod hits;
mod interrupt;
mod layout;
mod refusal;
mod seat;
mod state;
mod stream;
mod symbols;
mod wall;

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod linux;

pub use heap::{Heap, InHeap};
pub use hits::{Override, hits};
pub use interrupt::{interrupted, note_interrupts};
pub use layout::{addresses_fixed, die_with_parent, fix_addresses};
pub use refusal::{REFUSALS_MAX, Refusal, last_words, record, take_refusals};
pub use seat::Seat;
pub use state::{
    Activation, Entered, MONOTONIC_BASE, Outside, Switches, WALL_BASE, activate, current, elapsed,
    enter, outside, wall_clock, with_current,
};
pub use stream::{Stream, mix};
pub use symbols::SYMBOLS;
pub use wall::{DRIFT_PPM_MAX, WallClock};

/// Why this platform has no interposed symbols; `None` where it has them.
#[must_use]
pub const fn unsupported() -> Option<&'static str> {
    if cfg!(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))) {
        None
    } else {
        Some(
            "the simulator replaces libc symbols and is written for Linux on x86_64 and aarch64 only",
        )
    }
}
