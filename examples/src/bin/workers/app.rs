//! A pool of workers under a supervisor: jobs that make workers panic, and are done all the same.
//!
//! Each node of the pool has some workers under one supervisor, which starts a worker again that has failed, and with it
//! its neighbours where the pool's strategy says so, and gives up when they fail too often. A *porter* then opens the pool
//! anew. The first child is no worker: the *opener* makes the room ready, and is done; only if it had failed it would be
//! started again. Whoever has a job gives it to one worker after the other until one has done it: a job is done at least
//! once, and its result is taken exactly once. A job that makes every worker panic ends as failed, after so many attempts.
//!
//! What it is NOT: exactly once. A worker that was cut off after it did a job has done it, and another one does it again.

use std::{future::IntoFuture, sync::Arc, time::Duration};

use odeon::{
    Actor, ActorRef, AskError, ChildSpec, Context, ExitKind, ExitReason, Handler, Node, Restart,
    SpawnOptions, StartError, Strategy, Supervisor, SupervisorSpec, Terminated, actor, message,
};

/// Who starts before all workers of a pool.
pub(crate) const OPENER: &str = "opener";

/// The workers of each node, in the order in which they start.
pub(crate) const WORKERS: [&str; 3] = ["worker-1", "worker-2", "worker-3"];

/// Restarts in [`PERIOD`] that a pool bears.
pub(crate) const RESTARTS: u32 = 3;
pub(crate) const PERIOD: Duration = Duration::from_secs(5);

/// How long a worker may take for a job.
const PATIENCE: Duration = Duration::from_secs(1);

/// A pause after a worker that could not be found or reached, and before a pool is opened anew.
const PAUSE: Duration = Duration::from_millis(200);

/// How often a job may make workers panic until it is given up.
pub(crate) const PANICS: u32 = 4;

/// The answer is the square.
#[message(id = "workers/Job", reply = u64)]
struct Job {
    number: u64,
    panics: bool,
}

/// What happens in a pool; each opening of it has a name of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Note<'a> {
    Started {
        pool: &'a str,
        worker: &'a str,
    },
    Failed {
        pool: &'a str,
        worker: &'a str,
    },
    Stopped {
        pool: &'a str,
        worker: &'a str,
    },
    /// Of the opener: it is done.
    Finished {
        pool: &'a str,
        worker: &'a str,
    },
    GaveUp {
        pool: &'a str,
    },
    Did {
        number: u64,
    },
}

/// Is told of it.
pub(crate) type Book = Arc<dyn Fn(Note<'_>) + Send + Sync>;

/// What a worker starts from, in all its lives.
#[derive(Clone)]
pub(crate) struct Role {
    pool: String,
    worker: &'static str,
    book: Book,
}

pub(crate) struct Worker {
    role: Role,
    has_failed: bool,
}

#[actor(id = "workers/Worker", handles(Job))]
impl Actor for Worker {
    type Args = Role;

    async fn start(role: Role, _: &mut Context<Self>) -> Result<Self, StartError> {
        (role.book)(Note::Started { pool: &role.pool, worker: role.worker });
        Ok(Self { role, has_failed: false })
    }
}

impl Handler<Job> for Worker {
    async fn handle(&mut self, job: Job, _: &mut Context<Self>) -> u64 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let Role { pool, worker, book } = &self.role;
        if job.panics {
            self.has_failed = true;
            book(Note::Failed { pool, worker });
            panic!("job {} is too much for {worker}", job.number);
        }
        book(Note::Did { number: job.number });
        job.number * job.number
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.has_failed {
            let Role { pool, worker, book } = &self.role;
            book(Note::Stopped { pool, worker });
        }
    }
}

/// Makes the room ready for the workers, and is done.
struct Opener {
    role: Role,
    is_done: bool,
}

impl Actor for Opener {
    type Args = Role;

    async fn start(role: Role, ctx: &mut Context<Self>) -> Result<Self, StartError> {
        (role.book)(Note::Started { pool: &role.pool, worker: role.worker });
        ctx.stop();
        Ok(Self { role, is_done: false })
    }

