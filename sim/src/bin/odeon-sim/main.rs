//! The binary `odeon-sim`: the scenarios that come with Odeon.
//!
//! What it is: one file a scenario, and a line for it below. What it is NOT: the place for scenarios of applications;
//! those are binaries of their own, made by the same macro. Read `truth.rs` for a scenario.

mod truth;

odeon_sim::main! { truth::Truth::default }
