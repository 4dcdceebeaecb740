//! Fields that travel by serde: what was sent is read, in whole messages and in views; bytes that are no value of the type
//! are an error before anything is read, however they are made, and never a panic.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{borrow::Cow, collections::BTreeMap};

use odeon_message::{
    ArchivedSerde, AsSerde, Codec, DecodeError, Fingerprint, Message, Payload, View, Wire, data,
    message,
};
use proptest::{collection, option, prelude::*};
use serde::{Deserialize, Serialize};

/// As another crate would have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    number: u64,
    note: Option<String>,
    items: BTreeMap<String, (u32, i64)>,
    shape: Shape,
    #[serde(flatten)]
    more: Extra,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Extra {
    weight: f64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    marks: Vec<char>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Line(i32),
    Box { width: u8, height: u128 },
    Group(Vec<Shape>),
    Nested(Box<Shape>),
}

/// In which a level takes no byte of its own.
#[derive(Debug, Serialize, Deserialize)]
struct Endless(Option<Box<Endless>>);

#[message(id = "test/Place", reply = Placed, crate = odeon_message)]
#[derive(Clone, Debug, PartialEq)]
struct Place {
    before: String,
    #[with(AsSerde)]
    order: Order,
    after: u64,
}

#[data(crate = odeon_message)]
#[derive(Clone, Debug, PartialEq)]
enum Placed {
    Later,
    Here(#[with(AsSerde)] Order),
    There {
        #[with(AsSerde)]
        order: Order,
        next: Vec<Self>,
    },
}

#[data(crate = odeon_message)]
#[derive(Debug)]
struct Only {
    #[with(AsSerde)]
    shape: Shape,
}

#[data(crate = odeon_message)]
#[derive(Debug)]
struct Bottomless {
    #[with(AsSerde)]
    endless: Endless,
}

/// What has the layout of `Only` and whatever bytes one likes.
#[data(crate = odeon_message)]
struct Bare {
    shape: Vec<u8>,
}

fn shape() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Point),
        any::<i32>().prop_map(Shape::Line),
        any::<(u8, u128)>().prop_map(|(width, height)| Shape::Box { width, height }),
    ];
    leaf.prop_recursive(6, 20, 3, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..3).prop_map(Shape::Group),
            inner.prop_map(|shape| Shape::Nested(Box::new(shape))),
        ]
    })
}

prop_compose! {
    fn order()(
        number in any::<u64>(),
        note in option::of(".{0,9}"),
        items in collection::btree_map(".{0,5}", any::<(u32, i64)>(), 0..4),
        shape in shape(),
        weight in -1e9..1e9,
        marks in collection::vec(any::<char>(), 0..3),
    ) -> Order {
        Order { number, note, items, shape, more: Extra { weight, marks } }
    }
}

fn archive<T: Wire>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    value.archive(&mut out).unwrap();
    out
}

/// The archive of an `Only` with `bytes` in it.
fn only(bytes: &[u8]) -> Payload {
    Payload::copy_from(&archive(&Bare { shape: bytes.to_vec() }))
}

/// What a handler's way says of it, and a view's.
fn both(payload: &Payload) -> [Result<(), DecodeError>; 2] {
    let view = View::<Only>::open(payload.clone(), None).map(drop);
    [Only::unarchive(payload.bytes(), &()).map(drop), view]
}

fn messagepack(shape: &Shape) -> Vec<u8> {
    View::of(&Only { shape: shape.clone() }).unwrap().shape.bytes().to_vec()
}

