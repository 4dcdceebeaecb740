//! The files that a node's identity is read from, and whether they have changed.
//!
//! What it is: paths, and what the system says of them. What it is NOT: a watch; who looks at them again and again is
//! the runtime. What is read becomes an [`Identity`].

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{Identity, IdentityError};

/// The files of a node's identity: its certificate, its key, the authorities' certificates, and, if it heeds any, the
/// lists of revoked certificates; all PEM.
///
/// # Examples
/// ```no_run
/// # use odeon_transport as odeon;
/// use odeon::{IdentityError, Papers};
///
/// // Made by `odeon ca init --cluster shop` and `odeon ca issue --name a`; for `Node::builder("a").papers(papers)`.
/// let papers = Papers::new("a.pem", "a.key", "ca.pem").revoked("ca.crl");
/// assert_eq!(papers.read()?.node_name(), "a");
/// # Ok::<(), IdentityError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Papers {
    cert: PathBuf,
    key: PathBuf,
    ca_cert: PathBuf,
    revoked: Option<PathBuf>,
}

/// What tells two states of the files apart: what the system says of each, or that it is not there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PapersStamp([Option<FileStamp>; 4]);

#[derive(Clone, PartialEq, Eq, Debug)]
struct FileStamp {
    bytes: u64,
    written: Option<SystemTime>,
    /// A file that takes another one's place is another file, whatever its time says.
    number: u64,
}

impl Papers {
    /// The files of certificate, key and authorities.
    #[must_use]
    pub fn new(
        cert: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
        ca_cert: impl Into<PathBuf>,
    ) -> Self {
        Self { cert: cert.into(), key: key.into(), ca_cert: ca_cert.into(), revoked: None }
    }

    /// The file with the lists of revoked certificates, one list for each authority.
    #[must_use]
    pub fn revoked(mut self, lists: impl Into<PathBuf>) -> Self {
        self.revoked = Some(lists.into());
        self
    }

    /// Reads all of them.
    ///
    /// # Errors
    /// Names the file, the cause and the remedy.
    pub fn read(&self) -> Result<Identity, IdentityError> {
        let identity = Identity::from_pem_files(&self.cert, &self.key, &self.ca_cert)?;
        match &self.revoked {
            Some(lists) => identity.with_revoked_file(lists),
            None => Ok(identity),
        }
    }

    /// What the system says of the files now, to be compared with what it says later.
    #[must_use]
    pub fn stamp(&self) -> PapersStamp {
        let stamp = |path: &Path| std::fs::metadata(path).ok().map(|found| FileStamp::of(&found));
        PapersStamp([
            stamp(&self.cert),
            stamp(&self.key),
            stamp(&self.ca_cert),
            self.revoked.as_deref().and_then(stamp),
        ])
    }
}

impl FileStamp {
    fn of(found: &std::fs::Metadata) -> Self {
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(found);
        #[cfg(not(unix))]
        let number = 0;
        Self { bytes: found.len(), written: found.modified().ok(), number }
    }
}
