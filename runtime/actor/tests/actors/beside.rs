//! What runs beside an actor's messages: timers, piped futures, streams.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context as Task, Poll},
    time::Duration,
};

use odeon_message::message;
use tokio::{
    task::yield_now,
    time::{Instant, sleep},
};

use crate::{
    fixture::{in_world, on_one_thread, system_of},
    odeon::{
        Actor, ActorRef, ActorSystem, ChildSpec, Context, ExitReason, Handler, MissedTicks,
        SpawnOptions, StartError, Stream, Supervisor, SupervisorSpec, SystemConfig,
    },
};

const SECOND: Duration = Duration::from_secs(1);

/// Writes down what it is told, and when.
struct Diary {
    log: Log,
    began: Instant,
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(u64, String)>>>);

impl Log {
    fn take(&self) -> Vec<(u64, String)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn words(&self) -> Vec<String> {
        self.take().into_iter().map(|(_, word)| word).collect()
    }
}

/// What to do in the actor's turn.
type Deed = Box<dyn FnOnce(&mut Context<Diary>) + Send>;

#[message(local, crate = crate::odeon)]
struct Do(Deed);

#[message(local, crate = crate::odeon)]
struct Note(String);

/// Keeps the actor busy for so long.
#[message(local, crate = crate::odeon)]
struct Busy(Duration);

#[message(local, crate = crate::odeon)]
struct Panic;

impl Actor for Diary {
    type Args = Log;

    async fn start(log: Log, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { log, began: Instant::now() })
    }
}

impl Diary {
    fn note(&self, word: String) {
        let at = self.began.elapsed().as_millis() as u64;
        self.log.0.lock().unwrap().push((at, word));
    }
}

impl Handler<Do> for Diary {
    async fn handle(&mut self, message: Do, ctx: &mut Context<Self>) {
        (message.0)(ctx);
    }
}

impl Handler<Note> for Diary {
    async fn handle(&mut self, message: Note, _: &mut Context<Self>) {
        self.note(message.0);
    }
}

impl Handler<Busy> for Diary {
    async fn handle(&mut self, message: Busy, _: &mut Context<Self>) {
        sleep(message.0).await;
        self.note("busy".into());
    }
}

impl Handler<Panic> for Diary {
    async fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("told to");
    }
}

fn note(word: &str) -> Note {
    Note(word.to_owned())
}

async fn diary(system: &ActorSystem) -> (ActorRef<Diary>, Log) {
    let log = Log::default();
    let diary = system.spawn::<Diary>(log.clone(), SpawnOptions::default()).await.unwrap();
    (diary, log)
}

async fn make(diary: &ActorRef<Diary>, deed: impl FnOnce(&mut Context<Diary>) + Send + 'static) {
    diary.ask(Do(Box::new(deed))).await.unwrap();
}

#[test]
fn a_timer_fires_once_and_a_name_replaces_and_cancels() {
    on_one_thread(1, |system| async move {
        let (diary, log) = diary(&system).await;
        make(&diary, |ctx| {
            ctx.after(None, SECOND, note("once")).unwrap();
            ctx.after("name", SECOND, note("replaced")).unwrap();
            ctx.after("name", 2 * SECOND, note("replacing")).unwrap();
            ctx.after("gone", SECOND, note("cancelled")).unwrap();
            assert!(ctx.cancel("gone"));
            assert!(!ctx.cancel("gone"));
        })
        .await;
        sleep(10 * SECOND).await;
        assert_eq!(log.take(), [(1000, "once".to_owned()), (2000, "replacing".to_owned())]);
    });
}

#[test]
fn a_message_that_waits_for_the_handler_is_cancelled_with_its_timer() {
    on_one_thread(1, |system| async move {
        let (diary, log) = diary(&system).await;
        make(&diary, |ctx| {
            ctx.after("late", SECOND, note("late")).unwrap();
            ctx.after("later", SECOND, Do(Box::new(|ctx| assert!(ctx.cancel("last"))))).unwrap();
            ctx.after("last", SECOND, note("last")).unwrap();
        })
        .await;
        diary.ask(Busy(2 * SECOND)).await.unwrap();
        sleep(SECOND).await;
        assert_eq!(log.words(), ["busy", "late"]);
    });
}

