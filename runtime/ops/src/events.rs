//! The last lines of the node's log, kept for whoever looks from outside.
//!
//! What it is: a layer of `tracing` that keeps what is logged at INFO and above, and passes the log's filter, as texts of
//! bounded length in a bounded number. Members that come and go, children that are started again, workers that are blocked
//! and peers that are refused are all logged, so that they are here. What it is NOT: the log, which goes to standard error
//! as before, or a history that outlives the node. A program with a subscriber of its own has none of it, and the answer
//! says so.

use std::{
    collections::VecDeque,
    fmt::{self, Write as _},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::SystemTime,
};

use odeon::env::{Env, RealEnv};
use serde::{Deserialize, Serialize};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

/// Events that are kept: some hours of a healthy cluster, and a third of a megabyte at most.
const KEPT_MAX: usize = 512;

/// Bytes of an event's text; what is longer is cut.
const TEXT_BYTES_MAX: usize = 600;

/// An event of the node's log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Logged {
    /// Its number in this life of the program, from 1.
    pub number: u64,
    /// When, in seconds since 1970.
    pub at: f64,
    /// `ERROR`, `WARN` or `INFO`.
    pub level: String,
    /// Where in the code it came from.
    pub target: String,
    /// What it says, with its fields.
    pub text: String,
}

/// Events since one that is known: `/v1/events?after=NUMBER`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct LoggedSince {
    /// Whether events are kept: not in a program with a log of its own.
    pub kept: bool,
    /// The oldest first.
    pub events: Vec<Logged>,
    /// The number of the last one there is, 0 without any.
    pub last: u64,
    /// Those that came after the known one and are kept no longer.
    pub lost: u64,
}

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    events: VecDeque<Logged>,
}

/// What is kept. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events {
    kept: Arc<Mutex<Kept>>,
    is_on: Arc<AtomicBool>,
}

impl Events {
    /// Somebody writes here.
    pub(crate) fn turn_on(&self) {
        self.is_on.store(true, Relaxed);
    }

    /// What came after the event with this number.
    pub(crate) fn since(&self, number: u64) -> LoggedSince {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let first = kept.events.front().map_or(kept.last + 1, |event| event.number);
        LoggedSince {
            kept: self.is_on.load(Relaxed),
            events: kept.events.iter().filter(|event| event.number > number).cloned().collect(),
            last: kept.last,
            lost: first.saturating_sub(number.saturating_add(1)),
        }
    }

    fn keep(&self, level: Level, target: &str, text: String) {
        let at = RealEnv.wall_clock().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.last += 1;
        let event = Logged {
            number: kept.last,
            at: at.as_secs_f64(),
            level: level.to_string(),
            target: target.to_owned(),
            text,
        };
        kept.events.push_back(event);
        if kept.events.len() > KEPT_MAX {
            kept.events.pop_front();
        }
    }
}

impl<S: Subscriber> Layer<S> for Events {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        if level > Level::INFO {
            return;
        }
        let mut said = Said::default();
        event.record(&mut said);
        self.keep(level, event.metadata().target(), said.into_text());
    }
}

/// The message, and the fields behind it.
#[derive(Default)]
struct Said {
    message: Short,
    fields: Short,
}

/// A text that grows no further than it may.
#[derive(Default)]
struct Short(String);

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = TEXT_BYTES_MAX.saturating_sub(self.0.len());
        let fits = text.floor_char_boundary(room);
        self.0.push_str(&text[..fits]);
        // An error would stop whoever writes it, which is what a full text is for.
        if fits == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

impl Said {
    fn into_text(self) -> String {
        let Self { message, fields } = self;
        let mut text = message;
        let _ = text.write_str(&fields.0);
        text.0
    }

    fn field(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let _ = match field.name() {
            "message" => self.message.write_fmt(value),
            name => write!(self.fields, " {name}={value}"),
        };
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn kept(f: impl FnOnce()) -> Events {
        let events = Events::default();
        events.turn_on();
        let subscriber = tracing_subscriber::registry().with(events.clone());
        tracing::subscriber::with_default(subscriber, f);
        events
    }

    #[test]
    fn what_is_logged_is_kept_with_its_fields_and_told_from_a_number_on() {
        let events = kept(|| {
            tracing::info!(member = "b", "member up");
            tracing::debug!("of no interest");
            tracing::warn!(?SHORT, "child is started again");
        });
        let all = events.since(0);
        assert!(all.kept && all.last == 2 && all.lost == 0, "{all:?}");
        assert_eq!(all.events[0].text, "member up member=b");
        assert_eq!((all.events[1].number, all.events[1].level.as_str()), (2, "WARN"));
        assert!(all.events[0].target.ends_with("events::tests") && all.events[0].at > 1e9);
        assert_eq!(events.since(1).events, all.events[1..]);
        let none = events.since(7);
        assert_eq!((none.events.len(), none.last, none.lost), (0, 2, 0));
        assert!(!Events::default().since(0).kept);
    }

    const SHORT: &str = "short";

    #[test]
    fn texts_and_their_number_are_bounded() {
        let long = "ü".repeat(10_000);
        let events = kept(|| {
            for number in 0..KEPT_MAX + 10 {
                tracing::error!(number, text = long.as_str(), "{long}");
            }
        });
        let all = events.since(4);
        assert_eq!((all.events.len(), all.last, all.lost), (KEPT_MAX, 522, 6));
        assert!(all.events.iter().all(|event| event.text.len() <= TEXT_BYTES_MAX));
    }
}
