//! One handshake, on either side: from a QUIC connection to an established one.
//!
//! The decisions are `odeon_wire`'s; here its steps are carried out. A connection that does not get through is
//! closed with a code, whatever ends the exchange. What got through goes to `Hub::adopt`.

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::UNIX_EPOCH,
};

use odeon_message::NodeId;
use odeon_wire::{
    ClockTerms, CloseCode, ClusterName, Frame, FrameLimits, FrameReader, Handshake, HandshakeError,
    Hello, NodeName, Preamble, Purpose, Refuse, RefuseReason, Step, Surroundings,
    format::PREAMBLE_BYTES,
};
use quinn::ConnectionError;
use rustls::pki_types::CertificateDer;

use crate::{
    HandshakeFailure, PeerId, RefusedReason,
    carrier::{Connection, Incoming, RecvStream, SendStream},
    hub::Hub,
    identity::certificate_names,
    rotation::Shown,
    tls::no_common_protocol,
};

/// The control stream goes before lanes, so that credit is never behind messages.
const CONTROL_PRIORITY: i32 = 1;
/// Bytes read at once from a control stream.
const READ_BYTES: usize = 64 << 10;

/// A connection that is closed with a code when it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    connection: Option<Connection>,
    code: CloseCode,
}

impl Held {
    fn new(connection: Connection, code: CloseCode) -> Self {
        Self { connection: Some(connection), code }
    }

    fn get(&self) -> &Connection {
        self.connection.as_ref().expect("it is taken only by the methods that consume the whole")
    }

    pub(crate) fn close(mut self, code: CloseCode, text: &str) {
        if let Some(connection) = self.connection.take() {
            close(&connection, code, text);
        }
    }

    pub(crate) fn release(mut self) -> Connection {
        self.connection.take().expect("it is taken only by the methods that consume the whole")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            close(&connection, self.code, "");
        }
    }
}

/// Closes a connection with a code of the protocol.
pub(crate) fn close(connection: &Connection, code: CloseCode, text: &str) {
    let cut = text.floor_char_boundary(odeon_wire::format::TEXT_BYTES_MAX);
    connection.close(code.code(), &text.as_bytes()[..cut]);
}

/// A connection that passed its handshake. Dropping it closes it as superseded.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) connection: Held,
    pub(crate) control: (SendStream, RecvStream),
    /// Has the bytes that came behind the handshake.
    pub(crate) reader: FrameReader,
    /// What the peer says about itself.
    pub(crate) hello: Hello,
    /// What the control stream starts with: an acceptor's welcome.
    pub(crate) first: Vec<u8>,
    /// The peer's certificate, and how it was accepted.
    pub(crate) shown: Shown,
    /// The number of the last dial of ours that the peer was told with it: that of this dial, or the one in our
    /// welcome. The peer lets later dials replace this connection, and so must we.
    pub(crate) our_dial: u64,
    /// Which incarnation of ours the peer was told, as `Shared::lives` counts them.
    pub(crate) lives: u64,
}

impl Established {
    /// Where the peer can be dialled: as advertised, or, where that is no address, where it came from.
    pub(crate) fn reachable_at(&self) -> SocketAddr {
        let mut addr = self.hello.advertised;
        if addr.ip().is_unspecified() {
            addr.set_ip(self.connection.get().remote_address().ip().to_canonical());
        }
        addr
    }
}

/// How a dial ended that was not refused.
#[derive(Debug)]
pub(crate) enum Dialled {
    /// Well.
    Established(Box<Established>),
    /// Another connection to this node became its association meanwhile, or will.
    Superseded(NodeId),
}

/// Dials, as far as an established connection.
///
/// # Cancel safety
/// Dropping it closes the connection as superseded.
pub(crate) async fn dial(
    hub: &Rc<Hub>,
    addr: SocketAddr,
    expected: Option<PeerId>,
) -> Result<Dialled, RefusedReason> {
    let limit = hub.shared.config.handshake_timeout;
    let result = match tokio::time::timeout(limit, try_dial(hub, addr, expected)).await {
        Ok(result) => result,
        Err(_) => Err(RefusedReason::NoAnswer(format!("nothing within {limit:?}").into())),
    };
    hub.shared.counters.handshakes.fetch_add(1, Ordering::Relaxed);
    match &result {
        Err(reason) if reason.is_gone() || reason.is_stopping() => {
            hub.shared.counters.failures.failed(false, HandshakeFailure::of(reason));
            tracing::debug!(%addr, %reason, "whoever is dialled is not there any more");
        }
        Err(reason) => {
            hub.failed_handshake(addr, false, HandshakeFailure::of(reason), &reason.to_string());
        }
        Ok(Dialled::Superseded(_)) => {
            hub.shared.counters.failures.failed(false, HandshakeFailure::Duplicate);
        }
        Ok(Dialled::Established(_)) => {}
    }
    result
}

