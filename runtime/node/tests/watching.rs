//! A node as an operator watches it: in a terminal, in lines for scripts, and in a browser.

#![expect(
    clippy::disallowed_methods,
    reason = "tests from outside use the machine's own threads and ports"
)]
#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up has failed")]

#[path = "outside/cluster.rs"]
mod cluster;
#[path = "outside/program.rs"]
mod program;
#[path = "outside/terminal.rs"]
mod terminal;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::{
    cluster::{Cluster, files},
    program::{Running, odeon, refuses, run},
    terminal::Terminal,
};

/// A program that is ended if its test fails.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn with_b(name: &str) -> (Cluster, Running) {
    let cluster = Cluster::start(name);
    let b = Running::start(&cluster.papers, "b", &["--join", &cluster.seed, "--zone", "z2"]);
    cluster.a.line(&["member up", "member=\"b\""]);
    (cluster, b)
}

#[test]
fn scripts_read_all_of_a_node_in_one_look() {
    let (cluster, b) = with_b("watch-lines");
    let of_alice = files(&cluster.papers, "alice");
    let mut args = cluster.args("top", &of_alice);
    args.extend(["--json", "--count", "2", "--every", "200ms"]);
    let output = run(&args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let looks: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [first, second] = &looks[..] else { panic!("two lines: {text}") };
    assert!(second["at"].as_f64() > first["at"].as_f64());
    assert_eq!(
        (second["status"]["node"].as_str(), second["silent_workers"].as_u64()),
        (Some("a"), Some(0))
    );
    let names = |list: &str, key: &str| -> Vec<String> {
        let list = first[list].as_array().unwrap().iter();
        list.map(|one| one[key].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("members", "name"), ["a", "b"]);
    assert_eq!(names("members", "zone"), ["z1", "z2"]);
    assert_eq!(names("peers", "name"), ["b"]);
    assert!(names("types", "kind").contains(&"odeon-demo/Usher".to_owned()), "{first}");
    assert!(first["workers"].as_array().unwrap().iter().any(|it| it["busy"].as_f64().is_some()));
    let events = first["events"]["events"].as_array().unwrap();
    assert!(
        events
            .iter()
            .any(|it| it["text"] == "operators are served addr=".to_owned() + &cluster.admin),
        "{first}"
    );
    assert!(events.iter().any(|it| it["text"].as_str().unwrap().starts_with("member up member=b")));
    // What a busy machine makes a node say may come meanwhile.
    let again = second["events"]["events"].as_array().unwrap();
    assert!(again.iter().all(|event| !events.contains(event)), "they came once: {second}");
    assert_eq!(first["events"]["kept"], true);

    let mut args = cluster.args("top", &of_alice);
    args.push("--once");
    let output = run(&args);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("a up, ready  odeon "), "{text}");
    for says in [
        "2 members",
        "worker 1 ",
        "Mailboxes\nTYPE",
        "demo/Usher",
        "this node",
        "connected",
        "member up member=b",
    ] {
        assert!(text.contains(says), "{says} in\n{text}");
    }
    // Neither for a person nor for a script.
    refuses(&cluster.args("top", &of_alice), &["terminal", "--once", "--json"]);
    let mut args = cluster.args("top", &of_alice);
    args.extend(["--once", "--every", "1ms"]);
    refuses(&args, &["--every 1ms", "200ms to 1h"]);
    b.terminate();
    cluster.a.terminate();
}

#[test]
fn a_person_watches_a_node_and_has_the_terminal_back() {
    let (cluster, b) = with_b("watch-live");
    let of_alice = files(&cluster.papers, "alice");
    let args = cluster.args("top", &of_alice);
    let terminal = Terminal::run(env!("CARGO_BIN_EXE_odeon"), &args);
    terminal.until("the picture", |screen, text| {
        screen.alternate_screen()
            && screen.hide_cursor()
            && text.contains("a up, ready")
            && text.contains("1 Hot actors")
    });
    terminal.press("2");
    terminal.shows(&["TYPE", "HANDLER P50", "demo/Usher"]);
    terminal.press("r");
    terminal.shows(&["MSG/S▲"]);
    terminal.press(">");
    terminal.shows(&["WAITING▼"]);
    terminal.press("3");
    terminal.shows(&["PEER▲", "RTT"]);
    terminal.press("\t");
    terminal.shows(&["LANE", "STALLS"]);
    terminal.press("5");
    terminal.shows(&["z2", "connected", "this node"]);
    terminal.press("6");
    terminal.shows(&["member up member=b"]);
    terminal.press("?");
    terminal.shows(&["another sheet"]);
    // Another node leaves, and that is seen without a key.
    b.terminate();
    terminal.press("?");
    terminal.shows(&["member left member=b", "1 members"]);
    terminal.press("q");
    terminal.ended(0);
    cluster.a.terminate();
}

#[test]
fn the_terminal_is_given_back_on_a_signal_and_a_node_that_is_gone_is_told() {
    let cluster = Cluster::start("watch-signal");
    let of_alice = files(&cluster.papers, "alice");
    let args = cluster.args("top", &of_alice).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let args = args.iter().map(String::as_str).collect::<Vec<_>>();
    for signal in ["-TERM", "-INT", "-HUP"] {
        let terminal = Terminal::run(env!("CARGO_BIN_EXE_odeon"), &args);
        let number = terminal.number();
        terminal.shows(&["a up, ready"]);
        assert!(Command::new("kill").args([signal, &number]).status().unwrap().success());
        terminal.ended(0);
    }
    let terminal = Terminal::run(env!("CARGO_BIN_EXE_odeon"), &args);
    terminal.shows(&["a up, ready"]);
    cluster.a.terminate();
    terminal.shows(&["no answer: ", "a up, ready"]);
    terminal.press("\u{3}");
    terminal.ended(0);
    // Nobody is there from the beginning: nothing but a line.
    let terminal = Terminal::run(env!("CARGO_BIN_EXE_odeon"), &args);
    terminal.shows(&["odeon: ", "cannot be reached"]);
    terminal.ended(1);
}

/// Status, head and body of an answer.
fn get(host: &str, path: &str, more: &str) -> (u16, String, String) {
    let addr = host.to_owned();
    let mut stream = TcpStream::connect(addr).unwrap();
    let host = if more.contains("host:") { String::new() } else { format!("host: {host}\r\n") };
    let request = format!("GET {path} HTTP/1.1\r\n{host}{more}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_lowercase(), body.to_owned())
}

#[test]
fn a_browser_without_a_certificate_sees_a_node_by_an_address_that_nobody_guesses() {
    let cluster = Cluster::start("watch-page");
    let of_alice = files(&cluster.papers, "alice");
    let args = cluster.args("dashboard", &of_alice);
    let mut command = odeon(&args);
    let mut child = Ended(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let url = lines.next().unwrap().unwrap();
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    assert!(host.starts_with("127.0.0.1:") && path.len() == 33 && path.ends_with('/'), "{url}");
    let path = format!("/{path}");
    let (status, head, page) = get(host, &path, "");
    assert_eq!(status, 200);
    assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
    assert!(page.starts_with("<!doctype html>"));
    let (status, _, body) = get(host, &format!("{path}v1/overview"), "");
    let overview: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, overview["status"]["node"].as_str()), (200, Some("a")));
    let (status, _, body) = get(host, &format!("{path}v1/actors?max=1"), "");
    let actors: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, actors["actors"].as_array().unwrap().len()), (200, 1));
    assert!(actors["left_out"].as_u64().unwrap() > 0);
    assert_eq!(get(host, &format!("{path}v1/events?after=0"), "").0, 200);
    // Whoever has not the address, or comes from a page elsewhere.
    assert_eq!(get(host, "/", "").0, 404);
    assert_eq!(get(host, "/v1/overview", "").0, 404);
    assert_eq!(get(host, &format!("{path}v1/overview"), "host: evil.example\r\n").0, 403);
    assert_eq!(get(host, &format!("{path}v1/overview"), "origin: http://evil.example\r\n").0, 403);
    assert_eq!(get(host, &format!("{path}v1/drain"), "").0, 404);
    cluster.a.terminate();
    let (status, _, why) = get(host, &format!("{path}v1/overview"), "");
    assert!(status == 502 && why.contains("cannot be reached"), "{status} {why}");
    let told = Command::new("kill").args(["-TERM", &child.0.id().to_string()]).status();
    assert!(told.unwrap().success() && child.0.wait().unwrap().success());
}
