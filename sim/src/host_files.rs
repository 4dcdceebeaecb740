//! What a scenario keeps on the hosts of a world for their nodes to read: files and variables of the environment.
//!
//! What it is: small texts by host and name, which stay over all lives of a host. What it is NOT: the node's disk
//! (`disk.rs`), which the node writes itself. A scenario sets them through `world/files.rs`.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The files and variables of all hosts; clones share. What a scenario writes is bounded by the scenario.
#[derive(Clone, Default)]
pub(crate) struct HostFiles(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    files: BTreeMap<(String, PathBuf), Vec<u8>>,
    variables: BTreeMap<(String, String), String>,
}

impl fmt::Debug for HostFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostFiles")
    }
}

impl HostFiles {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn read(&self, host: &str, path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
        let kept = self.kept();
        let Some(bytes) = kept.files.get(&(host.to_owned(), path.to_owned())) else {
            let text = format!("{host} has no file {}", path.display());
            return Err(io::Error::new(ErrorKind::NotFound, text));
        };
        if bytes.len() > bytes_max {
            let text = format!("{} has more than {bytes_max} bytes", path.display());
            return Err(io::Error::new(ErrorKind::FileTooLarge, text));
        }
        Ok(bytes.clone())
    }

    pub(crate) fn variable(&self, host: &str, name: &str) -> Option<String> {
        self.kept().variables.get(&(host.to_owned(), name.to_owned())).cloned()
    }

    pub(crate) fn set_file(&self, host: &str, path: &Path, bytes: Option<Vec<u8>>) {
        let key = (host.to_owned(), path.to_owned());
        match bytes {
            Some(bytes) => self.kept().files.insert(key, bytes),
            None => self.kept().files.remove(&key),
        };
    }

    pub(crate) fn set_variable(&self, host: &str, name: &str, value: Option<String>) {
        let key = (host.to_owned(), name.to_owned());
        match value {
            Some(value) => self.kept().variables.insert(key, value),
            None => self.kept().variables.remove(&key),
        };
    }
}
