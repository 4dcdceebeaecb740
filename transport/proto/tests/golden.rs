//! The bytes of every frame kind, fixed: a difference here is a difference on the wire.
//!
//! Rows are 16 bytes. The first two of every frame are the header; `format.md` explains the rest.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

#[path = "sample/frames.rs"]
mod frames;

use std::collections::BTreeSet;

use odeon_wire::{
    Announce, Body, Close, Credit, Extensions, Frame, FrameKind, FrameLimits, FrameReader,
    FrameWriter, Header, Hello, OpenTrain, Ping, Pong, Preamble, Probe, ProbeAnswer, Refuse,
    StreamCredit, StreamEnd, Terminated, TraceState, Unwatch, Watch, Welcome, write_body,
    write_empty, write_extended,
};

const GOLDEN: [(&str, &str); 36] = [
    (
        "hello",
        "01010000 6b000000 00000000 00000000 \
         00000000 00000000 00000000 00000000 \
         01000200 04200004 00001000 00010000 \
         00001000 f8201448 bfbdc002 07000000 \
         00000000 03000000 00000000 0400e81c \
         0a000001 00000000 00000000 00000000 \
         06656173 742d3101 61020001 00000000 \
         0000000b 00000000 00000002 00000000 \
         00000016 00000000 00000000 00000000",
    ),
    (
        "hello with a clock",
        "01010100 6b000000 00000000 00000000 \
         00000000 00000000 00000000 00000000 \
         08000800 00c01239 0ac00600 00000000 \
         01000200 04200004 00001000 00010000 \
         00001000 f8201448 bfbdc002 07000000 \
         00000000 03000000 00000000 0400e81c \
         0a000001 00000000 00000000 00000000 \
         06656173 742d3101 61020001 00000000 \
         0000000b 00000000 00000002 00000000 \
         00000016 00000000 00000000 00000000",
    ),
    (
        "hello of a guest",
        "01010100 6b000000 00000000 00000000 \
         00000000 00000000 00000000 00000000 \
         09000000 00000000 00000000 00000000 \
         01000200 04200004 00001000 00010000 \
         00001000 f8201448 bfbdc002 07000000 \
         00000000 03000000 00000000 0400e81c \
         0a000001 00000000 00000000 00000000 \
         06656173 742d3101 61020001 00000000 \
         0000000b 00000000 00000002 00000000 \
         00000016 00000000 00000000 00000000",
    ),
    (
        "welcome",
        "01020000 6f000000 00000000 00000000 \
         00000000 00000000 00000000 00000000 \
         01000000 01000200 04200004 00001000 \
         00010000 00001000 f8201448 bfbdc002 \
         07000000 00000000 03000000 00000000 \
         0400e81c 0a000001 00000000 00000000 \
         00000000 06656173 742d3101 61020001 \
         00000000 0000000b 00000000 00000002 \
         00000000 00000016 00000000 00000000",
    ),
    (
        "refuse",
        "01030000 0e000000 00000000 00000000 \
         00000000 00000000 00000000 00000000 \
         01000700 00000000 00000200 6e6f0000",
    ),
    (
        "tell",
        "01040000 02000000 05000000 06000000 \
         88776655 44332211 00000000 00000000 \
         68690000 00000000 00000000 00000000",
    ),
    (
        "train",
        "01150000 20000000 05000000 06000000 \
         88776655 44332211 02000000 02000000 \
         68690000 00000000 00000000 00000000 \
         686f0000 00000000 00000000 00000000",
    ),
    (
        "ask",
        "01040800 10000000 05000000 06000000 \
         88776655 44332211 0d0c0b0a 00000000 \
         01000800 404b4c00 00000000 02001900 \
         aaaaaaaa aaaaaaaa aaaaaaaa aaaaaaaa \
         bbbbbbbb bbbbbbbb 01030040 00010000 \
         00000000 00110000 00000000 00210000 \
         00310000 00410000 00000000 00020000 \
         00000000 00120000 00000000 00220000 \
         00320000 00420000 00000000 00048008 \
         00090000 00000000 00000000 00000000 \
         30313233 34353637 38396162 63646566",
    ),
    (
        "ask with a trace and its state",
        "01040300 06000000 05000000 06000000 \
         88776655 44332211 0d0c0b0a 00000000 \
         02001900 aaaaaaaa aaaaaaaa aaaaaaaa \
         aaaaaaaa bbbbbbbb bbbbbbbb 010a000e \
         00726f6a 6f3d312c 636f6e67 6f3d3200 \
         74726163 65640000 00000000 00000000",
    ),
    (
        "ask again in an older layout",
        "01040200 03000000 05000000 06000000 \
         88776655 44332211 0d0c0b0a 00000000 \
         05000800 03000000 00000000 06800800 \
         16000000 00000000 00000000 00000000 \
         6f6c6400 00000000 00000000 00000000",
    ),
    (
        "ask for a stream",
        "01040200 06000000 05000000 06000000 \
         88776655 44332211 0d0c0b0a 00000000 \
         07801000 40000000 00000000 00000400 \
         00000000 00000000 00000000 00000000 \
         666f6c6c 6f770000 00000000 00000000",
    ),
    (
        "reply",
        "01050000 03000000 00000000 00000000 \
         00000000 00000000 0d0c0b0a 00000000 \
         79657300 00000000 00000000 00000000",
    ),
    (
        "error",
        "01060000 0b000000 00000000 00000000 \
         00000000 00000000 0d0c0b0a 00000000 \
         01000700 6d61696c 626f7800 00000000",
    ),
    (
        "credit",
        "01070000 18000000 00000000 00000000 \
         00000000 00000000 00000000 00000000 \
         05000000 06000000 2c010000 00000000 \
         00002000 00000000 00000000 00000000",
    ),
    (
        "forget",
        "01070000 00000000 05000000 06000000 \
         00000000 00000000 00000000 00000000",
    ),
    (
        "cancel",
        "01080000 00000000 00000000 00000000 \
         00000000 00000000 0d0c0b0a 00000000",
    ),
    (
        "watch",
        "01090000 18000000 00000000 00000000 \
         00000000 00000000 00000000 00000000 \
         0d0c0b0a 00000000 21000000 31000000 \
         22000000 32000000 00000000 00000000",
    ),
    (
        "unwatch",
        "010a0000 10000000 00000000 00000000 \
         00000000 00000000 00000000 00000000 \
         0d0c0b0a 00000000 22000000 32000000",
    ),
    (
        "terminated",
        "010b0000 18000000 21000000 31000000 \
         00000000 00000000 00000000 00000000 \
         0d0c0b0a 00000000 22000000 32000000 \
         02000400 626f6f6d 00000000 00000000",
    ),
    (
        "watch refused",
        "010b0000 18000000 00000000 00000000 \
         00000000 00000000 00000000 00000000 \
         0d0c0b0a 00000000 22000000 32000000 \
         08000400 66756c6c 00000000 00000000",
    ),
    (
        "probe",
        "010c0000 72000000 00000000 00000000 \
         00000000 00000000 0d0c0b0a 00000000 \
         01040200 00000000 05000000 06000000 \
         01000000 00000000 11000000 00000000 \
         51000000 00000000 0d0c0b0a 00000000 \
         13006261 6e6b2f41 63636f75 6e742037 \
         206f6e20 61020000 00000000 00120000 \
         00000000 00520000 00000000 00000000 \
         00000000 000b0074 696c6c20 33206f6e \
         20620000 00000000 00000000 00000000",
    ),
    (
        "second probe",
        "010c0000 72000000 00000000 00000000 \
         00000000 00000000 0d0c0b0a 00000000 \
         02010202 00000000 05000000 06000000 \
         01000000 00000000 11000000 00000000 \
         51000000 00000000 0d0c0b0a 00000000 \
         13006261 6e6b2f41 63636f75 6e742037 \
         206f6e20 61020000 00000000 00120000 \
         00000000 00520000 00000000 00000000 \
         00000000 000b0074 696c6c20 33206f6e \
         20620000 00000000 00000000 00000000",
    ),
    (
        "probe answer",
        "010d0000 40000000 00000000 00000000 \
         00000000 00000000 0d0c0b0a 00000000 \
         01000000 00000000 11000000 00000000 \
         21000000 31000000 41000000 00000000 \
         02000000 00000000 12000000 00000000 \
         22000000 32000000 42000000 00000000",
    ),
    (
        "stream item",
        "010e0000 04000000 00000000 00000000 \
         00000000 00000000 0d0c0b0a 00000000 \
         6974656d 00000000 00000000 00000000",
    ),
    (
        "stream end",
        "010f0000 0b000000 00000000 00000000 \
         00000000 00000000 0d0c0b0a 00000000 \
         01000700 6d61696c 626f7800 00000000",
    ),
    (
        "stream credit",
        "01140000 10000000 00000000 00000000 \
         00000000 00000000 0d0c0b0a 00000000 \
         60000000 00000000 00000600 00000000",
    ),
    (
        "ping",
        "01120000 08000000 00000000 00000000 \
         00000000 00000000 00000000 00000000 \
         01000000 00000000 00000000 00000000",
    ),
    (
        "ping in a lane",
        "01120000 08000000 00000000 00000000 \
         00000000 00000000 00000000 00000000 \
         02000000 00000000 00000000 00000000",
    ),
    (
        "pong",
        "01130000 08000000 00000000 00000000 \
         00000000 00000000 00000000 00000000 \
         01000000 00000000 00000000 00000000",
    ),
    (
        "announce",
        "01100000 10000000 05000000 06000000 \
         88776655 44332211 0d0c0b0a 00000000 \
         0c000000 00000000 00000200 04000000",
    ),
    (
        "announce of a reply",
        "01100000 10000000 00000000 00000000 \
         00000000 00000000 0d0c0b0a 00000000 \
         0d000000 00000000 00000400 05000000",
    ),
    (
        "message on a bulk stream",
        "01040000 05000000 05000000 06000000 \
         88776655 44332211 0d0c0b0a 00000000 \
         6c617267 65000000 00000000 00000000",
    ),
    (
        "reply on a bulk stream",
        "01050000 05000000 00000000 00000000 \
         00000000 00000000 0d0c0b0a 00000000 \
         6c617267 65000000 00000000 00000000",
    ),
    (
        "close",
        "01110000 07000000 00000000 00000000 \
         00000000 00000000 00000000 00000000 \
         01000300 62796500 00000000 00000000",
    ),
    (
        "close of one that has all",
        "01110000 04000000 00000000 00000000 \
         00000000 00000000 00000000 00000000 \
         00000000 00000000 00000000 00000000",
    ),
    (
        "close of one about to leave",
        "01110000 04000000 00000000 00000000 \
         00000000 00000000 00000000 00000000 \
         0b000000 00000000 00000000 00000000",
    ),
];

