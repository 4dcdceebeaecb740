//! How a real environment gets a data folder.
//!
//! Read `disk.rs` next.

use std::{
    fs::{DirBuilder, File, TryLockError},
    io,
    num::NonZero,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use thiserror::Error;

use super::{
    RealEnv,
    disk::{Folder, RealDisk},
    threads::DiskThreads,
};

/// Threads of a disk unless it is told otherwise: one for each sync that may be under way beside reads.
const DISK_THREADS: NonZero<u8> = NonZero::new(4).expect("it is not zero");

/// What [`struct@RealEnv`] is made of.
#[derive(Clone, Debug)]
#[must_use = "an environment is made by open"]
pub struct RealEnvBuilder {
    data_folder: Option<PathBuf>,
    disk_threads: NonZero<u8>,
    #[cfg(feature = "dns")]
    name_servers: Vec<std::net::SocketAddr>,
}

/// A data folder that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataFolderError {
    /// Another node uses it, or this one twice.
    #[error("the data folder {} is in use by another node; give each node a folder of its own", .folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// It cannot be made, opened or locked.
    #[error("the data folder {} cannot be used; give a folder that this user may write", .folder.display())]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system has no threads for its disk.
    #[error("no threads for the data folder {}; raise the limit of threads", .folder.display())]
    NoThreads {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Default for RealEnvBuilder {
    fn default() -> Self {
        Self {
            data_folder: None,
            disk_threads: DISK_THREADS,
            #[cfg(feature = "dns")]
            name_servers: Vec::new(),
        }
    }
}

impl RealEnvBuilder {
    /// The folder that is the node's disk, for this node alone; it is made if it is not there, readable by this user
    /// alone. Default: none, and [`Env::disk`](crate::Env::disk) refuses.
    pub fn data_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data_folder = Some(folder.into());
        self
    }

    /// How many threads block for the disk, and so how many of its operations run at a time. Default: 4, since a sync
    /// takes milliseconds and reads should not wait behind it.
    pub fn disk_threads(mut self, threads: NonZero<u8>) -> Self {
        self.disk_threads = threads;
        self
    }

    /// Name servers that are asked in place of the system's, for addresses and SRV records alike, over UDP and, where an
    /// answer is too long for that, TCP. Then the system's hosts file and search list count for nothing. Default: none.
    /// With the feature `dns`.
    #[cfg(feature = "dns")]
    pub fn name_servers(mut self, servers: Vec<std::net::SocketAddr>) -> Self {
        self.name_servers = servers;
        self
    }

    /// Makes the environment. The threads of its disk end, and its folder is free, when the environment, its disk and
    /// all files are dropped; the last drop waits for what is under way.
    ///
    /// # Errors
    /// When the folder is in use, or cannot be made, opened or locked; when there are no threads.
    pub fn open(self) -> Result<RealEnv, DataFolderError> {
        let mut env = RealEnv {
            disk: None,
            #[cfg(feature = "dns")]
            name_servers: self.name_servers,
        };
        let Some(path) = self.data_folder else { return Ok(env) };
        let opened = match make_and_open(&path) {
            Ok(opened) => opened,
            Err(source) => return Err(DataFolderError::Unusable { folder: path, source }),
        };
        match opened.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DataFolderError::InUse { folder: path }),
            Err(TryLockError::Error(source)) => {
                return Err(DataFolderError::Unusable { folder: path, source });
            }
        }
        let threads = DiskThreads::start(self.disk_threads)
            .map_err(|source| DataFolderError::NoThreads { folder: path.clone(), source })?;
        let disk = Some(Arc::new(RealDisk::new(Folder { path, opened }, threads)));
        env.disk = disk;
        Ok(env)
    }
}

fn make_and_open(path: &Path) -> io::Result<File> {
    if !path.is_dir() {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        // The new folder's own name has to last too. Its parent may be unreadable, and then that is the owner's.
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty())
            && let Ok(parent) = File::open(parent)
        {
            parent.sync_all()?;
        }
    }
    File::open(path)
}
