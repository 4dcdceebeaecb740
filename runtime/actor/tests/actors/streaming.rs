//! Asks that are answered with a stream, on one node: order, bounds, and who ends it.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context as TaskContext, Poll},
};

use odeon_message::{AskError, Certainty, Items, message};
use tokio::time::{Instant, timeout};

use crate::{
    beside::Dropped,
    desk::{SECOND, settle},
    fixture::on_one_thread,
    odeon::{
        Actor, ActorRef, ActorSystem, Context, Handler, Outlet, OutletError, Responder,
        SpawnOptions, StartError, Stream, SystemConfig,
    },
};

/// As many as it may be ahead of its reader.
fn ahead() -> u64 {
    u64::from(SystemConfig::default().stream_items)
}

/// Gives 0, 1, 2, … and counts what was taken of it; panics where it is told to.
struct Numbers {
    last: u64,
    panics_at: u64,
    given: Arc<AtomicU64>,
    _dropped: Dropped,
}

impl Stream for Numbers {
    type Item = u64;

    fn poll_next(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<u64>> {
        if self.given.load(SeqCst) >= self.last {
            return Poll::Ready(None);
        }
        let next = self.given.fetch_add(1, SeqCst);
        assert_ne!(next, self.panics_at, "told to");
        Poll::Ready(Some(next))
    }
}

#[derive(Clone, Default)]
struct Seen {
    given: Arc<AtomicU64>,
    drops: Arc<Mutex<u32>>,
}

impl Seen {
    fn given(&self) -> u64 {
        self.given.load(SeqCst)
    }

    fn drops(&self) -> u32 {
        *self.drops.lock().unwrap()
    }
}

#[derive(Default)]
struct Tap {
    seen: Seen,
    outlet: Option<Outlet<u64>>,
    later: Option<Responder<Count>>,
}

impl Actor for Tap {
    type Args = Seen;

    async fn start(seen: Seen, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { seen, ..Self::default() })
    }
}

/// So many numbers; none is refused.
#[message(local, stream = u64, error = String, crate = crate::odeon)]
struct Count {
    last: u64,
    panics_at: u64,
    deferred: bool,
}

impl Count {
    fn to(last: u64) -> Self {
        Self { last, panics_at: u64::MAX, deferred: false }
    }
}

impl Handler<Count> for Tap {
    async fn handle(
        &mut self,
        count: Count,
        ctx: &mut Context<Self>,
    ) -> Result<Items<u64>, String> {
        let Count { last, panics_at, deferred } = count;
        if last == 0 {
            return Err("nothing to count".to_owned());
        }
        if deferred {
            return ctx.defer(|responder| self.later = Some(responder)).await;
        }
        let Seen { given, drops } = self.seen.clone();
        Ok(ctx.items(Numbers { last, panics_at, given, _dropped: Dropped(drops) }))
    }
}

/// A stream whose outlet the actor keeps.
#[message(local, stream = u64, crate = crate::odeon)]
struct Subscribe;

impl Handler<Subscribe> for Tap {
    async fn handle(&mut self, _: Subscribe, ctx: &mut Context<Self>) -> Items<u64> {
        let (outlet, items) = ctx.outlet();
        self.outlet = Some(outlet);
        items
    }
}

type Deed = Box<dyn FnOnce(&mut Tap, &mut Context<Tap>) + Send>;

#[message(local, crate = crate::odeon)]
struct Do(Deed);

impl Handler<Do> for Tap {
    async fn handle(&mut self, Do(deed): Do, ctx: &mut Context<Self>) {
        deed(self, ctx);
    }
}

async fn make(
    tap: &ActorRef<Tap>,
    deed: impl FnOnce(&mut Tap, &mut Context<Tap>) + Send + 'static,
) {
    tap.ask(Do(Box::new(deed))).await.unwrap();
}

async fn tap(system: &ActorSystem) -> (ActorRef<Tap>, Seen) {
    let seen = Seen::default();
    (system.spawn::<Tap>(seen.clone(), SpawnOptions::default()).await.unwrap(), seen)
}

