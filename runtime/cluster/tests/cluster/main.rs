//! Clusters of state machines on a network and a clock of their own.
//!
//! What it is: the behaviour of membership as a whole, at fixed seeds. What it is NOT: a test on sockets; the simulator
//! runs membership under the real transport. Read `world.rs` first.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may stop, and say how fast it was"
)]

mod death;
mod garbage;
mod join;
mod leave;
mod lives;
mod loss;
mod partition;
mod profiles;
mod world;
