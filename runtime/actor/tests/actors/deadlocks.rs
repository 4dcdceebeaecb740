//! Actors that wait for each other: circles are told, with names, and nothing else is called one.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    future::{Future, IntoFuture, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::Poll,
    time::Duration,
};

use odeon_message::{AskError, Certainty, Failure, FailureKind, TellError, message};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use tokio::time::Instant;

use crate::{
    fixture::{Threads, in_world, on_one_thread, system_of},
    odeon::{
        Actor, ActorRef, ActorSystem, Context, Handler, ReadContext, ReadHandler, Responder,
        SpawnOptions, StartError, SystemConfig, reads, spawn,
    },
    seeded::Seeded,
};

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);

use Deed::{All, Ask, Later as AskLater, Look, Panic, Pause, Seq, Tell, Try};

/// What a knot does in a handler.
#[derive(Clone, Debug)]
enum Deed {
    /// Asks another to do something.
    Ask(usize, Vec<Deed>),
    /// The same, for so long.
    Try(usize, Vec<Deed>, u64),
    /// Asks another in a read.
    Look(usize, Vec<Deed>),
    Tell(usize, Vec<Deed>),
    /// Asks another that answers later.
    Later(usize),
    /// All at once.
    All(Vec<Deed>),
    /// One after the other.
    Seq(Vec<Deed>),
    /// Milliseconds.
    Pause(u64),
    Panic,
}

/// Something went wrong with a message from one to another.
#[derive(Clone, Debug)]
struct Note {
    from: usize,
    to: usize,
    /// Of the message; 0 if it is none that does something.
    id: u32,
    failure: Failure,
}

/// Who waits for whom, as the actors themselves see it.
#[derive(Default)]
struct Book {
    knots: OnceLock<Vec<ActorRef<Knot>>>,
    /// By number of the wait.
    waits: Mutex<Vec<(u32, usize, usize)>>,
    notes: Mutex<Vec<Note>>,
    /// Messages that were sent, and those that began, with their actor.
    sent: AtomicU32,
    runs: Mutex<Vec<(u32, usize)>>,
    piped: AtomicU32,
    threaded: AtomicBool,
}

struct Knot {
    at: usize,
    book: Arc<Book>,
}

impl Actor for Knot {
    type Args = (usize, Arc<Book>);
    const ID: Option<&'static str> = Some("test/Knot");

    async fn start(
        (at, book): (usize, Arc<Book>),
        _: &mut Context<Self>,
    ) -> Result<Self, StartError> {
        Ok(Self { at, book })
    }
}

#[message(local, reply = (), crate = crate::odeon)]
struct Go(u32, Vec<Deed>);

/// The same, in a read.
#[message(local, reply = (), crate = crate::odeon)]
struct See(u32, Vec<Deed>);

/// Is answered after a second, by a task.
#[message(local, reply = (), crate = crate::odeon)]
struct Later;

/// Asks a knot to do something, by a future that is piped.
#[message(local, reply = (), crate = crate::odeon)]
struct Pipe(usize, Vec<Deed>);

#[message(local, crate = crate::odeon)]
struct Piped(Result<(), AskError<Infallible>>);

impl Book {
    fn knot(&self, at: usize) -> ActorRef<Knot> {
        self.knots.get().unwrap()[at].clone()
    }