async fn try_dial(
    hub: &Rc<Hub>,
    addr: SocketAddr,
    expected: Option<PeerId>,
) -> Result<Dialled, RefusedReason> {
    // Numbered when it begins: the peer tells by that which dials crossed an association and which came after it.
    let (local, lives) = hub.shared.next_hello();
    let accepted_under = hub.standing.changes();
    let connecting =
        hub.endpoint.dial(addr).map_err(|cause| RefusedReason::NoAnswer(cause.into()))?;
    let lost = |cause: ConnectionError| refused_reason(&cause);
    let connection = Held::new(connecting.established().await.map_err(lost)?, CloseCode::Duplicate);
    let (certified, chain) = certified(hub, connection.get(), &local.cluster, true)?;
    let shown = Shown { chain, dialled: true, accepted_under };
    let (mut send, mut recv) = connection.get().open_bi().await.map_err(lost)?;
    let broken = |cause: &dyn std::fmt::Display| RefusedReason::Protocol(cause.to_string().into());
    let mut out = Preamble::CONTROL.encode().to_vec();
    let clock = clock_terms(hub);
    let mut handshake =
        Handshake::dial(&local, clock.now, &mut out).map_err(|cause| broken(&cause))?;
    // The stream is new: its priority can be set.
    send.set_priority(CONTROL_PRIORITY).map_err(|cause| broken(&cause))?;
    send.write_all(&out).await.map_err(|cause| connection_failed(&connection, &cause))?;
    let mut reader = FrameReader::new(Purpose::Control, FrameLimits::default());
    let frame = next_frame(&mut recv, &mut reader)
        .await
        .map_err(|cause| connection_failed(&connection, &cause))?;
    let around = Surroundings {
        local: &local,
        certified: &certified,
        expected: expected.map(|peer| peer.node),
        known: hub.known_to_dial(certified.id(), local.dial),
        clock,
    };
    match handshake.step(&frame, &around, &mut Vec::new()) {
        Step::Up { peer, .. } => Ok(Dialled::Established(Box::new(Established {
            connection,
            control: (send, recv),
            reader,
            hello: *peer,
            first: Vec::new(),
            shown,
            our_dial: local.dial,
            lives,
        }))),
        Step::Refused(refuse) | Step::Refuse(refuse) => {
            connection.close(CloseCode::Done, "");
            if refuse.reason == RefuseReason::Duplicate {
                return Ok(Dialled::Superseded(certified.id()));
            }
            Err(RefusedReason::ByPeer(refuse))
        }
        Step::Failed(HandshakeError::Unfit(refuse))
            if refuse.reason == RefuseReason::Quarantined =>
        {
            connection.close(CloseCode::Quarantined, &refuse.text);
            Err(RefusedReason::Gone(refuse.text))
        }
        Step::Failed(HandshakeError::Unfit(refuse)) if refuse.reason == RefuseReason::Clock => {
            connection.close(CloseCode::Refused, &refuse.text);
            Err(RefusedReason::Clock(refuse.text))
        }
        Step::Failed(HandshakeError::Superseded) => Ok(Dialled::Superseded(certified.id())),
        Step::Failed(cause @ (HandshakeError::Unfit(_) | HandshakeError::OtherNode { .. })) => {
            connection.close(CloseCode::Refused, &cause.to_string());
            Err(RefusedReason::Identity(cause.to_string().into()))
        }
        Step::Failed(cause) => {
            connection.close(CloseCode::Malformed, &cause.to_string());
            Err(broken(&cause))
        }
    }
}

/// Answers one handshake and hands what got through over.
pub(crate) async fn answer(hub: &Rc<Hub>, incoming: Incoming) {
    let addr = incoming.remote_address();
    let limit = hub.shared.config.handshake_timeout;
    let result = match tokio::time::timeout(limit, try_answer(hub, incoming)).await {
        Ok(result) => result,
        Err(_) => Err(Failed {
            why: HandshakeFailure::NoAnswer,
            text: format!("the peer did not finish within {limit:?}"),
        }),
    };
    hub.shared.counters.handshakes.fetch_add(1, Ordering::Relaxed);
    if let Err(Failed { why, text }) = result {
        hub.failed_handshake(addr, true, why, &text);
    }
}

/// How a peer's handshake failed, for a counter and for people.
struct Failed {
    why: HandshakeFailure,
    text: String,
}

