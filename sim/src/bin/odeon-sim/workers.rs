//! The worker pool of the examples: whatever breaks, jobs are done, and supervisors keep the table of OTP.
//!
//! One node has jobs done by the pools of three others, one of each strategy; some jobs make workers panic, often enough
//! for pools to give up now and then. A job that was answered was done at least once, one that was too hard never. Each
//! opening of a pool that its node outlived is held against the table of Erlang/OTP. Once all is healed, every worker of
//! every node does a job, and a job that waits while its worker starts anew is done, too.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use odeon::{Node, NodeBuilder, Strategy};
use odeon_sim::{
    Check, FaultKind, LinkRule, Outline, Scenario, Site, Stream, Swarm, World,
    check::{Exit, NoLeaks, Recorder, RestartRule, RestartStrategy, SupervisionTable, What},
};
use serde::{Deserialize, Serialize};

use app::{
    Book, Note, OPENER, PANICS, PERIOD, Porter, RESTARTS, Task, TooHard, WORKERS, Worker, outlasts,
};

use crate::shared::Shared;

#[path = "../../../../examples/src/bin/workers/app.rs"]
mod app;

/// The node that has the jobs; of it only the links break.
const FOREMAN: &str = "foreman";
const POOLS: [&str; 3] = ["a", "b", "c"];
/// How the workers of each pool hang together.
const STRATEGIES: [Strategy; 3] = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne];
const JOBS: u64 = 120;

/// How often a job may be lost behind one that makes its worker panic, because the network is not perfect.
const ATTEMPTS: u64 = 4;
const SAFETY: Duration = Duration::from_secs(30);

/// Within which time a pool works again once all is healed.
const RECOVERS_WITHIN: Duration = Duration::from_secs(60);

/// Within which time a supervisor that is not stopped does what it must.
const PROMPT: Duration = Duration::from_secs(1);

/// One step of the workload: a job, and how many workers it makes panic.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Work {
    number: u64,
    hard: u32,
}

/// What was done, and the pools that were opened.
#[derive(Debug, Default)]
struct Seen {
    done: BTreeSet<u64>,
    /// For each node the openings of its present life.
    pools: BTreeMap<&'static str, BTreeSet<String>>,
}

/// The scenario.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    /// The planted bug: a job that was lost with its worker is thought to be done.
    pub(crate) forgets: bool,
    seen: Shared<Seen>,
    told: Rc<RefCell<BTreeMap<u64, Result<u64, TooHard>>>>,
    /// Pools that lose what waits for a worker, again and again.
    forgetful: Rc<RefCell<Vec<&'static str>>>,
}

impl Scenario for Workers {
    const NAME: &'static str = "workers";
    const ABOUT: &'static str =
        "jobs that make workers panic are done, by pools that are supervised";
    type Step = Work;

    fn outline(&self) -> Outline {
        // A supervisor that is held or slow is late by right, and the table would not know.
        let swarm = Swarm::all().without(FaultKind::Pause).without(FaultKind::Slow);
        let sites = POOLS.map(Site::new).into_iter().chain([Site::new(FOREMAN).links_only()]);
        Outline::new(sites).safety(SAFETY).liveness(Duration::from_secs(180)).faults(swarm)
    }

    fn workload(&self, draw: &Stream) -> Vec<(Duration, Work)> {
        let work = |number| {
            let hard = [0, 0, 0, 0, 0, 0, 1, 1, 2, PANICS][draw.below(10) as usize];
            (Duration::from_millis(draw.below(SAFETY.as_millis() as u64)), Work { number, hard })
        };
        (0..JOBS).map(work).collect()
    }

    async fn set_up(&mut self, world: &mut World) -> Result<(), String> {
        world.expect_panics("workers/app.rs", "is too much for");
        world.check_leaks();
        world.check_at_end(NoLeaks::new());
        world.set_default_link(LinkRule::rough());
        world.start_member(FOREMAN, |node| node, async |_| ());
        for (name, strategy) in POOLS.into_iter().zip(STRATEGIES) {
            let (seen, recorder) = (self.seen.clone(), world.history().clone());
            let main = move |node: Node| {
                // What an earlier life has left open, nobody has closed.
                seen.lock().pools.insert(name, BTreeSet::new());
                let (seen, recorder) = (seen.clone(), recorder.clone());
                let book: Book = Arc::new(move |note| write_down(&recorder, &seen, name, note));
                async move {
                    let porter = node.spawn_with::<Porter>((node.clone(), strategy, book)).await;
                    porter.map(drop).map_err(|error| error.to_string())
                }
            };
            world.start_member(name, NodeBuilder::actor::<Worker>, main);
        }
        let joined = world.all_joined(&[FOREMAN, "a", "b", "c"], Duration::from_secs(30)).await;
        joined.map_err(|error| error.to_string())?;
        world.count();
        Ok(())
    }

