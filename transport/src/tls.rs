//! Mutual TLS 1.3 for QUIC: what both sides prove to each other before a frame is read.
//!
//! Each side presents its node's certificate and verifies the other's against the same authorities; a dialler
//! verifies the cluster's name as well, and `node_of_certificate` reads cluster and node for the acceptor. There is
//! no session resumption and no 0-RTT, so every connection proves itself anew (RFC 8446, 2.3 and 8). Cipher suites
//! in the order of their speed with hardware AES. Read `tls/trust.rs` next, then `quic_config.rs`.

mod trust;

use std::{fmt, str::FromStr, sync::Arc, time::SystemTime};

use odeon_env::Env;
#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs;
use rustls::{
    CertificateError,
    client::Resumption,
    crypto::{CryptoProvider, ring},
    pki_types::UnixTime,
    server::NoServerSessionStorage,
    time_provider::TimeProvider,
    version::TLS13,
};

pub(crate) use trust::Trust;

use crate::{Identity, IdentityError};

/// The protocol that both sides must name (ALPN, RFC 7301).
const ALPN: &[u8] = b"odeon/1";

/// The name of AWS-LC, which is that of the feature.
const AWS_LC: &str = "aws-lc-rs";

/// What to say of a peer that names none that this node names.
pub(crate) fn no_common_protocol() -> String {
    let ours = String::from_utf8_lossy(ALPN);
    format!(
        "this node speaks {ours} and the peer another one: run the same version of Odeon on both"
    )
}

/// Certificates are checked against the environment's clock.
#[derive(Debug)]
pub(crate) struct EnvClock(pub(crate) Arc<dyn Env>);

impl TimeProvider for EnvClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix_time(self.0.wall_clock()))
    }
}

pub(crate) fn unix_time(time: SystemTime) -> UnixTime {
    UnixTime::since_unix_epoch(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

/// Whose code encrypts the connections of an endpoint. Nodes of both kinds understand each other.
///
/// Certificates, join tokens and the tokens of Retry packets are ring's work either way: they are small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Crypto {
    /// [ring](https://github.com/briansmith/ring): the default, because it is built with a C compiler alone and draws all its
    /// entropy where a simulation can seed it.
    #[default]
    Ring,
    /// [AWS-LC](https://github.com/aws/aws-lc-rs), with the feature `aws-lc-rs`: up to twice as fast on large packets,
    /// and minutes more to build. In a simulation an endpoint refuses it: it draws entropy of its own, so that a run could not
    /// be made again.
    #[cfg(feature = "aws-lc-rs")]
    AwsLc,
}

impl Crypto {
    /// By which it is chosen: `ring` or `aws-lc-rs`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            #[cfg(feature = "aws-lc-rs")]
            Self::AwsLc => AWS_LC,
        }
    }
}

impl fmt::Display for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that chooses nobody to encrypt.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoNameError {
    /// It is in the program only with a feature.
    #[error(
        "this program was built without aws-lc-rs: use ring, or build it with the feature aws-lc-rs of odeon or odeon-ops"
    )]
    NotBuilt,
    /// Nobody has this name.
    #[error("{name:?} encrypts nothing: use ring, or aws-lc-rs in a program with that feature")]
    Unknown {
        /// The name.
        name: Box<str>,
    },
}

impl FromStr for Crypto {
    type Err = CryptoNameError;

    fn from_str(name: &str) -> Result<Self, CryptoNameError> {
        match name {
            "ring" => Ok(Self::Ring),
            #[cfg(feature = "aws-lc-rs")]
            AWS_LC => Ok(Self::AwsLc),
            #[cfg(not(feature = "aws-lc-rs"))]
            AWS_LC => Err(CryptoNameError::NotBuilt),
            _ => Err(CryptoNameError::Unknown { name: name.into() }),
        }
    }
}

/// Always named to rustls, never taken as the process's default: with two of them in a program there is none, and asking
/// for it panics.
pub(crate) fn provider(crypto: Crypto) -> Arc<CryptoProvider> {
    macro_rules! quickest_first {
        ($provider:ident) => {
            CryptoProvider {
                cipher_suites: vec![
                    $provider::cipher_suite::TLS13_AES_128_GCM_SHA256,
                    $provider::cipher_suite::TLS13_AES_256_GCM_SHA384,
                    $provider::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
                ],
                ..$provider::default_provider()
            }
        };
    }
    Arc::new(match crypto {
        Crypto::Ring => quickest_first!(ring),
        #[cfg(feature = "aws-lc-rs")]
        Crypto::AwsLc => quickest_first!(aws_lc_rs),
    })
}

/// Both roles of one node, and whom it accepts in them.
pub(crate) struct Tls {
    pub(crate) server: rustls::ServerConfig,
    pub(crate) client: rustls::ClientConfig,
    pub(crate) trust: Trust,
}

impl Tls {
    /// Checks that peers will accept `identity` now, and makes both configurations.
    ///
    /// The certificate `in_use` is not judged a second time: a node whose own has run out or was revoked must still
    /// heed the list that comes with it.
    pub(crate) fn new(
        identity: &Identity,
        in_use: Option<&Identity>,
        env: &Arc<dyn Env>,
        crypto: Crypto,
    ) -> Result<Self, IdentityError> {
        let provider = provider(crypto);
        let trust = Trust::new(identity, &provider)?;
        let refused =
            |cause| IdentityError::Refused { node: identity.node_name().to_owned(), cause };
        check_own(identity, in_use, &trust, unix_time(env.wall_clock())).map_err(refused)?;

        let clock = Arc::new(EnvClock(Arc::clone(env)));
        let chain = identity.chain().to_vec();
        let mut server = rustls::ServerConfig::builder_with_details(
            Arc::clone(&provider),
            Arc::clone(&clock) as _,
        )
        .with_protocol_versions(&[&TLS13])
        .map_err(refused)?
        .with_client_cert_verifier(Arc::clone(&trust.clients))
        .with_single_cert(chain.clone(), identity.key())
        .map_err(refused)?;
        server.alpn_protocols = vec![ALPN.to_vec()];
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        let mut client = rustls::ClientConfig::builder_with_details(provider, clock)
            .with_protocol_versions(&[&TLS13])
            .map_err(refused)?
            .with_webpki_verifier(Arc::clone(&trust.servers))
            .with_client_auth_cert(chain, identity.key())
            .map_err(refused)?;
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.resumption = Resumption::disabled();
        Ok(Self { server, client, trust })
    }
}

