//! This machine as an environment.
//!
//! What it is: [`RealEnv`], through which a node reaches this machine's sockets, names, clock, entropy and disk. What it
//! is NOT: it decides nothing; errors are the system's own, and whoever calls adds the value and the remedy. Read
//! `real/socket.rs` next, `real/builder.rs` for the disk.

mod builder;
mod disk;
#[cfg(feature = "dns")]
mod dns;
mod file;
mod memory;
mod multicast;
mod recv_error;
mod registration;
mod send_room;
mod socket;
mod threads;
mod tick;
mod unreachable;

use std::{io, net::SocketAddr, path::Path, sync::Arc, time::SystemTime};

use crate::{BoxFuture, DatagramSocket, Disk, DiskError, Env, MulticastGroup};

pub use builder::{DataFolderError, RealEnvBuilder};
use disk::RealDisk;
use socket::RealSocket;

/// The real world: this machine's sockets, names, clock and entropy, and a folder of it as the node's disk.
///
/// Without a data folder it is the constant of the same name, `RealEnv`.
///
/// ```no_run
/// use odeon_env::{Env, RealEnv};
///
/// let env = RealEnv::builder().data_folder("/var/lib/odeon/a").open()?;
/// let disk = env.disk()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct RealEnv {
    disk: Option<Arc<RealDisk>>,
    /// Name servers in place of the system's; none means those.
    #[cfg(feature = "dns")]
    name_servers: Vec<SocketAddr>,
}

/// The real world without a disk, which is all that a node needs that keeps nothing.
#[expect(non_upper_case_globals, reason = "the value is called what its type is called")]
pub const RealEnv: RealEnv = RealEnv {
    disk: None,
    #[cfg(feature = "dns")]
    name_servers: Vec::new(),
};

impl RealEnv {
    /// A real world to which a data folder can be given.
    pub fn builder() -> RealEnvBuilder {
        RealEnvBuilder::default()
    }
}

impl Env for RealEnv {
    fn bind(&self, listen: SocketAddr) -> io::Result<Arc<dyn DatagramSocket>> {
        Ok(Arc::new(RealSocket::bind(listen)?))
    }

    fn join_multicast(&self, group: &MulticastGroup) -> io::Result<Arc<dyn DatagramSocket>> {
        Ok(Arc::new(RealSocket::join(group)?))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the window to names")]
    fn resolve(&self, host: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        let host = host.to_owned();
        #[cfg(feature = "dns")]
        if !self.name_servers.is_empty() {
            let servers = self.name_servers.clone();
            return Box::pin(async move { dns::addresses(&host, &servers).await });
        }
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host(host).await?.take(ADDRESSES_MAX).collect();
            if found.is_empty() {
                return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
            }
            Ok(found)
        })
    }

    #[cfg(feature = "dns")]
    fn resolve_srv(&self, name: &str) -> BoxFuture<io::Result<Vec<crate::SrvRecord>>> {
        let (name, servers) = (name.to_owned(), self.name_servers.clone());
        Box::pin(async move { dns::srv_records(&name, &servers).await })
    }

    fn read_file(&self, path: &Path, bytes_max: usize) -> BoxFuture<io::Result<Vec<u8>>> {
        file::read(path, bytes_max)
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the window to the wall clock")]
    fn wall_clock(&self) -> SystemTime {
        SystemTime::now()
    }

    fn entropy(&self, out: &mut [u8]) {
        getrandom::fill(out).expect("the system has entropy once it has booted");
    }

    fn tick_ns(&self) -> Option<u64> {
        tick::now_ns()
    }

    fn provide_memory(&self, from: usize, bytes: usize) -> usize {
        memory::provide(from, bytes)
    }

    fn disk(&self) -> io::Result<Arc<dyn Disk>> {
        let disk = self.disk.as_ref().ok_or(DiskError::NoDataFolder)?;
        Ok(Arc::clone(disk) as Arc<dyn Disk>)
    }
}

/// Most addresses taken from one name; the rest is ignored. More than any sane list of seeds.
const ADDRESSES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn resolves_names_and_literals() {
        let env = RealEnv;
        let literal = env.resolve("127.0.0.1:7400").await.unwrap();
        assert_eq!(literal, ["127.0.0.1:7400".parse().unwrap()]);
        let named = env.resolve("localhost:7400").await.unwrap();
        assert!(named.iter().all(|addr| addr.ip().is_loopback() && addr.port() == 7400));
        assert!(env.resolve("no-port").await.is_err());
    }

    #[cfg(not(feature = "dns"))]
    #[tokio::test]
    async fn srv_records_are_an_error_that_says_what_to_do() {
        let error = RealEnv.resolve_srv("_odeon._udp.example.org").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert!(error.to_string().contains("_odeon._udp.example.org"), "{error}");
    }

    #[test]
    fn entropy_differs() {
        let (mut a, mut b) = ([0; 32], [0; 32]);
        RealEnv.entropy(&mut a);
        RealEnv.entropy(&mut b);
        assert_ne!(a, b);
    }
}
