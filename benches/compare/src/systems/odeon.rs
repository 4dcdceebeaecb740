//! Odeon with its defaults: bounded mailboxes, a deadline on every ask, panics caught, figures counted.
//!
//! `st` runs a worker on the driver's own thread; `xt` starts a whole node with one worker thread, beside the driver; `mt`
//! starts such a node, too, and places its actors where they are asked from: they are tasks of the multi-thread program.
//! [`placement`] says so in the row. The same without measured messages is a system of its own, [`OdeonBare`], so that
//! what metrics cost is a ratio of one run. What it is NOT: tuned; but for that and the placement, no bound, time or option
//! differs from what an application gets.

use std::{future::Future, sync::Arc, time::Duration};

use odeon::{
    Actor, ActorRef, ActorSystem, Context, Handler, Incarnation, Node, NodeBuilder, NodeId,
    Placement, SpawnOptions, StartError, SystemConfig, env::RealEnv, message,
};
use tokio::{runtime::Handle, task::LocalSet};

use crate::{
    Outcome,
    counting::Counting,
    cpus::Cpus,
    gate::Gate,
    system::{Mode, System, Tasks, World, ask_often, together},
    threads::{on_pool, pool, single},
};

/// How long the end of a node may take after a sample.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Where Odeon's actors live in a mode, for the row; chosen in [`System::run`].
pub(crate) fn placement(mode: Mode) -> &'static str {
    match mode {
        Mode::St => "a worker on the driver's thread",
        Mode::Xt => "ordinary: one worker thread of a node",
        Mode::Mt => "stealing: tasks of the program's two worker threads",
    }
}

/// With its defaults, or `BARE`: without sampled times.
#[derive(Clone)]
pub(crate) struct Sampling<const BARE: bool> {
    system: ActorSystem,
    placement: Placement,
}

pub(crate) type Odeon = Sampling<false>;
/// Nothing is measured, so that the clock is not read for it.
pub(crate) type OdeonBare = Sampling<true>;

/// The bounds and times of the actors.
fn config(bare: bool) -> SystemConfig {
    let mut config = SystemConfig::default();
    if bare {
        config.sample_every = 0;
    }
    config
}

impl<const BARE: bool> Sampling<BARE> {
    /// The actors of a node.
    pub(crate) fn of(node: &Node, placement: Placement) -> Self {
        Self { system: node.system().clone(), placement }
    }

    async fn spawn<A: Actor<Args = A>>(&self, actor: A) -> Outcome<ActorRef<A>> {
        let options = SpawnOptions::default().placement(self.placement);
        Ok(self.system.spawn::<A>(actor, options).await?)
    }
}

#[derive(Clone)]
pub(crate) struct Counter(Counting);

impl Actor for Counter {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

#[message(local)]
pub(crate) struct Add(u64);

impl Handler<Add> for Counter {
    async fn handle(&mut self, add: Add, _: &mut Context<Self>) {
        self.0.add(add.0);
    }
}

#[message(local, reply = u64)]
pub(crate) struct Read(u64);

impl Handler<Read> for Counter {
    async fn handle(&mut self, read: Read, _: &mut Context<Self>) -> u64 {
        self.0.read(read.0)
    }
}

#[derive(Clone)]
pub(crate) struct Asker(ActorRef<Counter>);

impl Actor for Asker {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

#[message(local, reply = Outcome<()>)]
pub(crate) struct LetAsk(u64);

impl Handler<LetAsk> for Asker {
    async fn handle(&mut self, asks: LetAsk, _: &mut Context<Self>) -> Outcome<()> {
        ask_often::<Odeon>(&self.0, asks.0).await
    }
}

#[derive(Clone)]
pub(crate) struct Link {
    next: Option<ActorRef<Link>>,
    gate: Arc<Gate>,
}

impl Actor for Link {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

#[message(local)]
pub(crate) struct Join(ActorRef<Link>);

impl Handler<Join> for Link {
    async fn handle(&mut self, join: Join, _: &mut Context<Self>) {
        self.next = Some(join.0);
    }
}

#[message(local)]
pub(crate) struct Hops(u64);

impl Handler<Hops> for Link {
    async fn handle(&mut self, hops: Hops, _: &mut Context<Self>) {
        match (hops.0, &self.next) {
            (0, _) => self.gate.pass(),
            // The ring may be ending.
            (hops, Some(next)) => drop(next.tell(Hops(hops - 1)).await),
            (_, None) => {}
        }
    }
}

/// Pins the worker's thread when it starts.
#[derive(Clone)]
struct Pin(Cpus);

impl Actor for Pin {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        args.0.pin_actors().map_err(StartError::new)?;
        Ok(args)
    }
}

/// A node that will have one worker thread.
pub(crate) fn node(bare: bool) -> NodeBuilder {
    Node::builder("compare").alone().workers(1).system(config(bare))
}

impl<const BARE: bool> System for Sampling<BARE> {
    type Counter = ActorRef<Counter>;
    type Link = ActorRef<Link>;
    type Asker = ActorRef<Asker>;

