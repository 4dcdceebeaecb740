//! One node's windows to the simulated world.
//!
//! A `SimEnv` belongs to one life of a node: after a crash it binds and writes nothing any more, and the restarted node
//! gets a new one, with the same disk behind it. Read `world.rs` next.

use std::{
    fmt,
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use odeon_check::Recorder;
use odeon_env::{
    BoxFuture, DatagramSocket, Disk, DiskError, Env, FrameNet, MulticastGroup, Observed, Observer,
    SrvRecord,
};
use odeon_interpose::{Seat, Stream};

use crate::{
    disk::{DiskWindow, SimDisk},
    host_files::HostFiles,
    net::{Lookup, ResolveError, SimFrames, SimNet},
    schedule::{Picker, Schedule},
    timeline::Timeline,
    trace::{Event, HostId, Trace, Turn},
    world::Link,
};

/// What the parts of one world share.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    pub(crate) seed: u64,
    pub(crate) schedule: Schedule,
    pub(crate) timeline: Timeline,
    pub(crate) trace: Trace,
    pub(crate) net: SimNet,
    pub(crate) history: Recorder,
    pub(crate) link: Link,
    pub(crate) files: HostFiles,
}

/// The environment of one life of a simulated node.
pub struct SimEnv {
    ground: Ground,
    host: HostId,
    address: IpAddr,
    zone: Option<String>,
    disk: SimDisk,
    window: Arc<DiskWindow>,
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
        disk: &SimDisk,
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
            zone: None,
            disk: disk.clone(),
            window: Arc::new(disk.begin_life()),
            seat,
            entropy,
            picker,
            closed: Arc::default(),
        }
    }

    pub(crate) fn in_zone(self, zone: Option<String>) -> Self {
        Self { zone, ..self }
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

    /// The zone of the node's host when this life began.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
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

    /// Closes the gates: nothing can be bound or written any more, and what is bound says nothing more.
    pub(crate) fn close(&self, turn: Turn) {
        self.closed.store(true, Ordering::Relaxed);
        self.ground.net.close_host(self.address);
        match turn {
            Turn::Crashed => self.disk.crash(),
            _ => self.disk.end_life(),
        }
    }

    fn check_open(&self) -> io::Result<()> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(io::Error::new(
                ErrorKind::NotConnected,
                "this node has crashed; its environment is closed",
            ));
        }
        Ok(())
    }

    /// Looks a name up: the answer is what is true when it comes.
    fn look_up<T: fmt::Debug + 'static>(
        &self,
        name: String,
        answer: impl FnOnce(&SimNet, &Lookup, &str) -> io::Result<T> + Send + 'static,
    ) -> BoxFuture<io::Result<T>> {
        let (net, eyes) = (self.ground.net.clone(), self.eyes());
        let lookup = net.look_up(self.address, &name);
        Box::pin(async move {
            if !lookup.takes.is_zero() {
                tokio::time::sleep(lookup.takes).await;
            }
            let found = answer(&net, &lookup, &name);
            let detail = match &found {
                Ok(found) => format!("{name} is {found:?}"),
                Err(error) => error.to_string(),
            };
            eyes.observe(Observed::Note { name: "looked up", detail: &detail });
            found
        })
    }

    fn eyes(&self) -> SimObserver {
        let Self { ground, host, closed, .. } = self;
        let (timeline, trace) = (ground.timeline, ground.trace.clone());
        SimObserver { timeline, trace, host: *host, link: ground.link, closed: Arc::clone(closed) }
    }
}

impl fmt::Debug for SimEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimEnv({} at {})", self.name(), self.address)
    }
}

impl Env for SimEnv {
    fn bind(&self, listen: SocketAddr) -> io::Result<Arc<dyn DatagramSocket>> {
        self.check_open()?;
        Ok(self.ground.net.bind(self.address, listen)?)
    }

    fn join_multicast(&self, group: &MulticastGroup) -> io::Result<Arc<dyn DatagramSocket>> {
        self.check_open()?;
        Ok(self.ground.net.join(self.address, group)?)
    }

    fn resolve(&self, host: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        let (name, port) = match parse(host) {
            Ok(Asked::Literal(address)) => {
                return Box::pin(std::future::ready(Ok(vec![address])));
            }
            Ok(Asked::Name(name, port)) => (name.to_owned(), port),
            Err(error) => return Box::pin(std::future::ready(Err(error.into()))),
        };
        self.look_up(name, move |net, lookup, name| net.found(lookup, name, port))
    }

    fn resolve_srv(&self, name: &str) -> BoxFuture<io::Result<Vec<SrvRecord>>> {
        self.look_up(name.to_owned(), SimNet::found_srv)
    }

    fn read_file(&self, path: &Path, bytes_max: usize) -> BoxFuture<io::Result<Vec<u8>>> {
        let read =
            self.check_open().and_then(|()| self.ground.files.read(self.name(), path, bytes_max));
        let detail = match &read {
            Ok(bytes) => format!("{}, {} bytes", path.display(), bytes.len()),
            Err(error) => error.to_string(),
        };
        self.note("file read", &detail);
        Box::pin(std::future::ready(read))
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.ground.files.variable(self.name(), name)
    }

    fn wall_clock(&self) -> SystemTime {
        self.seat.clock().at(self.now())
    }

    fn entropy(&self, out: &mut [u8]) {
        self.entropy.fill(out);
    }

    fn disk(&self) -> io::Result<Arc<dyn Disk>> {
        if !self.window.is_open() {
            return Err(DiskError::Ended.into());
        }
        Ok(Arc::clone(&self.window) as Arc<dyn Disk>)
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

    fn frames(&self) -> Option<Arc<dyn FrameNet>> {
        match self.ground.link {
            Link::Quic => None,
            Link::Frames => Some(Arc::new(SimFrames(self.ground.net.clone()))),
        }
    }
}

/// What is asked for: an address in figures, which stands for itself, or a name with a port.
enum Asked<'a> {
    Literal(SocketAddr),
    Name(&'a str, u16),
}

fn parse(host: &str) -> Result<Asked<'_>, ResolveError> {
    if let Ok(address) = host.parse() {
        return Ok(Asked::Literal(address));
    }
    let parts = host.rsplit_once(':').filter(|(name, _)| !name.is_empty());
    let port = |(name, port): (_, &str)| Some(Asked::Name(name, port.parse().ok()?));
    parts.and_then(port).ok_or_else(|| ResolveError::NotHostPort { given: host.to_owned() })
}

/// Writes what happens inside a node into the trace, until the node crashes: what its destructors do is not seen.
#[derive(Debug)]
struct SimObserver {
    timeline: Timeline,
    trace: Trace,
    host: HostId,
    link: Link,
    closed: Arc<AtomicBool>,
}

impl Observer for SimObserver {
    fn observe(&self, event: Observed<'_>) {
        // On the frame link a write is a packet, which is recorded as such.
        let is_packet = self.link == Link::Frames && matches!(event, Observed::Written { .. });
        if !is_packet && !self.closed.load(Ordering::Relaxed) {
            self.trace.record_often(self.timeline.now(), Some(self.host), &Event::Observed(event));
        }
    }
}
