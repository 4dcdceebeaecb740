//! All that changes from second to second, in one answer: what `odeon top` and the dashboard look at.
//!
//! What it is NOT: the tree of actors or the log, which are long and have answers of their own.

#![expect(missing_docs, reason = "most fields are what their names say, in the units of `view.rs`")]

use std::time::SystemTime;

use odeon::{HotActor, WorkerMetrics};
use serde::{Deserialize, Serialize};

use super::{Member, Peer, Status, Type, members, peers, types};
use crate::standing::Standing;

/// Members, peers and workers of one answer: more than anybody reads, in some hundred kilobytes. Others are counted.
const LISTED_MAX: usize = 256;

/// A node at one moment: `/v1/overview`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Overview {
    /// When, by the node's clock, in seconds since 1970.
    pub at: f64,
    pub status: Status,
    pub counts: Counts,
    /// The node itself first.
    pub members: Vec<Member>,
    pub members_left_out: usize,
    /// Those that are busy most first.
    pub workers: Vec<Worker>,
    pub workers_left_out: usize,
    /// Workers that did not answer within a second; the times and mailboxes of their actors are missing.
    pub silent_workers: usize,
    pub types: Vec<Type>,
    /// Actors that stand out, those that are busy most first.
    pub hot: Vec<Hot>,
    /// Those with a connection first.
    pub peers: Vec<Peer>,
    pub peers_left_out: usize,
}

/// What was counted since the node started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Counts {
    pub restarts: u64,
    pub failures: u64,
    pub panics: u64,
    /// Polls of workers that lasted too long.
    pub blocked: u64,
    /// Messages that no handler saw: dropped, undelivered, skipped.
    pub dropped: u64,
    pub undelivered: u64,
    pub skipped: u64,
    pub tell_errors: u64,
    /// Messages of other nodes that were refused, or whose archive failed its check.
    pub refused: u64,
    pub decode_failures: u64,
    pub retries: u64,
}

/// One worker.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Worker {
    pub number: u32,
    /// The share of the last seconds, 12.8 by default, in which it was at work; none where nobody looks.
    pub busy: Option<f64>,
    /// The same since it was started.
    pub busy_ever: Option<f64>,
    pub blocked: u64,
}

/// An actor that stands out.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Hot {
    pub number: u64,
    pub kind: String,
    pub id: Option<String>,
    pub names: Vec<String>,
    pub worker: u32,
    /// The share of the last seconds, 12.8 by default, in which its turn was found to go on.
    pub busy: Option<f64>,
    pub waiting: u32,
    /// For how long it has taken none of what waits.
    pub age: Option<f64>,
    pub restarts: u32,
}

impl Overview {
    /// As of now. It waits at most a second for workers that are busy.
    pub(crate) async fn of(standing: &Standing) -> Self {
        let node = &standing.node;
        let metrics = node.metrics().await;
        let stats = node.stats();
        let at = node.env().wall_clock().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut peers = peers(node);
        peers.sort_by_key(|peer| peer.up_for.is_none());
        let mut workers = metrics.workers.iter().map(Worker::of).collect::<Vec<_>>();
        workers.sort_by(|one, other| {
            let busy = |worker: &Worker| worker.busy.unwrap_or(0.0);
            busy(other).total_cmp(&busy(one)).then(one.number.cmp(&other.number))
        });
        let (members, members_left_out) = first(members(node));
        let (workers, workers_left_out) = first(workers);
        let (peers, peers_left_out) = first(peers);
        Self {
            at: at.as_secs_f64(),
            status: Status::of(standing),
            counts: Counts {
                restarts: stats.restarts,
                failures: stats.failures,
                panics: stats.panics,
                blocked: stats.blocked,
                dropped: stats.dropped,
                undelivered: stats.undelivered,
                skipped: stats.skipped,
                tell_errors: stats.tell_errors,
                refused: stats.refused,
                decode_failures: stats.decode_failures,
                retries: stats.retries,
            },
            members,
            members_left_out,
            workers,
            workers_left_out,
            silent_workers: metrics.silent_workers,
            types: types(&metrics),
            hot: metrics.hot.iter().map(Hot::of).collect(),
            peers,
            peers_left_out,
        }
    }
}

/// The first of them, and how many are left out.
fn first<T>(mut all: Vec<T>) -> (Vec<T>, usize) {
    let left_out = all.len().saturating_sub(LISTED_MAX);
    all.truncate(LISTED_MAX);
    (all, left_out)
}

impl Worker {
    fn of(worker: &WorkerMetrics) -> Self {
        let (busy, busy_ever) = (worker.recent_share(), worker.busy_share());
        Self { number: worker.number, busy, busy_ever, blocked: worker.blocked }
    }
}

impl Hot {
    fn of(actor: &HotActor) -> Self {
        Self {
            number: actor.number,
            kind: actor.kind.to_owned(),
            id: actor.id.as_deref().map(str::to_owned),
            names: actor.names.iter().map(|name| name.to_string()).collect(),
            worker: actor.worker,
            busy: actor.busy,
            waiting: actor.waiting,
            age: actor.age.map(|age| age.as_secs_f64()),
            restarts: actor.restarts,
        }
    }
}
