//! Nothing leaks and nothing is dropped twice, on every way out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    task::{Context as Task, Poll, Waker},
    time::Duration,
};

use odeon_message::message;
use tokio::task::yield_now;

use crate::{
    fixture::{Tally, Threads, block_on_plain, bump, on_one_thread, read, spawn_thread},
    odeon::{
        Actor, ActorRef, ChildSpec, Context, Handler, SpawnOptions, StartError, Supervisor,
        SupervisorSpec,
    },
};

/// Counts itself: 0 when as many were dropped as made; a second drop of one shows as a negative count or a crash.
pub(crate) struct Token(Arc<AtomicI64>);

impl Token {
    pub(crate) fn new(alive: &Arc<AtomicI64>) -> Self {
        alive.fetch_add(1, Ordering::SeqCst);
        Self(alive.clone())
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        assert!(self.0.fetch_sub(1, Ordering::SeqCst) > 0, "dropped twice");
    }
}

pub(crate) fn alive(count: &Arc<AtomicI64>) -> i64 {
    count.load(Ordering::SeqCst)
}

/// What the handler does with its token.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Then {
    Return,
    Wait,
    Panic,
    WaitAndPanic,
    Forever,
}

#[message(local, reply = Token, crate = crate::odeon)]
struct Carry {
    token: Token,
    then: Then,
}

struct Carrier {
    _token: Token,
    begun: Arc<AtomicU64>,
}

#[derive(Clone)]
struct Load {
    alive: Arc<AtomicI64>,
    begun: Arc<AtomicU64>,
    panic: bool,
}

impl Actor for Carrier {
    type Args = Load;

    async fn start(args: Load, _: &mut Context<Self>) -> Result<Self, StartError> {
        let token = Token::new(&args.alive);
        yield_now().await;
        assert!(!args.panic, "start panics");
        Ok(Self { _token: token, begun: args.begun })
    }
}

impl Handler<Carry> for Carrier {
    async fn handle(&mut self, message: Carry, _: &mut Context<Self>) -> Token {
        bump(&self.begun);
        match message.then {
            Then::Return => {}
            Then::Wait => yield_now().await,
            Then::Panic => panic!("carrier"),
            Then::WaitAndPanic => {
                yield_now().await;
                panic!("carrier");
            }
            Then::Forever => std::future::pending().await,
        }
        message.token
    }
}

fn load() -> Load {
    Load { alive: Arc::default(), begun: Arc::default(), panic: false }
}

#[test]
fn every_way_out_drops_everything_once() {
    let ways = [Then::Return, Then::Wait, Then::Panic, Then::WaitAndPanic, Then::Forever];
    for supervised in [false, true] {
        for then in ways {
            let load = load();
            let count = load.alive.clone();
            on_one_thread(1, |system| async move {
                let carrier = if supervised {
                    let spec = SupervisorSpec::one_for_one()
                        .intensity(1000, Duration::from_secs(1))
                        .child(
                            ChildSpec::new::<Carrier>("c", load.clone()).shutdown(Duration::ZERO),
                        );
                    let options = SpawnOptions::default();
                    let supervisor = system.spawn::<Supervisor>(spec, options).await.unwrap();
                    supervisor.child::<Carrier>("c").await.unwrap()
                } else {
                    let options = SpawnOptions::default().mailbox(8);
                    system.spawn::<Carrier>(load.clone(), options).await.unwrap()
                };
                let mut asks = Vec::new();
                for n in 0..30 {
                    let token = Token::new(&load.alive);
                    let then = if n == 4 { then } else { Then::Return };
                    let mut ask = Box::pin(carrier.ask(Carry { token, then }).into_future());
                    let mut cx = Task::from_waker(Waker::noop());
                    // The first finds a free actor.
                    assert_eq!(ask.as_mut().poll(&mut cx).is_ready(), n == 0);
                    asks.push(ask);
                    let token = Token::new(&load.alive);
                    // Some do not fit any more: they come back and are dropped here.
                    drop(carrier.try_tell(Carry { token, then: Then::Return }));
                }
                let waiting = carrier.clone();
                let token = Token::new(&load.alive);
                let tell = tokio::task::spawn_local(async move {
                    drop(waiting.tell(Carry { token, then: Then::Return }).await);
                });
                // Dropped before, while and after they run.
                for n in (0..30).rev() {
                    if n % 3 == 0 {
                        drop(asks.remove(n));
                    }
                    if n % 5 == 0 {
                        yield_now().await;
                    }
                }
                drop(carrier);
                system.stop(Duration::from_secs(5)).await;
                drop(asks);
                tell.await.unwrap();
            });
            assert_eq!(alive(&count), 0, "{then:?}, supervised: {supervised}");
        }
    }
}

