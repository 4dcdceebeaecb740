//! The input as words: what is counted, and by whom.
//!
//! What it is: text cut into words, the words numbered in order of appearance, and each partition's words in input
//! order. What it is NOT: the counting (`tally.rs`). Words come from the embedded text or from whoever has another;
//! batches of them go to the counters through `feeder.rs`.

use std::collections::BTreeMap;

/// The embedded text.
const TEXT: &str = include_str!("text.txt");

/// Longest word, in bytes; a longer run of letters is cut, so that a batch has a bound.
const WORD_BYTES_MAX: usize = 64;

/// Most words in one message.
pub(crate) const BATCH_WORDS_MAX: usize = 64;

/// All words, each stored once.
pub(crate) struct Words {
    vocabulary: Vec<Box<str>>,
    /// For each partition, its words in input order, as places in the vocabulary.
    partitions: Vec<Vec<u32>>,
}

impl Words {
    /// The embedded text, as often as it takes for so many words.
    pub(crate) fn embedded(words_min: usize, partitions: usize) -> Self {
        let mut words = Collector::new(partitions);
        while words.total < words_min {
            words.text(TEXT);
        }
        words.finish()
    }

    /// How many words there are.
    pub(crate) fn total(&self) -> usize {
        self.partitions.iter().map(Vec::len).sum()
    }

    /// How many words fall to a partition.
    pub(crate) fn len(&self, partition: usize) -> usize {
        self.partitions[partition].len()
    }

    /// The words of one batch: at most [`BATCH_WORDS_MAX`] from the `first` on; empty at the end.
    pub(crate) fn batch(&self, partition: usize, first: usize) -> Vec<String> {
        let words = &self.partitions[partition];
        let last = words.len().min(first + BATCH_WORDS_MAX);
        words[first.min(last)..last].iter().map(|word| self.word(*word).to_owned()).collect()
    }

    /// The words of a partition, in order.
    pub(crate) fn iter(&self, partition: usize) -> impl Iterator<Item = &str> {
        self.partitions[partition].iter().map(|word| self.word(*word))
    }

    fn word(&self, place: u32) -> &str {
        &self.vocabulary[place as usize]
    }
}

/// Takes text in, piece by piece.
pub(crate) struct Collector {
    places: BTreeMap<Box<str>, u32>,
    vocabulary: Vec<Box<str>>,
    partitions: Vec<Vec<u32>>,
    total: usize,
}

impl Collector {
    /// For so many partitions.
    pub(crate) fn new(partitions: usize) -> Self {
        Self {
            places: BTreeMap::new(),
            vocabulary: Vec::new(),
            partitions: vec![Vec::new(); partitions],
            total: 0,
        }
    }

    /// How many words came so far.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// Cuts a piece of text into words.
    pub(crate) fn text(&mut self, text: &str) {
        for run in text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()) {
            let lower = run.to_lowercase();
            let mut rest = lower.as_str();
            while !rest.is_empty() {
                let cut = rest.floor_char_boundary(WORD_BYTES_MAX);
                self.word(&rest[..cut]);
                rest = &rest[cut..];
            }
        }
    }

    fn word(&mut self, word: &str) {
        let place = match self.places.get(word) {
            Some(place) => *place,
            None => {
                let place =
                    u32::try_from(self.vocabulary.len()).expect("memory ends before 2^32 words");
                self.vocabulary.push(word.into());
                self.places.insert(word.into(), place);
                place
            }
        };
        let partition = partition_of(word, self.partitions.len());
        self.partitions[partition].push(place);
        self.total += 1;
    }

    /// All words that came.
    pub(crate) fn finish(self) -> Words {
        Words { vocabulary: self.vocabulary, partitions: self.partitions }
    }
}

/// Which partition counts a word: a hash of it (FNV-1a), so that every run agrees.
fn partition_of(word: &str, partitions: usize) -> usize {
    let hash = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The upper half: FNV's lower bits are weak for short words.
    (hash >> 32) as usize % partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_text_has_a_million_words_in_order() {
        let words = Words::embedded(1_000_000, 12);
        assert!((1_000_000..1_001_000).contains(&words.total()));
        assert!((0..12).all(|partition| words.len(partition) > 0));
        let partition = partition_of("odeon", 12);
        let first = words.batch(partition, 0);
        assert_eq!(first.len(), BATCH_WORDS_MAX);
        assert!(first.iter().zip(words.iter(partition)).all(|(a, b)| a == b));
    }

    #[test]
    fn long_runs_are_cut_at_character_borders() {
        let mut collector = Collector::new(1);
        collector.text(&"ä".repeat(100));
        let words = collector.finish();
        assert_eq!(words.total(), 4);
        assert!(words.iter(0).all(|word| word.len() <= WORD_BYTES_MAX));
    }
}
