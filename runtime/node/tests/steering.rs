//! A node as an operator steers it: with a certificate of their own, from another program.

#![expect(
    clippy::disallowed_methods,
    reason = "tests from outside use the machine's own threads and ports"
)]
#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up has failed")]

#[path = "outside/cluster.rs"]
mod cluster;
#[path = "outside/program.rs"]
mod program;

use std::process::Stdio;

use serde_json::Value;

use crate::{
    cluster::{Cluster, files, issue_operator},
    program::{Folder, Running, odeon, refuses, run},
};

#[test]
fn an_operator_sees_the_node_its_members_its_actors_and_its_peers() {
    let cluster = Cluster::start("steer");
    let b = Running::start(&cluster.papers, "b", &["--join", &cluster.seed]);
    cluster.a.line(&["member up", "member=\"b\""]);
    let status = cluster.json("status");
    assert_eq!((status["node"].as_str(), status["phase"].as_str()), (Some("a"), Some("up")));
    assert_eq!((status["ready"].as_bool(), status["members"].as_u64()), (Some(true), Some(1)));
    let members = cluster.json("members");
    assert_eq!((members[0]["name"].as_str(), members[1]["name"].as_str()), (Some("a"), Some("b")));
    assert_eq!(
        (members[0]["zone"].as_str(), members[0]["roles"][1].as_str()),
        (Some("z1"), Some("db"))
    );
    let actors = cluster.json("actors");
    let is_usher = |actor: &Value| actor["names"][0] == "demo/usher" && actor["state"] == "running";
    assert!(actors["actors"].as_array().unwrap().iter().any(is_usher), "{actors}");
    let peers = cluster.json("peers");
    assert!(peers[0]["name"] == "b" && peers[0]["up_for"].as_f64().is_some(), "{peers}");
    let none = serde_json::json!({ "names": [], "left_out": 0 });
    assert_eq!(cluster.json("names"), none);
    assert_eq!(cluster.json("groups")["groups"], serde_json::json!([]));
    let none = serde_json::json!({ "topics": [], "missed": 0, "left_out": 0 });
    assert_eq!(cluster.json("topics"), none);
    // The same for people.
    let of_alice = files(&cluster.papers, "alice");
    for (command, says) in [
        ("status", "a is up"),
        ("members", "b at "),
        ("actors", "\"demo/usher\" running"),
        ("peers", "b at "),
        // The demo's actors have names of their nodes alone.
        ("names", "none"),
        ("groups", "none"),
        ("topics", "none"),
    ] {
        let text = String::from_utf8(run(&cluster.args(command, &of_alice)).stdout).unwrap();
        assert!(text.contains(says), "{command}: {text}");
    }
    b.terminate();
    cluster.a.terminate();
}

#[test]
fn an_operator_drains_a_node() {
    let cluster = Cluster::start("steer-drain");
    let b = Running::start(&cluster.papers, "b", &["--join", &cluster.seed]);
    cluster.a.line(&["member up", "member=\"b\""]);
    let outcome = cluster.json("drain");
    assert_eq!((outcome["node"].as_str(), outcome["left"].as_bool()), (Some("a"), Some(true)));
    // It is gone when the command ends, not a moment later.
    let nobody = std::net::TcpStream::connect(&cluster.admin);
    assert!(nobody.is_err(), "somebody listens at {}", cluster.admin);
    b.terminate();
    let lines = cluster.a.ended();
    assert!(lines.iter().any(|line| line.contains("operator=\"alice\"")), "{lines:?}");
    assert!(lines.last().is_some_and(|line| line.contains("left")), "{lines:?}");
}

#[test]
fn a_drain_may_be_left_to_itself() {
    let cluster = Cluster::start_with("steer-no-wait", &["--drain-within", "2s"]);
    assert_eq!(cluster.json("status")["drain_within"].as_f64(), Some(2.0));
    let of_alice = files(&cluster.papers, "alice");
    let no_wait = [&cluster.args("drain", &of_alice)[..], &["--no-wait"]].concat();
    let text = String::from_utf8(run(&no_wait).stdout).unwrap();
    assert_eq!(text, "a drains\n");
    cluster.a.ended();
}

