//! One side of a frame connection: its streams, its datagrams, and what becomes of them.
//!
//! Pure but for the wakers it returns. What arrives comes from `frames.rs`, in any order; what goes out goes there.
//! Read `handles.rs` next.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    task::Waker,
    time::Duration,
};

use bytes::Bytes;
use odeon_env::{FrameIdentity, FrameLoss, FrameStream, FrameTerms, FrameWay};

use super::sides::SideId;
use crate::net::{links::Place, port::Socket};

/// The latency that is assumed before a packet has gone.
const FIRST_TRANSIT: Duration = Duration::from_millis(5);

/// RFC 9000's `max_ack_delay`, which a sender waits on top of a round trip before it sends again.
const ACK_DELAY: Duration = Duration::from_millis(25);

/// The longest pause between two attempts.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(2);

/// Where a side stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It was dialled, and the peer has not answered.
    Dialling,
    /// The peer dialled, and nobody has accepted.
    Incoming,
    Open,
    Lost(FrameLoss),
}

/// What this side sends on one stream.
#[derive(Debug)]
pub(super) struct Outbound {
    stream: FrameStream,
    /// The number of the next chunk.
    next: u64,
    written: u64,
    /// Bytes that may be written in all.
    limit: u64,
    received: bool,
    /// When it was written to last.
    pub(super) written_at: Option<Duration>,
    pub(super) writer: Option<Waker>,
    pub(super) waiter: Option<Waker>,
}

/// What this side receives on one stream.
#[derive(Debug)]
pub(super) struct Inbound {
    stream: FrameStream,
    next: u64,
    ready: VecDeque<Bytes>,
    /// Chunks that overtook others, with whether each is the last.
    early: BTreeMap<u64, (Bytes, bool)>,
    ended: bool,
    read: u64,
    /// The limit that the peer was told of.
    granted: u64,
    /// Under which number what arrives goes to the endpoint.
    ticket: Option<u64>,
    reader: Option<Waker>,
}

/// One side of a connection.
#[derive(Debug)]
pub(in crate::net) struct Side {
    pub(super) here: SocketAddr,
    pub(super) there: SocketAddr,
    /// What it is bound to here.
    pub(super) socket: Socket,
    /// The link from here to there.
    pub(super) link: Place,
    /// The peer's side and the number of its socket's binding, once known.
    pub(super) twin: Option<(SideId, u64)>,
    pub(super) peer: Option<FrameIdentity>,
    pub(super) state: State,
    pub(super) terms: FrameTerms,
    pub(super) heard_at: Duration,
    pub(super) said_at: Duration,
    /// What it was closed with from here.
    pub(super) goodbye: (u64, Bytes),
    dialled: bool,
    transit: Duration,
    opened: [u32; 2],
    outs: Vec<Outbound>,
    ins: Vec<Inbound>,
    accepted: [VecDeque<FrameStream>; 2],
    datagrams: VecDeque<Bytes>,
    datagram_bytes: usize,
    pub(super) ready_waker: Option<Waker>,
    pub(super) accept_wakers: [Option<Waker>; 2],
    pub(super) datagram_waker: Option<Waker>,
}

/// What a chunk that arrived calls for.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) wake: [Option<Waker>; 2],
    /// The stream is received to its end.
    pub(super) whole: bool,
    /// What goes to the endpoint under this number: the chunk itself, and whether more is ready behind it.
    pub(super) goes: Option<(u64, Bytes, bool)>,
}

const fn index(way: FrameWay) -> usize {
    match way {
        FrameWay::One => 0,
        FrameWay::Both => 1,
    }
}

impl Side {
    pub(super) fn new(
        (socket, there, link): (Socket, SocketAddr, Place),
        dialled: bool,
        terms: FrameTerms,
        now: Duration,
    ) -> Self {
        Self {
            here: socket.bound,
            there,
            socket,
            link,
            twin: None,
            peer: None,
            state: if dialled { State::Dialling } else { State::Incoming },
            terms,
            heard_at: now,
            said_at: now,
            goodbye: (0, Bytes::new()),
            dialled,
            transit: FIRST_TRANSIT,
            opened: [0; 2],
            outs: Vec::new(),
            ins: Vec::new(),
            accepted: Default::default(),
            datagrams: VecDeque::new(),
            datagram_bytes: 0,
            ready_waker: None,
            accept_wakers: [None, None],
            datagram_waker: None,
        }
    }

    pub(super) fn loss(&self) -> Option<FrameLoss> {
        match &self.state {
            State::Lost(why) => Some(why.clone()),
            _ => None,
        }
    }

    pub(super) fn check(&self) -> Result<(), FrameLoss> {
        self.loss().map_or(Ok(()), Err)
    }

