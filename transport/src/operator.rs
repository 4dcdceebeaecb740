//! TLS between operators and the admin interfaces of nodes.
//!
//! What it is: both sides' configurations, and who somebody is by their certificate. A node shows the certificate that it
//! has among nodes, an operator one that names an operator ([`Ca::issue_operator_pem`](crate::Ca::issue_operator_pem));
//! one authority has issued both. What it is NOT: a socket, or HTTP; who has those is `odeon-ops`. TLS 1.3 only, without
//! resumption, as between nodes (`tls.rs`).

use std::{path::Path, sync::Arc};

use odeon_env::Env;
use rustls::{
    RootCertStore,
    client::Resumption,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
    version::TLS13,
};
use webpki::EndEntityCert;

use crate::{
    Identity, IdentityError,
    identity::certificate_names,
    name::{cluster_dns, read_operator},
    tls::{Crypto, EnvClock, provider, unix_time},
};

/// The protocol inside (ALPN, RFC 7301).
const ALPN: &[u8] = b"http/1.1";

/// Why somebody who came to an admin interface is not let in. Nothing has happened.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotAnOperator {
    /// No certificate was shown.
    #[error(
        "no certificate was shown: use one of an operator, which `odeon ca issue --operator NAME` makes"
    )]
    Nobody,
    /// The certificate is a node's.
    #[error(
        "the certificate of node {node} is no operator's: use one that `odeon ca issue --operator NAME` makes"
    )]
    Node {
        /// The node.
        node: String,
    },
    /// The certificate was good when it was shown, and is accepted no longer.
    #[error(
        "the certificate is accepted no longer: {cause}; use one that `odeon ca issue --operator NAME` makes"
    )]
    Refused {
        /// Why.
        cause: String,
    },
    /// The certificate names nobody that is known here.
    #[error(
        "the certificate names no operator of this cluster: use one that `odeon ca issue --operator NAME` makes"
    )]
    Unnamed,
}

/// A node's side of its admin interface.
#[derive(Clone)]
pub struct AdminTls {
    /// Asks for a certificate, and lets in who shows none, so that they can be told why they are refused. One of another
    /// authority, or one that was revoked or has run out, ends the handshake.
    pub config: Arc<rustls::ServerConfig>,
    verifier: Arc<dyn ClientCertVerifier>,
    clock: Arc<EnvClock>,
    cluster: String,
}

impl AdminTls {
    /// The side of the node with this identity.
    ///
    /// # Errors
    /// When the identity cannot be used.
    pub fn new(identity: &Identity, env: &Arc<dyn Env>) -> Result<Self, IdentityError> {
        let provider = provider(Crypto::Ring);
        let roots = Arc::new(roots(identity.authorities())?);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .with_crls(identity.revoked().iter().cloned())
            .allow_unauthenticated()
            .build()
            .map_err(|cause| IdentityError::Authority { cause: cause.to_string() })?;
        let refused =
            |cause| IdentityError::Refused { node: identity.node_name().to_owned(), cause };
        let clock = Arc::new(EnvClock(Arc::clone(env)));
        let same = Arc::clone(&clock) as _;
        let mut config = rustls::ServerConfig::builder_with_details(provider, same)
            .with_protocol_versions(&[&TLS13])
            .map_err(refused)?
            .with_client_cert_verifier(Arc::clone(&verifier))
            .with_single_cert(identity.chain().to_vec(), identity.key())
            .map_err(refused)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        let cluster = identity.cluster().to_owned();
        Ok(Self { config: Arc::new(config), verifier, clock, cluster })
    }

