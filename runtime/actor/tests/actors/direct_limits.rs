//! Asks that run on the asker's stack: what else must go on all the same.

use std::{future::poll_fn, sync::Arc, sync::atomic::AtomicU64, task::Poll, time::Duration};

use odeon_message::{AskError, message};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::coop::unconstrained,
};

use crate::{
    fixture::{
        Add, Boom, Hold, Leave, Tally, Threads, Worker, block_on_plain, bump, on_one_thread,
        on_one_thread_with, read, spawn_thread,
    },
    odeon::{Actor, ActorRef, Context, Handler, Placement, SpawnOptions, StartError, SystemConfig},
};

const SECOND: Duration = Duration::from_secs(1);

fn stealing() -> SpawnOptions {
    SpawnOptions::default().placement(Placement::Stealing)
}

/// A system, and a program of one thread that runs its stealing actors.
fn both() -> (Threads, Runtime) {
    let program = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let threads = Threads::new(1);
    threads.system.set_stealing(program.handle().clone());
    (threads, program)
}

fn end(threads: Threads, program: Runtime) {
    threads.block_on(threads.system.stop(SECOND * 20));
    drop(program);
    threads.end();
}

#[test]
fn a_stealing_actor_that_ends_in_a_direct_turn_leaves_no_task() {
    let (threads, program) = both();
    let system = threads.system.clone();
    program.block_on(async {
        for _ in 0..3 {
            let spawn =
                async || system.spawn::<Worker>(Tally::default(), stealing()).await.unwrap();
            let (stops, fails, panics) = (spawn().await, spawn().await, spawn().await);
            for worker in [&stops, &fails, &panics] {
                assert_eq!(worker.ask(Add(1)).await.unwrap(), 1);
            }
            stops.ask(Leave::Stop).await.unwrap();
            fails.ask(Leave::Fail).await.unwrap();
            let error = panics.ask(Boom { later: false }).await.unwrap_err();
            assert!(matches!(error, AskError::Panicked(_)), "{error}");
        }
        let gone = async {
            while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
                tokio::time::sleep(SECOND / 1000).await;
            }
        };
        tokio::time::timeout(SECOND * 10, gone).await.expect("a task is left");
    });
    end(threads, program);
}

/// Asks another actor until it is told otherwise, and counts.
struct Asker(Arc<AtomicU64>, Arc<AtomicU64>);

impl Actor for Asker {
    type Args = (Arc<AtomicU64>, Arc<AtomicU64>);

    async fn start((asked, enough): Self::Args, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self(asked, enough))
    }
}

#[message(local, crate = crate::odeon)]
struct Loop(ActorRef<Worker>);

impl Handler<Loop> for Asker {
    async fn handle(&mut self, Loop(worker): Loop, _: &mut Context<Self>) {
        while read(&self.1) == 0 && worker.ask(Add(1)).await.is_ok() {
            bump(&self.0);
        }
    }
}

#[test]
fn a_stealing_actor_that_asks_others_for_ever_gives_its_thread_away() {
    let (threads, program) = both();
    let system = &threads.system;
    let (asked, enough) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let (is_fair, is_killed) = threads.block_on(async {
        let args = (asked.clone(), enough.clone());
        let asker = system.spawn::<Asker>(args, stealing()).await.unwrap();
        let worker = system.spawn::<Worker>(Tally::default(), stealing()).await.unwrap();
        asker.tell(Loop(worker)).await.unwrap();
        while read(&asked) < 1000 {
            tokio::time::sleep(SECOND / 1000).await;
        }
        // The program has one thread.
        let is_fair = tokio::time::timeout(SECOND * 5, program.spawn(async {})).await.is_ok();
        asker.kill();
        let killed = async {
            while system.stats().live_actors > 1 {
                tokio::time::sleep(SECOND / 1000).await;
            }
        };
        (is_fair, tokio::time::timeout(SECOND * 5, killed).await.is_ok())
    });
    bump(&enough);
    end(threads, program);
    assert_eq!((is_fair, is_killed), (true, true));
}

