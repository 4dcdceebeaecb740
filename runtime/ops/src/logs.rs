//! The log on standard error, for people or for programs, with a filter that can change while the program runs.
//!
//! What it says is kept in part, for operators (`events.rs`). A program that has a subscriber of its own keeps it; then
//! filter and format are its own affair, which is said once.

use std::io::IsTerminal;

use serde::{Deserialize, Serialize};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt::MakeWriter, layer::SubscriberExt, registry::LookupSpan, reload,
};

use crate::{config::LogSection, events::Events};

/// How the log's lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LogFormat {
    /// A line of text an event, in colours on a terminal.
    #[default]
    Text,
    /// An object a line: `timestamp`, `level`, `target`, `fields`, of which `message` is one, and `spans`, from the outermost
    /// on, if there are any: of each its `name` and its fields, of which none should be called `name`. Numbers and
    /// switches stay what they are, but for what is no number, which is null; what else has no JSON form is a text. A record of the crate `log`, where a program has `tracing-log` turn them into events, has its own
    /// target.
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
        let colours = std::io::stderr().is_terminal();
        let lines = lines(section.format, colours, std::io::stderr);
        let all = tracing_subscriber::registry().with(filter).with(lines).with(events.clone());
        // Not `try_init`: that would take the records of the crate `log` as well, and fail where a program logs those by
        // itself, with everything else in place.
        match tracing::subscriber::set_global_default(all) {
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

/// What writes events.
fn lines<S, W>(format: LogFormat, colours: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Text => lines.with_ansi(colours).boxed(),
        // The span in which it happened is the last of all of them.
        LogFormat::Json => lines.json().with_current_span(false).boxed(),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use serde_json::{Value, json};
    use tracing_log::log;

    use super::*;

    /// What was written.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The one line of JSON that is written of what is said, without the time, which is one.
    fn written(say: impl FnOnce()) -> Value {
        let paper = Paper::default();
        let copy = paper.clone();
        let lines = lines(LogFormat::Json, false, move || copy.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), say);
        let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let mut line: Value = serde_json::from_str(&text).unwrap();
        let timestamp = line.as_object_mut().unwrap().remove("timestamp");
        let timestamp = timestamp.as_ref().and_then(Value::as_str);
        assert!(timestamp.is_some_and(|it| it.contains('T') && it.ends_with('Z')), "{text}");
        line
    }

    #[test]
    fn an_event_is_an_object_in_a_line() {
        let line = written(|| {
            let _outer = tracing::info_span!("outer").entered();
            let inner = tracing::info_span!("inner", actor = 7, trace_id = tracing::field::Empty);
            inner.record("trace_id", tracing::field::display("4bf92f3577b34da6a3ce929d0e0e4736"));
            let _inner = inner.entered();
            let (text, wrong) = ("a \"text\"\nof two lines", io::Error::other("torn\n"));
            tracing::warn!(text, count = 3, share = 0.5, is = true, nan = f64::NAN, %wrong, "it is\nsaid");
        });
        let expected = json!({
            "level": "WARN",
            "target": "odeon_ops::logs::tests",
            "fields": {
                "message": "it is\nsaid", "text": "a \"text\"\nof two lines", "count": 3, "share": 0.5,
                "is": true, "nan": null, "wrong": "torn\n",
            },
            "spans": [
                { "name": "outer" },
                { "name": "inner", "actor": 7, "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736" },
            ],
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn an_event_in_no_span_has_none() {
        let line = written(|| tracing::info!("said"));
        let expected = json!({
            "level": "INFO", "target": "odeon_ops::logs::tests", "fields": { "message": "said" },
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn a_record_of_the_crate_log_has_its_own_target() {
        let line = written(|| {
            let mut record = log::Record::builder();
            let record = record.target("sqlx::query").level(log::Level::Info);
            tracing_log::format_trace(&record.args(format_args!("slow")).build()).unwrap();
        });
        assert_eq!(line["target"], "sqlx::query");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["fields"]["message"], "slow");
        // Of an event that only looks like one it is a field as any other.
        let line = written(|| tracing::info!(target: "mill", { log.target = "oak" }, "sawn"));
        assert_eq!(line["target"], "mill");
        assert_eq!(line["fields"]["log.target"], "oak");
    }
}