/// A node that is held in the midst of its drain cannot leave: whoever follows it is told so, and does not wait for ever.
#[test]
fn who_follows_a_drain_is_told_that_the_node_is_still_there() {
    for attempt in 0..5 {
        let name = format!("steer-stuck-{attempt}");
        let cluster = Cluster::start_with(&name, &["--drain-within", "2500ms"]);
        let of_alice = files(&cluster.papers, "alice");
        let mut command = odeon(&cluster.args("drain", &of_alice));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let following = command.spawn().unwrap();
        cluster.a.line(&["draining"]);
        // The drain of an idle node takes a quarter of a second.
        cluster.a.signal("-STOP");
        let output = following.wait_with_output().unwrap();
        cluster.a.signal("-CONT");
        // It may have been held for longer than it gives itself, and says so with its status.
        cluster.a.gone();
        if output.status.success() {
            // It was gone before it could be held: on a busy machine the signal may come late.
            continue;
        }
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("a is there after") && said.contains("2.5s"), "{said}");
        return;
    }
    panic!("the node was gone each time");
}

#[test]
fn nobody_but_an_operator_of_the_cluster_is_let_in() {
    let cluster = Cluster::start("steer-not");
    let refused = |files: &[String; 3], code: i32, says: &[&str]| {
        let output = run(&cluster.args("status", files));
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(says.iter().all(|said| text.contains(said)), "{text:?} should say {says:?}");
    };
    // A node's certificate is not even sent.
    refused(&files(&cluster.papers, "b"), 2, &["no operator's", "--operator"]);
    let other = Folder::new("steer-other").papers("hand", &[]);
    issue_operator(&other, "alice");
    refused(&files(&other, "alice"), 1, &["certificate", &cluster.admin]);
    // Whoever believes our authority and shows another one's certificate.
    let [cert, key, _] = files(&other, "alice");
    refused(&[cert, key, cluster.papers.path("ca.pem")], 1, &[&cluster.admin]);
    refused(
        &[
            cluster.papers.path("no.pem"),
            cluster.papers.path("no.key"),
            cluster.papers.path("ca.pem"),
        ],
        2,
        &["no.pem"],
    );
    cluster.a.line(&["refused at the admin port"]);
    cluster.a.terminate();
}

#[test]
fn an_operator_who_was_revoked_is_let_in_no_more() {
    let cluster = Cluster::start("steer-revoked");
    assert_eq!(cluster.json("status")["node"], "a");
    let dir = cluster.papers.0.to_str().unwrap();
    assert!(run(&["ca", "revoke", "--operator", "alice", "--dir", dir]).status.success());
    let of_alice = files(&cluster.papers, "alice");
    assert_eq!(run(&cluster.args("status", &of_alice)).status.code(), Some(1));
    cluster.a.line(&["refused at the admin port", "Revoked"]);
    cluster.a.terminate();
}

#[test]
fn an_admin_port_without_papers_is_refused() {
    let node = ["node", "--name", "a", "--dev", "--admin-listen", "127.0.0.1:0"];
    refuses(&node, &["admin.listen", "papers", "--cert"]);
}

#[test]
fn an_operators_certificate_starts_no_node() {
    let papers = Folder::new("steer-node").papers("hand", &[]);
    issue_operator(&papers, "alice");
    let [cert, key, ca] = files(&papers, "alice");
    let node =
        ["node", "--name", "alice", "--dev", "--cert", &cert, "--key", &key, "--ca-cert", &ca];
    refuses(&node, &["does not name its node", &cert]);
    let dir = papers.0.to_str().unwrap();
    refuses(&["ca", "issue", "--dir", dir], &["--name", "--operator"]);
    refuses(&["ca", "issue", "--operator", "A", "--dir", dir], &["operator name \"A\""]);
}

#[test]
fn completions_know_the_commands_and_the_flags() {
    for (shell, says) in
        [("bash", "_odeon"), ("zsh", "#compdef odeon"), ("fish", "complete -c odeon")]
    {
        let output = odeon(&["completions", shell]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(says) && text.contains("admin-listen"), "{shell}");
    }
}
