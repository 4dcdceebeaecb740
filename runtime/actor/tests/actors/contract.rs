//! The contract on exit: what becomes of each thing that an actor has going on, one test for each event.
//!
//! GUARANTEES.md names these tests. Each sets up all states at once, lets the event happen and compares all fates.

use std::sync::{Arc, Mutex};

use odeon_message::{AskError, Certainty, Items};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    beside::Dropped,
    desk::{
        ANSWER, DEFER, Desk, Job, Log, SECOND, SLEEP, SLEEP_AND_ERR, SLEEP_AND_FAIL,
        SLEEP_AND_PANIC, asking, desk, make, settle,
    },
    fixture::on_one_thread,
    odeon::{ActorRef, ActorSystem, ChildSpec, Outlet, SpawnOptions, Supervisor, SupervisorSpec},
};

/// What became of what the actor had going on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Fates {
    queued_tell: &'static str,
    queued_ask: &'static str,
    running_ask: &'static str,
    deferred_reply: &'static str,
    timer: &'static str,
    stashed: &'static str,
    piped_future: &'static str,
    sent_stream: &'static str,
}

/// An actor that is stopped for good.
const STOPPED: Fates = Fates {
    queued_tell: "dropped",
    queued_ask: "stopped, not delivered",
    running_ask: "answered",
    deferred_reply: "cancelled, ran",
    timer: "gone",
    stashed: "stopped, not delivered",
    piped_future: "gone",
    sent_stream: "stopped, ran",
};

type Asked = JoinHandle<Result<u64, AskError<String>>>;

/// An actor that has one of everything going on.
struct Case {
    desk: ActorRef<Desk>,
    log: Log,
    deferred: Asked,
    stashed: Asked,
    running: Asked,
    queued: Asked,
    drops: Arc<Mutex<u32>>,
    stream: (Outlet<u64>, Items<u64>),
}

impl Case {
    /// `how` is what the running ask does after a second.
    async fn new(desk: ActorRef<Desk>, log: Log, how: u8) -> Self {
        let deferred = asking(&desk, DEFER, 1);
        settle().await;
        make(&desk, |desk, _| desk.closed = true).await;
        let stashed = asking(&desk, ANSWER, 2);
        settle().await;
        let drops = Arc::<Mutex<u32>>::default();
        let kept = Dropped(drops.clone());
        make(&desk, move |desk, ctx| {
            desk.closed = false;
            ctx.after(None, 2 * SECOND, Job { how: ANSWER, n: 3 }).unwrap();
            let work = async move {
                sleep(2 * SECOND).await;
                drop(kept);
            };
            ctx.pipe(None, work, |()| Job { how: ANSWER, n: 4 }).unwrap();
        })
        .await;
        let (sender, stream) = tokio::sync::oneshot::channel();
        make(&desk, move |_, ctx| drop(sender.send(ctx.outlet::<u64>()))).await;
        let stream = stream.await.unwrap();
        let running = asking(&desk, how, 5);
        settle().await;
        let queued = asking(&desk, ANSWER, 6);
        settle().await;
        desk.try_tell(Job { how: ANSWER, n: 7 }).unwrap();
        Self { desk, log, deferred, stashed, running, queued, drops, stream }
    }

    async fn fates(self) -> Fates {
        sleep(5 * SECOND).await;
        drop(self.desk);
        let log = self.log.take();
        let ran = |n: &str, yes, no| if log.iter().any(|word| word == n) { yes } else { no };
        assert_eq!(*self.drops.lock().unwrap(), 1, "the piped future is gone, done or not");
        Fates {
            queued_tell: ran("7", "handled", "dropped"),
            queued_ask: fate(self.queued).await,
            running_ask: fate(self.running).await,
            deferred_reply: fate(self.deferred).await,
            timer: ran("3", "comes", "gone"),
            stashed: fate(self.stashed).await,
            piped_future: ran("4", "comes", "gone"),
            sent_stream: stream_fate(self.stream).await,
        }
    }
}

/// Of a stream whose outlet is elsewhere, so that its actor's end alone ends it.
async fn stream_fate((_outlet, mut items): (Outlet<u64>, Items<u64>)) -> &'static str {
    let Ok(next) = timeout(SECOND, items.next()).await else { return "goes on" };
    assert_eq!(format!("{items:?}"), "Items(ended)");
    let error = next.expect("it was not finished").expect_err("nothing was sent");
    match (&error, error.certainty()) {
        (AskError::Stopped(_), Certainty::Ran) => "stopped, ran",
        (AskError::Panicked(_), Certainty::Ran) => "panicked, ran",
        _ => "something else",
    }
}

async fn fate(ask: Asked) -> &'static str {
    if !ask.is_finished() {
        ask.abort();
        return "kept";
    }
    let error = match ask.await.unwrap() {
        Ok(_) => return "answered",
        Err(error) => error,
    };
    let certainty = error.certainty().to_string();
    match (error, certainty.as_str()) {
        (AskError::Handler(_), _) => "answered with the error",
        (AskError::Stopped(_), "not delivered") => "stopped, not delivered",
        (AskError::Stopped(_), "ran") => "stopped, ran",
        (AskError::Panicked(_), "ran") => "panicked, ran",
        (AskError::Cancelled(_), "ran") => "cancelled, ran",
        _ => "something else",
    }
}