#[test]
fn a_task_without_a_budget_that_asks_for_ever_gives_its_thread_away() {
    on_one_thread(1, |system| async move {
        let worker = system.spawn::<Worker>(Tally::default(), SpawnOptions::default()).await;
        let (worker, enough) = (worker.unwrap(), Arc::<AtomicU64>::default());
        let told = enough.clone();
        let asker = tokio::task::spawn_local(unconstrained(async move {
            let mut asked = 0;
            while read(&told) == 0 && asked < 300_000 {
                asked = worker.ask(Add(1)).await.unwrap();
            }
            asked
        }));
        let other = tokio::task::spawn_local(async move { bump(&enough) });
        let asked = asker.await.unwrap();
        other.await.unwrap();
        assert!(asked < 100_000, "{asked}");
    });
}

/// Tells itself so much whenever it is asked.
#[derive(Default)]
struct Busy(u64);

impl Actor for Busy {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self::default())
    }
}

#[message(local, crate = crate::odeon)]
struct Burden(u32);

#[message(local, crate = crate::odeon)]
struct Bit;

impl Handler<Bit> for Busy {
    async fn handle(&mut self, _: Bit, _: &mut Context<Self>) {
        self.0 += 1;
    }
}

impl Handler<Burden> for Busy {
    async fn handle(&mut self, Burden(bits): Burden, ctx: &mut Context<Self>) {
        for _ in 0..bits {
            ctx.self_ref().try_tell(Bit).unwrap();
        }
    }
}

#[message(local, reply = u64, crate = crate::odeon)]
struct Bits;

impl Handler<Bits> for Busy {
    async fn handle(&mut self, _: Bits, _: &mut Context<Self>) -> u64 {
        self.0
    }
}

/// Puts burdens on another actor; answers with how many it could before somebody else had a turn.
#[message(local, reply = u32, crate = crate::odeon)]
struct Press(ActorRef<Busy>);

impl Handler<Press> for Asker {
    async fn handle(&mut self, Press(busy): Press, _: &mut Context<Self>) -> u32 {
        for pressed in 0..1000 {
            let mut ask = std::pin::pin!(IntoFuture::into_future(busy.ask(Burden(100))));
            let done = poll_fn(|cx| Poll::Ready(ask.as_mut().poll(cx).is_ready())).await;
            if !done {
                ask.await.unwrap();
                return pressed;
            }
        }
        1000
    }
}

#[test]
fn what_is_handled_in_direct_turns_counts_for_the_turn_they_are_in() {
    // A mailbox that is to be measured is not free.
    let mut config = SystemConfig::default();
    config.sample_every = 0;
    on_one_thread_with(config, 1, |system| async move {
        let asker =
            system.spawn::<Asker>(Default::default(), SpawnOptions::default()).await.unwrap();
        let busy = system.spawn::<Busy>((), SpawnOptions::default()).await.unwrap();
        let pressed = asker.ask(Press(busy.clone())).await.unwrap();
        assert!((1..4).contains(&pressed), "{pressed}");
        assert_eq!(busy.ask(Bits).await.unwrap(), u64::from(pressed + 1) * 100);
        // From outside of turns, too.
        for pressed in 0..1000 {
            let mut ask = std::pin::pin!(IntoFuture::into_future(busy.ask(Burden(100))));
            let done = poll_fn(|cx| Poll::Ready(ask.as_mut().poll(cx).is_ready())).await;
            if !done {
                ask.await.unwrap();
                assert!((1..4).contains(&pressed), "{pressed}");
                return;
            }
        }
        panic!("it never gave its thread away");
    });
}

/// Asks another actor to wait; answers with whether it was told in time that there is no answer.
#[message(local, reply = bool, crate = crate::odeon)]
struct Late(ActorRef<Worker>);

