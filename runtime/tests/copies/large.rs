//! Messages that are longer than any slab or batch.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use odeon::TransportConfig;

use crate::{
    LONG,
    actors::{Done, Large, Sink},
    lock,
    pair::pair,
};

/// Large messages are archived into memory that earlier ones have left, and received into such memory, without a copy more.
#[odeon::main]
pub(crate) async fn large() {
    const LARGE_BYTES: usize = 1 << 20;
    const MESSAGES: u64 = 64;
    let pair = pair(&TransportConfig::default()).await;
    let seen = pair.onlookers[1].seen.clone();
    let sink = pair.nodes[1].spawn(Sink { seen: seen.clone() }).await.expect("it starts");
    let far = pair.far(&sink);
    let stats = || pair.nodes[1].on("a").stats().expect("it is a member");
    let mut rounds = Vec::new();
    for _ in 0..3 {
        lock(&seen).allocations.clear();
        let large = |number| Large { number, bytes: vec![7; LARGE_BYTES] };
        // Made before anything is counted.
        let messages: Vec<_> = (0..MESSAGES).map(large).collect();
        let (long, before) = (LONG.load(Relaxed), stats());
        for message in messages {
            far.tell(message).await.expect("it is taken");
        }
        while far.ask(Done).await.expect("it is there") < MESSAGES {}
        let (long, after) = (LONG.load(Relaxed) - long, stats());
        let moved = (after.bytes_moved - before.bytes_moved) as f64;
        rounds.push((long, moved / (after.bytes_received - before.bytes_received) as f64));
    }
    println!("long allocations, and part of the bytes that was copied a second time: {rounds:?}");
    let (long, moved) = rounds[2];
    // As many as are under way at once may be a few more than in the rounds before.
    assert!(long < MESSAGES / 4, "{long} long allocations for {MESSAGES} messages");
    assert!(moved < 0.1, "{:?}", stats());
    for node in &pair.nodes {
        node.stop(Duration::from_secs(5)).await;
    }
}
