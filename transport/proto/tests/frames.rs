//! Frames come out as they went in, however the stream is cut, and memory follows what has arrived.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::time::Duration;

use odeon_message::{
    ActorKey, ActorTypeId, Address, AskId, Fingerprint, Incarnation, MessageId, NodeId,
};
use odeon_wire::{
    Extensions, Frame, FrameKind, FrameLimits, FrameReader, FrameWriter, Header, Purpose,
    StreamCredit, TraceContext, TraceState,
};
use proptest::{collection::vec, option, prelude::*};

const BOUND: usize = 1 << 20;

#[derive(Clone, Debug)]
struct Sent {
    header: Header,
    extensions: Extensions,
    payload: Vec<u8>,
}

fn header() -> impl Strategy<Value = Header> {
    (0..3_u8, any::<(u32, u32, u64)>(), 1_u64..).prop_map(
        |(kind, (slot, generation, message), ask)| match kind {
            0 => Header::message(ActorKey { slot, generation }, MessageId(message), AskId(ask)),
            1 => Header {
                message: MessageId(message),
                ..Header::of_ask(FrameKind::Reply, AskId(ask))
            },
            _ => Header::of_ask(FrameKind::StreamItem, AskId(ask)),
        },
    )
}

fn address() -> impl Strategy<Value = Address> {
    any::<(u64, u64, u32, u32, u64)>().prop_map(|(node, incarnation, slot, generation, kind)| {
        Address {
            node: NodeId(node),
            incarnation: Incarnation(incarnation),
            key: ActorKey { slot, generation },
            actor_type: ActorTypeId(kind),
        }
    })
}

fn extensions() -> impl Strategy<Value = Extensions> {
    let trace = any::<([u8; 16], [u8; 8], u8)>()
        .prop_map(|(trace_id, parent_id, flags)| TraceContext::new(trace_id, parent_id, flags))
        .prop_filter("zero is no id", TraceContext::is_valid);
    let state = prop_oneof![
        Just(TraceState::NONE),
        "[a-z][a-z0-9]{0,200}=[!-+.-<>-~]{1,200}".prop_map(|text| text.parse().unwrap()),
    ];
    let trace = (trace, state).prop_map(|(trace, state)| trace.with_state(state));
    (
        option::of(any::<u64>()),
        option::of(trace),
        vec(address(), 0..=16),
        option::of(any::<u64>()),
        option::of(any::<u64>()),
        option::of(any::<u64>()),
        option::of(any::<(u64, u64)>()),
        option::of(any::<u64>()),
        any::<bool>(),
    )
        .prop_map(
            |(micros, trace, chain, shard_epoch, repeat, layout, stream, clock, guest)| {
                Extensions {
                    remaining: micros.map(Duration::from_micros),
                    trace,
                    trace_ignored: false,
                    chain,
                    shard_epoch,
                    repeat,
                    layout: layout.map(Fingerprint),
                    stream: stream.map(|(items, bytes)| StreamCredit { items, bytes }),
                    clock: clock.map(Duration::from_micros),
                    guest,
                }
            },
        )
}

