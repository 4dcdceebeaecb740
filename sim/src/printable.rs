//! Texts of a run on their way to a terminal.
//!
//! What a panic or an error of a simulated program says may hold anything, and a terminal obeys escape sequences: it would
//! move its cursor, hide lines or set its title. Files keep the texts as they are.

use std::borrow::Cow;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing_but_text() {
        assert_eq!(printable("two\n\tlines"), "two\n\tlines");
        assert_eq!(printable("a\u{1b}[2Jb\r\u{9b}1m"), "a\\u{1b}[2Jb\\r\\u{9b}1m");
    }
}
