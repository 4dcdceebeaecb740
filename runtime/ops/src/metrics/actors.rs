//! Actors in figures: by type, by worker, and of all together.

use odeon::{Metrics, Spread, SystemStats, TypeMetrics, WorkerMetrics};

use super::page::{Kind, Page};

/// Name, help, and where the figure is.
type OfType = (&'static str, &'static str, fn(&TypeMetrics) -> u64);

const TYPE_COUNTERS: &[OfType] = &[
    ("odeon_actors_started_total", "Actors that ever started, restarts not counted.", |it| {
        it.started
    }),
    ("odeon_actor_restarts_total", "Restarts by supervisors.", |it| it.restarts),
    (
        "odeon_actor_failures_total",
        "Lives of actors that ended by a panic, a failure or a kill.",
        |it| it.failures,
    ),
    ("odeon_actor_messages_handled_total", "Handlers that began to run.", |it| it.handled),
    (
        "odeon_actor_asks_skipped_total",
        "Asks that were skipped because their time was up or their caller had given up.",
        |it| it.skipped,
    ),
    ("odeon_actor_messages_dropped_total", "Messages that a full mailbox dropped.", |it| {
        it.dropped
    }),
    (
        "odeon_actor_messages_undelivered_total",
        "Messages that no handler saw because the actor had ended.",
        |it| it.undelivered,
    ),
];

const TYPE_GAUGES: &[OfType] = &[
    (
        "odeon_actors",
        "Actors that are starting, running, waiting for a restart or stopping.",
        |it| it.live,
    ),
    ("odeon_mailbox_messages", "Messages that wait in mailboxes.", |it| it.depth),
    ("odeon_mailbox_messages_largest", "Most messages that wait in one mailbox.", |it| {
        u64::from(it.depth_max)
    }),
];

type OfAll = (&'static str, &'static str, fn(&SystemStats) -> u64);

const COUNTERS: &[OfAll] = &[
    ("odeon_panics_total", "Handlers, starts and stops of actors that panicked.", |it| it.panics),
    ("odeon_tell_errors_total", "Tells whose handler answered with an error.", |it| it.tell_errors),
    (
        "odeon_decode_failures_total",
        "Messages of other nodes whose archive failed its check.",
        |it| it.decode_failures,
    ),
    (
        "odeon_messages_refused_total",
        "Messages of other nodes that were refused before a mailbox.",
        |it| it.refused,
    ),
    (
        "odeon_blocked_polls_total",
        "Polls of workers that lasted too long: a handler blocked.",
        |it| it.blocked,
    ),
    ("odeon_ask_retries_total", "Asks that were sent again.", |it| it.retries),
    (
        "odeon_ask_retries_refused_total",
        "Asks that were not sent again because the budget of retries was spent.",
        |it| it.retries_refused,
    ),
];

type OfWorker = (&'static str, &'static str, fn(&WorkerMetrics) -> u64);

const WORKER_COUNTERS: &[OfWorker] = &[
    ("odeon_worker_looks_total", "How many times a worker was looked at.", |it| it.looks),
    (
        "odeon_worker_busy_looks_total",
        "How many times a worker was found at work: over its looks, its share of busy time.",
        |it| it.busy,
    ),
    ("odeon_worker_blocked_total", "Polls of a worker that were found to be blocked.", |it| {
        it.blocked
    }),
];

type OfTimes = (&'static str, &'static str, fn(&TypeMetrics) -> &Spread);

const TIMES: [OfTimes; 2] = [
    ("odeon_handler_seconds", "Sampled times of handlers, waiting included.", |it| &it.handler),
    (
        "odeon_mailbox_wait_seconds",
        "Sampled times of messages in mailboxes, of the first to arrive at an empty one.",
        |it| &it.queue,
    ),
];

/// Writes what the actors did.
pub(super) fn write(page: &mut Page, metrics: &Metrics, stats: &SystemStats) {
    for (kind, families) in [(Kind::Gauge, TYPE_GAUGES), (Kind::Counter, TYPE_COUNTERS)] {
        for (name, help, figure) in families {
            page.family(name, kind, help);
            for of_type in &metrics.types {
                page.sample(&[("type", of_type.kind)], figure(of_type) as f64);
            }
        }
    }
    page.family(
        "odeon_mailbox_age_seconds",
        Kind::Gauge,
        "The longest time for which an actor that has messages waiting has taken none.",
    );
    for of_type in &metrics.types {
        let age = of_type.age_max.unwrap_or_default();
        page.sample(&[("type", of_type.kind)], age.as_secs_f64());
    }
    for (name, help, times) in TIMES {
        page.family(name, Kind::Summary, help);
        for of_type in &metrics.types {
            let spread = times(of_type);
            for (quantile, time) in
                [("0.5", spread.p50), ("0.9", spread.p90), ("0.99", spread.p99), ("1", spread.max)]
            {
                // Without a sample there is no quantile.
                let value = if spread.samples == 0 { f64::NAN } else { time.as_secs_f64() };
                page.sample(&[("type", of_type.kind), ("quantile", quantile)], value);
            }
            page.suffixed("_count", &[("type", of_type.kind)], spread.samples as f64);
        }
    }
    for (name, help, figure) in COUNTERS {
        page.family(name, Kind::Counter, help);
        page.sample(&[], figure(stats) as f64);
    }
    for (name, help, figure) in WORKER_COUNTERS {
        page.family(name, Kind::Counter, help);
        for worker in &metrics.workers {
            page.sample(&[("worker", worker.number.to_string().as_str())], figure(worker) as f64);
        }
    }
    page.family(
        "odeon_workers_silent",
        Kind::Gauge,
        "Workers that did not answer within a second; what they sampled is missing here.",
    );
    page.sample(&[], metrics.silent_workers as f64);
}
