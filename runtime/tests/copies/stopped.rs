//! A receiver that has stopped under a flood: its sender is held back by bytes, and memory stays flat for as long.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use odeon::{FailureKind, TransportConfig};
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    LIVE,
    actors::{Bulky, Done, Stuck},
    pair::pair,
};

const CREDIT_BYTES: u32 = 1 << 20;
/// A frame of a thousand bytes: its header, the archive with how long it is, and zeroes up to a multiple of 16.
const FRAME_BYTES: u64 = 32 + 1_008;
/// How long it is tried again and again.
const FLOOD: Duration = Duration::from_secs(3);

#[odeon::main]
pub(crate) async fn stopped() {
    let config = TransportConfig { credit_bytes: CREDIT_BYTES, ..Default::default() };
    let pair = pair(&config).await;
    let gate = Arc::new(Semaphore::new(0));
    let stuck = pair.nodes[1].spawn_with::<Stuck>(gate.clone()).await.expect("it starts");
    let far = pair.far(&stuck);
    let before = LIVE.load(Relaxed);
    let mut taken = 0;
    let mut flood = || {
        let refused = loop {
            match far.try_tell(Bulky { bytes: vec![7; 1_000] }) {
                Ok(()) => taken += 1,
                Err(refused) => break refused,
            }
        };
        assert_eq!(refused.failure.kind, FailureKind::Full, "{refused}");
        assert!(refused.message.is_some(), "it comes back");
        taken
    };
    // No credit comes back, because no turn ends: what is taken at first is all that is taken.
    let filled = flood();
    assert_eq!(filled, u64::from(CREDIT_BYTES) / FRAME_BYTES, "bytes hold it back");
    let began = Instant::now();
    let mut most = 0;
    while began.elapsed() < FLOOD {
        assert_eq!(flood(), filled, "more than there is credit for");
        most = most.max(LIVE.load(Relaxed) - before);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("{filled} messages are taken, and {most} bytes held at most");
    // In the sender's lane, on the wire and in slabs, each of which may be twice as long as what is in it.
    assert!(most < 6 * i64::from(CREDIT_BYTES), "{most} bytes are held");
    gate.add_permits(1);
    while far.ask(Done).await.expect("it is there") < filled {}
    for node in &pair.nodes {
        node.stop(Duration::from_secs(5)).await;
    }
}
