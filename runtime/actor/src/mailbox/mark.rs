//! How long a message waits in a mailbox, sampled: the receiver marks its empty mailbox, and the next sender notes when.
//!
//! The mark stands in the top of the stack (`stack.rs`), which each sender reads anyway; only the one that finds it reads
//! the clock. So the message that is measured is the first to arrive after the mark, the one that waits longest of what
//! is taken together with it. Senders that race for the mark leave the later of their times, so that a measured wait may
//! be too short by as long as one of them is held up meanwhile, and is never too long. What it is NOT: for mailboxes with
//! lanes, which have no stack; those are not measured. Time in the waiting room does not count either. Measured in
//! `life.rs`.

#![expect(unsafe_code, reason = "the state stands beside an address in one word")]

use std::{
    sync::atomic::{
        AtomicPtr, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Nobody measures.
const NONE: usize = 0;
/// The mailbox shall be marked when it is empty.
const WANTED: usize = 1;
/// It is marked; the first message that is taken out of it was noted.
const SET: usize = 2;
/// The first message came from the receiver's thread, past the mailbox, and was noted.
const NEAR: usize = 3;

/// Nanoseconds since the first mark of this mailbox.
struct Clock {
    base: Instant,
    nanos: AtomicU64,
}

impl Clock {
    fn elapsed(&self, now: Instant) -> u64 {
        let time = now.saturating_duration_since(self.base);
        u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The mark of one mailbox: where its clock is, once there is one, and in the lowest bits the state, which only the
/// receiver changes. One word, since an idle actor pays for every byte.
#[derive(Default)]
pub(super) struct Mark(AtomicPtr<Clock>);

/// The bits of the state, which no clock's address has.
const STATE: usize = 3;

impl Mark {
    fn state(&self) -> usize {
        self.0.load(Relaxed).addr() & STATE
    }

    fn put(&self, state: usize) {
        let word = self.0.load(Relaxed);
        self.0.store(word.map_addr(|addr| addr & !STATE | state), Release);
    }

    fn clock(&self) -> Option<&Clock> {
        const { assert!(align_of::<Clock>() > STATE, "the state has room beside the address") };
        let clock = self.0.load(Acquire).map_addr(|addr| addr & !STATE);
        // SAFETY: it is null or came out of a box below, which goes with the mark.
        unsafe { clock.as_ref() }
    }

    pub(super) fn want(&self) {
        if self.state() == NONE {
            self.put(WANTED);
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.state() == WANTED
    }

    pub(super) fn is_set(&self) -> bool {
        self.state() == SET
    }

    /// The time before which no message is noted; the mark may be put in the stack now. Only the receiver calls it.
    pub(super) fn prepare(&self) {
        let now = Instant::now();
        if self.clock().is_none() {
            let clock = Box::new(Clock { base: now, nanos: AtomicU64::new(0) });
            let state = self.state();
            self.0.store(Box::into_raw(clock).map_addr(|addr| addr | state), Release);
        }
        if let Some(clock) = self.clock() {
            clock.nanos.store(clock.elapsed(now), Relaxed);
        }
    }

    /// It is in the stack.
    pub(super) fn set(&self) {
        self.put(SET);
    }

    /// A sender on the receiver's thread has found it, whose message is the first to be taken.
    pub(super) fn note_near(&self) {
        self.note();
        self.put(NEAR);
    }

    pub(super) fn is_near(&self) -> bool {
        self.state() == NEAR
    }

    /// A sender has found it.
    #[cold]
    pub(super) fn note(&self) {
        if let Some(clock) = self.clock() {
            clock.nanos.fetch_max(clock.elapsed(Instant::now()), Relaxed);
        }
    }

    /// The message that was noted is taken: how long it has waited.
    pub(super) fn take(&self) -> Option<Duration> {
        self.put(NONE);
        let clock = self.clock()?;
        let waited = clock.elapsed(Instant::now()).saturating_sub(clock.nanos.load(Relaxed));
        Some(Duration::from_nanos(waited))
    }

    pub(super) fn forget(&self) {
        self.put(NONE);
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let clock = self.0.get_mut().map_addr(|addr| addr & !STATE);
        if !clock.is_null() {
            // SAFETY: it came out of a box, and nobody refers to it any more.
            drop(unsafe { Box::from_raw(clock) });
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::{
        letters::{Letter, Size, envelope, units_of},
        load::Bounds,
        mailbox::{Mailbox, Pushed},
    };

    fn push(mailbox: &Mailbox) -> bool {
        assert!(mailbox.reserve(units_of(Size::Small)));
        match mailbox.push(envelope(Letter { number: 1, size: Size::Small })) {
            Pushed::Woke => true,
            Pushed::Queued => false,
            Pushed::Closed(_) => panic!("it is open"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_goes_past_the_mailbox_is_measured_too() {
        let ms = Duration::from_millis;
        let mailbox = Mailbox::new(Bounds::new(8, 1 << 20));
        assert!(!mailbox.note_near(), "it is not marked");
        mailbox.want_mark();
        assert!(!mailbox.note_near(), "the receiver is awake");
        assert!(mailbox.sleep());
        advance(ms(1_000)).await;
        assert_eq!(mailbox.is_clear(), None);
        assert!(mailbox.note_near() && !mailbox.note_near());
        assert_eq!(mailbox.is_clear(), Some(true), "others may go there too");
        assert!(mailbox.is_noted_near() && !mailbox.is_marked());
        advance(ms(250)).await;
        assert!(push(&mailbox), "the receiver sleeps");
        assert_eq!(mailbox.take_mark(), Some(ms(250)));
        assert!(!mailbox.is_noted_near() && !mailbox.wants_mark());
        // Another thread was faster.
        drop(mailbox.take());
        mailbox.want_mark();
        assert!(mailbox.sleep() && push(&mailbox));
        assert!(!mailbox.note_near() && mailbox.is_marked());
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_message_after_the_mark_is_measured() {
        let ms = Duration::from_millis;
        let mailbox = Mailbox::new(Bounds::new(8, 1 << 20));
        mailbox.want_mark();
        assert!(mailbox.is_marked(), "it is empty");
        for asleep in [true, false] {
            advance(ms(1_000)).await;
            assert!(mailbox.take().is_empty());
            if asleep {
                assert!(mailbox.sleep() && mailbox.sleep());
            }
            advance(ms(1_000)).await;
            assert_eq!(push(&mailbox), asleep, "the mark does not hide who sleeps");
            advance(ms(250)).await;
            assert!(!push(&mailbox) && !mailbox.sleep());
            mailbox.want_mark();
            advance(ms(250)).await;
            drop(mailbox.take());
            assert_eq!(mailbox.take_mark(), Some(ms(500)));
            assert!(!mailbox.is_marked() && !mailbox.wants_mark());
            assert!(!push(&mailbox));
            mailbox.want_mark();
            assert!(mailbox.wants_mark() && !mailbox.is_marked(), "somebody was before it");
            drop(mailbox.take());
            mailbox.mark();
            assert!(mailbox.is_marked());
        }
        mailbox.forget_mark();
        assert!(!mailbox.is_marked());
        drop(mailbox.close());
        assert!(mailbox.is_closed());
    }
}
