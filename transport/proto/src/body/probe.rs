//! Small questions between nodes: is the peer there, and do asks wait in a circle?

use odeon_message::Address;

use crate::{
    Body, FrameKind, PayloadError,
    bytes::{ByteReader, put_address},
};

macro_rules! token {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name {
            /// Chosen by who pings, returned as it came.
            pub token: u64,
        }

        impl Body for $name {
            const KIND: FrameKind = FrameKind::$name;

            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.token.to_le_bytes());
            }

            fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
                let mut read = ByteReader::new(bytes);
                let token = read.u64("token")?;
                read.end()?;
                Ok(Self { token })
            }
        }
    };
}

token! {
    /// Asks for a [`Pong`].
    Ping
}
token! {
    /// Answers a [`Ping`].
    Pong
}

/// One step of deadlock detection along the edges of waiting (Chandy, Misra, Haas 1983, the AND model).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probe {
    /// Who began: its ask is in the header.
    pub initiator: Address,
    /// Who waits.
    pub waiting: Address,
    /// For whom; lives on the node that receives the frame.
    pub asked: Address,
}

impl Body for Probe {
    const KIND: FrameKind = FrameKind::Probe;

    fn encode(&self, out: &mut Vec<u8>) {
        put_address(out, &self.initiator);
        put_address(out, &self.waiting);
        put_address(out, &self.asked);
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut read = ByteReader::new(bytes);
        let initiator = read.address("initiator")?;
        let waiting = read.address("waiting")?;
        let asked = read.address("asked")?;
        read.end()?;
        Ok(Self { initiator, waiting, asked })
    }
}

/// A probe came back to its initiator: the asks wait in a circle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProbeAnswer {
    /// Who began: its ask is in the header.
    pub initiator: Address,
    /// The last actor of the circle, which waits for the initiator.
    pub last: Address,
}

impl Body for ProbeAnswer {
    const KIND: FrameKind = FrameKind::ProbeAnswer;

    fn encode(&self, out: &mut Vec<u8>) {
        put_address(out, &self.initiator);
        put_address(out, &self.last);
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut read = ByteReader::new(bytes);
        let initiator = read.address("initiator")?;
        let last = read.address("last of the circle")?;
        read.end()?;
        Ok(Self { initiator, last })
    }
}
