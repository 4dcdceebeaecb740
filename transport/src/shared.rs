//! What all threads share of one endpoint: what it says about itself, whom it knows, what it counted.
//!
//! Threads that send ask here for associations; the endpoint's own thread (`hub.rs`) is told of new ones. Read
//! `registry.rs` next.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use odeon_env::Observer;
use odeon_message::{Incarnation, NodeId};
use odeon_wire::{Hello, Known, SlabPool, format::SLAB_BYTES_DEFAULT};
use tokio::sync::Notify;

use crate::{
    Association, CertificateValidity, HandshakeMetrics, LostReason, PeerId, TransportConfig,
    association::{BatchPool, Pools},
    dial_gate::DialCounts,
    metrics::HandshakeCounters,
    registry::Registry,
};

/// What was counted at one endpoint since it started, beside what each association counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportStats {
    /// Peers with an association.
    pub peers: u64,
    /// Handshakes that were answered.
    pub handshakes: u64,
    /// Handshakes that failed or were refused, by us or by them; not those with a peer that is known to be gone, or where one
    /// of both stops.
    pub handshakes_failed: u64,
    /// Handshakes that were not looked at, because too many were under way.
    pub handshakes_shed: u64,
    /// Diallers that were asked to show first that they receive at their address, because many handshakes were under
    /// way.
    pub handshakes_retried: u64,
    /// Connections closed because the peer broke the protocol.
    pub bad_peers: u64,
    /// Datagrams that were too long, or replaced or dropped for want of a connection.
    pub datagrams_dropped: u64,
    /// Bytes of memory that what was received from all peers holds now; bounded by
    /// [`inbound_bytes_max`](TransportConfig::inbound_bytes_max).
    pub inbound_bytes: u64,
    /// Bytes of memory that large messages have left, received and sent ones, and that nobody uses: 16 MiB of either at most.
    /// What no other large message needs for ten seconds is freed.
    pub shelved_bytes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct EndpointCounters {
    pub(crate) handshakes: AtomicU64,
    pub(crate) handshakes_failed: AtomicU64,
    pub(crate) handshakes_shed: AtomicU64,
    pub(crate) handshakes_retried: AtomicU64,
    pub(crate) bad_peers: AtomicU64,
    pub(crate) datagrams_dropped: AtomicU64,
    /// Handshakes under way that peers have begun.
    pub(crate) answering: AtomicUsize,
    /// Dials that gossip asks for.
    pub(crate) dials: Arc<DialCounts>,
    pub(crate) failures: HandshakeCounters,
}

