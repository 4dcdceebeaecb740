//! Every rule of admission by itself; `tests/handshake.rs` plays whole pairs.

use odeon_message::{Incarnation, NodeId};

use super::*;
use crate::{
    AcceptedTable, ClusterName, FrameLimits, FrameReader, InitialCredit, Ping, Purpose, Revisions,
};

/// By hash the lower id and the higher one.
const LOWER: &str = "a";
const HIGHER: &str = "b";

/// What the clocks of both say.
const NOW: Duration = Duration::from_secs(1_000);

fn hello(name: &str) -> Hello {
    let name = NodeName::new(name).unwrap();
    Hello {
        revisions: Revisions { min: 1, max: 1 },
        cluster: ClusterName::new("c").unwrap(),
        node: name.id(),
        name,
        incarnation: Incarnation(5),
        dial: 5,
        advertised: "10.0.0.1:7400".parse().unwrap(),
        lanes: 4,
        frame_bytes_max: 1 << 20,
        bulk: None,
        credit: InitialCredit::default(),
        guest: false,
        accepted: AcceptedTable::default(),
    }
}

fn judge(hello: &Hello, known: Known) -> Admission {
    let local = self::hello(if hello.name.as_str() == LOWER { HIGHER } else { LOWER });
    let certified = hello.name.clone();
    admit(hello, &local, &certified, known)
}

fn reason(admission: Admission) -> RefuseReason {
    match admission {
        Admission::Refuse(refuse) => refuse.reason,
        other => panic!("{other:?}"),
    }
}

const WELCOME: Admission = Admission::Welcome { revision: 1 };
const REPLACE: Admission = Admission::ReplaceOld { revision: 1 };

fn linked(link: Link) -> Known {
    Known { link, ..Known::default() }
}

fn associated(incarnation: u64, dial: u64) -> Known {
    linked(Link::Associated { incarnation: Incarnation(incarnation), dial })
}

#[test]
fn the_names_have_the_order_they_are_called_by() {
    assert!(NodeId::of(LOWER) < NodeId::of(HIGHER));
}

#[test]
fn strangers_are_welcome_if_they_fit() {
    assert_eq!(judge(&hello(LOWER), Known::default()), WELCOME);
    let other = Hello { cluster: ClusterName::new("d").unwrap(), ..hello(LOWER) };
    let Admission::Refuse(refuse) = judge(&other, Known::default()) else { panic!() };
    assert_eq!(refuse.reason, RefuseReason::Cluster);
    assert_eq!(&*refuse.text, "this is cluster c, the peer is of d");
    let later = Hello { revisions: Revisions { min: 2, max: 3 }, ..hello(LOWER) };
    assert_eq!(reason(judge(&later, Known::default())), RefuseReason::Revision);
}

#[test]
fn name_id_and_certificate_agree() {
    let (local, peer) = (hello(HIGHER), hello(LOWER));
    let certified = NodeName::new("x").unwrap();
    let judged = admit(&peer, &local, &certified, Known::default());
    assert_eq!(reason(judged), RefuseReason::Identity);
    let lying = Hello { node: NodeId(1), ..peer };
    assert_eq!(reason(judge(&lying, Known::default())), RefuseReason::Identity);
    let judged = admit(&local, &local, &local.name, Known::default());
    assert_eq!(reason(judged), RefuseReason::OwnName);
}

#[test]
fn dead_and_older_lives_are_refused() {
    let newest = |number| Known { newest: Some(Incarnation(number)), ..Known::default() };
    assert_eq!(judge(&hello(LOWER), newest(5)), WELCOME);
    assert_eq!(reason(judge(&hello(LOWER), newest(6))), RefuseReason::StaleIncarnation);
    assert_eq!(reason(judge(&hello(LOWER), associated(6, 0))), RefuseReason::StaleIncarnation);
    let dead = |number| Known { quarantined: Some(Incarnation(number)), ..Known::default() };
    assert_eq!(judge(&hello(LOWER), dead(4)), WELCOME);
    assert_eq!(reason(judge(&hello(LOWER), dead(5))), RefuseReason::Quarantined);
    // Also while we dial: what is dead is not welcome because of a crossing.
    let dialling = Known { link: Link::Dialling, ..dead(5) };
    assert_eq!(reason(judge(&hello(LOWER), dialling)), RefuseReason::Quarantined);
}

#[test]
fn who_is_new_is_refused_where_there_is_no_room() {
    let full = |link| Known { is_full: true, ..linked(link) };
    assert_eq!(reason(judge(&hello(LOWER), full(Link::None))), RefuseReason::Busy);
    let stale = Known { newest: Some(Incarnation(6)), ..full(Link::None) };
    assert_eq!(reason(judge(&hello(LOWER), stale)), RefuseReason::StaleIncarnation, "it is graver");
}

