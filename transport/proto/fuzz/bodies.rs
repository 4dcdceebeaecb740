//! What the fuzz targets do with one input; the smoke test of the crate runs the same on stable Rust.
//!
//! Every function takes any bytes and panics if the crate breaks a promise: no panic of its own, the same frames
//! however the stream is cut, memory by what arrived, one form for every value.

use std::time::Duration;

use odeon_message::{AskId, Failure};
use odeon_wire::{
    Announce, Body, ClockTerms, Close, Credit, EnrolAnswer, EnrolRequest, Extensions, Frame,
    FrameError, FrameKind, FrameLimits, FrameReader, FrameWriter, Handshake, Header, Hello, Known,
    Ping, Pong, Preamble, Probe, ProbeAnswer, Purpose, Received, Refuse, Step, StreamCredit,
    StreamEnd, Surroundings, Terminated, Unwatch, Watch, Welcome,
};

const SLAB_BYTES: usize = 4096;

/// The first byte chooses the stream, the second how it is cut, the rest is the stream.
pub(crate) fn frame(input: &[u8]) {
    let [purpose, seed, stream @ ..] = input else { return };
    let purpose = match purpose % 3 {
        0 => Purpose::Lane,
        1 => Purpose::Control,
        _ => Purpose::Bulk,
    };
    let whole = read(purpose, stream, |_| stream.len());
    let mut state = u32::from(*seed) | 1;
    let cut = read(purpose, stream, |left| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Mostly small cuts, now and then a long one.
        let cut = (state >> 24) as usize;
        (if cut.is_multiple_of(7) { cut * 97 } else { cut % 61 }).clamp(1, left)
    });
    same(&whole, &cut);
    same(&whole, &in_trains(purpose, stream));
    whole.0.iter().for_each(body);
}

/// What was read of a stream, and how it ended.
type Outcome = (Vec<Frame>, Result<(), FrameError>);

fn same(one: &Outcome, other: &Outcome) {
    assert_eq!(one.1, other.1, "the end depends on how the stream is read");
    assert_eq!(one.0.len(), other.0.len(), "frames depend on how the stream is read");
    for (one, other) in one.0.iter().zip(&other.0) {
        assert_eq!(one.header, other.header);
        assert_eq!(one.extensions, other.extensions);
        assert_eq!(one.payload.bytes(), other.payload.bytes());
        assert_eq!(one.frame_bytes, other.frame_bytes);
    }
}

/// Reads a stream in large pieces, those frames together that may come so.
fn in_trains(purpose: Purpose, stream: &[u8]) -> Outcome {
    let limits = FrameLimits { slab_bytes: SLAB_BYTES, ..FrameLimits::default() };
    let mut reader = FrameReader::new(purpose, limits);
    let mut frames = Vec::new();
    for chunk in stream.chunks(SLAB_BYTES) {
        reader.push(chunk);
        loop {
            match reader.next_or_train() {
                Ok(Some(Received::Frame(frame))) => frames.push(frame),
                Ok(Some(Received::Train(mut train))) => {
                    assert!(train.archives.len() > 1, "a train has several");
                    frames.extend(std::iter::from_fn(|| train.next_frame()));
                }
                Ok(None) => break,
                Err(error) => return (frames, Err(error)),
            }
        }
    }
    let end = reader.end();
    (frames, end)
}

/// Reads a stream cut by `cut`, keeping every frame, so that no slab can be used again.
fn read(purpose: Purpose, mut stream: &[u8], mut cut: impl FnMut(usize) -> usize) -> Outcome {
    let limits = FrameLimits { slab_bytes: SLAB_BYTES, ..FrameLimits::default() };
    let mut reader = FrameReader::new(purpose, limits);
    let (mut frames, mut pushed, mut read_bytes) = (Vec::new(), 0, 0);
    while !stream.is_empty() {
        let (chunk, rest) = stream.split_at(cut(stream.len()));
        reader.push(chunk);
        pushed += chunk.len();
        stream = rest;
        loop {
            match reader.next() {
                Ok(Some(frame)) => {
                    assert_eq!(frame.payload.bytes().as_ptr().addr() % 16, 0);
                    read_bytes += least_bytes(&frame);
                    frames.push(frame);
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(
                        reader.next().err(),
                        Some(error.clone()),
                        "the reader stays poisoned"
                    );
                    assert_eq!(reader.end(), Err(error.clone()));
                    return (frames, Err(error));
                }
            }
        }
        assert!(read_bytes <= pushed, "frames are made of what was pushed");
        let bound = 6 * SLAB_BYTES + 2 * (pushed - read_bytes + chunk.len());
        assert!(reader.held_bytes() <= bound, "{} bytes held, bound {bound}", reader.held_bytes());
    }
    let end = reader.end();
    (frames, end)
}

