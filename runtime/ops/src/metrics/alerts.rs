//! `alerts.yaml`, held against the metrics that a node really has.
//!
//! Each metric that an expression names is on the page, with the labels that it is chosen or grouped by; counters are asked
//! for their rate, and only they; each text names labels that are there; each alert leads to a page of the runbook. The
//! expressions are PromQL (prometheus.io/docs/prometheus/latest/querying); `promtool`, where it is installed, reads them
//! too.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Write as _, stderr},
    path::{Path, PathBuf},
    process::Command,
};

use yaml_rust2::{Yaml, YamlLoader};

use super::lint;

/// What Prometheus adds to each metric.
const ADDED: [&str; 2] = ["instance", "job"];

/// Functions whose argument is a counter over a time.
const OF_COUNTERS: [&str; 2] = ["rate", "increase"];

/// All other words of the language that the rules use.
const WORDS: [&str; 11] =
    ["and", "or", "unless", "on", "by", "sum", "min", "max", "changes", "count", "time"];

/// After these come labels in parentheses.
const GROUPING: [&str; 2] = ["by", "on"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

fn rules() -> Vec<Yaml> {
    let text = include_str!("../../alerts.yaml");
    let file = YamlLoader::load_from_str(text).unwrap().remove(0);
    let groups = file["groups"].as_vec().expect("there are groups").clone();
    groups.iter().flat_map(|group| group["rules"].as_vec().expect("with rules").clone()).collect()
}

/// What an expression names.
#[derive(Debug, Default)]
struct Named {
    /// Each metric with the function that it is in, and the labels that it is chosen by.
    metrics: Vec<(String, String, Vec<String>)>,
    /// The labels by which it groups.
    grouped: Vec<String>,
    /// Whether what comes out has these labels alone.
    is_aggregate: bool,
}

/// The words of an expression, its marks, and its strings.
fn tokens(expression: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = |is: fn(char) -> bool| rest.find(|c| !is(c)).unwrap_or(rest.len());
        let len = match first {
            '"' => rest[1..].find('"').expect("a string ends") + 2,
            '[' => rest.find(']').expect("a span of time ends") + 1,
            _ if first.is_ascii_alphabetic() => end(|c| c.is_ascii_alphanumeric() || c == '_'),
            _ if first.is_ascii_digit() => end(|c| c.is_ascii_digit() || c == '.'),
            _ => first.len_utf8(),
        };
        tokens.push(rest[..len].to_owned());
        rest = rest[len..].trim_start();
    }
    tokens
}

fn named(expression: &str) -> Named {
    let tokens = tokens(expression);
    let depth = |mark: &str| tokens.iter().filter(|token| *token == mark).count();
    assert_eq!(depth("("), depth(")"), "{expression}");
    let mut named = Named::default();
    let mut at = 0;
    let is_word = |token: &str| token.starts_with(|c: char| c.is_ascii_alphabetic());
    let until = |from: usize, mark: &str| {
        let found = tokens[from..].iter().position(|token| token == mark);
        from + found.unwrap_or_else(|| panic!("{mark} is missing in {expression}"))
    };
    while let Some(token) = tokens.get(at) {
        let next = tokens.get(at + 1).map(String::as_str);
        if GROUPING.contains(&token.as_str()) {
            let end = until(at, ")");
            named.grouped.extend(tokens[at..end].iter().skip(2).step_by(2).cloned());
            named.is_aggregate |= token == "by";
            at = end;
        } else if is_word(token) && next != Some("(") && !WORDS.contains(&token.as_str()) {
            let inside = at.checked_sub(2).and_then(|before| tokens.get(before)).cloned();
            let mut labels = Vec::new();
            if next == Some("{") {
                let end = until(at, "}");
                labels = tokens[at + 2..end].iter().filter(|it| is_word(it)).cloned().collect();
                at = end;
            }
            named.metrics.push((token.clone(), inside.unwrap_or_default(), labels));
            let token = tokens.get(at).map(String::as_str).unwrap_or_default();
            assert!(token != "{", "{expression}");
        } else if is_word(token) {
            let known = WORDS.contains(&token.as_str()) || OF_COUNTERS.contains(&token.as_str());
            assert!(known, "{token} in {expression}");
        }
        at += 1;
    }
    named
}

