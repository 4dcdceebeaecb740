//! A folder of this machine as a node's disk: pread, pwrite, fdatasync, rename, and fsync of the folder.
//!
//! The folder is locked (flock(2)) while anything of it is in use, so that two nodes never write one journal. What it
//! is NOT: a cache, and it tries nothing again: a failed sync stays failed. Read `threads.rs` for where it blocks.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use bytes::Bytes;

use super::threads::DiskThreads;
use crate::{
    BlockingFile, BoxFuture, Disk, DiskError, DiskFile, FILES_MAX, FileName, OpenMode, Operation,
    disk::{check_len, check_range},
};

/// A data folder.
#[derive(Clone, Debug)]
pub(super) struct RealDisk {
    folder: Arc<Folder>,
    threads: Arc<DiskThreads>,
}

/// The open folder; it is locked while one of these is there.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) opened: File,
}

impl Folder {
    fn path_of(&self, name: &FileName) -> PathBuf {
        self.path.join(name.as_str())
    }

    fn failed(&self, operation: Operation) -> impl Fn(io::Error) -> io::Error + use<> {
        failed(operation, self.path.display().to_string())
    }
}

/// Adds what was asked of which file to what the system says.
fn failed(operation: Operation, file: String) -> impl Fn(io::Error) -> io::Error {
    move |cause| DiskError::Failed { operation, file: file.clone(), cause }.into()
}

impl RealDisk {
    pub(super) fn new(folder: Folder, threads: DiskThreads) -> Self {
        Self { folder: Arc::new(folder), threads: Arc::new(threads) }
    }
}

impl Disk for RealDisk {
    fn open(&self, name: &FileName, mode: OpenMode) -> BoxFuture<io::Result<Arc<dyn DiskFile>>> {
        let (folder, name) = (Arc::clone(&self.folder), name.clone());
        let threads = Arc::clone(&self.threads);
        let opening = self.threads.run(move |_| {
            let mut options = OpenOptions::new();
            options.read(true).write(true);
            match mode {
                OpenMode::Existing => &mut options,
                OpenMode::New => options.create_new(true),
                OpenMode::Either => options.create(true).truncate(false),
            };
            let file = options.open(folder.path_of(&name));
            let file = file.map_err(failed(Operation::Open, name.to_string()))?;
            Ok(Opened { file, name, writing: RwLock::new(()), _folder: folder })
        });
        Box::pin(async move {
            let opened = Arc::new(opening.await?);
            Ok(Arc::new(RealFile { opened, threads }) as Arc<dyn DiskFile>)
        })
    }

    fn rename(&self, from: &FileName, to: &FileName) -> BoxFuture<io::Result<()>> {
        let folder = Arc::clone(&self.folder);
        let (from, to) = (from.clone(), to.clone());
        self.threads.run(move |_| {
            let renamed = fs::rename(folder.path_of(&from), folder.path_of(&to));
            renamed.map_err(failed(Operation::Rename, format!("{from} to {to}")))
        })
    }

    fn remove(&self, name: &FileName) -> BoxFuture<io::Result<()>> {
        let (folder, name) = (Arc::clone(&self.folder), name.clone());
        self.threads.run(move |_| {
            let removed = fs::remove_file(folder.path_of(&name));
            removed.map_err(failed(Operation::Remove, name.to_string()))
        })
    }

    fn list(&self) -> BoxFuture<io::Result<Vec<FileName>>> {
        let folder = Arc::clone(&self.folder);
        self.threads.run(move |_| list(&folder))
    }

    fn sync(&self) -> BoxFuture<io::Result<()>> {
        let folder = Arc::clone(&self.folder);
        self.threads
            .run(move |_| folder.opened.sync_all().map_err(folder.failed(Operation::SyncNames)))
    }
}

fn list(folder: &Folder) -> io::Result<Vec<FileName>> {
    let failed = folder.failed(Operation::List);
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder.path).map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        let name = entry.file_name().into_string().ok().and_then(|name| FileName::new(name).ok());
        let Some(name) = name.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_file())) else {
            continue;
        };
        if names.len() == FILES_MAX {
            return Err(DiskError::TooMany.into());
        }
        names.push(name);
    }
    names.sort_unstable();
    Ok(names)
}

/// An open file of the folder.
#[derive(Debug)]
struct RealFile {
    opened: Arc<Opened>,
    threads: Arc<DiskThreads>,
}

/// What the threads see of it.
#[derive(Debug)]
struct Opened {
    file: File,
    name: FileName,
    /// Held shared by each change that runs; a sync waits for those, so that none that nobody waits for comes later.
    writing: RwLock<()>,
    _folder: Arc<Folder>,
}

impl Opened {
    fn failed(&self, operation: Operation) -> impl Fn(io::Error) -> io::Error + use<> {
        failed(operation, self.name.to_string())
    }

    /// Runs a change unless nobody waits for it any more.
    fn change(
        &self,
        is_wanted: &dyn Fn() -> bool,
        change: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let _writing = self.writing.read().unwrap_or_else(PoisonError::into_inner);
        if is_wanted() { change() } else { Err(io::ErrorKind::Interrupted.into()) }
    }
}

impl DiskFile for RealFile {
    fn len(&self) -> BoxFuture<io::Result<u64>> {
        let opened = Arc::clone(&self.opened);
        self.threads.run(move |_| opened.len())
    }

    fn read_at(&self, offset: u64, bytes: usize) -> BoxFuture<io::Result<Vec<u8>>> {
        let opened = Arc::clone(&self.opened);
        self.threads.run(move |_| {
            check_range(offset, bytes)?;
            let mut out = vec![0; bytes];
            let read = opened.read_at(offset, &mut out)?;
            out.truncate(read);
            Ok(out)
        })
    }

    fn write_at(&self, offset: u64, bytes: Bytes) -> BoxFuture<io::Result<()>> {
        let opened = Arc::clone(&self.opened);
        self.threads
            .run(move |is_wanted| opened.change(is_wanted, || opened.write_at(offset, &bytes)))
    }

    fn set_len(&self, bytes: u64) -> BoxFuture<io::Result<()>> {
        let opened = Arc::clone(&self.opened);
        self.threads.run(move |is_wanted| opened.change(is_wanted, || opened.set_len(bytes)))
    }

    fn sync(&self) -> BoxFuture<io::Result<()>> {
        let opened = Arc::clone(&self.opened);
        self.threads.run(move |_| {
            drop(opened.writing.write().unwrap_or_else(PoisonError::into_inner));
            opened.sync()
        })
    }

    fn blocking(&self) -> Arc<dyn BlockingFile> {
        Arc::clone(&self.opened) as Arc<dyn BlockingFile>
    }
}

impl BlockingFile for Opened {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata().map_err(self.failed(Operation::Len))?.len())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        check_range(offset, out.len())?;
        let mut filled = 0;
        while filled < out.len() {
            match self.file.read_at(&mut out[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(Operation::Read)(error)),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        check_range(offset, bytes.len())?;
        self.file.write_all_at(bytes, offset).map_err(self.failed(Operation::Write))
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        check_len(bytes)?;
        self.file.set_len(bytes).map_err(self.failed(Operation::SetLen))
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data().map_err(self.failed(Operation::Sync))
    }
}
