//! Fuzz target: any bytes as archives of messages, checked, read in place and as values.
#![no_main]

#[path = "../archives.rs"]
mod archives;

libfuzzer_sys::fuzz_target!(|input: &[u8]| archives::archive(input));
