//! Actors that are tasks of the program's multi-thread runtime: they live and end as all actors do, and with it.

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use odeon_message::{AskError, message};
use tokio::{
    runtime::{Builder, Runtime},
    task::{JoinSet, yield_now},
};

use crate::{
    fixture::{Add, Boom, Leave, Tally, Threads, Worker, in_world, on_one_thread, read, system_of},
    odeon::{
        self, Actor, ActorRef, ActorSystem, ChildSpec, Context, ExitKind, Handler, Placement,
        SpawnOptions, StartError, Supervisor, SupervisorSpec, Terminated,
    },
};

const SECOND: Duration = Duration::from_secs(1);

/// Notes what comes from whom, and does what else it is told.
#[derive(Default)]
struct Clerk {
    last: BTreeMap<u64, u64>,
    inside: bool,
}

impl Actor for Clerk {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self::default())
    }
}

#[message(local, crate = crate::odeon)]
struct Note {
    from: u64,
    number: u64,
}

impl Handler<Note> for Clerk {
    async fn handle(&mut self, note: Note, _: &mut Context<Self>) {
        assert!(!self.inside, "two handlers of one actor at a time");
        self.inside = true;
        if note.number.is_multiple_of(7) {
            yield_now().await;
        }
        self.inside = false;
        let before = self.last.insert(note.from, note.number).unwrap_or(0);
        assert_eq!(note.number, before + 1, "one sender's messages come in order");
    }
}

#[message(local, reply = u64, crate = crate::odeon)]
struct Last(u64);

impl Handler<Last> for Clerk {
    async fn handle(&mut self, last: Last, _: &mut Context<Self>) -> u64 {
        self.last.get(&last.0).copied().unwrap_or(0)
    }
}

/// Keeps itself busy for ever.
#[message(local, crate = crate::odeon)]
struct Spin;

impl Handler<Spin> for Clerk {
    async fn handle(&mut self, _: Spin, ctx: &mut Context<Self>) {
        yield_now().await;
        // It may be ending.
        let _ = ctx.self_ref().try_tell(Spin);
    }
}

/// Waits for ever.
#[message(local, crate = crate::odeon)]
struct Wait;

impl Handler<Wait> for Clerk {
    async fn handle(&mut self, _: Wait, _: &mut Context<Self>) {
        pending().await
    }
}

/// Takes its thread for so long.
#[message(local, crate = crate::odeon)]
struct Block(Duration);

impl Handler<Block> for Clerk {
    #[expect(clippy::disallowed_methods, reason = "what a handler must not do")]
    async fn handle(&mut self, block: Block, _: &mut Context<Self>) {
        thread::sleep(block.0);
    }
}

/// Where the actor runs, where a task of its node does, and where a child of it.
#[message(local, reply = [Option<String>; 3], crate = crate::odeon)]
struct Where;

fn here() -> Option<String> {
    thread::current().name().map(str::to_owned)
}

impl Handler<Where> for Clerk {
    async fn handle(&mut self, _: Where, ctx: &mut Context<Self>) -> [Option<String>; 3] {
        let task = odeon::spawn(async { here() }).unwrap().await.unwrap();
        let child = ctx.spawn::<Self>((), SpawnOptions::default()).await.unwrap();
        [here(), task, child.ask(Name).await.unwrap()]
    }
}

#[message(local, reply = Option<String>, crate = crate::odeon)]
struct Name;

impl Handler<Name> for Clerk {
    async fn handle(&mut self, _: Name, _: &mut Context<Self>) -> Option<String> {
        here()
    }
}

/// Asks another actor as often.
#[message(local, reply = u64, crate = crate::odeon)]
struct Poll(ActorRef<Worker>, u64);

impl Handler<Poll> for Clerk {
    async fn handle(&mut self, poll: Poll, _: &mut Context<Self>) -> u64 {
        let mut sum = 0;
        for _ in 0..poll.1 {
            sum = poll.0.ask(Add(1)).await.unwrap();
        }
        sum
    }
}

fn stealing() -> SpawnOptions {
    SpawnOptions::default().placement(Placement::Stealing)
}

/// A program of its own beside the system's.
fn program() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).thread_name("program").enable_all().build().unwrap()
}

/// A system with a worker, and a program that runs its stealing actors.
fn both() -> (Threads, Runtime) {
    let (threads, program) = (Threads::new(1), program());
    threads.system.set_stealing(program.handle().clone());
    (threads, program)
}

/// Stops the system, then the program, whose threads may hold a waker a little longer; nothing may be left.
fn end(threads: Threads, program: Runtime) {
    threads.block_on(threads.system.stop(SECOND * 20));
    let idle = async {
        while program.metrics().num_alive_tasks() > 0 {
            tokio::time::sleep(SECOND / 1000).await;
        }
    };
    threads
        .block_on(async { tokio::time::timeout(SECOND * 20, idle).await })
        .expect("a task is left");
    drop(program);
    threads.end();
}

