//! Examples of Odeon, one idea each: the programs in `src/bin`, which `tests/smoke.rs` runs.
//!
//! Run one with `cargo run -p odeon-examples --bin first_actor`. What this library is NOT: anything to build on; it is
//! empty.
