//! What may be in a mailbox at once, against plain sums.

use proptest::{prelude::*, test_runner::Config};

use super::*;
use crate::letters::config;

proptest! {
    #![proptest_config(Config { cases: 4 * config().cases, ..config() })]

    /// The trick with the free bits against two comparisons, at the edges of both halves too.
    #[test]
    fn what_fits_is_what_two_comparisons_say(
        (messages_max, held) in up_to(MESSAGES_MAX),
        (units_max, held_units) in up_to(UNITS_MAX),
        more in edges(),
        waiting: bool,
    ) {
        let bounds = Bounds::new(messages_max, units_max as usize * UNIT_BYTES);
        let messages_max = messages_max.clamp(1, MESSAGES_MAX);
        let units_max = units_max.clamp(1, UNITS_MAX);
        prop_assert_eq!(bounds.messages_max(), messages_max);
        prop_assert_eq!(bounds.bytes_max(), units_max as usize * UNIT_BYTES);
        let mark = if waiting { WAITING } else { 0 };
        let word = u64::from(held) | u64::from(held_units) << UNITS_AT | mark;
        let more = more.min(UNITS_MAX);
        let fits = !waiting
            && held < messages_max
            && u64::from(held_units) + u64::from(more.min(units_max)) <= u64::from(units_max);
        prop_assert_eq!(bounds.fit(Charge(word), bounds.charge(more)), fits);
        let load = Load { word: AtomicU64::new(word), bounds };
        prop_assert_eq!(load.has_room(more), fits);
        prop_assert_eq!(load.reserve(more), fits);
        if fits {
            load.release(bounds.charge(more));
        }
        prop_assert_eq!(load.word.into_inner(), word);
    }
}

#[derive(Clone, Copy, Debug)]
enum Use {
    /// The receiver's thread sends one, and says whether the receiver sleeps.
    Near(u32, bool),
    /// Another thread does.
    Far(u32),
    Take,
    GiveBack,
}

fn uses() -> impl Strategy<Value = Vec<Use>> {
    let units = || prop_oneof![8 => 1_u32..4, 1 => 1_u32..600];
    let one = prop_oneof![
        12 => (units(), any::<bool>()).prop_map(|(units, asleep)| Use::Near(units, asleep)),
        6 => units().prop_map(Use::Far),
        6 => Just(Use::Take),
        2 => Just(Use::GiveBack),
    ];
    prop::collection::vec(one, 0..400)
}

proptest! {
    #![proptest_config(config())]

    /// What the receiver's thread has at hand is nothing to itself; to others it is a few messages of a large mailbox, and
    /// what was not given back of those that were taken.
    #[test]
    fn what_is_to_spare_is_in_nobodys_way(
        bounds in prop_oneof![
            (1_u32..8, 1_usize..40_000).prop_map(|(messages, bytes)| Bounds::new(messages, bytes)),
            (128_u32..132).prop_map(|messages| Bounds::new(messages, 1 << 20)),
        ],
        uses in uses(),
    ) {
        let (load, spare) = (Load::new(bounds), Spare::default());
        let mut queued = std::collections::VecDeque::new();
        for one in uses {
            let sum = queued.iter().copied().fold(Charge::default(), Charge::plus);
            prop_assert_eq!(load.held(&spare), sum);
            match one {
                Use::Near(units, asleep) => {
                    let charge = bounds.charge(units);
                    let fits = bounds.fit(sum, charge);
                    prop_assert_eq!(load.reserve_near(&spare, units, asleep), fits);
                    queued.extend(fits.then_some(charge));
                }
                Use::Far(units) => {
                    let (charge, exact) = (bounds.charge(units), spare.is_none());
                    let handed = spare.owed();
                    let reserved = load.reserve(units);
                    if reserved || exact {
                        prop_assert_eq!(reserved, bounds.fit(sum.minus(handed), charge));
                    }
                    queued.extend(reserved.then_some(charge));
                }
                Use::Take => {
                    if let Some(charge) = queued.pop_front() {
                        spare.add(charge);
                        prop_assert_eq!(spare.owed(), Charge::default());
                    }
                }
                Use::GiveBack => {
                    load.release(spare.take());
                    prop_assert!(bounds.is_large() || spare.is_none());
                    let owed = spare.owed();
                    prop_assert!(owed == Charge::default() || queued.front() == Some(&owed));
                }
            }
        }
        for charge in queued {
            spare.add(charge);
        }
        load.release(spare.take());
        prop_assert!(load.is_empty() && spare.is_none());
        load.mark_waiting();
        prop_assert!(!load.reserve_near(&spare, 1, true), "others wait");
    }
}

/// A bound as it is asked for, and as much as may be held under it.
fn up_to(most: u32) -> impl Strategy<Value = (u32, u32)> {
    edges().prop_flat_map(move |max| {
        let held = max.clamp(1, most);
        (Just(max), prop_oneof![0..=held, Just(held), Just(held - 1)])
    })
}

fn edges() -> impl Strategy<Value = u32> {
    let near = |edge: u32| (edge - 2)..=edge.saturating_add(2);
    prop_oneof![0_u32..6, near(1 << 31), near(1 << 30), any::<u32>()]
}

#[test]
fn a_message_larger_than_the_bound_takes_all_of_it_and_enters_alone() {
    let bounds = Bounds::new(8, 100);
    assert_eq!(bounds.bytes_max(), 112, "whole units");
    let load = Load::new(bounds);
    assert!(load.reserve(units(1)));
    assert!(!load.reserve(units(1 << 20)), "not beside another");
    load.release(bounds.charge(units(1)));
    assert!(load.reserve(units(1 << 20)));
    assert!(!load.reserve(units(1)), "nothing beside it");
    load.release(bounds.charge(units(1 << 20)));
    assert!(load.has_room(units(1)));
}
