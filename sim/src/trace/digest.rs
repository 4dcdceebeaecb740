//! The hash of a trace: two 64-bit lanes over words.
//!
//! Read `event.rs` next.

use odeon_interpose::mix;

const FOLD: u64 = 0x9fb2_1c65_1e98_df25;

/// Another odd number, from the digits of the square root of five.
const STRIDE: u64 = 0x3c6e_f372_fe94_f82b;

/// A running hash of 128 bits; equal inputs in equal order give equal hashes on every platform.
#[derive(Clone, Copy, Debug)]
pub struct Digest {
    lanes: [u64; 2],
}

impl Digest {
    /// The hash of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { lanes: [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344] }
    }

    /// Adds one word.
    #[inline]
    pub fn word(&mut self, word: u64) {
        let [a, b] = self.lanes;
        // One after the other: what a word costs is how long its product takes.
        let product = u128::from(a ^ word) * u128::from(FOLD);
        let folded = (product as u64) ^ ((product >> 64) as u64).wrapping_add(word);
        self.lanes = [folded, (b.rotate_left(23) ^ word).wrapping_mul(FOLD).wrapping_add(a)];
    }

    /// Adds bytes and how many they are; returns their hash.
    pub fn bytes(&mut self, bytes: &[u8]) -> u64 {
        // The length is in the hash.
        let hash = hash_bytes(bytes);
        self.word(hash);
        hash
    }

    /// Adds words that belong together as one; which is where counts.
    #[inline]
    pub(super) fn joined(&mut self, words: [u64; 3]) {
        let [a, b, c] = words;
        self.word(a ^ b.wrapping_mul(FOLD).rotate_left(29) ^ c.wrapping_mul(STRIDE));
    }

    /// Half of the hash, to tell where two runs part.
    #[inline]
    pub(super) const fn short(&self) -> u64 {
        let [a, b] = self.lanes;
        a ^ b.rotate_left(32)
    }

    /// The hash of everything added.
    #[must_use]
    pub const fn finish(&self) -> u128 {
        let [a, b] = self.lanes;
        (mix(a ^ b.rotate_left(32)) as u128) << 64 | mix(b) as u128
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

/// Hashes bytes to 64 bits: eight at a time, each folded through a 128-bit product.
#[must_use]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    let fold = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(FOLD);
        (product as u64) ^ ((product >> 64) as u64).wrapping_add(word)
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(FOLD, |hash, word| fold(hash, u64::from_le_bytes(*word)));
    // What is left over, and zeroes behind it: copied it would take longer than all the rest of a short message.
    let last = match bytes.last_chunk() {
        _ if rest.is_empty() => 0,
        Some(last) => u64::from_le_bytes(*last) >> (64 - 8 * rest.len()),
        None => rest.iter().rev().fold(0, |last, byte| last << 8 | u64::from(*byte)),
    };
    mix(fold(hash, last) ^ bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_and_the_length_count() {
        let bytes = [7_u8; 37];
        let whole = hash_bytes(&bytes);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(hash_bytes(&flipped), whole, "bit {bit}");
        }
        assert_ne!(hash_bytes(&[0; 8]), hash_bytes(&[0; 9]));
        assert_ne!(hash_bytes(&[]), hash_bytes(&[0]));
    }

    #[test]
    fn what_is_left_over_is_read_as_eight_bytes() {
        let bytes: Vec<u8> = (1..=40).collect();
        for length in 0..bytes.len() {
            let mut padded = bytes[..length].to_vec();
            padded.resize(length / 8 * 8 + 8, 0);
            // The same words, but for the length, which is told apart behind them.
            let (words, _) = padded.as_chunks::<8>();
            let hash = words.iter().fold(FOLD, |hash, word| {
                let word = u64::from_le_bytes(*word);
                let product = u128::from(hash ^ word) * u128::from(FOLD);
                (product as u64) ^ ((product >> 64) as u64).wrapping_add(word)
            });
            assert_eq!(hash_bytes(&bytes[..length]), mix(hash ^ length as u64), "{length}");
        }
    }

    #[test]
    fn words_do_not_commute() {
        let (mut a, mut b) = (Digest::new(), Digest::new());
        [1, 2].iter().for_each(|word| a.word(*word));
        [2, 1].iter().for_each(|word| b.word(*word));
        assert_ne!(a.finish(), b.finish());
    }
}
