//! A stream of pseudo-random words: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
//!
//! Its counter is atomic so that a stream can be shared without a lock. What it is NOT: cryptographic, or for threads that
//! draw at the same time, which may get the same word; a world has one thread. Read `seat.rs` next.

use std::sync::atomic::{AtomicU64, Ordering};

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Spreads one word over all its bits (the finalizer of SplitMix64).
#[must_use]
pub const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// A seeded stream of words; equal seeds give equal streams.
#[derive(Debug)]
pub struct Stream(AtomicU64);

impl Stream {
    /// The stream of this seed.
    #[must_use]
    #[inline]
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(mix(seed)))
    }

    /// A stream that depends on the seed and on a name, and on nothing else: adding one stream never shifts another.
    #[must_use]
    pub fn named(seed: u64, name: &str) -> Self {
        Self::new(name.bytes().fold(mix(seed ^ STEP), |hash, byte| mix(hash ^ u64::from(byte))))
    }

    /// The next word.
    #[inline]
    pub fn next_word(&self) -> u64 {
        // Not one operation: a locked one takes as long as all the rest, and each packet draws half a dozen words.
        let next = self.0.load(Ordering::Relaxed).wrapping_add(STEP);
        self.0.store(next, Ordering::Relaxed);
        mix(next)
    }

    /// Fills `out`, eight bytes a word.
    pub fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let word = self.next_word().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }

    /// A number below `bound`, or 0 where the bound is 0. The bias is below `bound` / 2^64.
    #[inline]
    pub fn below(&self, bound: u64) -> u64 {
        let product = u128::from(self.next_word()) * u128::from(bound);
        (product >> 64) as u64
    }

    /// `true` with this probability; 0 and less is never, 1 and more is always.
    #[inline]
    pub fn chance(&self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A number from 0 to 1, without 1.
    #[inline]
    pub fn unit(&self) -> f64 {
        // 53 bits: what an f64 holds exactly.
        (self.next_word() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Puts items in any order, each as likely (Fisher and Yates, in Durstenfeld's form, CACM 7(7), 1964).
    pub fn shuffle<T>(&self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_streams_and_names_part_them() {
        let words = |stream: Stream| (0..8).map(|_| stream.next_word()).collect::<Vec<_>>();
        assert_eq!(words(Stream::new(7)), words(Stream::new(7)));
        assert_ne!(words(Stream::new(7)), words(Stream::new(8)));
        assert_ne!(words(Stream::named(7, "a")), words(Stream::named(7, "b")));
    }

    #[test]
    fn a_shuffle_keeps_all_items_and_puts_each_in_each_place() {
        let stream = Stream::new(3);
        let mut places = [[0; 4]; 4];
        for _ in 0..4000 {
            let mut items = [0, 1, 2, 3];
            stream.shuffle(&mut items);
            items.iter().enumerate().for_each(|(place, item)| places[*item][place] += 1);
        }
        let even = |count: &u32| (850..1150).contains(count);
        assert!(places.iter().flatten().all(even), "{places:?}");
        stream.shuffle::<u8>(&mut []);
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        let stream = Stream::new(1);
        assert!((0..1000).all(|_| stream.below(10) < 10));
        assert_eq!(stream.below(0), 0);
        assert!(!stream.chance(0.0));
        assert!(stream.chance(1.0));
    }
}
