//! How much is in a mailbox: messages and bytes in one word, reserved and given back in one step each.
//!
//! Bytes are counted in units of 16, rounded up, so that both counts and the waiting mark fit in 64 bits. A message
//! that is larger than the bound counts as the whole bound: it enters an empty mailbox and nothing enters beside it.
//! What it is NOT: the queue (`stack.rs`), or who waits (`room.rs`).

use std::sync::atomic::Ordering::{AcqRel, Relaxed};

use super::sync::AtomicU64;

/// Bytes of one unit.
const UNIT_BYTES: usize = 16;
/// Where the units stand in the word; below are the messages. The highest bit of each half is kept free.
const UNITS_AT: u32 = 32;
/// Most messages that a bound can be.
const MESSAGES_MAX: u32 = (1 << 31) - 1;
/// Most units that a bound can be: with the waiting mark, and with one message more, they stay below the free bit.
const UNITS_MAX: u32 = (1 << 30) - 1;
/// The highest bits of both halves.
const FREE: u64 = 1 << 63 | 1 << 31;
/// In the word: senders wait, so nobody reserves without asking `room.rs`. It makes the units larger than any bound.
const WAITING: u64 = 1 << 62;

/// The units of so many bytes.
pub(crate) const fn units(bytes: usize) -> u32 {
    let units = bytes.div_ceil(UNIT_BYTES) as u64;
    if units > UNITS_MAX as u64 { UNITS_MAX } else { units as u32 }
}

/// The bytes of so many units.
pub(crate) const fn bytes(units: u32) -> usize {
    units as usize * UNIT_BYTES
}

/// Messages for which the receiver's thread reserves room at once: more gain little.
const AHEAD: u32 = 8;
/// Larger messages than of 4 KiB have theirs reserved one by one, and are not handed over. So what is reserved at once
/// stays far below the free bits.
const AHEAD_UNITS_MAX: u32 = 256;
/// Only a mailbox that holds so many of the largest of them lets its receiver's thread do either: it is a hundredth more or
/// less there.
const LARGE: Charge = Charge(128 | (128 * AHEAD_UNITS_MAX as u64) << UNITS_AT);

/// What messages take up: how many they are, and their units.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Charge(u64);

impl Charge {
    /// So many messages of so many units together, which no bound has cut.
    pub(crate) const fn of(messages: u32, units: u32) -> Self {
        Self(messages as u64 | (units as u64) << UNITS_AT)
    }

    /// Both together.
    #[inline]
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// This without `other`, which is part of it.
    pub(crate) const fn minus(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }

    /// How many they are.
    #[inline]
    pub(crate) const fn messages(self) -> u32 {
        self.0 as u32
    }
}

/// How much a mailbox holds: both bounds as a charge, and the free bits above them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bounds(u64);

impl Bounds {
    /// No message gets in at all.
    pub(crate) const CLOSED: Self = Self(FREE | 1 << UNITS_AT);

    /// At least one message and one unit, to which bytes are rounded up; at most 2^31 - 1 messages and 16 GiB.
    pub(crate) fn new(messages_max: u32, bytes_max: usize) -> Self {
        let messages = u64::from(messages_max.clamp(1, MESSAGES_MAX));
        Self(FREE | messages | u64::from(units(bytes_max).max(1)) << UNITS_AT)
    }

    #[inline]
    pub(crate) const fn messages_max(self) -> u32 {
        (self.0 & !FREE) as u32
    }

    #[inline]
    const fn units_max(self) -> u32 {
        ((self.0 & !FREE) >> UNITS_AT) as u32
    }

    /// Whether a few messages make no difference.
    #[inline]
    const fn is_large(self) -> bool {
        self.fit(Charge(0), LARGE)
    }

    /// Whether neither half is more than all that may be held.
    const fn holds(self, charge: Charge) -> bool {
        charge.messages() <= self.messages_max()
            && (charge.0 >> UNITS_AT) as u32 <= self.units_max()
    }

    pub(crate) const fn bytes_max(self) -> usize {
        self.units_max() as usize * UNIT_BYTES
    }

    /// What one message of so many units takes up.
    #[inline]
    pub(crate) const fn charge(self, units: u32) -> Charge {
        let units = if units < self.units_max() { units } else { self.units_max() };
        Charge(1 | (units as u64) << UNITS_AT)
    }

