//! Every error of the control payloads, and what encoding cuts.

use odeon_message::{
    ActorKey, ActorTypeId, Address, Certainty, Failure, FailureKind, Incarnation, NodeId,
};

use super::*;
use crate::format::{
    CREDIT_TOTALS_MAX, PROBE_ACTOR_BYTES_MAX, PROBE_WAITS_MAX, PROBE_WAYS_MAX, TEXT_BYTES_MAX,
};

fn bytes<B: Body>(body: &B) -> Vec<u8> {
    let mut out = Vec::new();
    body.encode(&mut out);
    out
}

fn address() -> Address {
    Address {
        node: NodeId(1),
        incarnation: Incarnation(2),
        key: ActorKey { slot: 3, generation: 4 },
        actor_type: ActorTypeId(5),
    }
}

fn terminated(text: &str) -> Terminated {
    let reason = TerminatedReason::Other(200);
    Terminated { watch: 7, watched: address().key, reason, text: text.into() }
}

fn probe(waits: u64) -> Probe {
    let wait = |number| ProbeWait {
        node: NodeId(1),
        incarnation: Incarnation(2),
        number,
        ask: odeon_message::AskId(number),
        actor: format!("bank/Account {number}").into(),
    };
    Probe {
        round: ProbeRound::Seek,
        ways: 1,
        confirmed: 0,
        asked: address().key,
        waits: (0..waits).map(wait).collect(),
    }
}

/// Every cut of a payload is an error, and so is a byte too many.
fn assert_exact<B: Body + std::fmt::Debug + PartialEq>(body: &B) {
    let whole = bytes(body);
    assert_eq!(B::decode(&whole).as_ref(), Ok(body));
    for len in 0..whole.len() {
        let error = B::decode(&whole[..len]).unwrap_err();
        assert!(matches!(error, PayloadError::Truncated { .. }), "{len}: {error}");
    }
    let more = [&whole[..], &[0]].concat();
    assert_eq!(B::decode(&more), Err(PayloadError::Trailing { bytes: 1 }));
}

#[test]
fn payloads_are_read_whole_or_not_at_all() {
    let failure = Failure::new(FailureKind::Decode, Certainty::MayHaveRun, "why");
    assert_exact(&failure);
    assert_exact(&Refuse { reason: RefuseReason::Busy, known: None, text: "later".into() });
    assert_exact(&Close { code: CloseCode::Other(999), text: "".into() });
    assert_exact(&terminated("boom"));
    assert_exact(&Watch { watch: 7, watcher: address().key, watched: address().key });
    assert_exact(&Unwatch { watch: 7, watched: address().key });
    assert_exact(&probe(2));
    assert_exact(&ProbeAnswer { initiator: address(), last: address() });
    for kind in [FrameKind::Message, FrameKind::Reply] {
        assert_exact(&Announce { stream: 1, frame_bytes: 2, kind });
    }
    assert_exact(&Ping { token: u64::MAX });
    assert_exact(&Pong { token: 0 });
}

#[test]
fn credit_has_whole_totals() {
    let total = CreditTotal { receiver: address().key, messages: 1, bytes: u64::MAX };
    let credit = Credit { totals: vec![total; 3] };
    let whole = bytes(&credit);
    assert_eq!(Credit::decode(&whole), Ok(credit));
    assert_eq!(Credit::decode(&[]), Ok(Credit::default()));
    assert_eq!(Credit::decode(&whole[..30]), Err(PayloadError::Trailing { bytes: 6 }));
    let many = Credit { totals: vec![total; CREDIT_TOTALS_MAX + 1] };
    assert_eq!(Credit::decode(&bytes(&many)).unwrap().totals.len(), CREDIT_TOTALS_MAX);
    let found = CREDIT_TOTALS_MAX + 1;
    let error = PayloadError::TooMany { what: "credit totals", found, bound: CREDIT_TOTALS_MAX };
    assert_eq!(error.to_string(), "credit totals has 1025, at most 1024 are accepted");
    assert_eq!(Credit::decode(&vec![0; found * 24]), Err(error));
}

