//! Flushing: to know that peers have read what was sent to them.
//!
//! What it is: the pings at the end of lanes that were not answered yet. What it is NOT: a bound on time, which is the
//! caller's ([`Transport::flush`](crate::Transport::flush)). A pong comes from `stream_in.rs`; a connection that is lost
//! (`connection.rs`, `driver.rs`) answers nothing any more.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use odeon_wire::{Body, Extensions, FrameKind, Header, Ping};
use tokio::sync::Notify;

use crate::{Association, PeerId, association::lane::Parcel};

/// What peers were asked and have not answered: at most a ping a lane of each peer and flush, the same where the peer stops,
/// and one close a peer.
#[derive(Default)]
pub(crate) struct Flushes {
    awaited: RefCell<BTreeMap<PeerId, BTreeSet<u64>>>,
    fewer: Notify,
}

impl Flushes {
    /// Puts a ping behind what is in each lane that is used. Returns their tokens.
    pub(crate) fn ask(&self, association: &Association, next: impl Fn() -> u64) -> BTreeSet<u64> {
        let mut tokens = BTreeSet::new();
        for lane in association.lanes().iter().filter(|lane| lane.is_used()) {
            let token = next();
            let mut encode = |out: &mut Vec<u8>| {
                Ping { token }.encode(out);
                Ok(())
            };
            let header = Header::bare(FrameKind::Ping);
            let parcel = Parcel { header, extensions: Extensions::none(), encode: &mut encode };
            // A lane that takes no more is closed, or its peer does not read: nothing to wait for.
            if lane.push(parcel, false, |_| ()).is_ok() {
                self.expect(association.peer().id, token);
                tokens.insert(token);
            }
        }
        tokens
    }

    /// From now on this is awaited of that peer.
    pub(crate) fn expect(&self, peer: PeerId, token: u64) {
        self.awaited.borrow_mut().entry(peer).or_default().insert(token);
    }

    /// The peer has read up to the ping with this token.
    pub(crate) fn answered(&self, peer: PeerId, token: u64) {
        let mut awaited = self.awaited.borrow_mut();
        let Some(tokens) = awaited.get_mut(&peer) else { return };
        tokens.remove(&token);
        if tokens.is_empty() {
            awaited.remove(&peer);
        }
        self.fewer.notify_waiters();
    }

    /// Completes when none of these is awaited of that peer.
    pub(crate) async fn answers(&self, peer: PeerId, tokens: &BTreeSet<u64>) {
        loop {
            let fewer = self.fewer.notified();
            if self.are_answered(peer, tokens) {
                return;
            }
            fewer.await;
        }
    }

    fn are_answered(&self, peer: PeerId, tokens: &BTreeSet<u64>) -> bool {
        self.awaited.borrow().get(&peer).is_none_or(|awaited| awaited.is_disjoint(tokens))
    }

    /// No more answers of that peer are to come: what it did not read was lost with the connection.
    pub(crate) fn over(&self, peer: PeerId) {
        if self.awaited.borrow_mut().remove(&peer).is_some() {
            self.fewer.notify_waiters();
        }
    }

    /// Completes when this is awaited of no peer.
    pub(crate) async fn answered_by_all(&self, token: u64) {
        loop {
            let fewer = self.fewer.notified();
            if !self.awaited.borrow().values().any(|awaited| awaited.contains(&token)) {
                return;
            }
            fewer.await;
        }
    }
}
