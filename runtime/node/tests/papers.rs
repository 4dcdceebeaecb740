//! Certificates over time, as a person handles them: renewed, revoked, and taken by nodes that run.

#![expect(
    clippy::disallowed_methods,
    reason = "tests from outside use the machine's own threads and clocks"
)]
#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up has failed")]

#[path = "outside/cluster.rs"]
mod cluster;
#[path = "outside/program.rs"]
mod program;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    cluster::{Cluster, issue_operator},
    program::{Folder, Running, refuses, run},
};

fn said(args: &[&str]) -> String {
    let output = run(args);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The word of a line that follows another one, without what punctuation is at its end.
fn word_after<'a>(line: &'a str, before: &str) -> &'a str {
    let (_, rest) = line.split_once(before).unwrap_or_else(|| panic!("no {before:?} in {line:?}"));
    rest.split([',', ';', ' ', '\n']).next().unwrap()
}

fn mode(path: &str) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_certificate_is_renewed_with_a_new_key_or_the_same() {
    let papers = Folder::new("renew").papers("hand", &["a"]);
    let dir = papers.0.to_str().unwrap();
    let read = |name: &str| fs::read_to_string(papers.path(name)).unwrap();
    let (cert, key) = (read("a.pem"), read("a.key"));

    let renewed = said(&["ca", "renew", "--name", "a", "--dir", dir, "--same-key"]);
    assert_eq!(renewed, format!("wrote {dir}/a.pem, for the same key\n"));
    assert!(read("a.pem") != cert && read("a.key") == key);

    let renewed = said(&["ca", "renew", "--name", "a", "--dir", dir]);
    assert!(renewed.contains("a new key"), "{renewed}");
    assert_ne!(read("a.key"), key);
    assert_eq!([mode(&papers.path("a.key")), mode(&papers.path("a.pem"))], [0o600, 0o644]);
    assert_eq!([mode(&papers.path("ca.index")), mode(&papers.path("ca.crl"))], [0o600, 0o644]);
    assert_eq!(read("ca.index").lines().filter(|line| line.contains(" a ")).count(), 3);

    let old = word_after(&renewed, "the certificate before, ").to_owned();
    let revoked = said(&["ca", "revoke", "--serial", &old, "--dir", dir]);
    assert!(revoked.contains(&old) && revoked.contains("ca.crl"), "{revoked}");
    // The two that are left.
    let revoked = said(&["ca", "revoke", "--name", "a", "--dir", dir]);
    assert_eq!(word_after(&revoked, "revoked ").len(), 40, "{revoked}");
    assert!(revoked.contains(", ") && !revoked.contains(&old), "{revoked}");
    let same_key = ["ca", "renew", "--name", "a", "--dir", dir, "--same-key"];
    refuses(&same_key, &["is revoked", "without --same-key"]);
}

#[test]
fn what_cannot_be_renewed_or_revoked_is_named() {
    let papers = Folder::new("unknown").papers("hand", &["a"]);
    let dir = papers.0.to_str().unwrap();
    refuses(&["ca", "renew", "--name", "b", "--dir", dir], &["b.pem", "odeon ca issue --name b"]);
    refuses(&["ca", "renew", "--name", "ca", "--dir", dir], &["another name"]);
    refuses(&["ca", "revoke", "--name", "b", "--dir", dir], &["b", "--cert FILE"]);
    refuses(&["ca", "revoke", "--dir", dir], &["--name", "--serial", "--cert"]);
    refuses(&["ca", "revoke", "--serial", "xyz", "--dir", dir], &["xyz", "hexadecimal"]);
    let key = papers.path("a.key");
    refuses(&["ca", "revoke", "--cert", &key, "--dir", dir], &["a.key", "BEGIN CERTIFICATE"]);
    said(&["ca", "revoke", "--name", "a", "--dir", dir]);
    let cert = papers.path("a.pem");
    refuses(&["ca", "revoke", "--cert", &cert, "--dir", dir], &["revoked already"]);
    // An authority from before there was an index: the file says which certificate it is.
    fs::remove_file(papers.path("ca.index")).unwrap();
    said(&["ca", "revoke", "--cert", &cert, "--dir", dir]);
    fs::write(papers.path("ca.index"), "no index").unwrap();
    refuses(&["ca", "issue", "--name", "c", "--dir", dir], &["ca.index", "line 1"]);
    assert!(fs::metadata(papers.path("c.pem")).is_err());
}

