//! Messages that come while views pin more than they may: what each costs beyond the others.

use std::time::Duration;

use odeon::{AssociationStats, TransportConfig};

use crate::{
    actors::{Done, Hoard, Owned, Sink, line},
    lock,
    pair::{Pair, pair},
    short::{COUNTED, WARM_UP, count, median, steps},
};

const BOUND: usize = 64 << 10;
/// Lines until the bound is reached: a view pins more than sixteen bytes.
const LINES_MAX: u64 = BOUND as u64 / 16;

/// Each short message is copied once more, into memory of its own: two allocations, for its bytes and for who shares them.
#[odeon::main]
pub(crate) async fn copied_out() {
    let config = TransportConfig { pinned_bytes_max: BOUND, ..Default::default() };
    let pair = pair(&config).await;
    let stats = || pair.nodes[1].on("a").stats().expect("it is a member");
    reach_the_bound(&pair, stats).await;

    let seen = pair.onlookers[1].seen.clone();
    let sink = pair.nodes[1].spawn(Sink { seen: seen.clone() }).await.expect("it starts");
    let far = pair.far(&sink);
    let before = stats();
    let send = async |line| far.tell(line).await.expect("it is taken");
    let cost = count(&pair, (&seen, &far), line, send).await;
    let after = stats();
    let arrival = median(steps(&lock(&seen).arrivals[WARM_UP as usize..]));
    println!("a line past the bound: {cost:?}, {arrival} on its arrival");
    assert_eq!((cost.sender, cost.worker), (0, 0), "neither hears of it");
    assert_eq!(arrival, 2, "its bytes, and who shares them");
    assert!((2.0..3.0).contains(&cost.endpoints[1]), "{cost:?}");
    // The asks have no bytes.
    assert_eq!(after.frames_copied_out - before.frames_copied_out, WARM_UP + COUNTED);
    // Once: the handler has the bytes where the frame was cut, and what moved beside them is beginnings of frames.
    let (moved, lines) = (after.bytes_moved - before.bytes_moved, lock(&seen).bytes);
    println!("{moved} bytes moved, of lines that have {lines}");
    assert!((lines..2 * lines).contains(&moved), "{moved} bytes moved of {lines}");
    assert_eq!(lock(&seen).not_in_place, 0);

    // Most of its slab, whose memory it keeps in place of being copied.
    for _ in 0..16 {
        let text = "x".repeat(40_000);
        far.tell(Owned { number: u64::MAX, text, more: String::new() }).await.expect("it is taken");
        far.ask(Done).await.expect("it is there");
    }
    assert_eq!(stats().frames_copied_out, after.frames_copied_out);
    for node in &pair.nodes {
        node.stop(Duration::from_secs(5)).await;
    }
}

/// Views are kept until they alone, without what the lanes have at hand, hold more than they may.
async fn reach_the_bound(pair: &Pair, stats: impl Fn() -> AssociationStats) {
    let hoard = pair.nodes[1].spawn_with::<Hoard>(1).await.expect("it starts");
    let far = pair.far(&hoard);
    for number in 0..LINES_MAX {
        far.tell(line(number)).await.expect("it is taken");
        far.ask(Done).await.expect("it is there");
        let stats = stats();
        if stats.pinned_bytes.saturating_sub(stats.at_hand_bytes) > BOUND as u64 {
            return;
        }
    }
    panic!("{LINES_MAX} views pin less than the bound: {:?}", stats());
}
