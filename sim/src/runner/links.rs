//! Which links a test runs each seed on: what the test says, or what the developer asks for.
//!
//! `ODEON_LINK=frames` (or `quic`, or `both`) in the environment of the test takes the place of the test's own choice.
//! It is read by the parent only.

use crate::Link;

/// Which links each seed is run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// Real QUIC. The default.
    #[default]
    Quic,
    /// Frame connections.
    Frames,
    /// First the one, then the other; each run has a verdict and a hash of its own.
    Both,
}

impl Links {
    /// The links, in the order they are run.
    pub(crate) const fn each(self) -> &'static [Link] {
        match self {
            Self::Quic => &[Link::Quic],
            Self::Frames => &[Link::Frames],
            Self::Both => &[Link::Quic, Link::Frames],
        }
    }

    /// Reads `quic`, `frames` or `both`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "quic" => Some(Self::Quic),
            "frames" => Some(Self::Frames),
            "both" => Some(Self::Both),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_as_they_are_written() {
        for links in [Links::Quic, Links::Frames] {
            assert_eq!(Links::parse(links.each()[0].name()), Some(links));
        }
        assert_eq!(Links::parse("both").map(Links::each), Some(&[Link::Quic, Link::Frames][..]));
        assert_eq!(Links::parse("tcp"), None);
    }
}