proptest! {
    #[test]
    fn what_was_sent_is_read(order in order(), before in ".{0,20}", after: u64) {
        let codec: Codec<Place> = Place::CODEC.unwrap();
        let place = Place { before, order: order.clone(), after };
        let mut out = vec![7; 32];
        codec.encode(&place, &mut out).unwrap();
        let payload = Payload::copy_from(&out[32..]);
        prop_assert_eq!(&codec.decode(&payload, &()).unwrap(), &place);

        let view = View::<Place>::open(payload, None).unwrap();
        prop_assert_eq!(view.before.as_str(), &place.before);
        prop_assert_eq!(view.after.to_native(), after);
        prop_assert_eq!(&view.order.read().unwrap(), &order);
        prop_assert_eq!(view.read(&()).unwrap(), place);

        let leaf = Placed::Here(order.clone());
        let reply = Placed::There { order, next: vec![Placed::Later, leaf] };
        out.clear();
        codec.encode_output(&reply, &mut out).unwrap();
        prop_assert_eq!(codec.decode_output(&Payload::copy_from(&out), &()).unwrap(), reply);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in collection::vec(any::<u8>(), 0..64)) {
        let [value, view] = both(&only(&bytes));
        prop_assert_eq!(value.is_ok(), view.is_ok());
    }

    #[test]
    fn nearly_right_bytes_neither(shape in shape(), at: usize, byte: u8, cut: usize) {
        let mut bytes = messagepack(&shape);
        prop_assert!(both(&only(&bytes)).iter().all(Result::is_ok));
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(bytes.len() - cut % bytes.len());
        let [value, view] = both(&only(&bytes));
        prop_assert_eq!(value.is_ok(), view.is_ok());
    }
}

#[test]
fn bad_bytes_are_an_error_that_says_what_they_should_be() {
    let point = messagepack(&Shape::Point);
    assert_eq!(point, b"\xa5Point");
    let cases: [(Cow<'_, [u8]>, &str); 6] = [
        (b"".into(), "IO error"),
        (b"\xa4Dot?".into(), "unknown variant"),
        (b"\xa5Poin".into(), "IO error"),
        (b"\xa5Point\xc0\xc0".into(), "2 bytes are left over"),
        (b"\x81\xa4Line\xa1x".into(), "wrong msgpack marker"),
        (b"\xc1".into(), "no serde_fields::Shape"),
    ];
    for (bytes, text) in cases {
        let [value, view] = both(&only(&bytes));
        let (value, view) = (value.unwrap_err(), view.unwrap_err());
        assert!(matches!(value, DecodeError::Value(_)), "{value}");
        assert!(matches!(view, DecodeError::Archive(_)), "{view}");
        for error in [value, view] {
            let error = error.to_string();
            assert!(error.contains(text), "{text}: {error}");
            assert!(error.contains("both nodes need the same version"), "{error}");
        }
    }
}

#[test]
fn what_nests_without_end_is_refused_before_the_stack_is_full() {
    let nested = |levels: usize| [b"\x81\xa6Nested".repeat(levels), b"\xa5Point".to_vec()].concat();
    assert!(both(&only(&nested(60))).iter().all(Result::is_ok));
    for levels in [200, 1_000_000] {
        for result in both(&only(&nested(levels))) {
            let error = result.unwrap_err().to_string();
            assert!(error.contains("deeper than 128 levels"), "{error}");
        }
    }
    // A byte is enough where a level takes none.
    let bare = archive(&Bare { shape: vec![1] });
    let error = Bottomless::unarchive(&bare, &()).unwrap_err().to_string();
    assert!(error.contains("deeper than 128 levels"), "{error}");
}

#[test]
fn a_length_that_is_not_there_takes_no_memory() {
    /// A collection that believes every length.
    #[derive(Debug)]
    struct Trusting;
    impl<'de> Deserialize<'de> for Trusting {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            struct Visit;
            impl<'de> serde::de::Visitor<'de> for Visit {
                type Value = Trusting;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("a list")
                }
                fn visit_seq<A: serde::de::SeqAccess<'de>>(
                    self,
                    mut parts: A,
                ) -> Result<Trusting, A::Error> {
                    let len = parts.size_hint().unwrap();
                    assert!(len <= 1024, "room for {len} elements");
                    while parts.next_element::<u64>()?.is_some() {}
                    Ok(Trusting)
                }
            }
            from.deserialize_seq(Visit)
        }
    }
    impl Serialize for Trusting {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.serialize_unit()
        }
    }
    #[data(crate = odeon_message)]
    #[derive(Debug)]
    struct List {
        #[with(AsSerde)]
        all: Trusting,
    }
    let claims = archive(&Bare { shape: b"\xdd\xff\xff\xff\xff\x01".to_vec() });
    let error = List::unarchive(&claims, &()).unwrap_err().to_string();
    assert!(error.contains("IO error"), "{error}");
}

