//! Who waits with a deadline but without a timer, on a thread that is no worker's or for another node: most answers come
//! before.
//!
//! A timer of the node's runtime costs two visits to a lock that another thread uses, more than all the rest of an ask
//! from a server's thread. So whoever has much time left leaves its waker here, once however often it asks; the
//! watchdog, which looks at the node anyway and is roused from its rest by whoever comes, wakes everybody at each look,
//! and who still waits by then makes a timer. What it is NOT: for those whose time may be up before: they make their timers at once, as does everybody where
//! no watchdog looks, in a simulation for one. A task that has its answer is polled once too often at a look, which does
//! no harm. Data comes from `deadline.rs`; read `watchdog.rs` for the looks, `rest.rs` for when there are
//! few, `untimed.rs` for what workers' threads wait for that this node answers.

use std::{
    cell::RefCell,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    task::Waker,
    time::Duration,
};

use rustc_hash::FxHashMap;
use tokio::time::Instant;

/// Tasks in the lobby of one thread between two looks; others make timers. A task stays in memory while it is there.
const TASKS_MAX: usize = 4_096;

/// Nodes with a lobby on one thread; asks of others make timers.
const NODES_MAX: usize = 4;

/// Room for more is given back after a look.
const KEPT_MAX: usize = 512;

/// How many looks before its end a wait must be able to see: one until it is woken, one until it has looked itself, and
/// one because the time of the last look is taken for the present.
const LOOKS: u32 = 3;

/// Nodes that there were in this program.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static LOBBIES: RefCell<Vec<Arc<Lobby>>> = const { RefCell::new(Vec::new()) };
}

/// The lobbies of one node, one for each thread that asks.
#[derive(Debug)]
pub(crate) struct Lobbies {
    /// Which node it is, for threads that ask several.
    number: u64,
    made_at: Instant,
    /// Nanoseconds from then to the last look.
    looked_ns: AtomicU64,
    /// Nanoseconds between two looks; 0 while nobody looks.
    period_ns: AtomicU64,
    looks: AtomicU32,
    all: Mutex<Vec<Arc<Lobby>>>,
}

/// Who waits on one thread.
#[derive(Debug)]
struct Lobby {
    number: u64,
    /// Looked at by its thread, to be forgotten.
    closed: AtomicBool,
    waiting: Mutex<Waiting>,
}

/// The waker of each task, by the address of its data; nobody chooses addresses to make them collide.
type Waiting = FxHashMap<usize, Waker>;

impl Lobby {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this waker will be woken at the next look.
    fn enter(&self, waker: &Waker) -> bool {
        let mut waiting = self.lock();
        // Set under the lock by whoever wakes for the last time.
        if self.closed.load(Ordering::Relaxed) {
            return false;
        }
        let address = waker.data().addr();
        if let Some(known) = waiting.get(&address) {
            return known.will_wake(waker);
        }
        if waiting.len() >= TASKS_MAX {
            return false;
        }
        waiting.insert(address, waker.clone());
        true
    }

    fn wake(&self) {
        let mut leaving = mem::take(&mut *self.lock());
        // Without the lock: a waker may poll its task at once.
        leaving.drain().for_each(|(_, waker)| waker.wake());
        if leaving.capacity() <= KEPT_MAX {
            let mut waiting = self.lock();
            if waiting.capacity() == 0 {
                *waiting = leaving;
            }
        }
    }

    fn close(&self) {
        let waiting = self.lock();
        self.closed.store(true, Ordering::Relaxed);
        drop(waiting);
        self.wake();
    }
}

impl Lobbies {
    pub(crate) fn new(made_at: Instant) -> Self {
        Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            made_at,
            looked_ns: AtomicU64::new(0),
            period_ns: AtomicU64::new(0),
            looks: AtomicU32::new(0),
            all: Mutex::default(),
        }
    }

    /// How many looks there have been.
    pub(crate) fn looks(&self) -> u32 {
        self.looks.load(Ordering::Relaxed)
    }

    /// Whether somebody looks as often as that.
    pub(crate) fn look_within(&self, span: Duration) -> bool {
        let period = self.period_ns.load(Ordering::Relaxed);
        period > 0 && u128::from(period) <= span.as_nanos()
    }

    /// Whether the task will be woken at the next look, and that in time for a wait until then; `None` is never.
    pub(crate) fn enter(&self, until: Option<Instant>, waker: &Waker) -> bool {
        let period = self.period_ns.load(Ordering::Relaxed);
        if period == 0 {
            return false;
        }
        if let Some(until) = until {
            let left = self.since(until).saturating_sub(self.looked_ns.load(Ordering::Relaxed));
            if left < period.saturating_mul(u64::from(LOOKS)) {
                return false;
            }
        }
        // A thread that ends has none any more, and a waker that is cloned is foreign code, which may come back here.
        LOBBIES.try_with(|lobbies| {
            lobbies.try_borrow_mut().is_ok_and(|mut lobbies| self.enter_here(&mut lobbies, waker))
        }) == Ok(true)
    }

    fn enter_here(&self, lobbies: &mut Vec<Arc<Lobby>>, waker: &Waker) -> bool {
        if let Some(lobby) = lobbies.iter().find(|lobby| lobby.number == self.number)
            && lobby.enter(waker)
        {
            return true;
        }
        lobbies.retain(|lobby| !lobby.closed.load(Ordering::Relaxed));
        if lobbies.len() >= NODES_MAX || lobbies.iter().any(|lobby| lobby.number == self.number) {
            return false;
        }
        let Some(lobby) = self.open() else { return false };
        let entered = lobby.enter(waker);
        lobbies.push(lobby);
        entered
    }

    /// A lobby for one more thread, while somebody looks.
    fn open(&self) -> Option<Arc<Lobby>> {
        let mut all = self.lock();
        // Set to 0 under the lock by whoever closes all.
        if self.period_ns.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let lobby = Arc::new(Lobby {
            number: self.number,
            closed: AtomicBool::new(false),
            waiting: Mutex::default(),
        });
        all.push(lobby.clone());
        Some(lobby)
    }

    /// Somebody begins to look this often, until what is returned is dropped.
    pub(crate) fn begin(&self, period: Duration) -> Looking<'_> {
        self.note(Instant::now());
        let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        self.period_ns.store(period, Ordering::Relaxed);
        Looking(self)
    }

    /// Nobody has waited since the last look: as if it were now.
    pub(crate) fn set_time(&self, now: Instant) {
        self.looked_ns.fetch_max(self.since(now), Ordering::Relaxed);
    }

    fn note(&self, now: Instant) {
        self.set_time(now);
        self.looks.fetch_add(1, Ordering::Relaxed);
    }

    fn since(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.made_at).as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Lobby>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody looks at the lobbies of a node. Dropped, it wakes everybody and closes them.
