//! What the fuzz target `archive` does with one input: bytes from outside as archives of messages of many shapes.
//!
//! It panics if the crate breaks a promise: no panic of its own, the check for reading in place and the one for values
//! agree, and what was read is written and read again as the same. The smoke test of the crate runs it on stable Rust.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    net::IpAddr,
    num::NonZeroU32,
    time::Duration,
};

use odeon_message::{AsSerde, Codec, DecodeError, Message, Payload, View, Wire, data, message};
use serde::{Deserialize, Serialize};

#[message(id = "fuzz/Flat", reply = u64, crate = odeon_message)]
#[derive(Debug)]
struct Flat {
    numbers: [u64; 3],
    small: (u8, i16, bool, char),
    wide: i128,
    when: Option<Duration>,
    part: Option<NonZeroU32>,
    from: IpAddr,
}

#[message(id = "fuzz/Text", reply = Tree, error = Failed, crate = odeon_message)]
#[derive(Debug)]
struct Text {
    words: Vec<String>,
    from: Result<IpAddr, Box<str>>,
    sizes: BTreeMap<u32, Vec<u8>>,
    tree: Tree,
}

#[data(crate = odeon_message)]
#[derive(Debug)]
enum Tree {
    Empty,
    Leaf(String, f64),
    Fork(Vec<Self>),
    Named(HashMap<String, Self>),
    Pair { left: Box<Self>, right: Option<Box<Self>> },
}

#[data(crate = odeon_message)]
#[derive(Debug)]
enum Failed {
    Closed,
    Because(Box<[String]>),
}

/// The deepest that bytes can say.
#[message(id = "fuzz/Chain", reply = (), crate = odeon_message)]
#[derive(Debug)]
struct Chain {
    next: Option<Box<Self>>,
}

/// With a part that travels by serde.
#[message(id = "fuzz/Parcel", reply = Vec<u8>, crate = odeon_message)]
#[derive(Debug)]
struct Parcel {
    number: u32,
    #[with(AsSerde)]
    foreign: Foreign,
    label: String,
}

/// As of another crate, which has no archive.
#[derive(Debug, Serialize, Deserialize)]
enum Foreign {
    Nothing,
    Number(i64),
    Rate(Option<f32>),
    Pair(Box<(Self, Self)>),
    List(Vec<Self>),
    Named(BTreeMap<String, Self>),
    Place {
        name: String,
        #[serde(default)]
        inside: Option<Box<Self>>,
    },
}

/// The first byte chooses the message, and whether the rest is its archive or what is changed in a good one.
pub(crate) fn archive(input: &[u8]) {
    let [choice, rest @ ..] = input else { return };
    let bends = choice & 0x80 != 0;
    match choice % 4 {
        0 => read(flat(), bends, rest),
        1 => read(text(), bends, rest),
        2 => read(parcel(), bends, rest),
        _ => read(chain(), bends, rest),
    }
}

fn flat() -> Flat {
    Flat {
        numbers: [1, 2, 3],
        small: (4, -5, true, 'ß'),
        wide: -6,
        when: Some(Duration::from_millis(7)),
        part: NonZeroU32::new(8),
        from: IpAddr::from([127, 0, 0, 1]),
    }
}

fn text() -> Text {
    let leaf = |text: &str| Tree::Leaf(text.to_owned(), 0.5);
    let pair = Tree::Pair {
        left: Box::new(leaf("left, and longer than one that is inline")),
        right: None,
    };
    let named = HashMap::from([("a".to_owned(), pair), ("b".to_owned(), Tree::Empty)]);
    Text {
        words: vec!["short".to_owned(), "a word that does not fit where its place is".to_owned()],
        from: Err("nowhere that has an address".into()),
        sizes: (0..40).map(|size| (size, vec![1; size as usize % 5])).collect(),
        tree: Tree::Fork(vec![Tree::Named(named), leaf("right")]),
    }
}

fn parcel() -> Parcel {
    let place = |name: &str, inside| Foreign::Place { name: name.to_owned(), inside };
    let pair = Foreign::Pair(Box::new((Foreign::Number(-3), Foreign::Rate(Some(0.5)))));
    let named = [("one", Foreign::Nothing), ("two", place("a place with a long name", None))];
    let named = named.map(|(name, value)| (name.to_owned(), value));
    let list = vec![pair, Foreign::Named(BTreeMap::from(named)), Foreign::Rate(None)];
    let foreign = place("outside", Some(Box::new(Foreign::List(list))));
    Parcel { number: 7, foreign, label: "behind what travels by serde".to_owned() }
}

fn chain() -> Chain {
    (0..20).fold(Chain { next: None }, |next, _| Chain { next: Some(Box::new(next)) })
}

/// Each four bytes are one change: where, how, and with what.
fn bent(mut bytes: Vec<u8>, changes: &[u8]) -> Vec<u8> {
    for change in changes.chunks_exact(4) {
        let &[low, high, how, with] = change else { return bytes };
        if bytes.is_empty() {
            return bytes;
        }
        let at = usize::from(u16::from_le_bytes([low, high])) % bytes.len();
        match how % 5 {
            0 => bytes[at] ^= with,
            1 => bytes[at] = with,
            2 => bytes.truncate(at),
            // What the root is behind comes before it.
            3 => drop(bytes.drain(..at)),
            _ => {
                let from = usize::from(with) * 4 % bytes.len();
                let len = 4.min(bytes.len() - from.max(at));
                bytes.copy_within(from..from + len, at);
            }
        }
    }
    bytes
}

fn codec<M: Message>() -> Codec<M> {
    M::CODEC.expect("it has an id")
}

fn archived<M: Message>(message: &M) -> Vec<u8> {
    let mut out = Vec::new();
    codec::<M>().encode(message, &mut out).expect("no part refuses");
    out
}

/// Reads bytes as a message, in place and as a value, and as what its handler returns.
fn read<M: Message + Wire + Debug>(sample: M, bends: bool, rest: &[u8]) {
    let has_foreign = codec::<M>().name() == "fuzz/Parcel";
    let payload = match bends {
        true => Payload::copy_from(&bent(archived(&sample), rest)),
        false => Payload::copy_from(rest),
    };
    drop(codec::<M>().decode_output(&payload, &()));
    let value = codec::<M>().decode(&payload, &());
    match (value, View::<M>::open(payload, None)) {
        (Ok(value), Ok(view)) => {
            let again = Payload::copy_from(&archived(&value));
            let again = codec::<M>().decode(&again, &()).expect("what was written is read");
            same(&value, &again);
            same(&value, &view.read(&()).expect("it was read before"));
        }
        (Err(DecodeError::Archive(_)), Err(DecodeError::Archive(_))) => {}
        // What travels by serde is read for a value once, when that is made, and checked for a view before.
        (Err(DecodeError::Value(_)), Err(DecodeError::Archive(_))) if has_foreign => {}
        (Err(DecodeError::Value(_)), Ok(view)) => assert!(view.read(&()).is_err()),
        (value, view) => panic!("one check passes and one does not: {value:?} and {view:?}"),
    }
}

/// By their text's length: numbers that are none differ from themselves, and maps have no order.
fn same(one: &impl Debug, other: &impl Debug) {
    assert_eq!(
        format!("{one:?}").len(),
        format!("{other:?}").len(),
        "it was read as something else"
    );
}