#[test]
fn an_operators_certificate_is_renewed_and_lets_them_in() {
    let cluster = Cluster::start("renew-operator");
    let dir = cluster.papers.0.to_str().unwrap();
    let read = |name: &str| fs::read_to_string(cluster.papers.path(name)).unwrap();
    let (cert, key) = (read("alice.pem"), read("alice.key"));
    let same_key = ["ca", "renew", "--operator", "alice", "--dir", dir, "--same-key"];
    assert_eq!(said(&same_key), format!("wrote {dir}/alice.pem, for the same key\n"));
    assert!(read("alice.pem") != cert && read("alice.key") == key);
    assert_eq!(cluster.json("status")["node"], "a");

    let renewed = said(&["ca", "renew", "--operator", "alice", "--dir", dir]);
    assert!(renewed.contains("a new key") && read("alice.key") != key, "{renewed}");
    assert_eq!(cluster.json("status")["node"], "a");
    assert_eq!(
        read("ca.index").lines().filter(|line| line.contains(" operator:alice ")).count(),
        3
    );
    cluster.a.terminate();
}

#[test]
fn a_certificate_is_not_renewed_as_somebody_elses() {
    let papers = Folder::new("whose").papers("hand", &["a"]);
    issue_operator(&papers, "alice");
    let dir = papers.0.to_str().unwrap();
    let all = || {
        let names = ["a.pem", "a.key", "alice.pem", "alice.key", "ca.index"];
        names.map(|name| fs::read_to_string(papers.path(name)).unwrap())
    };
    let before = all();
    let renew = ["ca", "renew", "--dir", dir];
    let with = |more: &[&'static str]| [&renew, more].concat();
    let alice = ["alice.pem", "operator alice, not of node alice", "--operator alice"];
    refuses(&with(&["--name", "alice"]), &alice);
    refuses(&with(&["--name", "alice", "--same-key"]), &alice);
    let a = ["a.pem", "node a, not of operator a", "odeon ca issue --operator a"];
    refuses(&with(&["--operator", "a"]), &a);
    refuses(&with(&["--operator", "bob"]), &["bob.pem", "odeon ca issue --operator bob"]);
    refuses(&with(&[]), &["--name", "--operator"]);
    assert_eq!(all(), before);
    // Another authority of the same folder's files knows neither.
    let other = Folder::new("whose-other").papers("other", &[]);
    fs::copy(papers.path("a.pem"), other.path("a.pem")).unwrap();
    let dir = other.0.to_str().unwrap();
    refuses(&["ca", "renew", "--name", "a", "--dir", dir], &["a.pem", "cluster other"]);
}

fn json(args: &[&str]) -> Value {
    let text = said(&[args, &["--json"]].concat());
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn what_the_authority_does_can_be_read_by_scripts() {
    let folder = Folder::new("json");
    let dir = folder.0.to_str().unwrap();
    let file = |name: &str| Value::from(format!("{dir}/{name}"));
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let days = |made: &Value| (made["not_after"].as_u64().unwrap() - now).div_ceil(86_400);

    let init = json(&["ca", "init", "--cluster", "hand", "--dir", dir]);
    assert_eq!(init["cluster"], "hand");
    assert_eq!([&init["cert"], &init["key"]], [&file("ca.pem"), &file("ca.key")]);
    assert_eq!((&init["list"], days(&init) / 10), (&file("ca.crl"), 365));

    let first = json(&["ca", "issue", "--name", "a", "--dir", dir, "--days", "7"]);
    assert_eq!((&first["kind"], &first["name"]), (&Value::from("node"), &Value::from("a")));
    assert_eq!([&first["cert"], &first["key"]], [&file("a.pem"), &file("a.key")]);
    assert!(first["before"].is_null() && (7..9).contains(&days(&first)), "{first}");
    let alice = json(&["ca", "issue", "--operator", "alice", "--dir", dir]);
    assert_eq!((&alice["kind"], &alice["name"]), (&"operator".into(), &"alice".into()));

    let renewed = json(&["ca", "renew", "--name", "a", "--dir", dir, "--same-key"]);
    assert_eq!((&renewed["before"], &renewed["key"]), (&first["serial"], &Value::Null));
    let token = json(&["ca", "token", "--name", "b", "--at", "10.0.0.1:7401", "--dir", dir]);
    assert_eq!((&token["node"], &token["at"]), (&"b".into(), &"10.0.0.1:7401".into()));
    assert!(token["token"].as_str().unwrap().starts_with("odeon1."), "{token}");

    let serial = first["serial"].as_str().unwrap();
    let revoked = json(&["ca", "revoke", "--serial", serial, "--dir", dir]);
    assert_eq!((&revoked["revoked"][0], &revoked["list"]), (&first["serial"], &file("ca.crl")));

    let list = json(&["ca", "list", "--dir", dir]);
    let made = [&first, &alice, &renewed];
    assert_eq!(list.as_array().unwrap().len(), made.len());
    for (listed, made) in list.as_array().unwrap().iter().zip(made) {
        for field in ["kind", "name", "serial", "not_after"] {
            assert_eq!(listed[field], made[field], "{list}");
        }
    }
    assert!(list[0]["revoked"].as_u64().unwrap() >= now && list[1]["revoked"].is_null(), "{list}");
}

#[test]
fn a_person_can_list_what_was_issued() {
    let papers = Folder::new("list").papers("hand", &[]);
    let dir = papers.0.to_str().unwrap();
    assert_eq!(said(&["ca", "list", "--dir", dir]), "none\n");
    said(&["ca", "issue", "--name", "a", "--dir", dir]);
    issue_operator(&papers, "alice");
    said(&["ca", "revoke", "--name", "a", "--dir", dir]);
    let list = said(&["ca", "list", "--dir", dir]);
    let lines = list.lines().collect::<Vec<_>>();
    assert!(lines.len() == 2 && lines[0].contains("  node a  revoked, "), "{list}");
    assert!(lines[1].contains("  operator alice  good for 90 days"), "{list}");
    let nowhere = papers.path("nowhere");
    refuses(&["ca", "list", "--dir", &nowhere], &["nowhere", "odeon ca init"]);
}

/// From the moment that the list is written: it has to be seen, read, and acted upon.
const CUT_OFF_WITHIN: Duration = Duration::from_secs(10);

#[test]
fn a_revoked_node_is_cut_off_and_a_renewed_one_comes_back_without_a_restart() {
    let papers = Folder::new("revoke").papers("hand", &["a", "b"]);
    let dir = papers.0.to_str().unwrap();
    let crl = papers.path("ca.crl");
    let a = Running::start(&papers, "a", &["--dev", "--crl", &crl]);
    let seed = a.addr().to_string();
    let b = Running::start(&papers, "b", &["--crl", &crl, "--join", &seed]);
    a.line(&["member up", "member=\"b\""]);
    b.line(&["member up", "member=\"a\""]);

    let began = Instant::now();
    said(&["ca", "revoke", "--name", "b", "--dir", dir]);
    a.line(&["the peer's certificate is not accepted any more", "peer=\"b\""]);
    a.line(&["member down", "member=\"b\""]);
    let took = began.elapsed();
    assert!(took <= CUT_OFF_WITHIN, "{took:?}");
    b.line(&["own certificate is no good any more", "node=\"b\""]);

    said(&["ca", "renew", "--name", "b", "--dir", dir]);
    b.line(&["took the new papers"]);
    a.line(&["member up", "member=\"b\""]);
    a.terminate();
    b.terminate();
}

#[test]
fn papers_that_cannot_be_used_leave_a_running_node_as_it_was() {
    let papers = Folder::new("bad").papers("hand", &["a", "b"]);
    let dir = papers.0.to_str().unwrap();
    let a = Running::start(&papers, "a", &["--dev"]);
    let seed = a.addr().to_string();
    let b = Running::start(&papers, "b", &["--join", &seed]);
    a.line(&["member up", "member=\"b\""]);
    let cert = papers.path("a.pem");
    let good = fs::read_to_string(&cert).unwrap();
    fs::write(&cert, "no certificate").unwrap();
    a.line(&["ERROR", "cannot be used", "goes on with those before", &cert]);
    fs::write(&cert, good).unwrap();
    a.line(&["took the new papers"]);
    said(&["ca", "renew", "--name", "b", "--dir", dir]);
    let log = b.leave_after(&["took the new papers"], "-TERM");
    assert!(!log.iter().any(|line| line.contains("member down")), "{log:?}");
    a.terminate();
}
