//! How many dials that gossip asks for are under way at once.
//!
//! What it is: a bounded number of places, each taken by a dial until it ends; who waits is drawn by lot. A node that hears
//! of a hundred others at once would else begin a hundred handshakes in one moment, as would all others: where many nodes
//! share a CPU few of them end within their time, and the others are begun again. By lot, because nodes that hear of the same
//! ones in the same order would go on in the same order. What it is NOT: a bound for dials that a source of seeds asks for,
//! or to peers whose connection was lost and who are wanted again, which go at their own pace (`driver.rs`); or for the
//! handshakes of others (`handshake_gate.rs`). `hub.rs` asks here.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use odeon_env::Env;
use tokio::{sync::oneshot, time::Instant};

use crate::TransportConfig;

/// How long a dial keeps its place at least while nobody answers: so long the living wait for the dead.
const SILENT_MIN: Duration = Duration::from_secs(1);

/// A dial keeps its place for so many times as long as dials took lately. On a busy machine all of them take long, and to
/// begin others would make it worse.
const SILENT_TIMES: u32 = 4;

/// What any thread may read of it.
#[derive(Debug, Default)]
pub(crate) struct DialCounts {
    pub(crate) under_way: AtomicUsize,
    /// The most there were at once.
    pub(crate) most: AtomicUsize,
    /// Dials that waited until others had ended.
    pub(crate) waited: AtomicU64,
}

/// The places.
pub(crate) struct DialGate(Rc<Places>);

struct Places {
    places_max: usize,
    patience_max: Duration,
    env: Arc<dyn Env>,
    counts: Arc<DialCounts>,
    under_way: Cell<usize>,
    /// At most one a seed of `hub.rs`, which has a bound of them.
    waiting: RefCell<Vec<oneshot::Sender<Place>>>,
    /// How long dials took that were answered, and when the last of them was.
    usual: Cell<(Duration, Option<Instant>)>,
}

/// A place among the dials under way, until it is dropped.
pub(crate) struct Place(Rc<Places>);

impl DialGate {
    pub(crate) fn new(
        config: &TransportConfig,
        env: &Arc<dyn Env>,
        counts: &Arc<DialCounts>,
    ) -> Self {
        Self(Rc::new(Places {
            places_max: config.dials_max,
            patience_max: config.handshake_timeout,
            env: Arc::clone(env),
            counts: Arc::clone(counts),
            under_way: Cell::new(0),
            waiting: RefCell::default(),
            usual: Cell::default(),
        }))
    }

    /// Waits for a place.
    ///
    /// # Cancel safety
    /// Another has the place, if there was one for this.
    pub(crate) async fn enter(&self) -> Place {
        let places = &self.0;
        if places.has_room() {
            places.count(places.under_way.get() + 1);
            return Place(Rc::clone(places));
        }
        let (sender, granted) = oneshot::channel();
        {
            let mut waiting = places.waiting.borrow_mut();
            waiting.retain(|one| !one.is_closed());
            waiting.push(sender);
        }
        places.counts.waited.fetch_add(1, Ordering::Relaxed);
        match granted.await {
            Ok(place) => place,
            // The gate holds it until it is granted, and lives as long as the hub, whose tasks wait.
            Err(_) => std::future::pending().await,
        }
    }
}

/// Runs a dial in its place, which another has where nobody answers for long.
pub(crate) async fn hold<T, E>(
    place: Option<Place>,
    dial: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let Some(place) = place else { return dial.await };
    let places = Rc::clone(&place.0);
    let began = Instant::now();
    tokio::pin!(dial);
    let result = tokio::select! {
        biased;
        result = &mut dial => result,
        () = tokio::time::sleep(places.patience()) => {
            drop(place);
            dial.await
        }
    };
    if result.is_ok() {
        places.took(began.elapsed());
    }
    result
}

impl Places {
    /// How long a dial keeps its place.
    fn patience(&self) -> Duration {
        self.usual().saturating_mul(SILENT_TIMES).max(SILENT_MIN).min(self.patience_max)
    }

    /// How long dials take: what was seen counts half after each `handshake_timeout`, so that a busy time is forgotten.
    fn usual(&self) -> Duration {
        let (usual, last) = self.usual.get();
        let age = last.map_or(Duration::ZERO, |last| last.elapsed());
        let halves = age.as_nanos() / self.patience_max.as_nanos().max(1);
        usual / (1 << halves.min(31) as u32)
    }

    /// A dial took so long.
    fn took(&self, time: Duration) {
        self.usual.set(((self.usual() * 7 + time) / 8, Some(Instant::now())));
    }

    /// Whether another may begin: fewer may where those under way take long, so that they are done in about a second.
    fn has_room(&self) -> bool {
        let (usual, goal) = (self.usual().as_millis(), SILENT_MIN.as_millis());
        let places = self.places_max as u128 * goal / usual.max(goal);
        self.under_way.get() < usize::try_from(places).unwrap_or(usize::MAX).max(1)
    }

    /// Gives what places there are to those who wait.
    fn grant(self: &Rc<Self>) {
        while self.has_room() {
            let Some(next) = self.draw() else { return };
            self.count(self.under_way.get() + 1);
            // Whoever is gone meanwhile drops it.
            drop(next.send(Place(Rc::clone(self))));
        }
    }

