//! The endpoint: one socket, one thread, all associations.
//!
//! What it is: where a node starts and closes its network. What it is NOT: a place where frames pass; those go from
//! an [`Association`](crate::Association) to its lane. Everything it starts runs on the `LocalSet` it was started
//! on. Read `hub.rs` next.

use std::{
    future::poll_fn, net::SocketAddr, rc::Rc, sync::Arc, sync::atomic::Ordering, time::Duration,
};

use bytes::Bytes;
use odeon_env::{
    DatagramSocket, Env,
    buggify::{any_order, is_simulated},
};
use odeon_message::{Fingerprint, Incarnation, MessageId, NodeId};
use odeon_wire::{
    Accepted, AcceptedTable, CloseCode, Hello, InitialCredit, Revisions, format::ACCEPTED_MAX,
};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    Association, ConfigError, Crypto, DATAGRAM_BYTES_MAX, Identity, IdentityError, Peers,
    TransportConfig, TransportEvents, TransportMetrics,
    carrier::Endpoint,
    exchange::answer,
    handshake_gate::{HandshakeGate, Verdict},
    hub::{Hub, canonical},
    hush,
    rotation::Standing,
    shared::{Shared, TransportStats},
    stream_in::attended::receive,
    tls::Tls,
};

/// How often memory is looked through that large messages have left: what none needs for so long is freed.
const POOLS_SWEPT_EVERY: Duration = Duration::from_secs(10);

/// What this node says of itself in every handshake. Cluster and node name are its [`Identity`]'s.
#[derive(Clone, Debug)]
pub struct LocalHello {
    /// Which of its lives this is.
    pub incarnation: Incarnation,
    /// The address at which peers reach it. With an unspecified IP peers use the one that packets come from.
    pub advertise: SocketAddr,
    /// What its actors accept, each with the layout; at most 4096. One message may have several layouts.
    pub accepted: Vec<(MessageId, Fingerprint)>,
    /// Whether it is a guest: it talks to the cluster and is no member, and peers are told so.
    pub guest: bool,
}

/// Why an endpoint could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// A configured value is out of bounds.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The node accepts more messages than a handshake can say.
    #[error(
        "the node accepts {accepted} messages, a handshake can name {ACCEPTED_MAX}: declare fewer"
    )]
    TooManyMessages {
        /// How many.
        accepted: usize,
    },
    /// The identity cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The socket failed.
    #[error("the socket cannot be used: {0}")]
    Socket(#[from] std::io::Error),
}

/// One node's endpoint. It lives on the `LocalSet` it was started on and is not `Send`; dropping it ends its
/// tasks without flushing anything. Close it first, unless the node is to crash.
pub struct Transport {
    pub(crate) hub: Rc<Hub>,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transport")
    }
}

impl Transport {
    /// Starts an endpoint on the current `LocalSet`. Nothing is dialled yet.
    ///
    /// # Errors
    /// When a value is out of bounds, the identity would be refused by peers, or the socket fails.
    ///
    /// # Panics
    /// Outside of a `LocalSet`, or of a tokio runtime with time.
    pub fn start(
        env: Arc<dyn Env>,
        socket: Arc<dyn DatagramSocket>,
        identity: Identity,
        hello: LocalHello,
        config: TransportConfig,
        events: Rc<dyn TransportEvents>,
    ) -> Result<Rc<Self>, TransportError> {
        config.validate()?;
        check_simulated(config.crypto)?;
        let tls = Tls::new(&identity, None, &env, config.crypto)?;
        let (endpoint, trust) = Endpoint::start(&env, &socket, &identity, tls, &config)?;
        let hello = hello_frame(&identity, hello, &config)?;
        let shared = Shared::new(config, hello, env.observer());
        shared.set_certificate_validity(identity.certificate_validity());
        let hub = Hub::new(shared, env, endpoint, events, Standing::new(identity, trust));
        hub.spawn(accept(Rc::clone(&hub)));
        hub.spawn(hire(Rc::clone(&hub)));
        hub.spawn(sweep_pools(Rc::clone(&hub)));
        hub.spawn(listen_for_unreachable(Rc::clone(&hub), socket));
        if hub.endpoint.is_frames() {
            hub.spawn(receive(Rc::clone(&hub)));
        }
        Ok(Rc::new(Self { hub }))
    }

    /// The associations; the handle is `Send + Sync`.
    #[must_use]
    pub fn peers(&self) -> Peers {
        Peers(Arc::clone(&self.hub.shared))
    }