    /// How long to wait before attempt number `attempt`, from 1: twice the way, as long again each time.
    pub(super) fn retry_pause(&self, attempt: u32) -> Duration {
        let first = self.transit * 2 + ACK_DELAY;
        first.saturating_mul(1 << attempt.saturating_sub(1).min(8)).min(RETRY_PAUSE_MAX)
    }

    /// A packet of this side takes this long.
    pub(super) fn learn_transit(&mut self, transit: Duration) {
        self.transit = transit.max(self.transit - self.transit / 8);
    }

    /// Ends the connection; whom to wake is everybody.
    pub(super) fn lose(&mut self, why: FrameLoss, wake: &mut Vec<Waker>) {
        if self.loss().is_some() {
            return;
        }
        self.state = State::Lost(why);
        wake.extend(self.ready_waker.take());
        wake.extend(self.datagram_waker.take());
        wake.extend(self.accept_wakers.iter_mut().filter_map(Option::take));
        for out in &mut self.outs {
            wake.extend(out.writer.take().into_iter().chain(out.waiter.take()));
        }
        wake.extend(self.ins.iter_mut().filter_map(|inbound| inbound.reader.take()));
    }

    pub(super) fn open(&mut self, way: FrameWay) -> FrameStream {
        let number = self.opened[index(way)];
        self.opened[index(way)] += 1;
        let one_way = u32::from(way == FrameWay::One);
        let stream = FrameStream(number << 2 | one_way << 1 | u32::from(!self.dialled));
        self.add_out(stream);
        if way == FrameWay::Both {
            self.add_in(stream);
        }
        stream
    }

    fn add_out(&mut self, stream: FrameStream) {
        self.outs.push(Outbound {
            stream,
            next: 0,
            written: 0,
            limit: self.terms.stream_window.into(),
            received: false,
            written_at: None,
            writer: None,
            waiter: None,
        });
    }

    fn add_in(&mut self, stream: FrameStream) -> usize {
        self.ins.push(Inbound {
            stream,
            next: 0,
            ready: VecDeque::new(),
            early: BTreeMap::new(),
            ended: false,
            read: 0,
            granted: self.terms.stream_window.into(),
            ticket: None,
            reader: None,
        });
        self.ins.len() - 1
    }

    pub(super) fn next_accepted(&mut self, way: FrameWay) -> Option<FrameStream> {
        self.accepted[index(way)].pop_front()
    }

    pub(super) fn wait_for_stream(&mut self, way: FrameWay, waker: Waker) {
        self.accept_wakers[index(way)] = Some(waker);
    }

    /// Forgets a stream that the peer has received to its end.
    pub(super) fn forget_out(&mut self, stream: FrameStream) {
        self.outs.retain(|out| out.stream != stream);
    }

    pub(super) fn out(&mut self, stream: FrameStream) -> Option<&mut Outbound> {
        self.outs.iter_mut().find(|out| out.stream == stream)
    }

    /// Takes one chunk of a stream from the network.
    pub(super) fn take_chunk(
        &mut self,
        stream: FrameStream,
        number: u64,
        bytes: Bytes,
        last: bool,
    ) -> Taken {
        let mut taken = Taken::default();
        let found = self.ins.iter().position(|inbound| inbound.stream == stream);
        let at = found.unwrap_or_else(|| {
            taken.wake[0] = self.take_opened(stream);
            self.add_in(stream)
        });
        let inbound = &mut self.ins[at];
        if number == inbound.next {
            // Where the endpoint attends to the stream nothing that is ready waits here.
            match inbound.ticket.filter(|_| inbound.ready.is_empty() && !bytes.is_empty()) {
                Some(ticket) => {
                    inbound.next += 1;
                    inbound.ended = last;
                    taken.goes = Some((ticket, bytes, false));
                }
                None => inbound.take(bytes, last),
            }
            while let Some((bytes, last)) = inbound.early.remove(&inbound.next) {
                inbound.take(bytes, last);
            }
            if let Some((.., has_more)) = &mut taken.goes {
                *has_more = !inbound.ready.is_empty();
            }
            taken.whole = inbound.ended;
            if inbound.ticket.is_none() || inbound.ended {
                taken.wake[1] = inbound.reader.take();
            }
        } else if number > inbound.next {
            inbound.early.insert(number, (bytes, last));
        }
        taken
    }

    /// The peer opened a stream: who waits for one.
    fn take_opened(&mut self, stream: FrameStream) -> Option<Waker> {
        let way = if stream.0 & 2 == 0 { FrameWay::Both } else { FrameWay::One };
        if way == FrameWay::Both {
            self.add_out(stream);
        }
        self.accepted[index(way)].push_back(stream);
        self.accept_wakers[index(way)].take()
    }

