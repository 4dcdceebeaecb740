//! A resolver of our own, for what the system's does not do: SRV records, and name servers of a program's choice.
//!
//! What it is: one look-up with hickory-resolver, at the servers that the system is set up with or at those that the
//! environment was given. What it is NOT: in the way of addresses where no server was given; those are the system's, with
//! its hosts file and all. The set-up is read anew for each look-up, so that a machine that moves to another network finds
//! its servers, and nothing is cached: who looks pauses in between.
//!
//! Answers are anybody's. hickory reads them with bounds of its own; what is taken of one is bounded here, and no more is
//! believed than that somebody may be there.

use std::{io, net::SocketAddr, time::Duration};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::RData,
    system_conf::read_system_conf,
};
use tokio::time::timeout;

use super::{ADDRESSES_MAX, file::blocking};
use crate::SrvRecord;

/// Most SRV records taken of one name; the rest is ignored.
const RECORDS_MAX: usize = 64;

/// Longest time of one look-up, whatever servers and search list there are: two attempts, and some more.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(5);

/// Longest time of one attempt at a server: those of a cluster are near, and who looks asks again.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(2);

/// The SRV records of a name, in the order in which they are to be tried. `servers` stand in for the system's; none means
/// those.
pub(super) async fn srv_records(name: &str, servers: &[SocketAddr]) -> io::Result<Vec<SrvRecord>> {
    let what = || format!("the SRV records of {name}");
    let look_up = async {
        let resolver = resolver(servers).await?;
        resolver.srv_lookup(name).await.map_err(failure)
    };
    let found = within(look_up).await.map_err(|error| explained(&what(), &error))?;
    let records = found.answers().iter().filter_map(|record| match &record.data {
        RData::SRV(srv) => Some(SrvRecord {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: srv.target.to_ascii(),
        }),
        _ => None,
    });
    // A single record whose target is the root says that there is no such service (RFC 2782).
    let usable = |record: &SrvRecord| record.target != "." && record.port > 0;
    let records: Vec<SrvRecord> = records.filter(usable).take(RECORDS_MAX).collect();
    if records.is_empty() {
        let text = format!("{name} has no SRV records");
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    Ok(SrvRecord::in_order(records, below))
}

/// The addresses of a `host:port`, of these servers.
pub(super) async fn addresses(
    host_and_port: &str,
    servers: &[SocketAddr],
) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host_and_port.parse() {
        return Ok(vec![address]);
    }
    let parts = host_and_port.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    let (host, port) =
        parts.and_then(|(host, port)| Some((host, port.parse().ok()?))).ok_or_else(|| {
            let text = format!("{host_and_port:?} is no host:port");
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })?;
    let look_up = async {
        let resolver = resolver(servers).await?;
        resolver.lookup_ip(host).await.map_err(failure)
    };
    let what = || format!("the addresses of {host}");
    let found = within(look_up).await.map_err(|error| explained(&what(), &error))?;
    Ok(found.iter().take(ADDRESSES_MAX).map(|ip| SocketAddr::new(ip, port)).collect())
}

async fn resolver(servers: &[SocketAddr]) -> io::Result<TokioResolver> {
    let (config, mut options) = if servers.is_empty() {
        // It reads files.
        blocking(|| read_system_conf().map_err(failure)).await?
    } else {
        let servers = servers.iter().copied().map(name_server).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        (config, ResolverOpts::default())
    };
    options.timeout = options.timeout.min(ATTEMPT_WITHIN);
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = options;
    builder.build().map_err(failure)
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

async fn within<T>(look_up: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(LOOK_UP_WITHIN, look_up).await.unwrap_or_else(|_| {
        let text = format!("no name server answered within {LOOK_UP_WITHIN:?}");
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    })
}

fn failure(error: NetError) -> io::Error {
    let kind = if error.is_no_records_found() {
        io::ErrorKind::NotFound
    } else if matches!(error, NetError::Timeout) {
        io::ErrorKind::TimedOut
    } else {
        io::ErrorKind::Other
    };
    io::Error::new(kind, error)
}

fn explained(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what} cannot be looked up: {error}"))
}

/// A number below `bound`.
fn below(bound: u64) -> u64 {
    let mut random = [0; 8];
    getrandom::fill(&mut random).expect("the system has entropy once it has booted");
    ((u128::from(u64::from_le_bytes(random)) * u128::from(bound)) >> 64) as u64
}
