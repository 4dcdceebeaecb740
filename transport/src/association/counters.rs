//! What is counted on one association, in plain atomics.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What was counted on one association since it exists.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct AssociationStats {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The same, being counted.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: AtomicU64,)*
        }

        impl Counters {
            pub(crate) fn read(&self) -> AssociationStats {
                AssociationStats { $($name: self.$name.load(Ordering::Relaxed),)* }
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
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

impl Counters {
    /// Changes whenever something was sent or received.
    pub(crate) fn activity(&self) -> u64 {
        let counters = [
            &self.frames_sent,
            &self.frames_received,
            &self.datagrams_sent,
            &self.datagrams_received,
        ];
        counters.iter().map(|counter| counter.load(Ordering::Relaxed)).sum()
    }
}
