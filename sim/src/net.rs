//! The simulated network: UDP between hosts, with a fault model for each direction of each link, and names.
//!
//! What it is: a driver around the state machine in `net/fabric.rs`. What it is NOT: a queue of streams
//! or connections, but for the frame link (`net/frames.rs`); QUIC runs on top of it unchanged. Datagrams come from [`SimSocket`]s and go, after the link's
//! latency, into the receive buffer of another. The heap keeps nanoseconds; tokio's clock ticks in milliseconds, so
//! what is due within one tick arrives together, in order. Read `net/faults.rs` next.

mod counts;
mod fabric;
mod faults;
mod frames;
mod latency;
mod link;
mod links;
mod lookup;
mod names;
mod nat;
mod numbers;
mod obstacle;
mod port;
mod rule;
mod socket;
mod swizzle;
mod topology;
mod under_way;
mod waiting;

use std::{
    cell::RefMut,
    fmt,
    future::{Future, poll_fn},
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

pub use counts::NetCounts;
pub(crate) use faults::valid;
pub(crate) use frames::SimFrames;
pub use latency::Latency;
pub(crate) use lookup::Lookup;
pub use lookup::{LookupRule, ResolveError};
pub use names::{RECORD_ADDRESSES_MAX, RECORDS_MAX, RecordError};
pub(crate) use numbers::host_at;
pub use obstacle::FlapError;
pub(crate) use rule::check_probability;
pub use rule::{LinkRule, RuleError};
pub use socket::SimSocket;
pub use topology::{Topology, TopologyError};

use odeon_env::{Interface, MulticastGroup};

use crate::{
    bound::Bound,
    timeline::Timeline,
    trace::{HostId, Trace},
};
use fabric::{Fabric, Outbound};
use port::Socket;

/// The most hosts of one network: 10.0.0.1 to 10.0.255.250.
pub const HOSTS_MAX: usize = 64_000;

/// The network of one world; clones share it, on the thread that made it: on another one each method panics.
#[derive(Clone)]
pub struct SimNet(Arc<Shared>);

struct Shared {
    timeline: Timeline,
    fabric: Bound<Fabric>,
}

/// The task that moves what is under way.
#[derive(Debug, Default)]
struct Pump {
    waker: Option<Waker>,
    /// When it looks next by itself; `None` for never.
    looks_at: Option<Duration>,
}

impl Pump {
    /// Whom to wake, if something is due before it looks by itself.
    fn missed(&mut self, due: Option<Duration>) -> Option<Waker> {
        let in_time = self.looks_at.is_some_and(|at| due.is_none_or(|due| due >= at));
        if in_time { None } else { self.waker.take() }
    }
}

impl fmt::Debug for SimNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimNet({:?})", self.counts())
    }
}

impl SimNet {
    /// A network without hosts. Datagrams move only while somebody polls [`pump`](Self::pump).
    ///
    /// # Panics
    /// When the rule is none ([`LinkRule::check`]).
    #[must_use]
    pub fn new(seed: u64, rule: LinkRule, timeline: Timeline, trace: Trace) -> Self {
        let rule = valid(rule.check().map(|()| rule));
        let fabric = Bound::new(Fabric::new(seed, rule, trace));
        Self(Arc::new(Shared { timeline, fabric }))
    }

    /// Adds a host and returns its address.
    ///
    /// # Panics
    /// With more than [`HOSTS_MAX`] hosts.
    pub fn add_host(&self, name: &str, id: HostId) -> IpAddr {
        assert!(usize::from(id.0) < HOSTS_MAX, "a network has at most {HOSTS_MAX} hosts");
        let ip = numbers::address_of(id);
        let mut fabric = self.fabric();
        fabric.hosts = fabric.hosts.max(usize::from(id.0) + 1);
        fabric.names.add_host(name, ip);
        ip
    }

    /// The address of the host with this name, whatever records say about the name.
    #[must_use]
    pub fn address_of(&self, name: &str) -> Option<IpAddr> {
        self.fabric().names.host(name)
    }

    /// Binds a socket of the host `host`; port 0 takes the lowest free one from 49152.
    ///
    /// # Errors
    /// `AddrNotAvailable` where the address is neither unspecified nor the host's, `AddrInUse` where it is bound.
    pub fn bind(&self, host: IpAddr, listen: SocketAddr) -> io::Result<Arc<SimSocket>> {
        let socket = self.fabric().ports.bind(host, listen)?;
        Ok(Arc::new(SimSocket::new(self.clone(), socket)))
    }

