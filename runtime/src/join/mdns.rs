//! Finding nodes on a local network: multicast DNS (RFC 6762) with the records of DNS-SD (RFC 6763).
//!
//! What it is: says where this node is when somebody asks, asks itself ever less often, and notes where others say they
//! are. All of it goes through the environment's multicast, so that a simulated network has it too. What it is NOT: a
//! responder for anything else on this machine, with which it shares the port; and nothing here is believed but that
//! somebody may be there, who must show a certificate then. Read `mdns/packet.rs` for the bytes, `mdns/allowance.rs` for
//! how many packets are looked at, `mdns/heard.rs` for what is remembered.

mod allowance;
mod config;
mod heard;
mod packet;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    future::poll_fn,
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use odeon_env::{
    DatagramSocket, Env,
    udp::{RecvMeta, Transmit},
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use crate::{
    cluster_stats::ClusterCounts,
    phase::{Phase, Phases},
};
use allowance::Allowance;
pub use config::MdnsConfig;
use heard::Heard;
pub(crate) use packet::Place;
use packet::Said;

/// The longest packet that is read whole: what one frame of Ethernet carries (RFC 6762, section 17, has up to 9,000 bytes
/// where all hosts take them). A node's answer has some two hundred; what is longer costs a hostile host more than this one.
const PACKET_BYTES_MAX: usize = 1_500;

/// How long what is said counts, unless whoever says it says less: as the time to live of a host's record (RFC 6762,
/// section 10).
const HEARD_FOR: Duration = Duration::from_secs(120);

/// The pause after the first question, doubled with each (RFC 6762, section 5.2) up to half the time for which an answer
/// counts, so that nobody is forgotten who is there.
const ASK_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The least pause between two answers (RFC 6762, section 6).
const ANSWER_PAUSE: Duration = Duration::from_secs(1);

/// An answer comes between 20 and 120 ms after the question, so that all who are asked do not answer at once (the same).
const ANSWER_AFTER_MILLIS: (u64, u64) = (20, 100);

/// How long a packet may wait for room in the socket; then it is lost, as any may be.
const SEND_WITHIN: Duration = Duration::from_secs(1);

/// The pause after the socket could not be read.
const DEAF_PAUSE: Duration = Duration::from_secs(1);

/// One node's part in it.
pub(crate) struct Mdns {
    env: Arc<dyn Env>,
    counts: Arc<ClusterCounts>,
    config: MdnsConfig,
    cluster: String,
    /// Where this node is; `None` of a client, which nobody shall find.
    own: Option<Place>,
    socket: RefCell<Option<Arc<dyn DatagramSocket>>>,
    joined: Notify,
    heard: RefCell<Heard>,
    /// When it asks next, and the pause after that.
    ask: Cell<(Instant, Duration)>,
    /// When an answer is due.
    answer_at: Cell<Option<Instant>>,
    answered_at: Cell<Option<Instant>>,
}

impl Mdns {
    /// The part of a node of this cluster that is at `own`.
    pub(crate) fn new(
        (env, counts): (Arc<dyn Env>, Arc<ClusterCounts>),
        config: MdnsConfig,
        cluster: &str,
        own: Option<Place>,
    ) -> Self {
        Self {
            env,
            counts,
            config,
            cluster: cluster.to_owned(),
            own,
            socket: RefCell::default(),
            joined: Notify::new(),
            heard: RefCell::default(),
            ask: Cell::new((Instant::now(), ASK_PAUSE.0)),
            answer_at: Cell::new(None),
            answered_at: Cell::new(None),
        }
    }

    /// Says whom it has heard so far, and what went wrong; asks who is there when it is time.
    pub(super) async fn look(&self) -> (BTreeSet<SocketAddr>, Option<String>) {
        let now = Instant::now();
        let asked = if now >= self.ask.get().0 { self.ask_now(now).await } else { Ok(()) };
        (self.heard.borrow_mut().places(now), asked.err().map(|error| error.to_string()))
    }

    /// From now on it asks as often as at first: the node has lost all others.
    pub(super) fn hurry(&self) {
        self.ask.set((Instant::now(), ASK_PAUSE.0));
    }

    /// Listens and answers until the node leaves, says goodbye, and rests.
    pub(super) async fn serve(&self, phases: &Phases) {
        tokio::select! {
            biased;
            _ = phases.reached(Phase::Leaving) => {}
            () = self.listen() => {}
        }
        let socket = self.socket.borrow().clone();
        if let (Some(socket), Some(own)) = (socket, &self.own) {
            // Whoever misses it forgets the node by its time.
            let _ = self.send(&socket, &packet::answer(own, &self.cluster, Duration::ZERO)).await;
        }
        std::future::pending().await
    }

    async fn ask_now(&self, now: Instant) -> io::Result<()> {
        let socket = self.socket()?;
        self.asked(now);
        self.send(&socket, &packet::question()).await
    }

    /// The question is out, whoever asked it: its answers are heard by all (RFC 6762, section 7.3).
    fn asked(&self, now: Instant) {
        let (_, pause) = self.ask.get();
        self.ask.set((now + pause, (pause * 2).min(ASK_PAUSE.1)));
    }

    async fn listen(&self) {
        let socket = loop {
            let joined = self.joined.notified();
            if let Some(socket) = &*self.socket.borrow() {
                break Arc::clone(socket);
            }
            joined.await;
        };
        let mut buffer = vec![0; PACKET_BYTES_MAX];
        let mut allowance = Allowance::new(Instant::now());
        loop {
            let received = async {
                if let Some(rests) = allowance.rests(Instant::now()) {
                    tokio::time::sleep_until(rests).await;
                }
                receive(&*socket, &mut buffer).await
            };
            tokio::select! {
                biased;
                () = until(self.answer_at.get()) => self.answer(&socket).await,
                received = received => match received {
                    Ok(meta) => {
                        let bytes = buffer.get(..meta.len).unwrap_or_default();
                        let from = meta.addr.ip();
                        if bytes.is_empty() {
                            // It says nothing, and counts.
                            let _ = allowance.admits(Instant::now(), from);
                        }
                        for bytes in bytes.chunks(meta.stride.max(1)) {
                            if allowance.admits(Instant::now(), from) {
                                self.take(from, bytes);
                            } else {
                                self.ignored(from);
                            }
                        }
                        if allowance.rests(Instant::now()).is_some() {
                            // One at least of those that the system drops meanwhile.
                            self.ignored(from);
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "multicast DNS cannot be heard");
                        tokio::time::sleep(DEAF_PAUSE).await;
                    }
                },
            }
        }
    }

    /// Says so the first, second, fourth, eighth time and so on.
    fn ignored(&self, from: IpAddr) {
        let ignored = self.counts.multicast_ignored();
        if ignored.is_power_of_two() {
            tracing::warn!(%from, ignored, "a host sends more packets of multicast DNS than are looked at");
        }
    }

    async fn answer(&self, socket: &Arc<dyn DatagramSocket>) {
        self.answer_at.set(None);
        self.answered_at.set(Some(Instant::now()));
        if let Some(own) = &self.own {
            // Lost as any packet: it will be asked for again.
            let _ = self.send(socket, &packet::answer(own, &self.cluster, HEARD_FOR)).await;
        }
    }

    /// The socket, opened when it is first needed.
    fn socket(&self) -> io::Result<Arc<dyn DatagramSocket>> {
        if let Some(socket) = &*self.socket.borrow() {
            return Ok(Arc::clone(socket));
        }
        let socket = self.env.join_multicast(&self.config.multicast_group()?)?;
        *self.socket.borrow_mut() = Some(Arc::clone(&socket));
        self.joined.notify_one();
        // Unasked, as RFC 6762, section 8.3 wants it.
        self.answer_soon();
        Ok(socket)
    }

    async fn send(&self, socket: &Arc<dyn DatagramSocket>, contents: &[u8]) -> io::Result<()> {
        let destination = SocketAddr::from(self.config.group);
        let transmit =
            Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None };
        let sent = async {
            loop {
                match socket.try_send(&transmit) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        Arc::clone(socket).writable().await?;
                    }
                    done => return done,
                }
            }
        };
        timeout(SEND_WITHIN, sent).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    fn take(&self, from: IpAddr, bytes: &[u8]) {
        let now = Instant::now();
        match packet::read(bytes, &self.cluster) {
            Some(Said::Question) => {
                if now >= self.ask.get().0 {
                    self.asked(now);
                }
                self.answer_soon();
            }
            Some(Said::Places(places)) => {
                let own = self.own.as_ref().map(|own| own.addr);
                let mut heard = self.heard.borrow_mut();
                for (addr, time_to_live) in places {
                    if Some(addr) != own {
                        heard.note(now, (from, addr), time_to_live.min(HEARD_FOR));
                    }
                }
            }
            None => {}
        }
    }

    fn answer_soon(&self) {
        if self.own.is_none() || self.answer_at.get().is_some() {
            return;
        }
        let mut random = [0; 8];
        self.env.entropy(&mut random);
        let (least, spread) = ANSWER_AFTER_MILLIS;
        let after = Duration::from_millis(least + u64::from_le_bytes(random) % spread);
        let soonest = Instant::now() + after;
        let allowed = self.answered_at.get().map(|at| at + ANSWER_PAUSE);
        self.answer_at.set(allowed.max(Some(soonest)));
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

async fn receive(socket: &dyn DatagramSocket, buffer: &mut [u8]) -> io::Result<RecvMeta> {
    let mut metas = [RecvMeta::default()];
    poll_fn(|cx| socket.poll_recv(cx, &mut [IoSliceMut::new(buffer)], &mut metas)).await?;
    Ok(metas[0])
}
