//! What is typed, as events, without a thread that waits for it.
//!
//! What it is NOT: what keys do; read `keys.rs`.
#![expect(unsafe_code, reason = "a file descriptor is watched by its number")]

use std::{
    io::{self, Stdin, stdin},
    time::Duration,
};

use ratatui::crossterm::event::{self, Event};
use tokio::io::{Interest, unix::AsyncFd};

/// The keyboard of the terminal on standard input.
pub(super) struct Typed(AsyncFd<Stdin>);

impl Typed {
    /// Listens.
    pub(super) fn listen() -> io::Result<Self> {
        // SAFETY: standard input is open for as long as the program runs: nobody in it closes it, or puts something else in
        // its place.
        let fd = unsafe { AsyncFd::register_with_interest(stdin(), Interest::READABLE) };
        Ok(Self(fd?))
    }

    /// What was typed, once something was.
    pub(super) async fn next(&self) -> io::Result<Vec<Event>> {
        self.0.readable().await?.clear_ready();
        let mut all = Vec::new();
        while event::poll(Duration::ZERO)? {
            all.push(event::read()?);
        }
        Ok(all)
    }
}
