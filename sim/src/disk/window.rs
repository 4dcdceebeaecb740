//! What one life of a node sees of its disk.
//!
//! Everything here belongs to one life: when it ends the drive closes its gate, and whoever still holds a file, a
//! destructor for instance, is refused and changes nothing. Read `../disk.rs` for who opens and closes the gate.

use std::{fmt, io, sync::Arc, time::Duration};

use bytes::Bytes;
use odeon_env::{
    BlockingFile, BoxFuture, Disk, DiskError, DiskFile, FileName, OpenMode, check_range,
};

use super::{
    SimDisk,
    drive::{Answer, FileRef, Request},
};

/// The disk of a simulated host, as one life of its node has it.
#[derive(Clone)]
pub(crate) struct DiskWindow {
    disk: SimDisk,
    life: u64,
}

/// An operation that has begun. Dropped before its end, it has happened or never will.
struct Ticket {
    disk: SimDisk,
    number: Option<u64>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.disk.lock().abandon(self.disk.now(), number);
        }
    }
}

impl Ticket {
    fn end(mut self) -> io::Result<Answer> {
        let number = self.number.take().ok_or(DiskError::Ended)?;
        Ok(self.disk.lock().end(self.disk.now(), number)?)
    }
}

impl DiskWindow {
    pub(super) fn new(disk: SimDisk, life: u64) -> Self {
        Self { disk, life }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.disk.lock().is_open(self.life)
    }

    fn begin(&self, request: Request) -> io::Result<(Ticket, Duration)> {
        let (number, due) = self.disk.lock().begin(self.disk.now(), self.life, request)?;
        Ok((Ticket { disk: self.disk.clone(), number: Some(number) }, due))
    }

    /// Runs an operation in the time that it takes.
    async fn run(self, request: Request) -> io::Result<Answer> {
        let (ticket, due) = self.begin(request)?;
        // Timers tick in milliseconds: what is due within this tick is due now, and adds up until it is not.
        let tick = Duration::from_millis(due.as_millis() as u64);
        if tick > self.disk.now() {
            tokio::time::sleep_until(self.disk.at(tick)).await;
        }
        ticket.end()
    }

    /// Runs an operation at once, for who cannot wait.
    fn run_now(&self, request: Request) -> io::Result<Answer> {
        self.begin(request)?.0.end()
    }

    fn done(&self, request: Request) -> BoxFuture<io::Result<()>> {
        let running = self.clone().run(request);
        Box::pin(async move { running.await.map(drop) })
    }
}

impl fmt::Debug for DiskWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in life {}", self.disk, self.life)
    }
}

impl Disk for DiskWindow {
    fn open(&self, name: &FileName, mode: OpenMode) -> BoxFuture<io::Result<Arc<dyn DiskFile>>> {
        let (window, name) = (self.clone(), name.clone());
        Box::pin(async move {
            match window.clone().run(Request::Open { name: name.clone(), mode }).await? {
                Answer::Opened(inode) => {
                    let file = FileRef { inode, name };
                    let shared = Arc::new(Opened { window, file });
                    Ok(Arc::new(SimFile(shared)) as Arc<dyn DiskFile>)
                }
                other => Err(unexpected(&other)),
            }
        })
    }

    fn rename(&self, from: &FileName, to: &FileName) -> BoxFuture<io::Result<()>> {
        self.done(Request::Rename { from: from.clone(), to: to.clone() })
    }

    fn remove(&self, name: &FileName) -> BoxFuture<io::Result<()>> {
        self.done(Request::Remove { name: name.clone() })
    }

    fn list(&self) -> BoxFuture<io::Result<Vec<FileName>>> {
        let running = self.clone().run(Request::List);
        Box::pin(async move {
            match running.await? {
                Answer::Names(names) => Ok(names),
                other => Err(unexpected(&other)),
            }
        })
    }

    fn sync(&self) -> BoxFuture<io::Result<()>> {
        self.done(Request::SyncNames)
    }
}

/// An open file of one life; dropping the last handle closes it.
struct Opened {
    window: DiskWindow,
    file: FileRef,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.window.disk.lock().close(self.window.life, self.file.inode);
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {:?}", self.file.name, self.window)
    }
}

/// The handle whose operations take time.
#[derive(Debug)]
struct SimFile(Arc<Opened>);

impl SimFile {
    /// Runs an operation; the file stays open as long.
    async fn run(opened: Arc<Opened>, request: Request) -> io::Result<Answer> {
        opened.window.clone().run(request).await
    }

    fn done(&self, request: Request) -> BoxFuture<io::Result<()>> {
        let running = Self::run(Arc::clone(&self.0), request);
        Box::pin(async move { running.await.map(drop) })
    }

    fn file(&self) -> FileRef {
        self.0.file.clone()
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> BoxFuture<io::Result<u64>> {
        let running = Self::run(Arc::clone(&self.0), Request::Len { file: self.file() });
        Box::pin(async move { length(running.await?) })
    }

    fn read_at(&self, offset: u64, bytes: usize) -> BoxFuture<io::Result<Vec<u8>>> {
        let request = Request::Read { file: self.file(), offset, bytes };
        let running = Self::run(Arc::clone(&self.0), request);
        Box::pin(async move { content(running.await?) })
    }

    fn write_at(&self, offset: u64, bytes: Bytes) -> BoxFuture<io::Result<()>> {
        self.done(Request::Write { file: self.file(), offset, bytes })
    }

    fn set_len(&self, bytes: u64) -> BoxFuture<io::Result<()>> {
        self.done(Request::SetLen { file: self.file(), bytes })
    }

    fn sync(&self) -> BoxFuture<io::Result<()>> {
        self.done(Request::Sync { file: self.file() })
    }

    fn blocking(&self) -> Arc<dyn BlockingFile> {
        Arc::clone(&self.0) as Arc<dyn BlockingFile>
    }
}

impl BlockingFile for Opened {
    fn len(&self) -> io::Result<u64> {
        length(self.window.run_now(Request::Len { file: self.file.clone() })?)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        let (file, bytes) = (self.file.clone(), out.len());
        let read = content(self.window.run_now(Request::Read { file, offset, bytes })?)?;
        out[..read.len()].copy_from_slice(&read);
        Ok(read.len())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        check_range(offset, bytes.len())?;
        let (file, bytes) = (self.file.clone(), Bytes::copy_from_slice(bytes));
        self.window.run_now(Request::Write { file, offset, bytes }).map(drop)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.window.run_now(Request::SetLen { file: self.file.clone(), bytes }).map(drop)
    }

    fn sync(&self) -> io::Result<()> {
        self.window.run_now(Request::Sync { file: self.file.clone() }).map(drop)
    }
}

fn length(answer: Answer) -> io::Result<u64> {
    match answer {
        Answer::Length(bytes) => Ok(bytes),
        other => Err(unexpected(&other)),
    }
}

fn content(answer: Answer) -> io::Result<Vec<u8>> {
    match answer {
        Answer::Bytes(bytes) => Ok(bytes),
        other => Err(unexpected(&other)),
    }
}

/// An answer to another question, which only a bug of the simulator gives.
fn unexpected(answer: &Answer) -> io::Error {
    io::Error::other(format!("the simulated disk answered {answer:?}"))
}
