//! One node's windows to the simulated world.
//!
//! A `SimEnv` belongs to one life of a node: after a crash it binds nothing any more, and the restarted node gets a
//! new one. Read `world.rs` next.

use std::{
    fmt,
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use odeon_env::{BoxFuture, DatagramSocket, Env, Observed, Observer};
use odeon_interpose::{Seat, Stream};

use crate::{
    net::SimNet,
    schedule::{Picker, Schedule},
    timeline::Timeline,
    trace::{Event, HostId, Trace},
};

/// What the parts of one world share.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    pub(crate) seed: u64,
    pub(crate) schedule: Schedule,
    pub(crate) timeline: Timeline,
    pub(crate) trace: Trace,
    pub(crate) net: SimNet,
}

/// The environment of one life of a simulated node.
pub struct SimEnv {
    ground: Ground,
    host: HostId,
    address: IpAddr,
    seat: Arc<Seat>,
    entropy: Stream,
    picker: Mutex<Picker>,
    closed: Arc<AtomicBool>,
}

impl SimEnv {
    pub(crate) fn new(
        ground: &Ground,
        host: HostId,
        address: IpAddr,
        seat: Arc<Seat>,
        life: u64,
    ) -> Self {
        let floor = format!("choices of life {life} of {}", seat.name());
        let picker = Mutex::new(Picker::new(ground.schedule, ground.seed, &floor));
        let entropy = format!("entropy of life {life} of {}", seat.name());
        let entropy = Stream::named(ground.seed, &entropy);
        Self {
            ground: ground.clone(),
            host,
            address,
            seat,
            entropy,
            picker,
            closed: Arc::default(),
        }
    }

    /// The node's name, which other nodes resolve.
    #[must_use]
    pub fn name(&self) -> &str {
        self.seat.name()
    }

    /// The address of the node's host; it stays the same over restarts.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Virtual time since the world began.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.ground.timeline.now()
    }

    /// Adds a line to the trace.
    pub fn note(&self, name: &str, detail: &str) {
        self.eyes().observe(Observed::Note { name, detail });
    }

    /// Closes the gates: nothing can be bound any more, and what is bound says nothing more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.ground.net.close_host(self.address);
    }

    fn eyes(&self) -> SimObserver {
        let Self { ground, host, closed, .. } = self;
        let (timeline, trace) = (ground.timeline, ground.trace.clone());
        SimObserver { timeline, trace, host: *host, closed: Arc::clone(closed) }
    }
}

impl fmt::Debug for SimEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimEnv({} at {})", self.name(), self.address)
    }
}

impl Env for SimEnv {
    fn bind(&self, listen: SocketAddr) -> io::Result<Arc<dyn DatagramSocket>> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(io::Error::new(
                ErrorKind::NotConnected,
                "this node has crashed; its environment is closed",
            ));
        }
        Ok(self.ground.net.bind(self.address, listen)?)
    }

    fn resolve(&self, host: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        let found = resolve(&self.ground.net, host).map(|address| vec![address]);
        Box::pin(std::future::ready(found))
    }

    fn wall_clock(&self) -> SystemTime {
        self.seat.clock().at(self.now())
    }

    fn entropy(&self, out: &mut [u8]) {
        self.entropy.fill(out);
    }

    fn choose(&self, ready: usize) -> Option<usize> {
        self.choose_among(ready, &|at| at as u64)
    }

    fn choose_among(&self, ready: usize, number: &dyn Fn(usize) -> u64) -> Option<usize> {
        self.picker.lock().unwrap_or_else(PoisonError::into_inner).pick(ready, number)
    }

    fn observer(&self) -> Option<Arc<dyn Observer>> {
        Some(Arc::new(self.eyes()))
    }
}

/// Literal addresses resolve to themselves, names to the host of that name.
fn resolve(net: &SimNet, host: &str) -> io::Result<SocketAddr> {
    if let Ok(address) = host.parse() {
        return Ok(address);
    }
    let invalid = |text: String| io::Error::new(ErrorKind::InvalidInput, text);
    let (name, port) =
        host.rsplit_once(':').ok_or_else(|| invalid(format!("{host:?} is not host:port")))?;
    let port = port.parse().map_err(|_| invalid(format!("{port:?} in {host:?} is not a port")))?;
    let address = net.address_of(name).ok_or_else(|| {
        io::Error::new(ErrorKind::NotFound, format!("no host of this world is called {name:?}"))
    })?;
    Ok(SocketAddr::new(address, port))
}

/// Writes what happens inside a node into the trace, until the node crashes: what its destructors do is not seen.
#[derive(Debug)]
struct SimObserver {
    timeline: Timeline,
    trace: Trace,
    host: HostId,
    closed: Arc<AtomicBool>,
}

impl Observer for SimObserver {
    fn observe(&self, event: Observed<'_>) {
        if !self.closed.load(Ordering::Relaxed) {
            self.trace.record(self.timeline.now(), Some(self.host), &Event::Observed(event));
        }
    }
}
