//! Asks of actors that have nothing to do, which run at once on the asker's stack: when they do, and when they must not.

mod beside;
mod ends;
mod fair;
mod nested;
mod shared;
mod waits;

use std::{
    convert::Infallible,
    future::{Future, IntoFuture},
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll, Waker},
    thread::{self, ThreadId},
    time::Duration,
};

use odeon_message::{AskError, Certainty, Message, message};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    desk::{Log, SECOND, settle},
    fixture::{Threads, in_world, on_one_thread, system_of},
    odeon::{
        Actor, ActorRef, ActorSystem, Ask, AskFuture, Backoff, ChildSpec, Context, ExitReason,
        Handler, ReadContext, ReadHandler, Responder, SpawnOptions, StartError, Supervisor,
        SupervisorSpec, SystemConfig, Terminated, reads,
    },
    seeded::Seeded,
    spans::Spans,
};

/// Does what its messages say.
pub(crate) struct Doer {
    pub(crate) log: Log,
    held: Vec<Responder<Act>>,
    /// Asks that it does not wait for.
    kept: Vec<AskFuture<Doer, Note>>,
    /// Its end waits for this.
    lasts: Option<oneshot::Receiver<()>>,
}

impl Actor for Doer {
    type Args = Log;

    async fn start(log: Log, _: &mut Context<Self>) -> Result<Self, StartError> {
        log.add("start");
        Ok(Self { log, held: Vec::new(), kept: Vec::new(), lasts: None })
    }

    async fn stopped(&mut self, _: &ExitReason, _: &mut Context<Self>) {
        self.log.add("stopped");
        if let Some(lasts) = self.lasts.take() {
            let _ = lasts.await;
        }
    }

    async fn terminated(&mut self, ended: Terminated, _: &mut Context<Self>) {
        self.log.add(format!("{:?}", ended.reason.kind()));
    }
}

type Doing<'a> = Pin<Box<dyn Future<Output = u64> + Send + 'a>>;
type Deed = Box<dyn for<'a> FnOnce(&'a mut Doer, &'a mut Context<Doer>) -> Doing<'a> + Send>;

#[message(local, reply = u64, crate = crate::odeon)]
pub(crate) struct Act(Deed);

pub(crate) fn act(
    deed: impl for<'a> FnOnce(&'a mut Doer, &'a mut Context<Doer>) -> Doing<'a> + Send + 'static,
) -> Act {
    Act(Box::new(deed))
}

/// Does something without waiting, and answers with 1.
fn quick(deed: impl FnOnce(&mut Doer, &mut Context<Doer>) + Send + 'static) -> Act {
    act(|doer, ctx| {
        Box::pin(async move {
            deed(doer, ctx);
            1
        })
    })
}

/// Waits until it is let go.
pub(crate) fn held_up() -> (Act, oneshot::Sender<()>) {
    let (release, held) = oneshot::channel();
    let act = act(|doer, _| {
        Box::pin(async move {
            let _ = held.await;
            doer.log.add("held");
            0
        })
    });
    (act, release)
}

/// Is written down, and is the answer.
#[message(local, reply = u64, crate = crate::odeon)]
pub(crate) struct Note(pub(crate) u64);

/// Looks until it is let go.
#[message(local, reply = u64, crate = crate::odeon)]
pub(crate) struct Look(pub(crate) oneshot::Receiver<()>);

impl Handler<Act> for Doer {
    async fn handle(&mut self, act: Act, ctx: &mut Context<Self>) -> u64 {
        (act.0)(self, ctx).await
    }
}

impl Handler<Note> for Doer {
    async fn handle(&mut self, note: Note, _: &mut Context<Self>) -> u64 {
        self.log.add(note.0.to_string());
        note.0
    }
}

impl ReadHandler<Look> for Doer {
    async fn read(&self, look: Look, _: &ReadContext<Self>) -> u64 {
        let _ = look.0.await;
        self.log.add("looked");
        2
    }
}

reads!(Doer: Look);

pub(crate) async fn doer_with(
    system: &ActorSystem,
    options: SpawnOptions,
) -> (ActorRef<Doer>, Log) {
    let log = Log::default();
    let doer = system.spawn::<Doer>(log.clone(), options).await.unwrap();
    assert_eq!(log.take(), ["start"]);
    (doer, log)
}

