//! The network as one state machine: hosts, links, ports, and what is under way.
//!
//! It reads no clock and wakes nobody itself: every step takes the time and returns whom to wake. `net.rs` puts it
//! where one at a time has it, and drives it. Read `port.rs` next.

use std::{
    net::{IpAddr, SocketAddr},
    task::Waker,
    time::Duration,
};

use odeon_env::udp::EcnCodepoint;

use super::{
    Pump,
    counts::NetCounts,
    frames::{Carried, Frames},
    link::{Link, Number, Passing},
    links::Links,
    names::Names,
    nat::Nat,
    numbers::host_at,
    obstacle::Obstacles,
    port::{Datagram, Ports, Reception},
    rule::LinkRule,
    swizzle::Step,
    under_way::UnderWay,
    waiting::Held,
};
use crate::trace::{Event, Fate, Payload, Trace};

/// Datagrams under way in the whole network at once; more are dropped. Default: 2^18.
const IN_FLIGHT_MAX: usize = 1 << 18;

/// A datagram as its sender hands it over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outbound<'a> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) ecn: Option<EcnCodepoint>,
    pub(super) payload: Payload<'a>,
}

/// What is under way; small, because it is put down and taken up for each packet.
#[derive(Debug)]
pub(super) enum Freight {
    /// A datagram for a socket address of a host: its own, or a group's.
    Datagram(Box<(Datagram, SocketAddr, IpAddr)>),
    /// News for the first that nobody listens at the second.
    Report(Box<[SocketAddr; 2]>),
    /// A host is clogged, or no longer; begun when the network had been healed so many times.
    Swizzle { host: IpAddr, clogs: bool, healed: u64 },
    /// Something of the frame link.
    Carried(Carried),
}

/// The whole network.
#[derive(Debug)]
pub(super) struct Fabric {
    trace: Trace,
    pub(super) default_rule: LinkRule,
    /// How many there are; the addresses follow from their numbers.
    pub(super) hosts: usize,
    pub(super) names: Names,
    pub(super) links: Links,
    pub(super) obstacles: Obstacles,
    pub(super) nat: Nat,
    pub(super) ports: Ports,
    pub(super) frames: Frames,
    under_way: UnderWay,
    pub(super) counts: NetCounts,
    pub(super) pump: Pump,
}

impl Fabric {
    pub(super) fn new(seed: u64, rule: LinkRule, trace: Trace) -> Self {
        Self {
            trace,
            default_rule: rule,
            hosts: 0,
            names: Names::new(seed),
            links: Links::new(seed),
            obstacles: Obstacles::default(),
            nat: Nat::default(),
            ports: Ports::default(),
            frames: Frames::default(),
            under_way: UnderWay::default(),
            counts: NetCounts::default(),
            pump: Pump::default(),
        }
    }

    /// The link of this direction, made on first use.
    pub(super) fn link(&mut self, from: IpAddr, to: IpAddr) -> &mut Link {
        self.links.find(from, to)
    }

    /// The rule of this direction.
    pub(super) fn rule(&mut self, from: IpAddr, to: IpAddr) -> LinkRule {
        let default = self.default_rule;
        *self.link(from, to).rule(&default)
    }

    /// Whether there is a host with this address.
    pub(super) fn has_host(&self, host: IpAddr) -> bool {
        host_at(host).is_some_and(|id| usize::from(id.0) < self.hosts)
    }

    /// Takes one datagram from a sender. To a multicast group it goes once for each host that has a member, the
    /// sender's own included, as IP_MULTICAST_LOOP has it where nobody turns it off (ip(7)).
    pub(super) fn send(&mut self, now: Duration, outbound: Outbound<'_>) {
        let outbound = Outbound { from: self.nat.seen(outbound.from), ..outbound };
        let Outbound { from, to, payload, .. } = outbound;
        self.record(now, from.ip(), &Event::Sent { from, to, payload });
        if !to.ip().is_multicast() {
            self.send_to_host(now, outbound, to.ip());
            return;
        }
        let members = self.ports.members(to);
        if members.is_empty() {
            self.counts.sent += 1;
            self.end(now, outbound, Fate::NobodyListens);
        }
        members.into_iter().for_each(|host| self.send_to_host(now, outbound, host));
    }

    fn send_to_host(&mut self, now: Duration, outbound: Outbound<'_>, host: IpAddr) {
        self.counts.sent += 1;
        let pair = (outbound.from.ip(), host);
        let number = self.link(pair.0, pair.1).number();
        if self.obstacles.is_clogged(pair) && !self.obstacles.is_cut(now, pair) {
            self.hold(now, number, outbound, host);
        } else {
            self.carry(now, number, outbound, host);
        }
    }

