//! Archives that came one behind the other, and are handed on as one.
//!
//! What it is: a [`Train`], part of a [`Slab`] in which all archives have one length, or each a few bytes before it that say
//! how long it is, so that a thousand of them are one reference to memory and two places in it. What it is NOT: a reader of
//! frames; who makes a train has checked every length in it and says by its [`Coupling`] how to read them again. Nothing
//! here trusts that: what does not fit ends the train. Read `payload.rs` for an archive alone.

use std::{fmt, ops::Range, sync::Arc};

use crate::{Payload, Slab};

/// What archives are padded to, and the length before each as well.
const ALIGNMENT: usize = 16;

/// How the archives of a train follow each other.
#[derive(Clone, Copy, Debug)]
pub enum Coupling {
    /// Something stands before each and says how long it is.
    Headed(&'static Heads),
    /// Nothing does, for all are alike.
    Alike(Alike),
}

/// What stands before each archive of a train.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    /// How many bytes, a multiple of 16.
    pub bytes: usize,
    /// Reads from them the length of the archive, without its padding to a multiple of 16.
    pub length: fn(&[u8]) -> usize,
}

/// Archives of one length, without anything between them but their padding to a multiple of 16.
#[derive(Clone, Copy, Debug)]
pub struct Alike {
    /// The length of each.
    pub bytes: u32,
    /// What each counts for beside its padded length: as much as if it had come alone.
    pub beside_bytes: u32,
}

impl Alike {
    #[inline]
    fn padded(self) -> usize {
        (self.bytes as usize).next_multiple_of(ALIGNMENT)
    }
}

/// Archives in one slab, the first of which is taken next.
pub struct Train {
    slab: Arc<Slab>,
    /// Where the coupling of the next one is, and where the last one's padding ends.
    left: Range<usize>,
    count: u32,
    coupling: Coupling,
    /// Bytes at the end of each that are not of its archive.
    behind_bytes: u32,
}