    fn step(&mut self, world: &mut World, work: Work) -> impl Future<Output = ()> + 'static {
        let (node, told, forgets) =
            (world.runtime_node(FOREMAN), Rc::clone(&self.told), self.forgets);
        async move {
            let Some(node) = node else { return };
            let task = Task { number: work.number, hard: work.hard };
            let done = app::get_done(&node, &POOLS, task, forgets).await;
            told.borrow_mut().insert(work.number, done);
        }
    }

    async fn recover(&mut self, world: &mut World) -> Result<(), String> {
        let node = world.runtime_node(FOREMAN).ok_or("the foreman is down")?;
        for pool in POOLS {
            for number in 0..WORKERS.len() as u64 {
                let (task, pools) = (Task { number: JOBS + number, hard: 0 }, [pool]);
                let done = app::get_done(&node, &pools, task, false);
                let done = tokio::time::timeout(RECOVERS_WITHIN, done).await;
                let done =
                    done.map_err(|_| format!("{pool} does no job, long after all is healed"))?;
                done.map_err(|TooHard| format!("{pool} cannot do a simple job"))?;
            }
        }
        while self.told.borrow().len() < JOBS as usize {
            world.run_for(Duration::from_millis(100)).await;
        }
        for pool in POOLS {
            let mut number = 2 * JOBS;
            // What failed before counts no more. The time is bounded by the phase.
            loop {
                world.run_for(2 * PERIOD).await;
                number += 1;
                match outlasts(&node, pool, WORKERS[0], number).await {
                    Some(true) => break,
                    Some(false) if number == 2 * JOBS + ATTEMPTS => {
                        self.forgetful.borrow_mut().push(pool);
                        break;
                    }
                    Some(false) | None => {}
                }
            }
        }
        // Supervisors that have something to do have done it after this.
        world.run_for(2 * PROMPT).await;
        world.count();
        Ok(())
    }

    fn checks(&self) -> Vec<Check> {
        let (seen, told) = (self.seen.clone(), Rc::clone(&self.told));
        let (opened, forgetful) = (self.seen.clone(), Rc::clone(&self.forgetful));
        vec![
            Check::at_end("what waits outlasts its worker", move |_| {
                let loses = |pool| format!("{pool} loses what waits for a worker that starts anew");
                forgetful.borrow().first().map_or(Ok(()), |pool| Err(loses(pool)))
            }),
            Check::at_end("what was answered was done", move |_| {
                let done = &seen.lock().done;
                let is_true = |number: &u64, told: &Result<u64, TooHard>| match told {
                    Ok(square) => done.contains(number) && *square == number * number,
                    Err(TooHard) => !done.contains(number),
                };
                match told.borrow().iter().find(|(number, told)| !is_true(number, told)) {
                    Some((number, told)) => Err(format!("job {number} was told {told:?}")),
                    None => Ok(()),
                }
            }),
            Check::at_end("supervisors keep the table", move |world| {
                let history = world.history().history();
                let pools = pools(&opened.lock());
                pools.into_iter().try_for_each(|(pool, strategy)| {
                    let table = SupervisionTable::new(pool, strategy, PROMPT)
                        .intensity(RESTARTS as usize, PERIOD)
                        .child(OPENER, RestartRule::Transient);
                    let child =
                        |table: SupervisionTable, name| table.child(name, RestartRule::Permanent);
                    let table = WORKERS.into_iter().fold(table, child);
                    history.check(&table).map_err(|report| report.to_string())
                })
            }),
        ]
    }
}

/// The pools that were opened, with their strategies.
fn pools(seen: &Seen) -> Vec<(String, RestartStrategy)> {
    let strategy = |node| match POOLS.into_iter().zip(STRATEGIES).find(|(pool, _)| *pool == node) {
        Some((_, Strategy::OneForAll)) => RestartStrategy::OneForAll,
        Some((_, Strategy::RestForOne)) => RestartStrategy::RestForOne,
        _ => RestartStrategy::OneForOne,
    };
    let of_node = |(node, pools): (&&'static str, &BTreeSet<String>)| {
        let strategy = strategy(*node);
        pools.iter().map(move |pool| (pool.clone(), strategy)).collect::<Vec<_>>()
    };
    seen.pools.iter().flat_map(of_node).collect()
}

/// What happens in a pool, as a history.
fn write_down(recorder: &Recorder, seen: &Shared<Seen>, node: &'static str, note: Note<'_>) {
    let ended = |pool: &str, worker: &str, exit| {
        let (supervisor, child) = (pool.into(), worker.into());
        recorder.record(What::ChildEnded { supervisor, child, exit });
    };
    match note {
        Note::Started { pool, worker } => {
            seen.lock().pools.entry(node).or_default().insert(pool.to_owned());
            let (supervisor, child) = (pool.into(), worker.into());
            recorder.record(What::ChildStarted { supervisor, child });
        }
        Note::Failed { pool, worker } => ended(pool, worker, Exit::Failed),
        Note::Stopped { pool, worker } => ended(pool, worker, Exit::Ordered),
        Note::Finished { pool, worker } => ended(pool, worker, Exit::Normal),
        Note::GaveUp { pool } => {
            recorder.record(What::Ended { party: pool.into(), exit: Exit::Failed });
        }
        Note::Did { number } => {
            seen.lock().done.insert(number);
        }
    }
}