    /// Keeps a datagram before a clogged link.
    fn hold(&mut self, now: Duration, number: Number, outbound: Outbound<'_>, host: IpAddr) {
        let held = Held::Datagram(number, Datagram::of(outbound), outbound.to);
        let default = self.default_rule;
        match self.link(outbound.from.ip(), host).hold(&default, held) {
            Ok(()) => {
                self.counts.clogged += 1;
                self.counts.held += 1;
            }
            Err(_) => self.end(now, outbound, Fate::QueueFull),
        }
    }

    /// Lets go on what waits before links that are no longer clogged.
    pub(super) fn release(&mut self, now: Duration) {
        let waits = |(pair, link): ((IpAddr, IpAddr), &Link)| {
            (!link.waiting.is_empty() && !self.obstacles.is_clogged(pair)).then_some(pair)
        };
        let free: Vec<_> = self.links.iter().filter_map(waits).collect();
        for (from_host, host) in free {
            for held in self.link(from_host, host).waiting.take() {
                match held {
                    Held::Datagram(number, datagram, to) => {
                        self.counts.held -= 1;
                        self.carry(now, number, datagram.outbound(to), host);
                    }
                    Held::Report(number, to, about) => self.carry_report(now, number, to, about),
                    Held::Packet(number, packet) => {
                        self.counts.held -= 1;
                        self.carry_packet(now, number, packet);
                    }
                }
            }
        }
    }

    /// Sends a datagram over its link.
    fn carry(&mut self, now: Duration, number: Number, outbound: Outbound<'_>, host: IpAddr) {
        let pair = (outbound.from.ip(), host);
        if self.obstacles.is_cut(now, pair) {
            self.end(now, outbound, Fate::Cut);
            return;
        }
        let (default, length) = (self.default_rule, outbound.payload.bytes.len());
        let link = self.link(pair.0, pair.1);
        if length > usize::from(link.rule(&default).datagram_bytes_max) {
            self.end(now, outbound, Fate::TooLarge);
            return;
        }
        match link.pass(&default, now, number, length) {
            Ok(copies) => {
                self.counts.duplicated += u64::from(copies.second.is_some());
                copies.into_iter().for_each(|copy| self.dispatch(now, copy, outbound, host));
            }
            Err(fate) => self.end(now, outbound, fate),
        }
    }

    fn dispatch(&mut self, now: Duration, copy: Passing, outbound: Outbound<'_>, host: IpAddr) {
        if self.is_full() {
            self.end(now, outbound, Fate::NetworkFull);
            return;
        }
        let mut datagram = Datagram::of(outbound);
        if let Some(bit) = copy.flipped_bit {
            self.counts.corrupted += 1;
            datagram.flip(bit);
        }
        self.counts.reordered += u64::from(copy.reordered);
        let to = outbound.to;
        let freight = Freight::Datagram(Box::new((datagram, to, host)));
        self.push((copy.due, copy.tie), freight);
    }

    /// Whether as much is under way as there may be.
    pub(super) fn is_full(&self) -> bool {
        self.under_way.len() >= IN_FLIGHT_MAX
    }

    /// When the next of what is under way arrives.
    pub(super) fn first_due(&self) -> Option<Duration> {
        self.under_way.first_due()
    }

    /// Unbinds every socket of a host, and ends its frame connections without a word.
    pub(super) fn close_host(&mut self, host: IpAddr) {
        self.ports.close_host(host);
        self.close_frames(host);
        self.under_way.retain(
            |freight| !matches!(freight, Freight::Carried(carried) if carried.is_retry_from(host)),
        );
    }

    /// Lets freight arrive at `due`; `tie` decides among what arrives at the same time.
    pub(super) fn push(&mut self, (due, tie): (Duration, u64), freight: Freight) {
        self.under_way.push((due, tie), freight);
    }

    /// Plans the steps of a swizzle, counted from now.
    pub(super) fn swizzle(&mut self, now: Duration, steps: Vec<Step<IpAddr>>) {
        let healed = self.obstacles.healed();
        for Step { at, host, clogs } in steps {
            self.push((now.saturating_add(at), 0), Freight::Swizzle { host, clogs, healed });
        }
    }

