//! The search for an order of one part's operations.
//!
//! It walks the calls in the order of time and places each that its model accepts next, until it meets the end of an
//! operation without a place: then the last placed one is taken back. A configuration that was seen before is not
//! entered again. Operations with an unknown end have no end in the list, and need no place; one that would change
//! nothing gets none, and of two alike the one that was called first gets its place first, because they can change
//! places in any order. What it is NOT: an explanation; `explain.rs` makes one.

use std::{collections::HashMap, time::Duration};

use super::{
    Model, Part, SearchBudget,
    linked::{Linked, Mark},
    memory::Memory,
    placed::Placed,
};
use crate::{operation::Operation, patience::Patience};

/// Attempts between two questions whether to give up.
const ASK_EVERY: u64 = 4096;

/// What a search came to.
pub(super) enum Found {
    /// There is an order.
    Order,
    /// There is none.
    NoOrder(Stuck),
    /// The budget is spent; which.
    Nothing(String),
    /// The real time that was spent until patience ended, and the operations that had a place where it got furthest.
    Impatient(Duration, usize),
}

/// Where the search got furthest.
#[derive(Debug, Default)]
pub(super) struct Stuck {
    /// The operation that was answered before anything could explain it.
    pub(super) blocked: usize,
    /// The operations that had a place by then, in order.
    pub(super) order: Vec<usize>,
}

/// A search under way.
pub(super) struct Search<'a, M: Model> {
    model: &'a M,
    operations: &'a [Operation<'a>],
    budget: &'a SearchBudget,
    steps: u64,
    list: Linked,
    /// The number of each operation among those of its kind: answered ones and open ones.
    numbers: Vec<usize>,
    /// Of each open operation the last one before it with the same call, by its number.
    twins: Vec<Option<usize>>,
    answered: Placed,
    open: Placed,
    answered_count: usize,
    memory: Memory<M::State>,
    /// What was placed, with the state before it, from the first on.
    stack: Vec<(usize, M::State)>,
    state: M::State,
    /// The node of the end where the search got furthest.
    furthest: usize,
    stuck: Stuck,
}