/// One archive that was taken off a train, and its place there.
#[derive(Clone, Debug)]
pub struct Taken {
    range: Range<usize>,
    /// Where its padding ends.
    end: usize,
    /// What it counts for: its length with its padding and what stood before it, or would have.
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
    /// So many archives in `range` of `slab`; `None` if that is not inside or does not start at a multiple of 16, or if
    /// archives that are alike have no bytes.
    #[must_use]
    pub fn new(
        slab: Arc<Slab>,
        range: Range<usize>,
        count: u32,
        coupling: Coupling,
    ) -> Option<Self> {
        let is_sound = match coupling {
            Coupling::Headed(heads) => heads.bytes.is_multiple_of(ALIGNMENT),
            Coupling::Alike(alike) => alike.bytes > 0,
        };
        let fits = range.start <= range.end
            && range.end <= slab.len()
            && range.start.is_multiple_of(ALIGNMENT)
            && is_sound;
        fits.then_some(Self { slab, left: range, count, coupling, behind_bytes: 0 })
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

    /// What they count for: their bytes, with padding and what stands before each, or would if it had come alone.
    #[must_use]
    pub fn whole_bytes(&self) -> usize {
        match self.coupling {
            Coupling::Headed(_) => self.left.len(),
            Coupling::Alike(alike) => {
                self.left.len() + self.count as usize * alike.beside_bytes as usize
            }
        }
    }

    /// The same archives, each without its last `bytes`, which stand behind it and are not its own; they count as before.
    /// One that has fewer ends the train.
    #[must_use]
    pub fn without_ends(mut self, bytes: u32) -> Self {
        self.behind_bytes = self.behind_bytes.saturating_add(bytes);
        self
    }

    /// The same archives once more; they share the slab.
    #[must_use]
    pub fn share(&self) -> Self {
        Self {
            slab: Arc::clone(&self.slab),
            left: self.left.clone(),
            count: self.count,
            coupling: self.coupling,
            behind_bytes: self.behind_bytes,
        }
    }

    /// The bytes of the archives alone, of each with its padding.
    #[must_use]
    pub fn padded_bytes(&self) -> usize {
        if self.behind_bytes > 0 {
            return self.iter().map(|taken| taken.bytes().next_multiple_of(ALIGNMENT)).sum();
        }
        let heads = match self.coupling {
            Coupling::Headed(heads) => self.count as usize * heads.bytes,
            Coupling::Alike(_) => 0,
        };
        self.left.len().saturating_sub(heads)
    }

    #[inline]
    fn at(&self, start: usize) -> Option<Taken> {
        let (mut range, end, beside) = match self.coupling {
            Coupling::Alike(alike) => {
                (start..start + alike.bytes as usize, start + alike.padded(), alike.beside_bytes)
            }
            Coupling::Headed(Heads { bytes, length }) => {
                let archive = start + bytes;
                let before = self.slab.get(start..archive)?;
                let range = archive..archive.checked_add(length(before))?;
                let end = range.end.checked_next_multiple_of(ALIGNMENT)?;
                (range, end, 0)
            }
        };
        let whole_bytes = end - start + beside as usize;
        range.end = range.end.checked_sub(self.behind_bytes as usize)?;
        (range.start <= range.end && end <= self.left.end).then_some(Taken {
            range,
            end,
            whole_bytes,
        })
    }

    /// Looks at the next one.
    #[must_use]
    pub fn first(&self) -> Option<Taken> {
        if self.count == 0 { None } else { self.at(self.left.start) }
    }

    /// Takes the next one.
    #[inline]
    pub fn take(&mut self) -> Option<Taken> {
        let taken = self.first();
        match &taken {
            Some(taken) => {
                self.left.start = taken.end;
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
        let taken = match self.coupling {
            Coupling::Headed(_) => (0..count).take_while(|_| self.take().is_some()).count(),
            Coupling::Alike(alike) => {
                let there = self.left.len() / alike.padded();
                let taken = there.min(count.min(self.count) as usize);
                self.left.start += taken * alike.padded();
                self.count -= taken as u32;
                taken
            }
        };
        Self {
            slab: Arc::clone(&self.slab),
            left: start..self.left.start,
            // No more than `count`.
            count: taken as u32,
            coupling: self.coupling,
            behind_bytes: self.behind_bytes,
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
            start = taken.end;
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

    const COUPLING: Coupling =
        Coupling::Headed(&Heads { bytes: 16, length: |before| usize::from(before[0]) });

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
    fn archives_that_are_alike_have_nothing_between_them() {
        let train = |bytes, count| {
            let mut slab = Slab::with_capacity(4096);
            (0..5_u8).for_each(|number| slab.resize((usize::from(number) + 1) * 32, number));
            let alike = Coupling::Alike(Alike { bytes, beside_bytes: 32 });
            Train::new(Arc::new(slab), 0..160, count, alike)
        };
        let mut five = train(20, 5).unwrap();
        assert_eq!((five.len(), five.whole_bytes(), five.padded_bytes()), (5, 5 * 64, 160));
        let first = five.take().unwrap();
        assert_eq!((five.bytes_of(&first), first.whole_bytes), ([0; 20].as_slice(), 64));
        let mut some = five.take_some(2);
        assert_eq!((some.len(), some.whole_bytes(), some.padded_bytes()), (2, 128, 64));
        assert_eq!(five.iter().map(|taken| taken.bytes()).collect::<Vec<_>>(), [20; 2]);
        let (second, third) = (some.take().unwrap(), some.take().unwrap());
        assert_eq!(some.payload_of(&second).bytes(), [1; 20]);
        assert_eq!(some.bytes_of(&third), [2; 20]);
        assert!(some.take().is_none());
        assert_eq!((five.take_some(9).len(), five.len()), (2, 0));
        let mut longer = train(200, 5).unwrap();
        assert_eq!(longer.take_some(3).len(), 0, "than all there is");
        assert!(longer.take().is_none() && longer.is_empty());
        assert!(train(0, 5).is_none());
    }

    #[test]
    fn what_stands_behind_archives_is_left_out_and_counts() {
        let mut headed = train(&[3, 20, 40]).without_ends(3);
        assert_eq!((headed.len(), headed.whole_bytes(), headed.padded_bytes()), (3, 144, 32 + 48));
        assert_eq!(headed.iter().map(|taken| taken.bytes()).collect::<Vec<_>>(), [0, 17, 37]);
        let mut shared = headed.share().take_some(2);
        assert_eq!((shared.len(), shared.whole_bytes()), (2, 80));
        let (first, second) = (headed.take().unwrap(), headed.take().unwrap());
        assert_eq!((headed.bytes_of(&first), first.whole_bytes), ([].as_slice(), 32));
        assert_eq!((headed.bytes_of(&second), second.whole_bytes), ([1; 17].as_slice(), 48));
        assert_eq!(shared.take().map(|taken| taken.bytes()), Some(0));
        assert!(train(&[3, 2]).without_ends(4).take().is_none(), "it has fewer");
        let mut slab = Slab::with_capacity(96);
        slab.resize(96, 7);
        let alike = Coupling::Alike(Alike { bytes: 20, beside_bytes: 32 });
        let mut alike = Train::new(Arc::new(slab), 0..96, 3, alike).unwrap().without_ends(6);
        assert_eq!((alike.whole_bytes(), alike.padded_bytes()), (3 * 64, 3 * 16));
        let taken = alike.take().unwrap();
        assert_eq!((alike.bytes_of(&taken), taken.whole_bytes), ([7; 14].as_slice(), 64));
        assert_eq!(alike.take_some(2).iter().map(|taken| taken.bytes()).sum::<usize>(), 28);
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
