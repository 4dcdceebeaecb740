//! What is known of the node: its last answer, how fast its figures grow, and its last events.
//!
//! What it is NOT: what is shown of it; read `sheet.rs`.

use std::collections::{BTreeMap, VecDeque};

use odeon_ops::operator::{Lane, Logged, Overview, Peer};

use super::Glance;

/// Events that are kept for the sheet.
const EVENTS_KEPT: usize = 512;

/// What is known by now.
#[derive(Default)]
pub(super) struct Figures {
    pub(super) now: Option<Overview>,
    /// In a second, by what grows.
    rates: BTreeMap<String, f64>,
    /// The oldest first.
    pub(super) events: VecDeque<Logged>,
    last_event: u64,
    /// Whether the node keeps events.
    pub(super) keeps_events: bool,
}

/// The key of a peer in one of its lives.
fn of_peer(peer: &Peer, what: &str) -> String {
    format!("{what} {} {} {}", peer.name, peer.addr, peer.incarnation)
}

impl Figures {
    /// The next answer.
    pub(super) fn take(&mut self, glance: Glance) {
        let Glance { overview, events } = glance;
        let is_same_life = self.now.as_ref().is_some_and(|before| {
            (&before.status.node, before.status.since)
                == (&overview.status.node, overview.status.since)
        });
        let counted = counters(&overview);
        let before = self.now.take().filter(|_| is_same_life);
        self.rates = before.map_or_else(BTreeMap::new, |before| {
            let seconds = (overview.at - before.at).max(0.001);
            let earlier = counters(&before);
            let grown = counted.into_iter().filter_map(|(key, now)| {
                let then = earlier.get(&key)?;
                Some((key, now.saturating_sub(*then) as f64 / seconds))
            });
            grown.collect()
        });
        if !is_same_life {
            self.events.clear();
        }
        self.last_event = events.last;
        self.keeps_events = events.kept;
        self.events.extend(events.events);
        while self.events.len() > EVENTS_KEPT {
            self.events.pop_front();
        }
        self.now = Some(overview);
    }

    /// The number of the last event that is known.
    pub(super) fn last_event(&self) -> u64 {
        self.last_event
    }

    /// Messages handled in a second; none before two answers.
    pub(super) fn handled(&self) -> Option<f64> {
        self.rates.get("handled").copied()
    }

    pub(super) fn of_type(&self, kind: &str) -> Option<f64> {
        self.rates.get(&format!("type {kind}")).copied()
    }

    pub(super) fn out(&self, peer: &Peer) -> Option<f64> {
        self.rates.get(&of_peer(peer, "out")).copied()
    }

    pub(super) fn into(&self, peer: &Peer) -> Option<f64> {
        self.rates.get(&of_peer(peer, "in")).copied()
    }

    pub(super) fn of_lane(&self, peer: &Peer, number: usize) -> Option<(f64, f64)> {
        let of = |what: &str| self.rates.get(&of_peer(peer, &format!("{what} {number}"))).copied();
        Some((of("lane out")?, of("lane in")?))
    }
}

/// All that only grows, by a key of its own.
fn counters(overview: &Overview) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::from([("handled".to_owned(), overview.status.messages_handled)]);
    all.extend(overview.types.iter().map(|it| (format!("type {}", it.kind), it.handled)));
    for peer in &overview.peers {
        all.insert(of_peer(peer, "out"), peer.bytes_sent);
        all.insert(of_peer(peer, "in"), peer.bytes_received);
        for (number, Lane { bytes_sent, bytes_received, .. }) in peer.lanes.iter().enumerate() {
            all.insert(of_peer(peer, &format!("lane out {number}")), *bytes_sent);
            all.insert(of_peer(peer, &format!("lane in {number}")), *bytes_received);
        }
    }
    all
}
