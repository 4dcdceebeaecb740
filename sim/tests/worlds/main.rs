//! What the simulator itself promises: worlds, runs that repeat, scenarios and the commands around them.
//!
//! One program for all of these files: each program of tests holds the whole stack, and takes seconds to link.

mod buggify;
mod check;
#[path = "../outside/command.rs"]
mod command;
mod escapes;
mod leaks;
mod logs;
mod placement;
mod planted;
mod program;
mod quic;
mod refusals;
mod replay;
mod scenario;
mod schedule;
mod time;
mod timeline;
mod twenty;
mod world;
