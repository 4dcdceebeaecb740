//! The smallest packet: 34 bytes whose arrival, or whose failure to arrive, is all they say.

use bytes::BufMut;
use odeon_message::{Incarnation, NodeId};

use super::{PacketError, VERSION, reader::Reader};
use crate::Member;

/// How long it is: version, kind, and two lives of nodes.
const TOUCH_BYTES: usize = 2 + 2 * 16;

/// What a touch wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TouchKind {
    /// Nothing: if the port is closed, the system says so.
    Touch,
    /// An answer.
    Probe,
    /// Here it is.
    Answer,
}

/// One touch: which life of whom touches which life of whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Touch {
    pub(crate) kind: TouchKind,
    pub(crate) source: (NodeId, Incarnation),
    pub(crate) destination: (NodeId, Incarnation),
}

impl Touch {
    pub(crate) fn new(kind: TouchKind, source: &Member, destination: &Member) -> Self {
        Self {
            kind,
            source: (source.node, source.incarnation),
            destination: (destination.node, destination.incarnation),
        }
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let kind = match self.kind {
            TouchKind::Touch => 32,
            TouchKind::Probe => 33,
            TouchKind::Answer => 34,
        };
        let mut out = Vec::with_capacity(TOUCH_BYTES);
        out.extend([VERSION, kind]);
        for (node, incarnation) in [self.source, self.destination] {
            out.put_u64_le(node.0);
            out.put_u64_le(incarnation.0);
        }
        out
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, PacketError> {
        reader.version()?;
        let kind = match reader.u8()? {
            32 => TouchKind::Touch,
            33 => TouchKind::Probe,
            34 => TouchKind::Answer,
            unknown => return Err(PacketError::Kind(unknown)),
        };
        let source = (reader.node()?, reader.incarnation()?);
        let destination = (reader.node()?, reader.incarnation()?);
        Ok(Self { kind, source, destination })
    }
}