/// Whether peers that trust what `identity` does accept its certificate.
fn check_own(
    identity: &Identity,
    in_use: Option<&Identity>,
    trust: &Trust,
    now: UnixTime,
) -> Result<(), rustls::Error> {
    let checked = trust.check(identity.chain(), now);
    if in_use.is_none_or(|in_use| in_use.chain() != identity.chain()) {
        return checked;
    }
    let Err(cause) = checked else { return Ok(()) };
    let lasting = match trust.still(identity.chain(), true, now) {
        Ok(()) | Err(rustls::Error::InvalidCertificate(CertificateError::Revoked)) => Ok(()),
        Err(other) => Err(other),
    };
    if lasting.is_ok() {
        tracing::error!(
            node = identity.node_name(), %cause,
            "this node's own certificate is no good any more: peers refuse it until it has a new one; see runbook: \
             certificate-expiring"
        );
    }
    lasting
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
        Tls::new(&identity, None, &at(now), Crypto::Ring).unwrap();
        for time in [now - day, now + 2 * day] {
            let refused =
                Tls::new(&identity, None, &at(time), Crypto::Ring).err().unwrap().to_string();
            assert!(refused.contains("node a would be refused"), "{refused}");
        }
        let pair = ca.issue_pem("a", Validity::from(now, day)).unwrap();
        let other = Ca::in_memory("demo").unwrap().to_pem().cert;
        let foreign = Identity::from_pem(&pair.cert, &pair.key, &other).unwrap();
        assert!(matches!(
            Tls::new(&foreign, None, &at(now), Crypto::Ring),
            Err(IdentityError::Refused { .. })
        ));
    }

    #[test]
    fn every_connection_proves_itself_anew_and_by_tls_1_3() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let ca = Ca::in_memory("demo").unwrap();
        let identity = ca.issue("a", Validity::from(now, Duration::from_secs(86_400))).unwrap();
        let env: Arc<dyn Env> = Arc::new(Clock(now));
        for crypto in [
            Crypto::Ring,
            #[cfg(feature = "aws-lc-rs")]
            Crypto::AwsLc,
        ] {
            let Tls { server, client, .. } = Tls::new(&identity, None, &env, crypto).unwrap();
            assert_eq!((server.send_tls13_tickets, server.max_early_data_size), (0, 0));
            assert!(!client.enable_early_data && !server.session_storage.can_cache());
            for provider in [server.crypto_provider(), client.crypto_provider()] {
                assert!(provider.cipher_suites.iter().all(|suite| suite.tls13().is_some()));
                let whose = format!("{:?}", provider.secure_random);
                assert_eq!(whose == "Ring", crypto == Crypto::Ring, "{whose}");
            }
        }
    }

    #[test]
    fn who_encrypts_is_chosen_by_name_and_one_that_is_not_there_says_so() {
        assert_eq!("ring".parse(), Ok(Crypto::Ring));
        assert_eq!(Crypto::default().to_string(), "ring");
        let aws_lc = AWS_LC.parse::<Crypto>();
        match cfg!(feature = "aws-lc-rs") {
            true => assert_eq!(aws_lc.unwrap().name(), AWS_LC),
            false => assert_eq!(aws_lc, Err(CryptoNameError::NotBuilt)),
        }
        let unknown = "openssl".parse::<Crypto>().unwrap_err().to_string();
        assert_eq!(
            unknown,
            "\"openssl\" encrypts nothing: use ring, or aws-lc-rs in a program with that feature"
        );
    }

    /// The days of a certificate are looked at first, and hid that it was revoked.
    #[test]
    fn a_peer_whose_certificate_ran_out_stays_and_a_revoked_one_does_not() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let day = Duration::from_secs(86_400);
        let ca = Ca::in_memory("demo").unwrap();
        let [own, peer] = ["a", "b"].map(|name| ca.issue(name, Validity::from(now, day)).unwrap());
        let serial = crate::Serial::of(&peer.chain()[0]).unwrap();
        let list = |revoked: &[crate::Revoked]| ca.revocation_list_pem(1, now, revoked).unwrap();
        let trusting = |lists: &str| {
            Trust::new(&own.with_revoked_pem(lists).unwrap(), &provider(Crypto::Ring)).unwrap()
        };
        let (before, after) =
            (trusting(&list(&[])), { trusting(&list(&[crate::Revoked { serial, at: now }])) });
        for (days, dialled) in [(0, true), (0, false), (9, true), (9, false)] {
            let at = unix_time(now + days * day);
            before.still(peer.chain(), dialled, at).unwrap();
            let refused = after.still(peer.chain(), dialled, at).unwrap_err();
            let revoked = rustls::Error::InvalidCertificate(CertificateError::Revoked);
            assert_eq!(refused, revoked, "after {days} days");
        }
        let early = unix_time(now - day);
        before.still(peer.chain(), true, early).unwrap();
    }
}
