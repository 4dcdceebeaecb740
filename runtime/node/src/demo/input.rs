//! What is counted: files, or the embedded text.
//!
//! What it is NOT: the cutting into words, which is `job/words.rs`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::demo::job::words::{Collector, Words};

/// How many words the embedded text is repeated to, at least.
pub(crate) const EMBEDDED_WORDS_MIN: usize = 1_000_000;

/// A file that cannot be counted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    /// It could not be read.
    #[error("cannot read the input {path}: {source}; give files that exist and that you may read")]
    Unreadable { path: PathBuf, source: io::Error },
    /// There is nothing to count in it.
    #[error("the input {path} has no words, which are runs of letters and digits: leave it out")]
    Empty { path: PathBuf },
}

/// Reads the files in order, or repeats the embedded text where there are none.
pub(crate) fn read_all(files: &[PathBuf], partitions: usize) -> Result<Words, InputError> {
    if files.is_empty() {
        return Ok(Words::embedded(EMBEDDED_WORDS_MIN, partitions));
    }
    let mut words = Collector::new(partitions);
    for path in files {
        let before = words.total();
        words.text(&String::from_utf8_lossy(&read(path)?));
        if words.total() == before {
            return Err(InputError::Empty { path: path.clone() });
        }
    }
    Ok(words.finish())
}

fn read(path: &Path) -> Result<Vec<u8>, InputError> {
    fs::read(path).map_err(|source| InputError::Unreadable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named() {
        let error = read_all(&["no/such/file".into()], 1).err().unwrap();
        assert!(error.to_string().contains("no/such/file"));
    }
}
