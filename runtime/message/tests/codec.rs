//! Archives of many shapes: what is written comes back, and bytes from outside never panic.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use odeon_message::{Codec, DecodeError, Message, Payload, Slab, Wire, data, message};
use proptest::{collection, prelude::*};

#[message(id = "test/Flat", reply = u64, crate = odeon_message)]
#[derive(Clone, Debug, PartialEq)]
struct Flat {
    numbers: [u64; 6],
    small: (u8, i16, bool, char),
    wide: i128,
    when: Option<Duration>,
    part: Option<NonZeroU32>,
}

#[message(id = "test/Text", reply = Tree, error = Failed, crate = odeon_message)]
#[derive(Clone, Debug, PartialEq)]
struct Text {
    words: Vec<String>,
    from: Result<IpAddr, Box<str>>,
    sizes: BTreeMap<u32, Vec<u8>>,
    tree: Tree,
}

#[data(crate = odeon_message)]
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Empty,
    Leaf(String, f64),
    Fork(Vec<Self>),
    Named(HashMap<String, Self>),
    Pair { left: Box<Self>, right: Option<Box<Self>> },
}

#[data(crate = odeon_message)]
#[derive(Clone, Debug, PartialEq)]
enum Failed {
    Closed,
    Because(Box<[String]>),
}

#[message(id = "test/Unit", crate = odeon_message)]
#[derive(Clone, Debug, PartialEq)]
struct Unit;

#[message(id = "test/Chain", crate = odeon_message)]
#[derive(Clone, Debug, PartialEq)]
struct Chain {
    next: Option<Box<Self>>,
}

fn flat() -> impl Strategy<Value = Flat> {
    let when = proptest::option::of((any::<u64>(), 0..1_000_000_000_u32));
    (any::<[u64; 6]>(), any::<(u8, i16, bool, char)>(), any::<i128>(), when, any::<u32>()).prop_map(
        |(numbers, small, wide, when, part)| Flat {
            numbers,
            small,
            wide,
            when: when.map(|(secs, nanos)| Duration::new(secs, nanos)),
            part: NonZeroU32::new(part),
        },
    )
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Empty),
        (".{0,20}", proptest::num::f64::NORMAL).prop_map(|(text, number)| Tree::Leaf(text, number)),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..5).prop_map(Tree::Fork),
            collection::hash_map(".{0,12}", inner.clone(), 0..5).prop_map(Tree::Named),
            (inner.clone(), proptest::option::of(inner)).prop_map(|(left, right)| Tree::Pair {
                left: Box::new(left),
                right: right.map(Box::new),
            }),
        ]
    })
}

fn text() -> impl Strategy<Value = Text> {
    let from = prop_oneof![
        any::<IpAddr>().prop_map(Ok),
        ".{0,20}".prop_map(|text| Err(text.into_boxed_str())),
    ];
    let sizes = collection::btree_map(any::<u32>(), any::<Vec<u8>>(), 0..40);
    (collection::vec(".{0,20}", 0..20), from, sizes, tree())
        .prop_map(|(words, from, sizes, tree)| Text { words, from, sizes, tree })
}

fn chain(links: usize) -> Chain {
    (1..links).fold(Chain { next: None }, |next, _| Chain { next: Some(Box::new(next)) })
}

fn codec<M: Message>() -> Codec<M> {
    M::CODEC.unwrap()
}

fn archive<M: Message>(message: &M) -> Vec<u8> {
    let mut out = Vec::new();
    codec::<M>().encode(message, &mut out).unwrap();
    out
}

/// Archives one after another, each behind a header of 32 bytes, as frames lie in a batch.
fn batch<M: Message>(messages: &[M]) -> Vec<Payload> {
    let mut out = Vec::new();
    let mut ranges = Vec::new();
    for message in messages {
        out.resize(out.len().next_multiple_of(16) + 32, 0xee);
        let start = out.len();
        codec::<M>().encode(message, &mut out).unwrap();
        ranges.push(start..out.len());
    }
    let mut slab = Slab::with_capacity(out.len());
    slab.extend_from_slice(&out);
    let slab = Arc::new(slab);
    ranges.into_iter().map(|range| Payload::new(Arc::clone(&slab), range).unwrap()).collect()
}