#[test]
fn missed_ticks_are_left_out_or_put_off_and_never_pile_up() {
    for (missed, expected) in [
        // Busy from 0 to 3.5 s: one late tick, then as the rule says.
        (MissedTicks::Skip, [3500, 4000, 5000]),
        (MissedTicks::Delay, [3500, 4500, 5500]),
    ] {
        on_one_thread(1, |system| async move {
            let (diary, log) = diary(&system).await;
            make(&diary, move |ctx| ctx.every("tick", SECOND, missed, || note("tick")).unwrap())
                .await;
            diary.ask(Busy(Duration::from_millis(3500))).await.unwrap();
            sleep(Duration::from_millis(2100)).await;
            make(&diary, |ctx| assert!(ctx.cancel("tick"))).await;
            sleep(10 * SECOND).await;
            let ticks = log.take().into_iter().filter(|(_, word)| word == "tick");
            assert_eq!(ticks.map(|(at, _)| at).collect::<Vec<_>>(), expected, "{missed:?}");
        });
    }
}

#[test]
fn a_receive_timeout_counts_from_the_last_message() {
    on_one_thread(1, |system| async move {
        let (diary, log) = diary(&system).await;
        make(&diary, |ctx| {
            ctx.receive_timeout(3 * SECOND, || note("quiet"));
            // What comes from timers is no message.
            ctx.every("tick", 2 * SECOND, MissedTicks::Skip, || note("tick")).unwrap();
        })
        .await;
        sleep(2 * SECOND).await;
        diary.tell(note("told")).await.unwrap();
        // It ends at 6 s, and quiet begins.
        diary.ask(Busy(4 * SECOND)).await.unwrap();
        sleep(7 * SECOND).await;
        make(&diary, |ctx| {
            ctx.end_receive_timeout();
            ctx.cancel("tick");
        })
        .await;
        sleep(20 * SECOND).await;
        let notes = log.take().into_iter().filter(|(_, word)| word != "tick");
        let notes = notes.map(|(at, word)| format!("{word} {at}")).collect::<Vec<_>>();
        assert_eq!(notes, ["told 2000", "busy 6000", "quiet 9000", "quiet 12000"]);
    });
}

#[test]
fn a_piped_future_runs_while_a_handler_waits_and_its_message_goes_before_the_mailbox() {
    on_one_thread(1, |system| async move {
        let (diary, log) = diary(&system).await;
        make(&diary, |ctx| {
            let work = async {
                sleep(SECOND).await;
                sleep(SECOND).await;
                7
            };
            ctx.pipe(None, work, |seven| Note(format!("piped {seven}"))).unwrap();
        })
        .await;
        let busy = diary.ask(Busy(3 * SECOND)).sent().await.unwrap();
        for _ in 0..3 {
            diary.tell(note("told")).await.unwrap();
        }
        busy.await.unwrap();
        sleep(SECOND).await;
        assert_eq!(log.words(), ["busy", "piped 7", "told", "told", "told"]);
    });
}

/// Gives numbers, and counts how many it was asked for.
struct Numbers {
    left: VecDeque<u32>,
    asked: Arc<Mutex<u32>>,
}

impl Stream for Numbers {
    type Item = u32;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<Option<u32>> {
        *self.asked.lock().unwrap() += 1;
        Poll::Ready(self.left.pop_front())
    }
}

fn numbers(count: u32) -> (Numbers, Arc<Mutex<u32>>) {
    let asked = Arc::default();
    (Numbers { left: (0..count).collect(), asked: Arc::clone(&asked) }, asked)
}

#[test]
fn a_stream_is_taken_item_by_item_and_its_end_is_told() {
    on_one_thread(1, |system| async move {
        let (diary, log) = diary(&system).await;
        let (stream, asked) = numbers(3);
        make(&diary, move |ctx| {
            ctx.attach_to_end(None, stream, |n| Note(n.to_string()), note("end")).unwrap();
        })
        .await;
        sleep(SECOND).await;
        assert_eq!(log.words(), ["0", "1", "2", "end"]);
        assert_eq!(*asked.lock().unwrap(), 4);
        // The first item is taken beside the handler, the second only when that one was handled.
        let (stream, asked) = numbers(1000);
        let busy = diary.ask(Busy(SECOND)).sent();
        make(&diary, move |ctx| ctx.attach("n", stream, |_| Busy(SECOND)).unwrap()).await;
        let busy = busy.await.unwrap();
        sleep(Duration::from_millis(500)).await;
        assert_eq!(*asked.lock().unwrap(), 1);
        busy.await.unwrap();
        diary.stop();
    });
}