    /// The address of the socket.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.hub.endpoint.local_addr()
    }

    /// What was counted since the start.
    #[must_use]
    pub fn stats(&self) -> TransportStats {
        self.hub.shared.stats()
    }

    /// The endpoint and the way to each peer in figures; see [`Peers::metrics`].
    #[must_use]
    pub fn metrics(&self) -> TransportMetrics {
        self.peers().metrics()
    }

    /// Dials an address of which nothing else is known, once; whoever answers is told by
    /// [`up`](TransportEvents::up), a failure by [`refused`](TransportEvents::refused). Nothing happens if a peer at
    /// this address is connected or being dialled already.
    pub fn dial_seed(&self, addr: SocketAddr) {
        if !self.hub.is_busy_with(addr) {
            self.hub.dial_seed(addr, None);
        }
    }

    /// Sends gossip of at most [`DATAGRAM_BYTES_MAX`] bytes; a longer one is dropped and counted. Without a
    /// connection it dials, and one datagram waits for the end of that; a newer one replaces it.
    pub fn datagram(&self, to: (NodeId, SocketAddr), bytes: Bytes) {
        if bytes.len() > DATAGRAM_BYTES_MAX {
            self.hub.count_dropped_datagram();
            return;
        }
        self.hub.datagram(to, bytes);
    }

    /// Knocks at a node's address, unless anything else was sent to the node since the last knock: should nobody listen
    /// there any more, [`unreachable`](TransportEvents::unreachable) says so.
    ///
    /// It takes one datagram of one byte and no connection. A datagram of QUIC would be acknowledged by another one, each
    /// side would set timers for both, and an idle node does little else. Where frame connections carry everything, the
    /// peer gets `bytes` as a [`datagram`](Self::datagram).
    pub fn knock(&self, to: (NodeId, SocketAddr), bytes: Bytes) {
        let driver = self.hub.driver_of_node(to.0);
        if driver.as_ref().is_some_and(|driver| driver.has_sent()) {
            return;
        }
        if !self.hub.endpoint.knock(to.1) {
            self.datagram(to, bytes);
        }
        driver.into_iter().for_each(|driver| driver.mark_sent());
    }

    /// Makes QUIC send something to whoever is at `addr`, now, so that a dead process is noticed: a ping to a
    /// connected peer, else a dial that does not wait for its backoff.
    pub fn probe(&self, addr: SocketAddr) {
        let token = self.hub.next_ping();
        let mut found = false;
        for driver in self.hub.drivers() {
            let at = driver.remote_addr().unwrap_or_else(|| driver.association.dial_addr());
            if canonical(at) == canonical(addr) {
                driver.probe(token);
                found = true;
            }
        }
        if !found {
            self.hub.dial_seed(addr, None);
        }
    }

    /// Tells the peers, those that come later too, that this node is about to leave and that others are to be asked. All
    /// goes on as before; a peer hears it as [`leaving`](TransportEvents::leaving).
    pub fn say_leaving(&self) {
        if !self.hub.is_leaving.replace(true) {
            self.hub.drivers().iter().for_each(|driver| driver.say_leaving());
        }
    }

    /// Tells the peers that this node stops, and waits until they have sent all that they send it, at most `within`.
    ///
    /// What they still had for it is read as before, and its answers go out: [`flush`](Self::flush) them, then
    /// [`close`](Self::close). From then on a peer takes no message for this node any more, so whoever asks it there is told
    /// at once that the ask was not delivered. A peer that does not answer is waited for here, and by nothing that follows.
    ///
    /// # Cancel safety
    /// The peers were told all the same. Called again, it waits on.
    pub async fn hush(&self, within: Duration) {
        let hub = &self.hub;
        if !hub.is_hushing.replace(true) {
            hub.drivers().iter().for_each(|driver| driver.hush(hub));
        }
        let answered = hub.flushes.answered_by_all(hush::CLOSE);
        let _ = tokio::time::timeout(within, answered).await;
    }

    /// Waits until the peers have read what was sent to them before, at most `within`.
    ///
    /// Each lane that carried something is asked by a ping behind it, which is answered once all before it was handed to
    /// the peer's events. What waits for a connection is waited for; what is lost with one is not. After a
    /// [`hush`](Self::hush) whoever dials later is told that the node stops.
    ///
    /// # Cancel safety
    /// Nothing is lost; what was sent goes out all the same.
    pub async fn flush(&self, within: Duration) {
        let hub = &self.hub;
        let ask = |association: Arc<Association>| {
            // Whoever has something to be read has a driver, which says when there is nothing to wait for any more.
            hub.driver(&association);
            (association.peer().id, hub.flushes.ask(&association, || hub.next_ping()))
        };
        let asked: Vec<_> = hub.shared.all().into_iter().map(ask).collect();
        let answered = async {
            for (peer, pings) in &asked {
                hub.flushes.answers(*peer, pings).await;
            }
        };
        let _ = tokio::time::timeout(within, answered).await;
        hub.is_flushed.set(hub.is_hushing.get());
    }

    /// Closes the endpoint: nobody is accepted or dialled any more, and whoever dials is told that it stops; what waits in
    /// lanes goes out where there is a connection, then all connections are closed and their peers told. At most `within`;
    /// what takes longer is cut.
    ///
    /// # Cancel safety
    /// Dropping it leaves connections half closed; call it again, or drop the endpoint.
    pub async fn close(&self, within: Duration) {
        let hub = &self.hub;
        let deadline = Instant::now() + within;
        hub.shared.begin_closing();
        hub.drivers().iter().for_each(|driver| driver.drain());
        let _ = tokio::time::timeout_at(deadline, hub.all_dismissed()).await;
        hub.endpoint.refuse_incoming();
        hub.endpoint.close(CloseCode::Stopping.code());
        hub.abort();
        let _ = tokio::time::timeout_at(deadline, hub.endpoint.wait_idle()).await;
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.hub.abort();
        self.hub.shared.end_pools();
    }
}