pub(crate) struct Looking<'a>(&'a Lobbies);

impl Looking<'_> {
    /// Wakes whoever is there.
    pub(crate) fn look(&self, now: Instant) {
        self.0.note(now);
        let lobbies = {
            let mut all = self.0.lock();
            // Those of threads that have ended are known to nobody else.
            all.retain(|lobby| Arc::strong_count(lobby) > 1 || !lobby.lock().is_empty());
            all.clone()
        };
        lobbies.iter().for_each(|lobby| lobby.wake());
    }
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        let all = {
            let mut all = self.0.lock();
            self.0.period_ns.store(0, Ordering::Relaxed);
            mem::take(&mut *all)
        };
        all.iter().for_each(|lobby| lobby.close());
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;

    const PERIOD: Duration = Duration::from_millis(50);

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn lobbies() -> Lobbies {
        Lobbies::new(Instant::now())
    }

    fn waiter() -> (Arc<Woken>, Waker) {
        let woken = Arc::<Woken>::default();
        (woken.clone(), Waker::from(woken))
    }

    fn times(woken: &Woken) -> u32 {
        woken.0.load(Ordering::Relaxed)
    }

    #[test]
    fn who_asks_often_is_woken_once_a_look() {
        let lobbies = lobbies();
        let looking = lobbies.begin(PERIOD);
        let (woken, waker) = waiter();
        (0..1000).for_each(|_| assert!(lobbies.enter(None, &waker)));
        assert_eq!(times(&woken), 0);
        looking.look(Instant::now());
        looking.look(Instant::now());
        assert_eq!(times(&woken), 1);
        assert!(lobbies.enter(None, &waker));
        looking.look(Instant::now());
        assert_eq!(times(&woken), 2);
        drop(waker);
        assert_eq!(Arc::strong_count(&woken), 1, "no waker is left");
    }

    #[test]
    fn where_nobody_looks_nobody_waits() {
        let lobbies = lobbies();
        let (woken, waker) = waiter();
        assert!(!lobbies.enter(None, &waker));
        let looking = lobbies.begin(PERIOD);
        assert!(lobbies.enter(None, &waker));
        drop(looking);
        assert_eq!(times(&woken), 1, "nobody is left behind");
        assert!(!lobbies.enter(None, &waker));
        let looking = lobbies.begin(PERIOD);
        assert!(lobbies.enter(None, &waker), "a lobby that is closed is replaced");
        looking.look(Instant::now());
        assert_eq!(times(&woken), 2);
    }

    #[test]
    fn who_has_little_time_does_not_enter() {
        let lobbies = lobbies();
        let looking = lobbies.begin(PERIOD);
        let (_, waker) = waiter();
        let now = Instant::now();
        looking.look(now);
        assert!(!lobbies.enter(Some(now), &waker));
        assert!(!lobbies.enter(Some(now + PERIOD * LOOKS - Duration::from_nanos(1)), &waker));
        assert!(lobbies.enter(Some(now + PERIOD * LOOKS), &waker));
    }

    #[test]
    fn a_full_lobby_and_a_thread_of_many_nodes_refuse() {
        let many = lobbies();
        let _looking = many.begin(PERIOD);
        let waiters: Vec<_> = (0..=TASKS_MAX).map(|_| waiter()).collect();
        let entered = waiters.iter().filter(|(_, waker)| many.enter(None, waker)).count();
        assert_eq!(entered, TASKS_MAX);
        assert!(many.enter(None, &waiters[0].1), "who is in is in");
        let others: Vec<_> = (0..NODES_MAX).map(|_| lobbies()).collect();
        let _looks: Vec<_> = others.iter().map(|lobbies| lobbies.begin(PERIOD)).collect();
        let entered = others.iter().filter(|lobbies| lobbies.enter(None, &waiters[0].1)).count();
        assert_eq!(entered, NODES_MAX - 1);
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the test plays a program with threads of its own"
    )]
    fn thread(f: impl FnOnce() -> bool + Send + 'static) -> std::thread::JoinHandle<bool> {
        std::thread::spawn(f)
    }

    #[test]
    fn a_thread_that_ends_leaves_nobody_behind() {
        let lobbies = Arc::new(lobbies());
        let looking = lobbies.begin(PERIOD);
        let (woken, waker) = waiter();
        // Joined, and not in a scope, which does not wait for what a thread drops at its end.
        let entered = thread({
            let lobbies = lobbies.clone();
            move || lobbies.enter(None, &waker)
        });
        assert!(entered.join().is_ok_and(|entered| entered));
        looking.look(Instant::now());
        assert_eq!(times(&woken), 1);
        looking.look(Instant::now());
        assert!(lobbies.lock().is_empty(), "nor its lobby");
    }
}
