//! The bound sockets of a network, and what has arrived for them.
//!
//! A socket is bound to an address of its host, where it is alone, or to a multicast group, which any number of
//! sockets of any host join. Read `socket.rs` next.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, VecDeque},
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
    task::Waker,
};

use odeon_env::udp::EcnCodepoint;

use super::frames::Listener;

/// Bytes a socket keeps for a reader that does not come; more are dropped. As a real node's SO_RCVBUF: 4 MiB.
const RECEIVE_BYTES_MAX: usize = 4 << 20;

/// Reports a socket keeps; more are forgotten.
const REPORTS_MAX: usize = 1024;

/// The first port that the network chooses by itself (RFC 6335, section 6).
const EPHEMERAL_PORT: u16 = 49_152;

/// A datagram in a receive buffer.
#[derive(Clone, Debug)]
pub(super) struct Datagram {
    pub(super) from: SocketAddr,
    pub(super) ecn: Option<EcnCodepoint>,
    pub(super) bytes: Vec<u8>,
}

/// The receiving side of a bound socket.
#[derive(Debug, Default)]
pub(super) struct Port {
    pub(super) received: VecDeque<Datagram>,
    pub(super) received_bytes: usize,
    pub(super) reader: Option<Waker>,
    pub(super) reports: VecDeque<SocketAddr>,
    pub(super) report_reader: Option<Waker>,
    /// Who accepts frame connections here.
    pub(super) frames: Option<Listener>,
}

impl Port {
    fn has_room(&self, length: usize) -> bool {
        self.received_bytes + length <= RECEIVE_BYTES_MAX
    }

    fn put(&mut self, datagram: Datagram) -> Option<Waker> {
        self.received_bytes += datagram.bytes.len();
        self.received.push_back(datagram);
        self.reader.take()
    }

    /// Takes a report, if there is room.
    pub(super) fn report(&mut self, about: SocketAddr) -> bool {
        let room = self.reports.len() < REPORTS_MAX;
        if room {
            self.reports.push_back(about);
        }
        room
    }
}

/// Which socket: where it is bound, on which host, and the number of the binding, for a later socket on the same
/// address is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) bound: SocketAddr,
    pub(super) host: IpAddr,
    binding: u64,
}

/// By address, host and binding. Each packet looks its socket up, so that addresses are compared as numbers.
impl Ord for Socket {
    fn cmp(&self, other: &Self) -> Ordering {
        let bound = |socket: &Self| (bits(socket.bound.ip()), socket.bound.port());
        bound(self)
            .cmp(&bound(other))
            .then_with(|| bits(self.host).cmp(&bits(other.host)))
            .then_with(|| self.binding.cmp(&other.binding))
            // What the rest of an IPv6 address says.
            .then_with(|| self.bound.cmp(&other.bound))
    }
}

impl PartialOrd for Socket {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

const fn bits(address: IpAddr) -> (bool, u128) {
    match address {
        IpAddr::V4(address) => (false, address.to_bits() as u128),
        IpAddr::V6(address) => (true, address.to_bits()),
    }
}

impl Socket {
    /// The number of the binding, from 1.
    pub(super) const fn binding(&self) -> u64 {
        self.binding
    }

    /// What others see as the sender.
    pub(super) fn source(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.bound.port())
    }
}

/// Whether a host takes a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reception {
    /// Somebody has room for it.
    Room,
    /// Nobody has room.
    Full,
    /// Nobody listens.
    Nobody,
}

/// All bound sockets.
#[derive(Debug, Default)]
pub(super) struct Ports {
    bound: BTreeMap<Socket, Port>,
    bindings: u64,
    /// Sockets of each host that somebody holds, bound or not.
    held: BTreeMap<IpAddr, u64>,
}

impl Ports {
    /// Binds a socket of `host`.
    pub(super) fn bind(&mut self, host: IpAddr, listen: SocketAddr) -> io::Result<Socket> {
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
        if self.is_bound(address, host) {
            return Err(io::Error::new(
                ErrorKind::AddrInUse,
                format!("{address} is bound already"),
            ));
        }
        Ok(self.insert(address, host))
    }