async fn is_late(worker: &ActorRef<Worker>) -> bool {
    let (let_go, hold) = oneshot::channel();
    let error = worker.ask(Hold(hold)).within(SECOND / 20).await.unwrap_err();
    let _ = let_go.send(());
    matches!(error, AskError::Deadline(_))
}

impl Handler<Late> for Asker {
    async fn handle(&mut self, Late(worker): Late, _: &mut Context<Self>) -> bool {
        is_late(&worker).await
    }
}

#[test]
fn whoever_asks_an_actor_that_then_waits_is_told_in_time() {
    on_one_thread(1, |system| async move {
        let asker = system.spawn::<Asker>(Default::default(), SpawnOptions::default()).await;
        let worker = system.spawn::<Worker>(Tally::default(), SpawnOptions::default()).await;
        let (asker, worker) = (asker.unwrap(), worker.unwrap());
        for _ in 0..3 {
            assert!(is_late(&worker).await, "from a task of the thread");
            worker.ask(Add(1)).await.unwrap();
            assert!(asker.ask(Late(worker.clone())).await.unwrap(), "from an actor");
            worker.ask(Add(1)).await.unwrap();
        }
    });
    let (threads, program) = both();
    let system = threads.system.clone();
    let (asker, worker) = program.block_on(async {
        let asker = system.spawn::<Asker>(Default::default(), stealing()).await.unwrap();
        let worker = system.spawn::<Worker>(Tally::default(), stealing()).await.unwrap();
        for _ in 0..3 {
            assert!(is_late(&worker).await, "from a thread of the program");
            worker.ask(Add(1)).await.unwrap();
            assert!(asker.ask(Late(worker.clone())).await.unwrap(), "from a stealing actor");
            worker.ask(Add(1)).await.unwrap();
        }
        (asker, worker)
    });
    {
        let _entered = program.enter();
        assert!(block_on_plain(is_late(&worker)), "from a thread that has entered the program");
    }
    drop((asker, worker));
    end(threads, program);
}

#[test]
fn a_program_that_ends_while_its_actors_are_asked_answers_everybody() {
    for round in 0..10 {
        let (threads, program) = both();
        let handle = program.handle().clone();
        let tally = Tally::default();
        let worker = threads.block_on(async {
            threads.system.spawn::<Worker>(tally.clone(), stealing()).await.unwrap()
        });
        let askers = [(); 3].map(|()| {
            let (handle, worker) = (handle.clone(), worker.clone());
            spawn_thread(move || {
                let _entered = handle.enter();
                let mut answered = 0;
                loop {
                    match block_on_plain(worker.ask(Add(1)).into_future()) {
                        Ok(_) => answered += 1,
                        Err(error) => return (answered, error),
                    }
                }
            })
        });
        while read(&tally.runs) < 50 * (round + 1) {
            std::thread::yield_now();
        }
        drop(program);
        for asker in askers {
            let (_, error) = asker.join().unwrap();
            assert!(matches!(error, AskError::Stopped(_)), "{error}");
        }
        assert_eq!(read(&tally.drops), 1);
        drop(worker);
        threads.end();
    }
}

/// Takes numbers in order.
struct Line(u64);

impl Actor for Line {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self(0))
    }
}

#[message(local, reply = u64, crate = crate::odeon)]
struct Number(u64);

impl Handler<Number> for Line {
    async fn handle(&mut self, Number(number): Number, _: &mut Context<Self>) -> u64 {
        assert_eq!(number, self.0 + 1, "a sender that moves is not overtaken");
        if number.is_multiple_of(5) {
            tokio::task::yield_now().await;
        }
        self.0 = number;
        number
    }
}

