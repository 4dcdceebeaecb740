//! Lanes with announced messages in them under every interleaving with the streams that bring these: each receiver gets its
//! frames in the order of its lane, nobody else waits, and a ping comes behind everything before it.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::BTreeMap;

use odeon_message::{ActorKey, AskId, MessageId};
use odeon_wire::{
    Announce, Behind, BulkError, BulkInbox, BulkTerms, FrameKind, Header,
    format::{BULK_ANNOUNCED_MAX, BULK_NOTICES_MAX},
};
use proptest::{collection::vec, prelude::*, sample::Index};

const TERMS: BulkTerms = BulkTerms { streams: 32, frame_bytes_max: 1 << 20 };
const LANES: u8 = 2;

/// One frame of a lane.
#[derive(Clone, Copy, Debug)]
enum Sent {
    Small(u32),
    Large(u32),
    Terminated(u32),
    Reply,
    Ping,
}

/// A frame as it comes out: which one of its lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Out {
    lane: u8,
    at: usize,
}

fn key(slot: u32) -> ActorKey {
    ActorKey { slot, generation: 1 }
}

fn header(sent: Sent) -> Header {
    match sent {
        Sent::Reply => Header::of_ask(FrameKind::Reply, AskId(9)),
        Sent::Large(to) => Header::message(key(to), MessageId(1), AskId(2)),
        other => panic!("{other:?} has no stream"),
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        3 => (0..3_u32).prop_map(Sent::Small),
        2 => (0..3_u32).prop_map(Sent::Large),
        1 => (0..3_u32).prop_map(Sent::Terminated),
        1 => Just(Sent::Reply),
        1 => Just(Sent::Ping),
    ]
}

struct Run<'a> {
    lanes: [&'a [Sent]; LANES as usize],
    inbox: BulkInbox<Out, ()>,
    /// How much of each lane was read.
    read: [usize; LANES as usize],
    /// Announced, by number.
    open: BTreeMap<u64, Out>,
    out: Vec<Out>,
    next: u64,
}

