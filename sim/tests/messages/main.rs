//! What becomes of messages, asks, watches and streams between the nodes of a world, and of the connections below them.
//!
//! One program for all of these files: each program of tests holds the whole stack, and takes seconds to link.

mod append_log;
mod ask_table;
mod asks;
mod associations;
mod beside;
mod circles;
mod counter;
mod disks;
mod duties;
mod enrolment;
#[path = "../../../examples/src/bin/append_log.rs"]
#[expect(dead_code, reason = "the example has a main of its own")]
mod example;
mod figures;
mod held;
mod histories;
mod hostile;
mod idle_lanes;
mod inbound;
mod judges;
mod key_value;
mod large;
mod letters;
mod manners;
mod mtu;
mod repeats;
mod road;
mod rotation;
mod serde_fields;
mod storm;
mod strangers;
mod streaming;
mod supervision;
mod supervision_table;
mod traces;
mod trains;
mod versions;
mod views;
mod watcher;
mod watching;
