//! What happened on a disk, as an event.

use odeon_env::Operation;

use super::digest::Digest;

/// What became of an operation on a disk, or of one that had not been synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiskFate {
    /// It did what it should.
    Done,
    /// The name was not there, or was there already.
    Refused,
    /// The disk was full.
    Full,
    /// It failed.
    Failed,
    /// The disk said that it was done, and will never write it.
    Lied,
    /// The disk said that it was done, and writes it to another place.
    Misdirected,
    /// It read a bit that has rotted just now.
    Rotten,
    /// Unsynced, and there after a crash.
    Kept,
    /// Unsynced, and gone after a crash.
    Lost,
    /// Unsynced, and there in part after a crash.
    Torn,
}

impl DiskFate {
    /// In words.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Full => "disk full",
            Self::Failed => "failed",
            Self::Lied => "acknowledged, never written",
            Self::Misdirected => "acknowledged, misdirected",
            Self::Rotten => "done, a bit has rotted",
            Self::Kept => "kept in the crash",
            Self::Lost => "lost in the crash",
            Self::Torn => "torn in the crash",
        }
    }
}

/// Something that happened on a disk.
#[derive(Clone, Copy, Debug)]
pub struct DiskEvent<'a> {
    /// What was asked.
    pub operation: Operation,
    /// Of which file.
    pub file: &'a str,
    /// Where in the file, or how long it should be.
    pub offset: u64,
    /// What was written or read.
    pub bytes: &'a [u8],
    /// What became of it.
    pub fate: DiskFate,
}

impl DiskEvent<'_> {
    /// Enters the hash; the result is the name, the details and the number of the line.
    pub(super) fn fold(&self, digest: &mut Digest) -> (String, &'static str, u64) {
        digest.word(40);
        digest.word((self.operation as u64) << 8 | self.fate as u64);
        digest.word(self.offset);
        digest.bytes(self.file.as_bytes());
        digest.bytes(self.bytes);
        (format!("{} {}", self.operation, self.file), self.fate.name(), self.offset)
    }
}
