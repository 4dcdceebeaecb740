//! Who a node is to its peers: its certificate, its key and the authorities it trusts.
//!
//! An [`Identity`] comes from three PEM files of any PKI, or from a [`Ca`](crate::Ca) in memory; lists of revoked
//! certificates may be added to it. It is NOT checked against the clock here; `tls.rs` does that at start, with the
//! environment's clock, and when a running node takes a new one. Read `tls.rs` next.

use std::{
    fmt,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use odeon_message::NodeId;
use odeon_wire::{ClusterName, NodeName};
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject,
};
use webpki::{EndEntityCert, OwnedCertRevocationList};

use crate::name::read_names;

/// A node's certificate chain, its private key and the certificates of the authorities it trusts. Clones share.
///
/// # Examples
/// ```no_run
/// use std::path::Path;
///
/// # use odeon_transport as odeon;
/// use odeon::{Identity, IdentityError};
///
/// // Made by `odeon ca init --cluster shop` and `odeon ca issue --name a`.
/// let [cert, key, ca_cert] = ["a.pem", "a.key", "ca.pem"].map(Path::new);
/// let identity = Identity::from_pem_files(cert, key, ca_cert)?; // for `Node::builder("a").identity(identity)`
/// # let _ = identity;
/// # Ok::<(), IdentityError>(())
/// ```
#[derive(Clone)]
pub struct Identity(Arc<Parts>);

struct Parts {
    cluster: ClusterName,
    node: NodeName,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    authorities: Vec<CertificateDer<'static>>,
    revoked: Vec<CertificateRevocationListDer<'static>>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} of {})", self.0.node, self.0.cluster)
    }
}

/// Why an identity cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("cannot read the {what} {}: {cause}; check the path and its permissions", path.display())]
    Unreadable {
        /// Which of the three files.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// A file or text has no such PEM block, or a broken one.
    #[error("{origin} holds no {what} in PEM form ({cause}); {remedy}")]
    NotPem {
        /// The file, or "the given text".
        origin: String,
        /// What was looked for.
        what: &'static str,
        /// What the parser says.
        cause: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The certificate does not name a cluster and a node.
    #[error(
        "the certificate in {origin} does not name its node: it needs the DNS names <cluster>.odeon and \
         <node>.<cluster>.node.odeon, in lowercase; issue it with `odeon ca issue`"
    )]
    Unnamed {
        /// The file, or "the given text".
        origin: String,
    },
    /// The certificate does not name an operator.
    #[error(
        "the certificate in {origin} is no operator's: use one that `odeon ca issue --operator NAME` makes"
    )]
    NoOperator {
        /// The file.
        origin: String,
    },
    /// The private key does not fit the certificate, or is of a kind that cannot sign.
    #[error(
        "the key in {origin} does not fit the certificate ({cause}); pass the key it was issued with"
    )]
    Key {
        /// The file, or "the given text".
        origin: String,
        /// What rustls says.
        cause: rustls::Error,
    },
    /// The certificate would be refused by every peer that trusts the given authorities.
    #[error(
        "the certificate of node {node} would be refused by its peers ({cause}); check that it was issued by the \
         given authority and is valid now; see runbook: certificate-expiring"
    )]
    Refused {
        /// The node it names.
        node: String,
        /// What a verifying peer would say.
        cause: rustls::Error,
    },
    /// The lists of revoked certificates cannot be used.
    #[error(
        "the revocation list in {origin} cannot be used ({cause}); pass the PEM list that the authority has signed, \
         such as the ca.crl of `odeon ca`"
    )]
    Revocation {
        /// The file, or "the given text".
        origin: String,
        /// What is wrong with it.
        cause: String,
    },
    /// An identity that shall take another one's place names another node.
    #[error(
        "the new certificate is for {given} and this node is {node}: a running node keeps its name; pass a certificate \
         issued for {node}"
    )]
    OtherNode {
        /// The node that runs, and its cluster.
        node: String,
        /// Whom the new certificate names.
        given: String,
    },
    /// The authorities cannot be trusted anchors.
    #[error(
        "the authority's certificate cannot be used ({cause}); pass the CA certificate of the cluster"
    )]
    Authority {
        /// What rustls says.
        cause: String,
    },
}

const TEXT: &str = "the given text";

/// Longest file of lists of revoked certificates, 8 MiB: some 200,000 certificates. It is held in memory, twice.
const REVOKED_BYTES_MAX: u64 = 8 << 20;

impl Identity {
    /// Reads certificate chain, key and authorities from three PEM files.
    ///
    /// # Errors
    /// Names the file, the cause and the remedy.
    pub fn from_pem_files(cert: &Path, key: &Path, ca_cert: &Path) -> Result<Self, IdentityError> {
        let read = |what, path: &Path| {
            std::fs::read(path).map_err(|cause| IdentityError::Unreadable {
                what,
                path: path.to_owned(),
                cause,
            })
        };
        let texts = [
            read("certificate", cert)?,
            read("private key", key)?,
            read("CA certificate", ca_cert)?,
        ];
        let origins = [cert, key, ca_cert].map(|path| path.display().to_string());
        let identity = Self::parse(texts.each_ref().map(Vec::as_slice), origins)?;
        warn_of_readers(key);
        Ok(identity)
    }