fn sent() -> impl Strategy<Value = Sent> {
    let payload = prop_oneof![
        6 => vec(any::<u8>(), 0..200),
        1 => (0..200_000_usize, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ];
    let extensions = prop_oneof![Just(Extensions::default()), extensions()];
    (header(), extensions, payload).prop_map(|(header, extensions, payload)| Sent {
        header,
        extensions,
        payload,
    })
}

fn batch(sent: &[Sent]) -> Vec<u8> {
    let mut out = Vec::new();
    for one in sent {
        let before = out.len();
        let mut frame = FrameWriter::begin(&mut out, one.header, &one.extensions).unwrap();
        frame.payload().extend_from_slice(&one.payload);
        let bytes = frame.finish(BOUND).unwrap();
        assert_eq!(out.len() - before, bytes);
        assert_eq!(out.len() % 16, 0);
    }
    out
}

fn assert_same(sent: &Sent, frame: &Frame) {
    assert_eq!(frame.header, sent.header);
    assert_eq!(frame.extensions, sent.extensions);
    assert_eq!(frame.payload.bytes(), sent.payload);
    assert_eq!(frame.payload.bytes().as_ptr().addr() % 16, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn frames_come_out_as_they_went_in(
        sent in vec(sent(), 0..12),
        cuts in vec(prop_oneof![1..100_usize, 1..70_000_usize], 1..20),
        keep in any::<bool>(),
        drain in any::<bool>(),
    ) {
        let bytes = batch(&sent);
        let mut reader = FrameReader::new(Purpose::Lane, FrameLimits::default());
        let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
        let (mut read, mut kept) = (0, Vec::new());
        while !rest.is_empty() {
            let cut = cuts.next().map_or(1, |cut| (*cut).min(rest.len()));
            let (chunk, left) = rest.split_at(cut);
            reader.push(chunk);
            rest = left;
            if !drain && !rest.is_empty() {
                continue;
            }
            while let Some(frame) = reader.next().unwrap() {
                assert_same(&sent[read], &frame);
                read += 1;
                if keep {
                    kept.push(frame);
                }
            }
        }
        prop_assert_eq!(read, sent.len());
        prop_assert_eq!(reader.end(), Ok(()));
        // Slabs that are shared are never written again.
        kept.iter().zip(&sent).for_each(|(frame, sent)| assert_same(sent, frame));
    }

    #[test]
    fn any_bytes_are_frames_or_an_error(
        bytes in vec(any::<u8>(), 0..400),
        cut in 1..400_usize,
        head in option::of((1..22_u8, 0..3_u8)),
    ) {
        let mut bytes = bytes;
        // Half of the time the first bytes make sense, so that what follows is reached.
        if let (Some((kind, units)), Some(start)) = (head, bytes.first_chunk_mut::<8>()) {
            *start = [1, kind, units, 0, start[4], 0, 0, 0];
        }
        for purpose in [Purpose::Control, Purpose::Lane, Purpose::Bulk] {
            let mut reader = FrameReader::new(purpose, FrameLimits::default());
            for chunk in bytes.chunks(cut) {
                reader.push(chunk);
                while let Ok(Some(_)) = reader.next() {}
            }
            prop_assert!(reader.held_bytes() <= 6 * 65_536);
        }
    }

    #[test]
    fn memory_follows_what_arrived(claimed in 0..BOUND - 32, arrived in 0..300_000_usize) {
        let mut out = Vec::new();
        let header = Header::message(ActorKey { slot: 0, generation: 0 }, MessageId(1), AskId::NONE);
        let mut frame = FrameWriter::begin(&mut out, header, &Extensions::default()).unwrap();
        let len = frame.payload().len() + claimed;
        frame.payload().resize(len, 7);
        frame.finish(BOUND).unwrap();
        out.truncate(arrived);
        let mut reader = FrameReader::new(Purpose::Lane, FrameLimits::default());
        let mut pushed = 0;
        for chunk in out.chunks(1400) {
            reader.push(chunk);
            pushed += chunk.len();
            let _whole = reader.next().unwrap();
            prop_assert!(reader.held_bytes() <= 2 * pushed + 4096, "{} held", reader.held_bytes());
        }
    }
}

#[test]
fn a_claim_costs_nothing() {
    let mut head = [0; 42];
    head[..8].copy_from_slice(&[1, 4, 0, 0, 0, 0, 15, 0]);
    let mut reader = FrameReader::new(Purpose::Lane, FrameLimits::default());
    reader.push(&head);
    assert!(reader.next().unwrap().is_none());
    assert_eq!(reader.held_bytes(), 4096);
}

#[test]
fn slabs_are_used_again_once_their_payloads_are_gone() {
    let mut out = Vec::new();
    let header = Header::of_ask(FrameKind::Reply, AskId(1));
    let mut frame = FrameWriter::begin(&mut out, header, &Extensions::default()).unwrap();
    frame.payload().extend_from_slice(&[1; 64]);
    frame.finish(BOUND).unwrap();
    let mut reader = FrameReader::new(Purpose::Lane, FrameLimits::default());
    let mut alive = std::collections::VecDeque::new();
    let mut starts = std::collections::BTreeSet::new();
    for _ in 0..100 {
        reader.push(&out);
        let frame = reader.next().unwrap().unwrap();
        starts.insert(frame.payload.bytes().as_ptr().addr());
        alive.push_back(frame);
        if alive.len() > 2 {
            alive.pop_front();
        }
    }
    assert!(starts.len() <= 5, "{} places", starts.len());
    assert!(reader.held_bytes() <= 5 * 4096);
}
