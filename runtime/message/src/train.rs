//! Archives that came one behind the other, and are handed on as one.
//!
//! What it is: a [`Train`], part of a [`Slab`] in which each archive has a few bytes before it that say how long it is, so
//! that a thousand of them are one reference to memory and two places in it. What it is NOT: a reader of frames; who makes
//! a train has checked every length in it and says by its [`Coupling`] how to read them again. Nothing here trusts that:
//! what does not fit ends the train. Read `payload.rs` for an archive alone.

use std::{fmt, ops::Range, sync::Arc};

use crate::{Payload, Slab};

/// What archives are padded to, and the length before each as well.
const ALIGNMENT: usize = 16;

/// What stands before each archive of a train.
#[derive(Clone, Copy, Debug)]
pub struct Coupling {
    /// How many bytes, a multiple of 16.
    pub bytes: usize,
    /// Reads from them the length of the archive, without its padding to a multiple of 16.
    pub length: fn(&[u8]) -> usize,
}

/// Archives in one slab, the first of which is taken next.
pub struct Train {
    slab: Arc<Slab>,
    /// Where the coupling of the next one is, and where the last one's padding ends.
    left: Range<usize>,
    count: u32,
    coupling: &'static Coupling,
}

/// One archive that was taken off a train, and its place there.
#[derive(Clone, Debug)]
pub struct Taken {
    range: Range<usize>,
    /// Its length with its padding and what stood before it.
    pub whole_bytes: usize,
}

impl Taken {
    /// The length of the archive.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.range.len()
    }
}

impl Train {
    /// So many archives in `range` of `slab`; `None` if that is not inside, or does not start at a multiple of 16.
    #[must_use]
    pub fn new(
        slab: Arc<Slab>,
        range: Range<usize>,
        count: u32,
        coupling: &'static Coupling,
    ) -> Option<Self> {
        let fits = range.start <= range.end
            && range.end <= slab.len()
            && range.start.is_multiple_of(ALIGNMENT)
            && coupling.bytes.is_multiple_of(ALIGNMENT);
        fits.then_some(Self { slab, left: range, count, coupling })
    }

    /// How many there are.
    #[must_use]
    #[inline]
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Whether there is none any more.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Their bytes, with padding and what stands before each.
    #[must_use]
    pub fn whole_bytes(&self) -> usize {
        self.left.len()
    }

    /// Their bytes with padding alone.
    #[must_use]
    pub fn padded_bytes(&self) -> usize {
        self.left.len().saturating_sub(self.count as usize * self.coupling.bytes)
    }

    #[inline]
    fn at(&self, start: usize) -> Option<Taken> {
        let archive = start + self.coupling.bytes;
        let before = self.slab.get(start..archive)?;
        let range = archive..archive.checked_add((self.coupling.length)(before))?;
        let end = range.end.checked_next_multiple_of(ALIGNMENT)?;
        (end <= self.left.end).then_some(Taken { range, whole_bytes: end - start })
    }

    /// Takes the next one.
    #[inline]
    pub fn take(&mut self) -> Option<Taken> {
        let taken = if self.count == 0 { None } else { self.at(self.left.start) };
        match &taken {
            Some(taken) => {
                self.left.start += taken.whole_bytes;
                self.count -= 1;
            }
            None => self.count = 0,
        }
        taken
    }

    /// Takes the first `count`, as a train of their own.
    #[must_use]
    pub fn take_some(&mut self, count: u32) -> Self {
        let start = self.left.start;
        let taken = (0..count).take_while(|_| self.take().is_some()).count();
        Self {
            slab: Arc::clone(&self.slab),
            left: start..self.left.start,
            // No more than `count`.
            count: taken as u32,
            coupling: self.coupling,
        }
    }

    /// The bytes of one that was taken off this train; their start is aligned to 16.
    #[must_use]
    #[inline]
    pub fn bytes_of(&self, taken: &Taken) -> &[u8] {
        self.slab.get(taken.range.clone()).unwrap_or_default()
    }

    /// One that was taken off this train, alone: it shares the slab.
    #[must_use]
    pub fn payload_of(&self, taken: &Taken) -> Payload {
        let payload = Payload::new(Arc::clone(&self.slab), taken.range.clone());
        payload.expect(
            "what is taken off a train is in its slab, and all before it is of multiples of 16",
        )
    }

    /// Looks at those that are left, in order, and takes none.
    pub fn iter(&self) -> impl Iterator<Item = Taken> + '_ {
        let (mut start, mut count) = (self.left.start, self.count);
        std::iter::from_fn(move || {
            count = count.checked_sub(1)?;
            let taken = self.at(start)?;
            start += taken.whole_bytes;
            Some(taken)
        })
    }
}

impl fmt::Debug for Train {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Train({} archives, {} bytes)", self.count, self.left.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUPLING: &Coupling = &Coupling { bytes: 16, length: |before| usize::from(before[0]) };

    fn train(lengths: &[u8]) -> Train {
        let mut slab = Slab::with_capacity(4096);
        for (length, number) in lengths.iter().zip(0_u8..) {
            let mut before = [0; 16];
            before[0] = *length;
            slab.extend_from_slice(&before);
            slab.extend_from_slice(&vec![number; usize::from(*length)]);
            let padded = slab.len().next_multiple_of(16);
            slab.resize(padded, 0);
        }
        let range = 0..slab.len();
        Train::new(Arc::new(slab), range, lengths.len() as u32, COUPLING).unwrap()
    }

    #[test]
    fn archives_are_taken_in_order_and_split() {
        let mut train = train(&[3, 16, 40, 1]);
        assert_eq!((train.len(), train.whole_bytes(), train.padded_bytes()), (4, 160, 96));
        assert_eq!(train.iter().map(|taken| taken.bytes()).collect::<Vec<_>>(), [3, 16, 40, 1]);
        let first = train.take().unwrap();
        assert_eq!((train.bytes_of(&first), first.whole_bytes), ([0; 3].as_slice(), 32));
        let mut some = train.take_some(2);
        assert_eq!((some.len(), some.whole_bytes()), (2, 96));
        let (second, third) = (some.take().unwrap(), some.take().unwrap());
        assert_eq!(some.payload_of(&second).bytes(), [1; 16]);
        assert_eq!(some.bytes_of(&third), [2; 40]);
        assert!(some.is_empty() && some.take().is_none());
        let last = train.take().unwrap();
        assert_eq!(train.bytes_of(&last), [3]);
        assert!(train.take().is_none() && train.whole_bytes() == 0);
    }

    #[test]
    fn what_does_not_fit_ends_a_train() {
        let train_of = |range, count| {
            let mut slab = Slab::with_capacity(64);
            slab.resize(64, 255);
            Train::new(Arc::new(slab), range, count, COUPLING)
        };
        assert!(train_of(0..80, 1).is_none() && train_of(8..64, 1).is_none());
        let mut wrong = train_of(0..64, 3).unwrap();
        assert!(wrong.iter().next().is_none());
        assert!(wrong.take().is_none() && wrong.is_empty());
        assert!(train(&[]).take().is_none());
        let mut fewer = train(&[1, 1]);
        assert_eq!(fewer.take_some(5).len(), 2);
    }
}
