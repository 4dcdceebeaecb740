//! The signals that a node heeds: SIGTERM and SIGINT drain it, SIGHUP has it read its file again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// Leave.
    Leave,
    /// Read the file again.
    Reload,
}

/// Signals that were caught and not read stay until they are.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// From now on these signals do not end the program any more.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one.
    ///
    /// Nothing is lost when it is dropped.
    pub(crate) async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.terminate.recv() => Order::Leave,
            _ = self.interrupt.recv() => Order::Leave,
            _ = self.hangup.recv() => Order::Reload,
        }
    }

    /// Completes when the program is told to leave; other signals are of no use until then.
    ///
    /// Nothing is lost when it is dropped.
    pub(crate) async fn leave(&mut self) {
        while self.next().await != Order::Leave {}
    }
}
