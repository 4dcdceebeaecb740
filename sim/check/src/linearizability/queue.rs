//! A queue: first in, first out.
//!
//! A wrong order of two calls that put values in shows only when the values are taken out, much later; by then a plain
//! search has tried everything in between. Where each value is put in once, when it is taken out is known before, and a
//! state that cannot lead there is none (after T. A. Henzinger, A. Sezgin, V. Vafeiadis, "Aspect-Oriented Linearizability
//! Proofs", CONCUR 2013). Tests of queues should therefore put each value in once.

use std::{
    collections::{HashMap, VecDeque},
    hash::{Hash, Hasher},
    rc::Rc,
};

use super::{Model, Part, glaring};
use crate::{
    call::{Call, Verb},
    checker::Violation,
    event::Seq,
    operation::Operation,
    value::Value,
};

/// Values that a state in words shows.
const SHOWN_MAX: usize = 8;

/// Queues that begin empty; their verbs are [`Verb::Enqueue`] and [`Verb::Dequeue`].
///
/// Each state that the search remembers holds what waits in the queue: the memory of long queues is large.
#[derive(Clone, Copy, Debug, Default)]
pub struct QueueModel;

/// What waits in a queue.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// `None` is one that nobody is answered with: among them it does not matter which is which.
    values: VecDeque<Option<Value>>,
    plan: Rc<Plan>,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values
    }
}

impl Eq for Waiting {}

impl Hash for Waiting {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.values.hash(hasher);
    }
}

/// When a value is taken out.
#[derive(Clone, Copy, Debug)]
struct Exit {
    not_before: Seq,
    not_after: Seq,
    /// By a call that was answered with it.
    is_seen: bool,
}

/// When each value is taken out that is put in once.
#[derive(Debug)]
struct Plan {
    exits: HashMap<Value, Exit>,
    /// Nothing is taken out that nobody saw: such a value is there for ever.
    stays: bool,
}

impl Plan {
    fn of(operations: &[Operation<'_>]) -> Self {
        let is_lost = |it: &Operation<'_>| it.call.verb == Verb::Dequeue && it.answer().is_none();
        let stays = !operations.iter().any(is_lost);
        let unseen = Exit { not_before: Seq(0), not_after: Seq(u64::MAX), is_seen: false };
        let (mut exits, mut twice) = (HashMap::new(), Vec::new());
        for operation in operations {
            if let Verb::Enqueue(value) = &operation.call.verb
                && exits.insert(value.clone(), unseen).is_some()
            {
                twice.push(value);
            }
        }
        for operation in operations {
            let answer = operation.answer().filter(|_| operation.call.verb == Verb::Dequeue);
            let Some((answer, end)) = answer.zip(operation.ended) else { continue };
            if let Some(exit) = exits.get_mut(answer) {
                if exit.is_seen {
                    twice.push(answer);
                }
                let (not_before, not_after) = (operation.invoked.seq, end.seq);
                *exit = Exit { not_before, not_after, is_seen: true };
            }
        }
        for value in twice {
            exits.remove(value);
        }
        Self { exits, stays }
    }

    /// Whether a value can be put in behind these.
    fn fits_behind(&self, value: &Value, waiting: &VecDeque<Option<Value>>) -> bool {
        let Some(exit) = self.exits.get(value) else { return true };
        let is_later = |other: &Option<Value>| match other {
            Some(other) => self.exits.get(other).is_some_and(|it| exit.not_after < it.not_before),
            None => exit.is_seen && self.stays,
        };
        !waiting.iter().any(is_later)
    }

    /// Whether somebody was answered with this value; `None` if that says nothing.
    fn is_seen(&self, value: &Value) -> Option<bool> {
        self.exits.get(value).map(|exit| exit.is_seen)
    }
}

impl Model for QueueModel {
    type State = Waiting;

    fn name(&self) -> &str {
        "queues"
    }

    fn part(&self, call: &Call) -> Option<Part> {
        let is_mine = matches!(call.verb, Verb::Enqueue(_) | Verb::Dequeue);
        is_mine.then(|| Part { object: call.object.clone(), key: None })
    }

    fn begin(&self, _: &Part, operations: &[Operation<'_>]) -> Waiting {
        Waiting { values: VecDeque::new(), plan: Rc::new(Plan::of(operations)) }
    }

    fn glaring(&self, operations: &[Operation<'_>]) -> Option<Violation> {
        glaring::find(operations)
    }

    fn step(&self, state: &Waiting, call: &Call, answer: Option<&Value>) -> Option<Waiting> {
        let Waiting { values, plan } = state;
        match &call.verb {
            Verb::Enqueue(value) => {
                // One that may never have happened and that nobody saw would only be in the way.
                let is_unseen = plan.is_seen(value) == Some(false);
                let is_idle = answer.is_none() && is_unseen;
                if is_idle || !plan.fits_behind(value, values) {
                    return None;
                }
                let mut state = state.clone();
                state.values.push_back((!is_unseen).then(|| value.clone()));
                Some(state)
            }
            Verb::Dequeue => {
                let fits = match (values.front(), answer) {
                    (None, answer) => answer.is_none_or(|answer| *answer == Value::Nil),
                    (Some(head), Some(answer)) => head.as_ref() == Some(answer),
                    // Nobody else may be answered with it.
                    (Some(head), None) => {
                        head.as_ref().is_none_or(|head| plan.is_seen(head) != Some(true))
                    }
                };
                if !fits {
                    return None;
                }
                let mut state = state.clone();
                state.values.pop_front();
                Some(state)
            }
            _ => None,
        }
    }

    fn describe(&self, state: &Waiting) -> String {
        let text = |value: &Option<Value>| {
            value.as_ref().map_or_else(|| "(never seen)".to_owned(), Value::to_string)
        };
        let shown = state.values.iter().take(SHOWN_MAX).map(text).collect::<Vec<_>>();
        let more = state.values.len().saturating_sub(SHOWN_MAX);
        let tail = if more > 0 { format!(" … and {more} more") } else { String::new() };
        format!("[{}{tail}]", shown.join(", "))
    }

    fn bytes(&self, state: &Waiting) -> usize {
        let values = state.values.len() * size_of::<Value>();
        size_of_val(state) + values + state.values.iter().flatten().map(Value::bytes).sum::<usize>()
    }
}
