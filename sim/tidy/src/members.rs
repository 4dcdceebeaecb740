//! Workspace members are listed one by one, and every crate in the tree is one.
//!
//! What it is: the comparison of the root manifest's list with the folders. What it is NOT: their places on the
//! floors, which `layers.rs` has. A fuzz crate is a workspace of its own, because it needs a nightly compiler.

use toml::Value;

use crate::{Tree, Violation, manifest::Manifest};

const RULE: &str = "workspace members are listed one by one";

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let root = Manifest::root(tree);
    let listed = root.get(&["workspace", "members"]).and_then(Value::as_array);
    let listed = listed.into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>();
    let line = root.line_of("members");
    let mut found = Vec::new();
    for folder in &listed {
        let say = |what: String, remedy| Violation::of(RULE, root.path, what, remedy).at(line);
        if folder.contains(['*', '?']) {
            found.push(say(format!("{folder:?} is a pattern"), "name each folder"));
        } else if !tree.contains(&format!("{folder}/Cargo.toml")) {
            found.push(say(format!("{folder} has no Cargo.toml"), "remove the line"));
        }
    }
    for member in Manifest::members(tree) {
        if !listed.contains(&member.folder()) {
            let what = format!("{} is not built", member.folder());
            let remedy = "add its folder to `members` in the root manifest, or give it a `[workspace]` of its own";
            found.push(Violation::of(RULE, member.path, what, remedy));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::Tree;

    #[test]
    fn patterns_ghosts_and_strays_are_found() {
        let tree = Tree::sample(&[
            ("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b/*\", \"gone\"]\n"),
            ("a/Cargo.toml", "[package]\nname = \"a\"\n"),
            ("b/c/Cargo.toml", "[package]\nname = \"c\"\n"),
            ("fuzz/Cargo.toml", "[package]\nname = \"fuzz\"\n[workspace]\n"),
        ]);
        let found = check(&tree).into_iter().map(|it| it.found).collect::<Vec<_>>();
        assert_eq!(found, ["\"b/*\" is a pattern", "gone has no Cargo.toml", "b/c is not built"]);
    }
}
