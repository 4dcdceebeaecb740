//! A certificate authority for one cluster.
//!
//! What it is: what `odeon ca` runs, and what a program uses that starts several nodes of its own. What it is NOT:
//! needed by a running node, which only knows the authority's certificate. Read `ca/serial.rs` and `ca/revocation.rs`
//! next, then `identity.rs`.

mod enrolment;
mod holder;
mod operator;
mod revocation;
mod serial;

pub use holder::Holder;
pub use revocation::Revoked;
pub(crate) use serial::sha256;
pub use serial::{Serial, SerialError};

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use odeon_wire::ClusterName;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SerialNumber,
    SubjectPublicKeyInfo,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};

use crate::{
    Identity, IdentityError,
    name::{NameError, cluster_dns, cluster_name, node_dns, node_name},
};

/// From when to when a certificate holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Validity {
    /// First moment.
    pub not_before: SystemTime,
    /// Last moment.
    pub not_after: SystemTime,
}

impl Validity {
    /// How far a certificate reaches into the past, so that a peer whose clock is slow accepts it: one hour.
    pub const SLACK: Duration = Duration::from_secs(3600);

    /// From [`SLACK`](Self::SLACK) before `now` to `lasting` after it.
    #[must_use]
    pub fn from(now: SystemTime, lasting: Duration) -> Self {
        Self { not_before: now - Self::SLACK, not_after: now + lasting }
    }
}

/// Why an authority could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaError {
    /// The name cannot be in a certificate.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The texts are no authority of `odeon ca`.
    #[error(
        "this is no certificate authority made by `odeon ca init` ({cause}); pass its own ca.pem and ca.key"
    )]
    Foreign {
        /// What is wrong with it.
        cause: String,
    },
    /// A text that should hold a certificate holds none.
    #[error("no certificate can be read ({cause}); pass a PEM file with a BEGIN CERTIFICATE block")]
    NotACertificate {
        /// What the parser says.
        cause: String,
    },
    /// A signing request cannot be signed.
    #[error("the signing request cannot be used ({cause}); send a PKCS#10 request for a P-256 key")]
    Request {
        /// What is wrong with it.
        cause: String,
    },
    /// The certificate to be renewed cannot be.
    #[error(
        "the certificate of {subject} cannot be renewed with its key ({cause}); renew with a new key"
    )]
    Key {
        /// Whose certificate it was to be.
        subject: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The certificate could not be made.
    #[error("the certificate of {subject} could not be made: {cause}")]
    Make {
        /// Whose certificate.
        subject: String,
        /// What rcgen says.
        cause: rcgen::Error,
    },
    /// The certificate was made but is not usable; a bug.
    #[error("an issued identity is not usable: {0}")]
    Identity(#[from] IdentityError),
}

/// A PEM text for each of the two files of an authority or of a node.
#[derive(Clone, PartialEq, Eq)]
pub struct PemPair {
    /// The certificate.
    pub cert: String,
    /// The private key, unencrypted. Write it with mode 0600.
    pub key: String,
}

impl fmt::Debug for PemPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PemPair")
    }
}

/// A certificate authority: its name, its key and its certificate.
///
/// Nodes trust each other when one authority has issued the certificates of both. It is made once a cluster; its key
/// stays where it was made. `odeon ca` does the same with files.
///
/// # Examples
/// ```
/// use std::time::{Duration, SystemTime};
///
/// # use odeon_transport as odeon;
/// use odeon::{Ca, CaError, Identity, Validity};
///
/// // For nodes of one program, such as in a test.
/// let ca = Ca::in_memory("shop")?;
/// let validity = Validity::from(SystemTime::now(), Duration::from_secs(90 * 24 * 3600));
/// let a: Identity = ca.issue("a", validity)?;
/// assert_eq!(a.node_name(), "a");
///
/// // For nodes elsewhere: their files are `pem.cert`, `pem.key`, and the authority's certificate.
/// let pem = ca.issue_pem("b", validity)?;
/// let b = Identity::from_pem(&pem.cert, &pem.key, &ca.to_pem().cert)?;
/// assert_eq!(b.node_name(), "b");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Ca {
    cluster: ClusterName,
    cert: CertificateDer<'static>,
    cert_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ca({})", self.cluster)
    }
}

/// An authority in memory needs no clock: its certificate holds from 2001-09-09, which is 10^9 s after the epoch.
const EPOCH_OF_AUTHORITIES: Duration = Duration::from_secs(1_000_000_000);
/// … for a hundred years.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);

impl Ca {
    /// A fresh authority for a cluster whose nodes are all in one program.
    ///
    /// # Errors
    /// When the name cannot be in a certificate.
    pub fn in_memory(cluster: &str) -> Result<Self, CaError> {
        let not_before = SystemTime::UNIX_EPOCH + EPOCH_OF_AUTHORITIES;
        Self::new(cluster, Validity { not_before, not_after: not_before + CENTURY })
    }

