//! What the connections of a world run on.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What the connections between the nodes of a world are. Faults are the same under both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Link {
    /// Real QUIC with real TLS, on simulated datagrams: all of what runs in production. The default.
    #[default]
    Quic,
    /// Frame connections: streams and datagrams without TLS, packet recovery and congestion control, several times as
    /// fast. What runs above them is all the same; what they do under faults is in `sim/src/net/frames.rs`.
    ///
    /// Trust is simpler: two nodes trust each other where their identities name the same authorities, and
    /// each checks its own certificate at start. What depends on certificates that expire or are replaced, on packets,
    /// or on congestion, needs [`Quic`](Self::Quic).
    Frames,
}

impl Link {
    /// The name in attributes, arguments and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quic => "quic",
            Self::Frames => "frames",
        }
    }

    /// The link with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Quic, Self::Frames].into_iter().find(|link| link.name() == name)
    }
}

/// A name that no link has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no link: quic or frames")]
pub struct UnknownLink(String);

impl FromStr for Link {
    type Err = UnknownLink;

    fn from_str(name: &str) -> Result<Self, UnknownLink> {
        Self::from_name(name).ok_or_else(|| UnknownLink(name.to_owned()))
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
