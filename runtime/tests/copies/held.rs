//! Views that stay.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use odeon::TransportConfig;

use crate::{
    LIVE,
    actors::{Done, Hoard, LetGo, line},
    pair::pair,
};

/// A handler that lets one view in a hundred stay: memory grows by what stays, not by the slabs around it, and all of it
/// is given back.
#[odeon::main]
pub(crate) async fn held() {
    const BOUND: usize = 1 << 20;
    const MESSAGES: u64 = 60_000;
    let config = TransportConfig { pinned_bytes_max: BOUND, ..Default::default() };
    let pair = pair(&config).await;
    let hoard = pair.nodes[1].spawn_with::<Hoard>(100).await.expect("it starts");
    let far = pair.far(&hoard);
    let stats = || pair.nodes[1].on("a").stats().expect("it is a member");
    let mut most = 0;
    let mut half = 0;
    for number in 0..MESSAGES {
        far.tell(line(number)).await.expect("it is taken");
        if number % 1000 == 0 {
            far.ask(Done).await.expect("it is there");
            most = most.max(stats().pinned_bytes);
        }
        if number == MESSAGES / 2 {
            half = LIVE.load(Relaxed);
        }
    }
    let kept = far.ask(Done).await.expect("it is there");
    assert_eq!(kept, MESSAGES / 100);
    let grown = LIVE.load(Relaxed) - half;
    println!("{:?}; {most} bytes pinned at most; grown by {grown} in the second half", stats());
    // What is kept has its own bytes past the bound; beside them are the slabs of the streams and of one burst.
    assert!(most <= (BOUND + (600 << 10)) as u64, "{most}");
    assert!(stats().frames_copied_out > 0);
    // 300 more are kept, which would pin as many slabs; the pool and QUIC's windows may differ by some.
    assert!(grown < 4 << 20, "memory stays flat: {grown}");
    far.ask(LetGo).await.expect("it is there");
    assert!(stats().pinned_bytes <= 600 << 10, "{:?}", stats());
    for node in &pair.nodes {
        node.stop(Duration::from_secs(5)).await;
    }
}
