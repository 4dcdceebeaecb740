//! The network as one state machine: hosts, links, ports, and what is under way.
//!
//! It reads no clock and wakes nobody itself: every step takes the time and returns whom to wake. `net.rs` puts it
//! behind a lock and drives it. Read `socket.rs` next.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque},
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
    task::Waker,
    time::Duration,
};

use odeon_env::udp::EcnCodepoint;

use super::{
    link::{Copy, Link},
    rule::LinkRule,
};
use crate::trace::{Event, Fate, HostId, Trace};

/// Datagrams under way in the whole network at once; more are dropped. Default: 2^18.
const IN_FLIGHT_MAX: usize = 1 << 18;

/// Bytes a socket keeps for a reader that does not come; more are dropped. As a real node's SO_RCVBUF: 4 MiB.
const RECEIVE_BYTES_MAX: usize = 4 << 20;

/// Reports a socket keeps; more are forgotten.
const REPORTS_MAX: usize = 1024;

/// The first port that the network chooses by itself (RFC 6335, section 6).
const EPHEMERAL_PORT: u16 = 49_152;

/// A datagram in a receive buffer.
#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) from: SocketAddr,
    pub(super) ecn: Option<EcnCodepoint>,
    pub(super) bytes: Vec<u8>,
}

/// A datagram as its sender hands it over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outbound<'a> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) ecn: Option<EcnCodepoint>,
    pub(super) bytes: &'a [u8],
}

/// The receiving side of a bound socket.
#[derive(Debug, Default)]
pub(super) struct Port {
    /// Which binding this is: a later socket on the same address is another one.
    pub(super) binding: u64,
    pub(super) received: VecDeque<Datagram>,
    pub(super) received_bytes: usize,
    pub(super) reader: Option<Waker>,
    pub(super) reports: VecDeque<SocketAddr>,
    pub(super) report_reader: Option<Waker>,
}

#[derive(Debug)]
enum Freight {
    Datagram { datagram: Datagram, to: SocketAddr },
    Report { to: SocketAddr, about: SocketAddr },
}

#[derive(Debug)]
struct Arrival {
    key: (Duration, u64, u64),
    freight: Freight,
}

impl PartialEq for Arrival {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Arrival {}

impl PartialOrd for Arrival {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Arrival {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

/// How many datagrams met which end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetCounts {
    /// Handed to the network.
    pub sent: u64,
    /// Put into a receive buffer, copies included.
    pub delivered: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Sent over a cut link.
    pub cut: u64,
    /// Came twice.
    pub duplicated: u64,
    /// Came with a flipped bit.
    pub corrupted: u64,
    /// Came where nobody listened.
    pub nobody: u64,
    /// Dropped because something was full or too small.
    pub dropped: u64,
}

/// The whole network.
#[derive(Debug)]
pub(super) struct Fabric {
    seed: u64,
    trace: Trace,
    pub(super) default_rule: LinkRule,
    pub(super) hosts: BTreeMap<IpAddr, HostId>,
    pub(super) names: BTreeMap<String, IpAddr>,
    links: BTreeMap<(IpAddr, IpAddr), Link>,
    pub(super) cuts: BTreeSet<(IpAddr, IpAddr)>,
    pub(super) ports: BTreeMap<SocketAddr, Port>,
    under_way: BinaryHeap<Reverse<Arrival>>,
    sequence: u64,
    bindings: u64,
    pub(super) counts: NetCounts,
}

impl Fabric {
    pub(super) fn new(seed: u64, rule: LinkRule, trace: Trace) -> Self {
        Self {
            seed,
            trace,
            default_rule: rule,
            hosts: BTreeMap::new(),
            names: BTreeMap::new(),
            links: BTreeMap::new(),
            cuts: BTreeSet::new(),
            ports: BTreeMap::new(),
            under_way: BinaryHeap::new(),
            sequence: 0,
            bindings: 0,
            counts: NetCounts::default(),
        }
    }

    /// The link of this direction, made on first use.
    pub(super) fn link(&mut self, from: IpAddr, to: IpAddr) -> &mut Link {
        let seed = self.seed;
        self.links.entry((from, to)).or_insert_with(|| Link::new(seed, from, to))
    }

    /// Binds a socket of `host`; the result is its address and the number of the binding.
    pub(super) fn bind(
        &mut self,
        host: IpAddr,
        listen: SocketAddr,
    ) -> io::Result<(SocketAddr, u64)> {
        if listen.ip() != host && !listen.ip().is_unspecified() {
            let text = format!(
                "{listen} is not of this host, whose address is {host}; listen there or on 0.0.0.0"
            );
            return Err(io::Error::new(ErrorKind::AddrNotAvailable, text));
        }
        let address = if listen.port() == 0 {
            self.free_port(host)?
        } else {
            SocketAddr::new(host, listen.port())
        };
        if self.ports.contains_key(&address) {
            return Err(io::Error::new(
                ErrorKind::AddrInUse,
                format!("{address} is bound already"),
            ));
        }
        self.bindings += 1;
        self.ports.insert(address, Port { binding: self.bindings, ..Port::default() });
        Ok((address, self.bindings))
    }

    fn free_port(&self, host: IpAddr) -> io::Result<SocketAddr> {
        (EPHEMERAL_PORT..=u16::MAX)
            .map(|port| SocketAddr::new(host, port))
            .find(|address| !self.ports.contains_key(address))
            .ok_or_else(|| io::Error::new(ErrorKind::AddrInUse, "every port of this host is bound"))
    }

