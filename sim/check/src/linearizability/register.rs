//! A register: one value that is read, written, compared and set, or added to.

use super::{Model, Part};
use crate::{
    call::{Call, Verb},
    operation::Operation,
    value::Value,
};

/// Registers that begin with [`Value::Nil`]; their verbs are [`Verb::Read`], [`Verb::Write`], [`Verb::Swap`] and
/// [`Verb::Add`].
#[derive(Clone, Copy, Debug, Default)]
pub struct RegisterModel;

impl Model for RegisterModel {
    type State = Value;

    fn name(&self) -> &str {
        "registers"
    }

    fn part(&self, call: &Call) -> Option<Part> {
        let verb = &call.verb;
        let is_mine =
            matches!(verb, Verb::Read | Verb::Write(_) | Verb::Swap { .. } | Verb::Add(_));
        is_mine.then(|| Part { object: call.object.clone(), key: None })
    }

    fn begin(&self, _: &Part, _: &[Operation<'_>]) -> Value {
        Value::Nil
    }

    fn step(&self, state: &Value, call: &Call, answer: Option<&Value>) -> Option<Value> {
        let (next, truth) = match &call.verb {
            Verb::Read => (state.clone(), state.clone()),
            Verb::Write(value) => return Some(value.clone()),
            Verb::Swap { expected, value } => {
                let swaps = state == expected;
                (if swaps { value.clone() } else { state.clone() }, Value::Bool(swaps))
            }
            Verb::Add(amount) => {
                let sum = match state {
                    Value::Nil => *amount,
                    Value::Int(number) => number.checked_add(*amount)?,
                    _ => return None,
                };
                (Value::Int(sum), Value::Int(sum))
            }
            _ => return None,
        };
        answer.is_none_or(|answer| *answer == truth).then_some(next)
    }

    fn describe(&self, state: &Value) -> String {
        state.to_string()
    }

    fn bytes(&self, state: &Value) -> usize {
        state.bytes()
    }
}
