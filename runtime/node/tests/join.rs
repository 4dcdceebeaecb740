//! A fresh node joins by a token: the authority's node answers, the key stays where it was made.

#![expect(
    clippy::disallowed_methods,
    reason = "tests from outside use the machine's own threads and ports"
)]
#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up has failed")]

#[path = "outside/program.rs"]
mod program;

use std::{fs, net::UdpSocket, os::unix::fs::PermissionsExt, path::Path};

use crate::program::{Folder, Running, odeon, refuses, run};

/// The authority's folder with a node `a` that answers fresh ones, and where it does.
struct Authority {
    papers: Folder,
    a: Running,
    seed: String,
    endpoint: String,
}

impl Authority {
    fn start(name: &str) -> Self {
        let papers = Folder::new(name).papers("hand", &["a"]);
        let key = papers.path("ca.key");
        let more = ["--dev", "--ca-key", &key, "--enrol-listen", "127.0.0.1:0"];
        let a = Running::start(&papers, "a", &more);
        let line = a.line(&["fresh nodes may ask here"]);
        let endpoint = line.split("addr=").nth(1).and_then(|rest| rest.split_whitespace().next());
        let endpoint = endpoint.expect("the line says where").to_owned();
        let seed = a.addr().to_string();
        Self { papers, a, seed, endpoint }
    }

