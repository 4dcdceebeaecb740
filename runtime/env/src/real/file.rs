//! How this machine's files are read that somebody else writes.
//!
//! What it is: one bounded read of a whole file, on a thread that may block: of tokio's, whose number is bounded by the
//! runtime. What it is NOT: the node's disk (`disk.rs`).

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::BoxFuture;

/// Reads a file that has at most `bytes_max`.
pub(super) fn read(path: &Path, bytes_max: usize) -> BoxFuture<io::Result<Vec<u8>>> {
    let path = path.to_owned();
    Box::pin(async move { blocking(move || read_now(&path, bytes_max)).await })
}

#[expect(clippy::disallowed_methods, reason = "this is the window to files, which block")]
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn read_now(path: &PathBuf, bytes_max: usize) -> io::Result<Vec<u8>> {
    // Before it is opened: opening a pipe would wait for who writes it.
    if !std::fs::metadata(path)?.is_file() {
        let text = format!("{} is no regular file", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let mut bytes = Vec::new();
    let bound = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(bound).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        let text = format!("{} has more than {bytes_max} bytes", path.display());
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_read_up_to_its_bound() {
        let path = std::env::temp_dir().join(format!("odeon-env-file-{}", std::process::id()));
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).await.unwrap(), b"12345");
        assert_eq!(read(&path, 4).await.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read(&path, 5).await.unwrap_err().kind(), io::ErrorKind::NotFound);
        let folder = read(&std::env::temp_dir(), 5).await.unwrap_err();
        assert_eq!(folder.kind(), io::ErrorKind::InvalidInput);
    }
}
