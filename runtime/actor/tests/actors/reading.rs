//! Reads that run beside each other, and what waits for them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use odeon_message::{AskError, Certainty, message};
use tokio::{
    task::{JoinHandle, spawn_local},
    time::{Instant, sleep},
};

use crate::{
    desk::{Log, SECOND, settle},
    fixture::{Threads, block_on_plain, in_world, on_one_thread, spawn_thread, system_of},
    net::Net,
    odeon::{
        Actor, ActorRef, ActorSystem, ChildSpec, Context, Handler, ReadContext, ReadHandler,
        SpawnOptions, StartError, Supervisor, SupervisorSpec, SystemConfig, actor, reads,
    },
};

struct Shelf {
    books: u64,
    shared: Shared,
}

#[derive(Clone, Default)]
struct Shared {
    log: Log,
    reading: Arc<AtomicU64>,
    most: Arc<AtomicU64>,
}

/// Looks for so long.
#[message(id = "test/Look", reply = u64, crate = crate::odeon)]
struct Look {
    millis: u64,
    then: u8,
}

const COUNT: u8 = 0;
const PANIC: u8 = 1;
/// Waits until the asker gives up.
const WATCH: u8 = 2;

#[message(local, reply = u64, crate = crate::odeon)]
struct Put(u64);

#[message(local, crate = crate::odeon)]
struct Remind;

#[actor(id = "test/Shelf", handles(Look), crate = crate::odeon)]
impl Actor for Shelf {
    type Args = Shared;

    async fn start(shared: Shared, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { books: 0, shared })
    }
}

/// Counts a read as long as it is under way.
struct Reading<'a>(&'a Shared, &'a ReadContext<Shelf>);

impl<'a> Reading<'a> {
    fn begin(shared: &'a Shared, ctx: &'a ReadContext<Shelf>) -> Self {
        let reading = shared.reading.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most.fetch_max(reading, Ordering::SeqCst);
        Self(shared, ctx)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.reading.fetch_sub(1, Ordering::SeqCst);
        // The context is whole as long as the read is, however that ends.
        let _ = (self.1.is_cancelled(), self.1.remaining());
    }
}

impl ReadHandler<Look> for Shelf {
    async fn read(&self, look: Look, ctx: &ReadContext<Self>) -> u64 {
        let reading = Reading::begin(&self.shared, ctx);
        self.shared.log.add(format!("look {}", self.books));
        if look.millis > 0 {
            sleep(Duration::from_millis(look.millis)).await;
        }
        match look.then {
            PANIC => panic!("told to"),
            WATCH => {
                ctx.cancelled().await;
                self.shared.log.add("given up");
            }
            _ => {}
        }
        drop(reading);
        self.books
    }
}

reads!(Shelf: Look);

impl Handler<Put> for Shelf {
    async fn handle(&mut self, message: Put, ctx: &mut Context<Self>) -> u64 {
        assert_eq!(self.shared.reading.load(Ordering::SeqCst), 0, "a reader looks on");
        let before = self.books;
        if message.0 == 100 {
            ctx.after(None, SECOND / 2, Remind).unwrap();
        }
        self.books = u64::MAX;
        tokio::task::yield_now().await;
        self.books = before + message.0;
        self.shared.log.add(format!("put {}", message.0));
        self.books
    }
}

impl Handler<Remind> for Shelf {
    async fn handle(&mut self, _: Remind, _: &mut Context<Self>) {
        assert_eq!(self.shared.reading.load(Ordering::SeqCst), 0, "a reader looks on");
        self.shared.log.add("remind");
    }
}

async fn shelf(system: &ActorSystem) -> (ActorRef<Shelf>, Shared) {
    let shared = Shared::default();
    let shelf = system.spawn::<Shelf>(shared.clone(), SpawnOptions::default()).await.unwrap();
    (shelf, shared)
}

type Asking = JoinHandle<Result<u64, AskError<std::convert::Infallible>>>;

