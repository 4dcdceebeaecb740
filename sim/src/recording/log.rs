//! The log lines of nodes: `tracing` events that a filter keeps, each under the name of its node.
//!
//! What it is: the subscriber of a run, on its thread alone. What it is NOT: there only when a run is recorded; it
//! listens in every run and formats every line, so that a run that is recorded is laid out in memory as one that is not.

use std::fmt::{self, Write as _};

use odeon_interpose::current;
use tracing::{
    Event, Level, Metadata, Subscriber,
    dispatcher::{self, DefaultGuard, Dispatch},
    field::{Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
    subscriber::NoSubscriber,
};

use super::{LogFilter, STORY_TEXT_BYTES_MAX, keep_log, ring::Text};
use crate::{timeline::elapsed, trace::Trace};

/// Listens on this thread until the result is dropped. A subscriber that the program has already stays in its place, and
/// the recording is without log lines.
pub(crate) fn listen(trace: &Trace, filter: LogFilter) -> Option<DefaultGuard> {
    let nobody = dispatcher::get_default(Dispatch::is::<NoSubscriber>);
    let listener = || Listener { trace: trace.clone(), filter };
    nobody.then(|| dispatcher::set_default(&Dispatch::new(listener())))
}

struct Listener {
    trace: Trace,
    filter: LogFilter,
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.keeps(metadata.target(), *metadata.level())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.filter.level_max())
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let level = match *event.metadata().level() {
            Level::ERROR => 1,
            Level::WARN => 2,
            Level::INFO => 3,
            Level::DEBUG => 4,
            Level::TRACE => 5,
        };
        let mut line = Line { message: Text::EMPTY, fields: Text::EMPTY };
        event.record(&mut line);
        let mut text = line.message;
        // What does not fit is left out.
        let _ = write!(text, "{} [{}]", line.fields.as_str(), event.metadata().target());
        let host = current().and_then(|seat| self.trace.host_named(seat.name()));
        keep_log(elapsed(), host, level, text.as_str());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A log line: what it says, and its fields.
struct Line {
    message: Text<STORY_TEXT_BYTES_MAX>,
    fields: Text<STORY_TEXT_BYTES_MAX>,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // What does not fit is left out.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
