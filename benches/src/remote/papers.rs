//! Certificates for both ends, in a folder that goes when the bench ends.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use odeon::{Ca, Identity, Validity, env::Env};

use crate::remote::Outcome;

/// The folder of one run.
pub(crate) struct Papers {
    folder: PathBuf,
    mine: bool,
}

impl Papers {
    /// Makes a folder and certificates for both ends.
    pub(crate) fn make() -> Outcome<Self> {
        let folder = std::env::temp_dir().join(format!("odeon-benches-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let papers = Self { folder, mine: true };
        let validity =
            Validity::from(odeon::env::RealEnv.wall_clock(), Duration::from_secs(24 * 3600));
        let ca = Ca::new("bench", validity)?;
        fs::write(papers.folder.join("ca.pem"), &ca.to_pem().cert)?;
        for node in ["bench-a", "bench-b"].into_iter().chain(crate::cluster::processes::NAMES) {
            let pair = ca.issue_pem(node, validity)?;
            fs::write(papers.folder.join(format!("{node}.pem")), &pair.cert)?;
            fs::write(papers.folder.join(format!("{node}.key")), &pair.key)?;
        }
        Ok(papers)
    }

    /// The folder that the other process made.
    pub(crate) fn open(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), mine: false }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn paths(&self, node: &str) -> [PathBuf; 3] {
        let at = |name: &str| self.folder.join(name);
        [at(&format!("{node}.pem")), at(&format!("{node}.key")), at("ca.pem")]
    }

    /// As Odeon takes it.
    pub(crate) fn identity(&self, node: &str) -> Outcome<Identity> {
        let [cert, key, ca] = self.paths(node);
        Ok(Identity::from_pem_files(&cert, &key, &ca)?)
    }

    /// As text: certificate, key, authority.
    pub(crate) fn pem(&self, node: &str) -> Outcome<[String; 3]> {
        let [cert, key, ca] = self.paths(node);
        Ok([fs::read_to_string(cert)?, fs::read_to_string(key)?, fs::read_to_string(ca)?])
    }
}

impl Drop for Papers {
    fn drop(&mut self) {
        if self.mine {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}
