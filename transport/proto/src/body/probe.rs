//! Small questions between nodes: is the peer there, and do asks wait in a circle?

use odeon_message::{ActorKey, Address, AskId, Incarnation, NodeId};

use crate::{
    Body, FrameKind, PayloadError,
    body::code,
    bytes::{ByteReader, put_address, put_key, put_text},
    format::{PROBE_ACTOR_BYTES_MAX, PROBE_WAITS_MAX, PROBE_WAYS_MAX},
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

code! {
    /// Which time a probe goes round.
    ProbeRound: u8 {
        /// It looks for a way that leads back to its first wait.
        Seek = 1 "looks for a circle",
        /// It sees whether all waits of the circle that was found are still there.
        Confirm = 2 "looks at a circle once more",
    }
}

/// One wait that a probe has come over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProbeWait {
    /// The node on which somebody waits.
    pub node: NodeId,
    /// The life of that node.
    pub incarnation: Incarnation,
    /// The wait, as that node numbers them in that life.
    pub number: u64,
    /// What it waits for, if that is an ask to another node; else [`AskId::NONE`].
    pub ask: AskId,
    /// The actor that waits, for people; at most [`PROBE_ACTOR_BYTES_MAX`], a longer text is cut.
    pub actor: Box<str>,
}

/// One step of deadlock detection along the edges of waiting (Chandy, Misra, Haas 1983, the AND model).
///
/// The ask over which it has come, from the node that sends it to the one that receives it, is in the header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Probe {
    /// Which time it goes round.
    pub round: ProbeRound,
    /// Into how many ways it may still split; 1 to [`PROBE_WAYS_MAX`].
    pub ways: u8,
    /// In the second round, how many waits were found again, counted from the first; beyond their number it goes on
    /// to the one that is to end. In the first round 0.
    pub confirmed: u8,
    /// Who was asked, on the node that receives the frame.
    pub asked: ActorKey,
    /// The waits from the first on, each for the actor of the next; 1 to [`PROBE_WAITS_MAX`]. More are cut.
    pub waits: Vec<ProbeWait>,
}

impl Body for Probe {
    const KIND: FrameKind = FrameKind::Probe;

    fn encode(&self, out: &mut Vec<u8>) {
        let waits = &self.waits[..self.waits.len().min(PROBE_WAITS_MAX)];
        let count = u8::try_from(waits.len()).expect("the bound fits a byte");
        out.extend_from_slice(&[self.round.code(), self.ways, count, self.confirmed, 0, 0, 0, 0]);
        put_key(out, self.asked);
        for wait in waits {
            for part in [wait.node.0, wait.incarnation.0, wait.number, wait.ask.0] {
                out.extend_from_slice(&part.to_le_bytes());
            }
            put_text(out, &wait.actor, PROBE_ACTOR_BYTES_MAX);
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut read = ByteReader::new(bytes);
        let round = ProbeRound::from_code(read.u8("round of a probe")?);
        let ways = within(read.u8("ways of a probe")?, "ways of a probe", PROBE_WAYS_MAX)?;
        let count = within(read.u8("waits of a probe")?, "waits of a probe", PROBE_WAITS_MAX)?;
        let confirmed = read.u8("confirmed waits")?;
        let bound = 2 * usize::from(count) - 1;
        if usize::from(confirmed) > bound {
            let found = usize::from(confirmed);
            return Err(PayloadError::TooMany { what: "confirmed waits", found, bound });
        }
        read.zero("probe reserved bytes", 4)?;
        let asked = read.key("asked actor")?;
        let waits = (0..count).map(|_| wait(&mut read)).collect::<Result<_, _>>()?;
        read.end()?;
        Ok(Self { round, ways, confirmed, asked, waits })
    }
}

/// A number from 1 to its bound.
fn within(found: u8, what: &'static str, bound: usize) -> Result<u8, PayloadError> {
    match usize::from(found) {
        0 => Err(PayloadError::Value { what, found: 0 }),
        found if found > bound => Err(PayloadError::TooMany { what, found, bound }),
        _ => Ok(found),
    }
}

fn wait(read: &mut ByteReader<'_>) -> Result<ProbeWait, PayloadError> {
    Ok(ProbeWait {
        node: NodeId(read.u64("node of a wait")?),
        incarnation: Incarnation(read.u64("incarnation of a wait")?),
        number: read.u64("number of a wait")?,
        ask: AskId(read.u64("ask of a wait")?),
        actor: read.text("actor of a wait", PROBE_ACTOR_BYTES_MAX)?.into(),
    })
}

/// Answers a probe; kept for what needs to be told beyond the circle itself. Nothing sends it yet.
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