#[test]
fn a_stream_that_always_has_something_starves_neither_messages_nor_neighbours() {
    on_one_thread(1, |system| async move {
        let (busy, log) = diary(&system).await;
        let (neighbour, _) = diary(&system).await;
        let (first, second) = (numbers(20_000).0, numbers(20_000).0);
        let seen = log.clone();
        make(&busy, move |ctx| {
            ctx.attach(None, first, |n| Note(format!("a{n}"))).unwrap();
            ctx.attach(None, second, |n| Note(format!("b{n}"))).unwrap();
            let me = ctx.self_ref();
            (0..3).for_each(|_| me.try_tell(note("told")).unwrap());
            let look = move |_: &mut Context<Diary>| {
                let notes = seen.0.lock().unwrap().len();
                assert!(notes < 1000, "the neighbour had its turn after {notes} notes");
            };
            neighbour.try_tell(Do(Box::new(look))).unwrap();
        })
        .await;
        sleep(SECOND).await;
        let words = log.words();
        assert_eq!(words.len(), 40_003);
        let told = words.iter().rposition(|word| word == "told").unwrap();
        assert!(told < 1000, "{told}");
    });
}

#[test]
fn a_stream_that_always_has_something_does_not_starve_a_mailbox_with_priorities() {
    on_one_thread(1, |system| async move {
        let log = Log::default();
        let options = SpawnOptions::default().priorities(2);
        let busy = system.spawn::<Diary>(log.clone(), options).await.unwrap();
        let (stream, _) = numbers(20_000);
        make(&busy, move |ctx| {
            ctx.attach(None, stream, |n| Note(n.to_string())).unwrap();
            let me = ctx.self_ref();
            (0..3).for_each(|_| me.try_tell(note("told")).unwrap());
        })
        .await;
        sleep(SECOND).await;
        let words = log.words();
        assert_eq!(words.len(), 20_003);
        let told = words.iter().rposition(|word| word == "told").unwrap();
        assert!(told < 10, "{told}");
    });
}

#[test]
fn an_actor_has_at_most_so_many_sources() {
    in_world(|| async {
        let mut config = SystemConfig::default();
        config.sources_max = 2;
        let system = system_of("few", Arc::new(odeon_env::RealEnv), config);
        system.start_worker();
        let (diary, log) = diary(&system).await;
        make(&diary, |ctx| {
            ctx.after("a", SECOND, note("a")).unwrap();
            ctx.after(None, SECOND, note("b")).unwrap();
            let error = ctx.after(None, SECOND, note("c")).unwrap_err();
            assert_eq!(error.sources_max, 2);
            assert!(error.to_string().contains("sources_max"), "{error}");
            ctx.after("a", SECOND, note("again")).unwrap();
        })
        .await;
        sleep(2 * SECOND).await;
        assert_eq!(log.words(), ["b", "again"]);
        make(&diary, |ctx| ctx.after(None, SECOND, note("room again")).unwrap()).await;
        sleep(2 * SECOND).await;
        assert_eq!(log.words(), ["room again"]);
        system.stop(SECOND).await;
    });
}

/// Counts that it is dropped.
pub(crate) struct Dropped(pub(crate) Arc<Mutex<u32>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        *self.0.lock().unwrap() += 1;
    }
}

async fn with_sources(diary: &ActorRef<Diary>) -> Arc<Mutex<u32>> {
    let drops = Arc::<Mutex<u32>>::default();
    let piped = Dropped(drops.clone());
    make(diary, move |ctx| {
        ctx.after(None, SECOND, note("after")).unwrap();
        ctx.every(None, SECOND, MissedTicks::Skip, || note("every")).unwrap();
        ctx.receive_timeout(SECOND, || note("quiet"));
        let work = async move {
            sleep(SECOND).await;
            drop(piped);
        };
        ctx.pipe(None, work, |()| note("piped")).unwrap();
    })
    .await;
    drops
}