impl From<RefusedReason> for Failed {
    fn from(reason: RefusedReason) -> Self {
        Self { why: HandshakeFailure::of(&reason), text: reason.to_string() }
    }
}

async fn try_answer(hub: &Rc<Hub>, incoming: Incoming) -> Result<(), Failed> {
    let remote = incoming.remote_address();
    let accepted_under = hub.standing.changes();
    let established = incoming.established().await;
    let connection = established.map_err(|cause| refused_reason(&cause))?;
    let connection = Held::new(connection, CloseCode::HandshakeTimeout);
    let (hello, _) = hub.shared.hello();
    let cluster = hello.cluster;
    let (certified, chain) = match certified(hub, connection.get(), &cluster, false) {
        Ok(certified) => certified,
        Err(reason) => {
            connection.close(CloseCode::Refused, &reason.to_string());
            return Err(reason.into());
        }
    };
    let lost = |cause: ConnectionError| Failed {
        why: HandshakeFailure::of(&refused_reason(&cause)),
        text: cause.to_string(),
    };
    let (send, mut recv) = connection.get().accept_bi().await.map_err(lost)?;
    let mut reader = FrameReader::new(Purpose::Control, FrameLimits::default());
    let frame = match first_frame(&mut recv, &mut reader).await {
        Ok(frame) => frame,
        Err(cause) => {
            connection.close(CloseCode::Malformed, &cause);
            return Err(Failed { why: HandshakeFailure::Protocol, text: cause });
        }
    };
    // From here to the end nothing waits, so that what is known stays true until it is acted upon.
    let hello = frame.body::<Hello>().ok();
    let incarnation = hello.as_ref().map(|hello| hello.incarnation);
    let addrs = [Some(remote), hello.map(|hello| hello.advertised)];
    let (local, lives) = hub.shared.hello();
    let around = Surroundings {
        local: &local,
        certified: &certified,
        expected: None,
        known: hub.known(certified.id(), incarnation, addrs),
        clock: clock_terms(hub),
    };
    let mut first = Vec::new();
    match Handshake::accept().step(&frame, &around, &mut first) {
        Step::Up { peer, .. } => {
            // The stream is open: its priority can be set.
            let _ = send.set_priority(CONTROL_PRIORITY);
            hub.adopt(Established {
                connection,
                control: (send, recv),
                reader,
                hello: *peer,
                first,
                shown: Shown { chain, dialled: false, accepted_under },
                our_dial: local.dial,
                lives,
            });
            Ok(())
        }
        Step::Refuse(refuse) | Step::Refused(refuse) => {
            turn_away(hub, connection, send, &first, (&refuse, &certified)).await
        }
        Step::Failed(cause) => {
            connection.close(CloseCode::Malformed, &cause.to_string());
            Err(Failed { why: HandshakeFailure::Protocol, text: format!("{certified}: {cause}") })
        }
    }
}

/// What the wall clock says now, and how far off a peer's may be.
fn clock_terms(hub: &Hub) -> ClockTerms {
    let now = hub.env.wall_clock().duration_since(UNIX_EPOCH).unwrap_or_default();
    ClockTerms { now, skew_max: hub.shared.config.clock_skew_max }
}

/// Says why a peer is refused, and closes.
async fn turn_away(
    hub: &Hub,
    connection: Held,
    mut send: SendStream,
    first: &[u8],
    (refuse, certified): (&Refuse, &NodeName),
) -> Result<(), Failed> {
    let why = HandshakeFailure::of_refusal(refuse.reason);
    let text = format!("{certified} is refused: {}: {}", refuse.reason, refuse.text);
    let sent = send.write_all(first).await.is_ok() && send.finish();
    if sent {
        // Closing drops what was not acknowledged, so the peer has to have it first.
        send.stopped().await;
    }
    connection.close(CloseCode::Refused, &refuse.text);
    match refuse.reason {
        // Two dials that cross are nothing to worry about, nor is a node that has not heard yet that it is gone, or that
        // this one goes.
        RefuseReason::Duplicate | RefuseReason::Quarantined | RefuseReason::Stopping => {
            hub.shared.counters.failures.failed(true, why);
            tracing::debug!("{text}");
            Ok(())
        }
        _ => Err(Failed { why, text }),
    }
}

