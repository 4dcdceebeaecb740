//! What is counted on one association, in plain atomics; and what is sampled, once a batch.
//!
//! What it is: counters that tasks of the endpoint's thread and senders add to, a few a batch, and none of which anybody
//! waits for. What it is NOT: what is shown of them, which is `metrics.rs`.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hdrhistogram::Histogram;
use odeon_wire::format::LANES_MAX;

use odeon_wire::SlabStats;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What was counted on one association since it exists.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct AssociationStats {
            $($(#[$doc])* pub $name: u64,)*
            /// Bytes of memory that received messages hold now: the slabs of its streams, and those that messages in
            /// mailboxes, views in the hands of handlers and unread answers keep.
            pub pinned_bytes: u64,
            /// Of these the slabs that its streams have at hand to read into, whether messages keep them as well or not.
            pub at_hand_bytes: u64,
            /// Frames that were given memory of their own, because more than
            /// [`pinned_bytes_max`](crate::TransportConfig::pinned_bytes_max) was held.
            pub frames_copied_out: u64,
            /// Bytes that were copied a second time after QUIC had given them: beginnings of frames whose rest came later,
            /// and frames that were copied out.
            pub bytes_moved: u64,
        }

        /// The same, being counted.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: AtomicU64,)*
            pub(crate) control: StreamCounters,
            /// By the number of the lane: ours for what is sent, the peer's for what is received.
            lanes: [LaneCounters; LANES_MAX as usize],
            sampled: Mutex<Sampled>,
        }

        impl Counters {
            pub(crate) fn read(&self, slabs: SlabStats) -> AssociationStats {
                AssociationStats {
                    $($name: self.$name.load(Ordering::Relaxed),)*
                    pinned_bytes: slabs.pinned_bytes,
                    at_hand_bytes: slabs.at_hand_bytes,
                    frames_copied_out: slabs.frames_copied_out,
                    bytes_moved: slabs.bytes_moved,
                }
            }
        }
    };
}

counters! {
    /// Frames taken for sending.
    frames_sent,
    /// Frames dropped unsent, because the connection was lost or none came about.
    frames_dropped,
    /// Frames received.
    frames_received,
    /// Bytes of lanes and control stream handed to QUIC.
    bytes_sent,
    /// Bytes of lanes and control stream received from QUIC.
    bytes_received,
    /// Batches taken from lanes and handed to QUIC.
    batches,
    /// Frames refused because the receiver's credit or the lane was full.
    credit_stalls,
    /// Connections closed because the peer broke the protocol.
    bad_frames,
    /// Connections that came up.
    connections,
    /// Datagrams sent.
    datagrams_sent,
    /// Datagrams received.
    datagrams_received,
    /// Frames whose trace context was none, and was ignored.
    traces_ignored,
    /// Messages of the peer that were not taken, because this node held as much of what it received as it may
    /// ([`inbound_bytes_max`](crate::TransportConfig::inbound_bytes_max)); and large replies.
    messages_shed,
    /// How often the peer said that it did not take tells for that reason, each time one or more; under a flood it does not
    /// say so each time. What it said of asks they were told.
    sheds_heard,
}

/// What is counted on one stream, over all connections.
#[derive(Debug, Default)]
pub(crate) struct StreamCounters {
    /// Frames that were written, not those that wait.
    pub(crate) frames_sent: AtomicU64,
    pub(crate) bytes_sent: AtomicU64,
    pub(crate) batches_sent: AtomicU64,
    pub(crate) frames_received: AtomicU64,
    pub(crate) bytes_received: AtomicU64,
}

impl StreamCounters {
    /// A batch is about to be written.
    pub(crate) fn batch(&self, frames: u64) {
        Counters::add_alone(&self.frames_sent, frames);
        Counters::add_alone(&self.batches_sent, 1);
    }
}

/// What is counted on one lane.
#[derive(Debug, Default)]
pub(crate) struct LaneCounters {
    pub(crate) stream: StreamCounters,
    pub(crate) refused_credit: AtomicU64,
    pub(crate) refused_room: AtomicU64,
}

/// Two significant digits: 1 % off at most, at a tenth of the memory of three.
const DIGITS: u8 = 2;
/// The smallest difference between two batches that is seen, and the largest batch that is told from larger ones.
const BATCH_BYTES: (u64, u64) = (32, 2 << 20);
/// The same of waits, in nanoseconds: about a microsecond, and a minute, beyond which frames are given up anyway.
const WAIT_NANOS: (u64, u64) = (1 << 10, 60 * 1_000_000_000);

