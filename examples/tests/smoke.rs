//! Every example is run, and ends well.
//!
//! What it is: a list that must be the folder `src/bin`. What it is NOT: a test of what the examples show; they assert that
//! themselves.

use std::{fs, path::Path, process::Command};

/// The name and the program of each example.
const EXAMPLES: [(&str, &str); 11] = [
    ("append_log", env!("CARGO_BIN_EXE_append_log")),
    ("axum_front", env!("CARGO_BIN_EXE_axum_front")),
    ("bank", env!("CARGO_BIN_EXE_bank")),
    ("chat", env!("CARGO_BIN_EXE_chat")),
    ("first_actor", env!("CARGO_BIN_EXE_first_actor")),
    ("follow_log", env!("CARGO_BIN_EXE_follow_log")),
    ("leader", env!("CARGO_BIN_EXE_leader")),
    ("read_in_place", env!("CARGO_BIN_EXE_read_in_place")),
    ("request_storm", env!("CARGO_BIN_EXE_request_storm")),
    ("two_nodes", env!("CARGO_BIN_EXE_two_nodes")),
    ("workers", env!("CARGO_BIN_EXE_workers")),
];

#[test]
fn every_example_ends_well() {
    for (name, program) in EXAMPLES {
        let output = Command::new(program).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {}\n{said}", output.status);
    }
}

#[test]
fn every_example_is_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut names = files.map(|path| path.file_stem().unwrap().to_owned()).collect::<Vec<_>>();
    names.sort();
    let listed = EXAMPLES.map(|(name, _)| name);
    assert!(names.iter().eq(listed.iter()), "src/bin has {names:?}, EXAMPLES has {listed:?}");
}