/// A byte an element, and a quarter of a kilobyte in memory.
#[test]
fn a_list_of_nothing_takes_no_more_memory_than_its_bytes_are_good_for() {
    #[data(crate = odeon_message)]
    #[derive(Debug)]
    struct List {
        #[with(AsSerde)]
        all: Vec<Option<[u64; 32]>>,
    }
    let read = |len: usize| {
        let list = List { all: vec![None; len] };
        List::unarchive(&archive(&list), &()).map(|list| list.all.len())
    };
    assert_eq!(read(300).unwrap(), 300);
    let error = read(100_000).unwrap_err().to_string();
    assert!(error.contains("64 times its bytes of memory"), "{error}");
    let full = List { all: vec![Some([u64::MAX; 32]); 10_000] };
    assert_eq!(List::unarchive(&archive(&full), &()).unwrap().all.len(), 10_000);
}

#[test]
fn a_part_that_serde_refuses_is_not_sent_and_leaves_nothing_behind() {
    #[derive(Debug, Deserialize)]
    struct Secret;
    impl Serialize for Secret {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("a secret stays here"))
        }
    }
    #[data(crate = odeon_message)]
    #[derive(Debug)]
    struct Told {
        text: String,
        #[with(AsSerde)]
        secret: Secret,
    }
    let told = Told { text: "a text that is not kept in line".to_owned(), secret: Secret };
    let mut out = vec![1, 2, 3];
    let error = told.archive(&mut out).unwrap_err().to_string();
    assert!(error.contains("a secret stays here"), "{error}");
    assert_eq!(out, [1, 2, 3]);
}

/// The layout of `Only`, by another name of the wrapper; and what must differ from it.
mod layouts {
    #![allow(dead_code, reason = "only the layouts are looked at")]
    use odeon_message::{AsSerde as Renamed, data};

    use super::Shape;

    #[data(crate = odeon_message)]
    pub(super) struct Base {
        #[with(odeon_message::AsSerde)]
        shape: Shape,
    }

    #[data(crate = odeon_message)]
    pub(super) struct Same {
        #[with(Renamed)]
        shape: Shape,
    }

    #[data(crate = odeon_message)]
    pub(super) struct OtherName {
        #[with(Renamed)]
        form: Shape,
    }

    #[data(crate = odeon_message)]
    pub(super) struct OtherType {
        #[with(Renamed)]
        shape: Option<Shape>,
    }

    #[data(crate = odeon_message)]
    pub(super) struct NotBySerde {
        shape: String,
    }
}

#[test]
fn the_fingerprint_sees_the_field_its_type_as_written_and_that_it_goes_by_serde() {
    let base = Fingerprint::of::<layouts::Base>();
    assert_eq!(base, Fingerprint::of::<layouts::Same>());
    assert_ne!(base, Fingerprint::of::<layouts::OtherName>());
    assert_ne!(base, Fingerprint::of::<layouts::OtherType>());
    assert_ne!(base, Fingerprint::of::<layouts::NotBySerde>());
    // Golden: a change here makes nodes of two releases refuse each other's messages.
    assert_eq!(base.to_string(), "320be98a281c9b56");
}

#[test]
fn a_view_says_how_long_a_part_is() {
    let view = View::of(&Only { shape: Shape::Point }).unwrap();
    let part: &ArchivedSerde<Shape> = &view.shape;
    assert_eq!(format!("{part:?}"), "ArchivedSerde(6 bytes)");
}
