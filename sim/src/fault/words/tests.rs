//! What is said of each kind is a sentence, and names whom it hits.

use super::*;
use crate::{Budget, FaultKind, Site, Swarm};

/// Verbs, of which each sentence has one.
const VERBS: [&str; 27] = [
    "are",
    "acknowledges",
    "carries",
    "change",
    "changes",
    "come",
    "crashes",
    "do",
    "fail",
    "fails",
    "gains",
    "get",
    "has",
    "hear",
    "hears",
    "is",
    "jumps",
    "loses",
    "puts",
    "rot",
    "take",
    "takes",
    "would",
    "fare",
    "go",
    "goes",
    "neither",
];

/// Some faults of this kind, as swarms draw them.
fn drawn(kind: FaultKind) -> Vec<Fault> {
    let swarm = Swarm::none().with(kind).chance(1.0).budget(Budget::unbounded());
    let nodes = ["n1", "n2", "n3", "n4", "n5"].map(|name| Site::new(name).in_zone("east"));
    let plans = (0..20).map(|seed| swarm.expand(seed, &nodes, Duration::from_secs(600)));
    plans.flat_map(|plan| plan.into_faults()).map(|planned| planned.fault).collect()
}

#[test]
fn every_kind_is_told_in_a_sentence() {
    for kind in FaultKind::ALL {
        let faults = drawn(kind);
        assert!(!faults.is_empty(), "{kind}");
        for fault in faults {
            let said = fault.to_string();
            println!("{said}");
            let words: Vec<_> = said.split([' ', ',']).filter(|word| !word.is_empty()).collect();
            assert!(words.len() >= 2 && words.iter().any(|word| VERBS.contains(word)), "{said}");
            assert!(!said.contains(kind.name()) || !kind.name().contains('_'), "{said}");
            assert!(
                fault.nodes().all(|node| said.contains(node) || is_one_for_all(&fault)),
                "{said}"
            );
            let is_open = said.ends_with([',', ':', ' ']) || said.contains("  ");
            assert!(!is_open && !said.contains("nobody"), "{said}");
        }
    }
}

/// Whether one node stands out, and the sentence says what is so for "the others".
fn is_one_for_all(fault: &Fault) -> bool {
    let Fault::Topology { shape, nodes } = fault else { return false };
    let alone = matches!(shape, Topology::Isolate(_) | Topology::Mute(_) | Topology::Deaf(_));
    alone && fault.to_string().contains(&nodes[0])
}

#[test]
fn the_sentences_are_these() {
    let fault = |text: &str| {
        let fault: Fault = serde_json::from_str(text).expect("it is a fault");
        fault.to_string()
    };
    for (text, said) in [
        (r#"{"fault":"partition","one":["a"],"other":["b","c"]}"#, "a is parted from b and c"),
        (r#"{"fault":"partition","one":["a","b"],"other":["c"]}"#, "a and b are parted from c"),
        (r#"{"fault":"drift","node":"a","ppm":-20}"#, "the clock of a loses 20 us a second"),
        (r#"{"fault":"skew","node":"a","skew_ms":10000}"#, "the clock of a jumps ahead by 10 s"),
        (
            r#"{"fault":"lookups","failure_permille":30,"silence_permille":0,"stale_permille":125,"slower_ms":0}"#,
            "of the look-ups of names 3 % fail and 12.5 % get an old answer",
        ),
        (
            r#"{"fault":"topology","shape":"one_way","nodes":["a","b","c"]}"#,
            "a is no longer heard by b and c, but is told everything",
        ),
        (
            r#"{"fault":"topology","shape":"partial","nodes":["a","b","c","d"]}"#,
            "a and b are parted from c, and all hear d",
        ),
        (
            r#"{"fault":"topology","shape":{"bridge":"b"},"nodes":["a","b","c","d"]}"#,
            "a is parted from c and d, and all hear b",
        ),
        (
            r#"{"fault":"strain","from":"a","to":"b"}"#,
            "of the datagrams from a to b none fare worse",
        ),
    ] {
        assert_eq!(fault(text), said);
    }
}