fn look(shelf: &ActorRef<Shelf>, millis: u64, then: u8) -> Asking {
    let shelf = shelf.clone();
    spawn_local(async move { shelf.ask(Look { millis, then }).await })
}

fn put(shelf: &ActorRef<Shelf>, books: u64) -> Asking {
    let shelf = shelf.clone();
    spawn_local(async move { shelf.ask(Put(books)).await })
}

#[test]
fn reads_run_beside_each_other_and_whatever_changes_waits_its_turn() {
    on_one_thread(1, |system| async move {
        let (shelf, shared) = shelf(&system).await;
        let began = Instant::now();
        let looks = (0..10).map(|n| look(&shelf, 1000 + n, COUNT)).collect::<Vec<_>>();
        settle().await;
        let put = put(&shelf, 1);
        settle().await;
        let later = (0..10).map(|_| look(&shelf, 1000, COUNT)).collect::<Vec<_>>();
        for look in looks {
            assert_eq!(look.await.unwrap(), Ok(0));
        }
        assert!(began.elapsed() < 2 * SECOND);
        assert_eq!(shared.log.take().last().unwrap(), "look 0");
        assert_eq!(put.await.unwrap(), Ok(1));
        for look in later {
            assert_eq!(look.await.unwrap(), Ok(1));
        }
        assert!(began.elapsed() < 3 * SECOND);
        assert_eq!(shared.most.load(Ordering::SeqCst), 10);
        // Tells are read too, and those that need not wait.
        shelf.tell(Look { millis: 0, then: COUNT }).await.unwrap();
        assert_eq!(shelf.ask(Look { millis: 0, then: COUNT }).await, Ok(1));
    });
}

#[test]
fn so_many_reads_run_at_a_time_and_the_rest_waits() {
    in_world(|| async {
        let mut config = SystemConfig::default();
        config.reads_max = 3;
        let system = system_of("few", Arc::new(odeon_env::RealEnv), config);
        system.start_worker();
        let (shelf, shared) = shelf(&system).await;
        let began = Instant::now();
        let looks = (0..9).map(|_| look(&shelf, 1000, COUNT)).collect::<Vec<_>>();
        for look in looks {
            assert_eq!(look.await.unwrap(), Ok(0));
        }
        assert_eq!(began.elapsed().as_secs(), 3);
        assert_eq!(shared.most.load(Ordering::SeqCst), 3);
        system.stop(SECOND).await;
    });
}

#[test]
fn timers_and_stops_wait_for_reads_and_hold_up_later_ones() {
    on_one_thread(1, |system| async move {
        let (shelf, shared) = shelf(&system).await;
        put(&shelf, 100).await.unwrap().unwrap();
        let first = look(&shelf, 1000, COUNT);
        sleep(SECOND / 2 + Duration::from_millis(1)).await;
        let second = look(&shelf, 0, COUNT);
        first.await.unwrap().unwrap();
        second.await.unwrap().unwrap();
        assert_eq!(shared.log.take(), ["put 100", "look 100", "remind", "look 100"]);
        let first = look(&shelf, 1000, COUNT);
        settle().await;
        shelf.stop();
        let second = look(&shelf, 0, COUNT);
        assert_eq!(first.await.unwrap(), Ok(100));
        let error = second.await.unwrap().unwrap_err();
        assert!(matches!(error, AskError::Stopped(_)), "{error}");
        assert_eq!(error.certainty(), Certainty::NotDelivered);
    });
}

