//! Bounded reading and writing of fixed little-endian layouts: the ground under every control payload.
//!
//! A [`ByteReader`] never reads past its slice and never allocates before a bound was checked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use odeon_message::{ActorKey, ActorTypeId, Address, Incarnation, NodeId};

use crate::PayloadError;

pub(crate) const ADDRESS_BYTES: usize = 32;

pub(crate) struct ByteReader<'a>(&'a [u8]);

impl<'a> ByteReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(
        &mut self,
        what: &'static str,
        need: usize,
    ) -> Result<&'a [u8], PayloadError> {
        let truncated = PayloadError::Truncated { what, need, have: self.0.len() };
        let (head, rest) = self.0.split_at_checked(need).ok_or(truncated)?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<&'a [u8; N], PayloadError> {
        let truncated = PayloadError::Truncated { what, need: N, have: self.0.len() };
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(truncated)?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, PayloadError> {
        self.array(what).map(|[byte]| *byte)
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, PayloadError> {
        self.array(what).map(|bytes| u16::from_le_bytes(*bytes))
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, PayloadError> {
        self.array(what).map(|bytes| u32::from_le_bytes(*bytes))
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, PayloadError> {
        self.array(what).map(|bytes| u64::from_le_bytes(*bytes))
    }

    /// A reserved field: zero in this revision.
    pub(crate) fn zero(&mut self, what: &'static str, len: usize) -> Result<(), PayloadError> {
        match self.bytes(what, len)?.iter().find(|byte| **byte != 0) {
            None => Ok(()),
            Some(byte) => Err(PayloadError::Value { what, found: u64::from(*byte) }),
        }
    }

    /// A text with its length in 16 bits before it.
    pub(crate) fn text(
        &mut self,
        what: &'static str,
        bound: usize,
    ) -> Result<&'a str, PayloadError> {
        let found = usize::from(self.u16(what)?);
        if found > bound {
            return Err(PayloadError::TooMany { what, found, bound });
        }
        std::str::from_utf8(self.bytes(what, found)?)
            .map_err(|error| PayloadError::Text { what, at: error.valid_up_to() })
    }

    pub(crate) fn key(&mut self, what: &'static str) -> Result<ActorKey, PayloadError> {
        Ok(ActorKey { slot: self.u32(what)?, generation: self.u32(what)? })
    }

    pub(crate) fn address(&mut self, what: &'static str) -> Result<Address, PayloadError> {
        self.array(what).map(address)
    }

    pub(crate) fn socket_addr(&mut self, what: &'static str) -> Result<SocketAddr, PayloadError> {
        let family = self.u8(what)?;
        self.zero(what, 1)?;
        let port = self.u16(what)?;
        let ip = match family {
            4 => {
                let ip = Ipv4Addr::from(*self.array::<4>(what)?);
                self.zero(what, 12)?;
                IpAddr::V4(ip)
            }
            6 => IpAddr::V6(Ipv6Addr::from(*self.array::<16>(what)?)),
            found => return Err(PayloadError::Value { what, found: u64::from(found) }),
        };
        Ok(SocketAddr::new(ip, port))
    }

    pub(crate) fn end(self) -> Result<(), PayloadError> {
        match self.0.len() {
            0 => Ok(()),
            bytes => Err(PayloadError::Trailing { bytes }),
        }
    }
}

pub(crate) fn address(bytes: &[u8; ADDRESS_BYTES]) -> Address {
    let (words, _) = bytes.as_chunks::<8>();
    let long = |at: usize| u64::from_le_bytes(words[at]);
    let key = long(2);
    Address {
        node: NodeId(long(0)),
        incarnation: Incarnation(long(1)),
        key: ActorKey { slot: key as u32, generation: (key >> 32) as u32 },
        actor_type: ActorTypeId(long(3)),
    }
}

pub(crate) fn put_address(out: &mut Vec<u8>, address: &Address) {
    out.extend_from_slice(&address.node.0.to_le_bytes());
    out.extend_from_slice(&address.incarnation.0.to_le_bytes());
    put_key(out, address.key);
    out.extend_from_slice(&address.actor_type.0.to_le_bytes());
}

pub(crate) fn put_key(out: &mut Vec<u8>, key: ActorKey) {
    out.extend_from_slice(&key.slot.to_le_bytes());
    out.extend_from_slice(&key.generation.to_le_bytes());
}

pub(crate) fn put_socket_addr(out: &mut Vec<u8>, addr: SocketAddr) {
    let (family, ip) = match addr.ip() {
        IpAddr::V4(ip) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&ip.octets());
            (4, bytes)
        }
        IpAddr::V6(ip) => (6, ip.octets()),
    };
    out.extend_from_slice(&[family, 0]);
    out.extend_from_slice(&addr.port().to_le_bytes());
    out.extend_from_slice(&ip);
}

/// Appends a text with its length; what is beyond the bound is cut at a character.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str, bound: usize) {
    let cut = &text[..text.floor_char_boundary(bound)];
    let len = u16::try_from(cut.len()).expect("every bound on a text fits 16 bits");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(cut.as_bytes());
}
