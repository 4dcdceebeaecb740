//! Short messages: where they lie, and what each allocates.

use std::{sync::Mutex, time::Duration};

use odeon::{ActorRef, TransportConfig};

use crate::{
    ALLOCATIONS,
    actors::{Done, Seen, Sink, ask_line, ask_owned, line, owned},
    lock,
    pair::{Pair, pair},
};

pub(crate) const WARM_UP: u64 = 4_000;
pub(crate) const COUNTED: u64 = 10_000;

pub(crate) fn median(mut counts: Vec<u64>) -> u64 {
    counts.sort_unstable();
    counts[counts.len() / 2]
}

/// What was added from each count to the next.
pub(crate) fn steps(counts: &[u64]) -> Vec<u64> {
    counts.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// What one message cost: on the caller's thread, on the worker's, and on those of the endpoints together.
#[derive(Debug)]
pub(crate) struct Cost {
    pub(crate) sender: u64,
    pub(crate) worker: u64,
    pub(crate) endpoints: [f64; 2],
}

/// Sends so many and counts; `send` sends one, whose value was made before.
pub(crate) async fn count<M>(
    pair: &Pair,
    (seen, far): (&Mutex<Seen>, &ActorRef<Sink>),
    make: impl Fn(u64) -> M,
    send: impl AsyncFn(M),
) -> Cost {
    lock(seen).prepare((WARM_UP + COUNTED) as usize);
    let mut sender = Vec::with_capacity(COUNTED as usize);
    let mut before = [0; 2];
    for number in 0..WARM_UP + COUNTED {
        if number == WARM_UP {
            while far.ask(Done).await.expect("it is there") < WARM_UP {}
            before = pair.endpoints().await;
        }
        let message = make(number);
        let allocated = ALLOCATIONS.get();
        send(message).await;
        if number >= WARM_UP {
            sender.push(ALLOCATIONS.get() - allocated);
        }
    }
    while far.ask(Done).await.expect("it is there") < WARM_UP + COUNTED {}
    let after = pair.endpoints().await;
    let seen = lock(seen);
    let worker = steps(&seen.allocations[WARM_UP as usize..]);
    let endpoint = |at: usize| (after[at] - before[at]) as f64 / COUNTED as f64;
    Cost { sender: median(sender), worker: median(worker), endpoints: [endpoint(0), endpoint(1)] }
}

/// What part of the messages the writer found where they had been archived, and what part of what came was copied twice.
#[odeon::main]
pub(crate) async fn tells() -> (f64, f64) {
    let pair = pair(&TransportConfig::default()).await;
    let seen = pair.onlookers[1].seen.clone();
    let sink = Sink { seen: seen.clone() };
    let sink = pair.nodes[1].spawn(sink).await.expect("it starts");
    let far = pair.far(&sink);
    let room = (WARM_UP + COUNTED) as usize;
    lock(&pair.onlookers[0].sent).archived.reserve(room);

    let send = async |line| far.tell(line).await.expect("it is taken");
    let viewed = count(&pair, (&seen, &far), line, send).await;
    let arrival = median(steps(&lock(&seen).arrivals[WARM_UP as usize..]));
    println!("a line that is viewed: {viewed:?}, {arrival} on its arrival");
    let send = async |owned| far.tell(owned).await.expect("it is taken");
    let handled = count(&pair, (&seen, &far), owned, send).await;
    println!("a line that becomes a value: {handled:?}");

    assert_eq!((viewed.sender, handled.sender), (0, 0), "archived into the lane's buffer");
    assert_eq!(arrival, 0, "blocks and slabs are used again");
    assert_eq!(viewed.worker, 0, "read where it lies");
    assert_eq!(handled.worker, 2, "its two strings");
    for cost in [&viewed, &handled] {
        assert!(cost.endpoints.iter().all(|count| *count < 1.0), "{cost:?}");
    }

    // The sender's side: bytes that QUIC was given lay where they had been archived, unless their buffer had grown.
    let in_place = {
        let sent = lock(&pair.onlookers[0].sent);
        println!("archived {} in what was written, {} not", sent.in_place, sent.archived.len());
        sent.in_place as f64 / (sent.in_place + sent.archived.len() as u64) as f64
    };
    // The receiver's side: a view is where its frame was cut from its stream, and that was copied there once, but for frames
    // that a packet has cut in two.
    assert_eq!(lock(&seen).not_in_place, 0);
    let stats = pair.nodes[1].on("a").stats().expect("it is a member");
    let moved = stats.bytes_moved as f64 / stats.bytes_received as f64;
    println!("{:.2} % of what was received was copied a second time", moved * 100.0);
    for node in &pair.nodes {
        node.stop(Duration::from_secs(5)).await;
    }
    (in_place, moved)
}

/// Asks, one at a time: so that nothing but them is under way on the caller's thread and on the worker's.
#[odeon::main]
pub(crate) async fn asks() {
    let pair = pair(&TransportConfig::default()).await;
    let seen = pair.onlookers[1].seen.clone();
    let sink = pair.nodes[1].spawn(Sink { seen: seen.clone() }).await.expect("it starts");
    let far = pair.far(&sink);

    let send = async |line| assert!(far.ask(line).await.is_ok());
    let viewed = count(&pair, (&seen, &far), ask_line, send).await;
    println!("an asked line that is viewed: {viewed:?}");
    let send = async |owned| assert!(far.ask(owned).await.is_ok());
    let handled = count(&pair, (&seen, &far), ask_owned, send).await;
    println!("an asked line that becomes a value: {handled:?}");

    // Nothing for the archive, which goes into the lane's buffer: it is for the wait, outside of actors.
    assert_eq!((viewed.sender, handled.sender), (3, 3), "{viewed:?} {handled:?}");
    assert_eq!((viewed.worker, handled.worker), (2, 4), "for the way back; its two strings");
    // Each comes in packets of its own, whose memory is counted too.
    for cost in [&viewed, &handled] {
        assert!(cost.endpoints.iter().all(|count| *count < 9.0), "{cost:?}");
    }
    for node in &pair.nodes {
        node.stop(Duration::from_secs(5)).await;
    }
}
