//! This machine as an environment.

use std::{io, net::SocketAddr, sync::Arc, time::SystemTime};

use crate::{BoxFuture, DatagramSocket, Env};

/// The real world: this machine's sockets, names, clock and entropy.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealEnv;

impl Env for RealEnv {
    fn bind(&self, _listen: SocketAddr) -> io::Result<Arc<dyn DatagramSocket>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn resolve(&self, _host: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }

    #[expect(clippy::disallowed_methods, reason = "this is the window to the wall clock")]
    fn wall_clock(&self) -> SystemTime {
        SystemTime::now()
    }

    fn entropy(&self, out: &mut [u8]) {
        getrandom::fill(out).expect("the system has entropy once it has booted");
    }
}
