//! A bank: transfers and reads of all balances.

use std::{collections::BTreeMap, time::Duration};

use odeon_check::{Call, Conservation, History, Recorder, Text, Value, Verb, What};
use proptest::prelude::*;

use crate::{
    chance::Chance,
    clients::{Habits, run},
    planted::{passes, unknown, violated},
};

const ACCOUNTS: [&str; 3] = ["alice", "bob", "carol"];
const HABITS: Habits = Habits { clients: 4, operations: 80, lost_one_in: 10 };

fn checker() -> Conservation {
    Conservation::new("bank", ACCOUNTS.map(|account| (account, 100))).never_negative()
}

/// How a bank goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bug {
    None,
    /// One side of a transfer is lost.
    HalfTransfer,
    /// Both sides are.
    Forgotten,
    /// It takes what is not there.
    Overdrawn,
    /// An account is missing in a read.
    Missing,
}

fn history(seed: u64, bug: Bug) -> (History, bool) {
    let mut balances = ACCOUNTS
        .map(|account| (Text::from(account), 100_i64))
        .into_iter()
        .collect::<BTreeMap<_, _>>();
    let mut struck = false;
    let mut object = |call: &Call, chance: &mut Chance| match &call.verb {
        Verb::Transfer { from, to, amount } => {
            if balances[from] < *amount && bug != Bug::Overdrawn {
                return false.into();
            }
            let strikes = chance.once_in(8);
            struck |= strikes;
            if !(strikes && bug == Bug::Forgotten) {
                *balances.get_mut(from).expect("it is there") -= amount;
                if !(strikes && bug == Bug::HalfTransfer) {
                    *balances.get_mut(to).expect("it is there") += amount;
                }
            }
            true.into()
        }
        _ => {
            let strikes = bug == Bug::Missing && chance.once_in(8);
            let skip = usize::from(strikes);
            Value::table(balances.iter().skip(skip).map(|(name, cents)| (name, *cents)))
        }
    };
    let call = |chance: &mut Chance, _: usize| {
        if chance.once_in(3) {
            return Call::balances("bank");
        }
        let from = chance.below(3);
        let to = (from + 1 + chance.below(2)) % 3;
        Call::transfer("bank", ACCOUNTS[from], ACCOUNTS[to], 10 + chance.below(60) as i64)
    };
    (run(seed, HABITS, call, &mut object), struck)
}

proptest! {
    #[test]
    fn a_correct_bank_passes_and_wrong_balances_are_found(seed: u64) {
        let (correct, _) = history(seed, Bug::None);
        passes(&correct, &checker());
        // Move an answered balance from one account to another, further than what is unknown explains.
        let mut events = correct.events().to_vec();
        let is_read = |what: &What| matches!(what, What::Done { answer: Value::Table(_), .. });
        let reads = (0..events.len()).filter(|at| is_read(&events[*at].what)).collect::<Vec<_>>();
        let at = reads[Chance::new(seed).below(reads.len())];
        let What::Done { answer: Value::Table(balances), .. } = &mut events[at].what else { unreachable!() };
        let mut cents = balances.values_mut();
        for (value, by) in [(cents.next(), 10_000), (cents.next(), -10_000)] {
            let value = value.expect("there are three");
            *value = Value::Int(value.as_int().expect("it is a number") + by);
        }
        let broken = History::new(events, 0).expect("they are in order");
        let bank = Conservation::new("bank", ACCOUNTS.map(|account| (account, 100)));
        let text = violated(&broken, &bank);
        prop_assert!(text.contains("; the transfers make it"), "{}", text);
        let text = violated(&broken, &bank.never_negative());
        prop_assert!(text.contains("which must not be negative"), "{}", text);
    }
}

#[test]
fn banks_that_go_wrong_are_found() {
    let bugs = [
        (Bug::HalfTransfer, "the total is "),
        (Bug::Forgotten, "; the transfers make it "),
        (Bug::Overdrawn, "which must not be negative"),
        (Bug::Missing, "the accounts are bob, carol and must be alice, bob, carol"),
    ];
    for (bug, says) in bugs {
        let histories = (0..40).map(|seed| history(seed, bug).0);
        let found = histories.filter(|history| {
            history.check(&checker()).is_err_and(|report| report.to_string().contains(says))
        });
        let found = found.count();
        assert!(found >= 20, "{bug:?} is found in {found} of 40");
    }
}

#[test]
fn a_bank_that_nobody_reads_proves_nothing() {
    let recorder = Recorder::new(|| Duration::ZERO);
    recorder.invoke("c", Call::transfer("bank", "alice", "bob", 1));
    assert!(unknown(&recorder.history(), &checker()).contains("no answered reads of balances"));
    let read = recorder.invoke("c", Call::balances("bank"));
    recorder.done(read, 5);
    assert!(violated(&recorder.history(), &checker()).contains("that is no table"));
}