#[test]
fn a_panic_in_a_read_answers_all_reads_and_ends_the_life() {
    on_one_thread(1, |system| async move {
        let shared = Shared::default();
        let spec = SupervisorSpec::one_for_one()
            .intensity(2, SECOND)
            .child(ChildSpec::new::<Shelf>("s", shared.clone()));
        let supervisor = system.spawn::<Supervisor>(spec, SpawnOptions::default()).await.unwrap();
        let supervised = supervisor.child::<Shelf>("s").await.unwrap();
        for shelf in [shelf(&system).await.0, supervised.clone()] {
            put(&shelf, 7).await.unwrap().unwrap();
            let mut looks = (0..5).map(|_| look(&shelf, 2000, COUNT)).collect::<Vec<_>>();
            looks.push(look(&shelf, 1000, PANIC));
            looks.push(look(&shelf, 0, COUNT));
            settle().await;
            let put = put(&shelf, 1);
            assert_eq!(looks.pop().unwrap().await.unwrap(), Ok(7));
            for look in looks {
                let error = look.await.unwrap().unwrap_err();
                assert!(matches!(error, AskError::Panicked(_)), "{error}");
                assert_eq!(error.certainty(), Certainty::Ran);
            }
            // What waited behind them finds the next life, if there is one.
            assert_eq!(put.await.unwrap().ok(), (shelf == supervised).then_some(1));
        }
        assert_eq!(system.stats().panics, 2);
        assert_eq!(shared.reading.load(Ordering::SeqCst), 0);
        // A first poll that panics, beside others.
        let first = look(&supervised, 1000, COUNT);
        settle().await;
        look(&supervised, 0, PANIC).await.unwrap().unwrap_err();
        first.await.unwrap().unwrap_err();
        assert_eq!(system.stats().restarts, 2);
    });
}

