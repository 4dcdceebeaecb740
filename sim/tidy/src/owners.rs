//! Every foreign crate has an owner: the crates of the house that may name it.
//!
//! What it is: the one table, checked in both directions; the table in ARCHITECTURE.md is made from it and the
//! walls in `deny.toml` must agree with it. What it is NOT: about versions (`versions.rs`). Tests may use what
//! any crate owns.

use std::collections::BTreeSet;

use crate::{
    Tree, Violation,
    manifest::{Kind, Manifest},
};

const RULE: &str = "every foreign crate has an owner";

/// Who may name a foreign crate.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owners {
    /// These crates, and `deny.toml` says so to cargo-deny as well.
    Walled(&'static [&'static str]),
    /// These crates. Too many foreign crates use it for a wall in `deny.toml`.
    Only(&'static [&'static str]),
    /// Any crate.
    Anyone,
    /// Any crate's tests, and nothing else.
    Tests,
}

use Owners::{Anyone, Only, Tests, Walled};

/// The foreign crates in the order of their names.
pub(crate) const OWNERS: &[(&str, Owners)] = &[
    ("actix", Walled(&["odeon", "odeon-actor", "odeon-compare"])),
    ("actix-rt", Walled(&["odeon", "odeon-actor", "odeon-compare"])),
    ("async-trait", Walled(&["odeon-compare"])),
    ("axum", Walled(&["odeon-compare", "odeon-examples", "odeon-node", "odeon-ops", "odeon-sim"])),
    ("bytes", Anyone),
    (
        "clap",
        Walled(&[
            "odeon-bench-sim",
            "odeon-benches",
            "odeon-compare",
            "odeon-node",
            "odeon-ops",
            "odeon-sim",
        ]),
    ),
    ("clap_complete", Walled(&["odeon-node"])),
    ("coerce", Walled(&["odeon-compare"])),
    ("foca", Walled(&["odeon-cluster"])),
    ("futures-core", Only(&["odeon-actor", "odeon-message"])),
    ("futures-util", Only(&["odeon-bench-sim"])),
    ("getrandom", Only(&["odeon-env"])),
    ("hdrhistogram", Walled(&["odeon-actor", "odeon-benches", "odeon-node", "odeon-transport"])),
    ("hickory-resolver", Walled(&["odeon-env"])),
    ("http-body-util", Walled(&["odeon-ops"])),
    ("hyper", Walled(&["odeon-ops"])),
    ("hyper-util", Walled(&["odeon-ops"])),
    ("indexmap", Anyone),
    ("indicatif", Walled(&["odeon-node", "odeon-ops", "odeon-sim"])),
    ("kameo", Walled(&["odeon-compare"])),
    ("libc", Only(&["odeon-compare", "odeon-env", "odeon-interpose", "odeon-node", "odeon-sim"])),
    ("libp2p", Walled(&["odeon-compare"])),
    ("loom", Walled(&["odeon-actor"])),
    ("memmap2", Walled(&["odeon-node"])),
    ("pem", Walled(&["odeon-transport"])),
    ("proc-macro2", Only(&["odeon-macros", "odeon-sim-macros"])),
    ("proptest", Tests),
    ("pty-process", Tests),
    ("quinn", Walled(&["odeon-benches", "odeon-compare", "odeon-transport"])),
    ("quinn-udp", Walled(&["odeon-env", "odeon-sim"])),
    ("quote", Only(&["odeon-macros", "odeon-sim-macros"])),
    ("ractor", Walled(&["odeon-compare"])),
    ("ractor_cluster", Walled(&["odeon-compare"])),
    ("rand", Only(&["odeon-cluster", "odeon-sim"])),
    ("ratatui", Walled(&["odeon-node"])),
    ("rcgen", Walled(&["odeon-transport"])),
    ("rkyv", Walled(&["odeon-macros", "odeon-message"])),
    ("rmp-serde", Walled(&["odeon-message"])),
    ("rustc-hash", Only(&["odeon", "odeon-actor"])),
    ("rustls", Walled(&["odeon-benches", "odeon-compare", "odeon-transport"])),
    ("rustls-webpki", Walled(&["odeon-transport"])),
    ("sd-notify", Walled(&["odeon-ops"])),
    (
        "serde",
        Only(&[
            "odeon",
            "odeon-bench-sim",
            "odeon-benches",
            "odeon-check",
            "odeon-compare",
            "odeon-example-service",
            "odeon-message",
            "odeon-node",
            "odeon-ops",
            "odeon-sim",
        ]),
    ),
    ("serde_bytes", Walled(&["odeon-compare"])),
    (
        "serde_json",
        Only(&[
            "odeon-bench-sim",
            "odeon-benches",
            "odeon-compare",
            "odeon-node",
            "odeon-ops",
            "odeon-sim",
        ]),
    ),
    ("simple-dns", Walled(&["odeon"])),
    ("socket2", Only(&["odeon-env"])),
    ("syn", Only(&["odeon-macros", "odeon-sim-macros"])),
    ("thiserror", Anyone),
    (
        "tokio",
        Walled(&[
            "odeon",
            "odeon-actor",
            "odeon-bench-sim",
            "odeon-benches",
            "odeon-compare",
            "odeon-env",
            "odeon-example-service",
            "odeon-examples",
            "odeon-node",
            "odeon-ops",
            "odeon-sim",
            "odeon-transport",
        ]),
    ),
    ("tokio-rustls", Walled(&["odeon-compare", "odeon-ops"])),
    ("toml", Walled(&["odeon-ops", "odeon-tidy"])),
    ("tracing", Anyone),
    ("tracing-log", Tests),
    ("tracing-subscriber", Walled(&["odeon-examples", "odeon-node", "odeon-ops", "odeon-sim"])),
    ("trybuild", Tests),
    ("vt100", Tests),
    ("x509-parser", Walled(&["odeon-transport"])),
    ("xtra", Walled(&["odeon-compare"])),
    ("yaml-rust2", Tests),
];