    /// Whether one more gets in beside what is held. Where a half of the sum is larger than that of the bound, the
    /// difference borrows the free bit above it.
    #[inline]
    pub(crate) const fn fit(self, held: Charge, more: Charge) -> bool {
        self.0.wrapping_sub(held.0.wrapping_add(more.0)) & FREE == FREE
    }
}

/// Room that is reserved though nothing takes it up: what messages that were taken have left, and what the receiver's
/// thread has reserved ahead. Less than nothing while a message is in that was handed over, for which none is reserved.
///
/// The receiver's thread alone changes it, so that no exchange is needed; it stands apart from what senders change.
#[derive(Default)]
pub(crate) struct Spare(AtomicU64);

impl Spare {
    #[inline]
    fn get(&self) -> Charge {
        Charge(self.0.load(Relaxed))
    }

    #[inline]
    fn set(&self, charge: Charge) {
        self.0.store(charge.0, Relaxed);
    }

    #[inline]
    pub(crate) fn is_none(&self) -> bool {
        self.get() == Charge::default()
    }

    /// A message is taken: its room is left over. How many messages could have what there is.
    #[inline]
    pub(crate) fn add(&self, charge: Charge) -> u32 {
        // A message that was handed over is the first to be taken, and leaves nothing.
        let sum = Charge(self.get().0.wrapping_add(charge.0));
        self.set(sum);
        sum.messages()
    }

    /// Takes all of it, to be given back.
    #[inline]
    pub(crate) fn take(&self) -> Charge {
        let left = self.get();
        if left.is_owed() {
            return Charge::default();
        }
        self.set(Charge::default());
        left
    }

    /// What a message takes up that was handed over, if it is still in.
    #[inline]
    pub(crate) fn owed(&self) -> Charge {
        let left = self.get();
        if left.is_owed() { Charge(left.0.wrapping_neg()) } else { Charge::default() }
    }
}

impl Charge {
    /// Whether it is less than nothing.
    #[inline]
    const fn is_owed(self) -> bool {
        self.0 >> 63 != 0
    }

    /// This without `other`, if that is part of it.
    #[inline]
    const fn without(self, other: Self) -> Option<Self> {
        // Either half borrows the free bit above it if it is too small; of what is owed both are set before.
        let rest = (self.0 ^ FREE).wrapping_sub(other.0);
        if rest & FREE == FREE { Some(Self(rest ^ FREE)) } else { None }
    }
}

/// How much is in, with its bounds.
#[repr(C)]
pub(crate) struct Load {
    word: AtomicU64,
    bounds: Bounds,
}

impl Load {
    /// Nothing yet.
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { word: AtomicU64::new(0), bounds }
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// What is held now beside what is to spare, without the mark. Certain for the receiver's thread only.
    pub(crate) fn held(&self, spare: &Spare) -> Charge {
        let held = (self.word.load(Relaxed) & !WAITING).wrapping_sub(spare.get().0);
        // Others may see one of them before the other.
        if held & FREE == 0 { Charge(held) } else { Charge::default() }
    }

    /// Whether one message of so many units would get in now. Only a hint: others come and go.
    #[cfg(test)]
    pub(crate) fn has_room(&self, units: u32) -> bool {
        self.bounds.fit(Charge(self.word.load(Relaxed)), self.bounds.charge(units))
    }

    /// Reserves room for one message of so many units; `false` if there is none or others wait for it.
    #[inline]
    pub(crate) fn reserve(&self, units: u32) -> bool {
        // What fits as it is needs not be cut to the bound.
        self.try_reserve(Charge(1 | u64::from(units) << UNITS_AT)) || self.reserve_large(units)
    }

    #[cold]
    fn reserve_large(&self, units: u32) -> bool {
        units > self.bounds.units_max() && self.try_reserve(self.bounds.charge(units))
    }