impl<'a, M: Model> Search<'a, M> {
    /// `steps` were spent before, on other parts.
    pub(super) fn new(
        model: &'a M,
        part: &Part,
        operations: &'a [Operation<'a>],
        budget: &'a SearchBudget,
        steps: u64,
    ) -> Self {
        let (mut answered, mut open) = (0, 0);
        let number = |operation: &Operation<'_>| {
            let counter = if operation.answer().is_some() { &mut answered } else { &mut open };
            *counter += 1;
            *counter - 1
        };
        let numbers = operations.iter().map(number).collect::<Vec<_>>();
        let mut calls = HashMap::new();
        let twin = |(operation, number): (&'a Operation<'a>, &usize)| {
            let is_open = operation.answer().is_none();
            is_open.then(|| calls.insert(operation.call, *number)).flatten()
        };
        let twins = operations.iter().zip(&numbers).map(twin).collect();
        Self {
            model,
            operations,
            budget,
            steps,
            list: Linked::new(&marks(operations), operations.len()),
            numbers,
            twins,
            answered: Placed::new(answered),
            open: Placed::new(open),
            answered_count: answered,
            memory: Memory::new(),
            stack: Vec::new(),
            state: model.begin(part, operations),
            furthest: 0,
            stuck: Stuck::default(),
        }
    }

    /// Attempts so far, those of earlier parts included.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    pub(super) fn run(&mut self, patience: &Patience<'_>) -> Found {
        let mut until_asked = 0;
        let mut at = self.list.first();
        while self.answered.count() < self.answered_count {
            // An answered operation without a place has its end in the list, so the list does not end before it.
            let Some(here) = at else { return self.no_order() };
            let link = *self.list.link(here);
            if link.is_call {
                if let Some(spent) = self.spent() {
                    return Found::Nothing(spent);
                }
                // Turns of the loop, not steps, which stand still while twins are passed over.
                if until_asked == 0
                    && let Some(spent) = patience.spent()
                {
                    return Found::Impatient(spent, self.stuck.order.len().max(self.stack.len()));
                }
                until_asked = if until_asked == 0 { ASK_EVERY } else { until_asked - 1 };
                at = if self.place(here) { self.list.first() } else { self.list.after(here) };
            } else {
                self.note_stuck(here);
                let Some((call, state)) = self.stack.pop() else { return self.no_order() };
                self.take_back(call, state);
                at = self.list.after(call);
            }
        }
        Found::Order
    }

    /// Places the operation whose call this is, if that leads to something new.
    fn place(&mut self, call: usize) -> bool {
        let operation = self.list.link(call).operation;
        if self.twins[operation].is_some_and(|twin| !self.open.contains(twin)) {
            return false;
        }
        self.steps += 1;
        let Operation { call: what, .. } = self.operations[operation];
        let answer = self.operations[operation].answer();
        let Some(next) = self.model.step(&self.state, what, answer) else { return false };
        let is_open = answer.is_none();
        if is_open && next == self.state {
            return false;
        }
        let number = self.numbers[operation];
        let set = if is_open { &mut self.open } else { &mut self.answered };
        set.insert(number);
        let mut short = Vec::with_capacity(4);
        self.answered.write_short(&mut short);
        self.open.write_short(&mut short);
        let bytes = self.model.bytes(&next);
        if !self.memory.is_new(short.into_boxed_slice(), next.clone(), bytes) {
            let set = if is_open { &mut self.open } else { &mut self.answered };
            set.remove(number);
            return false;
        }
        self.list.lift(call);
        self.stack.push((call, std::mem::replace(&mut self.state, next)));
        true
    }

    fn take_back(&mut self, call: usize, state: M::State) {
        let operation = self.list.link(call).operation;
        let is_open = self.operations[operation].answer().is_none();
        let set = if is_open { &mut self.open } else { &mut self.answered };
        set.remove(self.numbers[operation]);
        self.list.unlift(call);
        self.state = state;
    }

    fn note_stuck(&mut self, end: usize) {
        if end <= self.furthest {
            return;
        }
        self.furthest = end;
        let operation = |(call, _): &(usize, M::State)| self.list.link(*call).operation;
        let order = self.stack.iter().map(operation).collect();
        self.stuck = Stuck { blocked: self.list.link(end).operation, order };
    }

    fn no_order(&mut self) -> Found {
        Found::NoOrder(std::mem::take(&mut self.stuck))
    }

    /// Which part of the budget is spent, if one is.
    fn spent(&self) -> Option<String> {
        let SearchBudget { steps_max, memory_bytes_max, give_up } = self.budget;
        if self.steps >= *steps_max {
            return Some(format!("the budget of {steps_max} steps is spent"));
        }
        if self.memory.bytes() > *memory_bytes_max {
            return Some(format!("the search fills its {memory_bytes_max} bytes of memory"));
        }
        let asks = self.steps.is_multiple_of(ASK_EVERY);
        let gives_up = asks && give_up.as_ref().is_some_and(|give_up| give_up());
        gives_up.then(|| format!("told to give up after {} steps", self.steps))
    }
}

/// Calls and ends in the order of time.
fn marks(operations: &[Operation<'_>]) -> Vec<Mark> {
    let mut marks = Vec::with_capacity(2 * operations.len());
    for (at, operation) in operations.iter().enumerate() {
        marks.push((operation.invoked.seq, Mark::Call(at)));
        if let (Some(_), Some(end)) = (operation.answer(), operation.ended) {
            marks.push((end.seq, Mark::End(at)));
        }
    }
    marks.sort_by_key(|(seq, _)| *seq);
    marks.into_iter().map(|(_, mark)| mark).collect()
}
