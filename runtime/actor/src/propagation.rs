//! One trace over many nodes: how the span of a sender becomes a trace context, and a context the span of a handler.
//!
//! What it is: the seam [`TracePropagation`], the implementation that is there without any tracing system,
//! [`TraceIds`], and which context holds on this thread now. What it is NOT: where contexts travel: on one node in
//! `cause.rs`, between nodes in a frame. Whoever listens to no spans of `odeon::actor` pays nothing (`watched.rs`).

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use odeon_env::Env;
use odeon_message::TraceContext;
use tracing::{Span, field::display};

use crate::watched::is_traced;

/// Makes trace contexts of spans, and spans part of traces. It is called only while somebody listens to spans of
/// `odeon::actor` at `TRACE`.
///
/// [`TraceIds`] is the default. Whoever has OpenTelemetry puts its contexts in the place of these ids: with the crate
/// `tracing-opentelemetry`, `outgoing` reads `span.context()` and returns trace id, span id, flags and state of its span
/// context, and `incoming` makes a remote span context of `from`, gives it to `span.set_parent`, and answers `None`,
/// because then each span knows its own.
///
/// # Examples
/// A node whose handlers are all part of one trace, whoever called:
/// ```
/// # use odeon_actor as odeon;
/// use odeon::{TraceContext, TracePropagation};
/// use tracing::Span;
///
/// struct OneTrace(TraceContext);
///
/// impl TracePropagation for OneTrace {
///     fn outgoing(&self, _: &Span, _: Option<&TraceContext>) -> Option<TraceContext> {
///         Some(self.0.clone())
///     }
///
///     fn incoming(&self, span: &Span, _: Option<&TraceContext>) -> Option<TraceContext> {
///         span.record("trace_id", self.0.trace_id_hex());
///         Some(self.0.clone())
///     }
/// }
/// ```
pub trait TracePropagation: Send + Sync + 'static {
    /// The context that a message carries which is sent from `span`. `around` is the context that holds where it is sent:
    /// what [`incoming`](Self::incoming) answered for the handler, or the one of [`in_trace`]. `None` sends none.
    fn outgoing(&self, span: &Span, around: Option<&TraceContext>) -> Option<TraceContext>;

    /// A handler begins in `span`, which has the empty fields `trace_id`, `span_id` and `parent_id`; `from` is the context
    /// that its message carried. What is answered holds while the handler runs.
    fn incoming(&self, span: &Span, from: Option<&TraceContext>) -> Option<TraceContext>;
}

thread_local! {
    /// The context that holds on this thread now.
    static AROUND: RefCell<Option<TraceContext>> = const { RefCell::new(None) };
}

/// Puts another one in its place; nothing at the very end of a thread, where nothing is traced any more.
fn exchange(now: Option<TraceContext>) -> Option<TraceContext> {
    AROUND.try_with(|around| around.replace(now)).unwrap_or_default()
}

/// A context holds on this thread until this is dropped.
pub(crate) struct Around {
    before: Option<TraceContext>,
    now: Option<TraceContext>,
}

impl Around {
    pub(crate) fn enter(now: Option<TraceContext>) -> Self {
        Self { before: exchange(now.clone()), now }
    }

    /// What holds.
    pub(crate) fn context(&self) -> Option<TraceContext> {
        self.now.clone()
    }
}

impl Drop for Around {
    fn drop(&mut self) {
        exchange(self.before.take());
    }
}

/// The context that holds here: of the handler that runs, or of [`in_trace`]; `None` while nobody listens to spans of
/// `odeon::actor`, and elsewhere. It is what to send along in a call to something else, as the headers `traceparent` and,
/// from its [state](TraceContext::state), `tracestate`.
#[must_use]
pub fn current_trace() -> Option<TraceContext> {
    AROUND.try_with(|around| around.borrow().clone()).unwrap_or_default()
}

/// Runs a future in a trace that has begun elsewhere, as with the headers `traceparent` and `tracestate` of an HTTP request:
/// what it sends is part of that trace, if somebody listens to spans of `odeon::actor`.
///
/// # Examples
/// ```
/// # use odeon_actor as odeon;
/// use odeon::{ActorRef, TraceContext, in_trace};
/// # use odeon::{Actor, Context, Handler, StartError};
/// # use odeon_message::message;
/// # #[message(local, reply = u64, crate = odeon_message)]
/// # struct Balance;
/// # struct Account;
/// # impl Actor for Account {
/// #     type Args = ();
/// #     async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> { Ok(Self) }
/// # }
/// # impl Handler<Balance> for Account {
/// #     async fn handle(&mut self, _: Balance, _: &mut Context<Self>) -> u64 { 0 }
/// # }
///
/// async fn balance(account: &ActorRef<Account>, parent: &str, state: &str) -> Option<u64> {
///     let asked = async { account.ask(Balance).await.ok() };
///     match parent.parse::<TraceContext>() {
///         // A state that is none is left out; the trace goes on without it.
///         Ok(trace) => in_trace(trace.with_state(state.parse().unwrap_or_default()), asked).await,
///         Err(_) => asked.await, // a request without a trace, or with a bad one
///     }
/// }
/// ```
///
/// # Cancel safety
/// That of the future.
pub async fn in_trace<F: Future>(context: TraceContext, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let _around = Around::enter(Some(context.clone()));
        future.as_mut().poll(cx)
    })
    .await
}

