//! A descriptor registered with tokio for what one wants to hear of, and nothing else.

#![expect(unsafe_code, reason = "tokio asks for a promise that a descriptor stays open")]

use std::{io, os::fd::OwnedFd};

use tokio::io::{Interest, unix::AsyncFd};

/// Registers a descriptor on the runtime of the caller, which must have its I/O enabled.
pub(super) fn register(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: what is registered owns the descriptor: it is open, and the same one, until that is dropped.
    let registered = unsafe { AsyncFd::register_with_interest(descriptor, interest) };
    Ok(registered?)
}
