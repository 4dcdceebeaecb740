//! Where the decisions of a disk come from.
//!
//! Each draws from a stream of its own that depends on the seed, the disk, the number of the operation among those of its
//! kind, and the kind of decision, and on nothing else; without that, deleting one fault from a failing run would shift
//! all others. Read `drive.rs` next.

use odeon_interpose::{Stream, mix};

/// Kinds of operations, each counted for itself, so that one read more shifts no write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Read = 1,
    Write,
    Sync,
    Names,
}

/// What is decided for one operation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Decision {
    Latency = 1,
    Slow,
    Failure,
    /// How much of what failed had happened.
    Part,
    Lost,
    Misdirected,
    Rot,
    /// Whether clean pages leave the cache.
    Evicted,
    /// Whether what nobody waits for any more, or what was under way in a crash, still happens.
    Abandoned,
    CrashTorn,
    CrashLost,
    CrashSector,
}

/// The chances of one disk.
#[derive(Debug)]
pub(super) struct Chances {
    seed: u64,
    counted: [u64; 5],
}

impl Chances {
    pub(super) fn new(seed: u64, host: &str) -> Self {
        Self { seed: Stream::named(seed, &format!("disk of {host}")).next_word(), counted: [0; 5] }
    }

    /// Numbers the next operation of a kind, from 1.
    pub(super) fn number(&mut self, kind: Kind) -> u64 {
        let counted = &mut self.counted[kind as usize];
        *counted += 1;
        *counted
    }

    /// The stream of one decision.
    pub(super) fn draw(&self, kind: Kind, number: u64, decision: Decision) -> Stream {
        let operation = mix(self.seed ^ mix((kind as u64) << 56 ^ number));
        Stream::new(operation ^ decision as u64)
    }
}
