//! The frame link: connections with streams and datagrams, without TLS, packet recovery and congestion control.
//!
//! What it is: what a QUIC connection looks like to who uses it, under the same [`LinkRule`](super::LinkRule)s, cuts
//! and crashes, at a fraction of the cost. What it is NOT: a second fault model. Each packet asks the same link; what
//! differs is what a packet is, and what its loss means:
//!
//! * A write to a stream is one packet, whatever its length up to [`CHUNK_BYTES_MAX`], or an eighth of what may wait where
//!   bandwidth has a limit; a datagram is one; so is each word between the two sides: dial, accepted, received to the
//!   end, window, here, close, reset.
//! * A packet of a stream, or a word that must arrive, comes once, in order on its stream, and late: what the rule
//!   loses or corrupts, what finds a cut link, a full queue or a full network, is sent again after twice the latest
//!   latency and 25 ms, then after as long again each time, at most 2 s. Copies vanish. Streams do not wait for
//!   each other.
//! * A datagram is lost, doubled and reordered as the rule says; a corrupted one is lost, because QUIC would refuse it.
//! * Who hears nothing for the idle timeout loses the connection, without a word to the peer, as QUIC does; who says
//!   nothing for the keep-alive pause says that it is there. A cut one way is therefore noticed by the side that
//!   hears nothing first, and by the other an idle timeout later, or when its next packet meets a side that is gone
//!   and is answered by a reset.
//! * A crashed node says nothing. Its host answers packets with "nobody listens", on the sender's socket; the
//!   connection itself ends by the idle timeout, or when whoever uses it gives it up. A node that was started again
//!   at the same address answers nothing to packets of its former life, because a reset of it would not be believed.
//! * What meets a clogged link waits before it, with the link's datagrams.
//! * A slow node takes longer over what it is told; what its connections say to their peers by themselves, as that they
//!   are there, goes out in time.
//! * A held node says and hears nothing; what comes waits in a buffer like a socket's and is heard when it goes on.
//! * Bandwidth is taken for payload and 40 bytes for each packet. Acknowledgements, which QUIC sends about every
//!   eighth packet, cost nothing here.
//!
//! It knows no certificate: identities are handed over as they are. Read `frames/packet.rs` next.

mod arrivals;
mod handles;
mod packet;
mod side;
mod sides;

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    task::Waker,
    time::Duration,
};

use bytes::Bytes;
use odeon_env::{FrameArrival, FrameLoss, FrameTerms};

use super::{
    fabric::{Fabric, Freight, Outbound},
    link::{Number, Passing},
    waiting::Held as Waits,
};
use crate::trace::{Event, Fate};
use arrivals::Arrivals;
use side::{Side, State};

pub(crate) use handles::SimFrames;
pub(super) use packet::{Carried, Packet};
use packet::{Content, GOODBYES_MAX, Spare};
pub(super) use sides::{SideId, Sides};

/// The largest write that stays one packet, in bytes; a longer one is several.
const CHUNK_BYTES_MAX: usize = 60_000;

/// What a write is cut into at least: about what QUIC puts into a packet.
const CHUNK_BYTES_MIN: usize = 1_200;

/// Pause before a goodbye of a side that is gone is said again.
const GOODBYE_PAUSE: Duration = Duration::from_millis(50);

/// The shortest pause between two looks of a side: a tick of the clock.
const LOOK_PAUSE_MIN: Duration = Duration::from_millis(1);

/// Bytes that wait at a held node; more are lost. As a socket's buffer: 4 MiB.
const HELD_BYTES_MAX: usize = 4 << 20;

/// Who accepts at a socket.
#[derive(Debug)]
pub(super) struct Listener {
    terms: FrameTerms,
    accepts: bool,
    incoming: VecDeque<SideId>,
    waker: Option<Waker>,
    arrivals: Arrivals,
}

/// All frame connections of a network, and the nodes that are held.
#[derive(Debug, Default)]
pub(super) struct Frames {
    sides: Sides,
    held: BTreeMap<IpAddr, Held>,
    spare: Spare,
}

#[derive(Debug, Default)]
struct Held {
    packets: VecDeque<Box<Packet>>,
    bytes: usize,
}

impl Fabric {
    /// Sends a packet from a side to its twin, if it has one.
    fn say(&mut self, now: Duration, id: SideId, content: Content) {
        let Some(side) = self.frames.sides.find(id) else { return };
        let receiver = side.twin;
        if receiver.is_none() && !matches!(content, Content::Dial { .. }) {
            return;
        }
        side.said_at = now;
        let packet = Packet::new(([side.here, side.there], side.link), id, receiver, content);
        let packet = self.frames.spare.fill(packet);
        self.transmit(now, packet);
    }

