//! A handler that is looked at while it runs: it is sampled, or somebody listens to its span.
//!
//! What it is: [`Watched`], from the handler's begin to its end or its first wait, and [`Held`], what is kept of it while
//! the handler waits. All other handlers cost a comparison and the static load of the span's callsite. What it is NOT:
//! where times are kept (`meters.rs`). Made in `life.rs` and `reads.rs`.

use std::{cell::Cell, time::Duration};

use odeon_message::TraceContext;
use tokio::time::Instant;
use tracing::{Level, Span, field::Empty, level_filters::LevelFilter, span::EnteredSpan};

use crate::{cause::Origin, propagation::Around, turn::Turn};

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
    span: Option<(Span, Option<TraceContext>)>,
}

/// A handler that is polled on this thread.
pub(crate) struct Watched {
    began: Option<Instant>,
    /// Its span, and the trace context that holds for what it sends.
    span: Option<(EnteredSpan, Around)>,
}

impl Watched {
    /// The handler waits.
    pub(crate) fn hold(self) -> Box<Held> {
        let span = self.span.map(|(span, around)| (span.exit(), around.context()));
        Box::new(Held { began: self.began, span })
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
        let enter = |(span, trace): (Span, _)| (span.entered(), Around::enter(trace));
        Watched { began: self.began, span: self.span.map(enter) }
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
    /// The span of a handler, with its place in the trace of its message.
    fn begin_span(&self, message: &'static str, origin: Option<Origin>) -> (EnteredSpan, Around) {
        let (actor, kind) = (self.head.number, self.head.kind());
        let span = tracing::span!(
            target: "odeon::actor", parent: None, Level::TRACE, "handle", actor, kind, message,
            trace_id = Empty, span_id = Empty, parent_id = Empty
        );
        let propagation = self.worker.system().propagation();
        let from = match &origin {
            None => None,
            Some(Origin::There(context)) => Some(context.clone()),
            Some(Origin::Here { span: sender, around }) => {
                span.follows_from(sender);
                propagation.outgoing(sender, around.as_ref())
            }
        };
        let trace = propagation.incoming(&span, from.as_ref());
        (span.entered(), Around::enter(trace))
    }

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
        let origin = self.origin.take();
        let span = traced.then(|| self.begin_span(message, origin));
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
