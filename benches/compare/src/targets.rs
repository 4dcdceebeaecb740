//! What Odeon is meant to reach: its median at most so many times that of the best of the five Rust frameworks.
//!
//! Rows that are not here have no target; they are measured all the same.

use crate::{
    system::Mode::{self, Mt, St, Xt},
    workload::Workload,
};

/// The most that the ratio of a row may be.
pub(crate) fn target(workload: Workload, mode: Mode) -> Option<f64> {
    Some(match (workload, mode) {
        (Workload::Tell, St | Xt) => 0.55,
        (Workload::TwoProducers, Xt) => 0.45,
        (Workload::Ask, St) => 0.9,
        (Workload::Ask, Mt) => 0.6,
        (Workload::AskFromActor, St) => 0.75,
        (Workload::Ask64, St) => 0.6,
        (Workload::Ask64, Xt) => 0.85,
        (Workload::Ask64, Mt) => 1.1,
        (Workload::Ring, St) => 0.5,
        (Workload::Spawn, St) => 0.3,
        (Workload::BytesPerActor, St) => 0.45,
        (Workload::Fanout, St) => 0.4,
        #[cfg(feature = "peers")]
        (Workload::Axum, Mt) => 0.9,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::target;
    use crate::{system::Mode, workload::Workload};

    #[test]
    fn every_target_is_of_a_row_that_is_measured() {
        let mut rows = 0;
        for workload in Workload::value_variants() {
            for mode in Mode::value_variants() {
                let measured = workload.modes().contains(mode);
                assert!(measured || target(*workload, *mode).is_none(), "{workload} {mode}");
                rows += usize::from(target(*workload, *mode).is_some());
            }
        }
        assert_eq!(rows, 13 + usize::from(cfg!(feature = "peers")));
    }
}