    /// Joins the host `host` to a multicast group. Sockets that are bound to the unspecified address hear no group
    /// here, also where another socket of their host has joined it, which Linux would let them (IP_MULTICAST_ALL).
    ///
    /// # Errors
    /// `AddrNotAvailable` where the group is one of IPv6, which no host of a world has, or the interface is another
    /// host's.
    pub fn join(&self, host: IpAddr, group: &MulticastGroup) -> io::Result<Arc<SimSocket>> {
        match group.interface() {
            Interface::Address(one) if one.is_unspecified() || host == one => {}
            Interface::Address(one) => {
                let text = format!("{one} is no interface of this host, whose address is {host}");
                return Err(io::Error::new(ErrorKind::AddrNotAvailable, text));
            }
            Interface::Index(_) => {
                let text = format!("{}: hosts of a world have IPv4 only", group.address());
                return Err(io::Error::new(ErrorKind::AddrNotAvailable, text));
            }
        }
        let socket = self.fabric().ports.join(host, group.address());
        Ok(Arc::new(SimSocket::new(self.clone(), socket)))
    }

    /// Unbinds every socket of a host at once: what it still sends is swallowed, what it would receive is gone.
    pub fn close_host(&self, host: IpAddr) {
        self.fabric().close_host(host);
    }

    /// How many sockets of a host somebody holds; those that a crash has closed count until they are dropped.
    #[must_use]
    pub fn sockets(&self, host: IpAddr) -> u64 {
        self.fabric().ports.held(host)
    }

    /// Tells the frame link that a host's node is held, or goes on: a held one says and hears nothing. Sockets go on
    /// receiving either way.
    pub fn set_held(&self, host: IpAddr, held: bool) {
        let mut wake = Vec::new();
        let mut fabric = self.fabric();
        fabric.set_held(self.now(), host, held, &mut wake);
        self.leave(fabric);
        wake.into_iter().for_each(Waker::wake);
    }

    /// How many datagrams, and packets of the frame link, met which end, and how many faults there were.
    #[must_use]
    pub fn counts(&self) -> NetCounts {
        self.fabric().counts
    }

    /// Moves datagrams to where they are due, for ever.
    ///
    /// # Cancel safety
    /// Dropping it stops the network; calling it again goes on where it stopped.
    pub async fn pump(&self) {
        let mut sleep = pin!(tokio::time::sleep(Duration::ZERO));
        let mut wake = Vec::new();
        poll_fn(|cx| {
            loop {
                let Some(due) = self.step(cx.waker(), &mut wake) else {
                    return Poll::<()>::Pending;
                };
                sleep.as_mut().reset(self.0.timeline.at(due));
                if sleep.as_mut().poll(cx).is_pending() {
                    self.fabric().pump.looks_at = Some(due);
                    return Poll::Pending;
                }
            }
        })
        .await;
    }

    /// Delivers what is due; returns when the next is.
    fn step(&self, pump: &Waker, wake: &mut Vec<Waker>) -> Option<Duration> {
        let now = self.now();
        let mut fabric = self.fabric();
        // What is sent from a waker must not be missed.
        fabric.pump = Pump { waker: Some(pump.clone()), looks_at: None };
        let due = fabric.arrive(now, wake);
        drop(fabric);
        // Nobody holds it now: a waker may poll a socket at once.
        wake.drain(..).for_each(Waker::wake);
        due
    }

    fn send(&self, socket: &Socket, outbound: Outbound<'_>) {
        let mut fabric = self.fabric();
        if fabric.ports.port(socket).is_none() {
            return;
        }
        fabric.send(self.now(), outbound);
        self.leave(fabric);
    }

    /// Lets the pump see what has become due.
    fn look_again(&self) {
        self.leave(self.fabric());
    }

    /// Lets go of the fabric, and wakes the pump if something is due before it looks by itself.
    fn leave(&self, mut fabric: RefMut<'_, Fabric>) {
        let due = fabric.first_due();
        let waker = fabric.pump.missed(due);
        drop(fabric);
        waker.into_iter().for_each(Waker::wake);
    }

    fn now(&self) -> Duration {
        self.0.timeline.now()
    }

    fn fabric(&self) -> RefMut<'_, Fabric> {
        self.0.fabric.hold()
    }
}

#[cfg(test)]
mod tests;