fn hex(bytes: &[u8]) -> String {
    let word = |word: &[u8]| word.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    bytes.chunks(4).map(word).collect::<Vec<_>>().join(" ")
}

fn read(purpose: odeon_wire::Purpose, bytes: &[u8]) -> Frame {
    let mut reader = FrameReader::new(purpose, FrameLimits::default());
    reader.push(bytes);
    let frame = reader.next().unwrap().unwrap();
    reader.end().unwrap();
    frame
}

#[test]
fn every_frame_has_its_golden_bytes() {
    let frames = frames::all();
    assert_eq!(frames.len(), GOLDEN.len());
    for ((name, _, bytes), (golden_name, golden)) in frames.iter().zip(GOLDEN) {
        assert_eq!(*name, golden_name);
        assert_eq!(hex(bytes), golden, "{name}");
    }
}

#[test]
fn every_kind_is_golden() {
    let kinds: BTreeSet<u8> = frames::all().iter().map(|(_, _, bytes)| bytes[1]).collect();
    let numbers: BTreeSet<u8> = FrameKind::ALL.iter().map(|kind| *kind as u8).collect();
    assert_eq!(kinds, numbers);
    assert_eq!(numbers, (1..=21).collect());
    for kind in FrameKind::ALL {
        assert_eq!(FrameKind::from_byte(kind as u8), Some(kind));
    }
}

