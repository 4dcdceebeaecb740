//! The Rust in README.md is compiled.
//!
//! What it is: a check that every Rust block of the README stands, word for word, in a file under `examples/`,
//! which the tests compile and run. What it is NOT: a compiler.

use crate::{Tree, Violation};

const RULE: &str = "the Rust in README.md stands in an example";
const FILE: &str = "README.md";

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let text = tree.text(FILE).unwrap_or_default();
    let mut blocks = rust(text);
    blocks.retain(|(_, block)| {
        !tree
            .ending(".rs")
            .any(|(path, text)| path.starts_with("examples/") && text.contains(block))
    });
    let say = |(line, _): (usize, &str)| {
        let remedy = "copy the block from the example it was taken from, or write the example";
        Violation::of(RULE, FILE, "this block stands in no file under examples/", remedy).at(line)
    };
    blocks.into_iter().map(say).collect()
}

/// The fenced Rust blocks with the line of their fence.
fn rust(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let fence = "```rust\n";
    for (at, _) in text.match_indices(fence) {
        let block = &text[at + fence.len()..];
        let block = block.split("```").next().unwrap_or_default();
        found.push((text[..at].lines().count() + 1, block));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::Tree;

    #[test]
    fn a_block_that_no_example_has_is_found() {
        let readme = "# Odeon\n\n```rust\nfn a() {}\n```\n";
        let with = |example: &str| {
            let tree = Tree::sample(&[("README.md", readme), ("examples/src/a.rs", example)]);
            check(&tree).into_iter().map(|it| it.line).collect::<Vec<_>>()
        };
        assert_eq!(with("//! A.\nfn a() {}\nfn b() {}\n"), [0_usize; 0]);
        assert_eq!(with("//! A.\nfn b() {}\n"), [3]);
    }
}
