//! The handshake: who may be whose peer, and which of several connections is the association.
//!
//! Pure decisions: [`admit`] judges one hello, [`Handshake`] steps through one connection's exchange. The transport
//! feeds frames in and carries out the [`Step`]; what it knows about the peer it passes as [`Known`]. Read
//! `credit.rs` next: what holds once the association is up.

mod admit;
mod clock;
#[cfg(test)]
mod tests;

use std::time::Duration;

use odeon_message::NodeId;
use thiserror::Error;

use crate::{
    Body, EncodeFrameError, Extensions, Frame, FrameKind, Header, Hello, LocalHello, NodeName,
    PayloadError, Refuse, RefuseReason, Welcome, format::CONTROL_FRAME_BYTES_MAX, write_body,
    write_extended,
};

pub use admit::{Admission, Known, Link, admit};
pub use clock::ClockTerms;

/// Where one connection's handshake is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handshake {
    /// The dialer has sent its hello.
    AwaitsAnswer,
    /// The acceptor has sent nothing.
    AwaitsHello,
    /// It is over, well or not.
    Over,
}

/// What a handshake is judged against.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// What this node says about itself, with `dial` set to the last dial it began.
    pub local: &'a LocalHello,
    /// The node name in the peer's certificate.
    pub certified: &'a NodeName,
    /// Whom this node dialled; `None` for a seed, and for an acceptor.
    pub expected: Option<NodeId>,
    /// What this node knows about the node in the certificate.
    pub known: Known,
    /// This node's wall clock, and how far the peer's may be from it.
    pub clock: ClockTerms,
}

/// What the transport must do now.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "a step that is not carried out leaves the peer waiting"]
pub enum Step {
    /// The association is up. An acceptor sends what was appended (the welcome) first, and gives up a dial of its
    /// own to this peer that has not ended, with [`CloseCode::Duplicate`](crate::CloseCode::Duplicate).
    Up {
        /// What the peer says about itself.
        peer: Box<Hello>,
        /// The revision both speak.
        revision: u16,
        /// Close the older connection to this peer with [`CloseCode::Replaced`](crate::CloseCode::Replaced).
        replaces: bool,
    },
    /// Send what was appended (the refusal), then close with [`CloseCode::Refused`](crate::CloseCode::Refused).
    Refuse(Refuse),
    /// The peer refused; it closes.
    Refused(Refuse),
    /// Close at once.
    Failed(HandshakeError),
}

/// Why a handshake ended without an answer of the protocol.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Caller: the batch for the answer is not on a frame boundary.
    #[error("the answer was not written")]
    Encode(#[from] EncodeFrameError),
    /// Peer: a frame that does not belong here.
    #[error("a {found} frame came where the handshake expects {expected}")]
    Unexpected {
        /// What came.
        found: FrameKind,
        /// What would be right.
        expected: &'static str,
    },
    /// Peer: the payload cannot be read.
    #[error("the {kind} frame cannot be read")]
    Payload {
        /// The frame.
        kind: FrameKind,
        /// What is wrong with it.
        source: PayloadError,
    },
    /// Peer: whoever answered must not be a peer. Nothing is sent back; close with
    /// [`CloseCode::Refused`](crate::CloseCode::Refused).
    #[error("the node that answered is refused: {}: {}", .0.reason, .0.text)]
    Unfit(Refuse),
    /// Peer: it agreed to a revision that this node does not speak.
    #[error("the peer chose revision {revision}, this node speaks {min} to {max}")]
    Revision {
        /// What the welcome says.
        revision: u16,
        /// The oldest this node speaks.
        min: u16,
        /// The newest.
        max: u16,
    },
    /// World: another node answers at this address. It may be dialled as itself.
    #[error("dialled node {expected}, but node {found} ({name}) answers at this address")]
    OtherNode {
        /// Who was meant.
        expected: NodeId,
        /// Who answered.
        found: NodeId,
        /// Its name.
        name: NodeName,
    },
    /// Nobody: another connection of the pair became the association meanwhile. Close with
    /// [`CloseCode::Duplicate`](crate::CloseCode::Duplicate).
    #[error("another connection to this node became the association meanwhile")]
    Superseded,
}

impl Handshake {
    /// Begins as the dialer: appends the hello, with what this node's wall clock says since 1970.
    ///
    /// # Errors
    /// [`EncodeFrameError::Misaligned`] if `out` is not on a frame boundary.
    pub fn dial(
        local: &LocalHello,
        clock: Duration,
        out: &mut Vec<u8>,
    ) -> Result<Self, EncodeFrameError> {
        let head = (Header::bare(FrameKind::Hello), &beside(local, clock));
        write_extended(out, head, local, CONTROL_FRAME_BYTES_MAX)?;
        Ok(Self::AwaitsAnswer)
    }