    /// Fills `pieces` with what was received; the new limit if the peer is to be told of one. `None` to wait.
    pub(super) fn read(
        &mut self,
        stream: FrameStream,
        pieces: &mut [Bytes],
        waker: &Waker,
    ) -> Option<Result<(usize, Option<u64>), FrameLoss>> {
        let loss = self.loss();
        let window = u64::from(self.terms.stream_window);
        let inbound = self.inbound(stream)?;
        let mut count = 0;
        while count < pieces.len()
            && let Some(bytes) = inbound.ready.pop_front()
        {
            inbound.read += bytes.len() as u64;
            pieces[count] = bytes;
            count += 1;
        }
        if count > 0 {
            return Some(Ok((count, inbound.grant(window))));
        }
        if inbound.ended {
            // Nobody reads beyond the end; one that has another direction is kept by that.
            self.ins.retain(|inbound| inbound.stream != stream);
            return Some(Ok((0, None)));
        }
        if let Some(why) = loss {
            return Some(Err(why));
        }
        inbound.reader = Some(waker.clone());
        None
    }

    /// Lets what arrives on a stream go to the endpoint; whether it is still there.
    pub(super) fn attend(&mut self, stream: FrameStream, ticket: u64) -> bool {
        let inbound = self.inbound(stream);
        inbound.map(|inbound| inbound.ticket = Some(ticket)).is_some()
    }

    /// The next bytes that are ready on a stream.
    pub(super) fn next_ready(&mut self, stream: FrameStream) -> Option<Bytes> {
        self.inbound(stream)?.ready.pop_front()
    }

    /// So many bytes of a stream were read at the endpoint; the new limit if the peer is to be told of one.
    pub(super) fn note_read(&mut self, stream: FrameStream, bytes: usize) -> Option<u64> {
        let window = u64::from(self.terms.stream_window);
        let inbound = self.inbound(stream)?;
        inbound.read += bytes as u64;
        inbound.grant(window)
    }

    fn inbound(&mut self, stream: FrameStream) -> Option<&mut Inbound> {
        self.ins.iter_mut().find(|inbound| inbound.stream == stream)
    }

    pub(super) fn take_datagram(&mut self, bytes: Bytes) -> Option<Waker> {
        self.datagram_bytes += bytes.len();
        self.datagrams.push_back(bytes);
        while self.datagram_bytes > self.terms.datagram_bytes_max {
            let dropped = self.datagrams.pop_front()?;
            self.datagram_bytes -= dropped.len();
        }
        self.datagram_waker.take()
    }

    pub(super) fn next_datagram(&mut self) -> Option<Bytes> {
        let bytes = self.datagrams.pop_front()?;
        self.datagram_bytes -= bytes.len();
        Some(bytes)
    }
}

impl Outbound {
    /// Takes a chunk of `bytes`, as large as the window allows, with its number; `None` while the window is full.
    pub(super) fn chunk(&mut self, bytes: &mut Bytes, bytes_max: usize) -> Option<(u64, Bytes)> {
        let room = usize::try_from(self.limit - self.written).unwrap_or(usize::MAX);
        if room == 0 {
            return None;
        }
        let chunk = bytes.split_to(bytes.len().min(room).min(bytes_max));
        self.written += chunk.len() as u64;
        Some((self.number(), chunk))
    }

    /// Whether so many bytes can be written now, and were better not kept for what comes in the same moment.
    pub(super) fn takes_at_once(&self, length: usize, now: Duration) -> bool {
        let room = usize::try_from(self.limit - self.written).unwrap_or(usize::MAX);
        length <= room && self.written_at != Some(now)
    }

    /// The number of the next chunk.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    pub(super) fn raise(&mut self, limit: u64) -> Option<Waker> {
        self.limit = self.limit.max(limit);
        self.writer.take()
    }

    pub(super) fn set_received(&mut self) -> Option<Waker> {
        self.received = true;
        self.waiter.take()
    }

    pub(super) const fn is_received(&self) -> bool {
        self.received
    }
}

impl Inbound {
    /// The new limit if the peer is to be told of one: half of the window was read since the last.
    fn grant(&mut self, window: u64) -> Option<u64> {
        let behind = self.read + window - self.granted;
        let granted = (behind >= window / 2).then(|| self.read + window);
        self.granted = granted.unwrap_or(self.granted);
        granted
    }

    fn take(&mut self, bytes: Bytes, last: bool) {
        self.next += 1;
        if !bytes.is_empty() {
            self.ready.push_back(bytes);
        }
        self.ended = last;
    }
}