async fn clerk(system: &ActorSystem) -> ActorRef<Clerk> {
    system.spawn::<Clerk>((), stealing()).await.unwrap()
}

#[test]
fn many_tasks_send_and_the_order_of_each_is_kept() {
    const SENDERS: u64 = 16;
    const ROUNDS: u64 = 150;
    let (threads, program) = both();
    let system = threads.system.clone();
    program.block_on(async move {
        let clerks = [clerk(&system).await, clerk(&system).await];
        let mut senders = JoinSet::new();
        for from in 0..SENDERS {
            let clerks = clerks.clone();
            senders.spawn(async move {
                for number in 1..=ROUNDS {
                    for clerk in &clerks {
                        clerk.tell(Note { from, number }).await.unwrap();
                    }
                    if number.is_multiple_of(3) {
                        for clerk in &clerks {
                            assert_eq!(clerk.ask(Last(from)).await.unwrap(), number);
                        }
                    }
                }
            });
        }
        while let Some(sent) = senders.join_next().await {
            sent.unwrap();
        }
        assert_eq!(system.stats().panics, 0);
    });
    end(threads, program);
}

#[test]
fn it_runs_in_the_program_and_what_it_starts_does_not() {
    let (threads, program) = both();
    let [own, task, child] = threads.block_on(async {
        let clerk = clerk(&threads.system).await;
        clerk.ask(Where).await.unwrap()
    });
    assert_eq!(own.as_deref(), Some("program"));
    assert_eq!((task, child), (None, None), "the worker's thread has no name");
    end(threads, program);
}

#[test]
fn stealing_actors_ask_each_other() {
    let (threads, program) = both();
    threads.block_on(async {
        let system = &threads.system;
        let asked = system.spawn::<Worker>(Tally::default(), stealing()).await.unwrap();
        let mut asks = JoinSet::new();
        for _ in 0..4 {
            let (asker, asked) = (clerk(system).await, asked.clone());
            asks.spawn(async move { asker.ask(Poll(asked, 300)).within(SECOND * 20).await });
        }
        while let Some(sum) = asks.join_next().await {
            sum.unwrap().unwrap();
        }
        assert_eq!(asked.ask(Add(0)).await.unwrap(), 4 * 300);
        let waits = clerk(system).await;
        waits.tell(Wait).await.unwrap();
        let late = waits.ask(Last(0)).within(SECOND / 50).await.unwrap_err();
        assert!(matches!(late, AskError::Deadline(_)), "{late}");
        waits.kill();
    });
    end(threads, program);
}

#[test]
fn a_panic_restarts_it_where_it_was() {
    let (threads, program) = both();
    threads.block_on(async {
        let system = &threads.system;
        let tally = Tally::default();
        let child = ChildSpec::new::<Worker>("w", tally.clone()).options(stealing());
        let spec = SupervisorSpec::one_for_one().intensity(100, SECOND * 5).child(child);
        let supervisor = system.spawn::<Supervisor>(spec, SpawnOptions::default()).await.unwrap();
        let worker = supervisor.child::<Worker>("w").await.unwrap();
        for later in [false, true] {
            worker.try_tell(Boom { later }).unwrap();
            for _ in 0..10 {
                worker.try_tell(Add(1)).unwrap();
            }
            assert_eq!(worker.ask(Add(0)).await.unwrap(), 10, "a new life took what was queued");
        }
        assert_eq!((read(&tally.starts), read(&tally.drops)), (3, 2));
        worker.tell(Leave::Fail).await.unwrap();
        assert_eq!(worker.ask(Add(1)).await.unwrap(), 1);
        assert_eq!(read(&tally.stops), 1);
        assert_eq!((system.stats().restarts, system.stats().panics), (3, 2));
    });
    end(threads, program);
}

#[test]
fn it_stops_drains_and_is_killed_like_any_other() {
    let (threads, program) = both();
    threads.block_on(async {
        let system = &threads.system;
        let tally = Tally::default();
        let spawn = async || system.spawn::<Worker>(tally.clone(), stealing()).await.unwrap();
        let (stopped, drained) = (spawn().await, spawn().await);
        stopped.stop();
        for _ in 0..20 {
            drained.try_tell(Add(1)).unwrap();
        }
        drained.drain();
        let killed = clerk(system).await;
        killed.tell(Wait).await.unwrap();
        killed.kill();
        gone(system).await;
        assert_eq!((read(&tally.runs), read(&tally.stops), read(&tally.drops)), (20, 2, 2));
        for actor in [&stopped, &drained] {
            assert!(matches!(actor.ask(Add(1)).await, Err(AskError::Stopped(_))));
        }
        let tree = system.tree().await;
        assert_eq!((tree.actors().len(), tree.silent_workers()), (0, 0));
        clerk(system).await;
        assert_eq!(system.tree().await.actors().len(), 1, "a tree shows them");
    });
    end(threads, program);
}

