//! The threads on which a real disk blocks, so that no thread of a node does.
//!
//! What it is: a few threads and a bounded queue before them. Whoever finds the queue full waits in turn. What it is
//! NOT: a pool for anything else. Its owner is the environment's disk; with the last handle of that the threads end,
//! and are joined. Read `disk.rs` next.

use std::{
    io,
    num::NonZero,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{Builder, JoinHandle},
};

use tokio::sync::{Semaphore, oneshot};

use crate::{BoxFuture, DiskError};

/// Operations that wait for a thread or run on one. One more waits for its turn in its own future.
const QUEUED_MAX: usize = 1024;

/// Whether anybody still waits for the operation that is about to begin.
pub(super) type IsWanted<'a> = &'a dyn Fn() -> bool;

type Job = Box<dyn FnOnce() + Send>;

/// The threads of one disk.
#[derive(Debug)]
pub(super) struct DiskThreads {
    jobs: Option<SyncSender<Job>>,
    places: Arc<Semaphore>,
    threads: Vec<JoinHandle<()>>,
}

impl DiskThreads {
    /// Starts `threads` of them.
    #[expect(clippy::disallowed_methods, reason = "this is the window to disks, which block")]
    pub(super) fn start(threads: NonZero<u8>) -> io::Result<Self> {
        // Every job holds one of as many places, so sending never blocks.
        let (jobs, taken) = sync_channel(QUEUED_MAX);
        let taken = Arc::new(Mutex::new(taken));
        let mut started = Self {
            jobs: Some(jobs),
            places: Arc::new(Semaphore::new(QUEUED_MAX)),
            threads: Vec::new(),
        };
        for number in 0..threads.get() {
            let taken = Arc::clone(&taken);
            let name = format!("odeon-disk-{number}");
            started.threads.push(Builder::new().name(name).spawn(move || work(&taken))?);
        }
        Ok(started)
    }

    /// Runs `operation` on one of them, unless the future was dropped before it begins. The operation has to ask once
    /// more where it waits for something itself.
    ///
    /// # Cancel safety
    /// An operation that has begun goes on.
    pub(super) fn run<T: Send + 'static>(
        self: &Arc<Self>,
        operation: impl FnOnce(IsWanted<'_>) -> io::Result<T> + Send + 'static,
    ) -> BoxFuture<io::Result<T>> {
        let threads = Arc::clone(self);
        Box::pin(async move {
            let stopped = || io::Error::from(DiskError::Stopped);
            let place = Arc::clone(&threads.places).acquire_owned().await.map_err(|_| stopped())?;
            let (answer, answered) = oneshot::channel();
            let job = move || {
                let answer: oneshot::Sender<io::Result<T>> = answer;
                let is_wanted = || !answer.is_closed();
                if is_wanted() {
                    let result = operation(&is_wanted);
                    // Nobody waits any more.
                    let _ = answer.send(result);
                }
                drop(place);
            };
            let jobs = threads.jobs.as_ref().ok_or_else(stopped)?;
            jobs.try_send(Box::new(job)).map_err(|_| stopped())?;
            answered.await.unwrap_or_else(|_| Err(stopped()))
        })
    }
}

impl Drop for DiskThreads {
    fn drop(&mut self) {
        // Without a sender each thread ends after what is queued. No job holds the threads, so none joins itself.
        self.jobs = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the disk panicked");
            }
        }
    }
}

fn work(taken: &Mutex<Receiver<Job>>) {
    loop {
        // One waits for the next job, the others for the lock; it is free again when a job has come.
        let job = taken.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}
