//! Asks that are answered with a stream, across nodes: order, bounds, cancelling, and every way in which one ends.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use odeon::{
    Actor, ActorRef, AskError, Certainty, Context, Handler, Items, Node, NodeBuilder, StartError,
    Stream, StreamError, SystemConfig, actor, message,
};
use odeon_sim::{LinkRule, World};

const SECOND: Duration = Duration::from_secs(1);

/// Numbers from `from` up to `to`, each with so many bytes beside it; the stream panics at `panics_at`.
#[message(id = "streaming/Count", stream = Number, error = Refused)]
#[derive(Clone)]
struct Count {
    from: u64,
    to: u64,
    bytes: u32,
    panics_at: Option<u64>,
}

#[odeon::data]
#[derive(Clone, Debug, PartialEq)]
struct Number {
    number: u64,
    ballast: Vec<u8>,
}

/// As short as an error can be.
#[odeon::data]
#[derive(Clone, Debug, PartialEq)]
struct Refused;

#[message(id = "streaming/Touch", reply = u64)]
struct Touch;

/// Ends the actor.
#[message(id = "streaming/End")]
struct End {
    panics: bool,
}

fn count(from: u64, to: u64) -> Count {
    Count { from, to, bytes: 8, panics_at: None }
}

/// What happens on a node, seen from outside.
#[derive(Clone, Default)]
struct Seen {
    given: Arc<AtomicU64>,
    open: Arc<AtomicU64>,
}

impl Seen {
    fn given(&self) -> u64 {
        self.given.load(SeqCst)
    }

    /// Sources that were made and not dropped.
    fn open(&self) -> u64 {
        self.open.load(SeqCst)
    }
}

struct Numbers {
    next: u64,
    count: Count,
    seen: Seen,
}

impl Stream for Numbers {
    type Item = Number;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<Number>> {
        let number = self.next;
        if number >= self.count.to {
            return Poll::Ready(None);
        }
        assert_ne!(Some(number), self.count.panics_at, "told to");
        self.next += 1;
        self.seen.given.fetch_add(1, SeqCst);
        Poll::Ready(Some(Number { number, ballast: vec![7; self.count.bytes as usize] }))
    }
}

impl Drop for Numbers {
    fn drop(&mut self) {
        self.seen.open.fetch_sub(1, SeqCst);
    }
}

struct Tap {
    seen: Seen,
}

#[actor(id = "streaming/Tap", handles(Count, Touch, End))]
impl Actor for Tap {
    type Args = Seen;

    async fn start(seen: Seen, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { seen })
    }
}

impl Handler<Count> for Tap {
    async fn handle(
        &mut self,
        count: Count,
        ctx: &mut Context<Self>,
    ) -> Result<Items<Number>, Refused> {
        if count.to == 0 {
            return Err(Refused);
        }
        self.seen.open.fetch_add(1, SeqCst);
        Ok(ctx.items(Numbers { next: count.from, count, seen: self.seen.clone() }))
    }
}

impl Handler<Touch> for Tap {
    async fn handle(&mut self, _: Touch, _: &mut Context<Self>) -> u64 {
        1
    }
}

impl Handler<End> for Tap {
    async fn handle(&mut self, end: End, ctx: &mut Context<Self>) {
        assert!(!end.panics, "told to");
        ctx.stop();
    }
}

/// Nodes a and b, and a's reference to the tap on b.
async fn two(
    world: &mut World,
    seen: &Seen,
    set: impl Fn(&mut SystemConfig) + Clone + 'static,
) -> (Node, ActorRef<Tap>) {
    let setup = move |builder: NodeBuilder| {
        let mut config = SystemConfig::default();
        set(&mut config);
        builder.system(config).actor::<Tap>()
    };
    let seen = seen.clone();
    world.start_member("a", setup.clone(), async |_| ());
    world.start_member("b", setup, move |node: Node| {
        let seen = seen.clone();
        async move {
            let tap = node.spawn_with::<Tap>(seen).await.expect("it starts");
            node.register("tap", &tap).expect("the name is free");
        }
    });
    world.all_joined(&["a", "b"], 10 * SECOND).await.expect("they find each other");
    let a = world.runtime_node("a").expect("it is up");
    let tap = a.on("b").lookup::<Tap>("tap").await.expect("b answers").expect("it is there");
    (a, tap)
}