/// Histograms of one association, of one batch in eight; made when there is something to record, and grown with the largest
/// value: about 15 KiB of both at most, and two or three where batches are short and waits as well.
#[derive(Debug, Default)]
pub(crate) struct Sampled {
    /// Bytes of batches of all lanes.
    pub(crate) batch_bytes: Option<Box<Histogram<u32>>>,
    /// Nanoseconds that the first frame of such a batch has waited for it.
    pub(crate) wait: Option<Box<Histogram<u32>>>,
}

fn record(of: &mut Option<Box<Histogram<u32>>>, (lowest, highest): (u64, u64), value: u64) {
    if of.is_none() {
        // The bounds are constants that the crate accepts, as the tests show.
        *of = Histogram::new_with_bounds(lowest, 2 * lowest, DIGITS).ok().map(Box::new);
        of.iter_mut().for_each(|histogram| histogram.auto(true));
    }
    if let Some(histogram) = of {
        // It grows, so it takes every value.
        let _ = histogram.record(value.min(highest));
    }
}

impl Sampled {
    pub(crate) fn record(&mut self, batch_bytes: usize, waited: Duration) {
        record(&mut self.batch_bytes, BATCH_BYTES, batch_bytes as u64);
        let nanos = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        record(&mut self.wait, WAIT_NANOS, nanos);
    }
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    /// Adds to what no other thread adds to: what tasks of the endpoint's thread count, and nobody else. It takes no locked
    /// instruction, of which each message would have ten.
    pub(crate) fn add_alone(counter: &AtomicU64, count: u64) {
        let before = counter.load(Ordering::Relaxed);
        counter.store(before.wrapping_add(count), Ordering::Relaxed);
    }

    /// Those of one lane; those of lane 0 where there is no such lane, which the protocol forbids.
    pub(crate) fn lane(&self, index: u8) -> &LaneCounters {
        self.lanes.get(usize::from(index)).unwrap_or(&self.lanes[0])
    }

    /// A lane's batch is about to be written; writers, which are on the endpoint's thread, are the only ones that come here.
    /// What a simulation writes at once has no other thread either.
    pub(crate) fn batch(&self, lane: u8, frames: u64, bytes: usize, waited: Option<Duration>) {
        Self::add_alone(&self.batches, 1);
        self.lane(lane).stream.batch(frames);
        if let Some(waited) = waited {
            self.sampled(|sampled| sampled.record(bytes, waited));
        }
    }

    /// A lane's bytes were handed on.
    pub(crate) fn wrote(&self, lane: u8, bytes: usize) {
        Self::add_alone(&self.bytes_sent, bytes as u64);
        Self::add_alone(&self.lane(lane).stream.bytes_sent, bytes as u64);
    }

    /// Works on the histograms, under their lock.
    pub(crate) fn sampled<R>(&self, work: impl FnOnce(&mut Sampled) -> R) -> R {
        work(&mut self.sampled.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes whenever something was sent or received.
    pub(crate) fn activity(&self) -> u64 {
        let counters = [
            &self.frames_sent,
            // Lanes count their frames themselves; what they write goes in batches.
            &self.batches,
            &self.frames_received,
            &self.datagrams_sent,
            &self.datagrams_received,
        ];
        counters.iter().map(|counter| counter.load(Ordering::Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_are_made_when_needed_small_and_saturate() {
        let mut sampled = Sampled::default();
        sampled.record(100, Duration::from_micros(10));
        let bytes = |sampled: &Sampled| {
            let histograms =
                [&sampled.batch_bytes, &sampled.wait].map(|one| one.as_deref().unwrap());
            histograms.map(|one| one.distinct_values() * size_of::<u32>()).iter().sum::<usize>()
        };
        assert!(bytes(&sampled) <= 3 << 10, "{} bytes", bytes(&sampled));
        sampled.record(usize::MAX, Duration::from_micros(250));
        sampled.record(100_000, Duration::MAX);
        let (batch, wait) = (sampled.batch_bytes.as_ref().unwrap(), sampled.wait.as_ref().unwrap());
        assert_eq!((batch.len(), wait.len()), (3, 3));
        assert!(batch.value_at_quantile(0.5).abs_diff(100_000) <= 1_000);
        assert!(batch.max() >= BATCH_BYTES.1 && wait.max() >= WAIT_NANOS.1);
        assert!(wait.value_at_quantile(0.5).abs_diff(250_000) <= 2_500);
        assert!(bytes(&sampled) <= 16 << 10, "{} bytes", bytes(&sampled));
    }
}
