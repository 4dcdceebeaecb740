//! The demo as users run it: real processes, one of them killed, and a verdict.

use std::{fs, process::Command};

fn demo(args: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_odeon"))
        .arg("demo")
        .args(args)
        .output()
        .expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("it says text");
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn number(json: &str, field: &str) -> u64 {
    let after = json
        .split(&format!("\"{field}\":"))
        .nth(1)
        .unwrap_or_else(|| panic!("no {field} in {json}"));
    let number = after.split([',', '}']).next().and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("no number behind {field} in {json}"))
}

#[test]
fn a_killed_node_changes_no_count_and_every_label_is_honest() {
    let (ok, json, log) = demo(&["--json", "--seed", "7"]);
    assert!(ok, "{json}{log}");
    assert_eq!(json.lines().count(), 1, "one line and nothing else: {json}");
    assert!(json.starts_with("{\"ok\":true") && json.contains("\"rejoined\":true"), "{json}");
    assert!(number(&json, "words") >= 1_000_000);
    // By its closed port: by its silence alone it would be a suspicion of two seconds first.
    assert!(number(&json, "detect_ms") < 2_000, "{json}");
    assert!(number(&json, "not_delivered") > 0 && number(&json, "may_have_run") > 0, "{json}");
}

#[test]
fn a_small_file_is_counted_without_a_kill() {
    let file = std::env::temp_dir().join(format!("odeon-demo-input-{}", std::process::id()));
    fs::write(&file, "so few words, so few").unwrap();
    let (ok, json, log) = demo(&["--json", "--no-kill", "--nodes", "2", file.to_str().unwrap()]);
    fs::remove_file(&file).unwrap();
    assert!(ok, "{json}{log}");
    assert_eq!((number(&json, "words"), number(&json, "may_have_run")), (5, 0));
}