pub(crate) async fn doer(system: &ActorSystem) -> (ActorRef<Doer>, Log) {
    doer_with(system, SpawnOptions::default()).await
}

/// One that starts again when it fails, after this time if it is not zero.
pub(crate) async fn supervised(
    system: &ActorSystem,
    options: SpawnOptions,
    pause: Duration,
) -> (ActorRef<Doer>, Log) {
    let log = Log::default();
    let mut child = ChildSpec::new::<Doer>("d", log.clone()).options(options);
    if !pause.is_zero() {
        child = child.backoff(Backoff::exponential(pause, pause).jitter(0));
    }
    let spec = SupervisorSpec::one_for_one().intensity(100, SECOND).child(child);
    let supervisor = system.spawn::<Supervisor>(spec, SpawnOptions::default()).await.unwrap();
    let doer = supervisor.child::<Doer>("d").await.unwrap();
    assert_eq!(log.take(), ["start"]);
    (doer, log)
}

type Answer<M> = Result<<M as Message>::Reply, AskError<<M as Message>::Error>>;

/// The thread that runs it when it is asked.
pub(crate) async fn home(doer: &ActorRef<Doer>) -> ThreadId {
    let (sender, receiver) = oneshot::channel();
    let ask = doer.ask(quick(move |_, _| sender.send(thread::current().id()).unwrap()));
    assert_eq!(ask.await, Ok(1));
    receiver.await.unwrap()
}

/// What an ask said to its first poll.
pub(crate) enum Polled<A: Handler<M>, M: Message> {
    Ready(Answer<M>),
    Pending(AskFuture<A, M>),
}

impl<A: Handler<M>, M: Message> Polled<A, M> {
    pub(crate) fn ready(self) -> Answer<M> {
        match self {
            Self::Ready(answer) => answer,
            Self::Pending(_) => panic!("it went by the mailbox, or waits"),
        }
    }

    pub(crate) fn pending(self) -> AskFuture<A, M> {
        match self {
            Self::Ready(_) => panic!("it was answered at once"),
            Self::Pending(ask) => ask,
        }
    }
}

pub(crate) fn poll<A: Handler<M>, M: Message>(ask: Ask<A, M>) -> Polled<A, M> {
    let mut ask = ask.into_future();
    match Pin::new(&mut ask).poll(&mut Task::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Polled::Ready(answer),
        Poll::Pending => Polled::Pending(ask),
    }
}

/// The ask waits behind what is written first, and is handled then.
async fn assert_behind(doer: &ActorRef<Doer>, log: &Log, first: &[&str], let_go: impl FnOnce()) {
    let ask = poll(doer.ask(Note(7))).pending();
    let_go();
    assert_eq!(ask.await, Ok(7));
    assert_eq!(log.take(), [first, &["7"]].concat());
}

#[test]
fn an_ask_of_a_free_actor_is_ready_at_its_first_poll() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer(&system).await;
        for n in 0..50 {
            assert_eq!(poll(doer.ask(Note(n))).ready(), Ok(n));
        }
        assert_eq!(log.take().len(), 50);
        assert_eq!(system.stats().handled, 50);
    });
}

#[test]
fn an_ask_of_an_actor_on_the_same_worker_is_ready_at_its_first_poll() {
    on_one_thread(1, |system| async move {
        let (asker, _) = doer(&system).await;
        let (asked, log) = doer(&system).await;
        let asks = act(|_, _| Box::pin(async move { poll(asked.ask(Note(7))).ready().unwrap() }));
        // Its own turn is not a direct one.
        let answer = asker.ask(asks).sent();
        assert_eq!(answer.await.unwrap().await, Ok(7));
        assert_eq!(log.take(), ["7"]);
    });
}

#[test]
fn an_actor_on_another_worker_of_the_thread_is_not_run_by_a_turn() {
    on_one_thread(2, |system| async move {
        let (asker, _) = doer(&system).await;
        let (asked, log) = doer(&system).await;
        let asks =
            act(|_, _| Box::pin(async move { poll(asked.ask(Note(7))).pending().await.unwrap() }));
        assert_eq!(asker.ask(asks).await, Ok(7));
        assert_eq!(log.take(), ["7"]);
    });
}

