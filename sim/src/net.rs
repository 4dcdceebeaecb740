//! The simulated network: UDP between hosts, with a fault model for each direction of each link.
//!
//! What it is: a lock and a driver around the state machine in `net/fabric.rs`. What it is NOT: a queue of streams
//! or connections; QUIC runs on top of it unchanged. Datagrams come from [`SimSocket`]s and go, after the link's
//! latency, into the receive buffer of another. The heap keeps nanoseconds; tokio's clock ticks in milliseconds, so
//! what is due within one tick arrives together, in order. Read `net/rule.rs` next.

mod fabric;
mod link;
mod rule;
mod socket;

use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    time::Duration,
};

pub use fabric::NetCounts;
pub use rule::{Latency, LinkRule};
pub use socket::SimSocket;

use crate::{
    timeline::Timeline,
    trace::{HostId, Trace},
};
use fabric::{Fabric, Outbound};

/// The most hosts of one network: 10.0.0.1 to 10.0.255.250.
pub const HOSTS_MAX: usize = 64_000;

/// The network of one world; clones share it.
#[derive(Clone)]
pub struct SimNet(Arc<Shared>);

struct Shared {
    timeline: Timeline,
    fabric: Mutex<Fabric>,
    pump: Mutex<Option<Waker>>,
}

impl fmt::Debug for SimNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimNet({:?})", self.counts())
    }
}

impl SimNet {
    /// A network without hosts. Datagrams move only while somebody polls [`pump`](Self::pump).
    #[must_use]
    pub fn new(seed: u64, rule: LinkRule, timeline: Timeline, trace: Trace) -> Self {
        let fabric = Mutex::new(Fabric::new(seed, rule, trace));
        Self(Arc::new(Shared { timeline, fabric, pump: Mutex::new(None) }))
    }

    /// Adds a host and returns its address.
    ///
    /// # Panics
    /// With more than [`HOSTS_MAX`] hosts.
    pub fn add_host(&self, name: &str, id: HostId) -> IpAddr {
        assert!(usize::from(id.0) < HOSTS_MAX, "a network has at most {HOSTS_MAX} hosts");
        let ip = IpAddr::V4(Ipv4Addr::new(10, 0, (id.0 / 250) as u8, (id.0 % 250 + 1) as u8));
        let mut fabric = self.lock();
        fabric.hosts.insert(ip, id);
        fabric.names.insert(name.to_owned(), ip);
        ip
    }

    /// The address of the host with this name.
    #[must_use]
    pub fn address_of(&self, name: &str) -> Option<IpAddr> {
        self.lock().names.get(name).copied()
    }

    /// Binds a socket of the host `host`; port 0 takes the lowest free one from 49152.
    ///
    /// # Errors
    /// `AddrNotAvailable` where the address is neither unspecified nor the host's, `AddrInUse` where it is bound.
    pub fn bind(&self, host: IpAddr, listen: SocketAddr) -> io::Result<Arc<SimSocket>> {
        let (address, binding) = self.lock().bind(host, listen)?;
        Ok(Arc::new(SimSocket::new(self.clone(), address, binding)))
    }

    /// Unbinds every socket of a host at once: what it still sends is swallowed, what it would receive is gone.
    pub fn close_host(&self, host: IpAddr) {
        self.lock().ports.retain(|address, _| address.ip() != host);
    }

    /// Sets the rule of all links that have none of their own.
    pub fn set_default_rule(&self, rule: LinkRule) {
        self.lock().default_rule = rule;
    }

    /// Sets the rule of one direction; `None` returns it to the default.
    pub fn set_rule(&self, from: IpAddr, to: IpAddr, rule: Option<LinkRule>) {
        self.lock().link(from, to).rule = rule;
    }

    /// The rule of one direction.
    #[must_use]
    pub fn rule(&self, from: IpAddr, to: IpAddr) -> LinkRule {
        self.lock().rule(from, to)
    }

    /// Cuts one direction: what is sent from now on is lost, reports included; what is under way still arrives.
    pub fn cut(&self, from: IpAddr, to: IpAddr) {
        self.lock().cuts.insert((from, to));
    }

    /// Mends one direction.
    pub fn mend(&self, from: IpAddr, to: IpAddr) {
        self.lock().cuts.remove(&(from, to));
    }

    /// Mends every cut link.
    pub fn heal(&self) {
        self.lock().cuts.clear();
    }

    /// How many datagrams met which end.
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
                *self.0.pump.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(cx.waker().clone());
                let Some(due) = self.step() else { return Poll::<()>::Pending };
                sleep.as_mut().reset(self.0.timeline.at(due));
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await;
    }

    /// Delivers what is due; returns when the next is.
    fn step(&self) -> Option<Duration> {
        let mut wake = Vec::new();
        let due = self.lock().arrive(self.0.timeline.now(), &mut wake);
        // Without the lock: a waker may poll a socket at once.
        wake.into_iter().for_each(Waker::wake);
        due
    }

    fn send(&self, binding: u64, outbound: Outbound<'_>) {
        let mut fabric = self.lock();
        if fabric.port(outbound.from, binding).is_none() {
            return;
        }
        fabric.send(self.0.timeline.now(), outbound);
        drop(fabric);
        let pump = self.0.pump.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(pump) = pump {
            pump.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Fabric> {
        self.0.fabric.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
