//! Every source file opens by saying what it is.
//!
//! What it is: a check that a Rust file begins with a `//!` paragraph, or with the page it includes. What it is NOT: a judge of the
//! paragraph. Samples that the compiler is to refuse (`tests/ui`) are data, not rooms of the house.

use crate::{Tree, Violation};

const RULE: &str = "every source file begins with a `//!` paragraph";

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let sources = tree.ending(".rs").filter(|(path, _)| !path.contains("/ui/"));
    let mute = sources.filter(|(_, text)| {
        let first = after_attributes(text).lines().next().unwrap_or_default();
        let page = first.starts_with("#![doc = include_str!(");
        !page && first.strip_prefix("//! ").is_none_or(|words| words.trim().is_empty())
    });
    let say = |path: &str| {
        let remedy = "begin with what the file is, what it is NOT, where its data goes and which file to read next";
        Violation::of(RULE, path, "it begins with something else", remedy).at(1)
    };
    mute.map(|(path, _)| say(path)).collect()
}

/// What follows the inner attributes that a file may begin with; a page that it includes is not skipped.
fn after_attributes(text: &str) -> &str {
    let mut rest = text;
    while rest.starts_with("#![") && !rest.starts_with("#![doc") {
        let Some((_, after)) = rest.split_once("]\n") else { return "" };
        rest = after.trim_start();
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::Tree;

    #[test]
    fn a_mute_file_is_found() {
        let tree = Tree::sample(&[
            ("a/src/a.rs", "//! The lane.\n"),
            ("a/src/b.rs", "use std::fmt;\n"),
            ("a/src/c.rs", "//! \n"),
            ("a/src/d.rs", "#![doc = include_str!(\"d.md\")]\n"),
            ("a/src/e.rs", "#![expect(\n    unsafe_code\n)]\n\n//! The clock.\n"),
            ("a/src/f.rs", "#![no_main]\nuse std::fmt;\n"),
            ("a/tests/ui/g.rs", "fn main() {}\n"),
        ]);
        let found = check(&tree).into_iter().map(|it| it.path).collect::<Vec<_>>();
        assert_eq!(found, ["a/src/b.rs", "a/src/c.rs", "a/src/f.rs"]);
    }
}