    /// The largest chunk of a side: where bandwidth is scarce a piece of the queue before it, for a whole write would hold
    /// up the words that keep the connection, and find no room.
    fn chunk_bytes_max(&mut self, id: SideId) -> usize {
        let Some(side) = self.frames.sides.find(id) else { return CHUNK_BYTES_MAX };
        let rule = self.links.at(side.link).rule(&self.default_rule);
        if rule.bandwidth_bps.is_none() {
            return CHUNK_BYTES_MAX;
        }
        (rule.queue_bytes_max as usize / 8).clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX)
    }

    /// Hands a packet to its link.
    fn transmit(&mut self, now: Duration, packet: Box<Packet>) {
        let (from, to) = (packet.from, packet.to);
        self.counts.sent += 1;
        self.record_often(now, from.ip(), &Event::Sent { from, to, payload: packet.payload() });
        let link = self.links.at(packet.link);
        let number = link.number();
        let waits = |pair| self.obstacles.is_clogged(pair) && !self.obstacles.is_cut(now, pair);
        if self.obstacles.are_none() || !waits((from.ip(), to.ip())) {
            self.carry_packet(now, number, packet);
            return;
        }
        match link.hold(&self.default_rule, Waits::Packet(number, packet)) {
            Ok(()) => {
                self.counts.clogged += 1;
                self.counts.held += 1;
            }
            Err(Waits::Packet(_, packet)) => self.miss(now, packet, Fate::QueueFull),
            Err(_) => {}
        }
    }

    /// Sends a packet over its link, under its number there.
    pub(super) fn carry_packet(&mut self, now: Duration, number: Number, packet: Box<Packet>) {
        match self.pass_packet(now, number, &packet) {
            Ok([Some((due, tie)), second]) => {
                if let Some((due, tie)) = second {
                    self.push_carried((due, tie), Carried::Packet(packet.clone()));
                }
                if let Some(side) = self.frames.sides.find(packet.sender) {
                    side.learn_transit(due.saturating_sub(now));
                }
                self.push_carried((due, tie), Carried::Packet(packet));
            }
            Ok(_) => self.miss(now, packet, Fate::Lost),
            Err(fate) => self.miss(now, packet, fate),
        }
    }

    /// When the copies of a packet arrive that anybody takes, each with its place among those of the same moment.
    fn pass_packet(
        &mut self,
        now: Duration,
        number: Number,
        packet: &Packet,
    ) -> Result<[Option<(Duration, u64)>; 2], Fate> {
        let is_cut = || self.obstacles.is_cut(now, (packet.from.ip(), packet.to.ip()));
        if !self.obstacles.are_none() && is_cut() {
            return Err(Fate::Cut);
        }
        if self.is_full() {
            return Err(Fate::NetworkFull);
        }
        let is_datagram = matches!(packet.content, Content::Datagram(_));
        let (default, length) = (&self.default_rule, packet.length());
        let link = self.links.at(packet.link);
        // Another packet that is longer than a datagram of the link stands for several.
        if is_datagram && length > usize::from(link.rule(default).datagram_bytes_max) {
            return Err(Fate::TooLarge);
        }
        let copies = link.pass(default, now, number, length)?;
        let counts = &mut self.counts;
        let mut sound = |copy: Passing| {
            counts.reordered += u64::from(copy.reordered);
            counts.corrupted += u64::from(copy.flipped_bit.is_some());
            copy.flipped_bit.is_none().then_some((copy.due, copy.tie))
        };
        let (first, second) = (sound(copies.first), copies.second.and_then(&mut sound));
        let (first, second) = if first.is_some() { (first, second) } else { (second, None) };
        let second = second.filter(|_| is_datagram);
        counts.duplicated += u64::from(second.is_some());
        Ok([first, second])
    }

    /// A packet did not arrive: it is sent again, unless that is not its way.
    fn miss(&mut self, now: Duration, mut packet: Box<Packet>, fate: Fate) {
        let Packet { from, to, .. } = *packet;
        self.end(now, Outbound { from, to, ecn: None, payload: packet.payload() }, fate);
        if packet.attempt >= packet.attempts_max() {
            return;
        }
        let side = self.frames.sides.find(packet.sender);
        let pause = side.map_or(GOODBYE_PAUSE, |side| side.retry_pause(packet.attempt));
        packet.attempt += 1;
        self.push_carried((now + pause, 0), Carried::Retry(packet));
    }

    /// What the frame link had under way is due.
    pub(super) fn arrive_carried(
        &mut self,
        now: Duration,
        carried: Carried,
        wake: &mut Vec<Waker>,
    ) {
        match carried {
            Carried::Packet(packet) => self.arrive_packet(now, packet, wake),
            Carried::Retry(packet) => self.retry(now, packet),
            Carried::Look(id) => self.look(now, id, wake),
        }
    }

    fn retry(&mut self, now: Duration, packet: Box<Packet>) {
        let side = self.frames.sides.find(packet.sender);
        let is_live = side.is_some_and(|side| side.loss().is_none());
        if !is_live && packet.attempts_max() != GOODBYES_MAX {
            return;
        }
        if let Some(held) = self.frames.held.get_mut(&packet.from.ip()) {
            // It sends when it goes on.
            held.packets.push_back(packet);
            return;
        }
        self.transmit(now, packet);
    }

    /// The number of the binding that a packet finds at its address; `None` where nobody is bound to it.
    fn binding_of(&mut self, packet: &Packet) -> Option<u64> {
        if let Some((receiver, _)) = packet.receiver
            && let Some(side) = self.frames.sides.find(receiver)
            && self.ports.port(&side.socket).is_some()
        {
            return Some(side.socket.binding());
        }
        self.ports.socket_at(packet.to).map(|socket| socket.binding())
    }

    fn arrive_packet(&mut self, now: Duration, packet: Box<Packet>, wake: &mut Vec<Waker>) {
        let Some(binding) = self.binding_of(&packet) else {
            let known = self.has_host(packet.to.ip());
            let (from, to) = (packet.from, packet.to);
            // As QUIC would, it tries again, until its timeout or until its user has heard enough of it.
            self.miss(now, packet, if known { Fate::NobodyListens } else { Fate::NoHost });
            if known {
                self.report(now, from, to);
            }
            return;
        };
        if !self.frames.held.is_empty()
            && let Some(held) = self.frames.held.get_mut(&packet.to.ip())
        {
            held.bytes += packet.length();
            if held.bytes > HELD_BYTES_MAX {
                self.miss(now, packet, Fate::BufferFull);
            } else {
                held.packets.push_back(packet);
            }
            return;
        }
        let Packet { from, to, .. } = *packet;
        self.counts.end(Fate::Delivered);
        let ended = Event::Ended { from, to, payload: packet.payload(), fate: Fate::Delivered };
        self.record_often(now, to.ip(), &ended);
        match packet.receiver {
            None => self.take_dial(now, packet, wake),
            Some((receiver, expected)) => {
                if self.frames.sides.find(receiver).is_some() {
                    self.take(now, receiver, packet, wake);
                } else if expected == binding {
                    self.answer_stray(now, &packet, Content::Reset);
                }
            }
        }
    }

    /// Answers a packet for a side that is gone, or lost; such answers are not answered.
    fn answer_stray(&mut self, now: Duration, packet: &Packet, content: Content) {
        let Some((receiver, _)) = packet.receiver else { return };
        if matches!(packet.content, Content::Reset | Content::Close { .. } | Content::Refuse) {
            return;
        }
        let binding = self.ports.socket_at(packet.from).map_or(0, |socket| socket.binding());
        let twin = Some((packet.sender, binding));
        let (from, to) = (packet.to, packet.from);
        let link = self.links.place_of(from.ip(), to.ip());
        let answer = Packet::new(([from, to], link), receiver, twin, content);
        let answer = self.frames.spare.fill(answer);
        self.transmit(now, answer);
    }

    fn take_dial(&mut self, now: Duration, packet: Box<Packet>, wake: &mut Vec<Waker>) {
        let Packet { from, to, sender, .. } = *packet;
        let content = self.frames.spare.empty(packet);
        let Content::Dial { identity, binding: theirs } = content else { return };
        let Some(socket) = self.ports.socket_at(to) else { return };
        let listener = self.ports.port(&socket).and_then(|port| port.frames.as_mut());
        // A socket without an endpoint says nothing.
        let Some(listener) = listener else { return };
        let link = self.links.place_of(to.ip(), from.ip());
        let mut side = Side::new((socket, from, link), false, listener.terms.clone(), now);
        side.twin = Some((sender, theirs));
        side.peer = Some(identity);
        let accepts = listener.accepts && listener.incoming.len() < listener.terms.incoming_max;
        let id = self.frames.sides.insert(side);
        if accepts {
            listener.incoming.push_back(id);
            wake.extend(listener.waker.take());
            self.look(now, id, wake);
        } else {
            self.say(now, id, Content::Refuse);
            self.frames.sides.remove(id);
        }
    }

    /// A side takes a packet.
    fn take(&mut self, now: Duration, id: SideId, packet: Box<Packet>, wake: &mut Vec<Waker>) {
        let Some(side) = self.frames.sides.find(id) else { return };
        match side.loss() {
            Some(FrameLoss::ClosedHere) => {
                let (code, reason) = side.goodbye.clone();
                let again = Content::Close { code, reason };
                return self.answer_stray(now, &packet, again);
            }
            Some(FrameLoss::TimedOut) => return self.answer_stray(now, &packet, Content::Reset),
            Some(_) => return,
            None => side.heard_at = now,
        }
        let sender = packet.sender;
        match self.frames.spare.empty(packet) {
            Content::Chunk { stream, number, bytes, last } => {
                let taken = side.take_chunk(stream, number, bytes, last);
                for waker in taken.wake.into_iter().flatten() {
                    wake.push(waker);
                }
                if let Some((ticket, bytes, has_more)) = taken.goes {
                    let port = self.ports.port(&side.socket);
                    if let Some(listener) = port.and_then(|port| port.frames.as_mut()) {
                        let arrival = FrameArrival { ticket, bytes };
                        listener.arrivals.push((id, stream, arrival), wake);
                    }
                    if has_more {
                        self.hand_over((id, stream), ticket, wake);
                    }
                }
                if taken.whole {
                    self.say(now, id, Content::Received { stream });
                }
            }
            Content::Datagram(bytes) => wake.extend(side.take_datagram(bytes)),
            Content::Accept { identity, binding } if side.state == State::Dialling => {
                side.state = State::Open;
                side.twin = Some((sender, binding));
                side.peer = Some(identity);
                wake.extend(side.ready_waker.take());
            }
            Content::Refuse => side.lose(FrameLoss::Refused, wake),
            Content::Received { stream } => {
                wake.extend(side.out(stream).and_then(|out| out.set_received()));
            }
            Content::Window { stream, limit } => {
                wake.extend(side.out(stream).and_then(|out| out.raise(limit)));
            }
            Content::Close { code, reason } => {
                side.lose(FrameLoss::ClosedByPeer(code, reason), wake);
            }
            Content::Reset => side.lose(FrameLoss::Reset, wake),
            Content::Dial { .. } | Content::Accept { .. } | Content::Here => {}
        }
    }

    /// A side looks at its clocks, and says when it looks again.
    fn look(&mut self, now: Duration, id: SideId, wake: &mut Vec<Waker>) {
        let Some(side) = self.frames.sides.find(id) else { return };
        if side.loss().is_some() {
            return;
        }
        let (idle, keep) = (side.terms.idle_timeout, side.terms.keep_alive);
        let is_held = self.frames.held.contains_key(&side.here.ip());
        if !is_held && now >= side.heard_at + idle {
            side.lose(FrameLoss::TimedOut, wake);
            return;
        }
        let is_silent = now >= side.said_at + keep;
        let spoke_at = if is_silent || is_held { now } else { side.said_at };
        let next = (spoke_at + keep).min(side.heard_at + idle).max(now + LOOK_PAUSE_MIN);
        if is_silent && !is_held && side.state == State::Open {
            self.say(now, id, Content::Here);
        }
        self.push_carried((next, 0), Carried::Look(id));
    }

    /// Closes a side from here; the peer is told.
    fn close_side(
        &mut self,
        now: Duration,
        id: SideId,
        (code, reason): (u64, Bytes),
        wake: &mut Vec<Waker>,
    ) {
        let Some(side) = self.frames.sides.find(id) else { return };
        if side.loss().is_none() {
            side.lose(FrameLoss::ClosedHere, wake);
            side.goodbye = (code, reason.clone());
            self.say(now, id, Content::Close { code, reason });
        }
    }

    /// Holds a host's node, or lets it go on.
    pub(super) fn set_held(
        &mut self,
        now: Duration,
        host: IpAddr,
        held: bool,
        wake: &mut Vec<Waker>,
    ) {
        if held {
            self.frames.held.entry(host).or_default();
            return;
        }
        for packet in self.frames.held.remove(&host).unwrap_or_default().packets {
            if packet.from.ip() == host {
                self.transmit(now, packet);
            } else {
                self.arrive_packet(now, packet, wake);
            }
        }
    }

    /// A host's node is gone, without a word.
    pub(super) fn close_frames(&mut self, host: IpAddr) {
        self.frames.sides.remove_host(host);
        self.frames.held.remove(&host);
    }

    fn push_carried(&mut self, when: (Duration, u64), carried: Carried) {
        self.push(when, Freight::Carried(carried));
    }
}

#[cfg(test)]
mod tests;
