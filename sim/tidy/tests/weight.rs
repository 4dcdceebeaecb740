//! What an application carries along: the foreign crates that come with `odeon` alone.
//!
//! It asks cargo, which knows features and platforms, and no registry: what is built is here already.

use std::{collections::BTreeSet, path::Path, process::Command};

/// Most foreign crates in the default tree of an application: each is built, audited and kept up to date by whoever has
/// one.
const FOREIGN_MAX: usize = 150;

/// The foreign crates that are built into a crate of ours with its default features, on this platform.
fn foreign(crate_name: &str) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let root = root.expect("the crate stands two folders below the root");
    let args = ["tree", "--locked", "--offline", "-e", "normal", "--prefix", "none", "-p"];
    let output = Command::new(env!("CARGO")).args(args).arg(crate_name).current_dir(root).output();
    let output = output.expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let tree = String::from_utf8(output.stdout).expect("cargo prints text");
    // Ours are named with their folder.
    let lines = tree.lines().map(|line| line.trim_end_matches(" (*)"));
    lines.filter(|line| !line.contains(" (/")).map(str::to_owned).collect()
}

#[test]
fn an_application_builds_few_foreign_crates() {
    let found = foreign("odeon");
    println!("odeon brings {} foreign crates", found.len());
    assert!(found.len() > 20, "cargo tree names none: {found:?}");
    assert!(found.len() <= FOREIGN_MAX, "{} foreign crates: {found:#?}", found.len());
}

#[test]
fn what_is_heavy_comes_with_a_feature_alone() {
    let found = foreign("odeon");
    for heavy in ["hickory-resolver", "hyper", "clap", "axum"] {
        let heavy = format!("{heavy} ");
        assert!(!found.iter().any(|it| it.starts_with(&heavy)), "{heavy}");
    }
}