#[test]
fn who_goes_down_takes_nobody_whatever_the_connections_are() {
    let stopping = |link| Known { is_stopping: true, ..linked(link) };
    let associated = Link::Associated { incarnation: Incarnation(4), dial: 1 };
    for link in [Link::None, Link::Dialling, associated] {
        assert_eq!(reason(judge(&hello(LOWER), stopping(link))), RefuseReason::Stopping);
    }
    let stale = Known { newest: Some(Incarnation(6)), ..stopping(Link::None) };
    assert_eq!(reason(judge(&hello(LOWER), stale)), RefuseReason::StaleIncarnation, "it is graver");
}

#[test]
fn of_two_dials_the_lower_id_wins() {
    assert_eq!(judge(&hello(LOWER), linked(Link::Dialling)), WELCOME);
    let refused = judge(&hello(HIGHER), linked(Link::Dialling));
    assert_eq!(reason(refused), RefuseReason::Duplicate);
}

#[test]
fn an_association_yields_to_a_later_dial_and_a_later_life() {
    for name in [LOWER, HIGHER] {
        assert_eq!(judge(&hello(name), associated(5, 4)), REPLACE);
        assert_eq!(judge(&hello(name), associated(4, 9)), REPLACE);
        for dial in [5, 6] {
            let refused = judge(&hello(name), associated(5, dial));
            assert_eq!(reason(refused), RefuseReason::Duplicate);
        }
    }
}

fn frame<B: Body>(body: &B) -> Frame {
    let mut out = Vec::new();
    write_body(&mut out, Header::bare(B::KIND), body, 1 << 20).unwrap();
    let mut reader = FrameReader::new(Purpose::Control, FrameLimits::default());
    reader.push(&out);
    reader.next().unwrap().unwrap()
}

struct Side {
    local: Hello,
    certified: NodeName,
    expected: Option<NodeId>,
    known: Known,
}

impl Side {
    /// The lower node, which talks to the higher.
    fn dialler() -> Self {
        let (local, peer) = (hello(LOWER), hello(HIGHER));
        let known = linked(Link::Dialling);
        Self { local, certified: peer.name.clone(), expected: Some(peer.node), known }
    }

    fn step(&self, mut handshake: Handshake, frame: &Frame) -> (Step, Vec<u8>) {
        let around = Surroundings {
            local: &self.local,
            certified: &self.certified,
            expected: self.expected,
            known: self.known,
            clock: ClockTerms { now: NOW, skew_max: NOW },
        };
        let mut out = Vec::new();
        let step = handshake.step(frame, &around, &mut out);
        assert_eq!(handshake, Handshake::Over);
        (step, out)
    }
}

fn welcome() -> Welcome {
    Welcome { revision: 1, hello: hello(HIGHER) }
}

#[test]
fn a_dialler_takes_the_welcome_of_whom_it_dialled() {
    let mut side = Side::dialler();
    let (step, out) = side.step(Handshake::AwaitsAnswer, &frame(&welcome()));
    let peer = Box::new(hello(HIGHER));
    assert_eq!(step, Step::Up { peer, revision: 1, replaces: false });
    assert!(out.is_empty());
    side.expected = Some(NodeId(1));
    let (step, _) = side.step(Handshake::AwaitsAnswer, &frame(&welcome()));
    assert!(matches!(step, Step::Failed(HandshakeError::OtherNode { expected: NodeId(1), .. })));
    side.expected = None;
    let (step, _) = side.step(Handshake::AwaitsAnswer, &frame(&welcome()));
    assert!(matches!(step, Step::Up { .. }));
}

#[test]
fn a_dialler_judges_too() {
    let mut side = Side::dialler();
    let newer = Welcome { revision: 2, ..welcome() };
    let (step, _) = side.step(Handshake::AwaitsAnswer, &frame(&newer));
    let error = HandshakeError::Revision { revision: 2, min: 1, max: 1 };
    assert_eq!(error.to_string(), "the peer chose revision 2, this node speaks 1 to 1");
    assert_eq!(step, Step::Failed(error));
    side.known.quarantined = Some(Incarnation(5));
    let (step, _) = side.step(Handshake::AwaitsAnswer, &frame(&welcome()));
    let Step::Failed(HandshakeError::Unfit(refuse)) = step else { panic!("{step:?}") };
    assert_eq!(refuse.reason, RefuseReason::Quarantined);
    side.known = associated(5, 0);
    let (step, _) = side.step(Handshake::AwaitsAnswer, &frame(&welcome()));
    assert_eq!(step, Step::Failed(HandshakeError::Superseded));
    side.known = associated(4, 0);
    let (step, _) = side.step(Handshake::AwaitsAnswer, &frame(&welcome()));
    assert!(matches!(step, Step::Up { replaces: true, .. }));
}

#[test]
fn a_dialler_hears_a_refusal() {
    let refuse = Refuse { reason: RefuseReason::Busy, known: None, text: "full".into() };
    let (step, out) = Side::dialler().step(Handshake::AwaitsAnswer, &frame(&refuse));
    assert_eq!(step, Step::Refused(refuse));
    assert!(out.is_empty());
}

