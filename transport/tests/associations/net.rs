//! A network in memory under a paused clock: fixed latency, cuts, and closed ports that answer.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use odeon_env::{
    BoxFuture, DatagramSocket, Env,
    udp::{RecvMeta, Transmit},
};
use tokio::time::Instant;

pub(crate) const LATENCY: Duration = Duration::from_millis(1);

struct Packet {
    from: SocketAddr,
    life: u64,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// Packets, and when each was sent.
type Sent = Vec<(Instant, Vec<u8>)>;

#[derive(Default)]
struct Port {
    /// Which of the sockets bound here this is; earlier ones are dead.
    life: u64,
    inbox: VecDeque<Packet>,
    unreachable: VecDeque<SocketAddr>,
    reader: Option<Waker>,
    listener: Option<Waker>,
}

#[derive(Default)]
struct Inner {
    ports: BTreeMap<SocketAddr, Port>,
    cuts: BTreeSet<(SocketAddr, SocketAddr)>,
    sent: u64,
    lives: u64,
    /// Packets lost of a hundred, and the latest that one arrives after the latency.
    loss_percent: u64,
    jitter: Duration,
    random: u64,
    /// Who is listened to, and what it sent when.
    recorded: Option<(SocketAddr, Sent)>,
}

#[derive(Clone, Default)]
pub(crate) struct Net(Arc<Mutex<Inner>>);

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Net")
    }
}

impl Inner {
    fn random(&mut self) -> u64 {
        split_mix(&mut self.random)
    }
}

pub(crate) fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Net {
    /// From now on packets are lost and overtake each other.
    pub(crate) fn disturb(&self, seed: u64, loss_percent: u64, jitter: Duration) {
        let mut inner = self.0.lock().unwrap();
        (inner.random, inner.loss_percent, inner.jitter) = (seed, loss_percent, jitter);
    }

    pub(crate) fn bind(&self, addr: SocketAddr) -> Arc<Socket> {
        let mut inner = self.0.lock().unwrap();
        inner.lives += 1;
        let life = inner.lives;
        inner.ports.insert(addr, Port { life, ..Port::default() });
        Arc::new(Socket { net: self.clone(), addr, life })
    }

    /// Nobody listens there any more, and what is still sent from there goes nowhere.
    pub(crate) fn unbind(&self, addr: SocketAddr) {
        self.0.lock().unwrap().ports.remove(&addr);
    }

    /// Packets from one to the other are lost, both ways.
    pub(crate) fn cut(&self, one: SocketAddr, other: SocketAddr) {
        self.0.lock().unwrap().cuts.extend([(one, other), (other, one)]);
    }

    pub(crate) fn heal(&self) {
        self.0.lock().unwrap().cuts.clear();
    }

    /// From now on keeps what is sent from there.
    pub(crate) fn record(&self, from: SocketAddr) {
        self.0.lock().unwrap().recorded = Some((from, Vec::new()));
    }

    /// What was kept, and when it was sent.
    pub(crate) fn recorded(&self) -> Sent {
        self.0.lock().unwrap().recorded.take().map_or_else(Vec::new, |(_, packets)| packets)
    }

    pub(crate) fn packets(&self) -> u64 {
        self.0.lock().unwrap().sent
    }

    fn send(&self, packet: Packet) {
        let mut inner = self.0.lock().unwrap();
        if inner.ports.get(&packet.from).is_none_or(|port| port.life != packet.life) {
            return;
        }
        inner.sent += 1;
        if let Some((from, packets)) = &mut inner.recorded
            && *from == packet.from
        {
            packets.push((Instant::now(), packet.bytes.clone()));
        }
        let lost = inner.random() % 100 < inner.loss_percent;
        if lost || inner.cuts.contains(&(packet.from, packet.to)) {
            return;
        }
        let jitter_us = u64::try_from(inner.jitter.as_micros()).unwrap();
        let delay = LATENCY + Duration::from_micros(inner.random() % (jitter_us + 1));
        drop(inner);
        let net = self.clone();
        // Timers of one instant fire in the order they were made, so packets keep theirs.
        tokio::task::spawn_local(async move {
            tokio::time::sleep(delay).await;
            net.arrive(packet);
        });
    }

    fn arrive(&self, packet: Packet) {
        let mut inner = self.0.lock().unwrap();
        let waker = match inner.ports.get_mut(&packet.to) {
            Some(port) => {
                port.inbox.push_back(packet);
                port.reader.take()
            }
            None => match inner.ports.get_mut(&packet.from) {
                Some(port) => {
                    port.unreachable.push_back(packet.to);
                    port.listener.take()
                }
                None => None,
            },
        };
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

#[derive(Debug)]
pub(crate) struct Socket {
    net: Net,
    addr: SocketAddr,
    life: u64,
}

impl Socket {
    /// Sends one packet, whatever is in it.
    pub(crate) fn send(&self, to: SocketAddr, bytes: Vec<u8>) {
        self.net.send(Packet { from: self.addr, life: self.life, to, bytes });
    }

    fn transmit(&self, transmit: &Transmit<'_>) {
        let size = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        for segment in transmit.contents.chunks(size) {
            let to = transmit.destination;
            let (from, life) = (self.addr, self.life);
            self.net.send(Packet { from, life, to, bytes: segment.to_vec() });
        }
    }

    fn receive(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.net.0.lock().unwrap();
        let Some(port) = inner.ports.get_mut(&self.addr).filter(|port| port.life == self.life)
        else {
            return Poll::Pending;
        };
        let mut count = 0;
        while count < bufs.len().min(metas.len())
            && let Some(packet) = port.inbox.pop_front()
        {
            let len = packet.bytes.len().min(bufs[count].len());
            bufs[count][..len].copy_from_slice(&packet.bytes[..len]);
            let mut meta = RecvMeta::default();
            (meta.addr, meta.len, meta.stride) = (packet.from, len, len);
            metas[count] = meta;
            count += 1;
        }
        if count == 0 {
            port.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(count))
    }
}

impl DatagramSocket for Socket {
    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.transmit(transmit);
        Ok(())
    }

    fn writable(self: Arc<Self>) -> BoxFuture<io::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.receive(cx, bufs, metas)
    }

    fn poll_unreachable(&self, cx: &mut Context<'_>) -> Poll<SocketAddr> {
        let mut inner = self.net.0.lock().unwrap();
        let Some(port) = inner.ports.get_mut(&self.addr).filter(|port| port.life == self.life)
        else {
            return Poll::Pending;
        };
        match port.unreachable.pop_front() {
            Some(addr) => Poll::Ready(addr),
            None => {
                port.listener = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }

    fn max_transmit_segments(&self) -> usize {
        10
    }

    fn max_receive_segments(&self) -> usize {
        1
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

/// A still clock and numbers that look random.
#[derive(Debug)]
pub(crate) struct TestEnv(Mutex<u64>);

impl TestEnv {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(seed)))
    }
}

pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

impl Env for TestEnv {
    fn bind(&self, _: SocketAddr) -> io::Result<Arc<dyn DatagramSocket>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn resolve(&self, _: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }

    fn wall_clock(&self) -> SystemTime {
        now()
    }

    fn entropy(&self, out: &mut [u8]) {
        let mut state = self.0.lock().unwrap();
        for byte in out {
            *byte = split_mix(&mut state) as u8;
        }
    }
}