#[test]
fn items_come_in_order_and_then_nothing() {
    on_one_thread(1, |system| async move {
        let (tap, seen) = tap(&system).await;
        let mut items = tap.ask(Count::to(200)).await.unwrap();
        for number in 0..200 {
            assert_eq!(items.next().await, Some(Ok(number)));
        }
        assert_eq!((items.next().await, items.next().await), (None, None));
        assert_eq!(seen.drops(), 1);
        let refused = tap.ask(Count::to(0)).await.unwrap_err();
        assert!(matches!(refused, AskError::Handler(why) if why == "nothing to count"));
    });
}

#[test]
fn a_slow_reader_holds_back_its_stream_and_nothing_else() {
    on_one_thread(1, |system| async move {
        let (tap, seen) = tap(&system).await;
        let mut items = tap.ask(Count::to(u64::MAX)).await.unwrap();
        settle().await;
        assert_eq!(seen.given(), ahead());
        for number in 0..10 {
            assert_eq!(items.next().await, Some(Ok(number)));
            make(&tap, |_, _| {}).await;
        }
        settle().await;
        assert_eq!(seen.given(), ahead() + 10);
    });
}

#[test]
fn dropping_the_stream_drops_what_it_comes_from() {
    on_one_thread(1, |system| async move {
        let (tap, seen) = tap(&system).await;
        let mut items = tap.ask(Count::to(u64::MAX)).await.unwrap();
        assert_eq!(items.next().await, Some(Ok(0)));
        drop(items);
        settle().await;
        assert_eq!(seen.drops(), 1);
        // A tell has nobody who reads.
        tap.tell(Count::to(5)).await.unwrap();
        settle().await;
        assert_eq!(seen.drops(), 2);
        // An asker that gives up before its turn has none either.
        let asked = tap.ask(Count { deferred: true, ..Count::to(5) }).within(SECOND);
        assert!(matches!(asked.await, Err(AskError::Deadline(_))));
        make(&tap, |tap, ctx| {
            let Seen { given, drops } = tap.seen.clone();
            let numbers = Numbers { last: 9, panics_at: 9, given, _dropped: Dropped(drops) };
            tap.later.take().unwrap().reply(Ok(ctx.items(numbers)));
        })
        .await;
        settle().await;
        assert_eq!(seen.drops(), 3);
    });
}

#[test]
fn a_panic_comes_after_the_items_before_it() {
    on_one_thread(1, |system| async move {
        let (tap, seen) = tap(&system).await;
        let mut items = tap.ask(Count { panics_at: 3, ..Count::to(9) }).await.unwrap();
        settle().await;
        for number in 0..3 {
            assert_eq!(items.next().await, Some(Ok(number)));
        }
        let error = items.next().await.unwrap().unwrap_err();
        assert!(matches!(error, AskError::Panicked(_)) && error.certainty() == Certainty::Ran);
        assert_eq!(items.next().await, None);
        assert_eq!(seen.drops(), 1);
    });
}

#[test]
fn an_outlet_sends_as_far_as_there_is_room() {
    on_one_thread(1, |system| async move {
        let (tap, _) = tap(&system).await;
        let mut items = tap.ask(Subscribe).await.unwrap();
        make(&tap, |tap, _| {
            let outlet = tap.outlet.as_mut().unwrap();
            (0..ahead()).for_each(|number| outlet.try_send(number).unwrap());
            assert_eq!(outlet.try_send(7), Err(OutletError::Full(7)));
        })
        .await;
        assert_eq!(items.next().await, Some(Ok(0)));
        let (sender, outlet) = tokio::sync::oneshot::channel();
        make(&tap, |tap, _| drop(sender.send(tap.outlet.take().unwrap()))).await;
        let mut outlet = outlet.await.unwrap();
        outlet.send(ahead()).await.unwrap();
        let waits = tokio::task::spawn_local(async move {
            outlet.send(ahead() + 1).await.unwrap();
            outlet.finish();
        });
        settle().await;
        assert!(!waits.is_finished());
        for number in 1..ahead() + 2 {
            assert_eq!(items.next().await, Some(Ok(number)));
        }
        assert_eq!(items.next().await, None);
        waits.await.unwrap();
    });
}