    /// The port of this binding, if it is still bound.
    pub(super) fn port(&mut self, address: SocketAddr, binding: u64) -> Option<&mut Port> {
        self.ports.get_mut(&address).filter(|port| port.binding == binding)
    }

    /// Takes one datagram from a sender.
    pub(super) fn send(&mut self, now: Duration, outbound: Outbound<'_>) {
        let Outbound { from, to, bytes, .. } = outbound;
        self.counts.sent += 1;
        self.trace.record(
            now,
            self.hosts.get(&from.ip()).copied(),
            &Event::Sent { from, to, bytes },
        );
        if self.cuts.contains(&(from.ip(), to.ip())) {
            self.end(now, outbound, Fate::Cut);
            return;
        }
        let rule = self.rule(from.ip(), to.ip());
        match self.link(from.ip(), to.ip()).pass(&rule, now, bytes.len()) {
            Ok(copies) => {
                self.counts.duplicated += copies.len() as u64 - 1;
                copies.into_iter().for_each(|copy| self.dispatch(now, copy, outbound));
            }
            Err(fate) => self.end(now, outbound, fate),
        }
    }

    fn dispatch(&mut self, now: Duration, copy: Copy, outbound: Outbound<'_>) {
        if self.under_way.len() >= IN_FLIGHT_MAX {
            self.end(now, outbound, Fate::NetworkFull);
            return;
        }
        let Outbound { from, to, ecn, bytes } = outbound;
        let mut bytes = bytes.to_vec();
        if let Some(bit) = copy.flipped_bit {
            self.counts.corrupted += 1;
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        self.push(copy, Freight::Datagram { datagram: Datagram { from, ecn, bytes }, to });
    }

    fn push(&mut self, copy: Copy, freight: Freight) {
        self.sequence += 1;
        self.under_way.push(Reverse(Arrival { key: (copy.due, copy.tie, self.sequence), freight }));
    }

    /// The rule of this direction.
    pub(super) fn rule(&mut self, from: IpAddr, to: IpAddr) -> LinkRule {
        if from == to {
            return LinkRule::instant();
        }
        let default = self.default_rule;
        self.link(from, to).rule.unwrap_or(default)
    }

    /// Lets everything arrive that is due; whom to wake is added to `wake`. Returns when the next is due.
    pub(super) fn arrive(&mut self, now: Duration, wake: &mut Vec<Waker>) -> Option<Duration> {
        while let Some(Reverse(first)) = self.under_way.peek() {
            if first.key.0 > now {
                return Some(first.key.0);
            }
            let Reverse(arrival) = self.under_way.pop()?;
            let woken = match arrival.freight {
                Freight::Datagram { datagram, to } => self.arrive_datagram(now, datagram, to),
                Freight::Report { to, about } => self.arrive_report(now, to, about),
            };
            wake.extend(woken);
        }
        None
    }

    fn arrive_datagram(
        &mut self,
        now: Duration,
        datagram: Datagram,
        to: SocketAddr,
    ) -> Option<Waker> {
        let Datagram { from, ecn, ref bytes } = datagram;
        let outbound = Outbound { from, to, ecn, bytes };
        let Some(port) = self.ports.get_mut(&to) else {
            let known = self.hosts.contains_key(&to.ip());
            self.end(now, outbound, if known { Fate::NobodyListens } else { Fate::NoHost });
            if known {
                self.report(now, from, to);
            }
            return None;
        };
        if port.received_bytes + bytes.len() > RECEIVE_BYTES_MAX {
            self.end(now, outbound, Fate::BufferFull);
            return None;
        }
        let host = self.hosts.get(&to.ip()).copied();
        self.trace.record(now, host, &Event::Ended { from, to, bytes, fate: Fate::Delivered });
        self.counts.delivered += 1;
        port.received_bytes += bytes.len();
        port.received.push_back(datagram);
        port.reader.take()
    }

    /// Sends a report that nobody listens at `about` back to `to`. A cut link swallows it, as it does an ICMP packet.
    fn report(&mut self, now: Duration, to: SocketAddr, about: SocketAddr) {
        if self.cuts.contains(&(about.ip(), to.ip())) || self.under_way.len() >= IN_FLIGHT_MAX {
            return;
        }
        let rule = self.rule(about.ip(), to.ip());
        if let Ok(copy) = self.link(about.ip(), to.ip()).report(&rule, now) {
            self.push(copy, Freight::Report { to, about });
        }
    }

    fn arrive_report(&mut self, now: Duration, to: SocketAddr, about: SocketAddr) -> Option<Waker> {
        let port = self.ports.get_mut(&to)?;
        if port.reports.len() >= REPORTS_MAX {
            return None;
        }
        self.trace.record(
            now,
            self.hosts.get(&to.ip()).copied(),
            &Event::Unreachable { to, about },
        );
        port.reports.push_back(about);
        port.report_reader.take()
    }

    /// Notes the end of a datagram that was not delivered.
    fn end(&mut self, now: Duration, outbound: Outbound<'_>, fate: Fate) {
        let count = match fate {
            Fate::Lost => &mut self.counts.lost,
            Fate::Cut => &mut self.counts.cut,
            Fate::NobodyListens | Fate::NoHost => &mut self.counts.nobody,
            _ => &mut self.counts.dropped,
        };
        *count += 1;
        let Outbound { from, to, bytes, .. } = outbound;
        self.trace.record(
            now,
            self.hosts.get(&from.ip()).copied(),
            &Event::Ended { from, to, bytes, fate },
        );
    }
}