#[test]
fn golden_bytes_read_and_write_back() {
    // A train is read as what is in it.
    for (name, purpose, bytes) in frames::all().into_iter().filter(|(name, ..)| *name != "train") {
        let frame = read(purpose, &bytes);
        assert_eq!(frame.frame_bytes, bytes.len(), "{name}");
        let again = match frame.header.kind {
            FrameKind::Hello => again::<Hello>(&frame),
            FrameKind::Welcome => again::<Welcome>(&frame),
            FrameKind::Refuse => again::<Refuse>(&frame),
            FrameKind::Error => again::<odeon_message::Failure>(&frame),
            FrameKind::Credit if purpose == odeon_wire::Purpose::Control => again::<Credit>(&frame),
            FrameKind::Credit | FrameKind::Cancel => {
                let mut out = Vec::new();
                write_empty(&mut out, frame.header).unwrap();
                out
            }
            FrameKind::Watch => again::<Watch>(&frame),
            FrameKind::Unwatch => again::<Unwatch>(&frame),
            FrameKind::Terminated => again::<Terminated>(&frame),
            FrameKind::Probe => again::<Probe>(&frame),
            FrameKind::ProbeAnswer => again::<ProbeAnswer>(&frame),
            FrameKind::StreamEnd => again::<StreamEnd>(&frame),
            FrameKind::StreamCredit => again::<StreamCredit>(&frame),
            FrameKind::Announce => again::<Announce>(&frame),
            FrameKind::Close => again::<Close>(&frame),
            FrameKind::Ping => again::<Ping>(&frame),
            FrameKind::Pong => again::<Pong>(&frame),
            FrameKind::Message | FrameKind::Reply | FrameKind::StreamItem | FrameKind::Train => {
                continue;
            }
        };
        assert_eq!(again, bytes, "{name}");
    }
}

