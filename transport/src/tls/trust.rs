//! Whose certificates a node accepts: authorities, the cluster's name, and lists of what is revoked.
//!
//! A handshake asks rustls, which asks the two verifiers made here. A connection that has passed is asked about again
//! when what the node trusts has changed ([`Trust::still`]); then only the days of the peer's certificate do not count,
//! because a certificate that runs out must not cut a connection that it was good for. Nobody is accepted without the
//! list of their authority, once there is a list (RFC 5280, 6.3: what cannot be determined is not valid).

use std::sync::Arc;

use rustls::{
    CertificateError, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use crate::{Identity, IdentityError, name::cluster_dns};

/// Certificates of one chain whose days are set aside; a chain is not longer in any PKI that one meets.
const DAYS_ASIDE_MAX: usize = 8;

/// The verifiers of one node.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    pub(super) servers: Arc<WebPkiServerVerifier>,
    pub(super) clients: Arc<dyn ClientCertVerifier>,
    /// The name that a dialler verifies.
    server_name: ServerName<'static>,
    has_lists: bool,
}

impl Trust {
    pub(super) fn new(
        identity: &Identity,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, IdentityError> {
        let authority =
            |cause: &dyn std::fmt::Display| IdentityError::Authority { cause: cause.to_string() };
        let mut roots = RootCertStore::empty();
        for cert in identity.authorities() {
            roots.add(cert.clone()).map_err(|cause| authority(&cause))?;
        }
        let (roots, lists) = (Arc::new(roots), identity.revoked());
        let servers =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider))
                .with_crls(lists.iter().cloned())
                .build()
                .map_err(|cause| authority(&cause))?;
        let clients = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider))
            .with_crls(lists.iter().cloned())
            .build()
            .map_err(|cause| authority(&cause))?;
        let name = cluster_dns(identity.names().0);
        let server_name = ServerName::try_from(name).expect("a cluster's name is a DNS label");
        Ok(Self { servers, clients, server_name, has_lists: !lists.is_empty() })
    }

    /// Whether there is a list of revoked certificates.
    pub(crate) const fn has_lists(&self) -> bool {
        self.has_lists
    }

    /// What a peer that dials says of this chain.
    pub(super) fn check(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let [own, between @ ..] = chain else { return Err(rustls::Error::NoCertificatesPresented) };
        self.servers.verify_server_cert(own, between, &self.server_name, &[], now).map(|_| ())
    }

    /// Whether a peer that was let in before would be let in now, leaving aside that its certificate may have run out.
    /// `dialled` says that this side began the connection.
    pub(crate) fn still(
        &self,
        chain: &[CertificateDer<'_>],
        dialled: bool,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let check = |now| match (dialled, chain) {
            (false, [own, between @ ..]) => {
                self.clients.verify_client_cert(own, between, now).map(|_| ())
            }
            _ => self.check(chain, now),
        };
        // The days are looked at before the lists, so a certificate that has run out would hide that it is revoked.
        let mut at = now;
        for _ in 0..DAYS_ASIDE_MAX {
            match check(at) {
                Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext {
                    not_after,
                    ..
                })) => at = not_after,
                Err(rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext {
                    not_before,
                    ..
                })) => at = not_before,
                result => return result,
            }
        }
        check(at)
    }
}
