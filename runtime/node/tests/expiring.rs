//! A node whose papers have little time left, as a program: it says so in its log before others refuse it.

#![expect(
    clippy::disallowed_methods,
    reason = "tests from outside use the machine's own threads and ports"
)]

#[path = "outside/program.rs"]
mod program;

use std::{fs, time::Duration};

use odeon::{
    Ca, Validity,
    env::{Env as _, RealEnv},
};

use crate::program::{Folder, Running};

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn a_node_says_that_its_papers_run_out() {
    let folder = Folder::new("expiring");
    let now = RealEnv.wall_clock();
    let since =
        |days: u32, left| Validity { not_before: now - days * 24 * HOUR, not_after: now + left };
    let ca = Ca::new("shop", since(300, 20 * 24 * HOUR)).unwrap();
    let papers = ca.issue_pem("a", since(30, 5 * HOUR + HOUR / 2)).unwrap();
    for (name, text) in
        [("a.pem", &papers.cert), ("a.key", &papers.key), ("ca.pem", &ca.to_pem().cert)]
    {
        fs::write(folder.path(name), text).unwrap();
    }
    let a = Running::start(&folder, "a", &["--dev"]);
    let says = ["a certificate runs out soon", "see runbook: certificate-expiring"];
    a.line(&[&says[..], &["certificate=\"node\"", "hours_left=5"]].concat());
    a.line(&[&says[..], &["certificate=\"authority\"", "hours_left=479"]].concat());
    a.terminate();
}
