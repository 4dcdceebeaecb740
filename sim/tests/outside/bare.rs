//! Bare quinn on a simulated host: an endpoint without anything of a node.

#[path = "../../../transport/tests/outside/bare.rs"]
mod over_sockets;

use std::{net::SocketAddr, sync::Arc};

use odeon_env::Env as _;
use odeon_sim::SimEnv;
use over_sockets::{BareRuntime, BareSocket};
use quinn::{Endpoint, EndpointConfig, ServerConfig};

/// An endpoint at this port of the host, which takes connections if it has a server's configuration.
pub(crate) fn endpoint(env: &SimEnv, port: u16, server: Option<ServerConfig>) -> Endpoint {
    let socket = env.bind(SocketAddr::new(env.address(), port)).expect("it is free");
    Endpoint::new_with_abstract_socket(
        EndpointConfig::default(),
        server,
        Arc::new(BareSocket(socket)),
        Arc::new(BareRuntime),
    )
    .expect("a local set is running")
}
