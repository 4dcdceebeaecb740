//! Versions stand in the root manifest and nowhere else.
//!
//! What it is: members inherit their dependencies, and what the workspace says about every package. What it is
//! NOT: a check of the versions themselves. Crates with a workspace of their own (fuzzing) are not members.

use toml::Value;

use crate::{Tree, Violation, manifest::Manifest};

const RULE: &str = "versions stand in the root manifest alone";

/// What every package takes from the workspace.
const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for member in Manifest::members(tree) {
        for dependency in member.dependencies().iter().filter(|it| !it.inherited) {
            let name = &dependency.name;
            let remedy = format!(
                "write `{name}.workspace = true` and put the version under [workspace.dependencies] in the root manifest"
            );
            let what = format!("{name} has a version or path of its own");
            found.push(Violation::of(RULE, member.path, what, remedy).at(dependency.line));
        }
        for key in INHERITED {
            let inherited = member.get(&["package", key, "workspace"]).and_then(Value::as_bool);
            if inherited != Some(true) {
                let what = format!("the package does not inherit `{key}`");
                let remedy = format!("write `{key}.workspace = true` under [package]");
                found.push(Violation::of(RULE, member.path, what, remedy));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{INHERITED, check};
    use crate::Tree;

    #[test]
    fn own_versions_are_found() {
        let inherited = INHERITED.map(|key| format!("{key}.workspace = true\n")).concat();
        let text = format!(
            "[package]\nname = \"a\"\n{inherited}[dependencies]\nb = \"1\"\nc = {{ path = \"../c\" }}\nd.workspace = true\n"
        );
        let found = check(&Tree::sample(&[("a/Cargo.toml", &text)]));
        let lines = found.iter().map(|it| it.line).collect::<Vec<_>>();
        assert_eq!(lines, [9, 10]);
        let bare =
            Tree::sample(&[("a/Cargo.toml", "[package]\nname = \"a\"\nversion = \"1.0.0\"\n")]);
        assert_eq!(check(&bare).len(), INHERITED.len());
    }
}