/// The node that the peer's certificate names, and the whole chain; its cluster must be ours.
fn certified(
    hub: &Hub,
    connection: &Connection,
    cluster: &ClusterName,
    dialled: bool,
) -> Result<(NodeName, Arc<[CertificateDer<'static>]>), RefusedReason> {
    let refused = |text: String| Err(RefusedReason::NotAuthenticated(text.into()));
    let chain = connection.peer_chain().unwrap_or_default();
    let names = chain.first().and_then(certificate_names);
    if !connection.is_verified()
        && hub.standing.has_lists()
        && let Some(cause) = hub.mistrusts(&chain, dialled)
    {
        return Err(RefusedReason::Revoked(cause.to_string().into()));
    }
    match names {
        None => refused("the peer shows no certificate that names its node".to_owned()),
        Some((theirs, _)) if theirs != *cluster => {
            refused(format!("the peer's certificate is of cluster {theirs}, not of {cluster}"))
        }
        Some((_, node)) => Ok((node, chain.into())),
    }
}

/// Preamble and first frame of a control stream.
async fn first_frame(recv: &mut RecvStream, reader: &mut FrameReader) -> Result<Frame, String> {
    let mut preamble = [0; PREAMBLE_BYTES];
    recv.read_exact(&mut preamble).await.map_err(|cause| cause.to_string())?;
    match Preamble::decode(preamble) {
        Ok(preamble) if preamble == Preamble::CONTROL => next_frame(recv, reader).await,
        Ok(other) => Err(format!("a {} stream came before the control stream", other.purpose)),
        Err(cause) => Err(cause.to_string()),
    }
}

/// The next frame; an error says what was wrong with the stream.
async fn next_frame(recv: &mut RecvStream, reader: &mut FrameReader) -> Result<Frame, String> {
    loop {
        if let Some(frame) = reader.next().map_err(|cause| cause.to_string())? {
            return Ok(frame);
        }
        match recv.read_chunk(READ_BYTES).await {
            Ok(Some(bytes)) => reader.push(&bytes),
            Ok(None) => return Err("the peer ended the stream".to_owned()),
            Err(cause) => return Err(cause.to_string()),
        }
    }
}

/// Why a dialled connection broke: what QUIC says goes before what the stream says.
fn connection_failed(connection: &Held, cause: &dyn std::fmt::Display) -> RefusedReason {
    match connection.get().close_reason() {
        Some(reason) => refused_reason(&reason),
        None => RefusedReason::Protocol(cause.to_string().into()),
    }
}

/// TLS alerts are QUIC's errors from 0x100 to 0x1ff (RFC 9001, 4.8).
fn is_tls(code: quinn::TransportErrorCode) -> bool {
    (0x100..0x200).contains(&u64::from(code))
}

/// The alert of a certificate that was revoked (RFC 8446, 6.2), as an error of QUIC.
const REVOKED: u64 = 0x100 + 44;

/// The alert of a peer that was offered no protocol which it speaks (RFC 7301, 3.2), as an error of QUIC.
const NO_PROTOCOL: u64 = 0x100 + 120;

fn refused_reason(cause: &ConnectionError) -> RefusedReason {
    let text = cause.to_string().into();
    match cause {
        ConnectionError::TransportError(error) if u64::from(error.code) == NO_PROTOCOL => {
            RefusedReason::Version(no_common_protocol().into())
        }
        ConnectionError::ConnectionClosed(close) if u64::from(close.error_code) == NO_PROTOCOL => {
            RefusedReason::Version(no_common_protocol().into())
        }
        ConnectionError::TransportError(error) if u64::from(error.code) == REVOKED => {
            RefusedReason::Revoked(text)
        }
        ConnectionError::ConnectionClosed(close) if u64::from(close.error_code) == REVOKED => {
            RefusedReason::Revoked(text)
        }
        ConnectionError::TransportError(error) if is_tls(error.code) => {
            RefusedReason::NotAuthenticated(text)
        }
        ConnectionError::ConnectionClosed(close) if is_tls(close.error_code) => {
            RefusedReason::NotAuthenticated(text)
        }
        ConnectionError::ApplicationClosed(close) => {
            let (code, text) = close_code(close);
            match code {
                CloseCode::Refused => RefusedReason::NotAuthenticated(text),
                code => {
                    RefusedReason::NoAnswer(format!("closed by the peer: {code} {text}").into())
                }
            }
        }
        ConnectionError::VersionMismatch | ConnectionError::TransportError(_) => {
            RefusedReason::Protocol(text)
        }
        _ => RefusedReason::NoAnswer(text),
    }
}

/// Code and text that a peer closed a connection with.
pub(crate) fn close_code(close: &quinn::ApplicationClose) -> (CloseCode, Box<str>) {
    let code = u16::try_from(close.error_code.into_inner()).unwrap_or(u16::MAX);
    let text = String::from_utf8_lossy(&close.reason);
    let cut = text.floor_char_boundary(odeon_wire::format::TEXT_BYTES_MAX);
    (CloseCode::from_code(code), text[..cut].into())
}
