//! The simulated disk of a host: it outlives the lives of its node, with a fault model of its own.
//!
//! What it is: a lock around the state machine in `disk/drive.rs`, with what scenarios look at. Writes go into a cache;
//! a sync brings them to the platter; a crash decides sector by sector what of the rest is there. What it is NOT: a file
//! system, or a model of one; it allows what POSIX allows (T. S. Pillai et al., *All File Systems Are Not Created Equal*,
//! OSDI 2014), and whoever survives it survives ext4 and XFS. Read `disk/rule.rs` next.

mod chance;
mod counts;
mod drive;
mod inode;
mod names;
mod perform;
mod rule;
mod window;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use odeon_env::FileName;
use tokio::time::Instant;

pub use counts::DiskCounts;
pub use rule::DiskRule;
pub(crate) use window::DiskWindow;

use crate::{
    net::valid,
    timeline::Timeline,
    trace::{HostId, Trace},
};
use chance::Chances;
use drive::Drive;

/// The disk of one host; clones share it.
#[derive(Clone)]
pub struct SimDisk {
    host: Arc<str>,
    timeline: Timeline,
    drive: Arc<Mutex<Drive>>,
}

impl SimDisk {
    /// An empty disk with the rule [`DiskRule::ssd`].
    pub(crate) fn new(
        seed: u64,
        name: &str,
        host: HostId,
        timeline: Timeline,
        trace: Trace,
    ) -> Self {
        let drive = Drive::new(Chances::new(seed, name), trace, host);
        Self { host: name.into(), timeline, drive: Arc::new(Mutex::new(drive)) }
    }

    /// How often what happened, over all lives.
    #[must_use]
    pub fn counts(&self) -> DiskCounts {
        self.lock().counts
    }

    /// The rule that holds now.
    #[must_use]
    pub fn rule(&self) -> DiskRule {
        self.lock().rule
    }

    /// The names of all files that the node sees, in order.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        self.lock().names.all().map(ToString::to_string).collect()
    }

    /// What a file holds as the node sees it; `None` where there is none of that name.
    #[must_use]
    pub fn content(&self, file: &str) -> Option<Vec<u8>> {
        let name = FileName::new(file).ok()?;
        let drive = self.lock();
        let inode = drive.inodes.get(&drive.names.find(&name)?)?;
        Some(inode.read(0, inode.len() as usize))
    }

    /// What is durable of a file: what a crash leaves that keeps nothing of what was not synced. `None` where the name
    /// itself is not durable.
    #[must_use]
    pub fn durable(&self, file: &str) -> Option<Vec<u8>> {
        let name = FileName::new(file).ok()?;
        let drive = self.lock();
        Some(drive.inodes.get(&drive.names.find_durable(&name)?)?.platter().to_vec())
    }

    /// Flips one bit of a file on the platter, as rot does; `false` where there is none.
    pub fn rot(&self, file: &str, bit: u64) -> bool {
        let Ok(name) = FileName::new(file) else { return false };
        let mut drive = self.lock();
        let Some(id) = drive.names.find(&name) else { return false };
        let flipped = drive.inodes.get_mut(&id).is_some_and(|inode| inode.flip(bit));
        drive.counts.rotten_bits += u64::from(flipped);
        flipped
    }

    /// Panics when the rule is none.
    pub(crate) fn set_rule(&self, rule: DiskRule) {
        self.lock().rule = valid(rule.check().map(|()| rule));
    }

    /// Opens the disk for a new life of the node.
    pub(crate) fn begin_life(&self) -> DiskWindow {
        let life = self.lock().begin_life();
        DiskWindow::new(self.clone(), life)
    }

    /// Closes the gate behind a node that has exited; what it wrote is in the machine's cache.
    pub(crate) fn end_life(&self) {
        self.lock().end_life(self.now());
    }

    /// Closes the gate behind a node whose machine has lost its power.
    pub(crate) fn crash(&self) {
        self.lock().crash(self.now());
    }

    pub(crate) fn wipe(&self) {
        self.lock().wipe();
    }

    fn now(&self) -> Duration {
        self.timeline.now()
    }

    fn at(&self, elapsed: Duration) -> Instant {
        self.timeline.at(elapsed)
    }

    fn lock(&self) -> MutexGuard<'_, Drive> {
        self.drive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimDisk(of {})", self.host)
    }
}

#[cfg(test)]
mod tests;