#[test]
fn an_acceptor_answers_every_hello() {
    let mut side = Side { known: Known::default(), expected: None, ..Side::dialler() };
    let (step, out) = side.step(Handshake::accept(), &frame(&hello(HIGHER)));
    assert!(matches!(step, Step::Up { replaces: false, .. }));
    assert_eq!(out[1], FrameKind::Welcome as u8);
    side.known = associated(5, 4);
    let (step, _) = side.step(Handshake::accept(), &frame(&hello(HIGHER)));
    assert!(matches!(step, Step::Up { replaces: true, .. }));
    side.known = associated(5, 5);
    let (step, out) = side.step(Handshake::accept(), &frame(&hello(HIGHER)));
    assert!(matches!(step, Step::Refuse(_)));
    assert_eq!(out[1], FrameKind::Refuse as u8);
}

#[test]
fn a_clock_that_is_far_off_is_refused_on_either_side() {
    let side = Side { known: Known::default(), ..Side::dialler() };
    let clock = |clock| Extensions { clock: Some(clock), ..Extensions::default() };
    let mut hello = frame(&hello(HIGHER));
    hello.extensions = clock(NOW * 2);
    let (step, _) = side.step(Handshake::accept(), &hello);
    assert!(matches!(step, Step::Up { .. }), "{step:?}");
    hello.extensions = clock(NOW * 3);
    let (step, out) = side.step(Handshake::accept(), &hello);
    let Step::Refuse(refuse) = step else { panic!("{step:?}") };
    assert_eq!((refuse.reason, out[1]), (RefuseReason::Clock, FrameKind::Refuse as u8));
    let mut welcome = frame(&welcome());
    welcome.extensions = clock(NOW * 3);
    let (step, _) = side.step(Handshake::AwaitsAnswer, &welcome);
    let Step::Failed(HandshakeError::Unfit(refuse)) = step else { panic!("{step:?}") };
    assert_eq!(refuse.reason, RefuseReason::Clock);
}

#[test]
fn a_guest_is_known_on_either_side() {
    let mut side = Side { known: Known::default(), ..Side::dialler() };
    let guest = Extensions { guest: true, ..Extensions::default() };
    for is_guest in [false, true] {
        let said = if is_guest { guest.clone() } else { Extensions::default() };
        let (mut hello, mut welcome) = (frame(&hello(HIGHER)), frame(&welcome()));
        (hello.extensions, welcome.extensions) = (said.clone(), said);
        for (handshake, frame) in
            [(Handshake::accept(), &hello), (Handshake::AwaitsAnswer, &welcome)]
        {
            let (step, _) = side.step(handshake, frame);
            let Step::Up { peer, .. } = step else { panic!("{step:?}") };
            assert_eq!(peer.guest, is_guest);
        }
    }
    // It says so itself, whoever dials.
    side.local.guest = true;
    let mut dialled = Vec::new();
    assert_eq!(Handshake::dial(&side.local, NOW, &mut dialled), Ok(Handshake::AwaitsAnswer));
    let (_, answered) = side.step(Handshake::accept(), &frame(&hello(HIGHER)));
    for bytes in [dialled, answered] {
        let mut reader = FrameReader::new(Purpose::Control, FrameLimits::default());
        reader.push(&bytes);
        let extensions = reader.next().unwrap().unwrap().extensions;
        assert!(extensions.guest && extensions.clock == Some(NOW));
    }
}

#[test]
fn frames_out_of_place_end_a_handshake() {
    let side = Side::dialler();
    let ping = frame(&Ping { token: 1 });
    for (handshake, expected) in [
        (Handshake::AwaitsHello, "a hello"),
        (Handshake::AwaitsAnswer, "a welcome or a refusal"),
        (Handshake::Over, "nothing: it is over"),
    ] {
        let (step, out) = side.step(handshake, &ping);
        let found = FrameKind::Ping;
        assert_eq!(step, Step::Failed(HandshakeError::Unexpected { found, expected }));
        assert!(out.is_empty());
    }
    let mut damaged = frame(&hello(HIGHER));
    damaged.payload = odeon_message::Payload::copy_from(&[0; 3]);
    let (step, _) = side.step(Handshake::AwaitsHello, &damaged);
    assert!(matches!(step, Step::Failed(HandshakeError::Payload { .. })));
}

#[test]
fn an_answer_that_cannot_be_written_fails() {
    let side = Side { known: Known::default(), ..Side::dialler() };
    let around = Surroundings {
        local: &side.local,
        certified: &side.certified,
        expected: None,
        known: side.known,
        clock: ClockTerms { now: NOW, skew_max: NOW },
    };
    let mut out = vec![0; 3];
    let step = Handshake::accept().step(&frame(&hello(HIGHER)), &around, &mut out);
    let error = EncodeFrameError::Misaligned { len: 3 };
    assert_eq!(step, Step::Failed(HandshakeError::Encode(error.clone())));
    assert_eq!(Handshake::dial(&side.local, NOW, &mut out), Err(error));
}