/// The families of the page with the labels that their samples have.
async fn families() -> BTreeMap<String, BTreeSet<String>> {
    let mut families = BTreeMap::<String, BTreeSet<String>>::new();
    for line in lint::page().await.lines().filter(|line| !line.starts_with('#')) {
        let (name, labels, _) = lint::sample(line);
        families.entry(name).or_default().extend(labels.into_keys());
    }
    families.insert("up".to_owned(), BTreeSet::new());
    families
}

/// The labels that a text speaks of.
fn spoken(text: &str) -> impl Iterator<Item = &str> {
    text.split("$labels.").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        &rest[..end.unwrap_or(rest.len())]
    })
}

#[tokio::test]
async fn rules_name_metrics_and_labels_that_are_there() {
    let families = families().await;
    let rules = rules();
    assert!(rules.len() >= 15, "{}", rules.len());
    for rule in &rules {
        let alert = rule["alert"].as_str().expect("each rule has a name");
        let named = named(rule["expr"].as_str().expect("each rule has an expression"));
        assert!(!named.metrics.is_empty(), "{alert} names no metric");
        let mut labels: BTreeSet<&str> = ADDED.into();
        for (metric, inside, chosen) in &named.metrics {
            let of_metric = families.get(metric).unwrap_or_else(|| panic!("{alert}: {metric}"));
            labels.extend(of_metric.iter().map(String::as_str));
            assert!(chosen.iter().all(|it| labels.contains(&**it)), "{alert}: {metric}{chosen:?}");
            let is_counter = metric.ends_with("_total");
            assert_eq!(OF_COUNTERS.contains(&&**inside), is_counter, "{alert}: {inside}({metric})");
        }
        assert!(named.grouped.iter().all(|it| labels.contains(&**it)), "{alert}: {named:?}");
        if named.is_aggregate {
            labels = named.grouped.iter().map(String::as_str).collect();
        }
        for text in ["summary", "description"] {
            let text =
                rule["annotations"][text].as_str().unwrap_or_else(|| panic!("{alert}: {text}"));
            assert!(text.ends_with('.'), "{alert}: {text}");
            for label in spoken(text) {
                assert!(labels.contains(label), "{alert}: {label} is not in {labels:?}");
            }
        }
    }
}

#[test]
fn alerts_are_told_apart_ranked_and_lead_to_a_page_of_the_runbook() {
    let mut names = BTreeSet::new();
    for rule in rules() {
        let alert = rule["alert"].as_str().unwrap().to_owned();
        assert!(alert.starts_with("Odeon") && names.insert(alert.clone()), "{alert}");
        let severity = rule["labels"]["severity"].as_str();
        assert!(matches!(severity, Some("critical" | "warning")), "{alert}: {severity:?}");
        let page = rule["annotations"]["runbook"].as_str().unwrap_or_default();
        assert!(page.starts_with("runtime/docs/runbook/"), "{alert}: {page:?}");
        assert!(root().join(page).is_file(), "{alert}: there is no page {page}");
    }
}

#[test]
fn the_reader_of_expressions_sees_what_is_wrong() {
    let named = named("sum by (a, b) (rate(x_total{c=\"1\"}[5m])) > 0.5 and on (d) y == 1");
    let metric = |name: &str, inside: &str, chosen: &[&str]| {
        let chosen = chosen.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        (name.to_owned(), inside.to_owned(), chosen)
    };
    assert_eq!(named.metrics[0], metric("x_total", "rate", &["c"]));
    assert_eq!(named.metrics[1].0, "y");
    assert_eq!(named.grouped, ["a", "b", "d"]);
    assert!(named.is_aggregate);
    assert_eq!(
        spoken("{{ $labels.peer }} and {{$labels.type}}").collect::<Vec<_>>(),
        ["peer", "type"]
    );
}

#[test]
fn the_tool_of_prometheus_reads_the_rules() {
    let path = root().join("runtime/ops/alerts.yaml");
    match Command::new("promtool").args(["check", "rules"]).arg(&path).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
        }
        Err(error) => {
            let line = format!("skipped: promtool cannot be run: {error}\n");
            // Past the harness, which keeps what a passing test prints to itself.
            stderr().write_all(line.as_bytes()).unwrap();
        }
    }
}
