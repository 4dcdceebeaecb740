//! The rules of the house, run on the house: one test a rule, so that a failure names the rule.
//!
//! Each failure says the rule, the place and the remedy. The rules are in `src/`, one file each.

use std::{fmt::Write, path::Path};

use odeon_tidy::{RULES, Tree};

fn assert_kept(name: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let root = root.expect("the crate stands two folders below the root");
    let tree = Tree::read(root).unwrap_or_else(|error| panic!("{}: {error}", root.display()));
    let (_, check) = RULES.iter().find(|(rule, _)| *rule == name).expect("the rule is listed");
    let mut text = String::new();
    for violation in check(&tree) {
        write!(text, "\n{violation}\n").expect("a string takes everything");
    }
    assert!(text.is_empty(), "{text}");
}

macro_rules! rules {
    ($($rule:ident),* $(,)?) => {
        $(#[test] fn $rule() { assert_kept(stringify!($rule)); })*

        #[test]
        fn every_rule_is_run() {
            let run = [$(stringify!($rule)),*];
            assert!(RULES.iter().map(|(rule, _)| *rule).eq(run), "RULES and this list differ");
        }
    };
}

rules! {
    layers,
    arrows,
    owners,
    deny,
    members,
    versions,
    lints,
    length,
    files,
    names,
    opening,
    unfinished,
    ignored,
    random_maps,
    speech,
    links,
    blocks,
    bounds,
    glossary,
    guarantees,
    readme,
    book,
    runbook,
    simulation,
    planted,
}
