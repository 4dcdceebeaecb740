//! Every crate takes the workspace's lints.
//!
//! What it is: a check that each member says `[lints] workspace = true`, without which unsafe code and `unwrap`
//! would pass unseen. What it is NOT: the lints, which stand in the root manifest and in `clippy.toml`.

use toml::Value;

use crate::{Tree, Violation, manifest::Manifest};

const RULE: &str = "every crate takes the workspace's lints";

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let members = Manifest::members(tree);
    let lax = members.iter().filter(|member| {
        member.get(&["lints", "workspace"]).and_then(Value::as_bool) != Some(true)
    });
    let say = |member: &Manifest<'_>| {
        Violation::of(RULE, member.path, "no `[lints] workspace = true`", "add it at the end")
    };
    lax.map(say).collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::Tree;

    #[test]
    fn a_crate_without_lints_is_found() {
        let tree = Tree::sample(&[
            ("a/Cargo.toml", "[package]\nname = \"a\"\n"),
            ("b/Cargo.toml", "[package]\nname = \"b\"\n[lints]\nworkspace = true\n"),
        ]);
        let found = check(&tree);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "a/Cargo.toml");
    }
}