    /// Reads certificate chain, key and authorities from three PEM texts.
    ///
    /// # Errors
    /// Names the cause and the remedy.
    pub fn from_pem(cert: &str, key: &str, ca_cert: &str) -> Result<Self, IdentityError> {
        Self::parse([cert, key, ca_cert].map(str::as_bytes), [(); 3].map(|()| TEXT.to_owned()))
    }

    /// The same identity, which accepts no certificate that these lists name: one list for each authority, as PEM, signed
    /// by that authority, for which [`Ca::revocation_list_pem`](crate::Ca::revocation_list_pem) makes them.
    ///
    /// With lists, a certificate is refused too if its authority's list is missing. When the next list is due does not
    /// matter (`nextUpdate`): one that is late must not stop a cluster.
    ///
    /// # Errors
    /// When the text holds no list, or one that cannot be read. Its signature is checked when the identity is used.
    pub fn with_revoked_pem(&self, lists: &str) -> Result<Self, IdentityError> {
        self.revoking(lists.as_bytes(), TEXT)
    }

    /// As [`with_revoked_pem`](Self::with_revoked_pem), from a file of at most 8 MiB.
    ///
    /// # Errors
    /// Names the file, the cause and the remedy.
    pub fn with_revoked_file(&self, path: &Path) -> Result<Self, IdentityError> {
        let unreadable = |cause| IdentityError::Unreadable {
            what: "revocation list",
            path: path.to_owned(),
            cause,
        };
        let mut text = Vec::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(REVOKED_BYTES_MAX + 1).read_to_end(&mut text).map_err(unreadable)?;
        let origin = path.display().to_string();
        if text.len() as u64 > REVOKED_BYTES_MAX {
            let cause = format!("longer than {REVOKED_BYTES_MAX} bytes");
            return Err(IdentityError::Revocation { origin, cause });
        }
        self.revoking(&text, &origin)
    }

    fn revoking(&self, pem: &[u8], origin: &str) -> Result<Self, IdentityError> {
        let refused =
            |cause: String| IdentityError::Revocation { origin: origin.to_owned(), cause };
        let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(pem).collect();
        let revoked = lists.map_err(|cause| refused(cause.to_string()))?;
        if revoked.is_empty() {
            return Err(refused("no BEGIN X509 CRL block".to_owned()));
        }
        for list in &revoked {
            OwnedCertRevocationList::from_der(list).map_err(|cause| refused(cause.to_string()))?;
        }
        let Parts { cluster, node, chain, key, authorities, .. } = &*self.0;
        Ok(Self(Arc::new(Parts {
            cluster: cluster.clone(),
            node: node.clone(),
            chain: chain.clone(),
            key: key.clone_key(),
            authorities: authorities.clone(),
            revoked,
        })))
    }

    fn parse(texts: [&[u8]; 3], origins: [String; 3]) -> Result<Self, IdentityError> {
        let [cert, key, ca_cert] = texts;
        let [cert_origin, key_origin, ca_origin] = origins;
        let chain = certificates(cert, &cert_origin, "certificate")?;
        let authorities = certificates(ca_cert, &ca_origin, "CA certificate")?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|cause| IdentityError::NotPem {
            origin: key_origin.clone(),
            what: "private key",
            cause: cause.to_string(),
            remedy: "pass an unencrypted PKCS#8, SEC1 or PKCS#1 key",
        })?;
        Self::assemble(chain, key, authorities, &cert_origin, &key_origin)
    }

    /// Puts the parts together, as an authority does that issued them.
    pub(crate) fn issued(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        authorities: Vec<CertificateDer<'static>>,
    ) -> Result<Self, IdentityError> {
        Self::assemble(chain, key, authorities, TEXT, TEXT)
    }

    fn assemble(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        authorities: Vec<CertificateDer<'static>>,
        cert_origin: &str,
        key_origin: &str,
    ) -> Result<Self, IdentityError> {
        let unnamed = || IdentityError::Unnamed { origin: cert_origin.to_owned() };
        let (cluster, node) = chain.first().and_then(certificate_names).ok_or_else(unnamed)?;
        let provider = rustls::crypto::ring::default_provider();
        rustls::sign::CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider)
            .map_err(|cause| IdentityError::Key { origin: key_origin.to_owned(), cause })?;
        Ok(Self(Arc::new(Parts { cluster, node, chain, key, authorities, revoked: Vec::new() })))
    }

    /// The cluster that the certificate names.
    #[must_use]
    pub fn cluster(&self) -> &str {
        self.0.cluster.as_str()
    }

    /// The node that the certificate names.
    #[must_use]
    pub fn node_name(&self) -> &str {
        self.0.node.as_str()
    }

    /// The id of that node.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.0.node.id()
    }

    pub(crate) fn names(&self) -> (&ClusterName, &NodeName) {
        (&self.0.cluster, &self.0.node)
    }

    /// The certificate, the node's own first.
    pub(crate) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.0.chain
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        self.0.key.clone_key()
    }

    pub(crate) fn authorities(&self) -> &[CertificateDer<'static>] {
        &self.0.authorities
    }

    /// Lists of certificates that are not accepted.
    pub(crate) fn revoked(&self) -> &[CertificateRevocationListDer<'static>] {
        &self.0.revoked
    }
}