    #[inline]
    fn try_reserve(&self, charge: Charge) -> bool {
        let mut word = self.word.load(Relaxed);
        while self.bounds.fit(Charge(word), charge) {
            match self.word.compare_exchange_weak(word, word + charge.0, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Reserves room for the first messages of a row, as many as fit: how many. `whole` is what all of them take up if none is
    /// cut to the bound, `each` what one after the other does. With `first`, past the mark as
    /// [`reserve_waiting`](Self::reserve_waiting) does.
    pub(crate) fn reserve_some<I: Iterator<Item = Charge>>(
        &self,
        whole: Charge,
        each: impl Fn() -> I,
        first: bool,
    ) -> u32 {
        let mut word = self.word.load(Relaxed);
        loop {
            let held = if first { word & !WAITING } else { word };
            if held & WAITING != 0 {
                return 0;
            }
            let some = match self.bounds.holds(whole) && self.bounds.fit(Charge(held), whole) {
                true => whole,
                false => self.as_fit(Charge(held), each()),
            };
            if some == Charge::default() {
                return 0;
            }
            match self.word.compare_exchange_weak(word, word + some.0, Relaxed, Relaxed) {
                Ok(_) => return some.messages(),
                Err(now) => word = now,
            }
        }
    }

    /// What the first of them take up together that fit beside what is held.
    fn as_fit(&self, held: Charge, each: impl Iterator<Item = Charge>) -> Charge {
        let mut some = Charge::default();
        for charge in each {
            let more = some.plus(charge);
            if !self.bounds.fit(held, more) {
                break;
            }
            some = more;
        }
        some
    }

    /// Reserves room for a message that was handed over, if one is still in; `false` if there is none. Only the receiver's
    /// thread calls it.
    pub(crate) fn reserve_owed(&self, spare: &Spare) -> bool {
        let owed = spare.owed();
        if owed == Charge::default() {
            return true;
        }
        let reserved = self.try_reserve(owed);
        if reserved {
            spare.set(Charge::default());
        }
        reserved
    }

    /// As [`reserve`](Self::reserve), for the receiver's thread, which has what is to spare. If the receiver is `asleep`, so
    /// that it has a turn next, and the bounds are large, the first message takes up no room: it is handed over, and counted
    /// before another one is reserved for. More of them have theirs reserved together, and what is not used is given back
    /// with that of messages that were taken.
    #[inline(always)]
    pub(crate) fn reserve_near(&self, spare: &Spare, units: u32, asleep: bool) -> bool {
        let (word, left) = (self.word.load(Relaxed), spare.get());
        let one = Charge(1 | u64::from(units) << UNITS_AT);
        let small = asleep && units <= AHEAD_UNITS_MAX;
        if word == 0 && left.0 == 0 && small && self.bounds.is_large() {
            spare.set(Charge(one.0.wrapping_neg()));
            return true;
        }
        if let Some(rest) = left.without(one)
            && word & WAITING == 0
        {
            spare.set(rest);
            return true;
        }
        self.reserve_ahead(spare, units, asleep)
    }

    #[inline(never)]
    fn reserve_ahead(&self, spare: &Spare, units: u32, asleep: bool) -> bool {
        if self.is_waiting() {
            return false;
        }
        // What does not do for this message shall not be in its way. Whoever begins to wait right now is let in when the
        // receiver's turn ends, as for whatever is to spare.
        let left = spare.take();
        if left != Charge::default() {
            self.release(left);
        }
        let owed = spare.owed();
        if asleep && units <= AHEAD_UNITS_MAX && self.bounds.is_large() {
            let ahead = |messages: u32| {
                Charge(u64::from(messages) | u64::from(messages * units) << UNITS_AT)
            };
            if self.try_reserve(owed.plus(ahead(AHEAD))) {
                spare.set(ahead(AHEAD - 1));
                return true;
            }
        }
        self.reserve_owed(spare) && self.reserve(units)
    }

    /// Reserves room past the waiting mark, for whoever set it and holds the lock of the waiting room.
    pub(crate) fn reserve_waiting(&self, units: u32) -> bool {
        let charge = self.bounds.charge(units);
        let free = self.bounds.fit(Charge(self.word.load(Relaxed) & !WAITING), charge);
        if free {
            self.word.fetch_add(charge.0, Relaxed);
        }
        free
    }

    /// Gives back what was reserved; `true` if senders wait for it.
    #[inline]
    pub(crate) fn release(&self, charge: Charge) -> bool {
        self.word.fetch_sub(charge.0, AcqRel) & WAITING != 0
    }

    /// Whether nothing is held and nobody waits.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.word.load(Relaxed) == 0
    }

    /// Whether senders wait for room.
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        self.word.load(Relaxed) & WAITING != 0
    }

    /// From now on nobody reserves without asking the waiting room.
    pub(crate) fn mark_waiting(&self) {
        self.word.fetch_or(WAITING, AcqRel);
    }

    pub(crate) fn clear_waiting(&self) {
        self.word.fetch_and(!WAITING, AcqRel);
    }
}

// Not in the copy that the models have.
// The models compile this file with loom's atomics, which work in models alone.
#[cfg(all(test, not(feature = "loom")))]
mod tests;
