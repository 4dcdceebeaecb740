//! Names say what a thing is; some words never do.
//!
//! What it is: a check of the words in names of files, folders and types. What it is NOT: a check of prose or
//! of variables. The glossary in ARCHITECTURE.md has the words to use.

use crate::{Tree, Violation, code};

const RULE: &str = "a name says what the thing is";

/// Words that fit anything; a plural is found too.
const EMPTY: [&str; 6] = ["manager", "service", "helper", "util", "common", "misc"];

/// Short forms at the end of a type's name.
const CLIPPED: [&str; 3] = ["Err", "Msg", "Cfg"];

/// What comes before the name of a type.
const DECLARES: [&str; 6] = ["struct", "enum", "union", "trait", "type", "mod"];

/// A folder whose name is what people look for who do not know ours yet.
const OUTSIDE: &str = "examples/service/";

const REMEDY: &str = "take the field's term from the glossary in ARCHITECTURE.md; if there is none, add it there in the \
                      same commit";

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.ending(".rs") {
        let inside = path.strip_prefix(OUTSIDE).unwrap_or(path);
        let parts = inside.trim_end_matches(".rs").split(['/', '_', '-', '.']);
        if let Some(word) = parts.map(str::to_lowercase).find(|word| is_empty_word(word)) {
            found.push(Violation::of(RULE, path, format!("{word:?} in a file's name"), REMEDY));
        }
        for (at, line) in code::bare(text).lines().enumerate() {
            if let Some(name) = declared(line).filter(|name| is_poor(name)) {
                found
                    .push(Violation::of(RULE, path, format!("the name {name}"), REMEDY).at(at + 1));
            }
        }
    }
    found
}

/// The name that a line declares, if it begins a declaration.
fn declared(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(')')?.1,
        Some(rest) => rest,
        None => line,
    };
    let mut words = line.split_whitespace().skip_while(|word| matches!(*word, "unsafe" | "auto"));
    let keyword = words.next()?;
    let name = words.next().filter(|_| DECLARES.contains(&keyword))?;
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

fn is_poor(name: &str) -> bool {
    let clipped = CLIPPED.iter().any(|end| name.len() > end.len() && name.ends_with(end));
    clipped || words(name).any(|word| is_empty_word(&word.to_lowercase()))
}

/// The words of a name in camel or snake case.
fn words(name: &str) -> impl Iterator<Item = &str> {
    let starts = name.char_indices().filter(|(_, c)| c.is_uppercase() || *c == '_');
    let mut cuts = starts.map(|(at, _)| at).collect::<Vec<_>>();
    cuts.insert(0, 0);
    cuts.push(name.len());
    let pieces = cuts.windows(2).map(|cut| &name[cut[0]..cut[1]]).collect::<Vec<_>>();
    pieces.into_iter().map(|piece| piece.trim_matches('_')).filter(|piece| !piece.is_empty())
}

fn is_empty_word(word: &str) -> bool {
    EMPTY.contains(&word) || word.strip_suffix('s').is_some_and(|single| EMPTY.contains(&single))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::Tree;

    #[test]
    fn empty_words_in_files_and_types_are_found() {
        let text = "pub(crate) struct PeerManager;\npub enum FooErr {}\nmod node_utils;\n";
        let found = check(&Tree::sample(&[("a/src/lane.rs", text), ("a/tests/common/x.rs", "")]));
        let found = found.into_iter().map(|it| (it.line, it.found)).collect::<Vec<_>>();
        let expected = [
            (1, "the name PeerManager".to_owned()),
            (2, "the name FooErr".to_owned()),
            (3, "the name node_utils".to_owned()),
            (0, "\"common\" in a file's name".to_owned()),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn good_names_comments_and_strings_pass() {
        let text = "struct Manage;\n// struct Manager\nconst A: &str = \"\nstruct Service;\";\ntype Utility = u8;\n";
        assert!(check(&Tree::sample(&[("a/src/interned.rs", text)])).is_empty());
    }
}
