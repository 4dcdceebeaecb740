//! The simulated network: UDP between hosts, with a fault model for each direction of each link, and names.
//!
//! What it is: a lock and a driver around the state machine in `net/fabric.rs`. What it is NOT: a queue of streams
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
    fmt,
    future::{Future, poll_fn},
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
    timeline::Timeline,
    trace::{HostId, Trace},
};
use fabric::{Fabric, Outbound};
use port::Socket;

/// The most hosts of one network: 10.0.0.1 to 10.0.255.250.
pub const HOSTS_MAX: usize = 64_000;

/// The network of one world; clones share it.
#[derive(Clone)]
pub struct SimNet(Arc<Shared>);

struct Shared {
    timeline: Timeline,
    fabric: Mutex<Fabric>,
    pump: Mutex<Pump>,
}

/// The task that moves what is under way.
#[derive(Default)]
struct Pump {
    waker: Option<Waker>,
    /// When it looks next by itself; `None` for never.
    looks_at: Option<Duration>,
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
        let fabric = Mutex::new(Fabric::new(seed, rule, trace));
        Self(Arc::new(Shared { timeline, fabric, pump: Mutex::default() }))
    }

    /// Adds a host and returns its address.
    ///
    /// # Panics
    /// With more than [`HOSTS_MAX`] hosts.
    pub fn add_host(&self, name: &str, id: HostId) -> IpAddr {
        assert!(usize::from(id.0) < HOSTS_MAX, "a network has at most {HOSTS_MAX} hosts");
        let ip = numbers::address_of(id);
        let mut fabric = self.lock();
        fabric.hosts = fabric.hosts.max(usize::from(id.0) + 1);
        fabric.names.add_host(name, ip);
        ip
    }

    /// The address of the host with this name, whatever records say about the name.
    #[must_use]
    pub fn address_of(&self, name: &str) -> Option<IpAddr> {
        self.lock().names.host(name)
    }

    /// Binds a socket of the host `host`; port 0 takes the lowest free one from 49152.
    ///
    /// # Errors
    /// `AddrNotAvailable` where the address is neither unspecified nor the host's, `AddrInUse` where it is bound.
    pub fn bind(&self, host: IpAddr, listen: SocketAddr) -> io::Result<Arc<SimSocket>> {
        let socket = self.lock().ports.bind(host, listen)?;
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
        let socket = self.lock().ports.join(host, group.address());
        Ok(Arc::new(SimSocket::new(self.clone(), socket)))
    }

    /// Unbinds every socket of a host at once: what it still sends is swallowed, what it would receive is gone.
    pub fn close_host(&self, host: IpAddr) {
        self.lock().close_host(host);
    }

    /// How many sockets of a host somebody holds; those that a crash has closed count until they are dropped.
    #[must_use]
    pub fn sockets(&self, host: IpAddr) -> u64 {
        self.lock().ports.held(host)
    }

    /// Tells the frame link that a host's node is held, or goes on: a held one says and hears nothing. Sockets go on
    /// receiving either way.
    pub fn set_held(&self, host: IpAddr, held: bool) {
        let mut wake = Vec::new();
        let mut fabric = self.lock();
        fabric.set_held(self.now(), host, held, &mut wake);
        self.leave(fabric);
        wake.into_iter().for_each(Waker::wake);
    }

    /// How many datagrams, and packets of the frame link, met which end, and how many faults there were.
    #[must_use]
    pub fn counts(&self) -> NetCounts {
        self.lock().counts
    }

    /// Moves datagrams to where they are due, for ever.
    ///
    /// # Cancel safety
    /// Dropping it stops the network; calling it again goes on where it stopped.
    pub async fn pump(&self) {
        let mut sleep = pin!(tokio::time::sleep(Duration::ZERO));
        poll_fn(|cx| {
            loop {
                // Before the step: what is sent from a waker in between must not be missed.
                *self.lock_pump() = Pump { waker: Some(cx.waker().clone()), looks_at: None };
                let Some(due) = self.step() else { return Poll::<()>::Pending };
                sleep.as_mut().reset(self.0.timeline.at(due));
                if sleep.as_mut().poll(cx).is_pending() {
                    self.lock_pump().looks_at = Some(due);
                    return Poll::Pending;
                }
            }
        })
        .await;
    }

    /// Delivers what is due; returns when the next is.
    fn step(&self) -> Option<Duration> {
        let _time = self.0.timeline.hold();
        let mut wake = Vec::new();
        let now = self.now();
        let due = self.lock().arrive(now, &mut wake);
        // Without the lock: a waker may poll a socket at once.
        wake.into_iter().for_each(Waker::wake);
        due
    }

    fn send(&self, socket: &Socket, outbound: Outbound<'_>) {
        let mut fabric = self.lock();
        if fabric.ports.port(socket).is_none() {
            return;
        }
        fabric.send(self.now(), outbound);
        self.leave(fabric);
    }

    /// Lets the pump see what has become due.
    fn look_again(&self) {
        self.leave(self.lock());
    }

    /// Unlocks the fabric, and wakes the pump if something is due before it looks by itself.
    fn leave(&self, fabric: MutexGuard<'_, Fabric>) {
        let due = fabric.first_due();
        drop(fabric);
        let mut pump = self.lock_pump();
        let in_time = pump.looks_at.is_some_and(|at| due.is_none_or(|due| due >= at));
        let waker = if in_time { None } else { pump.waker.take() };
        drop(pump);
        waker.into_iter().for_each(Waker::wake);
    }

    fn now(&self) -> Duration {
        self.0.timeline.now()
    }

    fn lock_pump(&self) -> MutexGuard<'_, Pump> {
        self.0.pump.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Fabric> {
        self.0.fabric.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
