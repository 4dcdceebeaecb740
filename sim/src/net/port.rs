//! The bound sockets of a network, and what has arrived for them.
//!
//! A socket is bound to an address of its host, where it is alone, or to a multicast group, which any number of
//! sockets of any host join. Read `socket.rs` next.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
    task::Waker,
};

use odeon_env::udp::EcnCodepoint;

use super::{fabric::Outbound, frames::Listener, numbers::host_at, waiting::HEADER_BYTES};
use crate::trace::{Payload, hash_bytes};

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
    hash: u64,
}

impl Datagram {
    pub(super) fn of(Outbound { from, ecn, payload, .. }: Outbound<'_>) -> Self {
        Self { from, ecn, bytes: payload.bytes.to_vec(), hash: payload.hash }
    }

    /// How it looks on its way to `to`.
    pub(super) fn outbound(&self, to: SocketAddr) -> Outbound<'_> {
        let Self { from, ecn, ref bytes, hash } = *self;
        Outbound { from, to, ecn, payload: Payload::hashed(bytes, hash) }
    }

    /// Flips a bit of it.
    pub(super) fn flip(&mut self, bit: usize) {
        self.bytes[bit / 8] ^= 1 << (bit % 8);
        self.hash = hash_bytes(&self.bytes);
    }

    /// What it takes of a receive buffer; an empty one is not free.
    pub(super) fn cost(&self) -> usize {
        cost(self.bytes.len())
    }
}

const fn cost(length: usize) -> usize {
    length + HEADER_BYTES
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
        self.received_bytes + cost(length) <= RECEIVE_BYTES_MAX
    }

    fn put(&mut self, datagram: Datagram) -> Option<Waker> {
        self.received_bytes += datagram.cost();
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Socket {
    pub(super) bound: SocketAddr,
    pub(super) host: IpAddr,
    binding: u64,
    place: u32,
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
///
/// Each packet asks who is bound to its address, so that a host's own sockets are found by its number, without a walk
/// through those of all hosts.
#[derive(Debug, Default)]
pub(super) struct Ports {
    places: Vec<Option<(Socket, Port)>>,
    free: Vec<u32>,
    /// By host number: its port numbers, and which places have what is bound to its own address there.
    own: Vec<Vec<(u16, u32)>>,
    /// Those that are bound to other addresses, which are groups.
    groups: BTreeSet<Socket>,
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
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() as u32 - 1
        });
        let socket = Socket { bound, host, binding: self.bindings, place };
        self.places[place as usize] = Some((socket, Port::default()));
        match own_number(bound, host) {
            Some(number) => {
                let hosts = self.own.len().max(number + 1);
                self.own.resize_with(hosts, Vec::new);
                self.own[number].push((bound.port(), place));
            }
            None => drop(self.groups.insert(socket)),
        }
        *self.held.entry(host).or_default() += 1;
        socket
    }

    /// Takes what a place has out of it.
    fn vacate(&mut self, socket: &Socket) {
        self.places[socket.place as usize] = None;
        self.free.push(socket.place);
        match own_number(socket.bound, socket.host) {
            Some(number) => self.own[number].retain(|(_, place)| *place != socket.place),
            None => drop(self.groups.remove(socket)),
        }
    }

    fn free_port(&self, host: IpAddr) -> io::Result<SocketAddr> {
        (EPHEMERAL_PORT..=u16::MAX)
            .map(|port| SocketAddr::new(host, port))
            .find(|address| !self.is_bound(*address, host))
            .ok_or_else(|| io::Error::new(ErrorKind::AddrInUse, "every port of this host is bound"))
    }

    fn is_bound(&self, bound: SocketAddr, host: IpAddr) -> bool {
        self.all(bound, host).next().is_some()
    }

    /// The places of all sockets of a host that are bound to one address, in the order of their bindings.
    fn all(&self, bound: SocketAddr, host: IpAddr) -> impl Iterator<Item = usize> + use<'_> {
        let number = own_number(bound, host);
        let own = number.and_then(|number| self.own.get(number)).map_or(&[][..], Vec::as_slice);
        let own =
            own.iter().filter(move |(port, _)| *port == bound.port()).map(|(_, place)| *place);
        let socket = |binding| Socket { bound, host, binding, place: 0 };
        let others = number.is_none().then(|| self.groups.range(socket(0)..socket(u64::MAX)));
        own.chain(others.into_iter().flatten().map(|socket| socket.place)).map(|at| at as usize)
    }

    fn first(&self, address: SocketAddr) -> Option<usize> {
        self.all(address, address.ip()).next()
    }

    /// The port of this socket, if it is still bound.
    pub(super) fn port(&mut self, socket: &Socket) -> Option<&mut Port> {
        let (there, port) = self.places.get_mut(socket.place as usize)?.as_mut()?;
        (there.binding == socket.binding).then_some(port)
    }

    /// The port that `address` is bound to by its host.
    pub(super) fn at(&mut self, address: SocketAddr) -> Option<&mut Port> {
        let place = self.first(address)?;
        self.places[place].as_mut().map(|(_, port)| port)
    }

    /// The socket that `address` is bound to by its host.
    pub(super) fn socket_at(&self, address: SocketAddr) -> Option<Socket> {
        let place = self.first(address)?;
        self.places[place].as_ref().map(|(socket, _)| *socket)
    }

    /// Unbinds one socket, whose holder lets it go.
    pub(super) fn unbind(&mut self, socket: &Socket) {
        if self.port(socket).is_some() {
            self.vacate(socket);
        }
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
        let all = self.places.iter().flatten().map(|(socket, _)| *socket);
        let closed: Vec<_> = all.filter(|socket| socket.host == host).collect();
        closed.iter().for_each(|socket| self.vacate(socket));
    }

    /// The hosts with a member of this group, in the order of their addresses.
    pub(super) fn members(&self, group: SocketAddr) -> Vec<IpAddr> {
        let first = Socket { bound: group, host: LOWEST_HOST, binding: 0, place: 0 };
        let all = self.groups.range(first..).take_while(|socket| socket.bound == group);
        let mut hosts: Vec<_> = all.map(|one| one.host).collect();
        hosts.dedup();
        hosts
    }

    /// Whether a socket of `host` that is bound to `bound` has room for a datagram of `length` bytes.
    pub(super) fn reception(&self, bound: SocketAddr, host: IpAddr, length: usize) -> Reception {
        let mut ports = self.all(bound, host).filter_map(|at| self.places[at].as_ref()).peekable();
        if ports.peek().is_none() {
            Reception::Nobody
        } else if ports.any(|(_, port)| port.has_room(length)) {
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
        if own_number(bound, host).is_some() {
            wake.extend(self.at(bound).and_then(|port| port.put(datagram)));
            return;
        }
        // Only a group has more than one.
        for place in self.all(bound, host).collect::<Vec<_>>() {
            let port = self.places[place].as_mut().map(|(_, port)| port);
            let port = port.filter(|port| port.has_room(datagram.bytes.len()));
            wake.extend(port.and_then(|port| port.put(datagram.clone())));
        }
    }
}

/// The number of a host, if this is its own address.
fn own_number(bound: SocketAddr, host: IpAddr) -> Option<usize> {
    host_at(host).filter(|_| bound.ip() == host).map(|id| usize::from(id.0))
}

/// The lowest of all addresses.
const LOWEST_HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
