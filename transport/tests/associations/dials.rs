//! Dials that nobody answers: how long a node waits between them.

use std::time::Duration;

use odeon_transport::{Ca, TransportConfig};
use tokio::time::Instant;

use crate::{
    net::Net,
    node::{Plan, config, run},
};

/// How long a dial lasts that nobody answers.
const UNANSWERED: Duration = Duration::from_millis(100);
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// Pauses between the dials of a node at this port to one that is cut off.
async fn pauses(port: u16) -> Vec<Duration> {
    let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
    let config = TransportConfig {
        handshake_timeout: UNANSWERED,
        backoff_min: BACKOFF_MIN,
        backoff_max: BACKOFF_MAX,
        undeliverable_after: Duration::from_secs(3600),
        ..config()
    };
    let a = Plan { config, ..Plan::new(&net, &ca, "a", port) }.start();
    let b = Plan::new(&net, &ca, "b", 9).start();
    net.cut(a.addr, b.addr);
    net.record(a.addr);
    a.to(&b).keep(true);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let mut dials: Vec<(Vec<u8>, Instant)> = Vec::new();
    for (sent, packet) in net.recorded() {
        // A long header: one byte, four of the version, then the length of the id that the dialler has drawn for the
        // other side, which all packets of one dial carry (RFC 9000, 17.2).
        assert!(packet[0] & 0x80 != 0, "nobody has answered");
        let dial = packet[6..6 + usize::from(packet[5])].to_vec();
        if dials.last().is_none_or(|(last, _)| *last != dial) {
            dials.push((dial, sent));
        }
    }
    dials.windows(2).map(|pair| pair[1].1 - pair[0].1 - UNANSWERED).collect()
}

/// Each pause is twice the one before, up to a bound, and by lot from half of that to all of it.
#[test]
fn pauses_between_dials_double_up_to_a_bound_and_are_drawn_by_lot() {
    run(async {
        let [one, other] = [pauses(1).await, pauses(2).await];
        for pauses in [&one, &other] {
            assert!(pauses.len() > 20, "{pauses:?}");
            let mut whole = BACKOFF_MIN;
            for pause in pauses {
                // Timers have whole milliseconds.
                let allowed = whole / 2..=whole + Duration::from_millis(2);
                assert!(allowed.contains(pause), "{pause:?} is not in {allowed:?} of {pauses:?}");
                whole = (2 * whole).min(BACKOFF_MAX);
            }
            let longest = pauses.iter().max().copied().unwrap_or_default();
            assert!(longest > BACKOFF_MAX * 3 / 4, "drawn from all of it: {pauses:?}");
        }
        // Nodes that lost the same peer at once do not dial it at once.
        let near = |(one, other): (&Duration, &Duration)| one.abs_diff(*other) < BACKOFF_MIN / 2;
        let alike = one.iter().zip(&other).skip(6).filter(|pair| near(*pair)).count();
        assert!(alike < 5, "{one:?} {other:?}");
    });
}