    /// A fresh authority whose certificate holds for `validity`.
    ///
    /// # Errors
    /// When the name cannot be in a certificate.
    pub fn new(cluster: &str, validity: Validity) -> Result<Self, CaError> {
        let cluster = cluster_name(cluster)?;
        let make = |cause| CaError::Make { subject: cluster.to_string(), cause };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make)?;
        let params = authority_params(&cluster, validity).map_err(make)?;
        let cert = params.self_signed(&key).map_err(make)?;
        Ok(Self {
            cert_pem: cert.pem(),
            cert: cert.into(),
            issuer: Issuer::new(params, key),
            cluster,
        })
    }

    /// Reads an authority that [`to_pem`](Self::to_pem) wrote.
    ///
    /// # Errors
    /// When the texts are not a certificate and a key of one authority made here.
    pub fn from_pem(pem: &PemPair) -> Result<Self, CaError> {
        let foreign = |cause: String| CaError::Foreign { cause };
        let cert = CertificateDer::from_pem_slice(pem.cert.as_bytes())
            .map_err(|cause| foreign(cause.to_string()))?;
        let cluster = authority_cluster(&cert)
            .ok_or_else(|| foreign("the certificate names no cluster".to_owned()))?;
        let key = KeyPair::from_pem(&pem.key).map_err(|cause| foreign(cause.to_string()))?;
        // Only the names and the key of these parameters reach what is issued, so any validity will do.
        let not_before = SystemTime::UNIX_EPOCH + EPOCH_OF_AUTHORITIES;
        let validity = Validity { not_before, not_after: not_before + CENTURY };
        let params =
            authority_params(&cluster, validity).map_err(|cause| foreign(cause.to_string()))?;
        let twin = params.self_signed(&key).map_err(|cause| foreign(cause.to_string()))?;
        let anchor = |cert: &CertificateDer<'_>| {
            let anchor = webpki::anchor_from_trusted_cert(cert).ok()?;
            Some((anchor.subject.to_vec(), anchor.subject_public_key_info.to_vec()))
        };
        if anchor(&cert).is_none() || anchor(&cert) != anchor(twin.der()) {
            return Err(foreign("subject or key do not fit".to_owned()));
        }
        let cert_pem = pem.cert.clone();
        Ok(Self { cluster, cert, cert_pem, issuer: Issuer::new(params, key) })
    }

    /// Certificate and key, to be kept where nodes are issued and nowhere else.
    #[must_use]
    pub fn to_pem(&self) -> PemPair {
        PemPair { cert: self.cert_pem.clone(), key: self.issuer.key().serialize_pem() }
    }

    /// The cluster it issues for.
    #[must_use]
    pub fn cluster(&self) -> &str {
        self.cluster.as_str()
    }

    /// A certificate and a fresh key for one node.
    ///
    /// # Errors
    /// When the name cannot be in a certificate.
    pub fn issue_pem(&self, node: &str, validity: Validity) -> Result<PemPair, CaError> {
        let (cert, key) = self.issue_parts(node, validity)?;
        Ok(PemPair { cert: cert.pem(), key: key.serialize_pem() })
    }

    /// Another certificate, as PEM, for the key that a node has already, which is read from the certificate before: what
    /// changes is the validity and the [serial number](Serial). A node that shall have a new key takes
    /// [`issue_pem`](Self::issue_pem) again.
    ///
    /// # Errors
    /// When the text holds no certificate, or one of another node, or one whose key is of a kind unknown here.
    pub fn renew_pem(&self, node: &str, cert: &str, validity: Validity) -> Result<String, CaError> {
        let public = self.public_key(cert, &Holder::Node(node.chars().take(80).collect()))?;
        Ok(self.certify(node, &public, validity)?.pem())
    }

    /// The public key in a certificate, as PEM, that must be this one's.
    fn public_key(&self, cert: &str, holder: &Holder) -> Result<SubjectPublicKeyInfo, CaError> {
        let key = |cause: String| CaError::Key { subject: holder.to_string(), cause };
        if self.holder_of_pem(cert)?.as_ref() != Some(holder) {
            return Err(key(format!("it names no {holder} of cluster {}", self.cluster)));
        }
        let cert = pem_certificate(cert)?;
        let parsed =
            webpki::EndEntityCert::try_from(&cert).map_err(|cause| key(cause.to_string()))?;
        SubjectPublicKeyInfo::from_der(&parsed.subject_public_key_info())
            .map_err(|cause| key(cause.to_string()))
    }

    /// An identity for one node of this program.
    ///
    /// # Errors
    /// When the name cannot be in a certificate.
    pub fn issue(&self, node: &str, validity: Validity) -> Result<Identity, CaError> {
        let (cert, key) = self.issue_parts(node, validity)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(Identity::issued(vec![cert.into()], key, vec![self.cert.clone()])?)
    }

    fn issue_parts(
        &self,
        node: &str,
        validity: Validity,
    ) -> Result<(rcgen::Certificate, KeyPair), CaError> {
        let make = |cause| CaError::Make { subject: node.chars().take(80).collect(), cause };
        // A bad name is refused before a key is made for it.
        node_name(node)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make)?;
        let cert = self.certify(node, &key, validity)?;
        Ok((cert, key))
    }

    /// A certificate of this node for this key.
    fn certify(
        &self,
        node: &str,
        key: &impl PublicKeyData,
        validity: Validity,
    ) -> Result<rcgen::Certificate, CaError> {
        let node = node_name(node)?;
        let make = |cause| CaError::Make { subject: node.to_string(), cause };
        let names = vec![cluster_dns(&self.cluster), node_dns(&self.cluster, &node)];
        let mut params = CertificateParams::new(names).map_err(make)?;
        params.serial_number = Some(serial_number(key, validity));
        params.not_before = validity.not_before.into();
        params.not_after = validity.not_after.into();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, node.as_str());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.signed_by(key, &self.issuer).map_err(make)
    }
}

