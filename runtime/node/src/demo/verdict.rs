//! The verdict: was every failed ask honestly labelled, and did none run twice?
//!
//! The labels come from the meter, the truth about asks from the journal and from the witness, who saw what was handed to
//! QUIC. What it is NOT: the comparison of the counts with a plain run, which is `job/comparison.rs`.

use std::collections::{BTreeMap, BTreeSet};

use odeon::Certainty;

use crate::demo::{
    job::comparison::Findings,
    journal::Journal,
    meter::{FailedAsk, Meter},
    witness::Witness,
};

/// What became of the asks that failed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Labels {
    pub(crate) not_delivered: u64,
    pub(crate) may_have_run: u64,
    pub(crate) ran: u64,
}

/// Holds every ask against the journal and the witness. `both` asks that both labels occur among those that failed.
pub(crate) fn honesty(
    meter: &Meter,
    journal: &Journal,
    witness: &Witness,
    both: bool,
) -> (Labels, Findings) {
    let (ran, complete) = journal.asks();
    let written = witness.asks();
    let (labels, mut findings) = judge(&meter.failures(), &meter.replied(), &ran, &written);
    if !complete {
        findings.push("the journal was too short for all asks".to_owned());
    }
    let open = meter.open();
    findings.extend(open.iter().map(|ask| format!("ask {ask} was neither answered nor failed")));
    if both && (labels.not_delivered == 0 || labels.may_have_run == 0) {
        findings.push(format!("a killed node must leave asks of both labels: {labels:?}"));
    }
    (labels, findings)
}

fn judge(
    failed: &[FailedAsk],
    replied: &[u64],
    ran: &[u64],
    written: &BTreeSet<u64>,
) -> (Labels, Findings) {
    let mut labels = Labels::default();
    let mut findings = Findings::new();
    let mut times = BTreeMap::new();
    for ask in ran {
        *times.entry(*ask).or_insert(0) += 1;
    }
    let twice = times.iter().filter(|(_, times)| **times > 1);
    findings.extend(twice.map(|(ask, times)| format!("ask {ask} ran {times} times")));
    let untrue = replied.iter().filter(|ask| !times.contains_key(ask));
    findings.extend(untrue.map(|ask| format!("ask {ask} was answered and never ran")));
    // A witness that misses what truly went out would prove nothing.
    let unseen = times.keys().filter(|ask| !written.contains(ask));
    findings.extend(unseen.map(|ask| format!("ask {ask} ran, and nobody saw it handed to QUIC")));
    for FailedAsk { ask, label } in failed {
        let count = match label {
            Certainty::NotDelivered => &mut labels.not_delivered,
            Certainty::MayHaveRun => &mut labels.may_have_run,
            Certainty::Ran => &mut labels.ran,
        };
        *count += 1;
        match (label, times.contains_key(ask)) {
            (Certainty::NotDelivered, true) => {
                findings.push(format!("ask {ask} was called not delivered, and ran"));
            }
            (Certainty::Ran, false) => {
                findings.push(format!("ask {ask} was said to have run, and did not"));
            }
            (Certainty::MayHaveRun, _) if !written.contains(ask) => {
                findings.push(format!("ask {ask} may have run, it says, but QUIC never had it"));
            }
            _ => {}
        }
    }
    (labels, findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(ask: u64, label: Certainty) -> FailedAsk {
        FailedAsk { ask, label }
    }

    #[test]
    fn honest_labels_are_counted_and_found_nothing_against() {
        let failed = [
            failed(1, Certainty::NotDelivered),
            failed(2, Certainty::MayHaveRun),
            failed(3, Certainty::MayHaveRun),
            failed(4, Certainty::Ran),
            failed(6, Certainty::NotDelivered),
        ];
        // The last was handed to QUIC and withdrawn in time, which is no lie.
        let (labels, findings) = judge(&failed, &[5], &[3, 4, 5], &BTreeSet::from([2, 3, 4, 5, 6]));
        assert_eq!(labels, Labels { not_delivered: 2, may_have_run: 2, ran: 1 });
        assert_eq!(findings, Findings::new());
    }

    #[test]
    fn every_lie_is_found() {
        let found = |failed: &[FailedAsk], replied: &[u64], ran: &[u64], says: &str| {
            let written = ran.iter().copied().collect();
            let (_, findings) = judge(failed, replied, ran, &written);
            assert!(findings.len() == 1 && findings[0].contains(says), "{findings:?}");
        };
        found(&[failed(1, Certainty::NotDelivered)], &[], &[1], "not delivered, and ran");
        found(&[failed(1, Certainty::Ran)], &[], &[], "did not");
        found(&[failed(1, Certainty::MayHaveRun)], &[], &[], "QUIC never had it");
        found(&[], &[1], &[], "never ran");
        found(&[], &[1], &[1, 1], "2 times");
        let (_, blind) = judge(&[], &[1], &[1], &BTreeSet::new());
        assert!(blind.len() == 1 && blind[0].contains("nobody saw it"), "{blind:?}");
    }
}
