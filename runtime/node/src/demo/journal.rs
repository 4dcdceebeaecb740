//! The shared journal: which asks truly ran, known even after SIGKILL.
//!
//! What it is: a file mapped by every node of the demo, in which a handler writes its ask's id before it does
//! anything else; the kernel keeps the pages when the writer is killed. What it is NOT: durable over a crash of the
//! machine. Handlers write it, `verdict.rs` reads it.

use std::{
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use memmap2::MmapMut;

/// A journal that could not be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot map the journal {path}: {source}; the demo needs a writable temporary folder, set TMPDIR"
)]
pub(crate) struct JournalError {
    path: PathBuf,
    source: io::Error,
}

/// The mapped file: word 0 counts the entries taken, the words after it are the entries.
pub(crate) struct Journal {
    map: MmapMut,
}

impl Journal {
    /// Makes a journal of room for `entries`.
    pub(crate) fn create(path: &Path, entries: usize) -> Result<Self, JournalError> {
        Self::map(path, Some((entries as u64 + 1) * 8))
    }

    /// Opens the journal that another process made.
    pub(crate) fn open(path: &Path) -> Result<Self, JournalError> {
        Self::map(path, None)
    }

    #[expect(unsafe_code, reason = "mapping a file is unsafe: others may change or cut it")]
    fn map(path: &Path, bytes: Option<u64>) -> Result<Self, JournalError> {
        let mapped = || {
            let mut options = OpenOptions::new();
            options.read(true).write(true);
            if bytes.is_some() {
                options.create_new(true);
            }
            let file = options.open(path)?;
            if let Some(bytes) = bytes {
                file.set_len(bytes)?;
            }
            // SAFETY: all processes of one demo change the pages only through the atomics below, and none cuts the
            // file, which lies in a folder that only this user can write and that the parent makes for this run.
            unsafe { MmapMut::map_mut(&file) }
        };
        let map = mapped().map_err(|source| JournalError { path: path.to_owned(), source })?;
        Ok(Self { map })
    }

    #[expect(unsafe_code, reason = "the mapped pages are shared with other processes")]
    fn words(&self) -> &[AtomicU64] {
        let words = self.map.len() / 8;
        // SAFETY: the mapping is aligned to a page and as long as it was made, every bit pattern is a u64, and all
        // access in every process goes through these atomics.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast::<AtomicU64>(), words) }
    }

    /// Writes down that the ask runs. Returns whether there was room.
    pub(crate) fn ran(&self, ask: u64) -> bool {
        let words = self.words();
        let at = words[0].fetch_add(1, Ordering::AcqRel) as usize + 1;
        let Some(entry) = words.get(at) else { return false };
        entry.store(ask, Ordering::Release);
        true
    }

    /// All asks that ran, as often as they ran, and whether every entry had room.
    pub(crate) fn asks(&self) -> (Vec<u64>, bool) {
        let words = self.words();
        let taken = words[0].load(Ordering::Acquire) as usize;
        let complete = taken < words.len();
        let entries = &words[1..words.len().min(taken + 1)];
        // An entry whose writer was killed between taking it and filling it is 0: its handler did nothing yet.
        let asks =
            entries.iter().map(|entry| entry.load(Ordering::Acquire)).filter(|ask| *ask != 0);
        (asks.collect(), complete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_mappings_share_entries_and_say_when_full() {
        let path = std::env::temp_dir().join(format!("odeon-journal-test-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let ours = Journal::create(&path, 2).unwrap();
        let theirs = Journal::open(&path).unwrap();
        assert!(theirs.ran(7));
        assert!(ours.ran(9));
        assert_eq!(ours.asks(), (vec![7, 9], true));
        assert!(!theirs.ran(11));
        assert!(!ours.asks().1);
        assert!(Journal::create(&path, 2).is_err(), "an existing journal is never overwritten");
        std::fs::remove_file(&path).unwrap();
    }
}
