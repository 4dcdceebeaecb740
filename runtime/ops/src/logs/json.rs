//! Lines of the log for programs: an object each.
//!
//! What it is NOT: the feature `json` of tracing-subscriber, which would turn on parts of `tracing-core` for every crate of
//! the program, to write the same. Numbers and switches stay what they are; what has no JSON form is a text.

use std::fmt::{self, Debug};

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

/// The target of records of the crate `log`, where a program has `tracing-log` turn them into events.
const LOG: &str = "log";

/// Writes each event as an object in a line of its own.
pub(super) struct JsonLines;

#[derive(Serialize)]
struct Line<'a> {
    /// As in RFC 3339, in UTC.
    timestamp: &'a str,
    level: &'a str,
    target: &'a str,
    fields: Map<String, Value>,
    /// Where it happened, the outermost first: a name, and fields in braces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    spans: Vec<String>,
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let target = event.metadata().target();
        let mut fields = Fields { of_log: target == LOG, ..Fields::default() };
        event.record(&mut fields);
        let around = ctx.event_scope().into_iter().flat_map(|scope| scope.from_root());
        let spans = around.map(|span| {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>();
            match fields.filter(|fields| !fields.fields.is_empty()) {
                Some(fields) => format!("{}{{{fields}}}", span.name()),
                None => span.name().to_owned(),
            }
        });
        let line = Line {
            timestamp: &timestamp,
            level: event.metadata().level().as_str(),
            target: fields.target.as_deref().unwrap_or(target),
            fields: fields.said,
            spans: spans.collect(),
        };
        let line = serde_json::to_string(&line).expect("texts and numbers have a JSON form");
        writeln!(writer, "{line}")
    }
}

/// The fields of an event, by their names.
#[derive(Default)]
struct Fields {
    said: Map<String, Value>,
    /// It was a record of the crate `log`, whose own target is a field, as are file and line, which no event here has.
    of_log: bool,
    target: Option<String>,
}

impl Fields {
    fn take(&mut self, field: &Field, value: impl Into<Value>) {
        match field.name() {
            "log.target" if self.of_log => self.target = value.into().as_str().map(str::to_owned),
            name if self.of_log && name.starts_with("log.") => {}
            name => {
                self.said.insert(name.to_owned(), value.into());
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // What is no number in JSON, such as NaN, is null.
        self.take(field, value);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::layer::SubscriberExt;

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

    /// What is written of what is said.
    fn written(say: impl FnOnce()) -> String {
        let paper = Paper::default();
        let copy = paper.clone();
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).event_format(JsonLines);
        let lines = lines.with_writer(move || copy.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), say);
        String::from_utf8(paper.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_record_of_the_crate_log_has_its_own_target() {
        let record = written(|| {
            tracing::info!(
                target: "log", { log.target = "sqlx::query", log.file = "query.rs", log.line = 7, rows = 2 }, "slow"
            );
        });
        let line: Value = serde_json::from_str(&record).unwrap();
        assert_eq!(line["target"], "sqlx::query");
        assert_eq!(line["fields"], serde_json::json!({ "message": "slow", "rows": 2 }));
        let other = written(|| tracing::info!(target: "mill", { log.target = "oak" }, "sawn"));
        let line: Value = serde_json::from_str(&other).unwrap();
        assert_eq!(line["target"], "mill");
        assert_eq!(line["fields"]["log.target"], "oak");
    }

    #[test]
    fn an_event_is_an_object_in_a_line() {
        let text = written(|| {
            let _outer = tracing::info_span!("outer").entered();
            let _inner = tracing::info_span!("inner", actor = 7).entered();
            let (text, wrong) = ("a \"text\"\nof two lines", io::Error::other("torn\n"));
            tracing::warn!(text, count = 3, share = 0.5, is = true, nan = f64::NAN, %wrong, "it is\nsaid");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        let mut line: Value = serde_json::from_str(&text).unwrap();
        let timestamp = line["timestamp"].take();
        assert!(timestamp.as_str().is_some_and(|it| it.ends_with('Z')), "{timestamp}");
        let expected = serde_json::json!({
            "timestamp": null,
            "level": "WARN",
            "target": "odeon_ops::logs::json::tests",
            "fields": {
                "message": "it is\nsaid", "text": "a \"text\"\nof two lines", "count": 3, "share": 0.5,
                "is": true, "nan": null, "wrong": "torn\n",
            },
            "spans": ["outer", "inner{actor=7}"],
        });
        assert_eq!(line, expected);
    }
}
