//! The house rules as tests.
//!
//! What it is: one file a rule, each a function from the [`Tree`] of source files to the [`Violation`]s it
//! finds; `tests/house.rs` runs all of them on this project. What it is NOT: a second compiler. What rustfmt,
//! clippy and rustdoc can say is said there. Read `tree.rs` next, then any rule, `layers.rs` first.
//!
//! A new rule is a file, a row in [`RULES`], and a test that it fires on a bad sample.

mod arrows;
mod blocks;
mod book;
mod bounds;
mod code;
mod deny;
mod feature;
mod files;
mod glossary;
mod guarantees;
mod ignored;
mod layers;
mod length;
mod links;
mod lints;
mod manifest;
mod members;
mod names;
mod opening;
mod owners;
mod planted;
mod random_maps;
mod readme;
mod runbook;
mod simulation;
mod speech;
mod tree;
mod unfinished;
mod versions;
mod violation;

pub use tree::Tree;
pub use violation::Violation;

/// A rule: what it finds wrong in the project.
pub type Rule = fn(&Tree) -> Vec<Violation>;

/// Every rule of the house under its name, in the order in which they are run.
pub const RULES: &[(&str, Rule)] = &[
    ("layers", layers::check),
    ("arrows", arrows::check),
    ("owners", owners::check),
    ("deny", deny::check),
    ("members", members::check),
    ("versions", versions::check),
    ("lints", lints::check),
    ("length", length::check),
    ("files", files::check),
    ("names", names::check),
    ("opening", opening::check),
    ("unfinished", unfinished::check),
    ("ignored", ignored::check),
    ("random_maps", random_maps::check),
    ("speech", speech::check),
    ("links", links::check),
    ("blocks", blocks::check),
    ("bounds", bounds::check),
    ("glossary", glossary::check),
    ("guarantees", guarantees::check),
    ("readme", readme::check),
    ("book", book::check),
    ("runbook", runbook::check),
    ("simulation", simulation::check),
    ("planted", planted::check),
];