/// A key is whoever reads it.
#[cfg(unix)]
fn warn_of_readers(key: &Path) {
    if let Some((mode, is_own)) = open_mode(key) {
        let path = key.display();
        let remedy = remedy(is_own, key);
        tracing::warn!(
            "others on this machine can use the private key {path} (mode {mode:04o}) and pass for this node: {remedy}"
        );
    }
}

/// How a key is closed to others, and stays open to this process.
#[cfg(unix)]
fn remedy(is_own: bool, key: &Path) -> String {
    let path = key.display();
    if is_own {
        return format!("chmod 600 {path}");
    }
    format!(
        "it belongs to another user, so give it a group that this process alone is in, and chmod 640 {path}; in \
         Kubernetes by fsGroup of the pod and defaultMode: 0440 of the secret"
    )
}

/// The mode of a file that others than this process's user can use, and whether it is this user's.
#[cfg(unix)]
fn open_mode(key: &Path) -> Option<(u32, bool)> {
    use std::os::unix::fs::MetadataExt;

    let found = std::fs::metadata(key).ok()?;
    // The folder of this process in /proc belongs to its user. Where there is none, the file may be this user's.
    let is_own = std::fs::metadata("/proc/self").map_or(true, |own| is_own(own.uid(), found.uid()));
    let mode = found.mode() & 0o777;
    is_open(mode, is_own).then_some((mode, is_own))
}

/// Whether a process of the first user needs no group to read files of the second. Root needs none, and is in few groups.
#[cfg(unix)]
fn is_own(process: u32, file: u32) -> bool {
    process == file || process == 0
}

/// Whether a key with this mode is open to others. A key that somebody else has handed to this process can only be read by
/// its group, this one: so are a secret of Kubernetes and a credential of systemd.
#[cfg(unix)]
fn is_open(mode: u32, is_own: bool) -> bool {
    let others = if is_own { 0o077 } else { 0o037 };
    mode & others != 0
}

#[cfg(not(unix))]
fn warn_of_readers(_: &Path) {}

fn certificates(
    pem: &[u8],
    origin: &str,
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let not_pem = |cause: String| IdentityError::NotPem {
        origin: origin.to_owned(),
        what,
        cause,
        remedy: "pass a file with a BEGIN CERTIFICATE block",
    };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|cause| not_pem(cause.to_string()))?;
    if found.is_empty() { Err(not_pem("no such block".to_owned())) } else { Ok(found) }
}

/// Cluster and node as the certificate names them.
pub(crate) fn certificate_names(cert: &CertificateDer<'_>) -> Option<(ClusterName, NodeName)> {
    let parsed = EndEntityCert::try_from(cert).ok()?;
    read_names(parsed.valid_dns_names())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown};

    use super::*;

    #[test]
    fn a_key_of_this_user_is_for_this_user_alone() {
        assert!(!is_open(0o600, true) && !is_open(0o400, true));
        for mode in [0o440, 0o640, 0o604, 0o660, 0o644] {
            assert!(is_open(mode, true), "{mode:o}");
        }
    }

    #[test]
    fn a_key_that_somebody_else_has_handed_over_may_be_read_by_its_group() {
        assert!(!is_open(0o440, false) && !is_open(0o640, false));
        for mode in [0o444, 0o460, 0o660, 0o441, 0o450] {
            assert!(is_open(mode, false), "{mode:o}");
        }
    }

    #[test]
    fn whose_a_file_is_decides() {
        let path = std::env::temp_dir().join(format!("odeon-key-{}", std::process::id()));
        std::fs::write(&path, "a key").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o440)).unwrap();
        let own = open_mode(&path);
        // Only root can give a file away.
        let given = chown(&path, Some(10_001), None).map(|()| open_mode(&path));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(own, Some((0o440, true)));
        // To root, what is somebody else's is open to that one's group all the same.
        assert!(given.is_err() || given.unwrap() == own);
        assert!(is_own(0, 10_001) && is_own(10_001, 10_001) && !is_own(10_001, 0));
    }

    #[test]
    fn whoever_cannot_own_a_key_is_told_of_its_group() {
        let key = Path::new("node.key");
        assert_eq!(remedy(true, key), "chmod 600 node.key");
        let handed = remedy(false, key);
        assert!(handed.contains("chmod 640 node.key") && handed.contains("0440"), "{handed}");
        assert!(!handed.contains("600"), "{handed}");
    }
}