    fn token(&self, node: &str, more: &[&str]) -> String {
        let dir = self.papers.0.to_str().unwrap();
        let args = ["ca", "token", "--name", node, "--at", &self.endpoint, "--dir", dir];
        let output = run(&[&args[..], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// Files of a machine that has none yet.
struct Fresh {
    folder: Folder,
    cert: String,
    key: String,
    ca: String,
}

impl Fresh {
    fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        let [cert, key, ca] = ["b.pem", "b.key", "ca.pem"].map(|name| folder.path(name));
        Self { folder, cert, key, ca }
    }

    fn refused(&self, node: &str, token: &str, says: &[&str]) {
        let places = ["--cert", &self.cert, "--key", &self.key, "--ca-cert", &self.ca];
        refuses(&[&["node", "--name", node, "--join-token", token], &places[..]].concat(), says);
        assert_eq!(fs::read_dir(&self.folder.0).unwrap().count(), 0, "something was left behind");
    }
}

#[test]
fn a_fresh_node_joins_by_a_token_and_the_token_is_good_once() {
    let authority = Authority::start("token");
    let token = authority.token("b", &[]);
    let tokens = fs::read_to_string(authority.papers.path("ca.tokens")).unwrap();
    let secret = token.split('.').nth(1).unwrap();
    assert!(!tokens.contains(secret), "the authority remembers a hash alone");

    let fresh = Fresh::new("fresh");
    let more = ["--join", &authority.seed, "--join-token", &token];
    let b = Running::start(&fresh.folder, "b", &more);
    b.line(&["the authority has issued a certificate"]);
    authority.a.line(&["issued a certificate for a join token", "node=\"b\""]);
    authority.a.line(&["member up", "member=\"b\""]);
    b.line(&["member up", "member=\"a\""]);
    let mode = fs::metadata(&fresh.key).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    assert!(!Path::new(&authority.papers.path("b.key")).exists(), "the key stays where it is");
    let [here, there] = [&fresh.cert, &authority.papers.path("b.pem")];
    assert_eq!(fs::read_to_string(here).unwrap(), fs::read_to_string(there).unwrap());

    // It starts again with the same words, and does not ask a second time.
    b.terminate();
    let b = Running::start(&fresh.folder, "b", &more);
    b.line(&["has papers already"]);
    authority.a.line(&["member up", "member=\"b\""]);
    b.terminate();

    Fresh::new("second").refused("b", &token, &["used already", "odeon ca token"]);
    authority.a.line(&["has none", "used already"]);
    // Its certificate can be revoked by name, as any other.
    let dir = authority.papers.0.to_str().unwrap();
    assert!(run(&["ca", "revoke", "--name", "b", "--dir", dir]).status.success());
    authority.a.terminate();
}

#[test]
fn a_token_that_is_no_good_leaves_nothing_behind_and_is_named() {
    let authority = Authority::start("bad-token");
    let fresh = Fresh::new("bad-fresh");
    let token = authority.token("c", &[]);
    fresh.refused("b", &token, &["for another node"]);
    // It is not used up by that, and a secret that is another one is no token.
    let secret = token.split('.').nth(1).unwrap();
    fresh.refused("c", &token.replace(secret, &"0".repeat(32)), &["no such token"]);
    // Another authority cannot take the endpoint's place.
    let pinned = token.split('.').nth(2).unwrap();
    fresh.refused("c", &token.replace(pinned, &"0".repeat(64)), &["is not the authority"]);
    fresh.refused("c", &token[..50], &["join token", "odeon ca token"]);
    // Neither can a node of the cluster, at its own endpoint.
    let elsewhere = token.replace(&authority.endpoint, &authority.seed);
    let output = run(&[
        "node",
        "--name",
        "c",
        "--join-token",
        &elsewhere,
        "--cert",
        &fresh.cert,
        "--key",
        &fresh.key,
        "--ca-cert",
        &fresh.ca,
    ]);
    assert!(!output.status.success());
    assert!(!Path::new(&fresh.key).exists());
    authority.a.terminate();
}

/// It waited for its papers all the same, and whoever killed it then found an empty key.
#[test]
fn a_fresh_node_that_is_told_to_leave_while_it_asks_leaves_nothing_behind() {
    let papers = Folder::new("join-leaves").papers("hand", &[]);
    let dir = papers.0.to_str().unwrap();
    // It never answers.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = silent.local_addr().unwrap().to_string();
    let output = run(&["ca", "token", "--name", "b", "--dir", dir, "--at", &at]);
    let token = String::from_utf8(output.stdout).unwrap();
    for signal in ["-TERM", "-INT"] {
        let fresh = Fresh::new("leaves-fresh");
        let more = ["--join-token", token.trim(), "--log", "debug"];
        let b = Running::start(&fresh.folder, "b", &more);
        b.line(&["asking the authority"]);
        assert_eq!(fs::metadata(&fresh.key).unwrap().len(), 0);
        let rest = b.leave(signal);
        assert!(rest.iter().any(|line| line.contains("told to leave")), "{rest:?}");
        assert_eq!(fs::read_dir(&fresh.folder.0).unwrap().count(), 0, "something was left behind");
    }
}

#[test]
fn flags_of_joining_that_cannot_be_used_are_named() {
    let papers = Folder::new("join-flags").papers("hand", &["a"]);
    let dir = papers.0.to_str().unwrap();
    let token = ["ca", "token", "--name", "b", "--dir", dir, "--at"];
    refuses(&[&token[..], &["nowhere"]].concat(), &["nowhere", "host:port"]);
    refuses(&[&token[..], &["h:1", "--ttl", "1y"]].concat(), &["--ttl", "30m"]);
    refuses(&["ca", "token", "--name", "B", "--at", "h:1", "--dir", dir], &["\"B\""]);
    // It would tell a whole network to dial 127.0.0.1.
    let files = ["a.pem", "a.key", "ca.pem"].map(|file| papers.path(file));
    let [cert, key, ca] = &files;
    let of_hand = ["node", "--name", "a", "--cert", cert, "--key", key, "--ca-cert", ca];
    let loopback = ["127.0.0.1:0", "--mdns", "--listen", "--advertise", "--mdns-interface"];
    refuses(&[&of_hand[..], &["--mdns"]].concat(), &loopback);
    let node = ["node", "--name", "a", "--dev"];
    refuses(&[&node[..], &["--ca-key", "ca.key"]].concat(), &["--enrol-listen"]);
    let key = papers.path("a.key");
    let serving = [&node[..], &["--enrol-listen", "127.0.0.1:0", "--ca-key", &key]].concat();
    refuses(&serving, &["ca.key", "a.key"]);
    // Nobody answers there.
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = run(&[&token[..], &[&nobody]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let fresh = Fresh::new("nobody");
    let output =
        odeon(&["node", "--name", "b", "--join-token", text.trim(), "--cert", &fresh.cert])
            .args(["--key", &fresh.key, "--ca-cert", &fresh.ca])
            .output()
            .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&nobody) && said.contains("--enrol-listen"), "{said}");
    assert!(!Path::new(&fresh.key).exists());
}
