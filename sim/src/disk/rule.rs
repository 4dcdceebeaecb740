//! What a disk does to the files on it.
//!
//! Read `inode.rs` next.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::net::{Latency, RuleError, check_probability};

/// The fault model of one disk.
///
/// Probabilities go from 0 (never) to 1 (always). Each has a random stream of its own: turning one fault off never
/// changes what another does to the same operation. What a crash does to data that was not synced is no fault; every
/// disk may do it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskRule {
    /// How long a read takes. Reads wait for each other.
    pub read_latency: Latency,
    /// How long a write takes, and a change of length or names. They wait for each other.
    pub write_latency: Latency,
    /// How long a sync takes. Syncs wait for each other.
    pub sync_latency: Latency,
    /// Probability that a sync takes longer, by up to [`slow_sync_extra`](Self::slow_sync_extra).
    pub slow_sync: f64,
    /// The most that a slow sync takes on top.
    pub slow_sync_extra: Duration,
    /// Probability that a write that was not synced is torn by a crash: of its sectors of 512 bytes, any are there.
    pub crash_torn: f64,
    /// Probability that a write that was not synced, and is not torn, is gone after a crash.
    pub crash_lost: f64,
    /// Probability that a name that was made, changed or removed is as before after a crash, unless names were synced.
    pub crash_names_lost: f64,
    /// Probability that a write is acknowledged and never reaches the platter, although it is synced: a lying disk.
    pub lost: f64,
    /// Probability that a write reaches the platter at another place, of this file or another, than it should.
    pub misdirected: f64,
    /// Probability that a read finds one bit of what it reads flipped; the bit stays so.
    pub bit_rot: f64,
    /// Probability that a read fails (EIO). The next one may not.
    pub read_error: f64,
    /// Probability that a write fails (EIO), after any part of it.
    pub write_error: f64,
    /// Probability that a sync fails (EIO). What it should have synced is then clean and may be lost: a later sync that
    /// succeeds does not write it.
    pub sync_error: f64,
    /// Probability that opening, renaming or removing a file fails (EIO); nothing has changed then.
    pub names_error: f64,
    /// Bytes that fit on the disk, counted as the lengths of all files; 1 GiB at most.
    pub bytes_max: u64,
}

impl DiskRule {
    /// A good disk: reads in 50 to 150 us, writes into the cache in 5 to 50 us, syncs in 0.1 to 4 ms, 256 MiB, no faults.
    /// A crash tears a fifth of what was not synced, and loses half of the rest. The default.
    #[must_use]
    pub const fn ssd() -> Self {
        Self {
            read_latency: Latency::Uniform(Duration::from_micros(50), Duration::from_micros(150)),
            write_latency: Latency::Uniform(Duration::from_micros(5), Duration::from_micros(50)),
            sync_latency: Latency::Uniform(Duration::from_micros(100), Duration::from_millis(4)),
            slow_sync: 0.0,
            slow_sync_extra: Duration::from_millis(500),
            crash_torn: 0.2,
            crash_lost: 0.5,
            crash_names_lost: 0.5,
            lost: 0.0,
            misdirected: 0.0,
            bit_rot: 0.0,
            read_error: 0.0,
            write_error: 0.0,
            sync_error: 0.0,
            names_error: 0.0,
            bytes_max: 256 << 20,
        }
    }

    /// Whether the numbers make a rule; whoever reads one from a file asks first.
    ///
    /// # Errors
    /// When a probability or a latency is outside its range.
    pub fn check(&self) -> Result<(), RuleError> {
        let probabilities = [
            ("slow_sync", self.slow_sync),
            ("crash_torn", self.crash_torn),
            ("crash_lost", self.crash_lost),
            ("crash_names_lost", self.crash_names_lost),
            ("lost", self.lost),
            ("misdirected", self.misdirected),
            ("bit_rot", self.bit_rot),
            ("read_error", self.read_error),
            ("write_error", self.write_error),
            ("sync_error", self.sync_error),
            ("names_error", self.names_error),
        ];
        for (name, value) in probabilities {
            check_probability(name, value)?;
        }
        let latencies = [self.read_latency, self.write_latency, self.sync_latency];
        latencies.iter().try_for_each(Latency::check)
    }

    /// A bad day, after which everything that was synced is there all the same: one read or write in a hundred
    /// fails, two syncs in a hundred fail and five are slow. A disk that lies or rots needs more than one copy to be survived, so
    /// that is not in here.
    #[must_use]
    pub const fn rough() -> Self {
        Self {
            slow_sync: 0.05,
            crash_torn: 0.4,
            read_error: 0.01,
            write_error: 0.01,
            sync_error: 0.02,
            ..Self::ssd()
        }
    }

    /// No latency and no faults; a crash does what it does.
    #[must_use]
    pub const fn instant() -> Self {
        Self {
            read_latency: Latency::Constant(Duration::ZERO),
            write_latency: Latency::Constant(Duration::ZERO),
            sync_latency: Latency::Constant(Duration::ZERO),
            ..Self::ssd()
        }
    }
}

impl Default for DiskRule {
    fn default() -> Self {
        Self::ssd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_travels_as_text_and_is_checked() {
        for rule in [DiskRule::ssd(), DiskRule::rough(), DiskRule::instant()] {
            let text = serde_json::to_string(&rule).unwrap();
            assert_eq!(serde_json::from_str::<DiskRule>(&text).unwrap(), rule);
            assert_eq!(rule.check(), Ok(()));
        }
        let rule = serde_json::from_str::<DiskRule>(r#"{"bit_rot": 1.5}"#).unwrap();
        assert_eq!(rule, DiskRule { bit_rot: 1.5, ..DiskRule::ssd() });
        let refused = rule.check().unwrap_err().to_string();
        assert!(refused.starts_with("bit_rot is 1.5"), "{refused}");
    }
}
