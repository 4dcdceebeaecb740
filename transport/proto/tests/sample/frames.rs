//! One frame of every kind, with every field set: the golden test fixes their bytes, the fuzz smoke mutates them.

use std::time::Duration;

use odeon_message::{
    ActorKey, ActorTypeId, Address, AskId, Certainty, Failure, FailureKind, Fingerprint,
    Incarnation, MessageId, NodeId,
};
use odeon_wire::{
    Accepted, AcceptedTable, Announce, BulkTerms, Close, CloseCode, ClusterName, Credit,
    CreditTotal, Extensions, FrameKind, FrameWriter, Header, Hello, InitialCredit, NodeName, Ping,
    Pong, Probe, ProbeAnswer, ProbeRound, ProbeWait, Purpose, Refuse, RefuseReason, Revisions,
    StreamCredit, StreamEnd, Terminated, TerminatedReason, TraceContext, Unwatch, Watch, Welcome,
    write_body, write_empty, write_extended,
};

const BOUND: usize = 1 << 20;
const ASK: AskId = AskId(0x0a0b_0c0d);

pub(crate) fn address(number: u64) -> Address {
    Address {
        node: NodeId(number),
        incarnation: Incarnation(0x10 + number),
        key: ActorKey { slot: 0x20 + number as u32, generation: 0x30 + number as u32 },
        actor_type: ActorTypeId(0x40 + number),
    }
}

pub(crate) fn hello() -> Hello {
    let accepted = [(2, 22), (1, 11)].map(|(message, fingerprint)| Accepted {
        message: MessageId(message),
        fingerprint: Fingerprint(fingerprint),
    });
    let name = NodeName::new("a").unwrap();
    Hello {
        revisions: Revisions { min: 1, max: 2 },
        cluster: ClusterName::new("east-1").unwrap(),
        node: name.id(),
        name,
        incarnation: Incarnation(7),
        dial: 3,
        advertised: "10.0.0.1:7400".parse().unwrap(),
        lanes: 4,
        frame_bytes_max: 1 << 20,
        bulk: Some(BulkTerms { streams: 32, frame_bytes_max: 64 << 20 }),
        credit: InitialCredit { messages: 256, bytes: 1 << 20 },
        guest: false,
        accepted: AcceptedTable::new(accepted.to_vec()).unwrap(),
    }
}

pub(crate) fn extensions() -> Extensions {
    Extensions {
        remaining: Some(Duration::from_millis(5000)),
        trace: Some(TraceContext::new([0xaa; 16], [0xbb; 8], 1)),
        trace_ignored: false,
        chain: vec![address(1), address(2)],
        shard_epoch: Some(9),
        repeat: None,
        layout: None,
        stream: None,
        clock: None,
        guest: false,
    }
}

fn streaming() -> Extensions {
    Extensions { stream: Some(StreamCredit { items: 64, bytes: 1 << 18 }), ..Extensions::default() }
}

fn stream_credit() -> Vec<u8> {
    let total = StreamCredit { items: 96, bytes: 3 << 17 };
    body(Header::of_ask(FrameKind::StreamCredit, ASK), &total)
}

pub(crate) fn traced() -> Extensions {
    let state = "rojo=1,congo=2".parse().unwrap();
    let trace = TraceContext::new([0xaa; 16], [0xbb; 8], 1).with_state(state);
    Extensions { trace: Some(trace), ..Extensions::default() }
}

fn again() -> Extensions {
    Extensions { repeat: Some(3), layout: Some(Fingerprint(22)), ..Extensions::default() }
}

fn written(header: Header, extensions: &Extensions, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut frame = FrameWriter::begin(&mut out, header, extensions).unwrap();
    frame.payload().extend_from_slice(payload);
    frame.finish(BOUND).unwrap();
    out
}

/// Two tells in one frame.
fn train(message: Header) -> Vec<u8> {
    let ask = AskId(2 << 32 | 2);
    let header = Header { kind: FrameKind::Train, ask, ..message };
    let mut tells = [0; 32];
    tells[..2].copy_from_slice(b"hi");
    tells[16..18].copy_from_slice(b"ho");
    written(header, &Extensions::default(), &tells)
}

fn body<B: odeon_wire::Body>(header: Header, body: &B) -> Vec<u8> {
    let mut out = Vec::new();
    write_body(&mut out, header, body, BOUND).unwrap();
    out
}

fn bodied<B: odeon_wire::Body>(value: &B) -> Vec<u8> {
    body(Header::bare(B::KIND), value)
}

fn with_clock() -> Vec<u8> {
    let mut out = Vec::new();
    let clock = Some(Duration::from_secs(1_900_000_000));
    let extensions = Extensions { clock, ..Extensions::default() };
    let head = (Header::bare(FrameKind::Hello), &extensions);
    write_extended(&mut out, head, &hello(), BOUND).unwrap();
    out
}

fn of_guest() -> Vec<u8> {
    let mut out = Vec::new();
    let extensions = Extensions { guest: true, ..Extensions::default() };
    let head = (Header::bare(FrameKind::Hello), &extensions);
    write_extended(&mut out, head, &hello(), BOUND).unwrap();
    out
}

fn empty(header: Header) -> Vec<u8> {
    let mut out = Vec::new();
    write_empty(&mut out, header).unwrap();
    out
}