#[test]
fn a_read_of_a_free_actor_is_ready_at_its_first_poll() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer(&system).await;
        for _ in 0..3 {
            let (release, held) = oneshot::channel();
            release.send(()).unwrap();
            assert_eq!(poll(doer.ask(Look(held))).ready(), Ok(2));
            assert_eq!(poll(doer.ask(Note(1))).ready(), Ok(1));
        }
        assert_eq!(log.take().len(), 6);
    });
}

#[test]
fn what_is_queued_goes_first() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer(&system).await;
        doer.try_tell(Note(1)).unwrap();
        doer.tell(Note(2)).await.unwrap();
        assert_behind(&doer, &log, &["1", "2"], || ()).await;
        assert_eq!(poll(doer.ask(Note(8))).ready(), Ok(8), "it is free again");
    });
}

#[test]
fn what_waits_for_room_goes_first() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer_with(&system, SpawnOptions::default().mailbox(1)).await;
        let (act, release) = held_up();
        doer.tell(act).await.unwrap();
        settle().await;
        doer.try_tell(Note(1)).unwrap();
        let waits = poll(doer.ask(Note(2))).pending();
        assert_behind(&doer, &log, &["held", "1", "2"], || release.send(()).unwrap()).await;
        assert_eq!(waits.await, Ok(2));
    });
}

#[test]
fn a_handler_that_waits_is_not_interrupted() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer(&system).await;
        for direct in [false, true] {
            let (act, release) = held_up();
            match direct {
                true => drop(poll(doer.ask(act)).pending()),
                false => doer.tell(act).await.unwrap(),
            }
            settle().await;
            assert_behind(&doer, &log, &["held"], || release.send(()).unwrap()).await;
        }
    });
}

#[test]
fn readers_are_not_joined_but_by_readers() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer(&system).await;
        for direct in [false, true] {
            let (release, held) = oneshot::channel();
            let first = match direct {
                true => poll(doer.ask(Look(held))).pending(),
                false => {
                    doer.try_tell(Look(held)).unwrap();
                    settle().await;
                    let (release, held) = oneshot::channel();
                    release.send(()).unwrap();
                    // A read that does not wait passes the one that does.
                    poll(doer.ask(Look(held))).pending()
                }
            };
            settle().await;
            let passed: &[&str] = if direct { &[] } else { &["looked"] };
            let first_words = [passed, &["looked"]].concat();
            assert_behind(&doer, &log, &first_words, || release.send(()).unwrap()).await;
            assert_eq!(first.await, Ok(2));
        }
    });
}

#[test]
fn an_actor_that_was_told_to_end_takes_no_direct_turn() {
    on_one_thread(1, |system| async move {
        for how in [ActorRef::stop, ActorRef::kill] {
            let (doer, log) = doer(&system).await;
            how(&doer);
            let ask = poll(doer.ask(Note(7))).pending();
            let error = ask.await.unwrap_err();
            assert!(matches!(error, AskError::Stopped(_)), "{error}");
            assert_eq!(error.certainty(), Certainty::NotDelivered);
            let error = poll(doer.ask(Note(7))).ready().unwrap_err();
            assert_eq!(error.certainty(), Certainty::NotDelivered, "it is gone");
            assert!(!log.take().contains(&"7".to_owned()));
        }
        let (doer, log) = doer(&system).await;
        doer.drain();
        // It was queued before the drain begins.
        assert_eq!(poll(doer.ask(Note(7))).pending().await, Ok(7));
        settle().await;
        assert_eq!(log.take(), ["7", "stopped"]);
    });
}

#[test]
fn an_actor_that_drains_or_stops_takes_no_direct_turn() {
    on_one_thread(1, |system| async move {
        for supervised_one in [false, true] {
            let options = SpawnOptions::default();
            let (doer, log) = match supervised_one {
                true => supervised(&system, options, Duration::ZERO).await,
                false => doer_with(&system, options).await,
            };
            let (ends, lasts) = oneshot::channel();
            let (act, release) = held_up();
            let first = quick(move |doer, ctx| {
                doer.lasts = Some(lasts);
                ctx.drain();
                ctx.self_ref().try_tell(act).unwrap();
            });
            assert_eq!(poll(doer.ask(first)).ready(), Ok(1));
            settle().await;
            // It drains: what is queued waits.
            let refused = |polled: Polled<Doer, Note>| match supervised_one {
                true => drop(polled.pending()),
                false => assert!(matches!(polled.ready(), Err(AskError::Stopped(_)))),
            };
            refused(poll(doer.ask(Note(7))));
            release.send(()).unwrap();
            settle().await;
            assert_eq!(log.take(), ["held", "stopped"]);
            // It stops.
            refused(poll(doer.ask(Note(8))));
            ends.send(()).unwrap();
            settle().await;
            let then: &[&str] = if supervised_one { &["start"] } else { &[] };
            assert_eq!(log.take(), then, "given up asks are not run");
        }
    });
}