    /// Begins as the acceptor.
    #[must_use]
    pub fn accept() -> Self {
        Self::AwaitsHello
    }

    /// Takes the next frame of the control stream; an answer is appended to `out`.
    pub fn step(&mut self, frame: &Frame, around: &Surroundings<'_>, out: &mut Vec<u8>) -> Step {
        let kind = frame.header.kind;
        let result = match (std::mem::replace(self, Self::Over), kind) {
            (Self::AwaitsHello, FrameKind::Hello) => {
                read(frame).and_then(|hello| answer(hello, &frame.extensions, around, out))
            }
            (Self::AwaitsAnswer, FrameKind::Welcome) => {
                read(frame).and_then(|welcome| conclude(welcome, &frame.extensions, around))
            }
            (Self::AwaitsAnswer, FrameKind::Refuse) => read(frame).map(Step::Refused),
            (Self::AwaitsHello, _) => Err(unexpected(kind, "a hello")),
            (Self::AwaitsAnswer, _) => Err(unexpected(kind, "a welcome or a refusal")),
            (Self::Over, _) => Err(unexpected(kind, "nothing: it is over")),
        };
        result.unwrap_or_else(Step::Failed)
    }
}

fn unexpected(found: FrameKind, expected: &'static str) -> HandshakeError {
    HandshakeError::Unexpected { found, expected }
}

fn read<B: Body>(frame: &Frame) -> Result<B, HandshakeError> {
    frame.body().map_err(|source| HandshakeError::Payload { kind: B::KIND, source })
}

/// The acceptor's side.
fn answer(
    hello: Hello,
    beside_it: &Extensions,
    around: &Surroundings<'_>,
    out: &mut Vec<u8>,
) -> Result<Step, HandshakeError> {
    let local = around.local;
    let admission = match admit(&hello, local, around.certified, around.known) {
        Admission::Refuse(refuse) => Admission::Refuse(refuse),
        // Last, so that a peer that cannot come in anyway hears the graver reason.
        welcome => around.clock.judge(beside_it.clock).map_or_else(Admission::Refuse, |()| welcome),
    };
    let (revision, replaces) = match admission {
        Admission::Welcome { revision } => (revision, false),
        Admission::ReplaceOld { revision } => (revision, true),
        Admission::Refuse(refuse) => {
            let header = Header::bare(FrameKind::Refuse);
            write_body(out, header, &refuse, CONTROL_FRAME_BYTES_MAX)?;
            return Ok(Step::Refuse(refuse));
        }
    };
    let welcome = Welcome { revision, hello: local.clone() };
    let head = (Header::bare(FrameKind::Welcome), &beside(local, around.clock.now));
    write_extended(out, head, &welcome, CONTROL_FRAME_BYTES_MAX)?;
    let peer = Box::new(Hello { guest: beside_it.guest, ..hello });
    Ok(Step::Up { peer, revision, replaces })
}

/// The dialer's side: the acceptor has decided, but it may not be whom we want.
fn conclude(
    welcome: Welcome,
    beside_it: &Extensions,
    around: &Surroundings<'_>,
) -> Result<Step, HandshakeError> {
    let Welcome { revision, hello } = welcome;
    admit::vet(&hello, around.local, around.certified, &around.known)
        .map_err(HandshakeError::Unfit)?;
    around.clock.judge(beside_it.clock).map_err(HandshakeError::Unfit)?;
    if let Some(expected) = around.expected
        && expected != hello.node
    {
        return Err(HandshakeError::OtherNode { expected, found: hello.node, name: hello.name });
    }
    let ours = around.local.revisions;
    if !(ours.min..=ours.max).contains(&revision) {
        return Err(HandshakeError::Revision { revision, min: ours.min, max: ours.max });
    }
    match around.known.link {
        Link::Associated { incarnation, .. } if incarnation >= hello.incarnation => {
            Err(HandshakeError::Superseded)
        }
        link => {
            let replaces = matches!(link, Link::Associated { .. });
            let peer = Box::new(Hello { guest: beside_it.guest, ..hello });
            Ok(Step::Up { peer, revision, replaces })
        }
    }
}

/// What a hello and a welcome say beside their payload.
fn beside(local: &LocalHello, clock: Duration) -> Extensions {
    Extensions { clock: Some(clock), guest: local.guest, ..Extensions::default() }
}

/// A refusal with its text.
fn refuse(reason: RefuseReason, text: String) -> Refuse {
    Refuse { reason, known: None, text: text.into() }
}
