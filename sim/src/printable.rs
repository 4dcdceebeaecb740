//! Texts of a run on their way to a terminal.
//!
//! What a panic or an error of a simulated program says may hold anything, and a terminal obeys escape sequences: it would
//! move its cursor, hide lines or set its title. Files keep the texts as they are.

use std::{borrow::Cow, fmt::Write as _};

use serde_json::Value;

/// The text with its control characters as escapes, such as `\u{1b}`; only ends of lines and tabs stay.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let obeyed = |char: char| char.is_control() && !matches!(char, '\n' | '\t');
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if obeyed(char) { out.extend(char.escape_default()) } else { out.push(char) }
    }
    Cow::Owned(out)
}

/// The value as JSON on one line, with escapes of JSON's own for the control characters that it may hold as they are: from
/// U+007F on.
pub(crate) fn printable_json(value: &Value) -> String {
    let text = value.to_string();
    if !text.contains(char::is_control) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match char {
            // Writing to a string does not fail.
            char if char.is_control() => drop(write!(out, "\\u{:04x}", u32::from(char))),
            char => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing_but_text() {
        assert_eq!(printable("two\n\tlines"), "two\n\tlines");
        assert_eq!(printable("a\u{1b}[2Jb\r\u{9b}1m"), "a\\u{1b}[2Jb\\r\\u{9b}1m");
    }

    #[test]
    fn json_stays_json_and_says_the_same() {
        let value = Value::from("a\u{1b}[2J\u{7f}\u{9b}1m\n");
        let text = printable_json(&value);
        assert_eq!(text, r#""a\u001b[2J\u007f\u009b1m\n""#);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
