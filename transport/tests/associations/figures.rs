//! What is seen of an association from outside: figures that add up on both sides, and stalls where a receiver stopped.

use std::{sync::Arc, time::Duration};

use odeon_transport::{
    Association, Ca, HandshakeFailure, Identity, LaneMetrics, PeerMetrics, StreamMetrics, Validity,
};

use crate::{
    net::{Net, now},
    node::{Event, Plan, key, run, send, try_send},
};

const SECOND: Duration = Duration::from_secs(1);

fn lanes(metrics: &PeerMetrics) -> LaneMetrics {
    let mut sum = LaneMetrics::default();
    for lane in &metrics.lanes {
        sum.refused_credit += lane.refused_credit;
        sum.stalls += lane.stalls;
        sum.stalled += lane.stalled;
        sum.waiting_bytes += lane.waiting_bytes;
        sum.waiting_senders += lane.waiting_senders;
    }
    sum
}

/// What one side sent as the other received it.
fn sent(of: StreamMetrics) -> (u64, u64) {
    (of.frames_sent, of.bytes_sent)
}

fn received(of: StreamMetrics) -> (u64, u64) {
    (of.frames_received, of.bytes_received)
}

#[test]
fn what_one_side_sent_the_other_received() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        let to_b = a.to(&b);
        assert_eq!(to_b.metrics().up_for, None);
        for number in 0..2_000_u32 {
            // Over all lanes, and far beyond the credit of any receiver.
            send(&to_b, key(number % 7), &number.to_le_bytes()).await;
        }
        b.until("messages", |_| b.payloads().len() == 2_000).await;
        tokio::time::sleep(SECOND / 10).await;
        let (out, inn) = (to_b.metrics(), b.to(&a).metrics());
        assert_eq!((&out.name[..], out.id, out.remote_addr), ("b", b.id, Some(b.addr)));
        assert!(out.up_for.is_some_and(|up_for| up_for >= SECOND / 10));
        assert_eq!((out.connections, out.reconnects()), (1, 0));
        assert!(out.lanes.iter().filter(|lane| lane.stream.frames_sent > 0).count() > 1);
        for (ours, theirs) in out.lanes.iter().zip(&inn.lanes) {
            assert_eq!(ours.stream.frames_sent, theirs.stream.frames_received);
            // Each stream has its preamble beside its frames, which neither side counts.
            assert_eq!(sent(ours.stream), received(theirs.stream), "{ours:?} {theirs:?}");
            assert_eq!(sent(theirs.stream), received(ours.stream));
        }
        let frames = out.lanes.iter().map(|lane| lane.stream.frames_sent).sum::<u64>();
        assert_eq!(frames, 2_000, "{out}");
        assert!(inn.control.frames_sent > 0, "credit was granted: {inn}");
        assert_eq!(inn.control.frames_sent, out.control.frames_received);
        assert_eq!(out.control.frames_sent, inn.control.frames_received);
        let batches = out.lanes.iter().map(|lane| lane.stream.batches_sent).sum::<u64>();
        // One batch in eight is measured.
        assert!(
            (batches / 16..=batches).contains(&out.batch_bytes.samples),
            "{} of {batches}",
            out.batch_bytes
        );
        assert_eq!(out.batch_bytes.samples, out.lane_wait.samples);
        assert!(out.batch_bytes.max > 48, "{}", out.batch_bytes);
        assert!(out.lane_wait.samples > 0 && out.lane_wait.samples <= batches);
        let path = out.path.expect("QUIC carries");
        assert!(path.rtt_min >= 2 * crate::net::LATENCY && path.rtt < SECOND, "{path}");
        assert!(path.mtu >= 1200 && path.packets_sent > 0 && path.congestion_window > 0);
        assert!(path.bytes_sent > out.total().bytes_sent, "packets have headers");
        let metrics = a.transport.metrics();
        assert_eq!(metrics.of("b").map(|peer| peer.id), Some(b.id));
        assert!(metrics.handshakes.outbound.is_empty(), "{}", metrics.handshakes);
    });
}