/// A desk under a supervisor that allows so many restarts, and the supervisor.
async fn under(
    system: &ActorSystem,
    restarts_max: u32,
    brutal: bool,
) -> (ActorRef<Supervisor>, ActorRef<Desk>, Log) {
    let log = Log::default();
    let mut child = ChildSpec::new::<Desk>("desk", log.clone());
    if brutal {
        child = child.shutdown(std::time::Duration::ZERO);
    }
    let spec = SupervisorSpec::one_for_one().intensity(restarts_max, SECOND).child(child);
    let supervisor = system.spawn::<Supervisor>(spec, SpawnOptions::default()).await.unwrap();
    let desk = supervisor.child("desk").await.unwrap();
    (supervisor, desk, log)
}

#[test]
fn on_a_stop() {
    on_one_thread(1, |system| async move {
        let (desk, log) = desk(&system).await;
        let case = Case::new(desk, log, SLEEP).await;
        case.desk.stop();
        assert_eq!(case.fates().await, STOPPED);
    });
}

#[test]
fn on_a_drain() {
    on_one_thread(1, |system| async move {
        let (desk, log) = desk(&system).await;
        let case = Case::new(desk, log, SLEEP).await;
        case.desk.drain();
        let drained = Fates { queued_tell: "handled", queued_ask: "answered", ..STOPPED };
        assert_eq!(case.fates().await, drained);
    });
}

#[test]
fn on_a_panic() {
    on_one_thread(1, |system| async move {
        let (desk, log) = desk(&system).await;
        let case = Case::new(desk, log, SLEEP_AND_PANIC).await;
        let panicked = "panicked, ran";
        let fates = Fates { running_ask: panicked, sent_stream: panicked, ..STOPPED };
        assert_eq!(case.fates().await, fates);
    });
}

#[test]
fn on_an_error_of_a_handler() {
    on_one_thread(1, |system| async move {
        let (desk, log) = desk(&system).await;
        let case = Case::new(desk, log, SLEEP_AND_ERR).await;
        let goes_on = Fates {
            queued_tell: "handled",
            queued_ask: "answered",
            running_ask: "answered with the error",
            deferred_reply: "kept",
            timer: "comes",
            stashed: "kept",
            piped_future: "comes",
            sent_stream: "goes on",
        };
        assert_eq!(case.fates().await, goes_on);
    });
}

#[test]
fn on_a_fail() {
    on_one_thread(1, |system| async move {
        let (desk, log) = desk(&system).await;
        let case = Case::new(desk, log, SLEEP_AND_FAIL).await;
        assert_eq!(case.fates().await, STOPPED);
    });
}

#[test]
fn on_a_restart() {
    on_one_thread(1, |system| async move {
        let both = [
            (SLEEP_AND_PANIC, "panicked, ran", "panicked, ran"),
            (SLEEP_AND_FAIL, "answered", "stopped, ran"),
        ];
        for (how, running_ask, sent_stream) in both {
            let (_, desk, log) = under(&system, 1, false).await;
            let case = Case::new(desk, log, how).await;
            let restarted = Fates {
                queued_tell: "handled",
                queued_ask: "answered",
                running_ask,
                stashed: "answered",
                sent_stream,
                ..STOPPED
            };
            assert_eq!(case.fates().await, restarted);
        }
        assert_eq!(system.stats().restarts, 2);
    });
}

#[test]
fn on_a_kill() {
    on_one_thread(1, |system| async move {
        let (supervisor, desk, log) = under(&system, 1, true).await;
        let case = Case::new(desk, log, SLEEP).await;
        supervisor.stop();
        assert_eq!(case.fates().await, Fates { running_ask: "stopped, ran", ..STOPPED });
    });
}

#[test]
fn on_the_supervisor_giving_up() {
    on_one_thread(1, |system| async move {
        let (_, desk, log) = under(&system, 0, false).await;
        let case = Case::new(desk, log, SLEEP_AND_PANIC).await;
        let panicked = "panicked, ran";
        let fates = Fates { running_ask: panicked, sent_stream: panicked, ..STOPPED };
        assert_eq!(case.fates().await, fates);
        assert_eq!(system.stats().live_actors, 0);
    });
}

#[test]
fn on_the_stop_of_the_node() {
    on_one_thread(1, |system| async move {
        let (desk, log) = desk(&system).await;
        let case = Case::new(desk, log, SLEEP).await;
        system.stop(10 * SECOND).await;
        assert_eq!(case.fates().await, STOPPED);
    });
}

#[test]
fn on_the_stop_of_the_node_when_a_handler_takes_too_long() {
    on_one_thread(1, |system| async move {
        let (desk, log) = desk(&system).await;
        let case = Case::new(desk, log, SLEEP).await;
        system.stop(SECOND / 2).await;
        assert_eq!(case.fates().await, Fates { running_ask: "stopped, ran", ..STOPPED });
    });
}
