//! Which operations have a place in the order so far, as a set of bits with a short form to remember it by.
//!
//! Operations that were answered are numbered in the order of their calls. In any order that can be right, nearly all
//! that were called early have a place and none that were called late, so the short form has only the words between.

const WORD: usize = 64;

/// A set of numbers below a bound.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    words: Vec<u64>,
    /// All words before it are full.
    low: usize,
    /// All words from it on are empty.
    high: usize,
    count: usize,
}

impl Placed {
    pub(super) fn new(bound: usize) -> Self {
        Self { words: vec![0; bound.div_ceil(WORD)], low: 0, high: 0, count: 0 }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn contains(&self, number: usize) -> bool {
        self.words[number / WORD] & (1 << (number % WORD)) != 0
    }

    pub(super) fn insert(&mut self, number: usize) {
        self.words[number / WORD] |= 1 << (number % WORD);
        self.count += 1;
        self.high = self.high.max(number / WORD + 1);
        while self.low < self.high && self.words[self.low] == u64::MAX {
            self.low += 1;
        }
    }

    pub(super) fn remove(&mut self, number: usize) {
        self.words[number / WORD] &= !(1 << (number % WORD));
        self.count -= 1;
        self.low = self.low.min(number / WORD);
        while self.high > 0 && self.words[self.high - 1] == 0 {
            self.high -= 1;
        }
    }

    /// Adds the short form: two sets with the same bound are equal if and only if theirs are.
    pub(super) fn write_short(&self, out: &mut Vec<u64>) {
        let words = self.words.get(self.low..self.high).unwrap_or_default();
        out.push((self.low as u64) << 32 | words.len() as u64);
        out.extend_from_slice(words);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sets_are_equal_when_their_short_forms_are(toggled in prop::collection::vec(0..300_usize, 0..400)) {
            let mut placed = Placed::new(300);
            let mut model = BTreeSet::new();
            let mut seen = BTreeMap::new();
            // First a full beginning, as in a search.
            for number in (0..130).chain(toggled) {
                if model.remove(&number) {
                    placed.remove(number);
                } else {
                    model.insert(number);
                    placed.insert(number);
                }
                prop_assert_eq!(placed.count(), model.len());
                prop_assert_eq!(placed.contains(number), model.contains(&number));
                let mut short = Vec::new();
                placed.write_short(&mut short);
                let before = seen.entry(short).or_insert_with(|| model.clone());
                prop_assert_eq!(&*before, &model);
            }
        }
    }
}
