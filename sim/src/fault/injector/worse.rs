//! What a rule becomes while a fault lasts.
//!
//! Pure: a rule and a fault in, a rule out. A rate that the rule has already and that is higher stays.

use std::time::Duration;

use super::super::Fault;
use crate::{
    disk::DiskRule,
    net::{Latency, LinkRule, LookupRule},
};

/// The longest latency of a tail, in times of its median.
const TAIL_MAX: u32 = 50;

/// What a throttled link lets wait at least: two datagrams.
const QUEUE_BYTES_MIN: u32 = 4_096;

fn worse(rate: &mut f64, permille: u16) {
    *rate = rate.max(f64::from(permille) / 1000.0);
}

/// A link under a strain, a throttle or a tail; other faults leave it as it is.
pub(super) fn worse_link(rule: &LinkRule, fault: &Fault) -> LinkRule {
    let mut rule = *rule;
    match fault {
        Fault::Strain { strain, .. } => {
            rule.latency = rule.latency.later_by(Duration::from_millis(strain.slower_ms));
            worse(&mut rule.loss, strain.loss_permille);
            worse(&mut rule.duplicate, strain.duplicate_permille);
            worse(&mut rule.reorder, strain.reorder_permille);
            worse(&mut rule.corrupt, strain.corrupt_permille);
        }
        Fault::Throttle { bandwidth_kbps, .. } => {
            let bps = bandwidth_kbps.saturating_mul(1000);
            let bps = rule.bandwidth_bps.map_or(bps, |before| before.min(bps));
            rule.bandwidth_bps = Some(bps);
            // What waits longer than a second is dropped, so that the fault does not last on in its queue.
            let second = u32::try_from(bps / 8).unwrap_or(u32::MAX);
            rule.queue_bytes_max = rule.queue_bytes_max.min(second.max(QUEUE_BYTES_MIN));
        }
        Fault::Tail { median_ms, sigma_percent, .. } => {
            let median = Duration::from_millis(*median_ms);
            rule.latency = Latency::LogNormal {
                least: median / 4,
                median,
                sigma: f64::from(*sigma_percent) / 100.0,
                max: median.saturating_mul(TAIL_MAX),
            };
        }
        Fault::Crash { .. }
        | Fault::Kill { .. }
        | Fault::ZoneCrash { .. }
        | Fault::Pause { .. }
        | Fault::Cut { .. }
        | Fault::Partition { .. }
        | Fault::Topology { .. }
        | Fault::Swizzle { .. }
        | Fault::Clog { .. }
        | Fault::Flap { .. }
        | Fault::Slow { .. }
        | Fault::SlowDisk { .. }
        | Fault::DiskErrors { .. }
        | Fault::SlowSync { .. }
        | Fault::SyncErrors { .. }
        | Fault::FullDisk { .. }
        | Fault::TornWrites { .. }
        | Fault::LyingDisk { .. }
        | Fault::MisdirectedWrites { .. }
        | Fault::BitRot { .. }
        | Fault::Lookups { .. }
        | Fault::Buggify { .. }
        | Fault::Drift { .. }
        | Fault::Skew { .. } => {}
    }
    rule
}

/// A disk under a fault of disks; other faults leave it as it is.
pub(super) fn worse_disk(rule: &mut DiskRule, fault: &Fault) {
    match fault {
        Fault::SlowDisk { slower_ms, .. } => {
            let extra = Duration::from_millis(*slower_ms);
            rule.read_latency = rule.read_latency.later_by(extra);
            rule.write_latency = rule.write_latency.later_by(extra);
            rule.sync_latency = rule.sync_latency.later_by(extra);
        }
        Fault::DiskErrors { error_permille, .. } => {
            worse(&mut rule.read_error, *error_permille);
            worse(&mut rule.write_error, *error_permille);
            worse(&mut rule.sync_error, *error_permille);
            worse(&mut rule.names_error, *error_permille);
        }
        Fault::SlowSync { slow_permille, slower_ms, .. } => {
            worse(&mut rule.slow_sync, *slow_permille);
            rule.slow_sync_extra = rule.slow_sync_extra.max(Duration::from_millis(*slower_ms));
        }
        Fault::SyncErrors { error_permille, .. } => worse(&mut rule.sync_error, *error_permille),
        // Whatever is there stays, and nothing more fits in.
        Fault::FullDisk { .. } => rule.bytes_max = 0,
        Fault::TornWrites { torn_permille, .. } => worse(&mut rule.crash_torn, *torn_permille),
        Fault::LyingDisk { lost_permille, .. } => worse(&mut rule.lost, *lost_permille),
        Fault::MisdirectedWrites { misdirected_permille, .. } => {
            worse(&mut rule.misdirected, *misdirected_permille);
        }
        Fault::BitRot { rot_permille, .. } => worse(&mut rule.bit_rot, *rot_permille),
        Fault::Crash { .. }
        | Fault::Kill { .. }
        | Fault::ZoneCrash { .. }
        | Fault::Pause { .. }
        | Fault::Cut { .. }
        | Fault::Partition { .. }
        | Fault::Topology { .. }
        | Fault::Swizzle { .. }
        | Fault::Strain { .. }
        | Fault::Throttle { .. }
        | Fault::Tail { .. }
        | Fault::Clog { .. }
        | Fault::Flap { .. }
        | Fault::Slow { .. }
        | Fault::Lookups { .. }
        | Fault::Buggify { .. }
        | Fault::Drift { .. }
        | Fault::Skew { .. } => {}
    }
}

/// Look-ups under a fault of theirs; other faults leave them as they are.
pub(super) fn worse_lookups(rule: &LookupRule, fault: &Fault) -> LookupRule {
    let mut rule = *rule;
    if let Fault::Lookups { failure_permille, silence_permille, stale_permille, slower_ms } = fault
    {
        rule.latency = rule.latency.later_by(Duration::from_millis(*slower_ms));
        worse(&mut rule.failure, *failure_permille);
        worse(&mut rule.silence, *silence_permille);
        worse(&mut rule.stale, *stale_permille);
    }
    rule
}