/// The first certificate of a PEM text.
fn pem_certificate(pem: &str) -> Result<CertificateDer<'static>, CaError> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|cause| CaError::NotACertificate { cause: cause.to_string() })
}

/// The cluster that an authority's certificate names.
pub(crate) fn authority_cluster(cert: &CertificateDer<'_>) -> Option<ClusterName> {
    let parsed = webpki::EndEntityCert::try_from(cert).ok()?;
    let cluster = parsed.valid_dns_names().find_map(|name| name.strip_suffix(".odeon"))?;
    ClusterName::new(cluster).ok()
}

fn serial_number(key: &impl PublicKeyData, validity: Validity) -> SerialNumber {
    SerialNumber::from_slice(Serial::derive(key.der_bytes(), validity).bytes())
}

fn authority_params(
    cluster: &ClusterName,
    validity: Validity,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(vec![cluster_dns(cluster)])?;
    params.not_before = validity.not_before.into();
    params.not_after = validity.not_after.into();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("odeon authority of {cluster}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validity() -> Validity {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Validity::from(now, Duration::from_secs(86_400))
    }

    #[test]
    fn an_authority_survives_its_pem_form() {
        let ca = Ca::in_memory("demo").unwrap();
        let again = Ca::from_pem(&ca.to_pem()).unwrap();
        assert_eq!(again.cluster(), "demo");
        let identity = again.issue("a", validity()).unwrap();
        assert_eq!((identity.cluster(), identity.node_name()), ("demo", "a"));
        assert_eq!(identity.authorities(), std::slice::from_ref(&ca.cert));
    }

    #[test]
    fn a_pair_of_two_authorities_is_refused() {
        let (one, two) = (Ca::in_memory("demo").unwrap(), Ca::in_memory("demo").unwrap());
        let mixed = PemPair { cert: one.to_pem().cert, key: two.to_pem().key };
        assert!(matches!(Ca::from_pem(&mixed), Err(CaError::Foreign { .. })));
    }

    #[test]
    fn an_issued_pair_is_an_identity() {
        let ca = Ca::in_memory("demo").unwrap();
        let pair = ca.issue_pem("node-7", validity()).unwrap();
        let identity = Identity::from_pem(&pair.cert, &pair.key, &ca.to_pem().cert).unwrap();
        assert_eq!(identity.node_name(), "node-7");
        let other = ca.issue_pem("node-8", validity()).unwrap();
        let wrong = Identity::from_pem(&pair.cert, &other.key, &ca.to_pem().cert);
        assert!(matches!(wrong, Err(IdentityError::Key { .. })), "{wrong:?}");
        let unnamed = Identity::from_pem(&ca.to_pem().cert, &pair.key, &ca.to_pem().cert);
        assert!(matches!(unnamed, Err(IdentityError::Unnamed { .. })), "{unnamed:?}");
    }

    #[test]
    fn a_renewed_certificate_has_the_key_and_another_number() {
        let ca = Ca::in_memory("demo").unwrap();
        let old = ca.issue_pem("a", validity()).unwrap();
        let later = Validity { not_after: validity().not_after + CENTURY, ..validity() };
        let renewed = ca.renew_pem("a", &old.cert, later).unwrap();
        Identity::from_pem(&renewed, &old.key, &ca.to_pem().cert).unwrap();
        assert_ne!(Serial::of_pem(&renewed).unwrap(), Serial::of_pem(&old.cert).unwrap());
        let other = ca.issue_pem("b", validity()).unwrap();
        let error = ca.renew_pem("a", &other.cert, later).unwrap_err().to_string();
        assert!(
            error.contains("no node a of cluster demo") && error.contains("new key"),
            "{error}"
        );
        let error = ca.renew_pem("a", "no certificate", later).unwrap_err().to_string();
        assert!(error.contains("BEGIN CERTIFICATE"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_a_remedy() {
        let path = std::path::Path::new("/nowhere/node.pem");
        let text = Identity::from_pem_files(path, path, path).unwrap_err().to_string();
        assert!(
            text.contains("certificate /nowhere/node.pem") && text.contains("permissions"),
            "{text}"
        );
    }
}
