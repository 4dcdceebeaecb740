//! A node with an admin port, and an operator of its cluster.

#![allow(dead_code, reason = "each test takes what it needs of it")]

use serde_json::Value;

use crate::program::{Folder, Running, run};

/// The authority's folder with nodes and an operator, and one node that runs.
pub(crate) struct Cluster {
    pub(crate) papers: Folder,
    pub(crate) a: Running,
    /// Where other nodes reach it.
    pub(crate) seed: String,
    pub(crate) admin: String,
}

impl Cluster {
    pub(crate) fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    /// With these flags as well.
    pub(crate) fn start_with(name: &str, more: &[&str]) -> Self {
        let papers = Folder::new(name).papers("hand", &["a", "b"]);
        issue_operator(&papers, "alice");
        let crl = papers.path("ca.crl");
        let flags = ["--dev", "--admin-listen", "127.0.0.1:0", "--crl", &crl];
        let flags = [&flags[..], &["--zone", "z1", "--role", "web,db"], more].concat();
        let a = Running::start(&papers, "a", &flags);
        let seed = a.addr().to_string();
        let line = a.line(&["operators are served", "addr="]);
        let admin = line.split("addr=").nth(1).and_then(|rest| rest.split_whitespace().next());
        let admin = admin.expect("the line says where").to_owned();
        Self { papers, a, seed, admin }
    }

    /// The arguments of this operator's command.
    pub(crate) fn args<'a>(&'a self, command: &'a str, files: &'a [String; 3]) -> Vec<&'a str> {
        let [cert, key, ca] = files;
        vec![command, &self.admin, "--cert", cert, "--key", key, "--ca", ca]
    }

    pub(crate) fn json(&self, command: &str) -> Value {
        let files = files(&self.papers, "alice");
        let mut args = self.args(command, &files);
        args.push("--json");
        let output = run(&args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

pub(crate) fn issue_operator(papers: &Folder, name: &str) {
    let dir = papers.0.to_str().unwrap();
    assert!(run(&["ca", "issue", "--operator", name, "--dir", dir]).status.success());
}

pub(crate) fn files(papers: &Folder, name: &str) -> [String; 3] {
    [
        papers.path(&format!("{name}.pem")),
        papers.path(&format!("{name}.key")),
        papers.path("ca.pem"),
    ]
}
