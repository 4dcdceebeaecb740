//! Rust source without its prose: comments and the insides of literals become blanks.
//!
//! What it is: enough of a lexer to tell code from text, so that a rule about code does not fire on a comment
//! or on a sample in a string. Lines and columns stay where they were. What it is NOT: a parser. The rules
//! about names, marks and maps read it.

/// `text` with every character of comments and of literals replaced by a blank; line ends stay.
pub(crate) fn bare(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let prose = prose_len(rest, out.chars().next_back());
        if prose == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            let (blanked, left) = rest.split_at(prose);
            out.extend(blanked.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = left;
        }
    }
    out
}

/// How many bytes at the start of `rest` are a comment or a literal; 0 where code begins.
fn prose_len(rest: &str, before: Option<char>) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_len(rest);
    }
    if rest.starts_with('"') {
        return quoted_len(rest, '"');
    }
    if rest.starts_with('\'') {
        let mut after = rest.chars().skip(1);
        let (first, second) = (after.next(), after.next());
        let is_char = first == Some('\\') || second == Some('\'');
        return if is_char { quoted_len(rest, '\'') } else { 0 };
    }
    if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
        return 0;
    }
    let prefix = rest.len() - rest.trim_start_matches(['b', 'c']).len();
    if prefix <= 1 && rest[prefix..].starts_with('r') { raw_len(rest, prefix + 1) } else { 0 }
}

/// A block comment, which may nest.
fn block_len(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let tail = &rest.as_bytes()[at..];
        if tail.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// A literal between two `quote`s in which a backslash escapes.
fn quoted_len(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A raw string whose hashes begin at `hashes_at`; 0 where it is an identifier.
fn raw_len(rest: &str, hashes_at: usize) -> usize {
    let hashes = rest[hashes_at..].bytes().take_while(|b| *b == b'#').count();
    let open = hashes_at + hashes;
    if !rest[open..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    rest[open + 1..].find(&end).map_or(rest.len(), |at| open + 1 + at + end.len())
}

#[cfg(test)]
mod tests {
    use super::bare;

    #[test]
    fn prose_becomes_blanks_and_code_stays() {
        let cases = [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("x\"y", 'q', '\'')"#, "f(      ,    ,     )"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("r#\"a\"b\"# + r#type + br\"z\"", "         + r#type +      "),
            ("for x in y", "for x in y"),
        ];
        for (text, expected) in cases {
            assert_eq!(bare(text), expected, "{text}");
        }
    }
}
