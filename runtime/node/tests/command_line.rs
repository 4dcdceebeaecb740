//! The program from outside: papers, two nodes by hand, and what it says about values it cannot use.

#![expect(
    clippy::disallowed_methods,
    reason = "tests from outside use the machine's own threads and ports"
)]

#[path = "outside/program.rs"]
mod program;

use std::{
    fs,
    net::UdpSocket,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use crate::program::{Folder, Running, odeon, refuses, run};

#[test]
fn two_nodes_by_hand_join_and_leave() {
    let papers = Folder::new("join").papers("hand", &["a", "b"]);
    let a = Running::start(&papers, "a", &["--dev"]);
    let seed = a.addr().to_string();
    let b = Running::start(&papers, "b", &["--join", &seed]);
    a.line(&["up", "member=\"b\""]);
    b.line(&["up", "member=\"a\""]);
    b.terminate();
    a.line(&["member left", "member=\"b\""]);
    a.terminate();
}

/// It looked like a failure: a handshake failed, something was quarantined, and the node was to be restarted.
#[test]
fn a_node_that_leaves_in_order_looks_like_it_in_both_logs() {
    let papers = Folder::new("leave").papers("hand", &["a", "b"]);
    let a = Running::start(&papers, "a", &["--dev"]);
    let seed = a.addr().to_string();
    let b = Running::start(&papers, "b", &["--join", &seed]);
    a.line(&["member up", "member=\"b\""]);
    b.line(&["member up", "member=\"a\""]);
    let of_a = a.leave("-INT");
    b.line(&["member left", "member=\"a\""]);
    let of_b = b.leave("-TERM");
    for line in of_a.iter().chain(&of_b) {
        let is_calm = !["WARN", "ERROR", "handshake", "quarantine", "restart"]
            .iter()
            .any(|word| line.contains(word));
        assert!(is_calm, "{line}");
    }
    assert!(of_a.last().is_some_and(|line| line.contains("left")), "{of_a:?}");
    assert!(!of_a.iter().chain(&of_b).any(|line| line.contains("member")), "each is said once");
}

#[test]
fn a_lone_node_whose_seed_does_not_answer_says_that_it_goes_on() {
    let papers = Folder::new("alone").papers("hand", &["a"]);
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let a = Running::start(&papers, "a", &["--dev", "--join", &nobody]);
    a.line(&["cluster of its own", "keeps asking", &nobody]);
    a.terminate();
}

#[test]
fn a_key_that_others_can_read_is_warned_of() {
    let papers = Folder::new("readable").papers("hand", &["a"]);
    let key = papers.path("a.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let a = Running::start(&papers, "a", &["--dev"]);
    a.line(&["WARN", &key, "0644", "chmod 600"]);
    a.terminate();
}

#[test]
fn a_first_node_that_waits_says_why() {
    let papers = Folder::new("wait").papers("hand", &["a", "b"]);
    let a = Running::start(&papers, "a", &[]);
    a.line(&["waiting", "no seed"]);
    // A port that was free a moment ago, so that nobody answers there.
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let b = Running::start(&papers, "b", &["--join", &nobody]);
    b.line(&["waiting for a seed", &nobody]);
    a.terminate();
    b.terminate();
}

#[test]
fn a_node_of_another_cluster_is_refused_and_says_so() {
    let ours = Folder::new("ours").papers("ours", &["a"]);
    let theirs = Folder::new("theirs").papers("theirs", &["b"]);
    let a = Running::start(&ours, "a", &["--dev"]);
    let seed = a.addr().to_string();
    let b = Running::start(&theirs, "b", &["--join", &seed]);
    b.line(&["waiting for a seed", &seed, "certificate", "from one authority"]);
    a.terminate();
    b.terminate();
}

#[test]
fn a_port_in_use_is_named() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    refuses(&["node", "--name", "a", "--dev", "--listen", &addr], &[&addr, "free port"]);
}

#[test]
fn papers_that_cannot_be_used_are_named() {
    refuses(&["node", "--name", "a"], &["--cert", "odeon ca", "--dev"]);
    let papers = Folder::new("papers").papers("hand", &["a", "b"]);
    let (a, b, ca) = (papers.path("a.pem"), papers.path("b.key"), papers.path("ca.pem"));
    let missing = papers.path("missing.key");
    let node = ["node", "--name", "a", "--cert", &a, "--ca-cert", &ca, "--key"];
    refuses(&[&node[..], &[&missing]].concat(), &[&missing]);
    refuses(&[&node[..], &[&b]].concat(), &["key"]);
    fs::write(&missing, "not a key").unwrap();
    refuses(&[&node[..], &[&missing]].concat(), &[&missing]);
    let a_key = papers.path("a.key");
    let other = ["node", "--name", "c", "--cert", &a, "--ca-cert", &ca, "--key", &a_key];
    refuses(&other, &["a", "c"]);
}

#[test]
fn names_and_files_are_checked_before_anything_is_written() {
    let papers = Folder::new("names").papers("hand", &["a"]);
    let dir = papers.0.to_str().unwrap();
    refuses(&["ca", "issue", "--name", "No_Such", "--dir", dir], &["No_Such"]);
    refuses(&["ca", "issue", "--name", "ca", "--dir", dir], &["another name"]);
    let nowhere = format!("{}/folder", papers.path("ca.pem"));
    refuses(&["ca", "init", "--cluster", "hand", "--dir", &nowhere], &[&nowhere, "--dir"]);
    let issued = || fs::read_to_string(papers.path("ca.index")).ok();
    let before = issued();
    refuses(&["ca", "issue", "--name", "a", "--dir", dir], &["a.key", "never overwritten"]);
    assert_eq!(issued(), before, "what was not given to anybody is not in the index");
    refuses(&["ca", "init", "--cluster", "hand", "--dir", dir], &["ca.key", "never overwritten"]);
    refuses(&["node", "--name", "No_Such", "--dev"], &["No_Such"]);
    refuses(&["demo", "no/such/file"], &["no/such/file"]);
    assert!(Path::new(&papers.path("ca.key")).exists());
}

#[test]
fn an_input_too_small_to_lose_a_node_is_refused() {
    let folder = Folder::new("small");
    let file = folder.path("few.txt");
    fs::write(&file, "three small words").unwrap();
    refuses(&["demo", &file], &["3 words", "300000", "--no-kill"]);
    let empty = folder.path("empty.txt");
    fs::write(&empty, "... --- ...").unwrap();
    refuses(&["demo", "--no-kill", &file, &empty], &[&empty, "no words"]);
    let help = String::from_utf8(run(&["demo", "--help"]).stdout).unwrap();
    assert!(help.contains("100,000 words") && help.contains("letters and digits"), "{help}");
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let folder = Folder::new("full");
    let file = folder.path("few.txt");
    fs::write(&file, "three small words").unwrap();
    let dir = folder.path("papers");
    for args in [
        &["demo", "--json", "--no-kill", "--nodes", "2", &file][..],
        &["ca", "init", "--cluster", "hand", "--dir", &dir],
    ] {
        let full = fs::File::create("/dev/full").unwrap();
        let output = odeon(args).stdout(full).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("standard output"), "{text}");
    }
}

