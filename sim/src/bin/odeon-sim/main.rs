//! The binary `odeon-sim`: the scenarios that come with Odeon.
//!
//! What it is: one file a scenario, and a line for it below. All but `truth` play an application of `examples/`, or
//! the job of `odeon demo`, whose actors they take in by their path. What it is NOT: the place for scenarios of applications elsewhere; those are
//! binaries of their own, made by the same macro. Read `bank.rs` for a scenario.

#[path = "../../../../examples/src/bin/append_log.rs"]
#[expect(dead_code, reason = "the example has a main of its own")]
mod append_log;
mod bank;
mod chat;
mod demo;
mod leader;
mod request_storm;
mod shared;
mod truth;
mod workers;

odeon_sim::main! {
    bank::Bank::default,
    chat::Chat::default,
    demo::Demo::default,
    leader::Leader::default,
    request_storm::RequestStorm::default,
    truth::Truth::default,
    workers::Workers::default,
}
