//! Actors that do to each other what they are told, and the book in which they keep who waits for whom.

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
use tokio::time::Instant;

use crate::odeon::{
    Actor, ActorRef, ActorSystem, Context, Handler, ReadContext, ReadHandler, Responder,
    SpawnOptions, StartError, reads, spawn,
};

/// How long each waits at most: for what comes to rest by itself, for ever.
pub(crate) const DAY: Duration = Duration::from_secs(86_400);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// What a knot does in a handler.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
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
pub(crate) struct Note {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Of the message; 0 if it is none that does something.
    id: u32,
    pub(crate) failure: Failure,
}

/// Who waits for whom, as the actors themselves see it.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) knots: OnceLock<Vec<ActorRef<Knot>>>,
    /// By number of the wait.
    pub(crate) waits: Mutex<Vec<(u32, usize, usize)>>,
    pub(crate) notes: Mutex<Vec<Note>>,
    /// Messages that were sent, and those that began, with their actor.
    sent: AtomicU32,
    pub(crate) runs: Mutex<Vec<(u32, usize)>>,
    pub(crate) piped: AtomicU32,
    pub(crate) threaded: AtomicBool,
}

pub(crate) struct Knot {
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
pub(crate) struct Go(pub(crate) u32, pub(crate) Vec<Deed>);

/// The same, in a read.
#[message(local, reply = (), crate = crate::odeon)]
pub(crate) struct See(pub(crate) u32, pub(crate) Vec<Deed>);

/// Is answered after a second, by a task.
#[message(local, reply = (), crate = crate::odeon)]
pub(crate) struct Later;

/// Asks a knot to do something, by a future that is piped.
#[message(local, reply = (), crate = crate::odeon)]
pub(crate) struct Pipe(pub(crate) usize, pub(crate) Vec<Deed>);

#[message(local, crate = crate::odeon)]
pub(crate) struct Piped(Result<(), AskError<Infallible>>);

impl Book {
    pub(crate) fn knot(&self, at: usize) -> ActorRef<Knot> {
        self.knots.get().unwrap()[at].clone()
    }

    /// A number for a message.
    pub(crate) fn next(&self) -> u32 {
        self.sent.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Every failure tells whether its message ran.
    pub(crate) fn assert_truth(&self) {
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

    pub(crate) fn deadlocks(&self) -> Vec<Note> {
        let notes = self.notes.lock().unwrap();
        notes.iter().filter(|note| note.failure.kind == FailureKind::Deadlock).cloned().collect()
    }

    pub(crate) fn only_deadlock(&self) -> Note {
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

pub(crate) type Doing<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Waits for all of them.
pub(crate) async fn together(mut all: Vec<Doing<'_>>) {
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

pub(crate) async fn knots(system: &ActorSystem, count: usize) -> Arc<Book> {
    knots_with(system, count, |_| SpawnOptions::default()).await
}

pub(crate) async fn knots_with(
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
pub(crate) async fn go(
    book: &Book,
    at: usize,
    deeds: Vec<Deed>,
) -> Result<(), AskError<Infallible>> {
    let began = Instant::now();
    let done = book.knot(at).ask(Go(book.next(), deeds)).within(DAY).await;
    assert!(began.elapsed() < HOUR, "it hung");
    done
}

/// How a knot is named in a detail.
pub(crate) fn way(book: &Book, circle: &[usize]) -> String {
    let names = circle.iter().map(|at| format!("test/Knot {}", number_of(&book.knot(*at))));
    names.collect::<Vec<_>>().join(" -> ")
}
