//! Fuzz target: any bytes as a hello and as the control stream of a handshake.
#![no_main]

#[path = "../bodies.rs"]
#[allow(dead_code, reason = "each target runs one of the bodies")]
mod bodies;
#[path = "../../tests/sample/frames.rs"]
#[allow(dead_code, reason = "only the hello is used")]
mod frames;

use std::sync::LazyLock;

static LOCAL: LazyLock<odeon_wire::Hello> = LazyLock::new(frames::hello);

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::handshake(&LOCAL, input));
