//! The workers of one system, by what they are for.
//!
//! Shared ones run whatever is placed on them; the endpoint's runs what asks for it; a dedicated one runs one blocking
//! actor, with its children, on a thread that it gets from the host's [`Threads`]; a stealing one runs one actor as a task
//! of the program's runtime. Bounded: the host starts the first two kinds, `blocking_threads_max` bounds the third, and
//! of the fourth there is one an actor. What it is NOT: a run queue; read `worker.rs` for one.

use std::{
    collections::BTreeMap,
    future::Future,
    io,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::sync::oneshot;

use crate::{
    ActorSystem, StartError, host,
    strategy::{least_loaded_by, mix, round_robin},
    tasks::{TaskOwner, Tasks},
    worker::{Order, Worker, shared_here},
};

/// What a worker is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    Shared,
    Endpoint,
    /// One actor that may block.
    Dedicated,
    /// One actor that is a task of the program's runtime.
    Stealing,
}

#[derive(Default)]
struct Lists {
    shared: Vec<Arc<Worker>>,
    endpoint: Option<Arc<Worker>>,
    dedicated: Vec<Arc<Worker>>,
    /// By their numbers: there may be many.
    stealing: BTreeMap<u32, Arc<Worker>>,
}

#[derive(Default)]
pub(crate) struct Workers {
    lists: RwLock<Lists>,
    turn: AtomicUsize,
    numbers: AtomicU32,
    /// There is just one shared worker.
    lone: AtomicBool,
}

impl Workers {
    fn read(&self) -> RwLockReadGuard<'_, Lists> {
        self.lists.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Lists> {
        self.lists.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the next worker, from 1.
    pub(crate) fn number(&self) -> u32 {
        self.numbers.fetch_add(1, Relaxed) + 1
    }

    pub(crate) fn all(&self) -> Vec<Arc<Worker>> {
        let lists = self.read();
        let shared = lists.shared.iter().chain(&lists.endpoint);
        shared.chain(&lists.dedicated).chain(lists.stealing.values()).cloned().collect()
    }

    /// The numbers of those that are a thread each and have many actors.
    pub(crate) fn shared_numbers(&self) -> Vec<u32> {
        self.read().shared.iter().map(|worker| worker.number()).collect()
    }

    /// Those that must not block.
    pub(crate) fn watched(&self) -> Vec<Arc<Worker>> {
        let lists = self.read();
        lists.shared.iter().chain(lists.stealing.values()).cloned().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        let lists = self.read();
        let threads = lists.shared.len() + lists.dedicated.len();
        threads == 0 && lists.endpoint.is_none() && lists.stealing.is_empty()
    }

    pub(crate) fn add(&self, worker: Arc<Worker>, dedicated_max: u32) -> Result<(), StartError> {
        let mut lists = self.write();
        match worker.role() {
            Role::Shared => lists.shared.push(worker),
            Role::Endpoint => lists.endpoint = Some(worker),
            Role::Dedicated if lists.dedicated.len() >= dedicated_max as usize => {
                return Err(StartError::TooManyBlocking { max: dedicated_max });
            }
            Role::Dedicated => lists.dedicated.push(worker),
            Role::Stealing => drop(lists.stealing.insert(worker.number(), worker)),
        }
        self.lone.store(lists.shared.len() == 1, Relaxed);
        Ok(())
    }

    /// Forgets a worker that has left its thread; `true` if it was the last.
    pub(crate) fn remove(&self, gone: &Worker) -> bool {
        let is_gone = |worker: &Arc<Worker>| std::ptr::eq(&raw const **worker, gone);
        let mut lists = self.write();
        if gone.role() == Role::Stealing {
            lists.stealing.remove(&gone.number());
            drop(lists);
            return self.is_empty();
        }
        lists.shared.retain(|worker| !is_gone(worker));
        lists.dedicated.retain(|worker| !is_gone(worker));
        lists.endpoint.take_if(|worker| is_gone(worker));
        self.lone.store(lists.shared.len() == 1, Relaxed);
        drop(lists);
        self.is_empty()
    }

    fn next(&self) -> Option<Arc<Worker>> {
        let lists = self.read();
        let turn = self.turn.fetch_add(1, Relaxed);
        round_robin(turn, lists.shared.len()).map(|at| lists.shared[at].clone())
    }

    pub(crate) fn least_loaded(&self) -> Option<Arc<Worker>> {
        let lists = self.read();
        let turn = self.turn.fetch_add(1, Relaxed);
        let at = least_loaded_by(turn, lists.shared.len(), |at| lists.shared[at].gauge().load());
        at.map(|at| lists.shared[at].clone())
    }

    pub(crate) fn of_key(&self, key: u64) -> Option<Arc<Worker>> {
        let lists = self.read();
        let at = mix(key).checked_rem(lists.shared.len() as u64)?;
        lists.shared.get(usize::try_from(at).ok()?).cloned()
    }

    pub(crate) fn endpoint(&self) -> Option<Arc<Worker>> {
        self.read().endpoint.clone()
    }
}

/// Threads for actors that block: what the host of a system gives it, with
/// [`ActorSystem::set_threads`](crate::ActorSystem::set_threads).
pub trait Threads: Send + Sync + 'static {
    /// Starts a thread that has a `LocalSet` and runs [`ThreadJob::run`] in it to its end, then ends. Must not wait for
    /// it.
    ///
    /// # Errors
    /// When there is no thread to have; the job is dropped.
    fn start(&self, job: ThreadJob) -> io::Result<()>;
}

