//! The demo's folder: a certificate authority in memory, certificates on disk, the journal.
//!
//! The folder is made anew for each run, only this user can enter it, and it goes when the run ends.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use odeon::{Ca, CaError, Identity, IdentityError, Validity};

/// How long the demo's certificates are valid.
const VALID_FOR: Duration = Duration::from_secs(24 * 3600);

/// Name of the demo's cluster.
const CLUSTER: &str = "demo";

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PapersError {
    /// A file could not be written.
    #[error(
        "cannot write {path}: {source}; the demo needs a writable temporary folder, set TMPDIR"
    )]
    Write { path: PathBuf, source: io::Error },
    /// A certificate could not be made.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// A certificate could not be read back.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// The folder of one run. Dropping it removes it.
pub(crate) struct Papers {
    folder: PathBuf,
}

impl Papers {
    /// Makes the folder, and a certificate in it for each of `nodes`.
    pub(crate) fn make(nodes: &[String], now: SystemTime, nonce: u64) -> Result<Self, PapersError> {
        let folder =
            std::env::temp_dir().join(format!("odeon-demo-{}-{nonce:016x}", std::process::id()));
        let failed = |source| PapersError::Write { path: folder.clone(), source };
        fs::DirBuilder::new().mode(0o700).create(&folder).map_err(failed)?;
        let papers = Self { folder };
        let validity = Validity::from(now, VALID_FOR);
        let ca = Ca::new(CLUSTER, validity)?;
        papers.write("ca.pem", &ca.to_pem().cert)?;
        for node in nodes {
            let pair = ca.issue_pem(node, validity)?;
            papers.write(&format!("{node}.pem"), &pair.cert)?;
            papers.write(&format!("{node}.key"), &pair.key)?;
        }
        Ok(papers)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), PapersError> {
        let path = self.folder.join(name);
        let write = || {
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true).mode(0o600).open(&path)?.write_all(text.as_bytes())
        };
        write().map_err(|source| PapersError::Write { path: path.clone(), source })
    }

    /// Where everything lies.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Papers {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning of temporary folders.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The identity of one of the demo's nodes.
pub(crate) fn identity(folder: &Path, node: &str) -> Result<Identity, IdentityError> {
    Identity::from_pem_files(
        &folder.join(format!("{node}.pem")),
        &folder.join(format!("{node}.key")),
        &folder.join("ca.pem"),
    )
}

/// Where the journal lies.
pub(crate) fn journal(folder: &Path) -> PathBuf {
    folder.join("journal")
}