    async fn stopped(&mut self, reason: &ExitReason, _: &mut Context<Self>) {
        // Its supervisor may have been quicker.
        self.is_done = reason.kind() == ExitKind::Stopped;
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        let Role { pool, worker, book } = &self.role;
        book(match self.is_done {
            true => Note::Finished { pool, worker },
            false => Note::Stopped { pool, worker },
        });
    }
}

/// Opens the pool of its node, and anew when it has given up.
pub(crate) struct Porter {
    node: Node,
    strategy: Strategy,
    book: Book,
    opened: u32,
    pool: String,
}

impl Actor for Porter {
    type Args = (Node, Strategy, Book);

    async fn start(
        (node, strategy, book): Self::Args,
        ctx: &mut Context<Self>,
    ) -> Result<Self, StartError> {
        let mut porter = Self { node, strategy, book, opened: 0, pool: String::new() };
        porter.open(ctx).await?;
        Ok(porter)
    }

    async fn terminated(&mut self, _: Terminated, ctx: &mut Context<Self>) {
        (self.book)(Note::GaveUp { pool: &self.pool });
        // What was too much for it may be over then.
        tokio::time::sleep(PAUSE).await;
        if let Err(error) = self.open(ctx).await {
            ctx.fail(&error.to_string());
        }
    }
}

impl Porter {
    async fn open(&mut self, ctx: &mut Context<Self>) -> Result<(), StartError> {
        self.opened += 1;
        self.pool = format!("{}.{}.{}", self.node.name(), self.node.incarnation().0, self.opened);
        let role = |worker| Role { pool: self.pool.clone(), worker, book: Arc::clone(&self.book) };
        let opener = ChildSpec::new::<Opener>(OPENER, role(OPENER)).restart(Restart::Transient);
        let mut tree = SupervisorSpec::new(self.strategy).intensity(RESTARTS, PERIOD).child(opener);
        for worker in WORKERS {
            let options = SpawnOptions::default().named(worker);
            tree = tree.child(ChildSpec::new::<Worker>(worker, role(worker)).options(options));
        }
        let pool = self.node.spawn_with::<Supervisor>(tree).await?;
        ctx.watch(&pool);
        Ok(())
    }
}

/// A job, and how many workers it makes panic before one can do it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    pub(crate) number: u64,
    pub(crate) hard: u32,
}

/// What became of a job for which there was no result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TooHard;

/// Has a job done by the workers of these nodes, for as long as it takes. With `forgets`, a job that was lost with its
/// worker is thought to be done: that is there to be found out.
///
/// # Errors
/// When it was too hard for [`PANICS`] workers.
pub(crate) async fn get_done(
    node: &Node,
    pools: &[&str],
    task: Task,
    forgets: bool,
) -> Result<u64, TooHard> {
    let (mut panics, mut turn) = (0, task.number as usize);
    while panics < PANICS {
        turn += 1;
        let (pool, name) = (pools[turn % pools.len()], WORKERS[turn / pools.len() % WORKERS.len()]);
        let found: Option<ActorRef<Worker>> = node.on(pool).lookup(name).await.ok().flatten();
        let Some(worker) = found else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let job = Job { number: task.number, panics: panics < task.hard };
        match worker.ask(job).within(PATIENCE).await {
            Ok(square) => return Ok(square),
            Err(AskError::Panicked(_)) => panics += 1,
            Err(_) if forgets => return Ok(task.number * task.number),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    Err(TooHard)
}

/// Gives a worker a job that is too hard for it, and right behind it one that waits while the worker starts anew: whether
/// that one was done. `None` where the first one came to nothing else than a panic, so that nothing is known of the second.
pub(crate) async fn outlasts(node: &Node, pool: &str, worker: &str, number: u64) -> Option<bool> {
    let found: Option<ActorRef<Worker>> = node.on(pool).lookup(worker).await.ok().flatten();
    let worker = found?;
    let ask = |panics| worker.ask(Job { number, panics }).within(PATIENCE).into_future();
    let (hard, simple) = tokio::join!(ask(true), ask(false));
    matches!(hard, Err(AskError::Panicked(_))).then_some(simple == Ok(number * number))
}
