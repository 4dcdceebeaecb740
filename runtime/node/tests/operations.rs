//! A node as it is operated: its values and where they come from, its health, what SIGHUP and SIGTERM do.

#![expect(
    clippy::disallowed_methods,
    reason = "tests from outside use the machine's own threads and ports"
)]
#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up has failed")]

#[path = "outside/program.rs"]
mod program;

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use crate::program::{Folder, Running, odeon, refuses};

const WITHIN: Duration = Duration::from_secs(30);

/// Status and body of an answer.
fn ask(addr: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream
        .write_all(format!("{request}\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    (status, body)
}

fn get(addr: SocketAddr, path: &str) -> (u16, String) {
    ask(addr, &format!("GET {path} HTTP/1.1"))
}

/// Asks again until the answer has this status.
fn becomes(addr: SocketAddr, path: &str, status: u16) -> String {
    let until = Instant::now() + WITHIN;
    loop {
        let answer = get(addr, path);
        if answer.0 == status {
            return answer.1;
        }
        assert!(Instant::now() < until, "{path} is still {answer:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Where a line of the log says that something is served.
fn served(node: &Running, what: &str) -> SocketAddr {
    let line = node.line(&[what, "served", "addr="]);
    let addr = line.split("addr=").nth(1).and_then(|rest| rest.split_whitespace().next());
    addr.and_then(|addr| addr.parse().ok()).expect("the line says where")
}

#[test]
fn a_node_is_alive_before_it_is_ready() {
    let papers = Folder::new("health").papers("hand", &["a", "b"]);
    let health = ["--health-listen", "127.0.0.1:0"];
    let a = Running::start(&papers, "a", &[&["--dev"], &health[..]].concat());
    let seed = a.addr().to_string();
    let of_a = served(&a, "health");
    // Nobody answers there: it waits.
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let nobody = nobody.local_addr().unwrap().to_string();
    let waiting = Running::start(&papers, "b", &[&["--join", &nobody], &health[..]].concat());
    let of_waiting = served(&waiting, "health");
    assert_eq!(get(of_waiting, "/livez"), (200, "ok\n".to_owned()));
    let (status, why) = get(of_waiting, "/readyz");
    assert!(status == 503 && why.contains("joining"), "{status} {why}");
    waiting.terminate();

    let b = Running::start(&papers, "b", &[&["--join", &seed], &health[..]].concat());
    let of_b = served(&b, "health");
    assert_eq!(becomes(of_b, "/readyz", 200), "ok\n");
    assert_eq!(becomes(of_a, "/readyz", 200), "ok\n");
    assert!(get(of_a, "/metrics").1.contains("odeon_peer_connected{peer=\"b\"} 1\n"));
    assert_eq!(get(of_a, "/nothing").0, 404);
    assert_eq!(ask(of_a, "POST /readyz HTTP/1.1").0, 405);
    assert_eq!(ask(of_a, "HEAD /readyz HTTP/1.1"), (200, String::new()));
    b.terminate();
    a.terminate();
}

#[test]
fn a_hangup_reads_the_file_again_and_names_what_needs_a_restart() {
    let papers = Folder::new("hangup").papers("hand", &["a"]);
    let file = papers.path("odeon.toml");
    fs::write(&file, "[node]\nworkers = 1\n[log]\nfilter = \"info\"\n").unwrap();
    let health = ["--health-listen", "127.0.0.1:0"];
    let a = Running::start(&papers, "a", &[&["--dev", "--config", &file], &health[..]].concat());
    let health = served(&a, "health");
    fs::write(&file, "[node]\nworkers = 2\n[log]\nfilter = \"debug\"\n[drain]\nwithin = \"2s\"\n")
        .unwrap();
    a.signal("-HUP");
    a.line(&["WARN", "node.workers", "restart"]);
    a.line(&["drain.within", "2s", "has changed"]);
    a.line(&["log.filter", "debug", "has changed"]);
    a.line(&["read again", "applied=2"]);
    // No HTTP: that is said, and only in detail.
    TcpStream::connect(health).unwrap().write_all(b"\0\r\n\r\n").unwrap();
    a.line(&["DEBUG", "ended early"]);
    fs::write(&file, "[drain]\nwithin = \"soon\"\n").unwrap();
    a.signal("-HUP");
    a.line(&["ERROR", "drain.within", "soon", "stays as it was"]);
    let rest = a.leave("-TERM");
    assert!(rest.iter().any(|line| line.contains("within=2s")), "{rest:?}");
}

/// What programs read is JSON, every line of it, whatever stands in a field.
#[test]
fn the_log_may_be_json() {
    let papers = Folder::new("json").papers("hand", &["a"]);
    let file = papers.path("odeon.toml");
    fs::write(&file, "[log]\nformat = \"json\"\n").unwrap();
    let a = Running::start(&papers, "a", &["--dev", "--config", &file]);
    let line: serde_json::Value = serde_json::from_str(&a.line(&["listening"])).unwrap();
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["fields"]["message"], "listening");
    assert_eq!(line["fields"]["node"], "a");
    assert!(line["fields"]["addr"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    assert!(line["target"].as_str().unwrap().starts_with("odeon"), "{line}");
    assert!(line["timestamp"].as_str().unwrap().contains('T'), "{line}");
    fs::write(&file, "[node]\nzone = \"a \\\"zone\\\"\"\n").unwrap();
    a.signal("-HUP");
    // It needs a restart, and the zone does not.
    a.line(&["\"key\":\"log.format\"", "restart"]);
    let rest = a.leave_after(&["read again"], "-TERM");
    assert!(rest.iter().any(|line| line.contains("node.zone")), "{rest:?}");
    for line in &rest {
        let line: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(line["fields"]["message"].is_string(), "{line}");
    }
    refuses(
        &["node", "--name", "a", "--dev", "--log-format", "xml"],
        &["log.format", "xml", "text or json"],
    );
}

#[test]
fn print_config_says_where_each_value_comes_from() {
    let folder = Folder::new("print");
    let file = folder.path("odeon.toml");
    fs::write(&file, "[drain]\nwithin = \"5s\"\n").unwrap();
    let mut node = odeon(&["node", "--print-config", "--name", "a", "--join-token", "secret"]);
    let output = node.env("ODEON_CONFIG", &file).env("ODEON_WORKERS", "3").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "the token is none, and is not shown");
    assert!(!String::from_utf8(output.stderr).unwrap().contains("secret\""));
    let mut node = odeon(&["node", "--print-config", "--name", "a"]);
    let output = node.env("ODEON_CONFIG", &file).env("ODEON_WORKERS", "3").output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "name = \"a\" # from the flag --name".to_owned(),
        "workers = 3 # from the environment variable ODEON_WORKERS".to_owned(),
        format!("within = \"5s\" # from {file}"),
        "listen = \"127.0.0.1:0\" # from the default".to_owned(),
    ] {
        assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
    }
}

#[test]
fn values_that_cannot_be_used_are_refused_with_their_place() {
    let folder = Folder::new("values");
    let file = folder.path("odeon.toml");
    let node = ["node", "--name", "a", "--dev", "--config", &file];
    refuses(&node, &[&file, "--config"]);
    fs::write(&file, "[drain]\nwithn = \"5s\"\n").unwrap();
    refuses(&node, &["drain.withn", &file, "perhaps drain.within"]);
    fs::write(&file, "[drain]\nwithin = \"1ms\"\n").unwrap();
    refuses(&node, &["drain.within", "1ms", &file, "100ms to 1d"]);
    fs::write(&file, "").unwrap();
    refuses(
        &[&node[..], &["--workers", "0"]].concat(),
        &["node.workers", "--workers", "1 to 1024"],
    );
    // It was taken as half of the period, silently.
    let slow = ["--membership-probe-period", "300ms", "--membership-probe-rtt", "200ms"];
    let says = ["membership.probe_rtt 200ms", "1ms to 150ms", "half of probe_period"];
    refuses(&[&node[..], &slow].concat(), &says);
    refuses(&["node", "--dev"], &["--name", "ODEON_NAME"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    refuses(
        &[&node[..], &["--health-listen", &taken]].concat(),
        &[&taken, "--health-listen", "free port"],
    );
}

#[test]
fn a_second_signal_ends_a_node_whose_drain_would_take_long() {
    let papers = Folder::new("twice").papers("hand", &["a"]);
    let a = Running::start(&papers, "a", &["--dev", "--drain-within", "1h"]);
    a.addr();
    // The drain of an idle node has a lead of 250 ms: whichever comes first, it ends well and soon.
    a.signal("-TERM");
    a.line(&["draining"]);
    let began = Instant::now();
    a.leave("-TERM");
    assert!(began.elapsed() < WITHIN);
}