    /// A number for a message.
    fn next(&self) -> u32 {
        self.sent.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Every failure tells whether its message ran.
    fn assert_truth(&self) {
        let runs = self.runs.lock().unwrap();
        for note in &*self.notes.lock().unwrap() {
            let ran = runs.iter().any(|(id, _)| *id == note.id);
            let told = note.failure.certainty;
            assert_eq!(
                told,
                if ran { Certainty::Ran } else { Certainty::NotDelivered },
                "{note:?}"
            );
        }
    }

    /// Waits as the actor `from` for `to`.
    async fn wait<E: IsFailure>(
        &self,
        (from, to, id): (usize, usize, u32),
        sent: impl Future<Output = Result<(), E>>,
    ) {
        self.waits.lock().unwrap().push((id, from, to));
        let _over = Over { book: self, id };
        if let Err(error) = sent.await {
            let failure = error.failure();
            if failure.kind == FailureKind::Deadlock && !self.is_threaded() {
                self.assert_circle(from, to, &failure);
            }
            self.notes.lock().unwrap().push(Note { from, to, id, failure });
        }
    }

    /// Others may have gone on between what is told and what is looked at.
    fn is_threaded(&self) -> bool {
        self.threaded.load(Ordering::SeqCst)
    }

    /// A circle that was reported is one, right now.
    fn assert_circle(&self, from: usize, to: usize, failure: &Failure) {
        let named = names(&failure.detail);
        let knots = self.knots.get().unwrap();
        let place = |number: &u64| knots.iter().position(|knot| number_of(knot) == *number);
        let circle = named.iter().map(|number| place(number).unwrap()).collect::<Vec<_>>();
        assert_eq!((circle[0], circle[1]), (from, to), "{failure}");
        assert_eq!(circle.last(), Some(&from), "{failure}");
        let inner = &circle[1..];
        assert_eq!(inner.iter().collect::<BTreeSet<_>>().len(), inner.len(), "{failure}");
        let waits = self.waits.lock().unwrap();
        for pair in circle.windows(2) {
            let is_there = waits.iter().any(|(_, from, to)| [*from, *to] == *pair);
            assert!(is_there, "{pair:?} is no wait, but {failure}");
        }
    }

    fn deadlocks(&self) -> Vec<Note> {
        let notes = self.notes.lock().unwrap();
        notes.iter().filter(|note| note.failure.kind == FailureKind::Deadlock).cloned().collect()
    }

    fn only_deadlock(&self) -> Note {
        let found = self.deadlocks();
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].clone()
    }
}

struct Over<'a> {
    book: &'a Book,
    id: u32,
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.book.waits.lock().unwrap().retain(|(id, ..)| *id != self.id);
    }
}

trait IsFailure {
    fn failure(self) -> Failure;
}

impl IsFailure for AskError<Infallible> {
    fn failure(self) -> Failure {
        let detail = self.to_string();
        let detail = detail.split_once("): ").map_or("", |(_, detail)| detail);
        Failure::new(self.kind().unwrap(), self.certainty(), detail)
    }
}

impl<M> IsFailure for TellError<M> {
    fn failure(self) -> Failure {
        assert!(self.message.is_some(), "the message comes back");
        self.failure
    }
}

fn number_of(knot: &ActorRef<Knot>) -> u64 {
    let text = format!("{knot:?}");
    let digits = text.chars().filter(char::is_ascii_digit).collect::<String>();
    digits.parse().unwrap_or_else(|_| panic!("no number in {text}"))
}

/// The numbers of the actors in a detail.
fn names(detail: &str) -> Vec<u64> {
    let detail = detail.split(':').next().unwrap();
    let names = detail.split(" -> ").map(|name| name.strip_prefix("test/Knot ").unwrap());
    names.map(|number| number.parse().unwrap()).collect()
}

