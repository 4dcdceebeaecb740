//! Many programs that are started at once and know only a file: one cluster, in time.
//!
//! How many is in `ODEON_PROCESSES`, for each has threads and handshakes of its own: by default as many as any machine
//! bears beside other tests. Fifty are one cluster within a minute on two processors (ARCHITECTURE.md).

#![expect(
    clippy::disallowed_methods,
    reason = "tests from outside use the machine's own threads and ports"
)]

#[path = "outside/program.rs"]
mod program;

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use crate::program::{Folder, Running};

const WITHIN: Duration = Duration::from_secs(60);

fn count() -> usize {
    let given = std::env::var("ODEON_PROCESSES").ok();
    given.map_or(8, |text| text.parse().expect("ODEON_PROCESSES is a number of programs"))
}

#[test]
fn programs_that_start_at_once_are_one_cluster() {
    let names: Vec<String> = (0..count()).map(|number| format!("n{number}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let papers = Folder::new("many").papers("hand", &all);
    let (file, expect) = (papers.path("seeds"), all.len().to_string());
    let began = Instant::now();
    let more = ["--join-file", &file, "--bootstrap-expect", &expect];
    let nodes: Vec<Running> = all.iter().map(|name| Running::start(&papers, name, &more)).collect();
    // The system chose the ports, so the file comes when all are known. The programs run and look for it meanwhile.
    let seeds: String = nodes.iter().map(|node| format!("{}\n", node.addr())).collect();
    fs::write(papers.path("new"), seeds).unwrap();
    fs::rename(papers.path("new"), &file).unwrap();
    let written = began.elapsed();
    for (node, name) in nodes.iter().zip(&all) {
        let mut others: BTreeSet<&str> = all.iter().copied().filter(|it| it != name).collect();
        while !others.is_empty() {
            let line = node.line(&["member up", "member="]);
            let member = line.split("member=\"").nth(1).and_then(|rest| rest.split('"').next());
            others.remove(member.expect("the line names it"));
        }
    }
    let took = began.elapsed();
    println!(
        "{} programs: all listen after {written:.1?}, one cluster after {took:.1?}",
        all.len()
    );
    assert!(took <= WITHIN, "{took:?}");
}
