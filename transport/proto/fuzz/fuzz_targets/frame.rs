//! Fuzz target: any bytes as a stream, cut anyhow, through `FrameReader`.
#![no_main]

#[path = "../bodies.rs"]
#[allow(dead_code, reason = "each target runs one of the bodies")]
mod bodies;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::frame(input));