async fn next(items: &mut Items<Number>) -> Option<Result<u64, StreamError>> {
    items.next().await.map(|item| item.map(|item| item.number))
}

/// Neither node has a stream, and no source is left.
async fn assert_settled(world: &mut World, seen: &Seen) {
    world.run_for(SECOND / 2).await;
    for name in ["a", "b"] {
        if let Some(node) = world.runtime_node(name) {
            assert_eq!(node.remote_streams(), (0, 0), "on {name}");
        }
    }
    assert_eq!(seen.open(), 0);
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn items_cross_nodes_in_order_and_the_end_follows(world: &mut World) {
    let seen = Seen::default();
    let (a, tap) = two(world, &seen, |_| ()).await;
    let mut items = tap.ask(count(0, 500)).await.expect("it begins");
    assert_eq!(a.remote_streams(), (1, 0));
    assert_eq!(a.remote_asks(), 0);
    for number in 0..500 {
        assert_eq!(next(&mut items).await, Some(Ok(number)));
    }
    assert_eq!((next(&mut items).await, next(&mut items).await), (None, None));
    let mut none = tap.ask(count(5, 5)).await.expect("it begins");
    assert_eq!(next(&mut none).await, None);
    let refused = tap.ask(count(0, 0)).await.expect_err("there is nothing to count");
    assert!(matches!(refused, AskError::Handler(Refused)), "{refused}");
    // Nobody reads what a tell is answered with.
    tap.tell(count(0, 9)).await.expect("it is taken");
    assert_settled(world, &seen).await;
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_slow_reader_holds_back_its_sender_and_nobody_else(world: &mut World) {
    let seen = Seen::default();
    let (_, tap) = two(world, &seen, |config| config.stream_items = 16).await;
    let mut slow = tap.ask(count(0, u64::MAX)).await.expect("it begins");
    world.run_for(SECOND).await;
    // One is in the hand of who sends, and one behind it.
    assert_eq!(seen.given(), 16 + 2);
    let mut fast = tap.ask(count(0, 1000)).await.expect("it begins");
    for number in 0..1000 {
        assert_eq!(next(&mut fast).await, Some(Ok(number)));
        if number % 100 == 0 {
            assert_eq!(tap.ask(Touch).await.expect("it goes on"), 1);
        }
    }
    assert_eq!(next(&mut fast).await, None);
    assert_eq!(seen.given(), 16 + 2 + 1000);
    for number in 0..100 {
        assert_eq!(next(&mut slow).await, Some(Ok(number)));
    }
    world.run_for(SECOND).await;
    assert!(seen.given() <= 1000 + 100 + 16 + 2, "{}", seen.given());
    drop(slow);
    assert_settled(world, &seen).await;
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn bytes_hold_it_back_as_well(world: &mut World) {
    let seen = Seen::default();
    let (_, tap) = two(world, &seen, |config| config.stream_bytes = 10_000).await;
    let large = Count { bytes: 3_000, ..count(0, 50) };
    let mut items = tap.ask(large).await.expect("it begins");
    world.run_for(SECOND).await;
    // The fourth goes beyond.
    assert_eq!(seen.given(), 4 + 2);
    for number in 0..50 {
        assert_eq!(next(&mut items).await, Some(Ok(number)));
    }
    assert_eq!(next(&mut items).await, None);
    // One that no frame takes ends the stream.
    let mut items = tap.ask(Count { bytes: 2 << 20, ..count(0, 2) }).await.expect("it begins");
    let error = next(&mut items).await.expect("it does not end well").expect_err("it is too long");
    assert!(matches!(error, AskError::Unsendable(_)), "{error}");
    assert_settled(world, &seen).await;
}

#[odeon_sim::test(seeds = 0..20, link = both)]
async fn dropping_a_stream_reaches_its_source(world: &mut World) {
    let seen = Seen::default();
    let (_, tap) = two(world, &seen, |_| ()).await;
    let mut items = tap.ask(count(0, u64::MAX)).await.expect("it begins");
    for number in 0..world.random("how many").below(200) {
        assert_eq!(next(&mut items).await, Some(Ok(number)));
    }
    drop(items);
    assert_settled(world, &seen).await;
    let given = seen.given();
    world.run_for(SECOND).await;
    assert_eq!(seen.given(), given);
    // An asker that gives up at any moment leaves nothing behind either.
    for millis in 0..10 {
        let ask = tap.ask(count(0, u64::MAX)).within(Duration::from_millis(millis));
        drop(ask.await);
    }
    assert_settled(world, &seen).await;
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn the_end_of_the_actor_comes_behind_its_items(world: &mut World) {
    world.expect_panics("streaming.rs", "told to");
    let seen = Seen::default();
    let (_, tap) = two(world, &seen, |_| ()).await;
    let panics = Count { panics_at: Some(10), ..count(0, 20) };
    let mut items = tap.ask(panics).await.expect("it begins");
    for number in 0..10 {
        assert_eq!(next(&mut items).await, Some(Ok(number)));
    }
    let error = next(&mut items).await.expect("it panics").expect_err("it panics");
    assert!(matches!(error, AskError::Panicked(_)), "{error}");
    assert_eq!(error.certainty(), Certainty::Ran);
    assert_eq!(next(&mut items).await, None);
    assert_settled(world, &seen).await;
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_stop_ends_the_stream_as_stopped(world: &mut World) {
    let seen = Seen::default();
    let (_, tap) = two(world, &seen, |_| ()).await;
    let mut items = tap.ask(count(0, u64::MAX)).await.expect("it begins");
    assert_eq!(next(&mut items).await, Some(Ok(0)));
    tap.tell(End { panics: false }).await.expect("it is taken");
    let mut expected = 1;
    let error = loop {
        match next(&mut items).await.expect("it does not end well") {
            Ok(number) => assert_eq!(number, expected),
            Err(error) => break error,
        }
        expected += 1;
    };
    assert!(matches!(error, AskError::Stopped(_)), "{error}");
    assert_settled(world, &seen).await;
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn the_stop_of_a_node_ends_its_streams(world: &mut World) {
    let seen = Seen::default();
    let (_, tap) = two(world, &seen, |_| ()).await;
    let mut items = tap.ask(count(0, u64::MAX)).await.expect("it begins");
    assert_eq!(next(&mut items).await, Some(Ok(0)));
    let b = world.runtime_node("b").expect("it is up");
    let stopping = tokio::task::spawn_local(async move { b.stop(SECOND).await });
    let error = loop {
        match next(&mut items).await.expect("it does not end well") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AskError::Stopped(_)), "{error}");
    stopping.await.expect("it does not panic");
    assert_eq!(seen.open(), 0);
}

/// Reads until the stream ends; how far it came, and how it ended.
async fn read_on(a: &Node, from: u64, to: u64) -> (u64, bool) {
    // A node that was thought dead comes back in a new life, with the same actors.
    let Ok(Some(tap)) = a.on("b").lookup::<Tap>("tap").await else { return (from, false) };
    let Ok(mut items) = tap.ask(count(from, to)).within(2 * SECOND).await else {
        return (from, false);
    };
    let mut expected = from;
    loop {
        match next(&mut items).await {
            Some(Ok(number)) => assert_eq!(number, expected, "in order, and once each"),
            Some(Err(error)) => {
                assert!(matches!(error, AskError::Unreachable(_)), "{error}");
                assert_eq!(error.certainty(), Certainty::Ran);
                assert_eq!(next(&mut items).await, None);
                return (expected, false);
            }
            None => return (expected, expected == to),
        }
        expected += 1;
        // Slow enough for something to happen meanwhile.
        if expected.is_multiple_of(16) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[odeon_sim::test(seeds = 0..15, link = both)]
async fn over_a_link_that_fails_items_are_in_order_and_once_each(world: &mut World) {
    let seen = Seen::default();
    let (a, _) = two(world, &seen, |config| config.stream_items = 32).await;
    let rule = LinkRule { loss: 0.05, duplicate: 0.05, reorder: 0.1, ..LinkRule::default() };
    world.set_link("a", "b", rule);
    let reader = tokio::task::spawn_local(async move {
        let (mut from, mut attempts) = (0, 0);
        loop {
            attempts += 1;
            let (reached, is_done) = read_on(&a, from, 3_000).await;
            from = reached;
            if is_done {
                return attempts;
            }
            assert!(attempts < 200, "it comes through in the end");
            tokio::time::sleep(SECOND / 10).await;
        }
    });
    let random = world.random("faults");
    let breaks = world.seed().is_multiple_of(2);
    for _ in 0..3 {
        world.run_for(Duration::from_millis(100 + random.below(400))).await;
        world.partition(&["a"], &["b"]);
        // Longer than a connection bears, or shorter.
        let millis = if breaks { 5_000 + random.below(1_000) } else { 100 + random.below(400) };
        world.run_for(Duration::from_millis(millis)).await;
        world.heal();
    }
    let attempts = reader.await.expect("it does not panic");
    assert_eq!(attempts > 1, breaks, "{attempts} attempts");
    assert_settled(world, &seen).await;
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_crash_of_the_sender_ends_the_stream_behind_what_arrived(world: &mut World) {
    let seen = Seen::default();
    let (a, tap) = two(world, &seen, |_| ()).await;
    let mut items = tap.ask(count(0, u64::MAX)).await.expect("it begins");
    assert_eq!(next(&mut items).await, Some(Ok(0)));
    world.crash("b");
    let mut expected = 1;
    let error = loop {
        match next(&mut items).await.expect("it does not end well") {
            Ok(number) => assert_eq!(number, expected),
            Err(error) => break error,
        }
        expected += 1;
    };
    assert!(matches!(error, AskError::Unreachable(_)), "{error}");
    assert_eq!(error.certainty(), Certainty::Ran);
    assert_eq!(next(&mut items).await, None);
    assert_eq!(a.remote_streams(), (0, 0));
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_crash_of_the_reader_ends_the_source(world: &mut World) {
    let seen = Seen::default();
    let (_, tap) = two(world, &seen, |_| ()).await;
    let items = tap.ask(count(0, u64::MAX)).await.expect("it begins");
    world.run_for(SECOND / 10).await;
    assert_eq!(seen.open(), 1);
    world.crash("a");
    world.run_for(10 * SECOND).await;
    assert_eq!(seen.open(), 0);
    assert_eq!(world.runtime_node("b").expect("it is up").remote_streams(), (0, 0));
    drop(items);
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn streams_beyond_the_bound_wait_in_line(world: &mut World) {
    let seen = Seen::default();
    let (a, tap) = two(world, &seen, |config| config.streams_max = 2).await;
    let open = async |tap: &ActorRef<Tap>| tap.ask(count(0, u64::MAX)).within(2 * SECOND).await;
    let first = open(&tap).await.expect("there is room");
    let second = open(&tap).await.expect("there is room");
    let third = open(&tap).await.expect_err("there is none");
    assert!(matches!(third, AskError::Deadline(_)), "{third}");
    assert_eq!(third.certainty(), Certainty::NotDelivered);
    let waits = tap.clone();
    let waits = tokio::task::spawn_local(async move { open(&waits).await });
    world.run_for(SECOND).await;
    assert_eq!(a.remote_streams(), (2, 0));
    assert_eq!(tap.ask(Touch).await.expect("other asks have places of their own"), 1);
    drop(first);
    let mut third = waits.await.expect("it does not panic").expect("there is room again");
    assert_eq!(next(&mut third).await, Some(Ok(0)));
    drop((second, third));
    assert_settled(world, &seen).await;
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_stream_that_is_silent_for_too_long_is_cancelled(world: &mut World) {
    let seen = Seen::default();
    let (_, tap) = two(world, &seen, |_| ()).await;
    let mut items = tap.ask(count(0, u64::MAX)).await.expect("it begins").within(SECOND);
    assert_eq!(next(&mut items).await, Some(Ok(0)));
    world.partition(&["a"], &["b"]);
    let error = loop {
        match next(&mut items).await.expect("it does not end well") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AskError::Deadline(_)), "{error}");
    world.heal();
    world.run_for(10 * SECOND).await;
    assert_settled(world, &seen).await;
}