fn again<B: Body>(frame: &Frame) -> Vec<u8> {
    let mut out = Vec::new();
    let head = (frame.header, &frame.extensions);
    write_extended(&mut out, head, &frame.body::<B>().unwrap(), 1 << 20).unwrap();
    out
}

#[test]
fn the_golden_train_is_read_as_its_tells_and_written_back() {
    let (_, purpose, bytes) =
        frames::all().into_iter().find(|(name, ..)| *name == "train").unwrap();
    let mut reader = FrameReader::new(purpose, FrameLimits::default());
    reader.push(&bytes);
    let tells = [reader.next().unwrap().unwrap(), reader.next().unwrap().unwrap()];
    reader.end().unwrap();
    assert_eq!(tells[0].payload.bytes(), b"hi");
    assert_eq!(tells[1].payload.bytes(), b"ho");
    let header = tells[0].header;
    assert_eq!((header.kind, header.ask), (FrameKind::Message, odeon_message::AskId::NONE));
    assert!(tells.iter().all(|tell| tell.header == header && tell.frame_bytes == 48));
    // Tells become a train when it is likely that they are alike.
    let (mut batch, mut open, mut last) = (Vec::new(), OpenTrain::default(), 0);
    for archive in [b"he", b"he", b"hi", b"ho"] {
        let append = |out: &mut Vec<u8>| {
            out.extend_from_slice(archive);
            true
        };
        let joined = open.takes(header.receiver, header.message) && open.join(&mut batch, append);
        if !joined {
            last = batch.len();
            let mut frame = FrameWriter::begin(&mut batch, header, &Extensions::default()).unwrap();
            append(frame.payload());
            frame.finish(1 << 20).unwrap();
            open.begin(&header, last, archive.len());
        }
    }
    assert_eq!(hex(&batch[last..]), hex(&bytes));
}

#[test]
fn extensions_of_the_golden_ask_are_read() {
    let ask = frames::all().into_iter().find(|(name, ..)| *name == "ask").unwrap();
    let frame = read(ask.1, &ask.2);
    assert_eq!(frame.extensions, frames::extensions());
    assert_eq!(frame.payload.bytes(), b"0123456789abcdef");
    assert_eq!(frame.payload.bytes().as_ptr().addr() % 16, 0);
    assert_eq!(frame.header.kind, FrameKind::Message);
}

/// Record 10 is younger than the others. To whoever does not know it it is what record 11 is to this revision.
#[test]
fn who_does_not_know_the_state_of_a_trace_reads_all_else() {
    let traced = frames::all().into_iter().find(|(name, ..)| name.ends_with("its state")).unwrap();
    assert_eq!(read(traced.1, &traced.2).extensions, frames::traced());
    let mut unknown = traced.2;
    assert_eq!(unknown[61..63], [10, 0], "the tag, without 'must understand'");
    unknown[61] = 11;
    let frame = read(traced.1, &unknown);
    let trace = frames::traced().trace.map(|trace| trace.with_state(TraceState::NONE));
    assert_eq!(frame.extensions, Extensions { trace, ..Extensions::default() });
    assert_eq!(frame.payload.bytes(), b"traced");
}

#[test]
fn ends_of_streams_without_failure_are_empty() {
    let header = Header::of_ask(FrameKind::StreamEnd, odeon_message::AskId(1));
    let mut out = Vec::new();
    write_body(&mut out, header, &StreamEnd { failure: None }, 1 << 20).unwrap();
    assert_eq!(
        hex(&out),
        "010f0000 00000000 00000000 00000000 00000000 00000000 01000000 00000000"
    );
    let frame = read(odeon_wire::Purpose::Lane, &out);
    assert_eq!(frame.body::<StreamEnd>().unwrap().failure, None);
}

#[test]
fn preambles_have_their_golden_bytes() {
    assert_eq!(hex(&Preamble::CONTROL.encode()), "4f44454f 4e010100 00000000 00000000");
    assert_eq!(hex(&Preamble::lane(3).encode()), "4f44454f 4e010200 03000000 00000000");
    let bulk = Preamble { purpose: odeon_wire::Purpose::Bulk, index: 0x0102 };
    assert_eq!(hex(&bulk.encode()), "4f44454f 4e010300 02010000 00000000");
}
