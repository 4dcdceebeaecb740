//! `odeon-compare remote`, as a program: what it measures between two programs, and what it writes of it.

use std::process::Command;

use serde_json::Value;

/// A short run: its rows, and what it printed.
#[expect(clippy::unwrap_used, reason = "part of the tests of this file")]
fn run(name: &str, args: &[&str]) -> (Value, String) {
    let file =
        std::env::temp_dir().join(format!("odeon-compare-{name}-{}.json", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_odeon-compare"))
        .args(["remote", "--rounds", "1", "--json"])
        .arg(&file)
        .args(args)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let rows = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    std::fs::remove_file(file).unwrap();
    (rows, said)
}

#[test]
fn each_system_is_measured_and_held_against_the_target() {
    let (run, said) = run("systems", &["--workloads=ask,bulk1m", "--systems=odeon,quinn,tls"]);
    let rows = run["rows"].as_array().unwrap();
    let of = |row: &Value| format!("{} {}", row["workload"], row["system"]).replace('"', "");
    let order: Vec<String> = rows.iter().map(of).collect();
    let expected =
        ["ask odeon", "ask quinn", "ask tls", "bulk1m odeon", "bulk1m quinn", "bulk1m tls"];
    assert_eq!(order, expected, "{said}");
    for row in rows {
        assert!(row["median"].as_f64() > Some(0.0), "{row}");
        let target = row["ratio"].as_f64();
        assert_eq!(target.is_some(), row["system"] == "odeon", "{row}");
    }
    assert_eq!(run["machine"]["udp_payload_bytes_max"], 8972);
    assert!(said.contains("target: at most 1.4"), "{said}");
}

#[test]
fn a_program_with_many_peers_is_measured() {
    let (run, said) = run("peers", &["--workloads=peers1,peers10", "--systems=odeon,quinn,tls"]);
    let rows = run["rows"].as_array().unwrap();
    // TLS has one peer, and no such rows.
    assert_eq!(rows.len(), 4, "{said}");
    assert!(rows.iter().all(|row| row["median"].as_f64() > Some(0.0)), "{said}");
    assert!(rows[2]["ratio"].as_f64() > Some(0.0), "{said}");
}