#[test]
fn an_actor_that_waits_for_its_restart_takes_no_direct_turn() {
    on_one_thread(1, |system| async move {
        let (doer, log) = supervised(&system, SpawnOptions::default(), SECOND).await;
        let error = poll(doer.ask(quick(|_, _| panic!("told to")))).ready().unwrap_err();
        assert!(matches!(error, AskError::Panicked(_)), "{error}");
        let began = Instant::now();
        assert_behind(&doer, &log, &["start"], || ()).await;
        assert_eq!(began.elapsed().as_millis() / 10, 100);
        assert_eq!(poll(doer.ask(Note(8))).ready(), Ok(8));
    });
}

#[test]
fn where_priorities_count_nothing_goes_past_the_mailbox() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer_with(&system, SpawnOptions::default().priorities(2)).await;
        let low = poll(doer.ask(Note(1))).pending();
        let high = poll(doer.ask(Note(2)).priority(1)).pending();
        assert_eq!((low.await, high.await), (Ok(1), Ok(2)));
        assert_eq!(log.take(), ["2", "1"]);
    });
}

#[test]
fn in_a_simulation_the_seed_says_whose_turn_it_is() {
    in_world(|| async {
        let env = Arc::new(Seeded::new(1));
        let system = system_of("seeded", env, SystemConfig::default());
        system.start_worker();
        let (doer, log) = doer(&system).await;
        assert_behind(&doer, &log, &[], || ()).await;
        drop(doer);
        system.stop(SECOND).await;
        tokio::task::yield_now().await;
        assert_eq!(system.stats().cells, 0);
    });
}

#[test]
fn a_message_that_carries_its_span_goes_by_the_mailbox() {
    let spans = Spans::default();
    let _listening = tracing::subscriber::set_default(spans.subscriber());
    on_one_thread(1, |system| async move {
        let (doer, log) = doer(&system).await;
        assert_eq!(doer.ask(Note(1)).await, Ok(1));
        // Threads of other tests, where nobody listens, may have been the first to ask whether anybody does.
        tracing::callsite::rebuild_interest_cache();
        let ask = tracing::info_span!("call").in_scope(|| poll(doer.ask(Note(7))).pending());
        assert_eq!(ask.await, Ok(7));
        assert_eq!(log.take(), ["1", "7"]);
        let (_, noted) = spans.handlers("Note").pop().unwrap();
        assert_eq!(noted.follows.len(), 1, "{noted:?}");
        // Without a span there is nothing to carry.
        assert_eq!(poll(doer.ask(Note(8))).ready(), Ok(8));
    });
}

#[test]
fn another_thread_does_not_run_it() {
    let threads = Threads::new(2);
    threads.block_on(async {
        let (one, _) = doer(&threads.system).await;
        let (two, _) = doer(&threads.system).await;
        // They are on two workers, each with its thread.
        let (first, second) = (home(&one).await, home(&two).await);
        assert!(first != second && ![first, second].contains(&thread::current().id()));
        for n in 0..50 {
            let (asked, (sender, receiver)) = (one.clone(), oneshot::channel());
            let asks = act(move |_, _| {
                Box::pin(async move {
                    sender.send(home(&asked).await).unwrap();
                    n
                })
            });
            assert_eq!(two.ask(asks).await, Ok(n));
            assert_eq!(receiver.await.unwrap(), first);
        }
    });
    threads.end();
}

#[test]
fn an_ask_that_may_take_no_time_never_runs() {
    on_one_thread(1, |system| async move {
        let (doer, log) = doer(&system).await;
        let error: AskError<Infallible> =
            doer.ask(Note(7)).within(Duration::ZERO).await.unwrap_err();
        assert!(matches!(error, AskError::Deadline(_)), "{error}");
        assert_eq!(error.certainty(), Certainty::NotDelivered);
        settle().await;
        assert_eq!((log.take().len(), system.stats().handled), (0, 0));
        assert_eq!(system.stats().skipped, 1);
    });
}