#[test]
fn a_kill_answers_all_reads() {
    on_one_thread(1, |system| async move {
        let (shelf, shared) = shelf(&system).await;
        let looks = (0..5).map(|_| look(&shelf, 1_000_000, COUNT)).collect::<Vec<_>>();
        settle().await;
        system.stop(Duration::from_millis(10)).await;
        for look in looks {
            let error = look.await.unwrap().unwrap_err();
            assert!(matches!(error, AskError::Stopped(_)), "{error}");
            assert_eq!(error.certainty(), Certainty::Ran);
        }
        assert_eq!(shared.reading.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn a_kill_that_lets_the_supervisor_decide_answers_all_reads() {
    on_one_thread(1, |system| async move {
        let spec =
            SupervisorSpec::one_for_one().child(ChildSpec::new::<Shelf>("s", Shared::default()));
        let supervisor = system.spawn::<Supervisor>(spec, SpawnOptions::default()).await.unwrap();
        let supervised = supervisor.child::<Shelf>("s").await.unwrap();
        for shelf in [shelf(&system).await.0, supervised.clone()] {
            let looks = (0..5).map(|_| look(&shelf, 2000, COUNT)).collect::<Vec<_>>();
            settle().await;
            let put = put(&shelf, 1);
            settle().await;
            shelf.kill();
            settle().await;
            for look in looks {
                assert!(look.is_finished(), "it is answered at once");
                let error = look.await.unwrap().unwrap_err();
                assert!(matches!(error, AskError::Stopped(_)), "{error}");
                assert_eq!(error.certainty(), Certainty::Ran);
            }
            assert_eq!(put.await.unwrap().ok(), (shelf == supervised).then_some(1));
        }
    });
}

#[test]
fn reads_that_never_end_together_do_not_put_off_a_restart_of_the_family() {
    on_one_thread(1, |system| async move {
        let (shared, other) = (Shared::default(), Shared::default());
        let spec = SupervisorSpec::one_for_all()
            .child(ChildSpec::new::<Shelf>("s", shared.clone()))
            .child(ChildSpec::new::<Shelf>("t", other.clone()));
        let supervisor = system.spawn::<Supervisor>(spec, SpawnOptions::default()).await.unwrap();
        let shelf = supervisor.child::<Shelf>("s").await.unwrap();
        let sibling = supervisor.child::<Shelf>("t").await.unwrap();
        put(&shelf, 7).await.unwrap().unwrap();
        // Two readers, one of whom always reads.
        let readers = (0..2).map(|n| {
            let shelf = shelf.clone();
            spawn_local(async move {
                sleep(Duration::from_millis(500 * n)).await;
                for _ in 0..20 {
                    drop(shelf.ask(Look { millis: 1000, then: COUNT }).await);
                }
            })
        });
        let readers = readers.collect::<Vec<_>>();
        sleep(3 * SECOND).await;
        look(&sibling, 0, PANIC).await.unwrap().unwrap_err();
        sleep(3 * SECOND).await;
        assert_eq!(system.stats().restarts, 2);
        assert_eq!(shelf.ask(Look { millis: 0, then: COUNT }).await, Ok(0), "a new life");
        readers.into_iter().for_each(|reader| reader.abort());
    });
}

#[test]
fn a_read_sees_that_its_asker_gave_up_also_on_another_node() {
    in_world(|| async {
        let net = Net::new(16);
        let (here, there) = (net.join("here"), net.join("there"));
        here.declare::<Shelf>().unwrap();
        there.declare::<Shelf>().unwrap();
        let (near, shared) = shelf(&there).await;
        let far = ActorRef::from_address(&here, near.address().unwrap());
        for shelf in [&near, &far] {
            let other = look(shelf, 3000, COUNT);
            let watch = shelf.ask(Look { millis: 0, then: WATCH }).within(SECOND);
            watch.await.unwrap_err();
            settle().await;
            assert_eq!(shared.log.take().last().unwrap(), "given up");
            assert_eq!(other.await.unwrap(), Ok(0));
        }
        drop((near, far));
        net.clear();
        for system in [here, there] {
            system.stop(60 * SECOND).await;
        }
    });
}

#[test]
fn readers_and_writers_on_threads_lose_nothing() {
    let threads = Threads::new(2);
    let options = SpawnOptions::default().mailbox(4);
    let shelf = threads.system.spawn::<Shelf>(Shared::default(), options);
    let shelf = threads.block_on(shelf).unwrap();
    let users = (0..4_u64).map(|n| {
        let shelf = shelf.clone();
        spawn_thread(move || {
            block_on_plain(async {
                let mut last = 0;
                for round in 0..500_u64 {
                    if round % 4 == n {
                        shelf.ask(Put(1)).within(20 * SECOND).await.unwrap();
                        continue;
                    }
                    let look = Look { millis: round % 2, then: COUNT };
                    let books = shelf.ask(look).within(20 * SECOND).await.unwrap();
                    assert!(books >= last && books <= 500, "{books}");
                    last = books;
                }
            });
        })
    });
    for user in users.collect::<Vec<_>>() {
        user.join().unwrap();
    }
    let books = threads.block_on(async { shelf.ask(Put(0)).await });
    assert_eq!(books, Ok(500));
    drop(shelf);
    threads.end();
}

#[derive(Clone, Default)]
struct Ledger {
    cents: u64,
}

#[actor(id = "test/Ledger", crate = crate::odeon)]
impl Ledger {
    #[handler("test/Enter")]
    fn enter(&mut self, cents: u64) -> u64 {
        self.cents += cents;
        self.cents
    }

    #[handler("test/Total", read)]
    async fn total(&self, millis: u64, ctx: &ReadContext<Self>) -> u64 {
        assert!(ctx.remaining().is_some());
        sleep(Duration::from_millis(millis)).await;
        self.cents
    }

    #[handler(local, read)]
    fn is_empty(&self) -> bool {
        self.cents == 0
    }
}

#[test]
fn reads_are_written_from_methods_too() {
    on_one_thread(1, |system| async move {
        let ledger = system.spawn::<Ledger>(Ledger::default(), SpawnOptions::default());
        let ledger = ledger.await.unwrap();
        assert_eq!(ledger.is_empty().await, Ok(true));
        let began = Instant::now();
        let totals = (0..5).map(|_| {
            let ledger = ledger.clone();
            spawn_local(async move { ledger.total(1000).await })
        });
        let totals = totals.collect::<Vec<_>>();
        settle().await;
        assert_eq!(ledger.enter(7).await, Ok(7));
        for total in totals {
            assert_eq!(total.await.unwrap(), Ok(0));
        }
        assert_eq!(began.elapsed().as_secs(), 1);
        assert_eq!(ledger.is_empty().await, Ok(false));
    });
}
