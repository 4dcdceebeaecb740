//! A part that archives by hand and is read with the receiving node's help, as references to actors are.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use odeon_message::{
    Codec, DecodeError, Decoder, Encoder, Message, Payload, Schema, SchemaWalk, data, message,
    rkyv::{
        Archive, Deserialize, Place, Serialize,
        rancor::{Error, Source},
        rend::u64_le,
    },
};

/// The node that reads: it answers for some numbers.
struct Site {
    known_up_to: u64,
}

/// A reference: its number travels, what it means is up to the site.
#[derive(Debug, PartialEq)]
struct Reference {
    number: u64,
    is_here: bool,
}

#[derive(Debug)]
struct NotSent;

impl std::fmt::Display for NotSent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("number 0 cannot be reached from outside")
    }
}

impl std::error::Error for NotSent {}

impl Schema for Reference {
    fn describe(walk: &mut SchemaWalk) {
        walk.leaf("test reference");
    }
}

impl Archive for Reference {
    type Archived = u64_le;
    type Resolver = ();

    fn resolve(&self, (): (), out: Place<Self::Archived>) {
        self.number.resolve((), out);
    }
}

impl Serialize<Encoder<'_>> for Reference {
    fn serialize(&self, _: &mut Encoder<'_>) -> Result<(), Error> {
        if self.number == 0 { Err(Error::new(NotSent)) } else { Ok(()) }
    }
}

impl Deserialize<Reference, Decoder<'_>> for u64_le {
    fn deserialize(&self, decoder: &mut Decoder<'_>) -> Result<Reference, Error> {
        let number = self.to_native();
        let site = decoder.site().downcast_ref::<Site>().unwrap();
        Ok(Reference { number, is_here: number <= site.known_up_to })
    }
}

#[message(id = "test/Introduce", crate = odeon_message)]
#[derive(Debug, PartialEq)]
struct Introduce {
    first: Reference,
    others: Vec<Reference>,
    group: Group<Reference>,
}

#[data(crate = odeon_message)]
#[derive(Debug, PartialEq)]
struct Group<T> {
    leader: T,
    parts: Vec<Group<T>>,
}

fn introduce(numbers: [u64; 4], is_here: impl Fn(u64) -> bool) -> Introduce {
    let [first, other, leader, part] =
        numbers.map(|number| Reference { number, is_here: is_here(number) });
    let part = Group { leader: part, parts: Vec::new() };
    Introduce { first, others: vec![other], group: Group { leader, parts: vec![part] } }
}

fn codec() -> Codec<Introduce> {
    Introduce::CODEC.unwrap()
}

#[test]
fn the_site_says_what_a_part_means() {
    let sent = introduce([1, 2, 3, 4], |_| true);
    let mut out = Vec::new();
    codec().encode(&sent, &mut out).unwrap();
    let read = codec().decode(&Payload::copy_from(&out), &Site { known_up_to: 2 });
    assert_eq!(read.unwrap(), introduce([1, 2, 3, 4], |number| number <= 2));
}

#[test]
fn a_part_that_cannot_be_sent_leaves_the_batch_as_it_was() {
    let mut out = vec![9; 16];
    let error = codec().encode(&introduce([1, 2, 3, 0], |_| true), &mut out).unwrap_err();
    assert!(error.to_string().contains("number 0 cannot be reached"), "{error}");
    assert_eq!(out, [9; 16]);
    // The next message finds its scratch as ever.
    codec().encode(&introduce([1, 2, 3, 4], |_| true), &mut out).unwrap();
}

#[test]
fn a_damaged_part_is_an_error() {
    let mut out = Vec::new();
    codec().encode(&introduce([1, 2, 3, 4], |_| true), &mut out).unwrap();
    out.truncate(out.len() - 1);
    let read = codec().decode(&Payload::copy_from(&out), &Site { known_up_to: 2 });
    assert!(matches!(read, Err(DecodeError::Archive(_))), "{read:?}");
}
