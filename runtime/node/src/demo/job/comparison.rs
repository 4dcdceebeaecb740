//! The comparison: is what a counter has counted equal to a plain run?
//!
//! The counts and digests come from the counters; the plain run counts the same words on one thread, with nothing in
//! between. What it is NOT: about asks that failed.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use odeon::{ActorRef, AskError};

use super::{
    counter::{Counter, Totals},
    tally::Tally,
    words::Words,
};

/// Counts in one page: with words of 64 bytes well below the largest frame.
const PAGE: u32 = 2000;

/// How long a page may take.
const PAGE_WITHIN: Duration = Duration::from_secs(10);

/// What was found wrong, in words; empty if nothing was.
pub(crate) type Findings = Vec<String>;

/// How often each word was counted.
pub(crate) type Counts = BTreeMap<String, u64>;

/// What one counter has counted.
pub(crate) struct Counted {
    pub(crate) counts: Counts,
    words: u64,
    digest: u64,
}

/// Asks a counter for all of its counts.
pub(crate) async fn count(counter: &ActorRef<Counter>) -> Result<Counted, AskError<Infallible>> {
    let mut counts = Counts::new();
    let mut after = None;
    loop {
        let page = Totals { after: after.take(), at_most: PAGE };
        let page = counter.ask(page).within(PAGE_WITHIN).await?;
        let last = page.counts.last().map(|(word, _)| word.clone());
        let (words, digest) = (page.words, page.digest);
        counts.extend(page.counts);
        if last.is_none() {
            return Ok(Counted { counts, words, digest });
        }
        after = last;
    }
}

/// Compares what one counter has counted with the plain run.
pub(crate) fn compare(words: &Words, partition: usize, counted: &Counted) -> Findings {
    let mut plain = Tally::default();
    words.iter(partition).for_each(|word| plain.add(word));
    differences(partition, &plain, counted)
}

fn differences(partition: usize, plain: &Tally, counted: &Counted) -> Findings {
    let mut findings = Findings::new();
    if counted.words != plain.words() {
        findings.push(format!(
            "partition {partition}: {} words counted instead of {}",
            counted.words,
            plain.words()
        ));
    }
    if counted.counts != *plain.counts() {
        findings.push(format!("partition {partition}: the counts differ from the plain run's"));
    }
    if counted.digest != plain.digest() {
        findings.push(format!(
            "partition {partition}: the words were counted in another order, or not each once"
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_and_a_reordered_word_are_found() {
        let count = |words: &[&str]| {
            let mut tally = Tally::default();
            words.iter().for_each(|word| tally.add(word));
            tally
        };
        let plain = count(&["a", "b", "b"]);
        let other = count(&["b", "a", "b"]);
        let found = |tally: &Tally| {
            let (counts, words) = (tally.counts().clone(), tally.words());
            differences(0, &plain, &Counted { counts, words, digest: tally.digest() }).len()
        };
        assert_eq!(found(&plain), 0);
        assert_eq!(found(&other), 1, "the order alone");
        assert_eq!(found(&count(&["a", "b"])), 3, "number, counts and order");
    }
}
