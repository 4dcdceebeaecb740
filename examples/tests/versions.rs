//! Two programs that were built with two versions of a message, in one cluster.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use odeon::{
    Ca, Validity,
    env::{Env as _, RealEnv},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A program that ends when this does.
struct Program {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Program {
    fn start(path: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(path);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("it says more").unwrap()
    }

    /// Ends its input and waits for its end.
    fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended already, unless the test fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with the certificates of both.
fn certificates() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("versions");
    fs::create_dir_all(&folder).unwrap();
    let validity = Validity::from(RealEnv.wall_clock(), DAY);
    let ca = Ca::new("bank", validity).unwrap();
    fs::write(folder.join("ca.pem"), ca.to_pem().cert).unwrap();
    for name in ["before", "after"] {
        let pair = ca.issue_pem(name, validity).unwrap();
        fs::write(folder.join(name).with_extension("pem"), pair.cert).unwrap();
        fs::write(folder.join(name).with_extension("key"), pair.key).unwrap();
    }
    folder
}

#[test]
fn two_versions_of_a_message_understand_each_other_one_way() {
    let folder = certificates();
    let folder = folder.to_str().unwrap();
    let mut after = Program::start(env!("CARGO_BIN_EXE_version_after"), &[folder]);
    let listening = after.line();
    let address = listening.strip_prefix("listening on ").unwrap();
    let mut before = Program::start(env!("CARGO_BIN_EXE_version_before"), &[folder, address]);
    assert_eq!([before.line(), before.line()], ["balance 3", "balance 7"]);
    let mut said = [after.line(), after.line(), after.line()];
    said.sort();
    let [refused, first, second] = &said;
    assert!(refused.starts_with("NotDelivered: ") && refused.contains("bank/Deposit"), "{refused}");
    assert!(refused.contains("layout"), "{refused}");
    assert_eq!([first, second], ["deposit of 3 for unknown", "deposit of 4 for unknown"]);
    before.end();
    after.end();
}
