//! A log that loses no record that it has committed, whatever the disk does short of lying.
//!
//! What it shows: a node's disk; that a record counts when a sync has returned, that a sync which failed says nothing of
//! what it should have synced, and that a file replaces another by a rename. What it is NOT: fast, or for large logs; it
//! is written anew at each start. The simulator runs this very log on failing disks (`sim/tests/messages/append_log.rs`).

use std::{error::Error, io, num::Wrapping, sync::Arc};

use odeon::env::{Disk, DiskFile, Env, FileName, OPERATION_BYTES_MAX, OpenMode, RealEnv};

/// The check of an empty log (the offset basis of FNV-1a).
const CHECK: u64 = 0xcbf2_9ce4_8422_2325;

/// An open log.
pub(crate) struct AppendLog {
    file: Arc<dyn DiskFile>,
    /// Where the next record goes, and the check that it continues.
    written: (u64, u64),
    /// The same as of the last commit.
    committed: (u64, u64),
}

impl AppendLog {
    /// Opens the log of this disk and returns its records. After an error it may be opened again.
    pub(crate) async fn open(disk: &dyn Disk) -> io::Result<(Self, Vec<Vec<u8>>)> {
        let (name, draft) = (FileName::new("log")?, FileName::new("log.draft")?);
        let before = disk.open(&name, OpenMode::Either).await?;
        let content = before.read_at(0, OPERATION_BYTES_MAX).await?;
        let (records, whole) = records_of(&content);
        // What is read may still be on its way to the platter, and nobody knows whether a sync of it failed. So it is
        // written once more, where nothing depends on it yet.
        let file = disk.open(&draft, OpenMode::Either).await?;
        file.set_len(0).await?;
        file.write_at(0, content[..whole.0 as usize].to_vec().into()).await?;
        file.sync().await?;
        disk.rename(&draft, &name).await?;
        disk.sync().await?;
        Ok((Self { file, written: whole, committed: whole }, records))
    }

    /// Writes a record behind the others; it counts once it is committed.
    pub(crate) async fn write(&mut self, record: &[u8]) -> io::Result<()> {
        let (end, check) = self.written;
        let length = u32::try_from(record.len()).map_err(io::Error::other)?.to_le_bytes();
        let check = check_of(check, &length, record);
        let bytes = [&length, check.to_le_bytes().as_slice(), record].concat();
        let next = end + bytes.len() as u64;
        // Where it fails, any part of it may be there; the next record overwrites it.
        self.file.write_at(end, bytes.into()).await?;
        self.written = (next, check);
        Ok(())
    }

    /// Makes durable what was written. After an error it is taken back: what may be there of it is overwritten.
    pub(crate) async fn commit(&mut self) -> io::Result<()> {
        let synced = self.file.sync().await;
        // Not a second sync: that would succeed, and mean nothing.
        match synced {
            Ok(()) => self.committed = self.written,
            Err(_) => self.written = self.committed,
        }
        synced
    }
}

/// The whole records at the beginning of a file, up to the first that is torn, stale or not there; where they end, and
/// the check there.
fn records_of(mut content: &[u8]) -> (Vec<Vec<u8>>, (u64, u64)) {
    let (mut records, mut end, mut check) = (Vec::new(), 0, CHECK);
    while let Some((length, rest)) = content.split_first_chunk::<4>()
        && let Some((stated, rest)) = rest.split_first_chunk::<8>()
        && let Some((record, rest)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)
        && check_of(check, length, record) == u64::from_le_bytes(*stated)
    {
        records.push(record.to_vec());
        end += (content.len() - rest.len()) as u64;
        (check, content) = (u64::from_le_bytes(*stated), rest);
    }
    (records, (end, check))
}

/// FNV-1a over the check of the record before, so that a stale record behind a new one is none.
fn check_of(before: u64, length: &[u8; 4], record: &[u8]) -> u64 {
    let fold = |hash: Wrapping<u64>, byte: &u8| {
        (hash ^ Wrapping(u64::from(*byte))) * Wrapping(0x0100_0000_01b3)
    };
    before.to_le_bytes().iter().chain(length).chain(record).fold(Wrapping(CHECK), fold).0
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("odeon-append-log-{}", std::process::id()));
    let env = RealEnv::builder().data_folder(&folder).open()?;
    let (mut log, records) = AppendLog::open(&*env.disk()?).await?;
    assert!(records.is_empty());
    log.write(b"first").await?;
    log.write(b"second").await?;
    log.commit().await?; // one sync for both
    drop((log, env));

    let env = RealEnv::builder().data_folder(&folder).open()?;
    let (_, records) = AppendLog::open(&*env.disk()?).await?;
    assert_eq!(records, [b"first".to_vec(), b"second".to_vec()]);
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
