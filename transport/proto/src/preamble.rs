//! The first 16 bytes of every stream: what it is for.
//!
//! The transport reads exactly these bytes, then gives the rest of the stream to a `FrameReader`. Read `read.rs`
//! next.

use std::fmt;

use thiserror::Error;

use crate::format::{LANES_MAX, PREAMBLE_BYTES, VERSION};

const MAGIC: &[u8; 5] = b"ODEON";

/// What a stream is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Purpose {
    /// The first bidirectional stream: handshake, credit, cancel, watch.
    Control = 1,
    /// A unidirectional stream of messages, replies and what must keep their order.
    Lane = 2,
    /// A unidirectional stream for one large message that a lane announced.
    Bulk = 3,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Control => "control",
            Self::Lane => "lane",
            Self::Bulk => "bulk",
        })
    }
}

/// What a stream says about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Preamble {
    /// What the stream is for.
    pub purpose: Purpose,
    /// Lane: its index, below [`LANES_MAX`]. Control: 0. Bulk: the number that was announced.
    pub index: u64,
}

impl Preamble {
    /// Of a control stream.
    pub const CONTROL: Self = Self { purpose: Purpose::Control, index: 0 };

    /// Of the lane with this index.
    #[must_use]
    pub const fn lane(index: u8) -> Self {
        Self { purpose: Purpose::Lane, index: index as u64 }
    }

    /// The bytes a stream starts with.
    #[must_use]
    pub fn encode(self) -> [u8; PREAMBLE_BYTES] {
        let mut bytes = [0; PREAMBLE_BYTES];
        bytes[..5].copy_from_slice(MAGIC);
        bytes[5] = VERSION;
        bytes[6] = self.purpose as u8;
        bytes[8..].copy_from_slice(&self.index.to_le_bytes());
        bytes
    }

    /// Reads the first bytes of a stream.
    ///
    /// # Errors
    /// When they are no preamble of version 1.
    pub fn decode(bytes: [u8; PREAMBLE_BYTES]) -> Result<Self, PreambleError> {
        let [m0, m1, m2, m3, m4, version, purpose, zero, i @ ..] = bytes;
        if [m0, m1, m2, m3, m4] != *MAGIC {
            return Err(PreambleError::Magic { found: [m0, m1, m2, m3, m4] });
        }
        if version != VERSION {
            return Err(PreambleError::Version { found: version });
        }
        let purpose = match purpose {
            1 => Purpose::Control,
            2 => Purpose::Lane,
            3 => Purpose::Bulk,
            found => return Err(PreambleError::Purpose { found }),
        };
        if zero != 0 {
            return Err(PreambleError::Reserved { found: zero });
        }
        let index = u64::from_le_bytes(i);
        let bound = match purpose {
            Purpose::Control => 0,
            Purpose::Lane => u64::from(LANES_MAX) - 1,
            Purpose::Bulk => u64::MAX,
        };
        if index > bound {
            return Err(PreambleError::Index { purpose, found: index, bound });
        }
        Ok(Self { purpose, index })
    }
}

/// Why a stream was not taken. The peer's fault.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum PreambleError {
    /// It does not start with `ODEON`: something else speaks here.
    #[error("the stream starts with {found:02x?}, not with ODEON")]
    Magic {
        /// The first five bytes.
        found: [u8; 5],
    },
    /// Another version of the format.
    #[error("stream version {found} is not known, this node reads version {VERSION}")]
    Version {
        /// What the stream says.
        found: u8,
    },
    /// Not a purpose of version 1.
    #[error("stream purpose {found} is not known")]
    Purpose {
        /// What the stream says.
        found: u8,
    },
    /// A reserved byte is set.
    #[error("the reserved byte of the preamble is {found}, not 0")]
    Reserved {
        /// What the stream says.
        found: u8,
    },
    /// The index is above what the purpose has.
    #[error("a {purpose} stream has index {found}, at most {bound} is accepted")]
    Index {
        /// What the stream is for.
        purpose: Purpose,
        /// What the stream says.
        found: u64,
        /// The bound.
        bound: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(at: usize, byte: u8) -> Result<Preamble, PreambleError> {
        let mut bytes = Preamble::lane(2).encode();
        bytes[at] = byte;
        Preamble::decode(bytes)
    }

    #[test]
    fn preambles_read_back() {
        let bulk = Preamble { purpose: Purpose::Bulk, index: u64::MAX };
        for preamble in [Preamble::CONTROL, Preamble::lane(0), Preamble::lane(15), bulk] {
            assert_eq!(Preamble::decode(preamble.encode()), Ok(preamble));
        }
    }

    #[test]
    fn every_wrong_byte_is_named() {
        assert_eq!(with(0, b'X'), Err(PreambleError::Magic { found: *b"XDEON" }));
        assert_eq!(with(5, 2), Err(PreambleError::Version { found: 2 }));
        assert_eq!(with(6, 0), Err(PreambleError::Purpose { found: 0 }));
        assert_eq!(with(7, 1), Err(PreambleError::Reserved { found: 1 }));
        let index = PreambleError::Index { purpose: Purpose::Lane, found: 16, bound: 15 };
        assert_eq!(index.to_string(), "a lane stream has index 16, at most 15 is accepted");
        assert_eq!(with(8, 16), Err(index));
        let index = PreambleError::Index { purpose: Purpose::Control, found: 2, bound: 0 };
        assert_eq!(with(6, 1), Err(index));
    }
}
