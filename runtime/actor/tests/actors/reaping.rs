//! A parent's end: its children have their time, and no child is adopted by a parent that is ending.

use std::{pin::Pin, time::Duration};

use odeon_message::message;
use tokio::{
    sync::oneshot,
    task::yield_now,
    time::{Instant, sleep},
};

use crate::{
    fixture::{Hold, Tally, Worker, on_one_thread, read},
    odeon::{
        Actor, ActorRef, ActorSystem, Context, ExitReason, Handler, Shutdown, SpawnOptions,
        StartError,
    },
};

type Spawning = Pin<Box<dyn Future<Output = Result<ActorRef<Worker>, StartError>> + Send>>;

/// Has children, and tries to have one more when it stops.
struct Mother {
    late: Option<oneshot::Sender<Result<ActorRef<Worker>, StartError>>>,
}

/// Spawns a child.
#[message(local, reply = ActorRef<Worker>, crate = crate::odeon)]
struct Bear(Tally, SpawnOptions);

/// Makes the future that would spawn a child.
#[message(local, reply = Spawning, crate = crate::odeon)]
struct Promise;

/// Where the answer of a last attempt goes.
#[message(local, crate = crate::odeon)]
struct Late(oneshot::Sender<Result<ActorRef<Worker>, StartError>>);

impl Actor for Mother {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { late: None })
    }

    async fn stopped(&mut self, _: &ExitReason, ctx: &mut Context<Self>) {
        if let Some(late) = self.late.take() {
            let spawned = ctx.spawn::<Worker>(Tally::default(), SpawnOptions::default()).await;
            late.send(spawned).unwrap();
        }
    }
}

impl Handler<Bear> for Mother {
    async fn handle(&mut self, message: Bear, ctx: &mut Context<Self>) -> ActorRef<Worker> {
        ctx.spawn(message.0, message.1).await.unwrap()
    }
}

impl Handler<Promise> for Mother {
    async fn handle(&mut self, _: Promise, ctx: &mut Context<Self>) -> Spawning {
        Box::pin(ctx.spawn(Tally::default(), SpawnOptions::default()))
    }
}

impl Handler<Late> for Mother {
    async fn handle(&mut self, message: Late, _: &mut Context<Self>) {
        self.late = Some(message.0);
    }
}

async fn mother(system: &ActorSystem) -> ActorRef<Mother> {
    system.spawn::<Mother>((), SpawnOptions::default()).await.unwrap()
}

/// A child that never comes back from a message, until whoever holds the other end says so.
async fn hung(mother: &ActorRef<Mother>, options: SpawnOptions) -> (Tally, oneshot::Sender<()>) {
    let tally = Tally::default();
    let child = mother.ask(Bear(tally.clone(), options)).await.unwrap();
    let (release, held) = oneshot::channel();
    child.tell(Hold(held)).await.unwrap();
    while read(&tally.runs) == 0 {
        yield_now().await;
    }
    (tally, release)
}

async fn until_empty(system: &ActorSystem) -> Duration {
    let begun = Instant::now();
    while system.stats().live_actors > 0 {
        sleep(Duration::from_millis(1)).await;
    }
    begun.elapsed()
}

#[test]
fn a_child_that_never_stops_is_ended_when_its_time_is_up() {
    let of = |within: Duration| SpawnOptions::default().shutdown(within);
    let rows = [
        (SpawnOptions::default(), Duration::from_secs(5)),
        (of(Duration::from_secs(2)), Duration::from_secs(2)),
        (of(Duration::from_secs(60)), Duration::from_secs(60)),
        (SpawnOptions::default().shutdown(Shutdown::Brutal), Duration::ZERO),
        (of(Duration::ZERO), Duration::ZERO),
    ];
    for (options, within) in rows {
        on_one_thread(1, |system| async move {
            let mother = mother(&system).await;
            let (hung, _release) = hung(&mother, options).await;
            mother.stop();
            let took = until_empty(&system).await;
            assert!(took >= within && took < within + Duration::from_millis(50), "{took:?}");
            assert_eq!((read(&hung.stops), read(&hung.drops)), (0, 1), "ended where it stood");
        });
    }
}

#[test]
fn each_child_has_its_own_time() {
    on_one_thread(2, |system| async move {
        let mother = mother(&system).await;
        let of = |secs| SpawnOptions::default().shutdown(Duration::from_secs(secs));
        let (first, _first) = hung(&mother, of(7)).await;
        let (second, _second) = hung(&mother, of(3)).await;
        let (third, release) = hung(&mother, of(9)).await;
        mother.stop();
        sleep(Duration::from_millis(3_100)).await;
        assert_eq!([&first, &second, &third].map(|tally| read(&tally.drops)), [0, 1, 0]);
        release.send(()).unwrap();
        let took = until_empty(&system).await;
        assert!(took > Duration::from_secs(3) && took < Duration::from_secs(4), "{took:?}");
        assert_eq!([&first, &second, &third].map(|tally| read(&tally.stops)), [0, 0, 1]);
    });
}

#[test]
fn an_unlimited_child_is_waited_for() {
    on_one_thread(1, |system| async move {
        let mother = mother(&system).await;
        let (hung, release) =
            hung(&mother, SpawnOptions::default().shutdown(Shutdown::Unlimited)).await;
        mother.stop();
        sleep(Duration::from_secs(3600)).await;
        assert_eq!(system.stats().live_actors, 2);
        release.send(()).unwrap();
        until_empty(&system).await;
        assert_eq!(read(&hung.stops), 1);
    });
}

#[test]
fn a_parent_that_is_ending_adopts_nobody() {
    on_one_thread(1, |system| async move {
        let mother = mother(&system).await;
        let early = mother.ask(Promise).await.unwrap();
        let while_reaping = mother.ask(Promise).await.unwrap();
        let after = mother.ask(Promise).await.unwrap();
        let (late, while_stopping) = oneshot::channel();
        mother.tell(Late(late)).await.unwrap();
        early.await.unwrap();
        let (_hung, _release) = hung(&mother, SpawnOptions::default()).await;
        mother.stop();
        let refused = while_stopping.await.unwrap();
        assert!(matches!(refused, Err(StartError::Stopped)), "{refused:?}");
        sleep(Duration::from_secs(1)).await;
        assert_eq!(system.stats().live_actors, 2, "the parent waits for the hung child alone");
        let refused = while_reaping.await;
        assert!(matches!(refused, Err(StartError::Stopped)), "{refused:?}");
        let took = until_empty(&system).await;
        assert!(took < Duration::from_millis(4_100), "{took:?}");
        assert!(matches!(after.await, Err(StartError::Stopped)));
    });
}