    /// Binds a socket of `host` to a multicast group.
    pub(super) fn join(&mut self, host: IpAddr, group: SocketAddr) -> Socket {
        self.insert(group, host)
    }

    fn insert(&mut self, bound: SocketAddr, host: IpAddr) -> Socket {
        self.bindings += 1;
        let socket = Socket { bound, host, binding: self.bindings };
        self.bound.insert(socket, Port::default());
        *self.held.entry(host).or_default() += 1;
        socket
    }

    fn free_port(&self, host: IpAddr) -> io::Result<SocketAddr> {
        (EPHEMERAL_PORT..=u16::MAX)
            .map(|port| SocketAddr::new(host, port))
            .find(|address| !self.is_bound(*address, host))
            .ok_or_else(|| io::Error::new(ErrorKind::AddrInUse, "every port of this host is bound"))
    }

    fn is_bound(&self, bound: SocketAddr, host: IpAddr) -> bool {
        self.bound.range(everyone(bound, host)).next().is_some()
    }

    /// The port of this socket, if it is still bound.
    pub(super) fn port(&mut self, socket: &Socket) -> Option<&mut Port> {
        self.bound.get_mut(socket)
    }

    /// The port that `address` is bound to by its host.
    pub(super) fn at(&mut self, address: SocketAddr) -> Option<&mut Port> {
        self.bound.range_mut(everyone(address, address.ip())).next().map(|(_, port)| port)
    }

    /// The socket that `address` is bound to by its host.
    pub(super) fn socket_at(&self, address: SocketAddr) -> Option<Socket> {
        self.bound.range(everyone(address, address.ip())).next().map(|(socket, _)| *socket)
    }

    /// Unbinds one socket, whose holder lets it go.
    pub(super) fn unbind(&mut self, socket: &Socket) {
        self.bound.remove(socket);
        if let Some(held) = self.held.get_mut(&socket.host) {
            *held -= 1;
        }
    }

    /// How many sockets of a host somebody holds.
    pub(super) fn held(&self, host: IpAddr) -> u64 {
        self.held.get(&host).copied().unwrap_or_default()
    }

    /// Unbinds every socket of a host.
    pub(super) fn close_host(&mut self, host: IpAddr) {
        self.bound.retain(|socket, _| socket.host != host);
    }

    /// The hosts with a member of this group, in the order of their addresses.
    pub(super) fn members(&self, group: SocketAddr) -> Vec<IpAddr> {
        let all = self.bound.range(Socket { bound: group, host: LOWEST_HOST, binding: 0 }..);
        let mut hosts: Vec<_> =
            all.take_while(|(socket, _)| socket.bound == group).map(|(one, _)| one.host).collect();
        hosts.dedup();
        hosts
    }

    /// Whether a socket of `host` that is bound to `bound` has room for a datagram of `length` bytes.
    pub(super) fn reception(&self, bound: SocketAddr, host: IpAddr, length: usize) -> Reception {
        let mut ports = self.bound.range(everyone(bound, host)).map(|(_, port)| port).peekable();
        if ports.peek().is_none() {
            Reception::Nobody
        } else if ports.any(|port| port.has_room(length)) {
            Reception::Room
        } else {
            Reception::Full
        }
    }

    /// Puts a datagram into the buffers of all of them that have room.
    pub(super) fn put(
        &mut self,
        bound: SocketAddr,
        host: IpAddr,
        datagram: Datagram,
        wake: &mut Vec<Waker>,
    ) {
        let length = datagram.bytes.len();
        let all = self.bound.range_mut(everyone(bound, host)).map(|(_, port)| port);
        let mut ports = all.filter(|port| port.has_room(length));
        let Some(first) = ports.next() else { return };
        // Only a group has more than one.
        ports.for_each(|other| wake.extend(other.put(datagram.clone())));
        wake.extend(first.put(datagram));
    }
}

/// The lowest of all addresses.
const LOWEST_HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

/// All sockets of a host that are bound to one address.
fn everyone(bound: SocketAddr, host: IpAddr) -> std::ops::RangeInclusive<Socket> {
    let socket = |binding| Socket { bound, host, binding };
    socket(0)..=socket(u64::MAX)
}
