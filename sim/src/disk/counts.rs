//! How often what happened on a disk.

/// How often what happened on a disk, over all lives of its host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskCounts {
    /// Reads.
    pub reads: u64,
    /// Writes and changes of length.
    pub writes: u64,
    /// Syncs, of files and of names.
    pub syncs: u64,
    /// Reads that failed.
    pub read_errors: u64,
    /// Writes that failed.
    pub write_errors: u64,
    /// Syncs that failed.
    pub sync_errors: u64,
    /// Files that could not be opened, renamed or removed because the disk failed.
    pub names_errors: u64,
    /// Syncs that took longer.
    pub slow_syncs: u64,
    /// Operations refused because the disk was full.
    pub full: u64,
    /// Writes that were acknowledged and never reach the platter.
    pub lied: u64,
    /// Writes that reach another place.
    pub misdirected: u64,
    /// Bits that rotted.
    pub rotten_bits: u64,
    /// Crashes.
    pub crashes: u64,
    /// Changes of a file that were not synced and survived a crash whole.
    pub kept: u64,
    /// Changes of a file that were not synced and were gone after a crash.
    pub lost: u64,
    /// Changes of a file that were not synced and were there in part after a crash.
    pub torn: u64,
    /// Changes of names that were not synced and survived a crash.
    pub names_kept: u64,
    /// Changes of names that were not synced and were gone after a crash.
    pub names_lost: u64,
}
