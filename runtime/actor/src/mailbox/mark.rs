//! How long a message waits in a mailbox, sampled: the receiver marks its empty mailbox, and the next sender notes when.
//!
//! The mark stands in the top of the stack (`stack.rs`), which each sender reads anyway; only the one that finds it reads
//! the clock. So the message that is measured is the first to arrive after the mark, the one that waits longest of what
//! is taken together with it. Senders that race for the mark leave the later of their times, so that a measured wait may
//! be too short by as long as one of them is held up meanwhile, and is never too long. What it is NOT: for mailboxes with
//! lanes, which have no stack; those are not measured. Time in the waiting room does not count either. Measured in
//! `life.rs`.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Nobody measures.
const NONE: u8 = 0;
/// The mailbox shall be marked when it is empty.
const WANTED: u8 = 1;
/// It is marked; the first message that is taken was noted.
const SET: u8 = 2;

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

/// The mark of one mailbox. Only the receiver touches the state.
#[derive(Default)]
pub(super) struct Mark {
    state: AtomicU8,
    clock: OnceLock<Box<Clock>>,
}

impl Mark {
    pub(super) fn want(&self) {
        if self.state.load(Relaxed) == NONE {
            self.state.store(WANTED, Relaxed);
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.state.load(Relaxed) == WANTED
    }

    pub(super) fn is_set(&self) -> bool {
        self.state.load(Relaxed) == SET
    }

    /// The time before which no message is noted; the mark may be put in the stack now.
    pub(super) fn prepare(&self) {
        let now = Instant::now();
        let fresh = || Box::new(Clock { base: now, nanos: AtomicU64::new(0) });
        let clock = self.clock.get_or_init(fresh);
        clock.nanos.store(clock.elapsed(now), Relaxed);
    }

    /// It is in the stack.
    pub(super) fn set(&self) {
        self.state.store(SET, Relaxed);
    }

    /// A sender has found it.
    #[cold]
    pub(super) fn note(&self) {
        if let Some(clock) = self.clock.get() {
            clock.nanos.fetch_max(clock.elapsed(Instant::now()), Relaxed);
        }
    }

    /// The message that was noted is taken: how long it has waited.
    pub(super) fn take(&self) -> Option<Duration> {
        self.state.store(NONE, Relaxed);
        let clock = self.clock.get()?;
        let waited = clock.elapsed(Instant::now()).saturating_sub(clock.nanos.load(Relaxed));
        Some(Duration::from_nanos(waited))
    }

    pub(super) fn forget(&self) {
        self.state.store(NONE, Relaxed);
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
