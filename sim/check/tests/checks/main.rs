//! The checkers: what correct models do passes, planted bugs are found, and the counterexamples can be read.

mod bank;
mod chance;
mod clients;
mod groups;
mod histories;
mod letters;
mod linearizability;
mod lives;
mod planted;
mod speed;
mod supervision;
