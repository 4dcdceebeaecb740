//! The manifests of the workspace, parsed.
//!
//! What it is: a member's name, its dependencies of each kind, and whether they take their version from the
//! root. What it is NOT: cargo's resolver. The rules about crates read it.

use toml::{Table, Value};

use crate::Tree;

/// One `Cargo.toml`.
#[derive(Debug)]
pub(crate) struct Manifest<'a> {
    /// From the root of the project.
    pub(crate) path: &'a str,
    text: &'a str,
    pub(crate) table: Table,
}

/// Where a dependency is needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Normal,
    Build,
    Dev,
}

/// One line of a dependency table.
#[derive(Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Whether it says `workspace = true`.
    pub(crate) inherited: bool,
    /// From 1.
    pub(crate) line: usize,
}

impl<'a> Manifest<'a> {
    fn parse(path: &'a str, text: &'a str) -> Self {
        let table = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
        Self { path, text, table }
    }

    /// The root manifest.
    ///
    /// # Panics
    /// When there is none, or it is not TOML; cargo says so before any test runs.
    pub(crate) fn root(tree: &'a Tree) -> Self {
        Self::parse("Cargo.toml", tree.text("Cargo.toml").expect("cargo found the root manifest"))
    }

    /// The manifests of the members: every one with a package that is not a workspace of its own.
    ///
    /// # Panics
    /// When one is not TOML; cargo says so before any test runs.
    pub(crate) fn members(tree: &'a Tree) -> Vec<Self> {
        let all = tree.ending("/Cargo.toml").map(|(path, text)| Self::parse(path, text));
        all.filter(|it| it.table.contains_key("package") && !it.table.contains_key("workspace"))
            .collect()
    }

    /// The package's name; empty for a manifest without one.
    pub(crate) fn name(&self) -> &str {
        self.table.get("package").and_then(|it| it.get("name")?.as_str()).unwrap_or_default()
    }

    /// The folder the manifest stands in, from the root.
    pub(crate) fn folder(&self) -> &str {
        self.path.strip_suffix("/Cargo.toml").unwrap_or_default()
    }

    /// A value below nested tables.
    pub(crate) fn get(&self, keys: &[&str]) -> Option<&Value> {
        let (first, rest) = keys.split_first()?;
        rest.iter().try_fold(self.table.get(*first)?, |value, key| value.get(*key))
    }

    /// All dependencies, those of single targets included.
    pub(crate) fn dependencies(&self) -> Vec<Dependency> {
        let mut found = Vec::new();
        let targets = self.table.get("target").and_then(Value::as_table);
        let targets = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
        for table in std::iter::once(&self.table).chain(targets) {
            for (section, kind) in [
                ("dependencies", Kind::Normal),
                ("build-dependencies", Kind::Build),
                ("dev-dependencies", Kind::Dev),
            ] {
                let entries = table.get(section).and_then(Value::as_table);
                for (key, value) in entries.into_iter().flatten() {
                    found.push(self.dependency(key, value, kind));
                }
            }
        }
        found
    }

    fn dependency(&self, key: &str, value: &Value, kind: Kind) -> Dependency {
        let name = value.get("package").and_then(Value::as_str).unwrap_or(key).to_owned();
        let inherited = value.get("workspace").and_then(Value::as_bool) == Some(true);
        Dependency { name, kind, inherited, line: self.line_of(key) }
    }

    /// The first line that sets `key`, from 1; 0 where none does.
    pub(crate) fn line_of(&self, key: &str) -> usize {
        let sets = |line: &str| {
            let rest = line.trim_start().strip_prefix(key);
            rest.is_some_and(|rest| rest.starts_with([' ', '.', '=']))
        };
        self.text.lines().position(sets).map_or(0, |at| at + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Manifest};
    use crate::Tree;

    const TEXT: &str = "[package]\nname = \"odeon-x\"\n[dependencies]\na.workspace = true\nb = \"1\"\n\
                        [target.'cfg(unix)'.dev-dependencies]\nc = { workspace = true, features = [\"f\"] }\n";

    #[test]
    fn dependencies_of_all_kinds_are_found() {
        let tree = Tree::sample(&[("x/Cargo.toml", TEXT)]);
        let members = Manifest::members(&tree);
        assert_eq!((members[0].name(), members[0].folder()), ("odeon-x", "x"));
        let found = members[0].dependencies();
        let found = found.iter().map(|it| (it.name.as_str(), it.kind, it.inherited, it.line));
        let expected = [
            ("a", Kind::Normal, true, 4),
            ("b", Kind::Normal, false, 5),
            ("c", Kind::Dev, true, 7),
        ];
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_workspace_of_its_own_is_no_member() {
        let tree = Tree::sample(&[("fuzz/Cargo.toml", "[package]\nname = \"f\"\n[workspace]\n")]);
        assert!(Manifest::members(&tree).is_empty());
    }
}