/// Waits, as a sender does that nobody takes anything from.
fn blocked(to_b: &Arc<Association>) -> tokio::task::JoinHandle<()> {
    let to_b = Arc::clone(to_b);
    tokio::task::spawn_local(async move {
        send(&to_b, key(1), b"waited").await;
    })
}

#[test]
fn a_receiver_that_has_stopped_shows_as_stalls() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        b.log.hold.set(true);
        let to_b = a.to(&b);
        to_b.keep(true);
        a.until_up(1).await;
        while try_send(&to_b, key(1), b"x").is_ok() {}
        let before = lanes(&to_b.metrics());
        assert_eq!((before.stalls, before.waiting_senders), (0, 0), "nobody waits yet");
        assert_eq!(before.refused_credit, 1);
        let waiting = [blocked(&to_b), blocked(&to_b)];
        tokio::time::sleep(3 * SECOND).await;
        let stalled = lanes(&to_b.metrics());
        assert_eq!((stalled.stalls, stalled.waiting_senders), (1, 2));
        assert!(stalled.stalled >= 3 * SECOND && stalled.stalled < 4 * SECOND, "{stalled}");
        b.log.hold.set(false);
        b.log.held.borrow_mut().clear();
        for waiting in waiting {
            waiting.await.unwrap();
        }
        let after = lanes(&to_b.metrics());
        tokio::time::sleep(SECOND).await;
        let later = lanes(&to_b.metrics());
        assert_eq!((later.waiting_senders, later.stalls), (0, 1));
        assert_eq!(after.stalled, later.stalled, "the time stands still when nobody waits");
        assert!(later.stalled < 4 * SECOND);
    });
}

#[test]
fn frames_that_wait_for_a_connection_show_how_long() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        let to_b = a.to(&b);
        to_b.keep(true);
        a.until_up(1).await;
        send(&to_b, key(1), b"met").await;
        b.until("first", |_| b.payloads().len() == 1).await;
        net.cut(a.addr, b.addr);
        a.until("down", |events| events.iter().any(|event| matches!(event, Event::Down(..)))).await;
        // The second batch of eight is not measured, so there are some on all lanes.
        for slot in 0..64 {
            try_send(&to_b, key(slot), b"waits").unwrap();
        }
        tokio::time::sleep(2 * SECOND).await;
        let waiting = to_b.metrics();
        assert_eq!((waiting.up_for, waiting.path, waiting.remote_addr), (None, None, None));
        assert!(lanes(&waiting).waiting_bytes >= 64 * 48, "{waiting}");
        net.heal();
        b.until("all", |_| b.payloads().len() == 65).await;
        let after = to_b.metrics();
        assert_eq!(after.reconnects(), 1);
        assert!(after.lane_wait.max >= 2 * SECOND, "{}", after.lane_wait);
        assert_eq!(lanes(&after).waiting_bytes, 0);
    });
}

#[test]
fn handshakes_that_fail_are_told_apart() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let foreign = Ca::in_memory("demo").unwrap();
        let a = Plan::new(&net, &ca, "a", 1).start();
        let validity = Validity::from(now(), Duration::from_secs(86_400));
        let identity: Identity = foreign.issue("b", validity).unwrap();
        let b = Plan { identity, ..Plan::new(&net, &ca, "b", 2) }.start();
        b.transport.dial_seed(a.addr);
        b.until("refusal", |events| events.iter().any(|event| matches!(event, Event::Refused(_))))
            .await;
        tokio::time::sleep(6 * SECOND).await;
        let (theirs, ours) = (b.transport.metrics().handshakes, a.transport.metrics().handshakes);
        assert_eq!(theirs.outbound, [(HandshakeFailure::NotAuthenticated, 1)], "{theirs}");
        assert_eq!(ours.inbound, [(HandshakeFailure::NotAuthenticated, 1)], "{ours}");
        assert_eq!((ours.answering, ours.shed, ours.ended), (0, 0, 1));
    });
}
