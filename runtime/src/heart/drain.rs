//! The drain: what a node finishes before it stops.
//!
//! In this order: other nodes lose its names, new asks of theirs are refused, asks and streams that they began are
//! finished, and a moment is waited for in which no mailbox holds a message. All of it is bounded, and what has not been
//! finished by then fares as under a stop. What it is NOT: the stop itself, which follows (`heart.rs`).

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{Heart, Time, told_to_stop};

/// How long new asks are still taken after the names are hidden: news of that takes a round trip to others, and whoever
/// has not heard it yet shall not be refused. At most a tenth of the whole drain.
const LEAD: Duration = Duration::from_millis(250);

/// Pause between two looks at what is unfinished: short beside what a person or a supervisor waits for.
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// The drain keeps so many parts of its time, of five, for what others began; the rest is for the stop.
const WORK_PARTS: u32 = 4;

impl Heart {
    /// Finishes what others began, for as long as there is time, or until somebody gives less.
    pub(super) async fn drain(&mut self, time: &mut Time) {
        let now = Instant::now();
        // Beyond that nobody counts.
        let end = time.end().unwrap_or(now + Duration::from_secs(86_400));
        let left = end.saturating_duration_since(now);
        let node = self.node.clone();
        tracing::info!(node = node.name(), "draining: nothing new is taken");
        tokio::select! {
            biased;
            // Whoever does not want to wait any longer.
            within = told_to_stop(&mut self.stop) => time.shorten(within),
            () = self.phases.was_superseded() => time.shorten(Duration::ZERO),
            Some(_) = self.tasks.join_next() => time.shorten(Duration::ZERO),
            () = self.gate.empty(&node, left) => {}
            () = sleep_until(now + left / 5 * WORK_PARTS) => {
                let (asks, streams) = (self.gate.asks(), node.remote_streams().1);
                tracing::warn!(
                    node = node.name(), asks, streams,
                    "what other nodes asked for was not finished in time: it is given up; see runbook: drain-timeout"
                );
            }
        }
    }
}

impl crate::drain::Gate {
    /// Closes the gate and waits until nothing is left behind it.
    async fn empty(&self, node: &crate::Node, within: Duration) {
        self.hide();
        sleep(LEAD.min(within / 10)).await;
        self.close();
        while self.asks() > 0 || node.remote_streams().1 > 0 {
            sleep(LOOK_PAUSE).await;
        }
        // What was told, and not asked. Actors that never rest are stopped all the same.
        let quiet = async {
            while node.metrics().await.types.iter().any(|of_type| of_type.depth > 0) {
                sleep(LOOK_PAUSE).await;
            }
        };
        let _ = timeout(within / 5, quiet).await;
    }
}
