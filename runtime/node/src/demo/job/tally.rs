//! Counting, the same way on a counter and in the plain run that it is compared with.
//!
//! A [`Tally`] holds the counts and a digest of the words in the order in which they were counted: a lost, a
//! repeated and a reordered word each change it.

use std::collections::BTreeMap;

/// What was counted so far.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Tally {
    counts: BTreeMap<String, u64>,
    words: u64,
    digest: u64,
}

impl Tally {
    /// Counts one word.
    pub(crate) fn add(&mut self, word: &str) {
        match self.counts.get_mut(word) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(word.to_owned(), 1)),
        }
        self.words += 1;
        // The running value enters the hash of the next word (FNV-1a, then a rotation), so that order matters.
        for byte in word.bytes().chain([0xff]) {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.digest = self.digest.rotate_left(17) ^ self.words;
    }

    /// How many words were counted.
    pub(crate) fn words(&self) -> u64 {
        self.words
    }

    /// The digest of all words in order.
    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    /// The counts, in the order of the words.
    pub(crate) fn counts(&self) -> &BTreeMap<String, u64> {
        &self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(words: &[&str]) -> u64 {
        let mut tally = Tally::default();
        words.iter().for_each(|word| tally.add(word));
        tally.digest()
    }

    #[test]
    fn loss_repetition_and_order_change_the_digest() {
        let whole = digest(&["a", "b", "c"]);
        assert_ne!(whole, digest(&["a", "c"]));
        assert_ne!(whole, digest(&["a", "b", "b", "c"]));
        assert_ne!(whole, digest(&["a", "c", "b"]));
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_eq!(whole, digest(&["a", "b", "c"]));
    }
}
