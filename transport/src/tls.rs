//! Mutual TLS 1.3 for QUIC: what both sides prove to each other before a frame is read.
//!
//! Each side presents its node's certificate and verifies the other's against the same authorities; a dialler
//! verifies the cluster's name as well, and `node_of_certificate` reads cluster and node for the acceptor. There is
//! no session resumption and no 0-RTT, so every connection proves itself anew (RFC 8446, 2.3 and 8). Cipher suites
//! in the order of their speed with hardware AES. Read `quic_config.rs` next.

use std::{sync::Arc, time::SystemTime};

use odeon_env::Env;
use rustls::{
    RootCertStore,
    client::{Resumption, WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{ServerName, UnixTime},
    server::{NoServerSessionStorage, WebPkiClientVerifier},
    time_provider::TimeProvider,
    version::TLS13,
};

use crate::{Identity, IdentityError, name::cluster_dns};

/// The protocol that both sides must name (ALPN, RFC 7301).
const ALPN: &[u8] = b"odeon/1";

/// Certificates are checked against the environment's clock.
#[derive(Debug)]
struct EnvClock(Arc<dyn Env>);

impl TimeProvider for EnvClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix_time(self.0.wall_clock()))
    }
}

fn unix_time(time: SystemTime) -> UnixTime {
    UnixTime::since_unix_epoch(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

fn provider() -> Arc<CryptoProvider> {
    use ring::cipher_suite::{
        TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
    };
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            TLS13_AES_128_GCM_SHA256,
            TLS13_AES_256_GCM_SHA384,
            TLS13_CHACHA20_POLY1305_SHA256,
        ],
        ..ring::default_provider()
    })
}

/// Both roles of one node.
pub(crate) struct Tls {
    pub(crate) server: rustls::ServerConfig,
    pub(crate) client: rustls::ClientConfig,
}

impl Tls {
    /// Checks that peers will accept `identity` now, and makes both configurations.
    pub(crate) fn new(identity: &Identity, env: &Arc<dyn Env>) -> Result<Self, IdentityError> {
        let authority =
            |cause: &dyn std::fmt::Display| IdentityError::Authority { cause: cause.to_string() };
        let mut roots = RootCertStore::empty();
        for cert in identity.authorities() {
            roots.add(cert.clone()).map_err(|cause| authority(&cause))?;
        }
        let (roots, provider) = (Arc::new(roots), provider());
        let servers =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
                .build()
                .map_err(|cause| authority(&cause))?;
        let clients = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(|cause| authority(&cause))?;
        let refused =
            |cause| IdentityError::Refused { node: identity.node_name().to_owned(), cause };
        let [own, between @ ..] = identity.chain() else {
            return Err(authority(&"no certificate"));
        };
        servers
            .verify_server_cert(
                own,
                between,
                &server_name(identity),
                &[],
                unix_time(env.wall_clock()),
            )
            .map_err(refused)?;

        let clock = Arc::new(EnvClock(Arc::clone(env)));
        let chain = identity.chain().to_vec();
        let mut server = rustls::ServerConfig::builder_with_details(
            Arc::clone(&provider),
            Arc::clone(&clock) as _,
        )
        .with_protocol_versions(&[&TLS13])
        .map_err(refused)?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain.clone(), identity.key())
        .map_err(refused)?;
        server.alpn_protocols = vec![ALPN.to_vec()];
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        let mut client = rustls::ClientConfig::builder_with_details(provider, clock)
            .with_protocol_versions(&[&TLS13])
            .map_err(refused)?
            .with_webpki_verifier(servers)
            .with_client_auth_cert(chain, identity.key())
            .map_err(refused)?;
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.resumption = Resumption::disabled();
        Ok(Self { server, client })
    }
}

/// The name that a dialler verifies.
fn server_name(identity: &Identity) -> ServerName<'static> {
    let name = cluster_dns(identity.names().0);
    ServerName::try_from(name).expect("a cluster's name is a DNS label")
}

#[cfg(test)]
mod tests {
    use std::{io, net::SocketAddr, time::Duration};

    use odeon_env::{BoxFuture, DatagramSocket};

    use super::*;
    use crate::{Ca, Validity};

    #[derive(Debug)]
    struct Clock(SystemTime);

    impl Env for Clock {
        fn bind(&self, _: SocketAddr) -> io::Result<Arc<dyn DatagramSocket>> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn resolve(&self, _: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
            Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
        }

        fn wall_clock(&self) -> SystemTime {
            self.0
        }

        fn entropy(&self, out: &mut [u8]) {
            out.fill(7);
        }
    }

    #[test]
    fn an_expired_or_foreign_certificate_is_refused_at_start() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let day = Duration::from_secs(86_400);
        let ca = Ca::in_memory("demo").unwrap();
        let identity = ca.issue("a", Validity::from(now, day)).unwrap();
        let at = |time| -> Arc<dyn Env> { Arc::new(Clock(time)) };
        Tls::new(&identity, &at(now)).unwrap();
        for time in [now - day, now + 2 * day] {
            let refused = Tls::new(&identity, &at(time)).err().unwrap().to_string();
            assert!(refused.contains("node a would be refused"), "{refused}");
        }
        let pair = ca.issue_pem("a", Validity::from(now, day)).unwrap();
        let other = Ca::in_memory("demo").unwrap().to_pem().cert;
        let foreign = Identity::from_pem(&pair.cert, &pair.key, &other).unwrap();
        assert!(matches!(Tls::new(&foreign, &at(now)), Err(IdentityError::Refused { .. })));
    }
}