/// The context that a message to another node carries which is sent here; `None` unless somebody listens.
#[doc(hidden)]
#[inline]
pub fn outgoing_trace(propagation: &dyn TracePropagation) -> Option<TraceContext> {
    if is_traced() { of_sender(propagation) } else { None }
}

#[cold]
fn of_sender(propagation: &dyn TracePropagation) -> Option<TraceContext> {
    let (span, around) = (Span::current(), current_trace());
    if span.is_disabled() && around.is_none() {
        return None;
    }
    propagation.outgoing(&span, around.as_ref())
}

/// Ids that this node makes up: the default, so that the logs of nodes can be joined by `trace_id` without any collector.
///
/// Each span of a handler has the fields `trace_id`, `span_id`, and `parent_id` where its message carried one. A message
/// sent from a span that is not in a handler begins a trace, one for each span, because `tracing` alone does not say
/// which spans belong together; such a span has the same fields set if it declares them, as in
/// `info_span!("order", trace_id = tracing::field::Empty, span_id = tracing::field::Empty)`. All are marked as sampled.
pub struct TraceIds {
    env: Arc<dyn Env>,
    /// Drawn when the first id is wanted, so that a node which nobody traces draws nothing.
    seeds: OnceLock<[u64; 3]>,
    made: AtomicU64,
    /// The span outside of handlers that was told its ids last.
    told: AtomicU64,
}

/// The finalizer of SplitMix64; source: variant 13 of David Stafford's mixers.
fn mixed(seed: u64, number: u64) -> u64 {
    let mut hash = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    // Zero stands for none.
    (hash ^ (hash >> 31)).max(1)
}

impl TraceIds {
    /// Ids from the environment's entropy, of which nothing is drawn before the first id.
    #[must_use]
    pub fn new(env: Arc<dyn Env>) -> Self {
        Self { env, seeds: OnceLock::new(), made: AtomicU64::new(0), told: AtomicU64::new(0) }
    }

    /// The context of a span that begins a trace, by a number of its own.
    fn root(&self, number: u64) -> TraceContext {
        let [high, low, span] = *self.seeds.get_or_init(|| {
            let mut bytes = [0; 24];
            self.env.entropy(&mut bytes);
            let (words, _) = bytes.as_chunks::<8>();
            std::array::from_fn(|place| u64::from_le_bytes(words[place]))
        });
        let mut trace_id = [0; 16];
        trace_id[..8].copy_from_slice(&mixed(high, number).to_be_bytes());
        trace_id[8..].copy_from_slice(&mixed(low, number).to_be_bytes());
        TraceContext::new(trace_id, mixed(span, number).to_be_bytes(), 1)
    }

    /// A number that no span outside of handlers has: those are even.
    fn fresh(&self) -> u64 {
        self.made.fetch_add(1, Relaxed) * 2 + 1
    }
}

fn tell(span: &Span, context: &TraceContext) {
    span.record("trace_id", display(context.trace_id_hex()));
    span.record("span_id", display(context.parent_id_hex()));
}

impl TracePropagation for TraceIds {
    fn outgoing(&self, span: &Span, around: Option<&TraceContext>) -> Option<TraceContext> {
        if let Some(around) = around {
            return Some(around.clone());
        }
        let id = span.id()?.into_u64();
        let context = self.root(id.wrapping_mul(2));
        if self.told.swap(id, Relaxed) != id {
            tell(span, &context);
        }
        Some(context)
    }

    fn incoming(&self, span: &Span, from: Option<&TraceContext>) -> Option<TraceContext> {
        let mut context = self.root(self.fresh());
        if let Some(from) = from {
            (context.trace_id, context.flags) = (from.trace_id, from.flags);
            context.state = from.state.clone();
            span.record("parent_id", display(from.parent_id_hex()));
        }
        tell(span, &context);
        Some(context)
    }
}

#[cfg(test)]
mod tests {
    use odeon_env::RealEnv;

    use super::*;

    #[test]
    fn ids_are_valid_new_and_keep_their_trace() {
        let ids = TraceIds::new(Arc::new(RealEnv));
        let one = ids.incoming(&Span::none(), None).unwrap();
        let two = ids.incoming(&Span::none(), None).unwrap();
        assert!(one.is_valid() && one.is_sampled() && one.trace_id != two.trace_id);
        let state = "rojo=1".parse().unwrap();
        let unsampled = TraceContext { flags: 0, ..one.clone() }.with_state(state);
        let next = ids.incoming(&Span::none(), Some(&unsampled)).unwrap();
        assert_eq!((next.trace_id, next.flags, &next.state), (one.trace_id, 0, &unsampled.state));
        assert!(next.parent_id != one.parent_id && next.parent_id != two.parent_id);
        assert_eq!(ids.outgoing(&Span::none(), Some(&next)), Some(next.clone()));
        assert_eq!(ids.outgoing(&Span::none(), None), None);
        assert!(ids.root(0).is_valid());
    }

    #[test]
    fn what_holds_on_a_thread_holds_until_it_is_left() {
        let context = TraceIds::new(Arc::new(RealEnv)).root(1);
        assert_eq!(current_trace(), None);
        let outer = Around::enter(Some(context.clone()));
        let held = (current_trace(), outer.context());
        assert_eq!(held, (Some(context.clone()), Some(context.clone())));
        let inner = Around::enter(None);
        assert_eq!(current_trace(), None);
        drop(inner);
        assert_eq!(current_trace(), Some(context));
        drop(outer);
        assert_eq!(current_trace(), None);
    }
}
