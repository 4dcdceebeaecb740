//! A module is a file of its own name: `foo.rs` beside `foo/`, never `mod.rs`.
//!
//! What it is: a check of file names alone, so that a list of open files says which is which. What it is NOT:
//! about the words in names, which `names.rs` has.

use crate::{Tree, Violation};

const RULE: &str = "a module is `foo.rs`, never `foo/mod.rs`";

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let old = tree.files().filter(|(path, _)| *path == "mod.rs" || path.ends_with("/mod.rs"));
    let say = |path: &str| {
        let folder = path.strip_suffix("/mod.rs").unwrap_or_default();
        Violation::of(RULE, path, "a `mod.rs`", format!("move it to {folder}.rs"))
    };
    old.map(|(path, _)| say(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::Tree;

    #[test]
    fn a_mod_rs_is_found() {
        let tree = Tree::sample(&[("a/src/foo/mod.rs", ""), ("a/src/foo.rs", "")]);
        let found = check(&tree);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].remedy, "move it to a/src/foo.rs");
    }
}