impl Run<'_> {
    fn read(&mut self, lane: u8) -> bool {
        let at = self.read[usize::from(lane)];
        let Some(sent) = self.lanes[usize::from(lane)].get(at).copied() else { return false };
        self.read[usize::from(lane)] += 1;
        let out = Out { lane, at };
        let behind = match sent {
            Sent::Large(_) | Sent::Reply => {
                self.next += 1;
                let number = self.next;
                let header = header(sent);
                let announce = Announce { stream: number, frame_bytes: 4096, kind: header.kind };
                self.inbox.announce(lane, header, announce, ()).unwrap();
                self.open.insert(number, out);
                return true;
            }
            Sent::Ping => Behind::All,
            Sent::Small(to) | Sent::Terminated(to) => Behind::Receiver(key(to)),
        };
        let is_notice = !matches!(sent, Sent::Small(_));
        let waits = match behind {
            Behind::All => self.open.values().any(|open| open.lane == lane),
            Behind::Receiver(receiver) => self.open.values().any(|open| {
                open.lane == lane
                    && matches!(self.lanes[usize::from(lane)][open.at], Sent::Large(to) if key(to) == receiver)
            }),
        };
        let passed = self.inbox.pass(lane, behind, is_notice, out).unwrap();
        assert_eq!(passed.is_none(), waits, "{sent:?} at {at}");
        self.out.extend(passed);
        true
    }

    fn complete(&mut self, which: &Index) -> bool {
        if self.open.is_empty() {
            return false;
        }
        let number = *which.get(&self.open.keys().copied().collect::<Vec<_>>());
        let out = self.open.remove(&number).unwrap();
        let header = header(self.lanes[usize::from(out.lane)][out.at]);
        self.inbox.open(number).unwrap();
        let free = self.inbox.complete(number, &header, 4096, |()| out).unwrap();
        self.out.extend(free);
        true
    }

    /// What came out of a lane keeps the order of each receiver, and pings stand behind all before them.
    fn check(&self) {
        for lane in 0..LANES {
            let sent = self.lanes[usize::from(lane)];
            let out: Vec<usize> =
                self.out.iter().filter(|out| out.lane == lane).map(|out| out.at).collect();
            assert_eq!(out.len(), sent.len(), "each once");
            for to in 0..3 {
                let of = |at: &&usize| matches!(sent[**at], Sent::Small(at) | Sent::Large(at) | Sent::Terminated(at) if at == to);
                let order: Vec<&usize> = out.iter().filter(of).collect();
                assert!(order.is_sorted(), "{order:?}");
            }
            for (place, at) in out.iter().enumerate() {
                if matches!(sent[*at], Sent::Ping) {
                    assert!((0..*at).all(|before| out[..place].contains(&before)), "{out:?}");
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn frames_keep_their_order_and_only_theirs(
        one in vec(sent(), 0..30),
        other in vec(sent(), 0..30),
        steps in vec((0..3_u8, any::<Index>()), 0..120),
        last in any::<Index>(),
    ) {
        let mut run = Run {
            lanes: [&one, &other],
            inbox: BulkInbox::new(Some(TERMS)),
            read: [0; LANES as usize],
            open: BTreeMap::new(),
            out: Vec::new(),
            next: 0,
        };
        for (step, which) in &steps {
            match step {
                2 => run.complete(which),
                lane => run.read(*lane),
            };
        }
        while run.read(0) || run.read(1) {}
        while run.complete(&last) {}
        prop_assert!(!run.inbox.is_waiting() && run.inbox.is_clear(0) && run.inbox.is_clear(1));
        run.check();
    }
}

fn inbox() -> BulkInbox<&'static str, ()> {
    BulkInbox::new(Some(TERMS))
}

fn announce(stream: u64) -> Announce {
    Announce { stream, frame_bytes: 4096, kind: FrameKind::Message }
}

fn to(slot: u32) -> Header {
    Header::message(key(slot), MessageId(1), AskId::NONE)
}

#[test]
fn what_was_not_offered_has_no_place() {
    let mut inbox: BulkInbox<(), ()> = BulkInbox::new(None);
    assert_eq!(inbox.open(1), Err(BulkError::NotOffered));
    assert_eq!(inbox.announce(0, to(1), announce(1), ()), Err(BulkError::NotOffered));
}

#[test]
fn lengths_and_numbers_are_checked() {
    let mut inbox = inbox();
    for bytes in [0, 16, 4097, (1 << 20) + 16] {
        let announce = Announce { frame_bytes: bytes, ..announce(1) };
        let bytes = bytes as usize;
        let error = BulkError::Length { number: 1, bytes, bytes_max: 1 << 20 };
        assert_eq!(inbox.announce(0, to(1), announce, ()), Err(error));
    }
    inbox.announce(0, to(1), announce(5), ()).unwrap();
    for (lane, number, before) in [(0, 5, 5), (0, 4, 5), (1, 5, 0), (1, 0, 0)] {
        let error = BulkError::Number { number, before };
        assert_eq!(inbox.announce(lane, to(1), announce(number), ()), Err(error));
    }
    inbox.announce(1, to(1), announce(4), ()).unwrap();
}

#[test]
fn streams_are_opened_once_and_only_so_many() {
    let mut inbox = inbox();
    inbox.open(7).unwrap();
    assert_eq!(inbox.open(7), Err(BulkError::OpenedTwice { number: 7 }));
    (8..7 + 4 * 32).for_each(|number| inbox.open(number).unwrap());
    assert_eq!(inbox.open(1000), Err(BulkError::Streams { streams_max: 128 }));
    assert!(inbox.is_waiting());
}

#[test]
fn another_frame_than_was_announced_is_refused() {
    let mut inbox = inbox();
    assert_eq!(
        inbox.complete(1, &to(1), 4096, |()| "x"),
        Err(BulkError::NotAnnounced { number: 1 })
    );
    for (number, header, bytes) in [(1, to(2), 4096), (2, to(1), 4080)] {
        inbox.announce(0, to(1), announce(number), ()).unwrap();
        let error = BulkError::Other { number, announced: 4096, bytes };
        assert_eq!(inbox.complete(number, &header, bytes, |()| "x"), Err(error));
    }
}

#[test]
fn what_no_credit_bounds_has_a_bound() {
    let mut inbox = inbox();
    inbox.announce(0, to(1), announce(1), ()).unwrap();
    for at in 0..BULK_NOTICES_MAX {
        let behind = if at % 2 == 0 { Behind::All } else { Behind::Receiver(key(1)) };
        assert_eq!(inbox.pass(0, behind, true, "notice"), Ok(None));
    }
    assert_eq!(inbox.pass(0, Behind::All, true, "ping"), Err(BulkError::Notices));
    assert_eq!(inbox.pass(0, Behind::Receiver(key(1)), false, "message"), Ok(None));
    assert_eq!(inbox.complete(1, &to(1), 4096, |()| "x").unwrap().len(), BULK_NOTICES_MAX + 2);
    inbox.announce(0, to(1), announce(2), ()).unwrap();
    assert_eq!(inbox.pass(0, Behind::All, true, "ping"), Ok(None), "there is room again");
    for number in 3..=BULK_ANNOUNCED_MAX as u64 + 1 {
        inbox.announce(0, to(1), announce(number), ()).unwrap();
    }
    assert_eq!(inbox.announce(0, to(1), announce(5000), ()), Err(BulkError::TooMany));
}