/// What a frame took of the stream at least: a tell of a train has no header there.
fn least_bytes(frame: &Frame) -> usize {
    let is_tell = frame.header.kind == FrameKind::Message && frame.header.ask == AskId::NONE;
    frame.frame_bytes - if is_tell { 32 } else { 0 }
}

/// What a frame says beside its payload is written back as the same, but for what was ignored.
fn extensions(frame: &Frame) {
    let mut out = Vec::new();
    let header = Header { kind: FrameKind::Message, ..frame.header };
    let written = FrameWriter::begin(&mut out, header, &frame.extensions);
    written.expect("the batch is new").finish(usize::MAX).expect("there is no payload");
    let mut reader = FrameReader::new(Purpose::Lane, FrameLimits::default());
    reader.push(&out);
    let again = reader.next().expect("it was written here").expect("it is whole");
    let expected = Extensions { trace_ignored: false, ..frame.extensions.clone() };
    assert_eq!(again.extensions, expected);
}

/// Reads the payload as what the kind says, and writes it back.
fn body(frame: &Frame) {
    if !frame.extensions.is_empty() {
        extensions(frame);
    }
    match frame.header.kind {
        FrameKind::Hello => one_form::<Hello>(frame.payload.bytes()),
        FrameKind::Welcome => one_form::<Welcome>(frame.payload.bytes()),
        FrameKind::Refuse => one_form::<Refuse>(frame.payload.bytes()),
        FrameKind::Error => one_form::<Failure>(frame.payload.bytes()),
        FrameKind::Credit => one_form::<Credit>(frame.payload.bytes()),
        FrameKind::Watch => one_form::<Watch>(frame.payload.bytes()),
        FrameKind::Unwatch => one_form::<Unwatch>(frame.payload.bytes()),
        FrameKind::Terminated => one_form::<Terminated>(frame.payload.bytes()),
        FrameKind::Probe => one_form::<Probe>(frame.payload.bytes()),
        FrameKind::ProbeAnswer => one_form::<ProbeAnswer>(frame.payload.bytes()),
        FrameKind::StreamEnd => one_form::<StreamEnd>(frame.payload.bytes()),
        FrameKind::StreamCredit => one_form::<StreamCredit>(frame.payload.bytes()),
        FrameKind::Announce => one_form::<Announce>(frame.payload.bytes()),
        FrameKind::Close => one_form::<Close>(frame.payload.bytes()),
        FrameKind::Ping => one_form::<Ping>(frame.payload.bytes()),
        FrameKind::Pong => one_form::<Pong>(frame.payload.bytes()),
        _ => {}
    }
}

/// What can be read is written back as the same bytes.
fn one_form<B: Body>(bytes: &[u8]) {
    if let Ok(value) = B::decode(bytes) {
        let mut out = Vec::new();
        value.encode(&mut out);
        assert_eq!(out, bytes, "a value has two forms");
    }
}

/// The input as a request for a certificate and as the answer to one.
pub(crate) fn enrol(input: &[u8]) {
    let mut out = Vec::new();
    if let Ok(request) = EnrolRequest::decode(input) {
        request.encode(&mut out);
        assert_eq!(out, input, "a request has two forms");
    }
    out.clear();
    if let Ok(answer) = EnrolAnswer::decode(input) {
        answer.encode(&mut out);
        assert_eq!(out, input, "an answer has two forms");
    }
}

/// The input as a preamble, as the payload of every control frame, and as the control stream of a handshake with
/// `local` on each side.
pub(crate) fn handshake(local: &Hello, input: &[u8]) {
    if let Some(start) = input.first_chunk::<16>()
        && let Ok(preamble) = Preamble::decode(*start)
    {
        assert_eq!(preamble.encode(), *start);
    }
    one_form::<Hello>(input);
    one_form::<Welcome>(input);
    one_form::<Refuse>(input);
    one_form::<Failure>(input);
    one_form::<Credit>(input);
    one_form::<Terminated>(input);
    one_form::<Close>(input);
    for mut side in [Handshake::AwaitsHello, Handshake::AwaitsAnswer] {
        let mut reader = FrameReader::new(Purpose::Control, FrameLimits::default());
        reader.push(input);
        while let Ok(Some(frame)) = reader.next() {
            let certified = frame.body::<Hello>().map_or(local.name.clone(), |hello| hello.name);
            let around = Surroundings {
                local,
                certified: &certified,
                expected: None,
                known: Known::default(),
                clock: ClockTerms { now: Duration::ZERO, skew_max: Duration::MAX },
            };
            let mut out = Vec::new();
            let step = side.step(&frame, &around, &mut out);
            assert_eq!(side, Handshake::Over, "one frame ends it");
            let answers = matches!(step, Step::Refuse(_))
                || matches!(step, Step::Up { .. }) && frame.header.kind == FrameKind::Hello;
            assert_eq!(!out.is_empty(), answers);
        }
    }
}
