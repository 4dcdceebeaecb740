//! A map: each of its keys is a register that may be absent.
//!
//! Keys do not see each other, so each is searched by itself: a map of many keys is many small searches.

use super::{Model, Part};
use crate::{
    call::{Call, Verb},
    operation::Operation,
    value::Value,
};

/// Maps that begin empty; their verbs are [`Verb::Get`], [`Verb::Put`] and [`Verb::Remove`].
#[derive(Clone, Copy, Debug, Default)]
pub struct MapModel;

impl Model for MapModel {
    /// The value of one key; `Nil` when it is absent.
    type State = Value;

    fn name(&self) -> &str {
        "maps"
    }

    fn part(&self, call: &Call) -> Option<Part> {
        let (Verb::Get(key) | Verb::Put(key, _) | Verb::Remove(key)) = &call.verb else {
            return None;
        };
        Some(Part { object: call.object.clone(), key: Some(key.clone()) })
    }

    fn begin(&self, _: &Part, _: &[Operation<'_>]) -> Value {
        Value::Nil
    }

    fn step(&self, state: &Value, call: &Call, answer: Option<&Value>) -> Option<Value> {
        match &call.verb {
            Verb::Get(_) => answer.is_none_or(|answer| answer == state).then(|| state.clone()),
            Verb::Put(_, value) => Some(value.clone()),
            Verb::Remove(_) => {
                let was_there = Value::Bool(*state != Value::Nil);
                let fits = |answer: &Value| *answer == Value::Nil || *answer == was_there;
                answer.is_none_or(fits).then_some(Value::Nil)
            }
            _ => None,
        }
    }

    fn describe(&self, state: &Value) -> String {
        if *state == Value::Nil { "absent".to_owned() } else { state.to_string() }
    }

    fn bytes(&self, state: &Value) -> usize {
        state.bytes()
    }
}
