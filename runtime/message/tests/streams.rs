//! Messages that are answered with a stream: how the answer opens it, items as archives, and bytes from outside.

use std::{
    any::Any,
    collections::VecDeque,
    task::{Context, Poll, Waker},
    time::Duration,
};

use odeon_message::{
    Archived, AskError, Certainty, Failure, FailureKind, Flow, Inflow, Items, Message, Payload,
    data, message,
};
use proptest::{collection::vec, prelude::*};

#[message(id = "test/Follow", stream = Line, crate = odeon_message)]
struct Follow;

#[message(id = "test/Follow", reply = Line, crate = odeon_message)]
struct NoStream;

#[message(id = "test/Try", stream = Line, error = Refused, crate = odeon_message)]
struct Try;

#[message(local, stream = std::cell::Cell<u8>, crate = odeon_message)]
struct Local;

#[data(crate = odeon_message)]
#[derive(Clone, Debug, PartialEq)]
struct Line {
    text: String,
    number: u64,
}

/// Its archive has no bytes.
#[data(crate = odeon_message)]
#[derive(Debug, PartialEq)]
struct Refused;

fn line(number: u64) -> Line {
    Line { text: "line".repeat(number as usize), number }
}

/// Three lines and an end.
struct Three(VecDeque<Line>, Option<Failure>);

impl Flow<Line> for Three {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Line, Failure>>> {
        Poll::Ready(self.0.pop_front().map(Ok).or_else(|| self.1.take().map(Err)))
    }

    fn set_within(&mut self, _: Duration) {}

    fn narrow(&mut self) {}
}

fn three(failure: Option<Failure>) -> Items<Line> {
    Items::of(Three((0..3).map(line).collect(), failure))
}

/// What was archived, as it comes out on the other side.
struct Wire(VecDeque<Payload>);

impl Inflow for Wire {
    fn poll_payload(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Payload, Failure>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }

    fn set_within(&mut self, _: Duration) {}

    fn site(&self) -> &(dyn Any + Send + Sync) {
        &()
    }
}

fn next(items: &mut Items<Line>) -> Option<Result<Line, odeon_message::StreamError>> {
    let future = std::pin::pin!(items.next());
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(next) => next,
        Poll::Pending => panic!("these flows are always ready"),
    }
}

#[test]
fn a_stream_crosses_as_an_opening_and_its_items() {
    let codec = Try::CODEC.unwrap();
    assert!(codec.is_streaming());
    let failure = Failure::new(FailureKind::Stopped, Certainty::Ran, "gone");
    let mut output = Ok(three(Some(failure.clone())));
    let mut opening = Vec::new();
    codec.encode_output(&output, &mut opening).unwrap();
    assert!(opening.is_empty());
    let mut outflow = codec.items(&mut output).unwrap().depart();
    let mut payloads = VecDeque::new();
    let mut cx = Context::from_waker(Waker::noop());
    let end = loop {
        let mut out = Vec::new();
        match outflow.poll_archive(&mut cx, &mut out) {
            Poll::Ready(Archived::Item) => payloads.push_back(Payload::copy_from(&out)),
            Poll::Ready(end) => break end,
            Poll::Pending => panic!("it is always ready"),
        }
    };
    assert!(matches!(end, Archived::Failed(it) if it == failure));
    let mut arrived = codec.decode_output(&Payload::copy_from(&[]), &()).unwrap();
    codec.items(&mut arrived).unwrap().arrive(Box::new(Wire(payloads)));
    let mut items = arrived.unwrap();
    for number in 0..3 {
        assert_eq!(next(&mut items), Some(Ok(line(number))));
    }
    assert_eq!(next(&mut items), None);
}

#[test]
fn an_error_crosses_in_the_place_of_a_stream() {
    let codec = Try::CODEC.unwrap();
    let mut refused = Err(Refused);
    let mut opening = vec![9; 16];
    codec.encode_output(&refused, &mut opening).unwrap();
    assert_eq!(opening[16..], [0; 16]);
    assert!(codec.items(&mut refused).is_none());
    let read = codec.decode_output(&Payload::copy_from(&opening[16..]), &()).unwrap();
    assert_eq!(read.unwrap_err(), Refused);
    assert!(codec.decode_output(&Payload::copy_from(&[1; 16]), &()).is_err());
    assert!(Follow::CODEC.unwrap().decode_output(&Payload::copy_from(&[0; 16]), &()).is_err());
}

#[test]
fn items_end_with_their_error() {
    let mut items = three(Some(Failure::new(FailureKind::Panicked, Certainty::Ran, "")));
    for number in 0..3 {
        assert_eq!(next(&mut items), Some(Ok(line(number))));
    }
    assert!(matches!(next(&mut items), Some(Err(AskError::Panicked(_)))));
    assert_eq!(next(&mut items), None);
    assert_eq!(format!("{items:?}"), "Items(ended)");
}

#[test]
fn a_stream_is_part_of_the_layout() {
    let stream = Follow::CODEC.unwrap().fingerprint();
    assert_ne!(stream, NoStream::CODEC.unwrap().fingerprint());
    assert!(!NoStream::CODEC.unwrap().is_streaming());
    assert!(Local::CODEC.is_none());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..80)) {
        let payload = Payload::copy_from(&bytes);
        drop(Try::CODEC.unwrap().decode_output(&payload, &()));
        drop(Follow::CODEC.unwrap().decode_output(&payload, &()));
        let mut arrived = Follow::CODEC.unwrap().decode_output(&Payload::copy_from(&[]), &()).unwrap();
        let wire = Wire([payload].into());
        Follow::CODEC.unwrap().items(&mut arrived).unwrap().arrive(Box::new(wire));
        if let Some(Err(error)) = next(&mut arrived) {
            prop_assert!(matches!(error, AskError::Decode(_)));
            prop_assert!(next(&mut arrived).is_none());
        }
    }
}