/// A simulation would not be the same a second time.
fn check_simulated(crypto: Crypto) -> Result<(), ConfigError> {
    if crypto == Crypto::Ring || !is_simulated() {
        return Ok(());
    }
    let remedy =
        "in a simulation use ring: whoever else encrypts draws entropy that no seed decides";
    Err(ConfigError { field: "crypto", value: crypto.to_string(), remedy })
}

fn hello_frame(
    identity: &Identity,
    hello: LocalHello,
    config: &TransportConfig,
) -> Result<Hello, TransportError> {
    let accepted = hello.accepted.len();
    let entries =
        hello.accepted.into_iter().map(|(message, fingerprint)| Accepted { message, fingerprint });
    let table = AcceptedTable::new(entries.collect());
    let (cluster, name) = identity.names();
    Ok(Hello {
        revisions: Revisions::OURS,
        cluster: cluster.clone(),
        name: name.clone(),
        node: name.id(),
        incarnation: hello.incarnation,
        dial: 0,
        advertised: hello.advertise,
        lanes: config.lanes,
        frame_bytes_max: config.frame_bytes_max,
        bulk: Some(config.bulk_terms()),
        credit: InitialCredit { messages: config.credit_messages, bytes: config.credit_bytes },
        guest: hello.guest,
        accepted: table.ok_or(TransportError::TooManyMessages { accepted })?,
    })
}

/// Answers handshakes, a bounded number at once.
async fn accept(hub: Rc<Hub>) {
    let mut handshakes: JoinSet<()> = JoinSet::new();
    let gate = HandshakeGate::new(&hub.shared.config);
    let counters = &hub.shared.counters;
    loop {
        counters.answering.store(gate.under_way(), Ordering::Relaxed);
        let incoming = tokio::select! {
            biased;
            Some(_) = handshakes.join_next() => continue,
            incoming = hub.endpoint.accept() => incoming,
        };
        let Some(incoming) = incoming else { return };
        let ip = incoming.remote_address().ip();
        match gate.enter(ip, incoming.is_unproven()) {
            Verdict::Answer(pass) => {
                let hub = Rc::clone(&hub);
                let answered = async move {
                    answer(&hub, incoming).await;
                    drop(pass);
                };
                handshakes.spawn_local(any_order(Box::pin(answered)));
            }
            Verdict::Retry => {
                counters.handshakes_retried.fetch_add(1, Ordering::Relaxed);
                incoming.retry();
            }
            Verdict::Refuse => {
                counters.handshakes_shed.fetch_add(1, Ordering::Relaxed);
                incoming.refuse();
            }
        }
    }
}

/// Starts a driver for every new association.
async fn hire(hub: Rc<Hub>) {
    loop {
        for association in hub.shared.fresh().await {
            hub.driver(&association);
        }
    }
}

/// Lets memory go that large messages have left and no other one has needed for a while.
async fn sweep_pools(hub: Rc<Hub>) {
    loop {
        tokio::time::sleep(POOLS_SWEPT_EVERY).await;
        hub.shared.sweep_pools();
    }
}

async fn listen_for_unreachable(hub: Rc<Hub>, socket: Arc<dyn DatagramSocket>) {
    loop {
        let addr = poll_fn(|cx| socket.poll_unreachable(cx)).await;
        hub.events.unreachable(addr);
    }
}
