//! No source file has 800 lines.
//!
//! What it is: the length of Rust files, tests included. What it is NOT: a target. About 200 lines is usual,
//! 400 wants a reason; the length of a function is clippy's.

use crate::{Tree, Violation};

const RULE: &str = "a source file has fewer than 800 lines";
const LINES_MAX: usize = 799;

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let lengths = tree.ending(".rs").map(|(path, text)| (path, text.lines().count()));
    let say = |(path, lines): (&str, usize)| {
        let remedy =
            "split it by idea: `foo.rs` keeps the public type, `foo/part.rs` takes the rest";
        Violation::of(RULE, path, format!("{lines} lines"), remedy)
    };
    lengths.filter(|(_, lines)| *lines > LINES_MAX).map(say).collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::Tree;

    #[test]
    fn the_eight_hundredth_line_is_one_too_many() {
        let (short, long) = ("//\n".repeat(799), "//\n".repeat(800));
        let found = check(&Tree::sample(&[("short.rs", &short), ("long.rs", &long)]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "long.rs");
    }
}
