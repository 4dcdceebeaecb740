//! What clients do to shared objects: the calls that models understand.
//!
//! What it is NOT: how an object answers; that is what a model in `linearizability` says. Read `event.rs` next.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{text::Text, value::Value};

/// One call of an operation on one object.
///
/// ```
/// use odeon_check::Call;
///
/// assert_eq!(Call::swap("leader", "a", "b").to_string(), "swap leader \"a\" -> \"b\"");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Call {
    /// The object, such as a register, a map, a queue. Objects of different names do not know each other.
    pub object: Text,
    /// What is done to it.
    pub verb: Verb,
}

/// What is done to an object. The answers are those that the models of this crate expect.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verb {
    /// Of a register: answers its value.
    Read,
    /// Of a register: sets it. The answer is not looked at.
    Write(Value),
    /// Of a register, compare and set: sets it if it has the expected value, and answers whether it did.
    Swap {
        /// What it must hold.
        expected: Value,
        /// What it holds then.
        value: Value,
    },
    /// Of a register that holds a number, or nothing for 0: adds to it and answers the sum.
    Add(i64),
    /// Of a map: answers the value of a key, [`Value::Nil`] if it is absent.
    Get(Value),
    /// Of a map: sets the value of a key. The answer is not looked at.
    Put(Value, Value),
    /// Of a map: removes a key, and answers whether it was there; [`Value::Nil`] if that was not said.
    Remove(Value),
    /// Of a queue: puts a value at its end. The answer is not looked at.
    Enqueue(Value),
    /// Of a queue: takes the value at its head, [`Value::Nil`] if it is empty.
    Dequeue,
    /// Of a bank: moves an amount from an account to another one.
    Transfer {
        /// Whose balance falls.
        from: Text,
        /// Whose balance rises.
        to: Text,
        /// By how much.
        amount: i64,
    },
    /// Of a bank: answers all balances as they were at one moment, as a [`Value::Table`].
    Balances,
    /// Anything else, for models of one's own.
    Own {
        /// What it is.
        name: Text,
        /// What it takes.
        input: Value,
    },
}

impl Call {
    /// A call.
    pub fn new(object: impl Into<Text>, verb: Verb) -> Self {
        Self { object: object.into(), verb }
    }

    /// Reads a register.
    pub fn read(object: impl Into<Text>) -> Self {
        Self::new(object, Verb::Read)
    }

    /// Writes a register.
    pub fn write(object: impl Into<Text>, value: impl Into<Value>) -> Self {
        Self::new(object, Verb::Write(value.into()))
    }

    /// Writes a register if it holds what is expected.
    pub fn swap(
        object: impl Into<Text>,
        expected: impl Into<Value>,
        value: impl Into<Value>,
    ) -> Self {
        Self::new(object, Verb::Swap { expected: expected.into(), value: value.into() })
    }

    /// Adds to a register.
    pub fn add(object: impl Into<Text>, amount: i64) -> Self {
        Self::new(object, Verb::Add(amount))
    }

    /// Reads a key of a map.
    pub fn look_up(object: impl Into<Text>, key: impl Into<Value>) -> Self {
        Self::new(object, Verb::Get(key.into()))
    }

    /// Sets a key of a map.
    pub fn put(object: impl Into<Text>, key: impl Into<Value>, value: impl Into<Value>) -> Self {
        Self::new(object, Verb::Put(key.into(), value.into()))
    }

    /// Removes a key of a map.
    pub fn remove(object: impl Into<Text>, key: impl Into<Value>) -> Self {
        Self::new(object, Verb::Remove(key.into()))
    }

    /// Appends to a queue.
    pub fn enqueue(object: impl Into<Text>, value: impl Into<Value>) -> Self {
        Self::new(object, Verb::Enqueue(value.into()))
    }

    /// Takes from a queue.
    pub fn dequeue(object: impl Into<Text>) -> Self {
        Self::new(object, Verb::Dequeue)
    }

    /// Moves an amount in a bank.
    pub fn transfer(
        object: impl Into<Text>,
        from: impl Into<Text>,
        to: impl Into<Text>,
        amount: i64,
    ) -> Self {
        Self::new(object, Verb::Transfer { from: from.into(), to: to.into(), amount })
    }

    /// Reads all balances of a bank.
    pub fn balances(object: impl Into<Text>) -> Self {
        Self::new(object, Verb::Balances)
    }

    /// About how many bytes it takes beyond its own size.
    pub(crate) fn bytes(&self) -> usize {
        let inside = match &self.verb {
            Verb::Read | Verb::Add(_) | Verb::Dequeue | Verb::Balances => 0,
            Verb::Write(value) | Verb::Get(value) | Verb::Remove(value) | Verb::Enqueue(value) => {
                value.bytes()
            }
            Verb::Swap { expected: one, value: other } | Verb::Put(one, other) => {
                one.bytes() + other.bytes()
            }
            Verb::Transfer { from, to, .. } => from.len() + to.len(),
            Verb::Own { name, input } => name.len() + input.bytes(),
        };
        self.object.len() + inside
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = &self.object;
        match &self.verb {
            Verb::Read => write!(f, "read {object}"),
            Verb::Write(value) => write!(f, "write {object} {value}"),
            Verb::Swap { expected, value } => write!(f, "swap {object} {expected} -> {value}"),
            Verb::Add(amount) => write!(f, "add {object} {amount}"),
            Verb::Get(key) => write!(f, "get {object}[{key}]"),
            Verb::Put(key, value) => write!(f, "put {object}[{key}] {value}"),
            Verb::Remove(key) => write!(f, "remove {object}[{key}]"),
            Verb::Enqueue(value) => write!(f, "enqueue {object} {value}"),
            Verb::Dequeue => write!(f, "dequeue {object}"),
            Verb::Transfer { from, to, amount } => {
                write!(f, "transfer {object} {from} -> {to}: {amount}")
            }
            Verb::Balances => write!(f, "balances {object}"),
            Verb::Own { name, input } => write!(f, "{name} {object} {input}"),
        }
    }
}