    fn run<F, W>(mode: Mode, cpus: Cpus, workload: F) -> Outcome<f64>
    where
        F: FnOnce(World<Self>) -> W + Send + 'static,
        W: Future<Output = Outcome<f64>> + Send + 'static,
    {
        match mode {
            Mode::St => here(cpus, workload),
            Mode::Xt => {
                let runtime = single()?;
                let node = runtime.block_on(node(BARE).start())?;
                runtime.block_on(node.spawn(Pin(cpus.clone())))?;
                cpus.pin_driver()?;
                let system = Self::of(&node, Placement::Spread);
                let work = workload(World { system, mode, tasks: Tasks::Local, cpus });
                let done = LocalSet::new().block_on(&runtime, work);
                runtime.block_on(node.stop(STOP_WITHIN));
                done
            }
            Mode::Mt => {
                let runtime = pool()?;
                let place = runtime.handle().clone();
                let node = runtime.block_on(node(BARE).stealing(place).start())?;
                let system = Self::of(&node, Placement::Stealing);
                let work = workload(World { system, mode, tasks: Tasks::Runtime, cpus });
                let done = on_pool(&runtime, work);
                runtime.block_on(node.stop(STOP_WITHIN));
                done
            }
        }
    }

    async fn counter(&self, counting: Counting) -> Outcome<Self::Counter> {
        self.spawn(Counter(counting)).await
    }

    async fn counters(&self, count: u64, counting: &Counting) -> Outcome<Vec<Self::Counter>> {
        if self.placement == Placement::Stealing {
            return together((0..count).map(|_| self.counter(counting.clone()))).await;
        }
        // On the worker's own thread an actor has started when its spawn returns: there is nothing to wait for together.
        let mut counters = Vec::with_capacity(count as usize);
        for _ in 0..count {
            counters.push(self.counter(counting.clone()).await?);
        }
        Ok(counters)
    }

    async fn tell(counter: &Self::Counter, value: u64) -> Outcome<()> {
        Ok(counter.tell(Add(value)).await?)
    }

    async fn ask(counter: &Self::Counter, value: u64) -> Outcome<u64> {
        Ok(counter.ask(Read(value)).await?)
    }

    async fn asker(&self, counter: Self::Counter) -> Outcome<Self::Asker> {
        self.spawn(Asker(counter)).await
    }

    async fn let_ask(asker: &Self::Asker, asks: u64) -> Outcome<()> {
        // A slice of asks may take longer than one ask may by default.
        asker.ask(LetAsk(asks)).within(Duration::from_secs(60)).await?
    }

    async fn link(&self, gate: Arc<Gate>) -> Outcome<Self::Link> {
        self.spawn(Link { next: None, gate }).await
    }

    async fn join(link: &Self::Link, next: Self::Link) -> Outcome<()> {
        Ok(link.tell(Join(next)).await?)
    }

    async fn pass(link: &Self::Link, hops: u64) -> Outcome<()> {
        Ok(link.tell(Hops(hops)).await?)
    }
}

/// Runs a workload beside a worker on this thread.
fn here<const BARE: bool, F, W>(cpus: Cpus, workload: F) -> Outcome<f64>
where
    F: FnOnce(World<Sampling<BARE>>) -> W,
    W: Future<Output = Outcome<f64>>,
{
    cpus.pin_driver()?;
    let runtime = single()?;
    LocalSet::new().block_on(&runtime, async {
        let (env, config) = (Arc::new(RealEnv), config(BARE));
        let node = NodeId::of("compare");
        let system = ActorSystem::new(config, env, node, Incarnation(1), Handle::current());
        system.start_worker();
        let system_of = Sampling { system: system.clone(), placement: Placement::Spread };
        let world = World { system: system_of, mode: Mode::St, tasks: Tasks::Local, cpus };
        let done = workload(world).await;
        system.stop(STOP_WITHIN).await;
        done
    })
}