    /// The operator that this chain names, which was verified when its connection began, perhaps by other papers: it is
    /// verified again by these, as of now.
    ///
    /// # Errors
    /// Why it is accepted no longer.
    pub fn operator_still(&self, chain: &[CertificateDer<'_>]) -> Result<String, NotAnOperator> {
        let Some((own, others)) = chain.split_first() else { return Err(NotAnOperator::Nobody) };
        let now = unix_time(self.clock.0.wall_clock());
        match self.verifier.verify_client_cert(own, others, now) {
            Ok(_) => self.operator(Some(chain)),
            Err(error) => Err(NotAnOperator::Refused { cause: error.to_string() }),
        }
    }

    /// The operator that this verified chain names.
    ///
    /// # Errors
    /// Who it is instead.
    pub fn operator(&self, chain: Option<&[CertificateDer<'_>]>) -> Result<String, NotAnOperator> {
        let Some(own) = chain.and_then(<[_]>::first) else { return Err(NotAnOperator::Nobody) };
        if let Some((_, node)) = certificate_names(own) {
            return Err(NotAnOperator::Node { node: node.to_string() });
        }
        let parsed = EndEntityCert::try_from(own).map_err(|_| NotAnOperator::Unnamed)?;
        match read_operator(parsed.valid_dns_names()) {
            Some((cluster, operator)) if cluster.as_str() == self.cluster => {
                Ok(operator.to_string())
            }
            _ => Err(NotAnOperator::Unnamed),
        }
    }
}

/// An operator's side: who they are, and whose nodes they believe.
#[derive(Clone)]
pub struct OperatorTls {
    /// Shows the operator's certificate.
    pub config: Arc<rustls::ClientConfig>,
    /// The name that every node of the cluster shows.
    pub server_name: ServerName<'static>,
}

impl OperatorTls {
    /// Reads an operator's certificate and key, and the authority's certificate, from PEM files.
    ///
    /// # Errors
    /// Names the file, the cause and the remedy.
    pub fn from_pem_files(
        cert: &Path,
        key: &Path,
        ca_cert: &Path,
        env: &Arc<dyn Env>,
    ) -> Result<Self, IdentityError> {
        let origin = |path: &Path| path.display().to_string();
        let chain = certificates(cert, "operator's certificate")?;
        let authorities = certificates(ca_cert, "CA certificate")?;
        let text = read(key, "private key")?;
        let private =
            PrivateKeyDer::from_pem_slice(&text).map_err(|cause| IdentityError::NotPem {
                origin: origin(key),
                what: "private key",
                cause: cause.to_string(),
                remedy: "pass an unencrypted PKCS#8, SEC1 or PKCS#1 key",
            })?;
        let named = chain.first().and_then(|own| EndEntityCert::try_from(own).ok());
        let named = named.and_then(|own| read_operator(own.valid_dns_names()));
        let (cluster, operator) =
            named.ok_or_else(|| IdentityError::NoOperator { origin: origin(cert) })?;
        let authority =
            |cause: &dyn std::fmt::Display| IdentityError::Authority { cause: cause.to_string() };
        let clock = Arc::new(EnvClock(Arc::clone(env)));
        let mut config = rustls::ClientConfig::builder_with_details(provider(Crypto::Ring), clock)
            .with_protocol_versions(&[&TLS13])
            .map_err(|cause| authority(&cause))?
            .with_root_certificates(roots(&authorities)?)
            .with_client_auth_cert(chain, private)
            .map_err(|cause| IdentityError::Key { origin: origin(key), cause })?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        tracing::debug!(operator = operator.as_str(), cluster = cluster.as_str(), "an operator");
        let server_name =
            ServerName::try_from(cluster_dns(&cluster)).expect("a cluster's name is a DNS label");
        Ok(Self { config: Arc::new(config), server_name })
    }
}

fn roots(authorities: &[CertificateDer<'static>]) -> Result<RootCertStore, IdentityError> {
    let mut roots = RootCertStore::empty();
    for cert in authorities {
        roots
            .add(cert.clone())
            .map_err(|cause| IdentityError::Authority { cause: cause.to_string() })?;
    }
    Ok(roots)
}

fn read(path: &Path, what: &'static str) -> Result<Vec<u8>, IdentityError> {
    std::fs::read(path).map_err(|cause| IdentityError::Unreadable {
        what,
        path: path.to_owned(),
        cause,
    })
}

fn certificates(
    path: &Path,
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let text = read(path, what)?;
    let not_pem = |cause: String| IdentityError::NotPem {
        origin: path.display().to_string(),
        what,
        cause,
        remedy: "pass a file with a BEGIN CERTIFICATE block",
    };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|cause| not_pem(cause.to_string()))?;
    if found.is_empty() { Err(not_pem("no such block".to_owned())) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use odeon_env::RealEnv;

    use super::*;
    use crate::{Ca, Validity};

    fn chain(pem: &str) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect()
    }

    #[test]
    fn an_operator_is_let_in_and_nobody_else() {
        let env: Arc<dyn Env> = Arc::new(RealEnv);
        let validity = Validity::from(env.wall_clock(), Duration::from_secs(86_400));
        let ca = Ca::in_memory("shop").unwrap();
        let admin = AdminTls::new(&ca.issue("a", validity).unwrap(), &env).unwrap();
        let pair = ca.issue_operator_pem("alice", validity).unwrap();
        assert_eq!(admin.operator(Some(&chain(&pair.cert))).as_deref(), Ok("alice"));
        assert_eq!(admin.operator(None), Err(NotAnOperator::Nobody));
        let node = ca.issue_pem("b", validity).unwrap();
        let node = admin.operator(Some(&chain(&node.cert)));
        assert_eq!(node, Err(NotAnOperator::Node { node: "b".to_owned() }));
        // An authority of another cluster could be trusted besides.
        let other = Ca::in_memory("bank").unwrap().issue_operator_pem("alice", validity).unwrap();
        assert_eq!(admin.operator(Some(&chain(&other.cert))), Err(NotAnOperator::Unnamed));
        assert!(ca.issue_operator_pem("Alice", validity).is_err());
    }

    #[test]
    fn an_operators_certificate_is_no_nodes() {
        let validity = Validity::from(SystemTime::UNIX_EPOCH, Duration::from_secs(86_400));
        let ca = Ca::in_memory("shop").unwrap();
        let pair = ca.issue_operator_pem("alice", validity).unwrap();
        let as_node = Identity::from_pem(&pair.cert, &pair.key, &ca.to_pem().cert);
        assert!(matches!(as_node, Err(IdentityError::Unnamed { .. })), "{as_node:?}");
    }
}