#[test]
fn papers_say_where_they_were_put() {
    let papers = Folder::new("where").papers("hand", &[]);
    let dir = papers.0.to_str().unwrap();
    let said = run(&["ca", "issue", "--name", "a", "--dir", dir]).stdout;
    let said = String::from_utf8(said).unwrap();
    assert_eq!(said, format!("wrote {dir}/a.pem and {dir}/a.key\n"));
}

#[test]
fn flags_out_of_bounds_are_named() {
    refuses(&["demo", "--nodes", "1"], &["--nodes", "1 is not in 2..=16"]);
    refuses(&["demo", "--nodes", "x"], &["--nodes", "x"]);
    refuses(&["node", "--name", "a", "--dev", "--join", "127.0.0.1"], &["127.0.0.1", "host:port"]);
    refuses(&["node", "--name", "a", "--dev", "--listen", "here"], &["--listen", "here"]);
    refuses(&["nod"], &["nod", "`odeon --help`"]);
    refuses(&["demo", "--nodes", "-1"], &["--nodes", "-1", "`odeon demo --help`"]);
    refuses(
        &["ca", "issue", "--name", "a", "--days", "-1"],
        &["--days", "`odeon ca issue --help`"],
    );
    let anywhere = ["node", "--name", "a", "--dev", "--listen", "0.0.0.0:0"];
    refuses(&anywhere, &["0.0.0.0", "--advertise"]);
    refuses(&[&anywhere[..], &["--advertise", "0.0.0.0:7400"]].concat(), &["0.0.0.0", "advertise"]);
}

#[test]
fn a_value_from_the_environment_is_blamed_on_its_variable() {
    let mut node = odeon(&["node", "--name", "a", "--dev"]);
    let text = node.env("ODEON_LISTEN", "here").output().unwrap().stderr;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("ODEON_LISTEN") && text.contains("here"), "{text}");
    assert!(!text.contains("--listen"), "{text}");
    let mut node = odeon(&["node", "--name", "a", "--dev", "--listen", "there"]);
    let text = node.env("ODEON_LISTEN", "127.0.0.1:0").output().unwrap().stderr;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("--listen") && !text.contains("ODEON_LISTEN"), "{text}");
}

#[test]
fn a_filter_of_the_log_that_cannot_be_read_is_named() {
    let output = odeon(&["node", "--name", "a", "--dev"]).env("RUST_LOG", "odeon=loud").output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("odeon=loud"));
}

/// The program in a folder where nothing is beside it, and not under cargo.
fn alone(folder: &Folder, args: &[&str]) -> Command {
    let path = folder.path("odeon");
    if !Path::new(&path).exists() && fs::hard_link(env!("CARGO_BIN_EXE_odeon"), &path).is_err() {
        fs::copy(env!("CARGO_BIN_EXE_odeon"), &path).expect("the temporary folder has room");
    }
    let mut command = Command::new(path);
    command.args(args).env_remove("ODEON_SIM").env_remove("CARGO").env_remove("RUST_LOG");
    command
}

#[test]
fn the_simulator_is_the_program_that_the_variable_names() {
    let mut command = odeon(&["sim", "run", "--seeds", "0..3", "--help", "-x"]);
    let output = command.env("ODEON_SIM", "/bin/echo").output().expect("the program runs");
    assert_eq!(output.stdout, b"run --seeds 0..3 --help -x\n");
    assert!(output.status.success());
    let output = odeon(&["sim", "list"]).env("ODEON_SIM", "/nowhere/sim").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("/nowhere/sim cannot be run") && text.contains("cargo build"), "{text}");
}

#[test]
fn the_simulator_is_else_the_program_beside_it() {
    let folder = Folder::new("sim");
    let output = alone(&folder, &["sim", "list"]).output().expect("the program runs");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("cargo build -p odeon-sim --bin odeon-sim"), "{text}");
    let beside = folder.path("odeon-sim");
    fs::write(&beside, "#!/bin/sh\necho beside \"$@\"\nexit 1\n").unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).unwrap();
    let output = alone(&folder, &["sim", "list", "--json"]).output().unwrap();
    assert_eq!(output.stdout, b"beside list --json\n");
    assert_eq!(output.status.code(), Some(1), "its status is passed on");
}
