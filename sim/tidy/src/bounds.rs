//! Every bound that can be set is in the table of bounds.
//!
//! What it is: a check that each public field of a `config.rs` whose name ends with `_max` is named in ARCHITECTURE.md,
//! where it says what happens when it is reached. What it is NOT: a check of the
//! values, which stand beside the fields, or of the longest spans of time, at which nothing overflows.

use crate::{Tree, Violation, code};

const RULE: &str = "every bound is in the table of bounds";

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let page = tree.text("ARCHITECTURE.md").unwrap_or_default();
    let mut found = Vec::new();
    for (path, text) in tree.ending("/config.rs") {
        for (at, line) in code::bare(text).lines().enumerate() {
            let Some(field) = bound(line).filter(|field| !page.contains(&format!("`{field}`")))
            else {
                continue;
            };
            let what = format!("{field} is not in ARCHITECTURE.md");
            let remedy = "add a row under `Bounds`: what it bounds, its default, what happens when it is reached";
            found.push(Violation::of(RULE, path, what, remedy).at(at + 1));
        }
    }
    found
}

/// The name of the bound that a line declares.
fn bound(line: &str) -> Option<&str> {
    let (field, kind) = line.trim_start().strip_prefix("pub ")?.split_once(':')?;
    let is_span = kind.contains("Duration");
    let is_name = field.chars().all(|c| c.is_alphanumeric() || c == '_');
    (is_name && !is_span && field.ends_with("_max")).then_some(field)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::Tree;

    #[test]
    fn an_untold_bound_is_found() {
        let config = "//! Bounds.\npub struct C {\n    pub lane_bytes_max: usize,\n    pub peers_max: usize,\n    pub nap_max: Duration,\n}\npub fn f(a_max: u8) {}\n";
        let page = "| lanes | `lane_bytes_max` |\n";
        let tree = Tree::sample(&[("ARCHITECTURE.md", page), ("a/src/config.rs", config)]);
        let found = check(&tree);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 4);
    }
}
