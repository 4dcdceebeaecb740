//! What was large of late: receivers and types of message whose last one was.
//!
//! That a frame is large is known when it is archived. Whose last one was is archived at once where a large one lies, and
//! not up to `bulk_from_bytes` in the lane first, in vain. It is a guess: one that misses costs what it saves otherwise. Of
//! replies nothing is remembered: their headers do not say of what type they are.
//! Read `lane/large.rs` next.

use odeon_message::{ActorKey, MessageId};
use odeon_wire::{FrameKind, Header};

/// Routes and types that a lane remembers, a power of two: an actor system has few that are large and busy, and each
/// further one takes the place of another, which is archived twice once more.
const LIKELY_MAX: usize = 16;

/// A few routes and types, each in the one place that it may have.
#[derive(Debug, Default)]
pub(super) struct Likely {
    /// How many there are: none in most lanes, where nobody looks further.
    count: usize,
    last: [Option<(ActorKey, MessageId)>; LIKELY_MAX],
}

impl Likely {
    /// Whether the last frame of this type on this route was large.
    #[inline]
    pub(super) fn has(&self, header: &Header) -> bool {
        self.count > 0
            && header.kind == FrameKind::Message
            && self.last[place(header)] == Some((header.receiver, header.message))
    }

    pub(super) fn note(&mut self, header: &Header) {
        if header.kind != FrameKind::Message {
            return;
        }
        let last = &mut self.last[place(header)];
        self.count += usize::from(last.is_none());
        *last = Some((header.receiver, header.message));
    }

    /// It was not large this time.
    pub(super) fn forget(&mut self, header: &Header) {
        if self.has(header) {
            self.last[place(header)] = None;
            self.count -= 1;
        }
    }
}

/// A multiplicative hash (Knuth, 6.4); ids of messages are hashes already.
fn place(header: &Header) -> usize {
    let ActorKey { slot, generation } = header.receiver;
    let key = header.message.0 ^ (u64::from(generation) << 32 | u64::from(slot));
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60) as usize % LIKELY_MAX
}

#[cfg(test)]
mod tests {
    use odeon_message::AskId;

    use super::*;

    fn header(slot: u32, message: u64) -> Header {
        Header::message(ActorKey { slot, generation: 1 }, MessageId(message), AskId::NONE)
    }

    #[test]
    fn a_route_and_type_is_remembered_until_it_is_forgotten_or_another_takes_its_place() {
        let mut likely = Likely::default();
        assert!(!likely.has(&header(1, 2)));
        likely.forget(&header(1, 2));
        likely.note(&header(1, 2));
        likely.note(&header(1, 2));
        assert!(likely.has(&header(1, 2)) && !likely.has(&header(2, 2)));
        assert!(!likely.has(&header(1, 3)));
        likely.forget(&header(1, 3));
        assert!(likely.has(&header(1, 2)));
        likely.forget(&header(1, 2));
        assert_eq!((likely.has(&header(1, 2)), likely.count), (false, 0));
        (0..1_000).for_each(|slot| likely.note(&header(slot, 7)));
        assert_eq!(likely.count, LIKELY_MAX);
        let reply = Header::of_ask(FrameKind::Reply, AskId::NONE);
        likely.note(&reply);
        assert!(!likely.has(&reply));
        assert!(likely.has(&header(999, 7)));
    }
}
