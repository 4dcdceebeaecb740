//! The files of `deploy/`: each is read by a library and held against what the program really takes, and the StatefulSet
//! runs, with processes for pods, loopback addresses for theirs, and a name server for the cluster's.

#![expect(
    clippy::disallowed_methods,
    reason = "tests from outside use the machine's own threads and ports"
)]
#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up has failed")]

mod compose;
mod container;
mod kubernetes;
mod pod;
mod program;
#[path = "../../../../runtime/env/tests/dns/server.rs"]
mod server;
mod systemd;

use std::{
    fs,
    io::{Write as _, stderr},
    path::{Path, PathBuf},
};

use yaml_rust2::{Yaml, YamlLoader};

/// The text of a file of the example.
fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The documents of a YAML file.
fn documents(name: &str) -> Vec<Yaml> {
    YamlLoader::load_from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The texts of a list; none where there is no list.
fn texts(list: &Yaml) -> Vec<&str> {
    list.as_vec().into_iter().flatten().filter_map(Yaml::as_str).collect()
}

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("odeon-deploy-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Says why something is not checked on this machine.
fn skip(reason: &str) {
    // Past the harness, which keeps what a passing test prints to itself.
    stderr().write_all(format!("skipped: {reason}\n").as_bytes()).unwrap();
}
