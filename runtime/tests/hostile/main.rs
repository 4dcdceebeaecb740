//! A hostile peer and a whole node on loopback: archives with bad pointers and a million levels, gossip that is none, and ids
//! that nobody knows, a million of them. The node answers what is an ask, holds no more for the second half than for the first, and others
//! notice nothing.

#![expect(unsafe_code, reason = "a counting allocator")]
#![expect(clippy::print_stdout, reason = "how much was held is what one looks for")]

mod nonsense;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use odeon::{
    ActorRef, Ca, Identity, MembershipConfig, Node, SpawnOptions, Validity,
    env::{Env, RealEnv},
};
use odeon_message::NodeId;
use odeon_transport::PeerId;

use nonsense::{Handled, Nonsense, Target, Victim, are_unreadable};

const LONG: Duration = Duration::from_secs(30);
/// Ten kinds of frames have one each, twice: a million.
const IDS: u64 = 50_000;
/// A flood is no death, on however slow a machine.
const SUSPICION: Duration = Duration::from_secs(600);

struct Counting;

/// Lengths of the pieces of memory that endpoints keep for the next bytes: a slab, and a batch of messages.
const POOLED: [usize; 2] = [64 << 10, 128 << 10];
/// The most bytes of them: each of three endpoints keeps 64 slabs and 32 batches, 8 MiB, and lanes have some in hand.
const POOLED_MAX: i64 = 32 << 20;

/// Bytes that the program holds on its heap: pieces that may be pooled, and all else.
static LIVE_POOLED: AtomicI64 = AtomicI64::new(0);
static LIVE: AtomicI64 = AtomicI64::new(0);

fn live(layout: Layout) -> &'static AtomicI64 {
    if POOLED.contains(&layout.size()) { &LIVE_POOLED } else { &LIVE }
}

// SAFETY: every call goes to the system's allocator; the counters are constant and have no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        live(layout).fetch_add(layout.size() as i64, Relaxed);
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        live(layout).fetch_sub(layout.size() as i64, Relaxed);
        // SAFETY: `ptr` came from the system's allocator above.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn papers(ca: &Ca, name: &str) -> Identity {
    let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(3600));
    ca.issue(name, validity).expect("a good name")
}

/// A node with a victim, and a friend that knows it.
async fn two(ca: &Ca) -> (Node, Node, ActorRef<Victim>) {
    let mut membership = MembershipConfig::lan(2);
    membership.suspicion = SUSPICION;
    let builder = |name| {
        let node = Node::builder(name).identity(papers(ca, name)).membership(membership.clone());
        node.actor::<Victim>().workers(1)
    };
    let node = builder("node").alone().start().await.expect("it starts");
    let options = SpawnOptions::default().named("victim");
    node.spawn_opts::<Victim>(Victim::default(), options).await.expect("it starts");
    let seed = node.addr().to_string();
    let friend = builder("friend").seed(seed).start().await.expect("it starts");
    assert!(friend.joined().await);
    let mut name = friend.on("node").follow::<Victim>("victim").await.expect("it runs");
    let victim = tokio::time::timeout(LONG, name.held()).await.expect("it is there");
    (node, friend, victim.expect("it runs"))
}

/// The least that is held within a second, without what may be pooled: what is only under way is not counted.
async fn held() -> i64 {
    let mut least = i64::MAX;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        least = least.min(LIVE.load(Relaxed));
    }
    least
}

async fn nonsense() {
    let ca = Ca::in_memory("hostile").expect("a good name");
    let (node, friend, victim) = two(&ca).await;
    let id = PeerId { node: NodeId::of("node"), incarnation: node.incarnation() };
    let actor = victim.address().expect("it is of another node").key;
    let socket = RealEnv.bind(([127, 0, 0, 1], 0).into()).expect("there is a port");
    let target = Target { node: id, addr: node.addr(), actor };
    let peer = Nonsense::start(Arc::new(RealEnv), socket, papers(&ca, "nonsense"), target).await;

    let asked = Rc::new(());
    let others = tokio::task::spawn_local({
        let (asked, victim) = (Rc::downgrade(&asked), victim.clone());
        async move {
            let mut handled = 0;
            while asked.upgrade().is_some() {
                handled += 1;
                assert_eq!(victim.ask(Handled).within(LONG).await, Ok(handled));
            }
            handled
        }
    });
    let failures = peer.bad_archives().await;
    assert!(are_unreadable(&failures), "{failures:?}");
    peer.gossip(20_000).await;
    peer.unknown_ids(0, IDS).await;
    let before = held().await;
    peer.unknown_ids(IDS, IDS).await;
    let grown = held().await - before;
    drop(asked);
    let handled = others.await.expect("a friend is answered as ever");
    let pooled = LIVE_POOLED.load(Relaxed);
    println!(
        "{grown} bytes more after as many ids again, {pooled} pooled, {handled} asks of a friend"
    );
    // Sixteen bytes that each id left behind would be seen.
    assert!(grown < 512 << 10, "it holds {grown} bytes more");
    assert!(pooled < POOLED_MAX, "it keeps {pooled} bytes for the next");

    let stats = node.cluster_stats();
    assert!(stats.gossip_refused > 1_000 && stats.faults == 0, "{stats:?}");
    let others: Vec<String> = node.members_now().into_iter().map(|member| member.name).collect();
    assert_eq!(others, ["friend"], "nobody was made up, and nobody was lost");
    let metrics = node.network_metrics();
    let of_peer = metrics.of("nonsense").expect("they have met");
    assert_eq!((of_peer.bad_frames, of_peer.connections), (0, 1), "{metrics}");
    let of_friend = metrics.of("friend").expect("they have met");
    assert_eq!((of_friend.bad_frames, of_friend.connections), (0, 1), "{metrics}");
    peer.stop().await;
    friend.stop(LONG).await;
    node.stop(LONG).await;
}

#[test]
fn a_node_bears_archives_that_are_none_and_a_million_ids_that_are_not_known() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let local = tokio::task::LocalSet::new();
    runtime.expect("a runtime starts").block_on(local.run_until(nonsense()));
}