/// What a thread for blocking actors does. Dropped before it has run, it ends what waits for it.
pub struct ThreadJob {
    worker: Option<(Arc<Worker>, TaskOwner)>,
}

impl ThreadJob {
    /// The worker's number, for the name of the thread.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.worker.as_ref().map_or(0, |(worker, _)| worker.number())
    }

    /// Hosts the worker on the present `LocalSet`; done when it has no actor left.
    ///
    /// # Panics
    /// Outside a `LocalSet`.
    ///
    /// # Cancel safety
    /// The worker lives on until its `LocalSet` is dropped.
    pub fn run(mut self) -> impl Future<Output = ()> + Send + use<> {
        let (host, gone) = oneshot::channel();
        let worker = self.worker.take();
        async move {
            if let Some((worker, tasks)) = worker {
                host::start(worker, tasks, Some(host));
                // The host says so by being dropped.
                let _ = gone.await;
            }
        }
    }
}

impl Drop for ThreadJob {
    fn drop(&mut self) {
        if let Some((worker, _)) = self.worker.take() {
            worker.close();
        }
    }
}

impl ActorSystem {
    /// Starts a worker on the present thread: an actix actor that runs actors given to it. It ends with
    /// [`stop`](Self::stop), or with its `LocalSet`, and then its actors end with it.
    ///
    /// # Panics
    /// Outside a `LocalSet`: call it on an arbiter or in a `LocalSet`.
    pub fn start_worker(&self) {
        self.host_worker(Role::Shared);
    }

    /// As [`start_worker`](Self::start_worker), for actors with [`Placement::Endpoint`](crate::Placement::Endpoint):
    /// the host calls it once, on the thread of its endpoint.
    ///
    /// # Panics
    /// Outside a `LocalSet`.
    pub fn start_endpoint_worker(&self) {
        self.host_worker(Role::Endpoint);
    }

    /// The shared worker whose turn it is to get an actor.
    #[inline]
    pub(crate) fn next_worker(&self) -> Option<Arc<Worker>> {
        let workers = self.workers();
        // If it is this thread's, it needs not be looked up under the lock.
        let here = || if workers.lone.load(Relaxed) { shared_here(self) } else { None };
        here().or_else(|| workers.next())
    }

    fn host_worker(&self, role: Role) {
        let (tasks, owner) = Tasks::new(self);
        let worker = Arc::new(Worker::new(self.clone(), tasks, self.workers().number(), role));
        host::start(worker.clone(), owner, None);
        // Only dedicated ones are refused.
        let _ = self.workers().add(worker, 0);
        self.has_workers();
    }

    /// Starts a worker for one actor that may block. It quits as soon as it has no actor, so one must be given to it
    /// before [`Order::QUIT`].
    pub(crate) fn start_dedicated(&self) -> Result<Arc<Worker>, StartError> {
        let threads = self.threads().ok_or(StartError::NoThreads)?;
        let number = self.workers().number();
        let (tasks, owner) = Tasks::new(self);
        let worker = Arc::new(Worker::new(self.clone(), tasks, number, Role::Dedicated));
        self.workers().add(worker.clone(), self.config().blocking_threads_max)?;
        if self.is_stopping() {
            // The order to all may have missed it.
            worker.order(Order::STOP);
        }
        threads
            .start(ThreadJob { worker: Some((worker.clone(), owner)) })
            .map_err(StartError::Thread)?;
        Ok(worker)
    }
}
