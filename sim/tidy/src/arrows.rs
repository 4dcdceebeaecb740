//! Imports go down the picture: no crate sees its siblings or what stands above it.
//!
//! What it is: the check of every manifest against the table in `layers.rs`, which is next to read. What it is
//! NOT: about foreign crates, which `owners.rs` has. Tests may look sideways but not up; the macros' own tests
//! may, because what a macro writes names the crates above it.

use crate::{
    Tree, Violation,
    layers::{self, Room},
    manifest::{Dependency, Kind, Manifest},
};

const RULE: &str = "imports go down the layer picture";

/// Crates whose tests compile what they expand to.
const MACROS: [&str; 2] = ["odeon-macros", "odeon-sim-macros"];

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for member in Manifest::members(tree) {
        let Some(room) = layers::find(member.name()) else { continue };
        for dependency in member.dependencies() {
            let Some(target) = layers::find(&dependency.name) else { continue };
            if !allowed(room, target, &dependency) {
                let (what, remedy) = explain(room, target, &dependency);
                found.push(Violation::of(RULE, member.path, what, remedy).at(dependency.line));
            }
        }
    }
    found
}

fn allowed(room: &Room, target: &Room, dependency: &Dependency) -> bool {
    match dependency.kind {
        Kind::Normal | Kind::Build => room.imports.contains(&target.name),
        Kind::Dev => target.floor <= room.floor || MACROS.contains(&room.name),
    }
}

fn explain(room: &Room, target: &Room, dependency: &Dependency) -> (String, &'static str) {
    let way = format!(
        "{} (floor {}) imports {} (floor {})",
        room.name, room.floor, target.name, target.floor
    );
    if dependency.kind == Kind::Dev {
        return (
            format!("{way} for its tests"),
            "a test that needs the floors above lives in sim/tests",
        );
    }
    let remedy = if target.floor < room.floor {
        "if the edge is meant, add it to the crate's row in sim/tidy/src/layers.rs, in a commit of its own with its \
         reason"
    } else {
        "what is missing is a type in runtime/message or a hall in runtime/src where the two meet"
    };
    (way, remedy)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::Tree;

    fn found(folder: &str, name: &str, section: &str, import: &str) -> usize {
        let text =
            format!("[package]\nname = \"{name}\"\n[{section}]\n{import}.workspace = true\n");
        check(&Tree::sample(&[(&format!("{folder}/Cargo.toml"), &text)])).len()
    }

    #[test]
    fn up_sideways_and_undeclared_edges_are_found() {
        assert_eq!(found("transport/proto", "odeon-wire", "dependencies", "odeon"), 1);
        assert_eq!(found("runtime/cluster", "odeon-cluster", "dependencies", "odeon-wire"), 1);
        assert_eq!(found("runtime/cluster", "odeon-cluster", "dependencies", "odeon-env"), 1);
        assert_eq!(found("runtime", "odeon", "build-dependencies", "odeon-interpose"), 1);
        assert_eq!(found("runtime", "odeon", "dev-dependencies", "odeon-sim"), 1);
    }

    #[test]
    fn declared_edges_and_tests_of_macros_pass() {
        assert_eq!(found("transport", "odeon-transport", "dependencies", "odeon-wire"), 0);
        assert_eq!(found("runtime/macros", "odeon-macros", "dev-dependencies", "odeon"), 0);
        assert_eq!(found("runtime/actor", "odeon-actor", "dev-dependencies", "odeon-wire"), 0);
    }
}