    /// Lets everything arrive that is due; whom to wake is added to `wake`. Returns when the next is due.
    pub(super) fn arrive(&mut self, now: Duration, wake: &mut Vec<Waker>) -> Option<Duration> {
        while let Some(due) = self.under_way.first_due() {
            if due > now {
                return Some(due);
            }
            match self.under_way.pop()? {
                Freight::Datagram(arrived) => {
                    let (datagram, to, host) = *arrived;
                    self.arrive_datagram(now, datagram, (to, host), wake);
                }
                Freight::Report(ends) => {
                    let [to, about] = *ends;
                    wake.extend(self.arrive_report(now, to, about));
                }
                Freight::Swizzle { host, clogs, healed } => {
                    self.arrive_swizzle(now, host, clogs, healed);
                }
                Freight::Carried(carried) => self.arrive_carried(now, carried, wake),
            }
        }
        None
    }

    fn arrive_datagram(
        &mut self,
        now: Duration,
        datagram: Datagram,
        (to, host): (SocketAddr, IpAddr),
        wake: &mut Vec<Waker>,
    ) {
        let to = self.nat.bound(to);
        let outbound = datagram.outbound(to);
        let Outbound { from, payload, .. } = outbound;
        match self.ports.reception(to, host, payload.bytes.len()) {
            Reception::Room => {
                self.counts.end(Fate::Delivered);
                self.record(now, host, &Event::Ended { from, to, payload, fate: Fate::Delivered });
                self.ports.put(to, host, datagram, wake);
            }
            Reception::Full => self.end(now, outbound, Fate::BufferFull),
            Reception::Nobody if !self.has_host(host) => {
                self.end(now, outbound, Fate::NoHost);
            }
            Reception::Nobody => {
                self.end(now, outbound, Fate::NobodyListens);
                // Nobody is told about a group (RFC 1122, section 3.2.2).
                if to.ip() == host {
                    self.report(now, from, to);
                }
            }
        }
    }

    /// Sends a report that nobody listens at `about` back to `to`.
    pub(super) fn report(&mut self, now: Duration, to: SocketAddr, about: SocketAddr) {
        let pair = (about.ip(), to.ip());
        let number = self.link(pair.0, pair.1).number_report();
        if !self.obstacles.is_clogged(pair) {
            self.carry_report(now, number, to, about);
            return;
        }
        // No room: it is lost as ICMP packets are.
        let (held, default) = (Held::Report(number, to, about), self.default_rule);
        drop(self.link(pair.0, pair.1).hold(&default, held));
    }

    /// A cut link swallows a report, as it does an ICMP packet.
    fn carry_report(&mut self, now: Duration, number: Number, to: SocketAddr, about: SocketAddr) {
        let pair = (about.ip(), to.ip());
        if self.obstacles.is_cut(now, pair) || self.under_way.len() >= IN_FLIGHT_MAX {
            return;
        }
        let default = self.default_rule;
        if let Ok(copy) = self.link(pair.0, pair.1).report(&default, now, number) {
            self.push((copy.due, copy.tie), Freight::Report(Box::new([to, about])));
        }
    }

    fn arrive_report(&mut self, now: Duration, to: SocketAddr, about: SocketAddr) -> Option<Waker> {
        let to = self.nat.bound(to);
        let port = self.ports.at(to)?;
        if !port.report(about) {
            return None;
        }
        let reader = port.report_reader.take();
        self.record(now, to.ip(), &Event::Unreachable { to, about });
        reader
    }

    fn arrive_swizzle(&mut self, now: Duration, host: IpAddr, clogs: bool, healed: u64) {
        if !self.obstacles.swizzle(healed, host, clogs) {
            return;
        }
        let name = if clogs { "clogged by a swizzle" } else { "unclogged by a swizzle" };
        self.record(now, host, &Event::Note { name, detail: "" });
        self.release(now);
    }

    pub(super) fn record(&self, now: Duration, host: IpAddr, event: &Event<'_>) {
        let id = host_at(host).filter(|id| usize::from(id.0) < self.hosts);
        self.trace.record(now, id, event);
    }

    /// The same for what each packet does.
    #[inline(always)]
    pub(super) fn record_often(&self, now: Duration, host: IpAddr, event: &Event<'_>) {
        let id = host_at(host).filter(|id| usize::from(id.0) < self.hosts);
        self.trace.record_often(now, id, event);
    }

    /// Notes the end of a datagram that was not delivered.
    pub(super) fn end(&mut self, now: Duration, outbound: Outbound<'_>, fate: Fate) {
        self.counts.end(fate);
        let Outbound { from, to, payload, .. } = outbound;
        self.record(now, from.ip(), &Event::Ended { from, to, payload, fate });
    }
}
