//! Why a disk refuses, inside an [`io::Error`]: who looks for a reason finds it with `error.get_ref()`.
//!
//! Read `../real/disk.rs` next.

use std::{fmt, io};

use thiserror::Error;

use super::{FILE_BYTES_MAX, FILES_MAX, OPERATION_BYTES_MAX};

/// What was asked of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// To open a file.
    Open,
    /// To rename a file.
    Rename,
    /// To remove a file.
    Remove,
    /// To list the files.
    List,
    /// To make names durable.
    SyncNames,
    /// To tell a file's length.
    Len,
    /// To read.
    Read,
    /// To write.
    Write,
    /// To change a file's length.
    SetLen,
    /// To make a file's content durable.
    Sync,
}

impl Operation {
    /// Its name in words, such as "sync".
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::List => "list",
            Self::SyncNames => "sync the names of",
            Self::Len => "tell the length of",
            Self::Read => "read",
            Self::Write => "write",
            Self::SetLen => "set the length of",
            Self::Sync => "sync",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why an operation of a disk failed. It travels inside an [`io::Error`] of a fitting kind.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DiskError {
    /// One operation on too many bytes. Nothing was changed.
    #[error("{bytes} bytes in one operation are above {OPERATION_BYTES_MAX}; split it")]
    TooLong {
        /// How many were asked for.
        bytes: usize,
    },
    /// A file would be too long. Nothing was changed.
    #[error("a file that ends at {end} is above {FILE_BYTES_MAX} bytes; begin another file")]
    Beyond {
        /// Where it would end.
        end: u64,
    },
    /// The node was started without a data folder. Trying again does not help.
    #[error(
        "this node has no disk; give it a data folder (RealEnv::builder().data_folder(…)) or do without"
    )]
    NoDataFolder,
    /// More files than a disk lists. Trying again does not help.
    #[error("there are more than {FILES_MAX} files; remove those that are not needed")]
    TooMany,
    /// The life of the node that opened this has ended. Nothing was changed, and nothing will be.
    #[error("this node has crashed; its disk takes nothing more from that life")]
    Ended,
    /// The threads of the disk are gone, which is a bug. Nothing is known of the operation.
    #[error("the threads of the disk have ended")]
    Stopped,
    /// The system, or a simulated one, said no. Whether something was changed, each operation says of itself.
    #[error("cannot {operation} {file}: {cause}")]
    Failed {
        /// What was asked.
        operation: Operation,
        /// Of which file, or folder.
        file: String,
        /// What the system says, with its code.
        cause: io::Error,
    },
}

impl DiskError {
    /// The kind of [`io::Error`] that this travels in.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::TooLong { .. } => io::ErrorKind::InvalidInput,
            Self::Beyond { .. } => io::ErrorKind::FileTooLarge,
            Self::NoDataFolder => io::ErrorKind::Unsupported,
            Self::TooMany => io::ErrorKind::QuotaExceeded,
            Self::Ended => io::ErrorKind::NotConnected,
            Self::Stopped => io::ErrorKind::BrokenPipe,
            Self::Failed { cause, .. } => cause.kind(),
        }
    }
}

impl From<DiskError> for io::Error {
    fn from(error: DiskError) -> Self {
        Self::new(error.kind(), error)
    }
}
