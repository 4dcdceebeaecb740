//! A handler that is looked at while it runs: it is sampled, or somebody listens to its span.
//!
//! What it is: [`Watched`], from the handler's begin to its end or its first wait, and [`Held`], what is kept of it while
//! the handler waits. All other handlers cost a comparison and the static load of the span's callsite. What it is NOT:
//! where times are kept (`meters.rs`). Made in `life.rs` and `reads.rs`.

use std::{cell::Cell, time::Duration};

use tokio::time::Instant;
use tracing::{Level, Span, level_filters::LevelFilter, span::EnteredSpan};

use crate::turn::Turn;

/// Whether anybody listens to the spans of handlers.
#[inline(always)]
pub(crate) fn is_traced() -> bool {
    LevelFilter::current() >= LevelFilter::TRACE && is_listened_to()
}

#[cold]
fn is_listened_to() -> bool {
    tracing::span_enabled!(target: "odeon::actor", Level::TRACE)
}

/// What is kept of a handler that waits.
pub(crate) struct Held {
    began: Option<Instant>,
    span: Option<Span>,
}

/// A handler that is polled on this thread.
pub(crate) struct Watched {
    began: Option<Instant>,
    span: Option<EnteredSpan>,
}

impl Watched {
    /// The handler waits.
    pub(crate) fn hold(self) -> Box<Held> {
        Box::new(Held { began: self.began, span: self.span.map(EnteredSpan::exit) })
    }

    /// It is done.
    pub(crate) fn done(self, turn: &Turn<'_>) {
        drop(self.span);
        if let Some(began) = self.began {
            turn.worker.meters_of_turn(|meters| {
                meters.handler(turn.head.place.get(), began.elapsed());
            });
        }
    }
}

impl Held {
    /// The handler goes on.
    fn enter(self) -> Watched {
        Watched { began: self.began, span: self.span.map(Span::entered) }
    }

    /// Lets a handler go on; `true` if it is done.
    pub(crate) fn resume(
        place: &Cell<Option<Box<Self>>>,
        turn: &mut Turn<'_>,
        resume: impl FnOnce(&mut Turn<'_>) -> bool,
    ) -> bool {
        let Some(held) = place.take() else { return resume(turn) };
        let watched = held.enter();
        let done = resume(turn);
        if done {
            watched.done(turn);
        } else {
            place.set(Some(watched.hold()));
        }
        done
    }
}

impl Turn<'_> {
    /// A handler of this message begins: whether it is looked at.
    #[inline]
    pub(crate) fn watch(&mut self, message: &'static str) -> Option<Watched> {
        let traced = is_traced();
        if self.handled != self.sample_at && !traced {
            return None;
        }
        Some(self.watch_closely(message, traced))
    }

    #[cold]
    fn watch_closely(&mut self, message: &'static str, traced: bool) -> Watched {
        let cause = self.cause.take();
        let span = traced.then(|| {
            let (actor, kind) = (self.head.number, self.head.kind());
            let span = tracing::span!(
                target: "odeon::actor", parent: None, Level::TRACE, "handle", actor, kind, message
            );
            if let Some(cause) = cause {
                span.follows_from(&cause);
            }
            span.entered()
        });
        let sampled = self.handled == self.sample_at;
        if sampled {
            self.sample_at = self.sample_at.saturating_add(self.worker.sample_spacing());
            match self.direct && self.handled == 1 {
                // It did not wait, and the next one might not either.
                true => self.worker.meters_of_turn(|meters| {
                    meters.queue(self.head.place.get(), Duration::ZERO);
                }),
                false => self.head.mailbox.want_mark(),
            }
        }
        Watched { span, began: sampled.then(Instant::now) }
    }
}
