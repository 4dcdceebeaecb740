//! The log on standard error, with a filter that can change while the program runs.
//!
//! What it says is kept in part, for operators (`events.rs`). A program that has a subscriber of its own keeps it; then the filter is its own affair, which is said once.

use std::io::IsTerminal;

use tracing_subscriber::{
    EnvFilter, Registry, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use crate::events::Events;

/// The filter in force.
#[derive(Debug)]
pub(crate) struct Logs {
    filter: Option<reload::Handle<EnvFilter, Registry>>,
    events: Events,
}

impl Logs {
    /// Starts the log; the filter was checked with the other values.
    pub(crate) fn start(filter: &str) -> Self {
        let (filter, handle) = reload::Layer::new(EnvFilter::new(filter));
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr);
        let events = Events::default();
        let all = tracing_subscriber::registry().with(filter).with(lines).with(events.clone());
        match all.try_init() {
            Ok(()) => {
                events.turn_on();
                Self { filter: Some(handle), events }
            }
            Err(_) => {
                tracing::debug!("the program logs by itself: log.filter is not used");
                Self { filter: None, events }
            }
        }
    }

    /// The last events of the log.
    pub(crate) fn events(&self) -> Events {
        self.events.clone()
    }

    /// Another filter from now on.
    pub(crate) fn set(&self, filter: &str) {
        let Some(handle) = &self.filter else {
            tracing::warn!("the program logs by itself: log.filter is not used");
            return;
        };
        if let Err(error) = handle.reload(EnvFilter::new(filter)) {
            tracing::warn!(%error, "the filter of the log stays as it was");
        }
    }
}
