//! The log on standard error, for people or for programs, with a filter that can change while the program runs.
//!
//! What it says is kept in part, for operators (`events.rs`). A program that has a subscriber of its own keeps it; then
//! filter and format are its own affair, which is said once. Read `logs/json.rs` for what programs read.

mod json;

use std::io::IsTerminal;

use serde::{Deserialize, Serialize};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, layer::SubscriberExt, registry::LookupSpan, reload,
    util::SubscriberInitExt,
};

use crate::{config::LogSection, events::Events};
use json::JsonLines;

/// How the log's lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LogFormat {
    /// A line of text an event, in colours on a terminal.
    #[default]
    Text,
    /// An object a line: `timestamp`, `level`, `target`, `fields`, of which `message` is one, and `spans`, from the outermost
    /// on, if there are any.
    Json,
}

/// The filter in force.
#[derive(Debug)]
pub(crate) struct Logs {
    filter: Option<reload::Handle<EnvFilter, Registry>>,
    events: Events,
}

impl Logs {
    /// Starts the log; the filter was checked with the other values.
    pub(crate) fn start(section: &LogSection) -> Self {
        let (filter, handle) = reload::Layer::new(EnvFilter::new(&section.filter));
        let events = Events::default();
        let lines = lines(section.format);
        let all = tracing_subscriber::registry().with(filter).with(lines).with(events.clone());
        match all.try_init() {
            Ok(()) => {
                events.turn_on();
                Self { filter: Some(handle), events }
            }
            Err(_) => {
                tracing::debug!(
                    "the program logs by itself: log.filter and log.format are not used"
                );
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

/// What writes events to standard error.
fn lines<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        // No colours in the fields of spans either.
        LogFormat::Json => lines.with_ansi(false).event_format(JsonLines).boxed(),
    }
}
