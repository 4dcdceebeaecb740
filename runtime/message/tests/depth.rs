//! Archives deeper than any message: refused before the stack is full, also where no value was built yet.
//!
//! A peer needs eight bytes a level, so a frame of one megabyte can nest a hundred thousand levels. Checking, reading
//! and dropping recurse; whatever passes the check must be shallow enough for all three.

use odeon_message::{ARCHIVE_DEPTH_MAX, DecodeError, Message, Payload, Wire, data, message};

/// A linked list: the deepest that bytes can say.
#[message(id = "test/Chain", crate = odeon_message)]
#[derive(Debug, PartialEq)]
struct Chain {
    next: Option<Box<Self>>,
}

#[data(crate = odeon_message)]
#[derive(Debug, PartialEq)]
struct Boxed {
    next: Box<Option<Self>>,
}

#[data(crate = odeon_message)]
#[derive(Debug, PartialEq)]
struct Nested {
    parts: Vec<Self>,
}

fn chain(links: usize) -> Chain {
    (1..links).fold(Chain { next: None }, |next, _| Chain { next: Some(Box::new(next)) })
}

/// The archive of a [`chain`], written by hand because archiving recurses: a tag, three bytes of padding, and the
/// distance from the pointer to the link before it.
fn chain_bytes(links: usize) -> Vec<u8> {
    let mut bytes = vec![0; 8];
    for _ in 1..links {
        bytes.extend_from_slice(&[1, 0, 0, 0]);
        bytes.extend_from_slice(&(-12_i32).to_le_bytes());
    }
    bytes
}

fn read<T: Wire>(bytes: &[u8]) -> Result<T, DecodeError> {
    T::unarchive(Payload::copy_from(bytes).bytes(), &())
}

#[test]
fn the_bytes_made_by_hand_are_what_the_codec_writes() {
    for links in [1, 2, 30] {
        let mut bytes = Vec::new();
        Chain::CODEC.unwrap().encode(&chain(links), &mut bytes).unwrap();
        assert_eq!(bytes, chain_bytes(links));
    }
}

#[test]
fn the_bound_is_exact() {
    let deepest = read::<Chain>(&chain_bytes(ARCHIVE_DEPTH_MAX)).unwrap();
    assert_eq!(deepest, chain(ARCHIVE_DEPTH_MAX));
    let deeper = read::<Chain>(&chain_bytes(ARCHIVE_DEPTH_MAX + 1));
    let text = deeper.unwrap_err().to_string();
    assert!(text.contains("deeper than 64 levels"), "{text}");
}

#[test]
fn a_hundred_thousand_levels_are_an_error() {
    let bytes = chain_bytes(100_000);
    assert!(matches!(read::<Chain>(&bytes), Err(DecodeError::Archive(_))));
    // The same bytes as other recursive types: none may follow them down.
    assert!(read::<Boxed>(&bytes).is_err());
    assert!(read::<Nested>(&bytes).is_err());
}

#[test]
fn deep_boxes_and_lists_are_an_error() {
    let mut boxed = Boxed { next: Box::new(None) };
    let mut nested = Nested { parts: Vec::new() };
    for _ in 0..2 * ARCHIVE_DEPTH_MAX {
        boxed = Boxed { next: Box::new(Some(boxed)) };
        nested = Nested { parts: vec![nested] };
    }
    let mut bytes = Vec::new();
    boxed.archive(&mut bytes).unwrap();
    assert!(matches!(read::<Boxed>(&bytes), Err(DecodeError::Archive(_))));
    bytes.clear();
    nested.archive(&mut bytes).unwrap();
    assert!(matches!(read::<Nested>(&bytes), Err(DecodeError::Archive(_))));
}
