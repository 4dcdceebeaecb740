//! A table: what membership costs and how soon a death is known, from ten nodes to two thousand.
//!
//! `cargo bench -p odeon-cluster` takes some minutes; `-- 10 100` measures these sizes alone. It is virtual time, so the
//! machine changes nothing in it. Above a thousand nodes they know each other from the start. It fails where bytes grow with
//! the cluster, or the time to learn of a death faster than its logarithm.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

#[path = "../tests/scale/driver.rs"]
mod driver;

use std::time::Duration;

/// The most nodes that come to know each other by gossip.
const MET_MAX: usize = 1_000;

/// By how much each doubling may delay what all know of a death: with the members instead of their doublings it would grow by
/// seconds.
const GROWTH_MAX: Duration = Duration::from_millis(700);

fn main() {
    let asked: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let sizes = if asked.is_empty() { vec![10, 50, 100, 500, 2_000] } else { asked };
    println!(
        "| nodes | all know all | B/s a node | most | datagrams/s | killed | silent, half | silent, all |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|");
    let mut smallest = None;
    for size in sizes {
        let is_met = size > MET_MAX;
        let begin = if is_met { driver::Cluster::acquainted } else { driver::Cluster::new };
        let it = begin(7, size).measure(Duration::from_secs(10), 3);
        let joined = format!("{:.2} s", it.joined.as_secs_f64());
        let joined = if is_met { "from the start" } else { &joined };
        println!(
            "| {} | {joined} | {:.0} | {:.0} | {:.0} | {:.0} ms | {:.2} s | {:.2} s |",
            it.nodes,
            it.bytes,
            it.bytes_most,
            it.datagrams,
            it.killed.as_secs_f64() * 1e3,
            it.silent_half.as_secs_f64(),
            it.silent.as_secs_f64(),
        );
        assert_eq!(it.false_deaths, 0, "members were held for dead that were not");
        let first = smallest.get_or_insert(it.clone());
        assert!(it.bytes < 1.5 * first.bytes, "bytes grow with the cluster");
        let doublings = (it.nodes as f64 / first.nodes as f64).log2().max(0.0);
        let bound = first.silent + GROWTH_MAX.mul_f64(doublings);
        assert!(it.silent <= bound, "a death is known after {:?}, not {bound:?}", it.silent);
    }
}
