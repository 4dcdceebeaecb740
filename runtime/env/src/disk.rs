//! A node's disk: one folder of named files.
//!
//! What it is: the traits [`Disk`] and [`DiskFile`], whose operations are futures because real ones block and simulated
//! ones take virtual time, and [`BlockingFile`], the same file for a library that blocks. It promises what POSIX
//! promises and no more: what was not synced may be lost, whole or in parts, and a name is durable only once its folder
//! is. What it is NOT: a file system. There are no folders in the folder, no permissions, no memory maps. Read
//! `disk/name.rs` next, `real/disk.rs` for the real one.

mod error;
mod name;

use std::{fmt, io, sync::Arc};

use bytes::Bytes;

pub use error::{DiskError, Operation};
pub use name::{FILE_NAME_BYTES_MAX, FileName, FileNameError};

use crate::BoxFuture;

/// The most bytes that one read or write moves, 16 MiB: what waits for a thread of the disk is bounded by this. More is
/// refused as [`DiskError::TooLong`].
pub const OPERATION_BYTES_MAX: usize = 16 << 20;

/// The longest file, 1 TiB. What would reach beyond is refused as [`DiskError::Beyond`].
pub const FILE_BYTES_MAX: u64 = 1 << 40;

/// The most files that [`Disk::list`] tells of; with more it fails as [`DiskError::TooMany`].
pub const FILES_MAX: usize = 16_384;

/// What opening does where the file is there, and where it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// The file has to be there.
    Existing,
    /// The file is made, empty; it must not be there.
    New,
    /// The file is opened if it is there, and made if it is not.
    Either,
}

/// A folder of named files that belongs to one node.
///
/// To put a file in place of another so that a crash leaves the old or the new one, and nothing between: write it under
/// another name, [`sync`](DiskFile::sync) it, [`rename`](Self::rename) it, and [`sync`](Self::sync) the disk. (T. S.
/// Pillai et al., *All File Systems Are Not Created Equal*, OSDI 2014, say what goes wrong otherwise.)
///
/// ```
/// use std::io;
///
/// use odeon_env::{Disk, FileName, OpenMode};
///
/// async fn replace(disk: &dyn Disk, name: &FileName, content: Vec<u8>) -> io::Result<()> {
///     let draft = FileName::new(format!("{name}.draft"))?;
///     let file = disk.open(&draft, OpenMode::Either).await?;
///     file.set_len(0).await?; // a draft that a crash has left
///     file.write_at(0, content.into()).await?;
///     file.sync().await?;
///     disk.rename(&draft, name).await?;
///     disk.sync().await
/// }
/// ```
///
/// # Cancel safety
/// Nothing happens before a future is polled. One that is dropped later may have happened, or may still happen.
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// Opens a file to read and write it. A file that is made is there for good once the disk has been
    /// [synced](Self::sync); syncing the file itself does not keep its name.
    ///
    /// # Errors
    /// `NotFound` and `AlreadyExists` as the mode says; `StorageFull`; what the system says.
    fn open(&self, name: &FileName, mode: OpenMode) -> BoxFuture<io::Result<Arc<dyn DiskFile>>>;

    /// Gives a file another name, in one step; a file that had that name is gone. Open handles go on.
    ///
    /// # Errors
    /// `NotFound`, and what the system says.
    fn rename(&self, from: &FileName, to: &FileName) -> BoxFuture<io::Result<()>>;

    /// Takes a file's name away. Open handles go on; the room is free when the last is dropped.
    ///
    /// # Errors
    /// `NotFound`, and what the system says.
    fn remove(&self, name: &FileName) -> BoxFuture<io::Result<()>>;

    /// The names of all files, in order. What has no [`FileName`] or is no file was not made here and is left out.
    ///
    /// # Errors
    /// With more than [`FILES_MAX`] files; what the system says.
    fn list(&self) -> BoxFuture<io::Result<Vec<FileName>>>;

    /// Makes durable which names there are: what was opened new, renamed and removed.
    ///
    /// # Errors
    /// What the system says; any of it may then be lost in a crash.
    fn sync(&self) -> BoxFuture<io::Result<()>>;
}

