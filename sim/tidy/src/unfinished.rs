//! Nothing is left for later in the source.
//!
//! What it is: a search for the marks that people leave in unfinished work. What it is NOT: about what is
//! planned; that is written in ARCHITECTURE.md and CHANGELOG.md.

use crate::{Tree, Violation};

const RULE: &str = "no unfinished marks in the source";

/// Written in two halves, so that this file does not carry them.
const MARKS: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("under con", "struction"),
    concat!("Under con", "struction"),
    concat!("not yet implem", "ented"),
];

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    let sources = tree.files().filter(|(path, _)| {
        [".rs", ".md", ".toml", ".sh"].iter().any(|ending| path.ends_with(ending))
            || path.starts_with(".ci/")
    });
    for (path, text) in sources {
        for (at, line) in text.lines().enumerate() {
            if let Some(mark) = MARKS.into_iter().find(|mark| holds(line, mark)) {
                let remedy = "finish it, or say in ARCHITECTURE.md what is missing and why";
                found.push(Violation::of(RULE, path, format!("{mark:?}"), remedy).at(at + 1));
            }
        }
    }
    found
}

/// Whether `mark` stands in `line` as a word.
fn holds(line: &str, mark: &str) -> bool {
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(mark).any(|(at, _)| {
        !part_of_word(line[..at].chars().next_back())
            && !part_of_word(line[at + mark.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::{MARKS, check};
    use crate::Tree;

    #[test]
    fn every_mark_is_found_as_a_word() {
        for mark in MARKS {
            let text = format!("//! Fine.\n// {mark}: later\nlet a{mark} = 1;\n");
            let found = check(&Tree::sample(&[("a/src/a.rs", &text)]));
            let lines = found.iter().map(|it| it.line).collect::<Vec<_>>();
            assert_eq!(lines, [2], "{mark}");
        }
    }
}
