//! Actor types in figures, as JSON.

#![expect(missing_docs, reason = "most fields are what their names say, in the units of `view.rs`")]

use std::time::Duration;

use odeon::{Metrics, Spread, TypeMetrics};
use serde::{Deserialize, Serialize};

/// The figures of one actor type: `/v1/types` is a list of them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Type {
    pub kind: String,
    pub live: u64,
    pub started: u64,
    pub restarts: u64,
    pub failures: u64,
    pub handled: u64,
    pub skipped: u64,
    pub dropped: u64,
    pub undelivered: u64,
    /// Messages that wait in mailboxes, most in one, and for how long nobody has taken any.
    pub depth: u64,
    pub depth_max: u32,
    pub age_max: Option<f64>,
    /// Sampled times of handlers since the node started; none without a sample.
    pub handler_p50: Option<f64>,
    pub handler_p90: Option<f64>,
    pub handler_p99: Option<f64>,
    pub handler_max: Option<f64>,
    /// Sampled times in mailboxes, in the same way.
    pub queue_p50: Option<f64>,
    pub queue_p90: Option<f64>,
    pub queue_p99: Option<f64>,
    pub queue_max: Option<f64>,
}

/// The figures of all actor types.
pub(crate) fn types(metrics: &Metrics) -> Vec<Type> {
    let time = |spread: &Spread, time: Duration| (spread.samples > 0).then_some(time.as_secs_f64());
    let of = |it: &TypeMetrics| Type {
        kind: it.kind.to_owned(),
        live: it.live,
        started: it.started,
        restarts: it.restarts,
        failures: it.failures,
        handled: it.handled,
        skipped: it.skipped,
        dropped: it.dropped,
        undelivered: it.undelivered,
        depth: it.depth,
        depth_max: it.depth_max,
        age_max: it.age_max.map(|age| age.as_secs_f64()),
        handler_p50: time(&it.handler, it.handler.p50),
        handler_p90: time(&it.handler, it.handler.p90),
        handler_p99: time(&it.handler, it.handler.p99),
        handler_max: time(&it.handler, it.handler.max),
        queue_p50: time(&it.queue, it.queue.p50),
        queue_p90: time(&it.queue, it.queue.p90),
        queue_p99: time(&it.queue, it.queue.p99),
        queue_max: time(&it.queue, it.queue.max),
    };
    metrics.types.iter().map(of).collect()
}
