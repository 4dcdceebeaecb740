//! What an object is: a state and how each call changes it.
//!
//! What it is NOT: concurrent; a model says what a single client would see. `register.rs`, `map.rs` and `queue.rs` are
//! models.

use std::{fmt, hash::Hash};

use crate::{call::Call, checker::Violation, operation::Operation, text::Text, value::Value};

/// A part of a history that is linearizable by itself: one object, or one key of one object.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Part {
    /// The object.
    pub object: Text,
    /// Which part of it; `None` for all of it.
    pub key: Option<Value>,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{}[{key}]", self.object),
            None => self.object.fmt(f),
        }
    }
}

/// How an object behaves when its operations come one after the other.
///
/// ```
/// use odeon_check::{Call, Model, Operation, Part, Value, Verb};
///
/// /// A set that only grows: `Own { name: "insert" | "has", input }`.
/// struct GrowingSet;
///
/// impl Model for GrowingSet {
///     type State = std::collections::BTreeSet<Value>;
///
///     fn name(&self) -> &str {
///         "growing sets"
///     }
///
///     fn part(&self, call: &Call) -> Option<Part> {
///         let is_mine = matches!(&call.verb, Verb::Own { .. });
///         is_mine.then(|| Part { object: call.object.clone(), key: None })
///     }
///
///     fn begin(&self, _: &Part, _: &[Operation<'_>]) -> Self::State {
///         Self::State::new()
///     }
///
///     fn step(&self, state: &Self::State, call: &Call, answer: Option<&Value>) -> Option<Self::State> {
///         let Verb::Own { name, input } = &call.verb else { return None };
///         let mut state = state.clone();
///         let truth = match &**name {
///             "insert" => Value::Bool(state.insert(input.clone())),
///             "has" => Value::Bool(state.contains(input)),
///             _ => return None,
///         };
///         answer.is_none_or(|answer| *answer == truth).then_some(state)
///     }
///
///     fn describe(&self, state: &Self::State) -> String {
///         format!("{} members", state.len())
///     }
/// }
/// ```
pub trait Model {
    /// What an object is like at one moment.
    type State: Clone + Eq + Hash;

    /// What the objects are, in the plural.
    fn name(&self) -> &str;

    /// Which part of the history a call belongs to; `None` for calls of other models. Parts must not see each other: what
    /// one answers may not depend on what was done to another.
    fn part(&self, call: &Call) -> Option<Part>;

    /// The state of a part before any of its operations. These are there to be looked at: a state may keep what rules
    /// out early what cannot be, as long as it is no part of `Eq` and `Hash`.
    fn begin(&self, part: &Part, operations: &[Operation<'_>]) -> Self::State;

    /// What is wrong with these operations at first sight, before any search. Default: nothing.
    fn glaring(&self, _operations: &[Operation<'_>]) -> Option<Violation> {
        None
    }

    /// The state after a call in this state; `None` if it cannot be answered so. Without an answer, the call had its
    /// effect and nobody knows what it answered; `None` then says that this would be of no use to any order.
    fn step(&self, state: &Self::State, call: &Call, answer: Option<&Value>)
    -> Option<Self::State>;

    /// A state in words.
    fn describe(&self, state: &Self::State) -> String;

    /// About how many bytes a state takes. Default: its size without what is on the heap.
    fn bytes(&self, state: &Self::State) -> usize {
        size_of_val(state)
    }
}
