//! The checkers: what correct models do passes, planted bugs are found, and the counterexamples can be read.

mod chance;
mod clients;
mod histories;
mod linearizability;
mod speed;
