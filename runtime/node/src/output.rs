//! What a command prints on standard output, as every program of `odeon-ops`: for people, or as JSON.

use std::fmt::Display;

pub(crate) use odeon_ops::print;
use serde::Serialize;

use crate::failure::Failed;

/// Prints one value.
pub(crate) fn show(value: &(impl Serialize + Display), json: bool) -> Result<(), Failed> {
    if json { print_json(value) } else { print(&value.to_string()) }
}

/// Prints values, one a line, or `none`.
pub(crate) fn show_all<T: Serialize + Display>(values: &[T], json: bool) -> Result<(), Failed> {
    if json {
        return print_json(&values);
    }
    let lines = values.iter().map(T::to_string).collect::<Vec<_>>();
    print(&if lines.is_empty() { "none".to_owned() } else { lines.join("\n") })
}

/// Prints a value as JSON, on one line.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failed> {
    print(&serde_json::to_string(value).expect("texts and numbers have a JSON form"))
}