#[test]
fn a_probe_keeps_within_its_bounds() {
    let value = |what| PayloadError::Value { what, found: 0 };
    let many = |what, found, bound| PayloadError::TooMany { what, found, bound };
    assert_eq!(Probe::decode(&bytes(&probe(0))), Err(value("waits of a probe")));
    assert_eq!(Probe::decode(&[1, 0]), Err(value("ways of a probe")));
    let ways = PROBE_WAYS_MAX + 1;
    let error = many("ways of a probe", ways, PROBE_WAYS_MAX);
    assert_eq!(Probe::decode(&[1, ways as u8]), Err(error));
    let long = bytes(&probe(PROBE_WAITS_MAX as u64 + 1));
    assert_eq!(Probe::decode(&long).unwrap().waits.len(), PROBE_WAITS_MAX, "it is cut");
    let waits = PROBE_WAITS_MAX + 1;
    let error = many("waits of a probe", waits, PROBE_WAITS_MAX);
    assert_eq!(Probe::decode(&[1, 1, waits as u8]), Err(error));
    let error = many("confirmed waits", 4, 3);
    assert_eq!(Probe::decode(&[2, 1, 2, 4]), Err(error), "twice round is too far");
    let mut named = probe(1);
    named.waits[0].actor = "n".repeat(PROBE_ACTOR_BYTES_MAX + 1).into();
    let read = Probe::decode(&bytes(&named)).unwrap();
    assert_eq!(read.waits[0].actor.len(), PROBE_ACTOR_BYTES_MAX);
    // One that goes round for another reason is read, so that it can be ignored.
    let other = Probe { round: ProbeRound::Other(9), ..probe(1) };
    assert_eq!(Probe::decode(&bytes(&other)), Ok(other));
    // The longest one is as long as a frame may say.
    let mut longest = probe(PROBE_WAITS_MAX as u64);
    longest.waits.iter_mut().for_each(|wait| wait.actor = "n".repeat(200).into());
    let longest_bytes = bytes(&longest).len();
    let bound = FrameKind::Probe.payload_bytes_max(crate::Purpose::Control);
    assert_eq!(bound, Some(longest_bytes));
}

#[test]
fn texts_are_cut_at_a_character() {
    let text = format!("{}ß", "x".repeat(TEXT_BYTES_MAX - 1));
    let read = Terminated::decode(&bytes(&terminated(&text))).unwrap();
    assert_eq!(*read.text, text[..TEXT_BYTES_MAX - 1]);
    let detail = "y".repeat(Failure::DETAIL_BYTES_MAX + 1);
    let failure = Failure::not_delivered(FailureKind::Full, detail.as_str());
    let read = Failure::decode(&bytes(&failure)).unwrap();
    assert_eq!(read.detail.len(), Failure::DETAIL_BYTES_MAX);
}

#[test]
fn texts_are_bounded_utf8() {
    let what = "refuse text";
    let long = PayloadError::TooMany { what, found: 257, bound: 256 };
    assert_eq!(Refuse::decode(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]), Err(long));
    let text = PayloadError::Text { what, at: 1 };
    assert_eq!(text.to_string(), "refuse text is not UTF-8 from byte 1");
    assert_eq!(Refuse::decode(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, b'a', 0xff]), Err(text));
}

#[test]
fn numbers_without_meaning_are_kept_or_refused() {
    let refuse = Refuse::decode(&[77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    assert_eq!(refuse.reason, RefuseReason::Other(77));
    assert_eq!(refuse.reason.to_string(), "code 77, unknown to this node");
    let value = |what, found| PayloadError::Value { what, found };
    assert_eq!(Refuse::decode(&[1, 5, 0, 0]), Err(value("refuse reserved byte", 5)));
    assert_eq!(Failure::decode(&[0, 0, 0, 0]), Err(value("failure kind", 0)));
    assert_eq!(Failure::decode(&[99, 0, 0, 0]), Err(value("failure kind", 99)));
    let certainty = value("certainty", 3);
    assert_eq!(certainty.to_string(), "certainty is 3, which has no meaning");
    assert_eq!(Failure::decode(&[1, 3, 0, 0]), Err(certainty));
}

#[test]
fn codes_are_their_own_inverse() {
    for code in 0..=255 {
        assert_eq!(RefuseReason::from_code(code).code(), code);
        assert_eq!(TerminatedReason::from_code(code).code(), code);
        assert_eq!(ProbeRound::from_code(code).code(), code);
        assert_eq!(CloseCode::from_code(u16::from(code)).code(), u16::from(code));
    }
}
