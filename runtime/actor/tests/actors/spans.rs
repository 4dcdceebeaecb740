//! Keeps spans and events, and how they hang together.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

/// A span or an event, by its place in the order in which they came.
#[derive(Clone, Default, Debug)]
pub(crate) struct Noted {
    pub(crate) name: &'static str,
    /// `field=value`, each followed by a space.
    pub(crate) fields: String,
    pub(crate) inside: Option<usize>,
    pub(crate) follows: Vec<usize>,
    /// How many times it was entered.
    pub(crate) entered: u32,
    pub(crate) closed: bool,
}

impl Noted {
    /// The value of a field, as it was written.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let start = format!("{name}=");
        self.fields.split(' ').find_map(|field| field.strip_prefix(start.as_str()))
    }
}

impl Visit for Noted {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.push_str(&format!("{field}={value:?} "));
    }
}

/// Its place, in the extensions of a span.
struct Place(usize);

/// Listens to everything.
#[derive(Clone, Default)]
pub(crate) struct Spans(Arc<Mutex<Vec<Noted>>>);

impl Spans {
    pub(crate) fn subscriber(&self) -> impl Subscriber + Send + Sync + use<> {
        Registry::default().with(self.clone())
    }

    pub(crate) fn noted(&self) -> Vec<Noted> {
        self.0.lock().unwrap().clone()
    }

    /// The spans of handlers of this message, with their places.
    pub(crate) fn handlers(&self, message: &str) -> Vec<(usize, Noted)> {
        let message = format!("message=\"{message}\"");
        let noted = self.noted().into_iter().enumerate();
        noted.filter(|(_, it)| it.name == "handle" && it.fields.contains(&message)).collect()
    }

    fn add(&self, noted: Noted) -> usize {
        let mut all = self.0.lock().unwrap();
        all.push(noted);
        all.len() - 1
    }

    fn at<S>(&self, id: &Id, ctx: &Context<'_, S>, f: impl FnOnce(&mut Noted))
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let place = place(id, ctx).unwrap();
        f(&mut self.0.lock().unwrap()[place]);
    }
}

fn place<S: Subscriber + for<'a> LookupSpan<'a>>(id: &Id, ctx: &Context<'_, S>) -> Option<usize> {
    let span = ctx.span(id)?;
    let extensions = span.extensions();
    extensions.get::<Place>().map(|place| place.0)
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let span = ctx.span(id).unwrap();
        let inside = span.parent().and_then(|parent| place(&parent.id(), &ctx));
        let mut noted = Noted { name: span.name(), inside, ..Noted::default() };
        attributes.record(&mut noted);
        span.extensions_mut().insert(Place(self.add(noted)));
    }

    fn on_follows_from(&self, span: &Id, follows: &Id, ctx: Context<'_, S>) {
        let cause = place(follows, &ctx).expect("a span that is followed is still open");
        self.at(span, &ctx, |noted| noted.follows.push(cause));
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, ctx: Context<'_, S>) {
        self.at(id, &ctx, |noted| record.record(noted));
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let inside = ctx.event_span(event).and_then(|span| place(&span.id(), &ctx));
        let mut noted = Noted { name: "event", inside, ..Noted::default() };
        event.record(&mut noted);
        self.add(noted);
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        self.at(id, &ctx, |noted| noted.entered += 1);
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        self.at(&id, &ctx, |noted| noted.closed = true);
    }
}
