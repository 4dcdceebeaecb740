//! Conservation: what is moved between accounts is neither made nor lost.
//!
//! The bank test of Jepsen: transfers between accounts and reads of all balances at one moment, of which each must have
//! the same total. Beyond it, each balance must be one that the transfers so far explain. What it is NOT: a proof that the
//! reads and transfers have one order; that would be linearizability.

use std::collections::BTreeMap;

use crate::{
    call::Verb,
    checker::{Checker, Objection, Violation},
    event::Event,
    history::History,
    operation::{End, Operation},
    text::Text,
    value::Value,
};

/// Checks that every read of a bank's balances has the same accounts and the same total, and that each balance is what
/// the transfers make of it. Reads operations with [`Verb::Transfer`] and [`Verb::Balances`].
///
/// A transfer that was answered with `false` moved nothing. One that ended before a read was called is in it; one that was
/// called after the read had ended is not; all others may be.
///
/// ```
/// use std::time::Duration;
///
/// use odeon_check::{Call, Conservation, Recorder, Value};
///
/// let recorder = Recorder::new(|| Duration::ZERO);
/// let transfer = recorder.invoke("c1", Call::transfer("bank", "alice", "bob", 5));
/// recorder.done(transfer, true);
/// let read = recorder.invoke("c2", Call::balances("bank"));
/// recorder.done(read, Value::table([("alice", 5), ("bob", 10)]));
/// let bank = Conservation::new("bank", [("alice", 10), ("bob", 10)]);
/// let report = recorder.history().check(&bank).unwrap_err();
/// assert!(report.to_string().contains("the total is 15 and must be 20"));
/// ```
#[derive(Clone, Debug)]
pub struct Conservation {
    object: Text,
    opening: BTreeMap<Text, i64>,
    may_be_negative: bool,
}

/// What a transfer does to one account, and when.
struct Movement<'h> {
    amount: i64,
    operation: Operation<'h>,
}

impl Conservation {
    /// Of the bank that is this object and begins with these balances.
    pub fn new<K: Into<Text>>(
        object: impl Into<Text>,
        opening: impl IntoIterator<Item = (K, i64)>,
    ) -> Self {
        let opening = opening.into_iter().map(|(account, cents)| (account.into(), cents)).collect();
        Self { object: object.into(), opening, may_be_negative: true }
    }

    /// No balance may be negative. Default: they may.
    #[must_use]
    pub fn never_negative(mut self) -> Self {
        self.may_be_negative = false;
        self
    }

    fn total(&self) -> i64 {
        self.opening.values().fold(0, |sum, cents| sum.saturating_add(*cents))
    }

    /// What was moved, by account.
    fn movements<'h>(&self, operations: &[Operation<'h>]) -> BTreeMap<&'h Text, Vec<Movement<'h>>> {
        let mut movements = BTreeMap::<_, Vec<_>>::new();
        for operation in operations.iter().filter(|it| it.call.object == self.object) {
            let Verb::Transfer { from, to, amount } = &operation.call.verb else { continue };
            if matches!(operation.end, End::Failed(_) | End::Done(Value::Bool(false))) {
                continue;
            }
            for (account, amount) in [(from, amount.saturating_neg()), (to, *amount)] {
                let movement = Movement { amount, operation: *operation };
                movements.entry(account).or_default().push(movement);
            }
        }
        movements
    }

    fn check_read(
        &self,
        event: &Event,
        read: &Operation<'_>,
        movements: &BTreeMap<&Text, Vec<Movement<'_>>>,
    ) -> Result<(), Violation> {
        // What kind it is comes first: by that, and not by bank or account, two failures are told apart.
        let violation = |kind: &str, what: String| {
            let what = format!("{kind}: {}: {what}", self.object);
            Violation::new(what).event(read.invoked).event(event)
        };
        let Some(Value::Table(balances)) = read.answer() else {
            return Err(violation(
                "no balances",
                "balances were answered with something that is no table".to_owned(),
            ));
        };
        let accounts =
            |names: Vec<&Text>| names.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(", ");
        if !balances.keys().eq(self.opening.keys()) {
            let (seen, there) = (balances.keys().collect(), self.opening.keys().collect());
            let what =
                format!("the accounts are {} and must be {}", accounts(seen), accounts(there));
            return Err(violation("wrong accounts", what));
        }
        let mut total = 0_i64;
        for (account, balance) in balances {
            let Some(cents) = balance.as_int() else {
                let what = format!("{account} has {balance}, which is no number");
                return Err(violation("no balances", what));
            };
            total = total.saturating_add(cents);
            if cents < 0 && !self.may_be_negative {
                let what = format!("{account} has {cents}, which must not be negative");
                return Err(violation("negative balance", what));
            }
        }
        if total != self.total() {
            let what = format!("the total is {total} and must be {}", self.total());
            return Err(violation("wrong total", what));
        }
        for (account, opening) in &self.opening {
            let moved = movements.get(account).map_or(&[][..], Vec::as_slice);
            let (least, most) = range(*opening, moved, read, event);
            let cents = balances[account].as_int().unwrap_or_default();
            if !(least..=most).contains(&cents) {
                let what =
                    format!("{account} has {cents}; the transfers make it {least} to {most}");
                let known = moved.iter().rev().filter(|it| it.operation.invoked.seq < event.seq);
                let shown =
                    known.take(8).flat_map(|it| [Some(it.operation.invoked), it.operation.ended]);
                return Err(violation("unexplained balance", what).events(shown.flatten()));
            }
        }
        Ok(())
    }
}

/// What a balance may be in a read.
fn range(opening: i64, moved: &[Movement<'_>], read: &Operation<'_>, ended: &Event) -> (i64, i64) {
    let (mut least, mut most) = (opening, opening);
    for Movement { amount, operation } in moved {
        let answered = operation.ended.filter(|_| operation.answer().is_some());
        let is_in = answered.is_some_and(|event| event.seq < read.invoked.seq);
        let is_out = operation.invoked.seq > ended.seq;
        if is_out {
            continue;
        }
        if is_in || *amount < 0 {
            least = least.saturating_add(*amount);
        }
        if is_in || *amount > 0 {
            most = most.saturating_add(*amount);
        }
    }
    (least, most)
}

impl Checker for Conservation {
    fn name(&self) -> &str {
        "conservation"
    }

    fn check(&self, history: &History) -> Result<(), Objection> {
        let operations = history.operations()?;
        let movements = self.movements(&operations);
        let reads = operations
            .iter()
            .filter(|it| it.call.object == self.object && it.call.verb == Verb::Balances);
        let reads = reads.filter(|it| it.answer().is_some());
        let reads = reads.filter_map(|it| Some((it.ended?, it))).collect::<Vec<_>>();
        if reads.is_empty() {
            return Err(Objection::nothing("answered reads of balances"));
        }
        for (event, read) in reads {
            self.check_read(event, read, &movements)?;
        }
        Ok(())
    }
}
