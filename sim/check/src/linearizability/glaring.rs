//! What is wrong with a queue at first sight, in two or four events: readable where a search is not.
//!
//! A value that was never put in, one that came out too often, and two that came out in the wrong order (the first three
//! of the four ways in which a queue can go wrong: Henzinger, Sezgin, Vafeiadis, CONCUR 2013). The fourth, a queue that
//! says it is empty and is not, is left to the search.

use std::collections::BTreeMap;

use crate::{
    call::Verb,
    checker::Violation,
    event::{Event, Seq},
    operation::{End, Operation},
    value::Value,
};

/// The calls of one value.
#[derive(Default)]
struct Calls<'a, 'h> {
    put_in: Vec<&'a Operation<'h>>,
    taken_out: Vec<&'a Operation<'h>>,
}

/// One of these, if there is one.
pub(super) fn find(operations: &[Operation<'_>]) -> Option<Violation> {
    let mut calls = BTreeMap::<&Value, Calls<'_, '_>>::new();
    let mut all_seen = true;
    for operation in operations {
        match (&operation.call.verb, operation.end) {
            (Verb::Enqueue(value), _) => calls.entry(value).or_default().put_in.push(operation),
            (Verb::Dequeue, End::Done(Value::Nil)) => {}
            (Verb::Dequeue, End::Done(value)) => {
                calls.entry(value).or_default().taken_out.push(operation);
            }
            _ => all_seen = false,
        }
    }
    let strange = calls.iter().find_map(|(value, calls)| strange(value, calls));
    strange.or_else(|| overtaken(&calls, all_seen))
}

/// A value that came from nowhere or too often.
fn strange(value: &Value, calls: &Calls<'_, '_>) -> Option<Violation> {
    let first = calls.taken_out.first()?;
    let end = first.ended?;
    let before = calls.put_in.iter().filter(|it| it.invoked.seq < end.seq).count();
    let shown = events(calls.put_in.iter().chain(&calls.taken_out));
    if before == 0 {
        let what = format!("{value} was taken out before anybody put it in");
        return Some(Violation::new(what).events(shown));
    }
    (calls.taken_out.len() > calls.put_in.len()).then(|| {
        let (out, put) = (calls.taken_out.len(), calls.put_in.len());
        Violation::new(format!("{value} was put in {put} times and taken out {out} times"))
            .events(shown)
    })
}

/// A value with the calls that put it in and take it out, once each.
struct Passage<'a, 'h> {
    value: &'a Value,
    put_in: &'a Operation<'h>,
    taken_out: Option<&'a Operation<'h>>,
}

impl Passage<'_, '_> {
    /// Before this it is not taken out.
    fn taken_not_before(&self) -> Seq {
        self.taken_out.map_or(Seq(u64::MAX), |it| it.invoked.seq)
    }
}

/// Two values, the first of which was in before the second was put in, and came out after it.
fn overtaken(calls: &BTreeMap<&Value, Calls<'_, '_>>, all_seen: bool) -> Option<Violation> {
    let passages =
        calls.iter().filter_map(|(value, calls)| match (&calls.put_in[..], &calls.taken_out[..]) {
            ([put_in], []) if all_seen => Some(Passage { value, put_in, taken_out: None }),
            ([put_in], [taken_out]) => Some(Passage { value, put_in, taken_out: Some(taken_out) }),
            _ => None,
        });
    let passages = passages.collect::<Vec<_>>();
    // By when they were in; beside each the one up to it that is taken out last.
    let mut firsts =
        passages.iter().filter_map(|it| Some((answered(it.put_in)?.seq, it))).collect::<Vec<_>>();
    firsts.sort_by_key(|(seq, _)| *seq);
    let mut last: Option<&Passage<'_, '_>> = None;
    for (_, passage) in &mut firsts {
        match last {
            Some(before) if before.taken_not_before() >= passage.taken_not_before() => {
                *passage = before
            }
            _ => last = Some(passage),
        }
    }
    passages.iter().find_map(|second| {
        let out = second.taken_out?.ended?;
        let count = firsts.partition_point(|(seq, _)| *seq < second.put_in.invoked.seq);
        let (_, first) = firsts.get(count.checked_sub(1)?)?;
        (first.taken_not_before() > out.seq).then(|| violation(first, second))
    })
}

fn violation(first: &Passage<'_, '_>, second: &Passage<'_, '_>) -> Violation {
    let stayed = if first.taken_out.is_some() { "" } else { "; that never came out" };
    let what = format!(
        "{} was taken out before {}, which had been put in before it{stayed}",
        second.value, first.value
    );
    let calls = [Some(first.put_in), Some(second.put_in), first.taken_out, second.taken_out];
    Violation::new(what).events(events(calls.iter().flatten()))
}

/// The end, if it is an answer.
fn answered<'h>(operation: &Operation<'h>) -> Option<&'h Event> {
    operation.answer().and(operation.ended)
}

fn events<'a, 'h: 'a>(
    operations: impl IntoIterator<Item = &'a &'a Operation<'h>>,
) -> Vec<&'h Event> {
    operations.into_iter().flat_map(|it| [Some(it.invoked), it.ended]).flatten().collect()
}
