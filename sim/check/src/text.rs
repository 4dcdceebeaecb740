//! Short texts of a history: names of parties and objects, values, reasons.
//!
//! What it is: a shared string with a bound, so that a history's bound in events is one in bytes too. What it is NOT: a
//! place for documents; what is longer is cut, and keeps a hash of the whole, so that different texts stay different.

use std::{borrow::Borrow, fmt, ops::Deref, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text of at most [`Text::BYTES_MAX`] bytes; cloning it copies no bytes.
///
/// ```
/// use odeon_check::Text;
///
/// let long = Text::from("x".repeat(1000));
/// assert!(long.len() <= Text::BYTES_MAX);
/// assert_ne!(long, Text::from("x".repeat(1001)));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Arc<str>);

/// Whoever a history speaks of: a client, an actor, a node.
pub type Party = Text;

impl Text {
    /// Longest text, in bytes. A longer one is cut and ends with a hash of the whole.
    pub const BYTES_MAX: usize = 256;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// FNV-1a of 64 bits (Fowler, Noll, Vo): small, and the same on every machine.
fn hash(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        if text.len() <= Self::BYTES_MAX {
            return Self(text.into());
        }
        let tail = format!("~{:016x}", hash(text.as_bytes()));
        let mut end = Self::BYTES_MAX - tail.len();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self(format!("{}{tail}", &text[..end]).into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&Text> for Text {
    fn from(text: &Text) -> Self {
        text.clone()
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}
