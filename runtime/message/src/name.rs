//! Names of clusters and nodes: DNS labels, because certificates carry them as such.
//!
//! What it is: the one rule for them, for whoever reads a name: from a person, a certificate, a handshake or a packet of
//! gossip. What it is NOT: the names of actors, which are any text.

use std::{fmt, sync::Arc};

use crate::NodeId;

/// Longest name of a cluster or a node, in bytes: that of a DNS label (RFC 1035, 2.3.4).
pub const NAME_BYTES_MAX: usize = 63;

/// Why a text is not a name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing, or too much.
    #[error("a name has 1 to {NAME_BYTES_MAX} bytes, this one has {len}")]
    Length {
        /// Its length in bytes.
        len: usize,
    },
    /// A byte that is none of `a-z`, `0-9` and `-`.
    #[error("byte {byte:#04x} at {at} of a name is none of a-z, 0-9 and -")]
    Byte {
        /// The byte.
        byte: u8,
        /// Where, from 0.
        at: usize,
    },
    /// It starts or ends with `-`.
    #[error("a name neither starts nor ends with -")]
    Hyphen,
}

fn check(text: &[u8]) -> Result<&str, NameError> {
    if text.is_empty() || text.len() > NAME_BYTES_MAX {
        return Err(NameError::Length { len: text.len() });
    }
    let allowed = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if let Some(at) = text.iter().position(|byte| !allowed(byte)) {
        return Err(NameError::Byte { byte: text[at], at });
    }
    if text[0] == b'-' || text[text.len() - 1] == b'-' {
        return Err(NameError::Hyphen);
    }
    Ok(std::str::from_utf8(text).expect("only ASCII passed the check above"))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks a text: 1 to 63 bytes of `a-z`, `0-9` and `-`, no `-` at either end (RFC 1035, 2.3.1).
            ///
            /// # Errors
            /// When it is no DNS label in lower case.
            pub fn new(text: &str) -> Result<Self, NameError> {
                Self::from_bytes(text.as_bytes())
            }

            /// The same, from bytes of a peer.
            ///
            /// # Errors
            /// As [`new`](Self::new).
            pub fn from_bytes(text: &[u8]) -> Result<Self, NameError> {
                check(text).map(|text| Self(text.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The name of a cluster. Cheap to clone.
    ClusterName
}
name! {
    /// The name of a node, unique in its cluster. Cheap to clone.
    NodeName
}

impl NodeName {
    /// The id that frames carry in place of the name.
    #[must_use]
    pub fn id(&self) -> NodeId {
        NodeId::of(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_names_and_nothing_else() {
        for good in ["a", "0", "node-1", &"x".repeat(63)] {
            assert_eq!(NodeName::new(good).unwrap().as_str(), good);
        }
        assert_eq!(NodeName::new(""), Err(NameError::Length { len: 0 }));
        assert_eq!(NodeName::new(&"x".repeat(64)), Err(NameError::Length { len: 64 }));
        assert_eq!(NodeName::new("aB"), Err(NameError::Byte { byte: b'B', at: 1 }));
        assert_eq!(NodeName::new("a.b"), Err(NameError::Byte { byte: b'.', at: 1 }));
        assert_eq!(ClusterName::new("-a"), Err(NameError::Hyphen));
        assert_eq!(ClusterName::new("a-"), Err(NameError::Hyphen));
        assert_eq!(ClusterName::from_bytes(&[0xff]), Err(NameError::Byte { byte: 0xff, at: 0 }));
    }

    #[test]
    fn errors_name_value_and_bound() {
        let long = NameError::Length { len: 64 }.to_string();
        assert_eq!(long, "a name has 1 to 63 bytes, this one has 64");
        assert!(NameError::Byte { byte: b'B', at: 1 }.to_string().contains("0x42 at 1"));
    }

    #[test]
    fn the_id_is_the_hash_of_the_name() {
        assert_eq!(NodeName::new("a").unwrap().id(), NodeId::of("a"));
    }
}