#[test]
fn the_order_of_a_sender_that_moves_between_threads_is_kept() {
    const NUMBERS: u64 = 3000;
    let threads = Threads::new(1);
    let system = threads.system.clone();
    threads.block_on(async {
        let options = SpawnOptions::default().mailbox(4);
        let line = system.spawn::<Line>((), options).await.unwrap();
        // On the worker's thread, and on those of another runtime, in turn.
        let mut number = 0;
        while number < NUMBERS {
            let near = line.clone();
            let from = number;
            let task = async move {
                let mut number = from;
                for _ in 0..from % 4 + 1 {
                    number += 1;
                    near.tell(Number(number)).await.unwrap();
                }
                if from.is_multiple_of(3) {
                    number += 1;
                    assert_eq!(near.ask(Number(number)).await.unwrap(), number);
                }
                number
            };
            number = system.spawn_task(task).unwrap().await.unwrap();
            for _ in 0..number % 5 {
                number += 1;
                line.tell(Number(number)).await.unwrap();
            }
        }
        assert_eq!(line.ask(Number(number + 1)).await.unwrap(), number + 1);
        assert_eq!(system.stats().panics, 0);
    });
    threads.end();
}

/// The middle of three: asks another, which asks it back beside its messages.
struct Middle(Option<ActorRef<Middle>>);

impl Actor for Middle {
    type Args = Option<ActorRef<Self>>;

    async fn start(next: Self::Args, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self(next))
    }
}

#[message(local, reply = u32, crate = crate::odeon)]
struct Through(ActorRef<Middle>);

impl Handler<Through> for Middle {
    async fn handle(&mut self, Through(back): Through, ctx: &mut Context<Self>) -> u32 {
        if let Some(next) = &self.0 {
            return next.ask(Through(ctx.self_ref())).await.unwrap() + 1;
        }
        ctx.pipe(None, back.ask(Depth).into_future(), Answered).unwrap();
        1
    }
}

#[message(local, reply = u32, crate = crate::odeon)]
struct Depth;

impl Handler<Depth> for Middle {
    async fn handle(&mut self, _: Depth, _: &mut Context<Self>) -> u32 {
        1
    }
}

#[message(local, crate = crate::odeon)]
struct Answered(Result<u32, AskError<std::convert::Infallible>>);

impl Handler<Answered> for Middle {
    async fn handle(&mut self, answered: Answered, _: &mut Context<Self>) {
        assert_eq!(answered.0.unwrap(), 1);
    }
}

/// Asks through the other two.
#[message(local, reply = u32, crate = crate::odeon)]
struct Begin(ActorRef<Middle>);

impl Handler<Begin> for Worker {
    async fn handle(&mut self, Begin(middle): Begin, _: &mut Context<Self>) -> u32 {
        middle.ask(Through(middle.clone())).await.unwrap()
    }
}

#[test]
fn a_direct_turn_late_in_a_long_one_has_the_time() {
    on_one_thread(1, |system| async move {
        let options = SpawnOptions::default;
        let last = system.spawn::<Middle>(None, options()).await.unwrap();
        let middle = system.spawn::<Middle>(Some(last), options()).await.unwrap();
        let worker = system.spawn::<Worker>(Tally::default(), options()).await.unwrap();
        let (let_go, hold) = oneshot::channel();
        worker.tell(Hold(hold)).await.unwrap();
        tokio::task::yield_now().await;
        let mut asks =
            (0..12).map(|_| Box::pin(worker.ask(Add(1)).into_future())).collect::<Vec<_>>();
        for ask in &mut asks {
            let pending = poll_fn(|cx| Poll::Ready(ask.as_mut().poll(cx).is_pending())).await;
            assert!(pending, "it waits behind the first");
        }
        let begins = (0..12).map(|_| Box::pin(worker.ask(Begin(middle.clone())).into_future()));
        let mut begins = begins.collect::<Vec<_>>();
        for ask in &mut begins {
            assert!(poll_fn(|cx| Poll::Ready(ask.as_mut().poll(cx).is_pending())).await);
        }
        let_go.send(()).unwrap();
        for ask in begins {
            assert_eq!(ask.await.unwrap(), 2);
        }
        assert_eq!(system.stats().panics, 0);
    });
}