    fn count(&self, under_way: usize) {
        self.under_way.set(under_way);
        self.counts.under_way.store(under_way, Ordering::Relaxed);
        self.counts.most.fetch_max(under_way, Ordering::Relaxed);
    }

    /// One of those who wait still.
    fn draw(&self) -> Option<oneshot::Sender<Place>> {
        let mut waiting = self.waiting.borrow_mut();
        waiting.retain(|one| !one.is_closed());
        if waiting.is_empty() {
            return None;
        }
        let mut lot = [0; 8];
        self.env.entropy(&mut lot);
        let index = u64::from_le_bytes(lot) % waiting.len() as u64;
        Some(waiting.swap_remove(index as usize))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.count(self.0.under_way.get().saturating_sub(1));
        self.0.grant();
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use odeon_env::RealEnv;
    use tokio::{
        task::{JoinHandle, LocalSet, spawn_local},
        time::{sleep, timeout},
    };

    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    fn gate(dials_max: usize) -> (Rc<DialGate>, Arc<DialCounts>) {
        let (env, counts): (Arc<dyn Env>, _) = (Arc::new(RealEnv), Arc::default());
        let config = TransportConfig { dials_max, ..TransportConfig::default() };
        (Rc::new(DialGate::new(&config, &env, &counts)), counts)
    }

    /// A dial that is answered after `time`, or never; once it has begun.
    fn dial(gate: &Rc<DialGate>, time: Option<Duration>) -> JoinHandle<Result<(), ()>> {
        let gate = Rc::clone(gate);
        spawn_local(async move {
            let place = gate.enter().await;
            let answer = async {
                match time {
                    Some(time) => sleep(time).await,
                    None => pending().await,
                }
                Ok(())
            };
            hold(Some(place), answer).await
        })
    }

    fn under_way(counts: &DialCounts) -> usize {
        counts.under_way.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_are_under_way_and_all_have_their_turn() {
        let test = async {
            let (gate, counts) = gate(3);
            let dials: Vec<_> = (0..50).map(|_| dial(&gate, Some(10 * MILLI))).collect();
            for dial in dials {
                assert_eq!(dial.await.unwrap(), Ok(()));
            }
            assert_eq!(counts.most.load(Ordering::Relaxed), 3);
            assert_eq!(counts.waited.load(Ordering::Relaxed), 47);
            assert_eq!(under_way(&counts), 0);
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_not_answered_makes_room_after_a_second() {
        let test = async {
            let (gate, counts) = gate(1);
            let dead = dial(&gate, None);
            sleep(MILLI).await;
            let living = dial(&gate, Some(MILLI));
            sleep(SILENT_MIN - 2 * MILLI).await;
            assert!(!living.is_finished(), "the first has the only place");
            assert_eq!(timeout(5 * MILLI, living).await.unwrap().unwrap(), Ok(()));
            assert!(!dead.is_finished(), "it goes on without a place");
            assert_eq!(under_way(&counts), 0);
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test(start_paused = true)]
    async fn where_dials_take_long_fewer_begin_and_a_silent_one_keeps_its_place() {
        let test = async {
            let (gate, _) = gate(2);
            for _ in 0..40 {
                assert_eq!(dial(&gate, Some(4 * SILENT_MIN)).await.unwrap(), Ok(()));
            }
            let silent = dial(&gate, None);
            sleep(MILLI).await;
            let next = dial(&gate, Some(MILLI));
            sleep(4 * SILENT_MIN).await;
            assert!(!next.is_finished(), "there is one place, and it is taken");
            assert_eq!(timeout(2 * SILENT_MIN, next).await.unwrap().unwrap(), Ok(()));
            assert!(!silent.is_finished());
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_time_is_forgotten() {
        let test = async {
            let (gate, counts) = gate(8);
            for _ in 0..40 {
                assert_eq!(dial(&gate, Some(4 * SILENT_MIN)).await.unwrap(), Ok(()));
            }
            sleep(Duration::from_secs(60)).await;
            let silent: Vec<_> = (0..8).map(|_| dial(&gate, None)).collect();
            sleep(MILLI).await;
            assert_eq!(under_way(&counts), 8);
            let living = dial(&gate, Some(MILLI));
            assert_eq!(timeout(SILENT_MIN + 5 * MILLI, living).await.unwrap().unwrap(), Ok(()));
            assert!(silent.iter().all(|dial| !dial.is_finished()));
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_gone_takes_no_place_along() {
        let test = async {
            let (gate, counts) = gate(1);
            let first = dial(&gate, None);
            sleep(MILLI).await;
            let waiting: Vec<_> = (0..10).map(|_| dial(&gate, None)).collect();
            sleep(MILLI).await;
            waiting.iter().for_each(JoinHandle::abort);
            // Its place is granted to one of them in the same moment, if to anybody.
            first.abort();
            sleep(MILLI).await;
            assert_eq!(under_way(&counts), 0);
            assert_eq!(dial(&gate, Some(MILLI)).await.unwrap(), Ok(()));
        };
        LocalSet::new().run_until(test).await;
    }
}
