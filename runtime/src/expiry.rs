//! A word before certificates run out.
//!
//! What it is: one task on the endpoint's thread that looks at the certificates in use by the wall clock, and says once a
//! day in the log that there is little time left. What it is NOT: a renewal; whoever renews them puts other files there
//! (`rotation.rs`). The same times are in the metrics.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use odeon_env::Env;
use odeon_transport::{CertificateValidity, Peers, Validity};
use tokio::time::{Instant, sleep};

const DAY: Duration = Duration::from_secs(86_400);

/// Pause between two looks, at least and at most: other papers may have been taken meanwhile. Of what holds for less than
/// twelve hours, a twelfth.
const LOOK_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3_600));

/// How long before its end a node's certificate is spoken of; one that holds for less than three times as long, in its
/// last third.
const NODE_BEFORE: Duration = Duration::from_secs(14 * 86_400);

/// The same of an authority's, whose change takes a certificate for each node.
const AUTHORITY_BEFORE: Duration = Duration::from_secs(60 * 86_400);

/// Looks again and again, for as long as the node lives.
pub(crate) async fn watch(env: Arc<dyn Env>, peers: Peers) {
    let mut says_at = [Instant::now(); 2];
    loop {
        let mut pause = LOOK_PAUSE.1;
        if let Some(CertificateValidity { node, authority, .. }) = peers.certificate_validity() {
            let all = [("node", node, NODE_BEFORE), ("authority", authority, AUTHORITY_BEFORE)];
            for ((whose, validity, before), says_at) in all.into_iter().zip(&mut says_at) {
                pause = pause.min(whole(validity) / 12);
                let left = little_left(validity, before, env.wall_clock());
                if let Some(left) = left.filter(|_| Instant::now() >= *says_at) {
                    say(whose, left);
                    *says_at = Instant::now() + DAY;
                }
            }
        }
        sleep(pause.max(LOOK_PAUSE.0)).await;
    }
}

/// How long it holds in all.
fn whole(validity: Validity) -> Duration {
    validity.not_after.duration_since(validity.not_before).unwrap_or_default()
}

/// How much time is left, if it is little.
fn little_left(validity: Validity, before: Duration, now: SystemTime) -> Option<Duration> {
    let whole = whole(validity);
    let left = validity.not_after.duration_since(now).unwrap_or_default();
    (left < before.min(whole / 3)).then_some(left)
}

fn say(whose: &str, left: Duration) {
    let hours_left = left.as_secs() / 3_600;
    if left.is_zero() {
        tracing::error!(
            certificate = whose,
            "a certificate has run out: no new connection comes about with it; see runbook: certificate-expiring"
        );
    } else {
        tracing::warn!(
            certificate = whose,
            hours_left,
            "a certificate runs out soon: give this node another one; see runbook: certificate-expiring"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_epoch(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn little_is_left_before_the_end_and_in_the_last_third_of_what_is_short() {
        let year = Validity { not_before: from_epoch(0), not_after: from_epoch(365 * 86_400) };
        let at = |day: u64| little_left(year, NODE_BEFORE, from_epoch(day * 86_400));
        assert_eq!((at(0), at(351)), (None, None));
        assert_eq!(at(352), Some(13 * DAY));
        assert_eq!(at(400), Some(Duration::ZERO), "it has run out");
        let day = Validity { not_before: from_epoch(0), not_after: from_epoch(86_400) };
        let at = |hour: u64| little_left(day, NODE_BEFORE, from_epoch(hour * 3_600));
        assert_eq!((at(16), at(17)), (None, Some(7 * DAY / 24)));
    }
}
