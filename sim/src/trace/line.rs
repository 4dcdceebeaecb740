//! One line of a trace: fixed in size while it is kept, text only when it is read.

use std::{fmt, net::SocketAddr};

use super::{HostId, Mark};

const SHORT: usize = 30;

/// The beginning of a text, without an allocation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Short {
    length: u8,
    bytes: [u8; SHORT],
}

impl Short {
    pub(super) const EMPTY: Self = Self { length: 0, bytes: [0; SHORT] };

    pub(super) fn of(text: &str) -> Self {
        let length = text.floor_char_boundary(SHORT);
        let mut bytes = [0; SHORT];
        bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
        Self { length: length as u8, bytes }
    }
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes[..usize::from(self.length)]))
    }
}

/// What a line says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content {
    Packet { name: &'static str, from: SocketAddr, to: SocketAddr, length: usize, hash: u64 },
    Frame(&'static str, u8, usize, u64),
    Said(Short, Short, u64),
}

/// One line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) mark: Mark,
    pub(super) at_ns: u64,
    pub(super) host: Option<HostId>,
    pub(super) content: Content,
}

impl Line {
    /// The line as text: virtual seconds, host, what happened. It is one line, whatever names and notes say.
    pub(super) fn text(&self, names: &[String]) -> String {
        let (seconds, rest) = (self.at_ns / 1_000_000_000, self.at_ns % 1_000_000_000);
        let host = self
            .host
            .and_then(|host| names.get(usize::from(host.0)))
            .map_or("world", String::as_str);
        let text = format!("{seconds:>4}.{rest:09} {host:<8} {}", self.content);
        let is_one_line = !text.contains(['\n', '\r']);
        if is_one_line { text } else { text.replace('\n', "\\n").replace('\r', "\\r") }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet { name, from, to, length, hash } => {
                write!(f, "{name} {from} > {to} {length} bytes {hash:016x}")
            }
            Self::Frame(name, kind, length, hash) => {
                write!(f, "{name} kind {kind} {length} bytes {hash:016x}")
            }
            Self::Said(name, detail, number) => {
                write!(f, "{name}")?;
                if *number != 0 {
                    write!(f, " {number}")?;
                }
                if detail.length != 0 {
                    write!(f, " {detail}")?;
                }
                Ok(())
            }
        }
    }
}
