//! What the attributes refuse, and what they say: one file a misuse in `tests/ui`, its errors beside it.
//!
//! After a change of an error, `TRYBUILD=overwrite cargo test -p odeon-macros` writes the errors anew; read them.

use std::{env, process::Command};

/// Every compiler words its errors anew, so the files are compared with one: the oldest that is supported.
fn is_the_compiler_of_the_files() -> bool {
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler).arg("--version").output().expect("cargo found a compiler");
    let version = format!("rustc {}.", env!("CARGO_PKG_RUST_VERSION"));
    String::from_utf8_lossy(&output.stdout).starts_with(&version)
}

#[test]
fn every_misuse_is_refused_with_its_remedy() {
    if is_the_compiler_of_the_files() {
        trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
    } else {
        println!("not compared: the errors are those of rustc {}", env!("CARGO_PKG_RUST_VERSION"));
    }
}