/// An open file.
///
/// Operations that are under way at the same time take effect in any order, so whoever needs an order awaits. To make
/// room ahead, write zeros and sync: [`set_len`](Self::set_len) leaves a hole, and a disk that is full says so only
/// when the hole is filled.
///
/// # Cancel safety
/// Nothing happens before a future is polled. One that is dropped later may have happened whole, in part or not at all,
/// and may go on happening until a [`sync`](Self::sync) that began after the drop has returned.
#[expect(clippy::len_without_is_empty, reason = "an empty file is nothing special")]
pub trait DiskFile: fmt::Debug + Send + Sync + 'static {
    /// How many bytes the file has.
    ///
    /// # Errors
    /// What the system says.
    fn len(&self) -> BoxFuture<io::Result<u64>>;

    /// Reads `bytes` bytes at `offset`; fewer are there only where the file ends.
    ///
    /// # Errors
    /// Above [`OPERATION_BYTES_MAX`] and [`FILE_BYTES_MAX`]; what the system says. The bytes that come are not checked:
    /// a disk may give back others than were written.
    fn read_at(&self, offset: u64, bytes: usize) -> BoxFuture<io::Result<Vec<u8>>>;

    /// Writes all of `bytes` at `offset`; a gap behind the end of the file is filled with zeros. Durable once
    /// [`sync`](Self::sync) has returned.
    ///
    /// # Errors
    /// Above [`OPERATION_BYTES_MAX`] and [`FILE_BYTES_MAX`]; `StorageFull`; what the system says. Any part may then have
    /// been written.
    fn write_at(&self, offset: u64, bytes: Bytes) -> BoxFuture<io::Result<()>>;

    /// Cuts the file off, or extends it with zeros.
    ///
    /// # Errors
    /// Above [`FILE_BYTES_MAX`]; `StorageFull`; what the system says.
    fn set_len(&self, bytes: u64) -> BoxFuture<io::Result<()>>;

    /// Makes durable what was written before it began, and the length (fdatasync(2)). Not the file's name; that is
    /// [`Disk::sync`].
    ///
    /// # Errors
    /// What the system says. After an error nothing is known of what was written since the last success, and a second
    /// call says nothing about it either: the kernel marks pages that it could not write as clean (*fsyncgate*,
    /// PostgreSQL 2018; A. Rebello et al., *Can Applications Recover from fsync Failures?*, USENIX ATC 2020). Write it
    /// again elsewhere, or stop.
    fn sync(&self) -> BoxFuture<io::Result<()>>;

    /// The same file for a library that blocks. Its calls belong on a thread that may block; in a simulation they
    /// happen at once.
    ///
    /// This is how redb's `StorageBackend` would stand on it. Let the database be made under a draft's name and renamed
    /// when it is whole, because a crash while it is made leaves half of one.
    ///
    /// ```
    /// # use std::{fmt::Debug, io, sync::Arc};
    /// # use odeon_env::BlockingFile;
    /// # trait StorageBackend: Debug + Send + Sync { // as in redb 4
    /// #     fn len(&self) -> io::Result<u64>;
    /// #     fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// #     fn set_len(&self, len: u64) -> io::Result<()>;
    /// #     fn sync_data(&self) -> io::Result<()>;
    /// #     fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// # }
    /// #[derive(Debug)]
    /// struct Backend(Arc<dyn BlockingFile>);
    ///
    /// impl StorageBackend for Backend {
    ///     fn len(&self) -> io::Result<u64> {
    ///         self.0.len()
    ///     }
    ///
    ///     fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
    ///         match self.0.read_at(offset, out)? {
    ///             bytes if bytes == out.len() => Ok(()),
    ///             _ => Err(io::ErrorKind::UnexpectedEof.into()),
    ///         }
    ///     }
    ///
    ///     fn set_len(&self, len: u64) -> io::Result<()> {
    ///         self.0.set_len(len)
    ///     }
    ///
    ///     fn sync_data(&self) -> io::Result<()> {
    ///         self.0.sync()
    ///     }
    ///
    ///     fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
    ///         self.0.write_at(offset, data)
    ///     }
    /// }
    /// ```
    fn blocking(&self) -> Arc<dyn BlockingFile>;
}

/// An open file whose calls block until they are done; each is what the one of [`DiskFile`] with its name is.
#[expect(clippy::len_without_is_empty, reason = "an empty file is nothing special")]
pub trait BlockingFile: fmt::Debug + Send + Sync + 'static {
    /// How many bytes the file has.
    ///
    /// # Errors
    /// What the system says.
    fn len(&self) -> io::Result<u64>;

    /// Fills `out` from `offset` on and says how much; less than all of it only where the file ends.
    ///
    /// # Errors
    /// As [`DiskFile::read_at`].
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// As [`DiskFile::write_at`].
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file off, or extends it with zeros.
    ///
    /// # Errors
    /// As [`DiskFile::set_len`].
    fn set_len(&self, bytes: u64) -> io::Result<()>;

    /// Makes durable what was written.
    ///
    /// # Errors
    /// As [`DiskFile::sync`].
    fn sync(&self) -> io::Result<()>;
}

/// Checks an operation on `bytes` bytes at `offset` against the bounds of a disk, for those who implement one.
///
/// # Errors
/// [`DiskError::TooLong`] and [`DiskError::Beyond`].
pub fn check_range(offset: u64, bytes: usize) -> Result<(), DiskError> {
    if bytes > OPERATION_BYTES_MAX {
        return Err(DiskError::TooLong { bytes });
    }
    check_len(offset.saturating_add(bytes as u64))
}

/// Checks the end of a file against [`FILE_BYTES_MAX`].
///
/// # Errors
/// [`DiskError::Beyond`].
pub fn check_len(end: u64) -> Result<(), DiskError> {
    if end > FILE_BYTES_MAX { Err(DiskError::Beyond { end }) } else { Ok(()) }
}
