//! Actors of several nodes that wait for each other: circles are told, with names, and nothing else is called one.

use std::{
    future::{Future, IntoFuture, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use odeon::{
    Actor, ActorRef, ActorSystem, Address, AskError, Certainty, Context, Handler, Node,
    NodeBuilder, Responder, StartError, SystemConfig, actor, data, message,
};
use odeon_sim::{Latency, LinkRule, World};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
/// So long an ask waits that meets no circle. Circles are found long before.
const LONG: Duration = Duration::from_secs(600);

/// What an actor does in a handler.
#[data]
#[derive(Clone, Debug)]
struct Deed {
    /// Milliseconds before.
    pause: u64,
    /// Whom it asks then; of several, all at once.
    asks: Vec<Call>,
}

#[data]
#[derive(Clone, Debug)]
struct Call {
    to: u8,
    /// Milliseconds until it gives up; 0 is long.
    within: u64,
    /// What the asked actor does, as a text: a type cannot hold itself.
    then: String,
}

#[message(id = "circles/Go", reply = ())]
struct Go {
    id: u64,
    deeds: Vec<Deed>,
}

/// Is answered after a while, by a task; the actor takes the next message meanwhile.
#[message(id = "circles/Later", reply = ())]
struct Later {
    millis: u64,
}

/// A wait of one actor for another, as the actors themselves see it.
#[derive(Clone, Debug)]
struct Wait {
    id: u64,
    from: usize,
    to: usize,
    began: Instant,
    ended: Option<Instant>,
    /// When the asked handler was done.
    answered: Option<Instant>,
    ran: bool,
    failure: Option<(&'static str, Certainty, String)>,
}

#[derive(Default)]
struct Book {
    /// As every node can use them.
    knots: Mutex<Vec<Address>>,
    names: Mutex<Vec<String>>,
    ids: AtomicU64,
    waits: Mutex<Vec<Wait>>,
}

impl Book {
    fn waits(&self) -> MutexGuard<'_, Vec<Wait>> {
        // Actors that are dropped after an assertion has failed write in it too.
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, id: u64, change: impl FnOnce(&mut Wait)) {
        let mut waits = self.waits();
        if let Some(wait) = waits.iter_mut().find(|wait| wait.id == id) {
            change(wait);
        }
    }

    fn deadlocks(&self) -> Vec<Wait> {
        let waits = self.waits();
        let told = |wait: &&Wait| wait.failure.as_ref().is_some_and(|told| told.0 == "deadlock");
        waits.iter().filter(told).cloned().collect()
    }

    /// What was told is true: there was a moment at which each of those named waited for the next, whose handler was
    /// not done; and who was told is the first of them.
    fn assert_circles(&self) {
        let (names, waits) = (self.names.lock().expect("it holds").clone(), self.waits().clone());
        for told in waits.iter().filter(|wait| wait.failure.is_some()) {
            let Some((kind, certainty, detail)) = &told.failure else { continue };
            assert!(*certainty != Certainty::NotDelivered || !told.ran, "{told:?}");
            if *kind != "deadlock" {
                continue;
            }
            let place = |name: &str| {
                let at = names.iter().position(|known| known == name);
                at.unwrap_or_else(|| panic!("{name} is nobody of {names:?}"))
            };
            let detail = detail.split(':').next().unwrap_or_default();
            // A circle of one node says nothing of nodes.
            let node = ["a", "b", "c"][told.from % 3];
            let full = |name: &str| match name.contains(" on ") {
                true => name.to_owned(),
                false => format!("{name} on {node}"),
            };
            let circle = detail.split(" -> ").map(full).map(|name| place(&name));
            let circle = circle.collect::<Vec<_>>();
            assert_eq!((circle[0], circle[1]), (told.from, told.to), "{told:?}");
            assert_eq!(circle.last(), circle.first(), "{told:?}");
            let spans = circle.windows(2).map(|pair| {
                let between = waits.iter().filter(|wait| [wait.from, wait.to] == *pair);
                let span = |wait: &Wait| {
                    let end = wait.ended.into_iter().chain(wait.answered).min();
                    (wait.began, end.unwrap_or_else(Instant::now))
                };
                between.map(span).collect::<Vec<_>>()
            });
            let spans = spans.collect::<Vec<_>>();
            // Only where a wait begins can a moment begin at which all are there.
            let is_whole = |at: Instant| {
                spans.iter().all(|of| of.iter().any(|(began, end)| *began <= at && at <= *end))
            };
            let whole = spans.iter().flatten().any(|(began, _)| is_whole(*began));
            assert!(whole, "no circle: {told:?} in {waits:#?}");
        }
    }
}

struct Knot {
    at: usize,
    book: Arc<Book>,
}

#[actor(id = "circles/Knot", handles(Go, Later))]
impl Actor for Knot {
    type Args = (usize, Arc<Book>);

    async fn start(
        (at, book): (usize, Arc<Book>),
        _: &mut Context<Self>,
    ) -> Result<Self, StartError> {
        Ok(Self { at, book })
    }
}

impl Handler<Go> for Knot {
    async fn handle(&mut self, Go { id, deeds }: Go, ctx: &mut Context<Self>) {
        let system = ctx.system().clone();
        self.book.wait(id, |wait| wait.ran = true);
        let _done = Done { book: self.book.clone(), id };
        for deed in deeds {
            tokio::time::sleep(Duration::from_millis(deed.pause)).await;
            let calls = deed.asks.into_iter().map(|call| self.call(call, &system));
            together(calls.collect()).await;
        }
    }
}

/// Notes the end of a handler, however it comes.
struct Done {
    book: Arc<Book>,
    id: u64,
}

impl Drop for Done {
    fn drop(&mut self) {
        self.book.wait(self.id, |wait| wait.answered = Some(Instant::now()));
    }
}

impl Handler<Later> for Knot {
    async fn handle(&mut self, later: Later, ctx: &mut Context<Self>) {
        let answer = |responder: Responder<Later>| {
            let task = odeon::spawn(async move {
                tokio::time::sleep(Duration::from_millis(later.millis)).await;
                responder.reply(());
            });
            task.expect("a node runs this").detach();
        };
        ctx.defer(answer).await;
    }
}

type Doing = Pin<Box<dyn Future<Output = ()> + Send>>;

async fn together(mut all: Vec<Doing>) {
    poll_fn(|cx| {
        all.retain_mut(|one| one.as_mut().poll(cx).is_pending());
        if all.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Reads `1 2(0 3) 100:4`: asks 1, then 2, which asks 0 and then 3, then after 100 ms 4. `[1 2]` asks both at once, `1?50`
/// gives up after 50 ms, `.` asks nobody.
fn script(text: &str) -> Vec<Deed> {
    let mut rest = text;
    std::iter::from_fn(|| {
        rest = rest.trim_start();
        (!rest.is_empty()).then(|| deed(&mut rest))
    })
    .collect()
}

fn number(rest: &mut &str) -> u64 {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    *rest = after;
    digits.parse().expect("a number")
}

fn deed(rest: &mut &str) -> Deed {
    let mut pause = 0;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    if rest[digits..].starts_with(':') {
        pause = number(rest);
        *rest = &rest[1..];
    }
    let mut asks = Vec::new();
    if let Some(after) = rest.strip_prefix('.') {
        *rest = after;
    } else if let Some(after) = rest.strip_prefix('[') {
        *rest = after;
        while !rest.starts_with(']') {
            asks.push(call(rest));
            *rest = rest.trim_start();
        }
        *rest = &rest[1..];
    } else {
        asks.push(call(rest));
    }
    Deed { pause, asks }
}

fn call(rest: &mut &str) -> Call {
    let to = u8::try_from(number(rest)).expect("few actors");
    let (mut within, mut then) = (0, String::new());
    if let Some(after) = rest.strip_prefix('?') {
        *rest = after;
        within = number(rest);
    }
    if let Some(after) = rest.strip_prefix('(') {
        let mut open = 1;
        let end = after.find(|c| {
            open += i32::from(c == '(') - i32::from(c == ')');
            open == 0
        });
        let (inner, after) = after.split_at(end.expect("it is closed"));
        then = inner.to_owned();
        *rest = &after[1..];
    }
    Call { to, within, then }
}

impl Knot {
    fn call(&self, call: Call, system: &ActorSystem) -> Doing {
        let (book, from, system) = (self.book.clone(), self.at, system.clone());
        Box::pin(async move {
            let to = usize::from(call.to);
            let address = book.knots.lock().expect("it holds")[to];
            let knot = ActorRef::<Self>::from_address(&system, address);
            let id = book.ids.fetch_add(1, Ordering::Relaxed) + 1;
            book.waits().push(Wait {
                id,
                from,
                to,
                began: Instant::now(),
                ended: None,
                answered: None,
                ran: false,
                failure: None,
            });
            let within = match call.within {
                0 => LONG,
                millis => Duration::from_millis(millis),
            };
            let _ended = Ended { book: book.clone(), id };
            let answer = match call.then.strip_prefix("later ") {
                Some(millis) => {
                    let millis = millis.parse().expect("a number");
                    knot.ask(Later { millis }).within(within).into_future().await
                }
                None => knot.ask(Go { id, deeds: script(&call.then) }).within(within).await,
            };
            let Err(error) = answer else { return };
            let kind = match &error {
                AskError::Deadlock(_) => "deadlock",
                AskError::Deadline(_) => "deadline",
                _ => "other",
            };
            let detail = error.to_string();
            let detail = detail.split_once("): ").map_or("", |(_, detail)| detail).to_owned();
            book.wait(id, |wait| wait.failure = Some((kind, error.certainty(), detail)));
        })
    }
}

struct Ended {
    book: Arc<Book>,
    id: u64,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.book.wait(self.id, |wait| wait.ended = Some(Instant::now()));
    }
}

/// Three nodes; actor 0 is on a, 1 on b, 2 on c, 3 on a again and so on.
async fn knots(world: &mut World, count: usize) -> Arc<Book> {
    knots_with(world, count, SystemConfig::default()).await
}

async fn knots_with(world: &mut World, count: usize, config: SystemConfig) -> Arc<Book> {
    let nodes = ["a", "b", "c"];
    for name in nodes {
        let config = config.clone();
        let setup = move |builder: NodeBuilder| builder.actor::<Knot>().system(config.clone());
        world.start_member(name, setup, |_: Node| async {});
    }
    world.all_joined(&nodes, 30 * SECOND).await.expect("they find each other");
    let book = Arc::<Book>::default();
    for at in 0..count {
        let name = nodes[at % nodes.len()];
        let node = world.runtime_node(name).expect("it is up");
        let knot = node.spawn_with::<Knot>((at, book.clone())).await.expect("it starts");
        let number = format!("{knot:?}");
        let number = number.chars().filter(char::is_ascii_digit).collect::<String>();
        book.names.lock().expect("it holds").push(format!("circles/Knot {number} on {name}"));
        let address = knot.address().expect("its type is declared");
        book.knots.lock().expect("it holds").push(address);
    }
    book
}

/// Lets an actor do something, as nobody waits for it in a handler; how long that took.
fn go(
    world: &World,
    book: &Book,
    at: usize,
    deeds: &str,
) -> impl Future<Output = Duration> + use<> {
    let address = book.knots.lock().expect("it holds")[at];
    let node = world.runtime_node(["a", "b", "c"][at % 3]).expect("it is up");
    let knot = ActorRef::<Knot>::from_address(node.system(), address);
    let asked = knot.ask(Go { id: 0, deeds: script(deeds) }).within(2 * LONG);
    async move {
        let began = Instant::now();
        asked.await.expect("it comes to rest");
        began.elapsed()
    }
}

/// The circle that was told, if exactly one was: whom in it, and all of it.
fn only(book: &Book) -> (usize, Wait) {
    let told = book.deadlocks();
    assert_eq!(told.len(), 1, "{told:?}");
    book.assert_circles();
    (told[0].from, told[0].clone())
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn two_nodes_that_ask_each_other_in_turn_are_told(world: &mut World) {
    let book = knots(world, 2).await;
    let took = go(world, &book, 0, "1(0(.))").await;
    let (_, told) = only(&book);
    assert!(took < SECOND, "{took:?}");
    let Some((_, certainty, detail)) = told.failure else { return };
    assert_eq!(certainty, Certainty::MayHaveRun, "it is on another node");
    assert_eq!(detail.matches("circles/Knot").count(), 3, "{detail}");
    assert_eq!(
        (detail.matches(" on a").count(), detail.matches(" on b").count() % 3),
        (1 + usize::from(told.from == 0), 1 + usize::from(told.from == 1))
    );
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_chain_over_three_nodes_that_comes_back_is_told(world: &mut World) {
    let book = knots(world, 3).await;
    let took = go(world, &book, 0, "1(2(0(.)))").await;
    only(&book);
    assert!(took < SECOND, "{took:?}");
}

/// Each ask waits in the mailbox of an actor that asks the other.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn of_two_that_ask_each_other_across_nodes_one_is_told(world: &mut World) {
    let book = knots(world, 2).await;
    let ways = (go(world, &book, 0, "10:1(.)"), go(world, &book, 1, "10:0(.)"));
    let (one, other) = tokio::join!(ways.0, ways.1);
    only(&book);
    assert!(one.max(other) < SECOND, "{one:?} {other:?}");
    let waits = book.waits();
    assert_eq!(waits.iter().filter(|wait| wait.failure.is_none()).count(), 1, "one is served");
}

/// From a to b, on b to another actor, back to a, and there to the first.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_circle_that_is_partly_on_one_node_is_told(world: &mut World) {
    let book = knots(world, 5).await;
    let took = go(world, &book, 0, "1(4(3(0(.))))").await;
    let (_, told) = only(&book);
    let detail = told.failure.expect("it is there").2;
    assert_eq!(detail.matches(" -> ").count(), 4, "{detail}");
    // The ask that closed it was on one node, and probes of others found it.
    assert!(took < 2 * SECOND, "{took:?}");
}

/// Only one of several answers that a handler waits for is in a circle.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_handler_that_waits_for_several_nodes_is_in_the_circle_of_one(world: &mut World) {
    let book = knots(world, 6).await;
    let took = go(world, &book, 0, "[3(300:.) 5(200:.) 1([2(10:0(.)) 4(50:.)])]").await;
    only(&book);
    assert!(took < SECOND, "{took:?}");
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn whoever_only_takes_long_is_not_told(world: &mut World) {
    let book = knots(world, 9).await;
    // A chain over six, a diamond, and an actor that is asked again and again while it waits.
    let chain = go(world, &book, 0, "1(2(3(4(5(20000:.)))))");
    let diamond = go(world, &book, 6, "[7(2(.)) 8(4(.))]");
    let waits = go(world, &book, 8, "100:0(.) 1(.) 7(.)");
    let (chain, _, _) = tokio::join!(chain, diamond, waits);
    assert!(chain > 20 * SECOND);
    let waits = book.waits();
    assert!(waits.iter().all(|wait| wait.failure.is_none()), "{waits:?}");
}

/// The answer comes from a task, whatever the asked actor waits for meanwhile.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn an_answer_that_was_deferred_is_waited_for(world: &mut World) {
    let book = knots(world, 2).await;
    let later = go(world, &book, 0, "1(later 3000)");
    let then = async {
        world.run_for(SECOND / 2).await;
        go(world, &book, 1, "0(.)").await
    };
    let (later, then) = tokio::join!(later, then);
    assert!(later >= 3 * SECOND && then > 2 * SECOND, "{later:?} {then:?}");
    assert!(book.deadlocks().is_empty(), "{:?}", book.deadlocks());
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn a_circle_that_nobody_looks_for_is_left_to_its_deadline(world: &mut World) {
    let mut config = SystemConfig::default();
    config.probe_after = Duration::MAX;
    let book = knots_with(world, 2, config).await;
    let took = go(world, &book, 0, "1(0?3000(.))").await;
    assert!(took >= 3 * SECOND, "{took:?}");
    let waits = book.waits();
    let failed = waits.iter().filter_map(|wait| wait.failure.as_ref().map(|failed| failed.0));
    assert_eq!(failed.collect::<Vec<_>>(), ["deadline"]);
}

/// Whoever gives up opens the circle, and is told nothing else.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn an_ask_that_gives_up_before_it_is_looked_at_opens_the_circle(world: &mut World) {
    let book = knots(world, 2).await;
    let took = go(world, &book, 0, "1?90(0?50(.))").await;
    assert!(took < SECOND, "{took:?}");
    assert!(book.deadlocks().is_empty(), "{:?}", book.deadlocks());
}

/// Whatever nine actors of three nodes do to each other on a bad network, each circle that is told was one, and none is
/// left: all of it comes to its end long before the deadlines.
#[odeon_sim::test(seeds = 0..40, link = both)]
async fn many_actors_of_three_nodes_come_to_rest(world: &mut World) {
    let rule = if world.seed().is_multiple_of(3) { LinkRule::lan() } else { LinkRule::rough() };
    let book = knots(world, 9).await;
    world.set_default_link(rule);
    let mut random = world.random("work");
    let mut work = Vec::new();
    for _ in 0..24 {
        let at = random.below(9) as usize;
        work.push((at, deeds(&mut random, 3)));
    }
    let all = work.iter().map(|(at, deeds)| go(world, &book, *at, deeds));
    let mut all = all.map(Box::pin).collect::<Vec<_>>();
    let mut longest = Duration::ZERO;
    poll_fn(|cx| {
        all.retain_mut(|one| match one.as_mut().poll(cx) {
            Poll::Ready(took) => {
                longest = longest.max(took);
                false
            }
            Poll::Pending => true,
        });
        if all.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    assert!(longest < 30 * SECOND, "it hung: {longest:?}");
    book.assert_circles();
    let waits = book.waits();
    let told = waits.iter().filter(|wait| wait.failure.is_some());
    for wait in told {
        let kind = wait.failure.as_ref().map(|told| told.0);
        assert!(matches!(kind, Some("deadlock" | "deadline")), "{wait:?}");
    }
}

/// What an actor may do, at most so deep.
fn deeds(random: &mut odeon_sim::Stream, depth: u64) -> String {
    let mut text = String::new();
    for _ in 0..=random.below(2) {
        text += &format!("{}:", random.below(150));
        if depth == 0 {
            text += ". ";
            continue;
        }
        let several = random.below(4) == 0;
        text += if several { "[" } else { "" };
        for _ in 0..=u64::from(several) {
            let within = if random.below(4) == 0 {
                format!("?{}", 20 + random.below(400))
            } else {
                String::new()
            };
            let inner = deeds(random, depth - 1);
            text += &format!("{}{within}({inner}) ", random.below(9));
        }
        text = text.trim_end().to_owned() + if several { "] " } else { " " };
    }
    text
}

/// A probe of the first wait comes late to the third, when the second was given up and the third had just begun: each wait
/// was seen, but there was no moment with all of them.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn waits_that_were_never_there_together_are_no_circle(world: &mut World) {
    let book = knots(world, 3).await;
    let third = go(world, &book, 2, "450:0(.)");
    let first = async {
        world.run_for(SECOND / 200).await;
        go(world, &book, 0, "1(2?400(.) 2600:.)").await
    };
    let slow = async {
        // The second ask has arrived by then; its cancel, and the probe before it, take their time.
        world.run_for(SECOND / 20).await;
        let latency = Latency::Constant(4 * SECOND / 10);
        world.set_link_one_way("b", "c", LinkRule { latency, ..LinkRule::lan() });
    };
    tokio::join!(third, first, slow);
    assert!(book.deadlocks().is_empty(), "{:?}", book.deadlocks());
}

/// Whoever restarts has other waits; those that were lost with it are no part of a circle.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_circle_over_a_node_that_crashes_is_open(world: &mut World) {
    let book = knots(world, 3).await;
    let chain = go(world, &book, 0, "1(2(300:0(.)))");
    let crash = async {
        world.run_for(SECOND / 10).await;
        world.crash("c");
    };
    let (took, ()) = tokio::join!(chain, crash);
    assert!(took < 5 * SECOND, "{took:?}");
    assert!(book.deadlocks().is_empty(), "{:?}", book.deadlocks());
    let waits = book.waits();
    assert!(waits.iter().any(|wait| wait.failure.is_some()), "{waits:?}");
}

/// Probes are lost with what they are sent over, and come again.
#[odeon_sim::test(seeds = 0..20, link = both)]
async fn a_circle_on_a_bad_network_is_told(world: &mut World) {
    let book = knots(world, 3).await;
    world.set_default_link(LinkRule { loss: 0.1, ..LinkRule::rough() });
    let took = go(world, &book, 0, "1(2(0(.)))").await;
    book.assert_circles();
    assert!(took < 10 * SECOND, "{took:?}");
    let waits = book.waits();
    assert_eq!(waits.iter().filter(|wait| wait.failure.is_some()).count(), 1, "{waits:?}");
}