#[test]
fn an_outlet_sees_that_its_reader_is_gone() {
    on_one_thread(1, |system| async move {
        let (tap, _) = tap(&system).await;
        let items = tap.ask(Subscribe).await.unwrap();
        let (sender, outlet) = tokio::sync::oneshot::channel();
        make(&tap, |tap, _| drop(sender.send(tap.outlet.take().unwrap()))).await;
        let mut outlet = outlet.await.unwrap();
        assert!(!outlet.is_closed());
        assert!(timeout(SECOND, outlet.closed()).await.is_err());
        drop(items);
        outlet.closed().await;
        assert!(outlet.is_closed());
        assert_eq!(outlet.send(3).await, Err(OutletError::Closed(3)));
        assert_eq!(outlet.try_send(4).unwrap_err().into_item(), 4);
    });
}

#[test]
fn an_outlet_that_is_dropped_or_fails_says_so() {
    on_one_thread(1, |system| async move {
        let (tap, _) = tap(&system).await;
        let mut items = tap.ask(Subscribe).await.unwrap();
        make(&tap, |tap, _| {
            let mut outlet = tap.outlet.take().unwrap();
            outlet.try_send(1).unwrap();
        })
        .await;
        assert_eq!(items.next().await, Some(Ok(1)));
        let error = items.next().await.unwrap().unwrap_err();
        assert!(matches!(error, AskError::Cancelled(_)) && error.certainty() == Certainty::Ran);
        let mut items = tap.ask(Subscribe).await.unwrap();
        make(&tap, |tap, _| tap.outlet.take().unwrap().fail("out of paper")).await;
        let error = items.next().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("out of paper"), "{error}");
    });
}

/// The outlet is in the actor's value, which is dropped when it panics: that alone would say `Cancelled`.
#[test]
fn an_outlet_in_an_actor_that_ends_tells_why() {
    on_one_thread(1, |system| async move {
        let (tap, _) = tap(&system).await;
        let mut items = tap.ask(Subscribe).await.unwrap();
        let panics = tap.ask(Do(Box::new(|_, _| panic!("told to")))).await;
        assert!(matches!(panics, Err(AskError::Panicked(_))));
        let error = items.next().await.unwrap().unwrap_err();
        assert!(matches!(error, AskError::Panicked(_)), "{error}");
    });
}

#[test]
fn each_item_has_the_whole_time_and_silence_ends_the_stream() {
    on_one_thread(1, |system| async move {
        let (tap, _) = tap(&system).await;
        let mut items = tap.ask(Subscribe).await.unwrap().within(2 * SECOND);
        for number in 0..3 {
            let tap = tap.clone();
            let later = tokio::task::spawn_local(async move {
                tokio::time::sleep(SECOND).await;
                make(&tap, move |tap, _| tap.outlet.as_mut().unwrap().try_send(number).unwrap())
                    .await;
            });
            assert_eq!(items.next().await, Some(Ok(number)));
            later.await.unwrap();
        }
        let began = Instant::now();
        let error = items.next().await.unwrap().unwrap_err();
        assert!(matches!(error, AskError::Deadline(_)) && error.certainty() == Certainty::Ran);
        assert_eq!(began.elapsed().as_secs(), 2);
        assert_eq!(items.next().await, None);
        settle().await;
        make(&tap, |tap, _| assert!(tap.outlet.as_ref().unwrap().is_closed())).await;
    });
}

#[test]
fn without_room_for_a_source_the_stream_ends_at_once() {
    on_one_thread(1, |system| async move {
        let (tap, _) = tap(&system).await;
        let sources_max = system.config().sources_max;
        let mut open = Vec::new();
        for _ in 0..sources_max {
            open.push(tap.ask(Subscribe).await.unwrap());
            // Each lives as long as its outlet.
            make(&tap, |tap, _| std::mem::forget(tap.outlet.take())).await;
        }
        let mut items = tap.ask(Subscribe).await.unwrap();
        let error = items.next().await.unwrap().unwrap_err();
        assert!(matches!(error, AskError::Full(_)), "{error}");
        make(&tap, |tap, _| assert!(tap.outlet.as_ref().unwrap().is_closed())).await;
        drop(open.pop());
        settle().await;
        let mut items = tap.ask(Subscribe).await.unwrap();
        make(&tap, |tap, _| tap.outlet.take().unwrap().finish()).await;
        assert_eq!(items.next().await, None);
    });
}
