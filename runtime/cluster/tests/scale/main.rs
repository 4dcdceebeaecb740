//! What membership costs and how soon a death is known, over sizes of clusters: the first stays, the second grows with the
//! logarithm. `cargo bench -p odeon-cluster` has the table for thousands.

#![expect(clippy::print_stdout, reason = "a test may say how fast it was")]

mod driver;

use std::time::Duration;

use driver::{Cluster, Figures};

fn measured(begin: fn(u64, usize) -> Cluster, nodes: usize) -> Figures {
    let figures = begin(7, nodes).measure(Duration::from_secs(5), 2);
    println!("{figures:?}");
    assert!(figures.nodes == nodes && figures.datagrams < 100.0 && figures.joined.as_secs() < 10);
    assert!(figures.silent_half <= figures.silent);
    assert_eq!(figures.false_deaths, 0);
    figures
}

#[test]
fn bytes_stay_and_deaths_are_known_in_logarithmic_time() {
    let all: Vec<Figures> =
        [8, 32, 128].into_iter().map(|nodes| measured(Cluster::new, nodes)).collect();
    let [small, middle, large] = &all[..] else { unreachable!("three sizes were measured") };
    // At rest nothing is said that is longer in a larger cluster.
    assert!(large.bytes < 1.5 * middle.bytes, "{} {}", large.bytes, middle.bytes);
    assert!(large.bytes_most < 2.0 * large.bytes, "{} {}", large.bytes_most, large.bytes);
    for figures in &all {
        assert!(figures.killed < Duration::from_millis(500), "{:?}", figures.killed);
    }
    // Sixteen times the members, four doublings: a second each would be linear growth.
    let growth = large.silent.saturating_sub(small.silent);
    assert!(growth < 4 * Duration::from_millis(700), "{growth:?}");
}

/// What the table of thousands stands on: that they know each other from the start changes nothing in what follows.
#[test]
fn nodes_that_are_told_of_all_cost_as_much_as_those_that_met() {
    let met = measured(Cluster::new, 64);
    let told = measured(Cluster::acquainted, 64);
    assert!(told.joined < Duration::from_millis(1_100), "{:?}", told.joined);
    assert!((told.bytes / met.bytes - 1.0).abs() < 0.1, "{} {}", told.bytes, met.bytes);
    for figures in [met, told] {
        assert!(figures.killed < Duration::from_millis(500), "{:?}", figures.killed);
        // The longest of two: a suspicion, and until one of the others happens to probe it.
        assert!((2..5).contains(&figures.silent.as_secs()), "{:?}", figures.silent);
    }
}