/// The owners of a foreign crate.
pub(crate) fn find(name: &str) -> Option<Owners> {
    OWNERS.iter().find(|(known, _)| *known == name).map(|(_, owners)| *owners)
}

/// The table for ARCHITECTURE.md.
pub(crate) fn table() -> String {
    let row = |(name, owners): &(&str, Owners)| {
        let who = match owners {
            Walled(who) | Only(who) => who.join(", "),
            Anyone => "any crate".to_owned(),
            Tests => "tests of any crate".to_owned(),
        };
        format!("| {name} | {who} |\n")
    };
    let rows = OWNERS.iter().map(row).collect::<String>();
    format!("| foreign crate | may be named by |\n|---|---|\n{rows}")
}

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut used = BTreeSet::new();
    let mut found = Vec::new();
    for member in Manifest::members(tree) {
        for dependency in member.dependencies() {
            if dependency.name == "odeon" || dependency.name.starts_with("odeon-") {
                continue;
            }
            if let Some((what, remedy)) = trespass(member.name(), &dependency.name, dependency.kind)
            {
                found.push(Violation::of(RULE, member.path, what, remedy).at(dependency.line));
            }
            used.insert(dependency.name);
        }
    }
    found.extend(stale(tree, &used));
    found
}

/// What is wrong with `member` naming `name`, and what to do.
fn trespass(member: &str, name: &str, kind: Kind) -> Option<(String, String)> {
    let owners = match (find(name), kind) {
        (Some(Anyone), _) | (Some(_), Kind::Dev) => return None,
        (None, _) => {
            let remedy = "look for a crate that is here already; if none serves, add a row to OWNERS in \
                          sim/tidy/src/owners.rs, the wall to deny.toml and the table to ARCHITECTURE.md";
            return Some((format!("{name} has no owner"), remedy.to_owned()));
        }
        (Some(Tests), _) => "tests alone",
        (Some(Walled(who) | Only(who)), _) if who.contains(&member) => return None,
        (Some(Walled(who) | Only(who)), _) => &who.join(", "),
    };
    let remedy = "ask an owner for what you need through a type of its own; a new owner is a commit of its own with \
                  its reason, in sim/tidy/src/owners.rs, deny.toml and ARCHITECTURE.md";
    Some((format!("{member} names {name}, which is for {owners}"), remedy.to_owned()))
}

/// Rows and root dependencies that nobody uses any more.
fn stale(tree: &Tree, used: &BTreeSet<String>) -> Vec<Violation> {
    let root = Manifest::root(tree);
    let listed = root.get(&["workspace", "dependencies"]).and_then(toml::Value::as_table);
    let listed = listed.into_iter().flat_map(toml::Table::keys);
    let foreign = listed.filter(|name| *name != "odeon" && !name.starts_with("odeon-"));
    let unused = foreign.filter(|name| !used.contains(*name)).map(|name| {
        let what = format!("no member uses {name}");
        let remedy = "remove it here, from sim/tidy/src/owners.rs and from deny.toml";
        Violation::of(RULE, root.path, what, remedy).at(root.line_of(name))
    });
    let ghosts = OWNERS.iter().filter(|(name, _)| !used.contains(*name)).map(|(name, _)| {
        let remedy = "remove its row, its wall in deny.toml and its row in ARCHITECTURE.md";
        Violation::of(RULE, "sim/tidy/src/owners.rs", format!("no member uses {name}"), remedy)
    });
    unused.chain(ghosts).collect()
}

#[cfg(test)]
mod tests {
    use super::{OWNERS, check};
    use crate::Tree;

    fn found(member: &str, section: &str, import: &str) -> Vec<String> {
        let text =
            format!("[package]\nname = \"{member}\"\n[{section}]\n{import}.workspace = true\n");
        let root = "[workspace.dependencies]\nleftpad = \"1\"\n";
        let tree = Tree::sample(&[("Cargo.toml", root), ("x/Cargo.toml", &text)]);
        check(&tree).into_iter().map(|it| it.found).collect()
    }

    fn has(found: &[String], text: &str) -> bool {
        found.iter().any(|it| it == text)
    }

    #[test]
    fn crates_without_owner_and_trespassers_are_found() {
        let strange = found("odeon-wire", "dependencies", "leftpad");
        assert!(has(&strange, "leftpad has no owner"));
        let trespass = found("odeon-cluster", "dependencies", "rkyv");
        assert!(has(
            &trespass,
            "odeon-cluster names rkyv, which is for odeon-macros, odeon-message"
        ));
        let test_only = found("odeon-cluster", "dependencies", "proptest");
        assert!(has(&test_only, "odeon-cluster names proptest, which is for tests alone"));
    }

    #[test]
    fn rows_and_dependencies_that_nobody_uses_are_found() {
        let unused = found("odeon-wire", "dev-dependencies", "tokio");
        assert!(has(&unused, "no member uses leftpad"));
        assert!(has(&unused, "no member uses foca"));
        assert!(!has(&unused, "no member uses tokio"));
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(OWNERS.is_sorted_by_key(|(name, _)| *name));
    }
}