type Doing<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Waits for all of them.
async fn together(mut all: Vec<Doing<'_>>) {
    poll_fn(|cx| {
        all.retain_mut(|one| one.as_mut().poll(cx).is_pending());
        if all.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// One deed of the actor `at`.
fn perform(book: &Arc<Book>, at: usize, deed: Deed) -> Doing<'static> {
    let book = book.clone();
    Box::pin(async move {
        match deed {
            Deed::Ask(to, deeds) => {
                let (knot, id) = (book.knot(to), book.next());
                book.wait((at, to, id), knot.ask(Go(id, deeds)).within(DAY).into_future()).await;
            }
            Deed::Try(to, deeds, millis) => {
                let (knot, id) = (book.knot(to), book.next());
                let asked =
                    book.wait((at, to, id), knot.ask(Go(id, deeds)).within(DAY).into_future());
                let _ = tokio::time::timeout(Duration::from_millis(millis), asked).await;
            }
            Deed::Look(to, deeds) => {
                let (knot, id) = (book.knot(to), book.next());
                book.wait((at, to, id), knot.ask(See(id, deeds)).within(DAY).into_future()).await;
            }
            Deed::Tell(to, deeds) => {
                let (knot, id) = (book.knot(to), book.next());
                book.wait((at, to, id), knot.tell(Go(id, deeds)).within(DAY)).await;
            }
            Deed::Later(to) => {
                let (knot, id) = (book.knot(to), book.next());
                book.wait((at, to, id), knot.ask(Later).within(DAY).into_future()).await;
            }
            Deed::All(deeds) => {
                together(deeds.into_iter().map(|deed| perform(&book, at, deed)).collect()).await;
            }
            Deed::Seq(deeds) => {
                for deed in deeds {
                    perform(&book, at, deed).await;
                }
            }
            Deed::Pause(0) => tokio::task::yield_now().await,
            Deed::Pause(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Deed::Panic => panic!("told to"),
        }
    })
}

impl Handler<Go> for Knot {
    async fn handle(&mut self, Go(id, deeds): Go, _: &mut Context<Self>) {
        self.book.runs.lock().unwrap().push((id, self.at));
        for deed in deeds {
            perform(&self.book, self.at, deed).await;
        }
    }
}

impl Handler<Later> for Knot {
    async fn handle(&mut self, _: Later, ctx: &mut Context<Self>) {
        let answer = |responder: Responder<Later>| {
            let task = spawn(async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                responder.reply(());
            });
            task.unwrap().detach();
        };
        ctx.defer(answer).await;
    }
}

impl Handler<Pipe> for Knot {
    async fn handle(&mut self, Pipe(to, deeds): Pipe, ctx: &mut Context<Self>) {
        let asked = self.book.knot(to).ask(Go(self.book.next(), deeds)).within(DAY).into_future();
        ctx.pipe(None, asked, Piped).unwrap();
    }
}

impl Handler<Piped> for Knot {
    async fn handle(&mut self, Piped(answer): Piped, _: &mut Context<Self>) {
        assert_eq!(answer, Ok(()));
        self.book.piped.fetch_add(1, Ordering::SeqCst);
    }
}

impl ReadHandler<See> for Knot {
    async fn read(&self, See(id, deeds): See, _: &ReadContext<Self>) {
        self.book.runs.lock().unwrap().push((id, self.at));
        for deed in deeds {
            perform(&self.book, self.at, deed).await;
        }
    }
}

reads!(Knot: See);

async fn knots(system: &ActorSystem, count: usize) -> Arc<Book> {
    knots_with(system, count, |_| SpawnOptions::default()).await
}

async fn knots_with(
    system: &ActorSystem,
    count: usize,
    options: impl Fn(usize) -> SpawnOptions,
) -> Arc<Book> {
    let book = Arc::<Book>::default();
    let mut knots = Vec::new();
    for at in 0..count {
        knots.push(system.spawn::<Knot>((at, book.clone()), options(at)).await.unwrap());
    }
    assert!(book.knots.set(knots).is_ok());
    book
}

/// Lets a knot do something, and waits until it is done; that takes no hour.
async fn go(book: &Book, at: usize, deeds: Vec<Deed>) -> Result<(), AskError<Infallible>> {
    let began = Instant::now();
    let done = book.knot(at).ask(Go(book.next(), deeds)).within(DAY).await;
    assert!(began.elapsed() < HOUR, "it hung");
    done
}

/// One after the other on one worker, and spread over three.
fn on_one_and_on_three<F: Future<Output = ()>>(test: impl Fn(ActorSystem) -> F) {
    on_one_thread(1, &test);
    on_one_thread(3, &test);
}

/// How a knot is named in a detail.
fn way(book: &Book, circle: &[usize]) -> String {
    let names = circle.iter().map(|at| format!("test/Knot {}", number_of(&book.knot(*at))));
    names.collect::<Vec<_>>().join(" -> ")
}

#[test]
fn a_chain_that_comes_back_ends_at_its_last_ask() {
    on_one_and_on_three(|system| async move {
        for long in 1..=4 {
            let book = knots(&system, long).await;
            let last = vec![Ask(0, vec![])];
            let chain = (1..long).rev().fold(last, |deeds, at| vec![Ask(at, deeds)]);
            // On three workers they look in the order in which these are polled.
            let chain = [Pause(1)].into_iter().chain(chain).collect();
            go(&book, 0, chain).await.unwrap();
            let note = book.only_deadlock();
            assert_eq!((note.from, note.to), (long - 1, 0));
            assert_eq!(note.failure.certainty, Certainty::NotDelivered);
            let circle = [long - 1].into_iter().chain(0..long).collect::<Vec<_>>();
            assert!(note.failure.detail.starts_with(&way(&book, &circle)), "{}", note.failure);
            assert_eq!(book.runs.lock().unwrap().len(), long, "what was withdrawn never runs");
        }
    });
}

#[test]
fn of_two_that_ask_each_other_one_is_told() {
    on_one_and_on_three(|system| async move {
        let book = knots(&system, 2).await;
        // Both are busy before either asks.
        let (here, there) = (vec![Pause(1), Ask(1, vec![])], vec![Pause(1), Ask(0, vec![])]);
        let (one, other) = tokio::join!(go(&book, 0, here), go(&book, 1, there));
        assert_eq!((one, other), (Ok(()), Ok(())));
        book.only_deadlock();
        assert_eq!(book.runs.lock().unwrap().len(), 3, "the other's ask is answered");
    });
}

#[test]
fn of_two_that_ask_each_other_on_two_threads_one_is_told() {
    let threads = Threads::new(2);
    threads.block_on(async {
        let book = knots(&threads.system, 2).await;
        for round in 1..=200 {
            let (here, there) = (vec![Ask(1, vec![])], vec![Ask(0, vec![])]);
            let (one, other) = tokio::join!(go(&book, 0, here), go(&book, 1, there));
            assert_eq!((one, other), (Ok(()), Ok(())));
            // They may also have missed each other.
            let found = book.deadlocks().len();
            assert!(found <= round, "{found} of {round}");
        }
    });
    threads.end();
}

#[test]
fn a_handler_that_waits_for_several_is_in_the_circle_of_one() {
    on_one_and_on_three(|system| async move {
        let book = knots(&system, 3).await;
        let both = All(vec![Ask(2, vec![Pause(50)]), Ask(1, vec![Pause(10), Ask(0, vec![])])]);
        let both = vec![Pause(1), both];
        go(&book, 0, both).await.unwrap();
        let note = book.only_deadlock();
        assert_eq!((note.from, note.to), (1, 0));
        // All members of a join may be in the same circle.
        let same = vec![Pause(1), All(vec![Ask(1, vec![Ask(0, vec![])]), Ask(1, vec![])])];
        go(&book, 0, same).await.unwrap();
        assert_eq!(book.deadlocks().len(), 2);
    });
}

#[test]
fn mailboxes_full_for_each_other_give_a_message_back() {
    on_one_and_on_three(|system| async move {
        let book = knots_with(&system, 2, |_| SpawnOptions::default().mailbox(1)).await;
        let fill = |to| vec![Pause(10), Tell(to, vec![]), Pause(10), Tell(to, vec![])];
        let (one, other) = tokio::join!(go(&book, 0, fill(1)), go(&book, 1, fill(0)));
        assert_eq!((one, other), (Ok(()), Ok(())));
        let note = book.only_deadlock();
        assert_eq!(note.failure.certainty, Certainty::NotDelivered);
        // An ask and a tell in one circle.
        let ask = vec![Pause(10), Ask(0, vec![])];
        let (one, other) = tokio::join!(go(&book, 0, fill(1)), go(&book, 1, ask));
        assert_eq!((one, other), (Ok(()), Ok(())));
        assert_eq!(book.deadlocks().len(), 2);
    });
}

#[test]
fn a_diamond_is_no_circle() {
    on_one_and_on_three(|system| async move {
        let book = knots(&system, 4).await;
        let last = || vec![Ask(3, vec![Pause(10)])];
        go(&book, 0, vec![All(vec![Ask(1, last()), Ask(2, last())])]).await.unwrap();
        assert!(book.notes.lock().unwrap().is_empty());
    });
}

#[test]
fn whoever_is_not_kept_waiting_is_in_no_circle() {
    on_one_and_on_three(|system| async move {
        let book = knots(&system, 2).await;
        // The answer comes from a task, whatever the asked actor waits for.
        let later = go(&book, 0, vec![AskLater(1), Pause(10)]);
        let then = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            go(&book, 1, vec![Ask(0, vec![])]).await
        };
        let (one, other) = tokio::join!(later, then);
        assert_eq!((one, other), (Ok(()), Ok(())));
        // A piped future lets its actor go on: also where it asks that very actor.
        for to in [0, 1] {
            let back = vec![Pause(10), Ask(0, vec![Pause(10)])];
            let back = if to == 0 { vec![Pause(10)] } else { back };
            book.knot(0).ask(Pipe(to, back)).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(book.piped.load(Ordering::SeqCst), 2);
        assert!(book.notes.lock().unwrap().is_empty());
    });
}

#[test]
fn a_branch_that_ended_is_no_circle_any_more() {
    on_one_and_on_three(|system| async move {
        let book = knots(&system, 2).await;
        let busy = vec![Pause(100), Ask(0, vec![])];
        let tries = vec![Pause(1), Try(1, vec![], 20), Pause(20)];
        let (one, other) = tokio::join!(go(&book, 1, busy), go(&book, 0, tries));
        assert_eq!((one, other), (Ok(()), Ok(())));
        assert!(book.notes.lock().unwrap().is_empty());
    });
}

#[test]
fn waits_go_with_their_actor() {
    on_one_and_on_three(|system| async move {
        for how in [true, false] {
            let book = knots(&system, 2).await;
            let busy = book.clone();
            let busy = tokio::task::spawn_local(async move {
                let deeds = vec![Pause(100), Ask(0, vec![])];
                go(&busy, 1, deeds).await
            });
            // It waits for the other when it ends.
            let ends = if how {
                vec![All(vec![Ask(1, vec![]), Seq(vec![Pause(10), Panic])])]
            } else {
                vec![Ask(1, vec![])]
            };
            let ended = tokio::task::spawn_local({
                let book = book.clone();
                async move { go(&book, 0, ends).await }
            });
            tokio::time::sleep(Duration::from_millis(50)).await;
            if !how {
                book.knot(0).kill();
            }
            assert!(ended.await.unwrap().is_err());
            assert_eq!(busy.await.unwrap(), Ok(()));
            let notes = book.notes.lock().unwrap();
            assert_eq!(notes.len(), 1);
            assert_eq!(notes[0].failure.kind, FailureKind::Stopped, "{}", notes[0].failure);
        }
    });
}

#[test]
fn reads_keep_only_others_than_reads_waiting() {
    on_one_and_on_three(|system| async move {
        let book = knots(&system, 2).await;
        let look = |deeds| book.knot(0).ask(See(book.next(), deeds)).within(DAY);
        let began = Instant::now();
        // A read may ask its own actor for another, also by way of a third.
        look(vec![Look(0, vec![Pause(10)])]).await.unwrap();
        look(vec![Pause(10), Ask(1, vec![Pause(10), Look(0, vec![])])]).await.unwrap();
        assert!(book.notes.lock().unwrap().is_empty());
        // What is no read waits for the read.
        look(vec![Ask(0, vec![])]).await.unwrap();
        look(vec![Ask(1, vec![Ask(0, vec![])])]).await.unwrap();
        assert_eq!(book.deadlocks().len(), 2);
        // And so does whoever asked for it.
        go(&book, 1, vec![Look(0, vec![Pause(10), Ask(1, vec![])])]).await.unwrap();
        assert_eq!(book.deadlocks().len(), 3);
        assert!(began.elapsed() < HOUR);
    });
}

/// What twenty knots may do, at most so deep; with pauses, or as fast as they can.
fn deeds(depth: u32, pauses: bool) -> BoxedStrategy<Vec<Deed>> {
    let pause = (0..if pauses { 20_u64 } else { 1 }).prop_map(Pause);
    if depth == 0 {
        return prop::collection::vec(pause, 0..2).boxed();
    }
    let inner = move || (0_usize..20, deeds(depth - 1, pauses));
    let ask = move || inner().prop_map(|(to, deeds)| Ask(to, deeds));
    let tell = inner().prop_map(|(to, deeds)| Tell(to, deeds));
    let short = (inner(), 0_u64..30).prop_map(|((to, deeds), millis)| Try(to, deeds, millis));
    let all = prop::collection::vec(ask(), 2..4).prop_map(All);
    let short_too = u32::from(pauses);
    let one = prop_oneof![4 => ask(), 2 => pause, 2 => tell, 1 => all, short_too => short];
    prop::collection::vec(one, 1..4).boxed()
}

fn work(pauses: bool) -> impl Strategy<Value = Vec<(usize, Vec<Deed>)>> {
    prop::collection::vec((0_usize..20, deeds(3, pauses)), 20..60)
}

#[test]
fn many_actors_on_three_threads_come_to_rest() {
    let mut runner = TestRunner::deterministic();
    let threads = Threads::new(3);
    for _ in 0..30 {
        let work = work(false).new_tree(&mut runner).unwrap().current();
        threads.block_on(async {
            let options = |_| SpawnOptions::default().mailbox(2);
            let book = knots_with(&threads.system, 20, options).await;
            book.threaded.store(true, Ordering::SeqCst);
            let all = work.into_iter().map(|(at, deeds)| -> Doing<'_> {
                let asked = book.knot(at).ask(Go(book.next(), deeds)).within(DAY);
                Box::pin(async move { asked.await.unwrap() })
            });
            let rest = together(all.collect());
            tokio::time::timeout(Duration::from_secs(100), rest).await.expect("it hung");
        });
    }
    threads.end();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever twenty actors do to each other, each circle that is told is one, and none is left: all of it comes to its
    /// end while the deadlines are far away.
    #[test]
    fn many_actors_come_to_rest(
        seed: u64,
        workers in 1_usize..4,
        work in work(true),
    ) {
        in_world(|| async move {
            let env = Arc::new(Seeded::new(seed));
            let system = system_of("rest", env, SystemConfig::default());
            (0..workers).for_each(|_| system.start_worker());
            let book = knots_with(&system, 20, |_| SpawnOptions::default().mailbox(2)).await;
            let all = work.into_iter().map(|(at, deeds)| {
                let book = book.clone();
                tokio::task::spawn_local(async move { go(&book, at, deeds).await })
            });
            for one in all.collect::<Vec<_>>() {
                one.await.unwrap().unwrap();
            }
            tokio::time::sleep(HOUR).await;
            assert!(book.waits.lock().unwrap().is_empty(), "some still wait");
            for note in &*book.notes.lock().unwrap() {
                let kind = note.failure.kind;
                let is_own = note.from == note.to;
                assert!(kind == FailureKind::Deadlock || is_own && kind == FailureKind::Full, "{note:?}");
            }
            book.assert_truth();
            system.stop(Duration::from_secs(60)).await;
        });
    }
}
