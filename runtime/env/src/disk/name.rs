//! A name that is a file in any folder and never a way out of it.
//!
//! Read `error.rs` next.

use std::{fmt, io, sync::Arc};

use thiserror::Error;

/// The longest name of a file, in bytes: half of what file systems take, so that a suffix fits.
pub const FILE_NAME_BYTES_MAX: usize = 128;

/// The name of a file on a [`Disk`](crate::Disk): 1 to [`FILE_NAME_BYTES_MAX`] of `a-z`, `0-9`, `-`, `_` and `.`, and
/// no `.` first.
///
/// So it has no separator and is no parent folder, and two names are the same file nowhere, also where the system does
/// not tell upper case from lower.
///
/// ```
/// use odeon_env::FileName;
///
/// assert!(FileName::new("journal-0001.log").is_ok());
/// assert!(FileName::new("../other").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(Arc<str>);

/// A text that names no file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FileNameError {
    /// It has no character.
    #[error("the name of a file is empty; give it at least one character")]
    Empty,
    /// It is too long.
    #[error("{name:?} is {bytes} bytes long; the name of a file has at most {FILE_NAME_BYTES_MAX}")]
    TooLong {
        /// How it begins.
        name: String,
        /// Its length.
        bytes: usize,
    },
    /// It has another character than names have, or a dot where none may be.
    #[error("{name:?} has {character:?} at {at}; use a-z, 0-9, -, _ and ., with no . first")]
    Character {
        /// The text.
        name: String,
        /// The first character that cannot be.
        character: char,
        /// Where it is, in bytes.
        at: usize,
    },
}

impl FileName {
    /// Checks a name.
    ///
    /// # Errors
    /// When it is empty, too long, or has another character.
    pub fn new(name: impl AsRef<str>) -> Result<Self, FileNameError> {
        let name = name.as_ref();
        if name.is_empty() {
            return Err(FileNameError::Empty);
        }
        if name.len() > FILE_NAME_BYTES_MAX {
            let begin = &name[..name.floor_char_boundary(FILE_NAME_BYTES_MAX)];
            return Err(FileNameError::TooLong { name: begin.to_owned(), bytes: name.len() });
        }
        let fits = |at: usize, character: char| {
            matches!(character, 'a'..='z' | '0'..='9' | '-' | '_') || (character == '.' && at > 0)
        };
        match name.char_indices().find(|&(at, character)| !fits(at, character)) {
            None => Ok(Self(name.into())),
            Some((at, character)) => {
                Err(FileNameError::Character { name: name.to_owned(), character, at })
            }
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for FileName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<FileNameError> for io::Error {
    fn from(error: FileNameError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder() {
        for name in ["a", "journal-0001.log", "0_.-", &"x".repeat(FILE_NAME_BYTES_MAX)] {
            assert_eq!(FileName::new(name).unwrap().as_str(), name);
        }
        for name in ["..", ".", ".hidden", "a/b", "/etc", "a\\b", "A", "ä", "a\0", "a b"] {
            let error = FileName::new(name).unwrap_err();
            assert!(matches!(error, FileNameError::Character { .. }), "{error}");
        }
        assert_eq!(FileName::new(""), Err(FileNameError::Empty));
        let long = FileName::new("ä".repeat(FILE_NAME_BYTES_MAX)).unwrap_err();
        assert!(matches!(long, FileNameError::TooLong { bytes: 256, .. }), "{long}");
        let told = FileName::new("a/b").unwrap_err().to_string();
        assert_eq!(told, "\"a/b\" has '/' at 1; use a-z, 0-9, -, _ and ., with no . first");
    }
}
