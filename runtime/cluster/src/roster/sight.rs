//! Whom a node sees, in one number, so that two nodes can tell whether they see the same members.
//!
//! What it is: a hash for each life of a node, put together by exclusive or, so that it is kept as members come and go.
//! What it is NOT: a proof; two sets that differ come to one number once in 2^64.

use odeon_message::{Incarnation, NodeId};

/// The number of one life of a node.
pub(super) fn of(node: NodeId, incarnation: Incarnation) -> u64 {
    mix(node.0 ^ mix(incarnation.0))
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), which is a permutation.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_and_nodes_are_told_apart() {
        let one = |node, life| of(NodeId(node), Incarnation(life));
        assert_ne!(one(1, 1), one(1, 2));
        assert_ne!(one(1, 2), one(2, 1));
        // Of two nodes each in the life of the other.
        assert_ne!(one(1, 1) ^ one(2, 2), one(1, 2) ^ one(2, 1));
    }
}