/// Waits until no actor lives.
async fn gone(system: &ActorSystem) {
    let wait = async {
        while system.stats().live_actors > 0 {
            tokio::time::sleep(SECOND / 1000).await;
        }
    };
    tokio::time::timeout(SECOND * 20, wait).await.unwrap();
}

#[test]
fn a_system_stops_with_busy_ones() {
    let (threads, program) = both();
    threads.block_on(async {
        let mut actors = Vec::new();
        for _ in 0..8 {
            let (spins, waits) = (clerk(&threads.system).await, clerk(&threads.system).await);
            spins.tell(Spin).await.unwrap();
            waits.tell(Wait).await.unwrap();
            actors.extend([spins, waits]);
        }
        // Those that wait for ever are ended after that time.
        threads.system.stop(SECOND / 20).await;
        assert_eq!(threads.system.stats().live_actors, 0);
        let error = threads.system.spawn::<Clerk>((), stealing()).await.unwrap_err();
        assert!(matches!(error, StartError::Stopping), "{error}");
    });
    end(threads, program);
}

/// Watches one actor.
struct Guard(ActorRef<Clerk>, Arc<Mutex<Vec<Terminated>>>);

impl Actor for Guard {
    type Args = (ActorRef<Clerk>, Arc<Mutex<Vec<Terminated>>>);

    async fn start(args: Self::Args, ctx: &mut Context<Self>) -> Result<Self, StartError> {
        ctx.watch(&args.0);
        Ok(Self(args.0, args.1))
    }

    async fn terminated(&mut self, terminated: Terminated, ctx: &mut Context<Self>) {
        assert!(self.0.ask(Last(0)).await.is_err());
        self.1.lock().unwrap().push(terminated);
        ctx.stop();
    }
}

#[test]
fn a_program_that_ends_first_kills_them_and_takes_no_more() {
    let (threads, program) = both();
    let system = &threads.system;
    let news = Arc::<Mutex<Vec<Terminated>>>::default();
    threads.block_on(async {
        for round in 0..6 {
            let actor = clerk(system).await;
            match round % 3 {
                0 => actor.tell(Wait).await.unwrap(),
                1 => actor.tell(Spin).await.unwrap(),
                _ => {}
            }
            let args = (actor, news.clone());
            system.spawn::<Guard>(args, SpawnOptions::default()).await.unwrap();
        }
    });
    drop(program);
    threads.block_on(async {
        gone(system).await;
        let ended = news.lock().unwrap().iter().map(|one| one.reason.kind()).collect::<Vec<_>>();
        assert_eq!(ended, [ExitKind::Killed; 6]);
        let error = system.spawn::<Clerk>((), stealing()).await.unwrap_err();
        assert!(matches!(error, StartError::NoRuntime), "{error}");
    });
    threads.end();
}

#[test]
fn one_that_blocks_is_counted() {
    let threads = Threads::of(1, |config| config.blocked_after = SECOND / 50);
    let program = program();
    threads.system.set_stealing(program.handle().clone());
    threads.block_on(async {
        let actor = clerk(&threads.system).await;
        actor.tell(Block(SECOND / 5)).await.unwrap();
        let counted = async {
            while threads.system.stats().blocked == 0 {
                tokio::time::sleep(SECOND / 200).await;
            }
        };
        tokio::select! {
            () = threads.system.watch_workers() => unreachable!("it is never done"),
            counted = tokio::time::timeout(SECOND * 20, counted) => counted.unwrap(),
        }
    });
    end(threads, program);
}

#[test]
fn without_a_runtime_none_starts_and_the_remedy_is_told() {
    on_one_thread(1, |system| async move {
        let error = system.spawn::<Clerk>((), stealing()).await.unwrap_err();
        assert!(matches!(error, StartError::NoRuntime));
        assert!(error.to_string().contains("NodeBuilder::stealing"), "{error}");
    });
    in_world(|| async {
        let env = Arc::new(odeon_env::RealEnv);
        let system = system_of("bare", env, odeon::SystemConfig::default());
        system.set_stealing(tokio::runtime::Handle::current());
        let error = system.spawn::<Clerk>((), stealing()).await.unwrap_err();
        assert!(matches!(error, StartError::NoWorker), "its tasks would have no home: {error}");
    });
}

#[test]
fn a_name_that_is_taken_leaves_nothing_behind() {
    let (threads, program) = both();
    threads.block_on(async {
        let first = threads.system.spawn::<Clerk>((), stealing().named("desk")).await.unwrap();
        let error = threads.system.spawn::<Clerk>((), stealing().named("desk")).await.unwrap_err();
        assert!(matches!(error, StartError::Name(_)), "{error}");
        assert_eq!(threads.system.lookup::<Clerk>("desk"), Some(first));
        assert_eq!(threads.system.stats().cells, 1);
    });
    end(threads, program);
}