#[test]
fn a_stop_ends_timers_and_piped_futures() {
    on_one_thread(1, |system| async move {
        let (diary, log) = diary(&system).await;
        let drops = with_sources(&diary).await;
        diary.stop();
        yield_now().await;
        assert_eq!(*drops.lock().unwrap(), 1);
        sleep(5 * SECOND).await;
        assert_eq!(log.words(), Vec::<String>::new());
    });
}

/// Takes its time to stop.
struct Slow;

impl Actor for Slow {
    type Args = Arc<Mutex<u32>>;

    async fn start(drops: Arc<Mutex<u32>>, ctx: &mut Context<Self>) -> Result<Self, StartError> {
        let kept = Dropped(drops);
        let work = async move {
            sleep(SECOND).await;
            drop(kept);
            panic!("it goes on");
        };
        ctx.pipe(None, work, |()| note("never")).map_err(StartError::new)?;
        Ok(Self)
    }

    async fn stopped(&mut self, _: &ExitReason, _: &mut Context<Self>) {
        sleep(3 * SECOND).await;
    }
}

impl Handler<Note> for Slow {
    async fn handle(&mut self, _: Note, _: &mut Context<Self>) {}
}

#[test]
fn piped_futures_end_before_stopped_runs() {
    on_one_thread(1, |system| async move {
        let drops = Arc::<Mutex<u32>>::default();
        let slow = system.spawn::<Slow>(drops.clone(), SpawnOptions::default()).await.unwrap();
        slow.stop();
        yield_now().await;
        assert_eq!((*drops.lock().unwrap(), system.stats().live_actors), (1, 1));
        sleep(2 * SECOND).await;
        assert_eq!((system.stats().panics, system.stats().live_actors), (0, 1));
    });
}

#[test]
fn a_panic_ends_timers_and_piped_futures() {
    on_one_thread(1, |system| async move {
        let (diary, log) = diary(&system).await;
        let drops = with_sources(&diary).await;
        diary.ask(Panic).await.unwrap_err();
        assert_eq!(*drops.lock().unwrap(), 1);
        sleep(5 * SECOND).await;
        assert_eq!(log.words(), Vec::<String>::new());
    });
}

#[test]
fn a_restart_ends_timers_and_piped_futures() {
    on_one_thread(1, |system| async move {
        let log = Log::default();
        let spec = SupervisorSpec::one_for_one().child(ChildSpec::new::<Diary>("d", log.clone()));
        let supervisor = system.spawn::<Supervisor>(spec, SpawnOptions::default()).await.unwrap();
        let diary = supervisor.child::<Diary>("d").await.unwrap();
        let drops = with_sources(&diary).await;
        diary.ask(Panic).await.unwrap_err();
        diary.ask(note("again")).await.unwrap();
        assert_eq!(*drops.lock().unwrap(), 1);
        sleep(5 * SECOND).await;
        assert_eq!(log.words(), ["again"]);
    });
}

#[test]
fn the_end_of_the_node_ends_timers_and_piped_futures() {
    on_one_thread(1, |system| async move {
        let (diary, log) = diary(&system).await;
        let drops = with_sources(&diary).await;
        // A handler that does not end in time: the actor is killed.
        let busy = diary.ask(Busy(100 * SECOND)).sent().await.unwrap();
        system.stop(Duration::from_millis(10)).await;
        assert_eq!(*drops.lock().unwrap(), 1);
        busy.await.unwrap_err();
        assert_eq!(log.words(), Vec::<String>::new());
    });
}

#[test]
fn a_panic_in_a_source_ends_the_life_of_its_actor() {
    on_one_thread(1, |system| async move {
        for later in [false, true] {
            let (diary, _) = diary(&system).await;
            let busy = diary.ask(Busy(2 * SECOND)).sent();
            let work = async move {
                if later {
                    sleep(SECOND).await;
                }
                panic!("piped");
            };
            make(&diary, move |ctx| ctx.pipe(None, work, |()| note("never")).unwrap()).await;
            let error = match busy.await {
                Ok(reply) => reply.await.unwrap_err(),
                Err(error) => error,
            };
            if later {
                assert!(matches!(error, crate::odeon::AskError::Panicked(_)), "{error}");
            }
            diary.ask(note("gone")).await.unwrap_err();
        }
        assert_eq!(system.stats().panics, 2);
    });
}