/// One that looks for a circle, and one that looks at it once more.
fn probes(asked: ActorKey) -> (Probe, Probe) {
    let wait = |at: u64, ask, actor: &str| ProbeWait {
        node: NodeId(at),
        incarnation: Incarnation(0x10 + at),
        number: 0x50 + at,
        ask,
        actor: actor.into(),
    };
    let waits = vec![wait(1, ASK, "bank/Account 7 on a"), wait(2, AskId::NONE, "till 3 on b")];
    let probe = Probe { round: ProbeRound::Seek, ways: 4, confirmed: 0, asked, waits };
    let confirm = Probe { round: ProbeRound::Confirm, ways: 1, confirmed: 2, ..probe.clone() };
    (probe, confirm)
}

fn probe_answer() -> Vec<u8> {
    let answer = ProbeAnswer { initiator: address(1), last: address(2) };
    body(Header::of_ask(FrameKind::ProbeAnswer, ASK), &answer)
}

/// Name, stream and bytes of one frame.
type Sample = (&'static str, Purpose, Vec<u8>);

/// What is announced in a lane, and comes on a bulk stream.
fn bulk(message: Header) -> Vec<Sample> {
    use Purpose::{Bulk, Lane};
    let reply = Header::of_ask(FrameKind::Reply, ASK);
    let large = |header| written(header, &Extensions::default(), b"large");
    let announce = |header: Header, stream, frame_bytes| {
        body(header, &Announce { stream, frame_bytes, kind: header.kind })
    };
    vec![
        ("announce", Lane, announce(message, 12, 1 << 17)),
        ("announce of a reply", Lane, announce(reply, 13, 1 << 18)),
        ("message on a bulk stream", Bulk, large(message)),
        ("reply on a bulk stream", Bulk, large(reply)),
    ]
}

/// That a node stops, that it has heard so, and that it is about to leave.
fn closes() -> Vec<Sample> {
    let close = |code, text: &str| bodied(&Close { code, text: text.into() });
    vec![
        ("close", Purpose::Control, close(CloseCode::Stopping, "bye")),
        ("close of one that has all", Purpose::Control, close(CloseCode::Done, "")),
        ("close of one about to leave", Purpose::Control, close(CloseCode::Leaving, "")),
    ]
}

/// Name, stream and bytes of each.
pub(crate) fn all() -> Vec<Sample> {
    use Purpose::{Control, Lane};
    let key = ActorKey { slot: 5, generation: 6 };
    let message = Header::message(key, MessageId(0x1122_3344_5566_7788), ASK);
    let of_ask = |kind| Header::of_ask(kind, ASK);
    let (watcher, watched) = (address(1), address(2));
    let failure = Failure::new(FailureKind::Full, Certainty::NotDelivered, "mailbox");
    let welcome = Welcome { revision: 1, hello: hello() };
    let refuse =
        Refuse { reason: RefuseReason::Cluster, known: Some(Incarnation(7)), text: "no".into() };
    let total = CreditTotal { receiver: key, messages: 300, bytes: 2 << 20 };
    let terminated = Terminated {
        watch: 0x0a0b_0c0d,
        watched: watched.key,
        reason: TerminatedReason::Panicked,
        text: "boom".into(),
    };
    let watch_refused = Terminated {
        reason: TerminatedReason::WatchRefused,
        text: "full".into(),
        ..terminated.clone()
    };
    let (probe, confirm) = probes(key);
    let end = StreamEnd { failure: Some(failure.clone()) };
    let mut all = vec![
        ("hello", Control, bodied(&hello())),
        ("hello with a clock", Control, with_clock()),
        ("hello of a guest", Control, of_guest()),
        ("welcome", Control, bodied(&welcome)),
        ("refuse", Control, bodied(&refuse)),
        (
            "tell",
            Lane,
            written(Header { ask: AskId::NONE, ..message }, &Extensions::default(), b"hi"),
        ),
        ("train", Lane, train(message)),
        ("ask", Lane, written(message, &extensions(), b"0123456789abcdef")),
        ("ask with a trace and its state", Lane, written(message, &traced(), b"traced")),
        ("ask again in an older layout", Lane, written(message, &again(), b"old")),
        ("ask for a stream", Lane, written(message, &streaming(), b"follow")),
        ("reply", Lane, written(of_ask(FrameKind::Reply), &Extensions::default(), b"yes")),
        ("error", Lane, body(of_ask(FrameKind::Error), &failure)),
        ("credit", Control, bodied(&Credit { totals: vec![total] })),
        ("forget", Lane, empty(Header::forget(key))),
        ("cancel", Control, empty(of_ask(FrameKind::Cancel))),
        (
            "watch",
            Control,
            bodied(&Watch { watch: 0x0a0b_0c0d, watcher: watcher.key, watched: watched.key }),
        ),
        ("unwatch", Control, bodied(&Unwatch { watch: 0x0a0b_0c0d, watched: watched.key })),
        ("terminated", Lane, body(Header::terminated(watcher.key), &terminated)),
        ("watch refused", Lane, bodied(&watch_refused)),
        ("probe", Control, body(of_ask(FrameKind::Probe), &probe)),
        ("second probe", Control, body(of_ask(FrameKind::Probe), &confirm)),
        ("probe answer", Control, probe_answer()),
        (
            "stream item",
            Lane,
            written(of_ask(FrameKind::StreamItem), &Extensions::default(), b"item"),
        ),
        ("stream end", Lane, body(of_ask(FrameKind::StreamEnd), &end)),
        ("stream credit", Control, stream_credit()),
        ("ping", Control, bodied(&Ping { token: 1 })),
        ("ping in a lane", Lane, bodied(&Ping { token: 2 })),
        ("pong", Control, bodied(&Pong { token: 1 })),
    ];
    all.extend(bulk(message));
    all.extend(closes());
    all
}
