//! A cursor over received bytes that never goes past their end.

use std::net::{IpAddr, SocketAddr};

use odeon_message::{Incarnation, NodeId};

use super::{PacketError, VERSION};
use crate::NodeName;

pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PacketError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(PacketError::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, PacketError> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, PacketError> {
        self.array().map(u16::from_le_bytes)
    }

    /// A count that foca wrote.
    pub(super) fn u16_be(&mut self) -> Result<u16, PacketError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, PacketError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, PacketError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn version(&mut self) -> Result<(), PacketError> {
        match self.u8()? {
            VERSION => Ok(()),
            other => Err(PacketError::Version(other)),
        }
    }

    pub(super) fn node(&mut self) -> Result<NodeId, PacketError> {
        self.u64().map(NodeId)
    }

    pub(super) fn incarnation(&mut self) -> Result<Incarnation, PacketError> {
        self.u64().map(Incarnation)
    }

    pub(super) fn addr(&mut self) -> Result<SocketAddr, PacketError> {
        let ip: IpAddr = match self.u8()? {
            4 => self.array::<4>()?.into(),
            6 => self.array::<16>()?.into(),
            unknown => return Err(PacketError::Family(unknown)),
        };
        Ok(SocketAddr::new(ip, self.u16()?))
    }

    pub(super) fn name(&mut self) -> Result<NodeName, PacketError> {
        NodeName::from_bytes(self.counted()?).map_err(|_| PacketError::Name)
    }

    /// A text of a profile.
    pub(super) fn text(&mut self) -> Result<String, PacketError> {
        let text = str::from_utf8(self.counted()?).map_err(|_| PacketError::Profile)?;
        Ok(text.to_owned())
    }

    /// As many bytes as the one before them says.
    fn counted(&mut self) -> Result<&'a [u8], PacketError> {
        let len = usize::from(self.u8()?);
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(PacketError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }
}