/// The parts of an endpoint that are `Send + Sync`.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: TransportConfig,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) counters: EndpointCounters,
    /// Memory for what all associations receive, and for what they send.
    pools: Pools,
    hello: Mutex<Hello>,
    /// Of the identity in use.
    validity: Mutex<Option<CertificateValidity>>,
    registry: Mutex<Registry>,
    /// Associations that have no driver yet; at most as many as there are peers.
    fresh: Mutex<VecDeque<Arc<Association>>>,
    fresh_wake: Notify,
    closing: AtomicBool,
    /// How often this node took a new incarnation.
    lives: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that panics runs under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(
        config: TransportConfig,
        hello: Hello,
        observer: Option<Arc<dyn Observer>>,
    ) -> Arc<Self> {
        let pools = Pools {
            slabs: SlabPool::bounded(SLAB_BYTES_DEFAULT, config.inbound_bytes_max),
            batches: BatchPool::new(config.batch_bytes_max),
        };
        Arc::new(Self {
            registry: Mutex::new(Registry::new(config.peers_max)),
            config,
            observer,
            counters: EndpointCounters::default(),
            pools,
            hello: Mutex::new(hello),
            validity: Mutex::default(),
            fresh: Mutex::default(),
            fresh_wake: Notify::new(),
            closing: AtomicBool::new(false),
            lives: AtomicU64::new(0),
        })
    }

    /// Between which times the certificates of the identity in use are good.
    pub(crate) fn certificate_validity(&self) -> Option<CertificateValidity> {
        *lock(&self.validity)
    }

    pub(crate) fn set_certificate_validity(&self, validity: Option<CertificateValidity>) {
        *lock(&self.validity) = validity;
    }

    /// What this node says in a welcome, with the number of its last dial; and which of its lives says so.
    pub(crate) fn hello(&self) -> (Hello, u64) {
        let hello = lock(&self.hello);
        (hello.clone(), self.lives())
    }

    /// What this node says in the hello of its next dial; and which of its lives says so.
    pub(crate) fn next_hello(&self) -> (Hello, u64) {
        let mut hello = lock(&self.hello);
        hello.dial += 1;
        (hello.clone(), self.lives())
    }

    /// The association with this life of a node, new if need be. One that is closed if there cannot be any.
    pub(crate) fn associate(&self, peer: PeerId, addr: SocketAddr) -> Arc<Association> {
        let make =
            || Association::new(peer, addr, &self.config, &self.pools, self.observer.clone());
        let refused = |why: &LostReason| {
            let association = make();
            association.close(why);
            association
        };
        if self.is_closing() {
            return refused(&LostReason::Closed);
        }
        let (association, is_new) = match lock(&self.registry).associate(peer, make) {
            Ok(found) => found,
            Err(why) => return refused(&why),
        };
        if is_new {
            lock(&self.fresh).push_back(Arc::clone(&association));
            self.fresh_wake.notify_one();
        } else {
            association.set_dial_addr(addr);
        }
        association
    }

    /// Associations that have no driver yet; waits for one.
    pub(crate) async fn fresh(&self) -> Vec<Arc<Association>> {
        loop {
            let fresh: Vec<_> = lock(&self.fresh).drain(..).collect();
            if !fresh.is_empty() {
                return fresh;
            }
            self.fresh_wake.notified().await;
        }
    }

    pub(crate) fn get(&self, peer: PeerId) -> Option<Arc<Association>> {
        lock(&self.registry).of_node(peer.node).filter(|found| found.peer().id == peer)
    }

    pub(crate) fn of_node(&self, node: NodeId) -> Option<Arc<Association>> {
        lock(&self.registry).of_node(node)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Association>> {
        lock(&self.registry).all()
    }

    pub(crate) fn known(&self, node: NodeId) -> Known {
        lock(&self.registry).known(node)
    }

    pub(crate) fn quarantine(&self, peer: PeerId) {
        lock(&self.registry).quarantine(peer);
    }

    pub(crate) fn forget(&self, peer: PeerId) {
        lock(&self.registry).forget(peer);
    }

    pub(crate) fn reincarnate(&self, incarnation: Incarnation) {
        let mut hello = lock(&self.hello);
        hello.incarnation = incarnation;
        // Under the lock, so that no hello of one life is taken for another's.
        self.lives.fetch_add(1, Ordering::AcqRel);
        drop(hello);
        self.all().iter().for_each(|association| association.nudge());
    }

    pub(crate) fn lives(&self) -> u64 {
        self.lives.load(Ordering::Acquire)
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    pub(crate) fn begin_closing(&self) {
        self.closing.store(true, Ordering::Release);
        self.all().iter().for_each(|association| association.nudge());
    }

    /// Frees long memory that was not needed since the last call.
    pub(crate) fn sweep_pools(&self) {
        self.pools.slabs.sweep();
        self.pools.batches.sweep();
    }

    /// Keeps long memory no more, also what somebody has yet to give back.
    pub(crate) fn end_pools(&self) {
        self.pools.slabs.end();
        self.pools.batches.end();
    }

    pub(crate) fn handshakes(&self) -> HandshakeMetrics {
        let counters = &self.counters;
        HandshakeMetrics {
            answering: counters.answering.load(Ordering::Relaxed),
            dialling: counters.dials.under_way.load(Ordering::Relaxed),
            dialling_most: counters.dials.most.load(Ordering::Relaxed),
            dials_waited: counters.dials.waited.load(Ordering::Relaxed),
            ended: counters.handshakes.load(Ordering::Relaxed),
            inbound: counters.failures.read(true),
            outbound: counters.failures.read(false),
            shed: counters.handshakes_shed.load(Ordering::Relaxed),
            retried: counters.handshakes_retried.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn stats(&self) -> TransportStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TransportStats {
            peers: lock(&self.registry).len() as u64,
            handshakes: read(&self.counters.handshakes),
            handshakes_failed: read(&self.counters.handshakes_failed),
            handshakes_shed: read(&self.counters.handshakes_shed),
            handshakes_retried: read(&self.counters.handshakes_retried),
            bad_peers: read(&self.counters.bad_peers),
            datagrams_dropped: read(&self.counters.datagrams_dropped),
            inbound_bytes: self.pools.slabs.lent_bytes() as u64,
            shelved_bytes: self.pools.long_bytes() as u64,
        }
    }
}
