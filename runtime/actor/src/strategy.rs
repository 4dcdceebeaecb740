//! Who of several takes a message: pure functions over the members of this moment.
//!
//! Each answers with a place among the members, `None` if there are none. What it is NOT: a list of members or a
//! counter; a [`Group`](crate::Group) keeps both, and whoever has members elsewhere may use the same. Nor is its
//! [`Strategy`] that of a supervisor, which is in the root of the crate.

use std::hash::{Hash, Hasher};

/// How a member is picked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Strategy {
    /// One after the other.
    RoundRobin,
    /// Whoever has the least to do.
    LeastLoaded,
    /// The one that a key belongs to.
    ConsistentHash(u64),
}

/// The `turn`-th member, counted round and round.
#[must_use]
pub fn round_robin(turn: usize, members: usize) -> Option<usize> {
    turn.checked_rem(members)
}

/// The member with the smallest load; among equals the first from the `turn`-th on, so that idle members share.
#[must_use]
pub fn least_loaded(turn: usize, loads: &[usize]) -> Option<usize> {
    least_loaded_by(turn, loads.len(), |at| loads[at])
}

/// As [`least_loaded`], of loads of any kind.
pub(crate) fn least_loaded_by<L: Ord>(
    turn: usize,
    members: usize,
    load: impl Fn(usize) -> L,
) -> Option<usize> {
    let first = turn.checked_rem(members)?;
    (first..members).chain(0..first).min_by_key(|at| load(*at))
}

/// The member that a key belongs to: the one whose hash together with the key's is the largest.
///
/// Rendezvous hashing (D. Thaler, C. Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", IEEE/ACM
/// Transactions on Networking 6(1), 1998): of n members each has a share of 1/n, one that joins takes 1/(n + 1) of the
/// keys and no other key moves. A pick looks at every member.
#[must_use]
pub fn rendezvous(key: u64, members: impl IntoIterator<Item = u64>) -> Option<usize> {
    let weights = members.into_iter().map(|member| mix(key ^ mix(member)));
    // Of equal weights the last wins, whoever asks.
    weights.enumerate().max_by_key(|(_, weight)| *weight).map(|(at, _)| at)
}

/// A hash of a key that is the same in every run and on every node of one byte order: FNV-1a (G. Fowler, L. Noll,
/// K.-P. Vo), mixed.
#[must_use]
pub fn hash_of(key: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    key.hash(&mut hasher);
    mix(hasher.finish())
}

struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// Spreads neighbouring numbers over all of them: the finalizer of SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast
/// Splittable Pseudorandom Number Generators", OOPSLA 2014), a bijection.
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nobody_is_picked_from_nobody() {
        assert_eq!(round_robin(3, 0), None);
        assert_eq!(least_loaded(3, &[]), None);
        assert_eq!(rendezvous(3, []), None);
    }

    #[test]
    fn idle_members_share() {
        let picks = [0, 1, 2, 3, 4].map(|turn| least_loaded(turn, &[0, 2, 0, 0]));
        assert_eq!(picks, [Some(0), Some(2), Some(2), Some(3), Some(0)]);
    }

    #[test]
    fn keys_hash_the_same_for_ever() {
        // Golden: keys of entities move when these change.
        assert_eq!(hash_of("alice"), 0xeaec_0c39_3be5_d5fb);
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
    }

    fn owners(members: &[u64]) -> Vec<u64> {
        let owner = |key| rendezvous(hash_of(&key), members.iter().copied()).map(|at| members[at]);
        (0_u64..4_000).filter_map(owner).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Who joins takes keys from all and gives none back; who leaves gives only its own away.
        #[test]
        fn only_the_keys_of_who_comes_or_goes_move(members in prop::collection::btree_set(any::<u64>(), 2..20), at in any::<prop::sample::Index>()) {
            let all = members.into_iter().collect::<Vec<_>>();
            let one = all[at.index(all.len())];
            let without = all.iter().copied().filter(|member| *member != one).collect::<Vec<_>>();
            let (before, after) = (owners(&without), owners(&all));
            let moved = before.iter().zip(&after).filter(|(old, new)| old != new);
            prop_assert!(moved.clone().all(|(_, new)| *new == one));
            let share = 4_000 / all.len();
            let moved = moved.count();
            prop_assert!(moved > share / 2 && moved < share * 2, "{} of a share of {}", moved, share);
        }

        /// No member has much more than its share.
        #[test]
        fn shares_are_even(count in 2_u64..20, base in any::<u64>()) {
            let members = (0..count).map(|n| base.wrapping_add(n)).collect::<Vec<_>>();
            let owners = owners(&members);
            let share = 4_000 / count as usize;
            for member in members {
                let has = owners.iter().filter(|owner| **owner == member).count();
                prop_assert!(has > share / 2 && has < share * 2, "{} of a share of {}", has, share);
            }
        }
    }
}
