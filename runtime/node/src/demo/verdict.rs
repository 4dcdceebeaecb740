//! The verdict: is everything equal to a plain run, and was every failed ask honestly labelled?
//!
//! The counts and digests come from the counters, the truth about asks from the journal; the plain run counts the
//! same words on one thread, with nothing in between.

use std::{collections::BTreeMap, time::Duration};

use odeon::{ActorRef, Certainty};

use crate::demo::{
    board::{Board, FailedAsk},
    counter::{Counter, Totals},
    journal::Journal,
    tally::Tally,
    words::Words,
};

/// Counts in one page: with words of 64 bytes well below the largest frame.
const PAGE: u32 = 2000;

/// How long a page may take.
const PAGE_WITHIN: Duration = Duration::from_secs(10);

/// What was found wrong, in words; empty if nothing was.
pub(crate) type Findings = Vec<String>;

/// Compares one counter with the plain run.
pub(crate) async fn compare(
    words: &Words,
    partition: usize,
    counter: &ActorRef<Counter>,
) -> Findings {
    let mut plain = Tally::default();
    words.iter(partition).for_each(|word| plain.add(word));
    let mut counts = BTreeMap::new();
    let mut after = None;
    loop {
        let page =
            counter.ask(Totals { after: after.take(), at_most: PAGE }).within(PAGE_WITHIN).await;
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                return vec![format!(
                    "partition {partition}: the counter does not answer: {error}"
                )];
            }
        };
        let last = page.counts.last().map(|(word, _)| word.clone());
        let (counted, digest) = (page.words, page.digest);
        counts.extend(page.counts);
        if last.is_some() {
            after = last;
            continue;
        }
        return differences(partition, &plain, &counts, counted, digest);
    }
}

fn differences(
    partition: usize,
    plain: &Tally,
    counts: &BTreeMap<String, u64>,
    counted: u64,
    digest: u64,
) -> Findings {
    let mut findings = Findings::new();
    if counted != plain.words() {
        findings.push(format!(
            "partition {partition}: {counted} words counted instead of {}",
            plain.words()
        ));
    }
    if counts != plain.counts() {
        findings.push(format!("partition {partition}: the counts differ from the plain run's"));
    }
    if digest != plain.digest() {
        findings.push(format!(
            "partition {partition}: the words were counted in another order, or not each once"
        ));
    }
    findings
}

/// What became of the asks that failed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Labels {
    pub(crate) not_delivered: u64,
    pub(crate) may_have_run: u64,
}

/// Holds every failed ask's label against the journal. `both` asks that both labels occur.
pub(crate) fn honesty(board: &Board, journal: &Journal, both: bool) -> (Labels, Findings) {
    let (ran, complete) = journal.asks();
    let mut labels = Labels::default();
    let mut findings = Findings::new();
    if !complete {
        findings.push("the journal was too short for all asks".to_owned());
    }
    for FailedAsk { ask, taken, label } in board.failures() {
        match label {
            Certainty::NotDelivered => labels.not_delivered += 1,
            Certainty::MayHaveRun => labels.may_have_run += 1,
            Certainty::Ran => {}
        }
        let truth = ran.contains(&ask);
        match (label, truth) {
            (Certainty::NotDelivered, true) => {
                findings.push(format!("ask {ask} was called not delivered, and ran"));
            }
            (Certainty::Ran, false) => {
                findings.push(format!("ask {ask} was said to have run, and did not"))
            }
            (Certainty::MayHaveRun, _) if !taken => {
                findings.push(format!("ask {ask} may have run, it says, but no lane ever took it"));
            }
            _ => {}
        }
    }
    if both && (labels.not_delivered == 0 || labels.may_have_run == 0) {
        findings.push(format!("a killed node must leave asks of both labels: {labels:?}"));
    }
    (labels, findings)
}
