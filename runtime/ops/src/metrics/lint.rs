//! The page of metrics, held against the conventions of Prometheus.
//!
//! The rules are those of the text format and of `promtool check metrics` (prometheus.io/docs/practices/naming): a prefix,
//! base units, `_total` for counters alone, help and type before the samples, no sample twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use odeon::{
    Actor, Ca, Context, Handler, Node, StartError, Validity, actor,
    env::{Env, RealEnv},
    message,
};

use crate::{events::Events, metrics, standing::Standing};

#[message(id = "lint/Ping", reply = u64)]
struct Ping;

#[derive(Clone)]
struct Pinged;

#[actor(id = "lint/Pinged", handles(Ping))]
impl Actor for Pinged {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Ping> for Pinged {
    async fn handle(&mut self, _: Ping, _: &mut Context<Self>) -> u64 {
        1
    }
}

/// Two nodes that have talked, and one that was refused, and what the first of them says of it.
pub(super) async fn page() -> String {
    let ca = Ca::in_memory("lint").unwrap();
    let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(86_400));
    let node = |name: &str| Node::builder(name).identity(ca.issue(name, validity).unwrap());
    let a = node("a").alone().actor::<Pinged>().start().await.unwrap();
    let b = node("b").seed(a.addr().to_string()).start().await.unwrap();
    assert!(b.joined().await);
    let pinged = a.spawn(Pinged).await.unwrap();
    a.register("pinged", &pinged).unwrap();
    let there = b.on("a").lookup::<Pinged>("pinged").await.unwrap().unwrap();
    for _ in 0..300 {
        assert_eq!(there.ask(Ping).await, Ok(1));
    }
    let other = Ca::in_memory("other").unwrap().issue("x", validity).unwrap();
    let stranger = Node::builder("x").identity(other).seed(a.addr().to_string());
    let stranger = stranger.start().await.unwrap();
    let refused = async {
        while a.network_metrics().handshakes.inbound.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), refused).await.expect("it is refused");
    stranger.stop(Duration::from_secs(5)).await;
    let standing = Standing::new(&a, "lint", "1.0", Events::default());
    standing.started();
    let page = metrics::page(&standing).await;
    b.stop(Duration::from_secs(5)).await;
    a.stop(Duration::from_secs(5)).await;
    page
}

/// A sample: its name, its labels, its value.
pub(super) fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let (front, value) = line.rsplit_once(' ').unwrap();
    let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
    let Some((name, rest)) = front.split_once('{') else {
        return (front.to_owned(), BTreeMap::new(), value);
    };
    let labels = rest.strip_suffix('}').unwrap_or_else(|| panic!("{line}"));
    let mut read = BTreeMap::new();
    for label in labels.split("\",") {
        let (name, text) = label.trim_end_matches('"').split_once("=\"").unwrap();
        assert!(read.insert(name.to_owned(), text.to_owned()).is_none(), "a label twice: {line}");
    }
    (name.to_owned(), read, value)
}

fn is_name(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(fine)
}

fn check_family(name: &str, kind: &str, help: &str) {
    assert!(is_name(name) && name.starts_with("odeon_"), "{name}");
    assert!(help.ends_with('.') && help.len() > 10, "{name}: {help}");
    assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
    assert!(["counter", "gauge", "summary"].contains(&kind), "{name} is a {kind}");
    for unit in [
        "milli", "micro", "nano", "minutes", "kilo", "mega", "percent", "_ms", "_us", "_count",
        "_sum", "_bucket",
    ] {
        assert!(!name.contains(unit), "{name} is in no base unit, or ends as parts of a family do");
    }
    for word in ["counter", "gauge", "summary", "metric"] {
        assert!(!name.contains(word), "{name} says its kind");
    }
    // The unit is the end, before `_total`.
    for unit in ["seconds", "bytes"] {
        let end = name.trim_end_matches("_total");
        assert!(!name.contains(unit) || end.ends_with(unit), "{name}");
    }
}

#[tokio::test]
async fn the_page_keeps_the_conventions() {
    let page = page().await;
    assert!(page.ends_with('\n'));
    let (mut families, mut samples) = (BTreeSet::new(), BTreeSet::new());
    let mut family: (&str, &str, usize) = ("", "gauge", 1);
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {name} ")).unwrap();
            check_family(name, kind, help);
            assert!(families.insert(name), "{name} comes twice");
            family = (name, kind, 0);
            continue;
        }
        let (name, labels, value) = sample(line);
        let suffix =
            name.strip_prefix(family.0).unwrap_or_else(|| panic!("{line} is not in {family:?}"));
        assert!(suffix.is_empty() || (suffix == "_count" && family.1 == "summary"), "{line}");
        assert!(
            labels.keys().all(|label| is_name(label) && label != "le" && label != "job"),
            "{line}"
        );
        assert_eq!(
            labels.contains_key("quantile"),
            family.1 == "summary" && suffix.is_empty(),
            "{line}"
        );
        assert!(value.is_nan() || value >= 0.0, "{line}");
        assert!(samples.insert((name, labels)), "{line} comes twice");
        family.2 += 1;
    }
    assert!(families.len() > 40, "{families:?}");
}

#[tokio::test]
async fn the_page_says_what_happened() {
    let page = page().await;
    let value = |start: &str| {
        let line = page.lines().find(|line| line.starts_with(start));
        sample(line.unwrap_or_else(|| panic!("{start} in\n{page}"))).2
    };
    assert!(value("odeon_actor_messages_handled_total{type=\"lint/Pinged\"}") >= 300.0);
    assert_eq!(value("odeon_actors{type=\"lint/Pinged\"}"), 1.0);
    assert_eq!(value("odeon_node_phase{phase=\"up\"}"), 1.0);
    assert_eq!(value("odeon_node_ready"), 1.0);
    assert_eq!(value("odeon_members"), 1.0);
    assert_eq!(value("odeon_peer_connected{peer=\"b\"}"), 1.0);
    assert!(value("odeon_peer_received_frames_total{peer=\"b\"}") >= 300.0);
    assert!(value("odeon_peer_round_trip_seconds{peer=\"b\"}") < 5.0);
    assert!(value("odeon_peer_mtu_bytes{peer=\"b\"}") >= 1_200.0);
    assert_eq!(value("odeon_peer_black_holes_total{peer=\"b\"}"), 0.0);
    // A frame in its lane is longer than its header, and some batches are looked at.
    assert!(value("odeon_lane_batch_bytes{peer=\"b\",quantile=\"0.5\"}") > 32.0);
    assert!(value("odeon_lane_batch_bytes_count{peer=\"b\"}") > 0.0);
    let lanes = |family: &str| {
        let start = format!("{family}{{peer=\"b\",lane=");
        let of_family = page.lines().filter(|line| line.starts_with(&start));
        of_family.map(|line| sample(line).2).collect::<Vec<_>>()
    };
    for family in ["odeon_lane_sent_frames_total", "odeon_lane_received_frames_total"] {
        let frames = lanes(family);
        assert!(frames.len() == 4 && frames.iter().sum::<f64>() >= 300.0, "{family}: {frames:?}");
    }
    assert_eq!(lanes("odeon_lane_refused_total"), [0.0; 8], "for want of credit, and of room");
    assert!(value("odeon_node_info{node=\"a\",program=\"lint\",version=\"1.0\"}") == 1.0);
}