fn check_batch<M: Message + Clone + PartialEq + std::fmt::Debug>(messages: &[M]) {
    for (message, payload) in messages.iter().zip(batch(messages)) {
        assert_eq!(&codec::<M>().decode(&payload, &()).unwrap(), message);
    }
}

/// Reads bytes as every type; whatever is read must also be written, compared and dropped without harm.
fn read_as_everything(bytes: &[u8]) {
    fn read<M: Message + PartialEq + std::fmt::Debug>(payload: &Payload) {
        if let Ok(message) = codec::<M>().decode(payload, &()) {
            let again = Payload::copy_from(&archive(&message));
            let again = codec::<M>().decode(&again, &()).unwrap();
            assert_eq!(format!("{again:?}").len(), format!("{message:?}").len());
        }
        // What a peer answers comes from outside, too.
        drop(codec::<M>().decode_output(payload, &()));
    }
    let payload = Payload::copy_from(bytes);
    read::<Flat>(&payload);
    read::<Text>(&payload);
    read::<Unit>(&payload);
    read::<Chain>(&payload);
}

proptest! {
    #[test]
    fn flat_messages_survive_a_batch(messages in collection::vec(flat(), 1..8)) {
        check_batch(&messages);
    }

    #[test]
    fn nested_messages_survive_a_batch(messages in collection::vec(text(), 1..4)) {
        check_batch(&messages);
    }

    #[test]
    fn answers_survive(tree in tree(), words in collection::vec(".{0,20}", 0..5)) {
        for output in [Ok(tree), Err(Failed::Because(words.into())), Err(Failed::Closed)] {
            let mut out = Vec::new();
            codec::<Text>().encode_output(&output, &mut out).unwrap();
            let payload = Payload::copy_from(&out);
            prop_assert_eq!(codec::<Text>().decode_output(&payload, &()).unwrap(), output);
        }
    }

    #[test]
    fn any_bytes_are_an_error_or_a_value(bytes in collection::vec(any::<u8>(), 0..400)) {
        read_as_everything(&bytes);
    }

    /// Small numbers look like lengths, tags and near pointers.
    #[test]
    fn likely_bytes_are_an_error_or_a_value(
        words in collection::vec(prop_oneof![-64..64_i32, any::<i32>()], 0..100),
    ) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        read_as_everything(&bytes);
    }

    #[test]
    fn a_damaged_archive_is_an_error_or_a_value(
        message in text(),
        damage in collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let mut bytes = archive(&message);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] ^= byte;
        }
        if !whole {
            bytes.truncate(cut.index(bytes.len()));
        }
        read_as_everything(&bytes);
    }
}

#[test]
fn a_message_without_fields_is_an_empty_archive() {
    assert_eq!(archive(&Unit), []);
    assert_eq!(codec::<Unit>().decode(&Payload::copy_from(&[]), &()).unwrap(), Unit);
    check_batch(&[Unit, Unit]);
}

#[test]
fn an_unaligned_archive_is_an_error() {
    let bytes = archive(&Flat {
        numbers: [1; 6],
        small: (1, 2, true, 'x'),
        wide: 3,
        when: None,
        part: NonZeroU32::new(4),
    });
    let mut slab = Slab::with_capacity(bytes.len() + 1);
    slab.push(0);
    slab.extend_from_slice(&bytes);
    let read = Flat::unarchive(&slab[1..], &());
    assert!(matches!(read, Err(DecodeError::Archive(_))), "{read:?}");
    assert!(Payload::new(Arc::new(slab), 1..bytes.len()).is_none());
}

#[test]
fn what_was_in_the_buffer_stays() {
    let mut out = vec![7; 48];
    codec::<Chain>().encode(&chain(3), &mut out).unwrap();
    assert_eq!(out[..48], [7; 48]);
    assert_eq!(out[48..], archive(&chain(3)));
}
