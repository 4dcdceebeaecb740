//! The windows to the world: everything that a node can see or touch outside its own memory.
//!
//! What it is: the traits [`Env`], [`DatagramSocket`] and [`Disk`], and [`struct@RealEnv`], which implements them on this
//! machine. The simulator implements them on a simulated world. What it is NOT: a clock for timers or a way to start
//! tasks; those are tokio's, whose clock the simulator pauses and whose tasks live on the node's own `LocalSet`. Read
//! `socket.rs` and `disk.rs` next.

pub mod buggify;
mod disk;
mod frames;
mod multicast;
mod observe;
mod real;
mod socket;
mod srv;

pub use disk::{
    BlockingFile, Disk, DiskError, DiskFile, FILE_BYTES_MAX, FILE_NAME_BYTES_MAX, FILES_MAX,
    FileName, FileNameError, OPERATION_BYTES_MAX, OpenMode, Operation, check_len, check_range,
};
pub use frames::{
    FrameArrival, FrameConnection, FrameEndpoint, FrameIdentity, FrameLoss, FrameNet, FrameStream,
    FrameTerms, FrameWay,
};
pub use multicast::{Interface, MulticastGroup, MulticastGroupError};
pub use observe::{Observed, Observer};
pub use quinn_udp as udp;
pub use real::{DataFolderError, RealEnv, RealEnvBuilder};
pub use socket::{DatagramSocket, SOCKET_BUFFER_BYTES};
pub use srv::SrvRecord;

use std::{
    fmt,
    future::Future,
    io,
    net::SocketAddr,
    path::Path,
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// The longest that [`Env::tick_ns`] stands still, but for a system that is held up: a tick of Linux at 100 a second.
pub const TICK_MAX: Duration = Duration::from_millis(10);

/// A boxed future that may move between threads.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One node's windows to the world.
pub trait Env: fmt::Debug + Send + Sync + 'static {
    /// Opens a datagram socket; port 0 lets the system choose.
    ///
    /// # Errors
    /// What the system says: the address is in use, not of this machine, or not permitted.
    fn bind(&self, listen: SocketAddr) -> io::Result<Arc<dyn DatagramSocket>>;

    /// Joins a multicast group: the socket hears what is sent to the group's address and port by any socket of the same
    /// network, this machine's and itself included, and nothing else. What it sends itself comes from the group's
    /// port. Any number of sockets of one machine may join; it leaves the group when it is dropped.
    ///
    /// # Errors
    /// What the system says: no such interface, or the port is in use by a socket that shares it with nobody.
    /// `Unsupported` where the environment has no multicast, as this default has none.
    fn join_multicast(&self, group: &MulticastGroup) -> io::Result<Arc<dyn DatagramSocket>> {
        let text =
            format!("this environment has no multicast; {} cannot be joined", group.address());
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }

    /// Finds the addresses behind `host:port`, in the order they should be tried.
    ///
    /// # Errors
    /// When the name cannot be resolved.
    fn resolve(&self, host: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>>;

    /// Finds the SRV records of a name such as `_odeon._udp.example.org`, in the order in which they should be tried.
    ///
    /// # Errors
    /// When the name cannot be looked up, or has none. `Unsupported` where the environment looks up addresses only, as
    /// this default does, and [`struct@RealEnv`] without the feature `dns`, for the system's resolver knows nothing else.
    fn resolve_srv(&self, name: &str) -> BoxFuture<io::Result<Vec<SrvRecord>>> {
        let text = format!(
            "this environment looks up no SRV records; build it with the feature `dns`, or give the addresses behind \
             {name:?} as seeds"
        );
        Box::pin(std::future::ready(Err(io::Error::new(io::ErrorKind::Unsupported, text))))
    }

    /// Reads a file of this machine that somebody else writes, such as a list of seeds: all of it, in one piece. The
    /// node's own files are on its [`disk`](Self::disk).
    ///
    /// # Errors
    /// What the system says; `FileTooLarge` where it has more than `bytes_max`; `InvalidInput` where it is no regular
    /// file. `Unsupported` where the environment has no files, as this default has none.
    ///
    /// # Cancel safety
    /// The file is read all the same, and forgotten.
    fn read_file(&self, path: &Path, bytes_max: usize) -> BoxFuture<io::Result<Vec<u8>>> {
        let text = format!("this environment has no files; {} cannot be read", path.display());
        let _ = bytes_max;
        Box::pin(std::future::ready(Err(io::Error::new(io::ErrorKind::Unsupported, text))))
    }

    /// A variable of the program's environment; `None` where it is not set or is no text.
    fn variable(&self, name: &str) -> Option<String> {
        let _ = name;
        None
    }

    /// The time of day, for incarnations, certificates and logs; never for timeouts.
    fn wall_clock(&self) -> SystemTime;

    /// Fills `out` with unpredictable bytes.
    fn entropy(&self, out: &mut [u8]);

    /// Nanoseconds of a clock that is much cheaper to read than the exact one, never goes back, and stands still for at most
    /// [`TICK_MAX`]: who reads the same twice has at most that much time between. `None` where there is no such clock, as
    /// this default says; a simulation has none, for there time stands still anyway.
    fn tick_ns(&self) -> Option<u64> {
        None
    }

    /// Asks the system to provide the memory that begins at `from`, a page's address, for `bytes`, and that the program has
    /// or may get: whoever touches it afterwards need not wait for it. No byte of it changes. Says how many of these bytes
    /// are there for certain; a system that provides nothing ahead, as this default, says 0.
    fn provide_memory(&self, from: usize, bytes: usize) -> usize {
        let _ = (from, bytes);
        0
    }

    /// The node's disk, the same one for each call.
    ///
    /// # Errors
    /// [`DiskError::NoDataFolder`] where the node keeps nothing; the environment of a life that has ended refuses too.
    fn disk(&self) -> io::Result<Arc<dyn Disk>> {
        Err(DiskError::NoDataFolder.into())
    }

    /// Which of `ready` actors runs next, below `ready`; `None` where the order of arrival is to be kept.
    fn choose(&self, ready: usize) -> Option<usize> {
        let _ = ready;
        None
    }

    /// As [`choose`](Self::choose), where it matters who is ready: `number` tells the number of the actor on its node that
    /// stands at a place below `ready`. The same actor has the same number as long as it lives.
    fn choose_among(&self, ready: usize, number: &dyn Fn(usize) -> u64) -> Option<usize> {
        let _ = number;
        self.choose(ready)
    }

    /// Who wants to be told what happens inside the node; `None` outside a simulation.
    fn observer(&self) -> Option<Arc<dyn Observer>> {
        None
    }

    /// What carries connections in place of QUIC; `None`, and QUIC, everywhere but in a simulation that asked for it.
    ///
    /// It is unencrypted, so it must not be within reach of a node that talks over a real network. That is ensured
    /// thrice: the method exists only with the feature `simulation`, which `odeon-sim` turns on and no other crate,
    /// so that a program without the simulator in it cannot be given one; where it exists, its default is `None`,
    /// which [`struct@RealEnv`] and a wrapper around it inherit; and a [`FrameNet`] reaches no further than
    /// whoever implements it, of which there is one, inside the simulator's own memory.
    #[cfg(feature = "simulation")]
    fn frames(&self) -> Option<Arc<dyn FrameNet>> {
        None
    }
}
