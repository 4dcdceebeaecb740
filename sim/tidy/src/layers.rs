//! The floors of the house: which crate stands on which, and whom it may import.
//!
//! What it is: the one table; the picture in ARCHITECTURE.md is made from it. What it is NOT: a wish list. A
//! crate has a row when its place is decided, and is `built` when its folder exists. `arrows.rs` checks the
//! imports.

use crate::{Tree, Violation, manifest::Manifest};

const RULE: &str = "every crate has its row in the layer table";

/// One crate's place.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) name: &'static str,
    pub(crate) folder: &'static str,
    /// From the ground, 0, upwards.
    pub(crate) floor: u8,
    /// Crates of the house it may import.
    pub(crate) imports: &'static [&'static str],
    /// Whether its folder exists.
    pub(crate) built: bool,
}

/// What the front door is made of.
const BELOW_RUNTIME: &[&str] = &[
    "odeon-actor",
    "odeon-cluster",
    "odeon-consensus",
    "odeon-env",
    "odeon-journal",
    "odeon-macros",
    "odeon-message",
    "odeon-topics",
    "odeon-transport",
    "odeon-wire",
];

/// The simulator sees everything below it.
const BELOW_SIM: &[&str] = &[
    "odeon",
    "odeon-actor",
    "odeon-check",
    "odeon-cluster",
    "odeon-consensus",
    "odeon-env",
    "odeon-interpose",
    "odeon-journal",
    "odeon-macros",
    "odeon-message",
    "odeon-sim-macros",
    "odeon-topics",
    "odeon-transport",
    "odeon-wire",
];

/// A bench measures one hop, so it may call the crate that makes it.
const BELOW_BENCHES: &[&str] = &[
    "odeon",
    "odeon-actor",
    "odeon-cluster",
    "odeon-env",
    "odeon-message",
    "odeon-transport",
    "odeon-wire",
];

/// The house, from the ground up. Imports go downward only; crates on one floor never see each other. One
/// exception: the message crate re-exports the macros, which stand beside it and expand to its names.
pub(crate) const ROOMS: &[Room] = &[
    room("odeon-message", "runtime/message", 0, &["odeon-macros"], true),
    room("odeon-env", "runtime/env", 0, &[], true),
    room("odeon-macros", "runtime/macros", 0, &[], true),
    room("odeon-interpose", "sim/interpose", 0, &[], true),
    room("odeon-sim-macros", "sim/macros", 0, &[], true),
    room("odeon-journal", "runtime/journal", 1, &["odeon-env"], false),
    room("odeon-check", "sim/check", 1, &["odeon-message"], true),
    room("odeon-wire", "transport/proto", 2, &["odeon-message"], true),
    room("odeon-actor", "runtime/actor", 2, &["odeon-env", "odeon-macros", "odeon-message"], true),
    room("odeon-cluster", "runtime/cluster", 2, &["odeon-message"], true),
    room(
        "odeon-consensus",
        "runtime/consensus",
        2,
        &["odeon-env", "odeon-journal", "odeon-message"],
        false,
    ),
    room("odeon-topics", "runtime/topics", 2, &["odeon-message"], false),
    room("odeon-transport", "transport", 3, &["odeon-env", "odeon-message", "odeon-wire"], true),
    room("odeon", "runtime", 4, BELOW_RUNTIME, true),
    room("odeon-sim", "sim", 5, BELOW_SIM, true),
    room("odeon-ops", "runtime/ops", 5, &["odeon"], true),
    room("odeon-node", "runtime/node", 6, &["odeon", "odeon-ops"], true),
    room("odeon-examples", "examples", 6, &["odeon"], true),
    room("odeon-example-service", "examples/service", 6, &["odeon", "odeon-ops"], true),
    room("odeon-benches", "benches", 6, BELOW_BENCHES, true),
    room("odeon-bench-sim", "benches/sim", 6, &["odeon", "odeon-interpose", "odeon-sim"], true),
    room("odeon-compare", "benches/compare", 6, &["odeon"], true),
    room("odeon-tidy", "sim/tidy", 6, &[], true),
];

const fn room(
    name: &'static str,
    folder: &'static str,
    floor: u8,
    imports: &'static [&'static str],
    built: bool,
) -> Room {
    Room { name, folder, floor, imports, built }
}

/// The room of a crate.
pub(crate) fn find(name: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| room.name == name)
}

/// The picture for ARCHITECTURE.md: a line a floor, from the top; a star marks what is not built yet.
pub(crate) fn picture() -> String {
    let top = ROOMS.iter().map(|room| room.floor).max().unwrap_or(0);
    let line = |floor: u8| {
        let on_it = ROOMS.iter().filter(|room| room.floor == floor);
        let label = |room: &Room| {
            let name = room.name.strip_prefix("odeon-").unwrap_or(room.name);
            format!("{name}{}", if room.built { "" } else { "*" })
        };
        format!("{floor}  {}\n", on_it.map(label).collect::<Vec<_>>().join("   "))
    };
    (0..=top).rev().map(line).collect()
}

/// Every member has a row with its folder, and every row says truly whether it is built.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let table = "sim/tidy/src/layers.rs";
    let mut found = Vec::new();
    let members = Manifest::members(tree);
    for member in &members {
        let say = |what: String, remedy: &str| Violation::of(RULE, member.path, what, remedy);
        match find(member.name()) {
            None => found.push(say(
                format!("{} has no floor", member.name()),
                "add a row to ROOMS in sim/tidy/src/layers.rs and a line to the code map in ARCHITECTURE.md",
            )),
            Some(room) if room.folder != member.folder() => found.push(say(
                format!("{} stands in {}, the table says {}", room.name, member.folder(), room.folder),
                "move the crate, or correct its row in sim/tidy/src/layers.rs",
            )),
            Some(room) if !room.built => found.push(say(
                format!("{} is there, the table says it is not built", room.name),
                "set `built` in its row of sim/tidy/src/layers.rs",
            )),
            Some(_) => {}
        }
    }
    for room in ROOMS.iter().filter(|room| room.built) {
        if !members.iter().any(|member| member.name() == room.name) {
            found.push(Violation::of(
                RULE,
                table,
                format!("{} is called built and is no member", room.name),
                "clear `built` in its row, or create the crate with its first passing test",
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{ROOMS, check, find};
    use crate::Tree;

    #[test]
    fn the_table_itself_goes_downward() {
        for room in ROOMS {
            for import in room.imports {
                let below = find(import).unwrap_or_else(|| panic!("{import} has no row"));
                let re_export = (room.name, *import) == ("odeon-message", "odeon-macros");
                assert!(below.floor < room.floor || re_export, "{} -> {import}", room.name);
            }
        }
    }

    #[test]
    fn strangers_movers_and_ghosts_are_found() {
        let named = |name: &str| format!("[package]\nname = \"{name}\"\n");
        let (stranger, moved, early) =
            (named("odeon-attic"), named("odeon-wire"), named("odeon-journal"));
        let tree = Tree::sample(&[
            ("attic/Cargo.toml", stranger.as_str()),
            ("wire/Cargo.toml", moved.as_str()),
            ("runtime/journal/Cargo.toml", early.as_str()),
        ]);
        let found = check(&tree);
        let has = |text: &str| found.iter().any(|it| it.found.contains(text));
        assert!(has("odeon-attic has no floor"));
        assert!(has("the table says transport/proto"));
        assert!(has("odeon-journal is there"));
        assert!(has("odeon-sim is called built"));
    }
}
