//! Actors of three nodes that do to each other what they are told, and the book in which they keep who waits for whom.

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
    NodeBuilder, Responder, StartError, SystemConfig, actor, message,
};
use odeon_sim::World;
use tokio::time::Instant;

use super::script::{Call, Deed, script};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// So long an ask waits that meets no circle. Circles are found long before.
const LONG: Duration = Duration::from_secs(600);

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
pub(crate) struct Wait {
    id: u64,
    pub(crate) from: usize,
    to: usize,
    began: Instant,
    ended: Option<Instant>,
    /// When the asked handler was done.
    answered: Option<Instant>,
    ran: bool,
    pub(crate) failure: Option<(&'static str, Certainty, String)>,
}

#[derive(Default)]
pub(crate) struct Book {
    /// As every node can use them.
    knots: Mutex<Vec<Address>>,
    names: Mutex<Vec<String>>,
    ids: AtomicU64,
    waits: Mutex<Vec<Wait>>,
}

impl Book {
    pub(crate) fn waits(&self) -> MutexGuard<'_, Vec<Wait>> {
        // Actors that are dropped after an assertion has failed write in it too.
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, id: u64, change: impl FnOnce(&mut Wait)) {
        let mut waits = self.waits();
        if let Some(wait) = waits.iter_mut().find(|wait| wait.id == id) {
            change(wait);
        }
    }

    pub(crate) fn deadlocks(&self) -> Vec<Wait> {
        let waits = self.waits();
        let told = |wait: &&Wait| wait.failure.as_ref().is_some_and(|told| told.0 == "deadlock");
        waits.iter().filter(told).cloned().collect()
    }

    /// What was told is true: there was a moment at which each of those named waited for the next, whose handler was
    /// not done; and who was told is the first of them.
    pub(crate) fn assert_circles(&self) {
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

pub(crate) struct Knot {
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
pub(crate) async fn knots(world: &mut World, count: usize) -> Arc<Book> {
    knots_with(world, count, SystemConfig::default()).await
}

pub(crate) async fn knots_with(world: &mut World, count: usize, config: SystemConfig) -> Arc<Book> {
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
pub(crate) fn go(
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
pub(crate) fn only(book: &Book) -> (usize, Wait) {
    let told = book.deadlocks();
    assert_eq!(told.len(), 1, "{told:?}");
    book.assert_circles();
    (told[0].from, told[0].clone())
}
