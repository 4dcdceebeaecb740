//! The yardstick: a bare quinn echo of 64 bytes on one bidirectional stream, mutual TLS 1.3, one thread an end.

use std::{future::Future, net::SocketAddr, sync::Arc};

use hdrhistogram::Histogram;
use quinn::{
    ClientConfig, Connection, Endpoint, EndpointConfig, MtuDiscoveryConfig, ServerConfig,
    TokioRuntime, TransportConfig,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::time::Instant;

use crate::remote::{Outcome, papers::Papers};

const BYTES: usize = 64;

/// Packets as large as Odeon's on loopback.
const MTU_MAX: u16 = 8972;

/// The name in every certificate of the bench's cluster.
const SERVER_NAME: &str = "bench.odeon";

/// The echoing end; the future serves until it is dropped.
pub(crate) fn serve(papers: &Papers) -> Outcome<(SocketAddr, impl Future<Output = ()> + use<>)> {
    let (mut server, _) = configs(papers, "bench-b")?;
    server.transport_config(transport());
    let endpoint = endpoint(Some(server))?;
    let addr = endpoint.local_addr()?;
    let serve = async move {
        while let Some(incoming) = endpoint.accept().await {
            let Ok(connection) = incoming.await else { continue };
            // One client, one connection, a stream a round.
            let _ = answer(connection).await;
        }
    };
    Ok((addr, serve))
}

async fn answer(connection: Connection) -> Outcome<()> {
    loop {
        let (mut send, mut recv) = connection.accept_bi().await?;
        let mut bytes = [0; BYTES];
        // The client ends its stream after a round and opens another.
        while recv.read_exact(&mut bytes).await.is_ok() {
            send.write_all(&bytes).await?;
        }
    }
}

/// The asking end.
pub(crate) struct Client {
    connection: Connection,
    _endpoint: Endpoint,
}

impl Client {
    /// Connects to the echoing end.
    pub(crate) async fn connect(papers: &Papers, to: SocketAddr) -> Outcome<Self> {
        let (_, mut client) = configs(papers, "bench-a")?;
        client.transport_config(transport());
        let endpoint = endpoint(None)?;
        let connection = endpoint.connect_with(client, to, SERVER_NAME)?.await?;
        Ok(Self { connection, _endpoint: endpoint })
    }

    /// So many echoes, one after the other.
    pub(crate) async fn run(&self, echoes: u64) -> Outcome<Histogram<u32>> {
        let mut latency = Histogram::new_with_max(1_000_000_000, 3)?;
        let (mut send, mut recv) = self.connection.open_bi().await?;
        let mut bytes = [7; BYTES];
        for _ in 0..echoes {
            let asked = Instant::now();
            send.write_all(&bytes).await?;
            recv.read_exact(&mut bytes).await?;
            latency.saturating_record(asked.elapsed().as_nanos() as u64);
        }
        Ok(latency)
    }
}

fn transport() -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    let mut mtu = MtuDiscoveryConfig::default();
    mtu.upper_bound(MTU_MAX);
    config.max_idle_timeout(None).mtu_discovery_config(Some(mtu));
    Arc::new(config)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the yardstick is bare quinn, without Odeon's environment"
)]
fn endpoint(server: Option<ServerConfig>) -> Outcome<Endpoint> {
    let socket = std::net::UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let mut config = EndpointConfig::default();
    config.max_udp_payload_size(MTU_MAX)?;
    Ok(Endpoint::new(config, server, socket, Arc::new(TokioRuntime))?)
}

fn configs(papers: &Papers, node: &str) -> Outcome<(ServerConfig, ClientConfig)> {
    let [cert, key, ca] = papers.pem(node)?;
    let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes())?)?;
    let roots = Arc::new(roots);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()?;
    let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain.clone(), key.clone_key())?;
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    let server = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(server)?));
    Ok((server, ClientConfig::new(Arc::new(QuicClientConfig::try_from(client)?))))
}