#[test]
fn a_panic_in_start_drops_everything_once() {
    let load = Load { panic: true, ..load() };
    let count = load.alive.clone();
    on_one_thread(1, |system| async move {
        let options = SpawnOptions::default();
        assert!(system.spawn::<Carrier>(load, options).await.is_err());
        assert_eq!(system.stats().panics, 1);
    });
    assert_eq!(alive(&count), 0);
}

/// Panics when it is dropped, and again while others of its kind are.
#[message(local, crate = crate::odeon)]
struct Grenade {
    _token: Token,
}

impl Drop for Grenade {
    fn drop(&mut self) {
        panic!("pulled");
    }
}

struct Holder {
    wait: bool,
}

impl Actor for Holder {
    type Args = bool;

    async fn start(wait: bool, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { wait })
    }
}

impl Handler<Grenade> for Holder {
    async fn handle(&mut self, message: Grenade, _: &mut Context<Self>) {
        if self.wait {
            std::future::pending::<()>().await;
        }
        drop(message);
    }
}

#[test]
fn messages_whose_destructor_panics_end_their_actor_and_nothing_else() {
    for wait in [false, true] {
        let count = Arc::new(AtomicI64::new(0));
        let tokens = count.clone();
        on_one_thread(1, |system| async move {
            let holder = system.spawn::<Holder>(wait, SpawnOptions::default()).await.unwrap();
            for _ in 0..10 {
                holder.try_tell(Grenade { _token: Token::new(&tokens) }).unwrap();
            }
            if wait {
                yield_now().await;
                system.stop(Duration::from_millis(10)).await;
            }
            while system.stats().live_actors > 0 {
                yield_now().await;
            }
            assert_eq!(system.stats().panics, 10);
        });
        assert_eq!(alive(&count), 0);
    }
}

#[test]
fn racing_asks_and_stops_on_threads_leak_nothing() {
    let count = Arc::new(AtomicI64::new(0));
    let threads = Threads::new(2);
    for round in 0..40 {
        let load = Load { alive: count.clone(), begun: Arc::default(), panic: false };
        let options = SpawnOptions::default().mailbox(16);
        let carrier =
            threads.block_on(threads.system.spawn::<Carrier>(load.clone(), options)).unwrap();
        let senders = (0..2).map(|n| {
            let (carrier, count) = (carrier.clone(), count.clone());
            spawn_thread(move || send_until_it_ends(&carrier, &count, n))
        });
        let senders = senders.collect::<Vec<_>>();
        while read(&load.begun) < 50 + round * 7 {
            std::hint::spin_loop();
        }
        carrier.stop();
        for sender in senders {
            sender.join().unwrap();
        }
    }
    threads.end();
    assert_eq!(alive(&count), 0);
}

/// Tells and asks, and drops some asks half way, until the actor is gone.
fn send_until_it_ends(carrier: &ActorRef<Carrier>, count: &Arc<AtomicI64>, salt: u64) {
    for n in salt.. {
        let then = if n % 3 == 0 { Then::Wait } else { Then::Return };
        let message = Carry { token: Token::new(count), then };
        let failed = match n % 4 {
            0 => block_on_plain(carrier.tell(message)).is_err(),
            1 => block_on_plain(carrier.ask(message).into_future()).is_err(),
            2 => {
                let mut ask = Box::pin(carrier.ask(message).into_future());
                let mut cx = Task::from_waker(Waker::noop());
                matches!(ask.as_mut().poll(&mut cx), Poll::Ready(Err(_)))
            }
            _ => carrier
                .try_tell(message)
                .is_err_and(|error| error.failure.kind == odeon_message::FailureKind::Stopped),
        };
        if failed {
            return;
        }
    }
}

#[test]
fn actors_that_nobody_refers_to_are_freed_when_they_end() {
    on_one_thread(2, |system| async move {
        for _ in 0..1_000 {
            let tally = Tally::default();
            let options = SpawnOptions::default();
            let worker = system.spawn::<crate::fixture::Worker>(tally, options).await.unwrap();
            worker.stop();
        }
        while system.stats().cells > 0 {
            yield_now().await;
        }
        assert_eq!(system.stats().started, 1_000);
    });
}
