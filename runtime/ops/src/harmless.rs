//! Texts that somebody else chose, on their way to a terminal.

use std::borrow::Cow;

/// A text that somebody else chose, for a terminal: control characters, which could steer it, and those that turn a line
/// round are shown as what they are.
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    let is_harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let letter = |c: char| match is_harmful(c) {
        true => c.escape_unicode().to_string(),
        false => c.to_string(),
    };
    Cow::Owned(text.chars().map(letter).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_others_steer_no_terminal() {
        assert_eq!(harmless("a name"), "a name");
        assert_eq!(harmless("\u{1b}[2Ja\nb"), "\\u{1b}[2Ja\\u{a}b");
        assert_eq!(harmless("\u{202e}txt\u{9b}"), "\\u{202e}txt\\u{9b}");
    }
}
