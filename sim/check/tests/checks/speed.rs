//! How much the search can do: what is a few seconds in a release build, and its worst case within a budget.

use std::collections::BTreeMap;

use odeon_check::{Call, Linearizability, Value, Verb};

use crate::{
    chance::Chance,
    clients::{Habits, run},
};

/// 10,000 operations of 10 clients on a map of 100 keys: the time is that of this test.
#[test]
fn ten_thousand_operations_on_a_hundred_keys() {
    let call = |chance: &mut Chance, number: usize| {
        let key = chance.below(100) as i64;
        match chance.below(4) {
            0 | 1 => Call::put("m", key, number as i64),
            2 => Call::look_up("m", key),
            _ => Call::remove("m", key),
        }
    };
    let mut map = BTreeMap::new();
    let mut object = |call: &Call, _: &mut Chance| match &call.verb {
        Verb::Put(key, value) => {
            map.insert(key.clone(), value.clone());
            Value::Nil
        }
        Verb::Remove(key) => map.remove(key).is_some().into(),
        Verb::Get(key) => map.get(key).cloned().unwrap_or_default(),
        other => panic!("{other:?} is not called here"),
    };
    let habits = Habits { clients: 10, operations: 10_000, lost_one_in: 100 };
    let history = run(7, habits, call, &mut object);
    assert!(history.events().len() > 19_000);
    history.check(&Linearizability::of_maps()).unwrap_or_else(|report| panic!("{report}"));
}

/// One register that ten clients read and write: a single part of 10,000 operations.
#[test]
fn ten_thousand_operations_on_one_register() {
    let mut state = Value::Nil;
    let mut object = |call: &Call, _: &mut Chance| match &call.verb {
        Verb::Write(value) => {
            state = value.clone();
            Value::Nil
        }
        _ => state.clone(),
    };
    let call = |chance: &mut Chance, number: usize| {
        if chance.once_in(2) { Call::write("r", number as i64) } else { Call::read("r") }
    };
    let habits = Habits { clients: 10, operations: 10_000, lost_one_in: usize::MAX };
    let history = run(7, habits, call, &mut object);
    history.check(&Linearizability::of_registers()).unwrap_or_else(|report| panic!("{report}"));
}
