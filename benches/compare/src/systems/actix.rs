//! actix at its best: `do_send`, which looks at no bound, and plain handlers that answer without a future.
//!
//! Its actors live on an arbiter: the driver's in `st`, one of its own otherwise. In `mt` the program's two workers ask
//! actors on that arbiter, for actix has no actors on a multi-thread runtime.

use std::{future::Future, sync::Arc};

use actix::{Actor, Addr, Context, Handler, Message, ResponseFuture, System as Runner};
use actix_rt::{Arbiter, ArbiterHandle};
use tokio::sync::oneshot;

use crate::{
    Outcome,
    counting::Counting,
    cpus::Cpus,
    gate::Gate,
    system::{Mode, System, Tasks, World, ask_often},
    threads::{on_pool, pool},
};

/// The arbiter on which actors start; none is the driver's.
#[derive(Clone)]
pub(crate) struct Actix(Option<ArbiterHandle>);

impl Actix {
    async fn start<A: Actor<Context = Context<A>> + Send>(&self, actor: A) -> Outcome<Addr<A>> {
        let Some(arbiter) = &self.0 else { return Ok(actor.start()) };
        let (report, started) = oneshot::channel();
        // Whoever asked for it waits for it.
        arbiter.spawn_fn(move || drop(report.send(actor.start())));
        Ok(started.await?)
    }
}

pub(crate) struct Counter(Counting);

impl Actor for Counter {
    type Context = Context<Self>;
}

struct Add(u64);

impl Message for Add {
    type Result = ();
}

impl Handler<Add> for Counter {
    type Result = ();

    fn handle(&mut self, add: Add, _: &mut Context<Self>) {
        self.0.add(add.0);
    }
}

struct Read(u64);

impl Message for Read {
    type Result = u64;
}

impl Handler<Read> for Counter {
    type Result = u64;

    fn handle(&mut self, read: Read, _: &mut Context<Self>) -> u64 {
        self.0.read(read.0)
    }
}

pub(crate) struct Asker(Addr<Counter>);

impl Actor for Asker {
    type Context = Context<Self>;
}

struct LetAsk(u64);

impl Message for LetAsk {
    type Result = Outcome<()>;
}

impl Handler<LetAsk> for Asker {
    type Result = ResponseFuture<Outcome<()>>;

    fn handle(&mut self, asks: LetAsk, _: &mut Context<Self>) -> Self::Result {
        let counter = self.0.clone();
        Box::pin(async move { ask_often::<Actix>(&counter, asks.0).await })
    }
}

pub(crate) struct Link {
    next: Option<Addr<Link>>,
    gate: Arc<Gate>,
}

impl Actor for Link {
    type Context = Context<Self>;
}

struct Join(Addr<Link>);

impl Message for Join {
    type Result = ();
}

impl Handler<Join> for Link {
    type Result = ();

    fn handle(&mut self, join: Join, _: &mut Context<Self>) {
        self.next = Some(join.0);
    }
}

struct Hops(u64);

impl Message for Hops {
    type Result = ();
}

impl Handler<Hops> for Link {
    type Result = ();

    fn handle(&mut self, hops: Hops, _: &mut Context<Self>) {
        match (hops.0, &self.next) {
            (0, _) => self.gate.pass(),
            (hops, Some(next)) => next.do_send(Hops(hops - 1)),
            (_, None) => {}
        }
    }
}

impl System for Actix {
    type Counter = Addr<Counter>;
    type Link = Addr<Link>;
    type Asker = Addr<Asker>;

    fn run<F, W>(mode: Mode, cpus: Cpus, workload: F) -> Outcome<f64>
    where
        F: FnOnce(World<Self>) -> W + Send + 'static,
        W: Future<Output = Outcome<f64>> + Send + 'static,
    {
        let runner = Runner::new();
        if mode == Mode::St {
            cpus.pin_driver()?;
            let world = World { system: Self(None), mode, tasks: Tasks::Local, cpus };
            return runner.block_on(workload(world));
        }
        let arbiter = Arbiter::new();
        let system = Self(Some(arbiter.handle()));
        let done = if mode == Mode::Mt {
            on_pool(&pool()?, workload(World { system, mode, tasks: Tasks::Runtime, cpus }))
        } else {
            let actors = cpus.clone();
            let (report, pinned) = oneshot::channel();
            // Whoever asked for it waits for it.
            arbiter.spawn_fn(move || drop(report.send(actors.pin_actors())));
            runner.block_on(pinned)??;
            cpus.pin_driver()?;
            runner.block_on(workload(World { system, mode, tasks: Tasks::Local, cpus }))
        };
        arbiter.stop();
        arbiter.join().map_err(|_| "the arbiter panicked")?;
        done
    }

    async fn counter(&self, counting: Counting) -> Outcome<Self::Counter> {
        self.start(Counter(counting)).await
    }

    async fn tell(counter: &Self::Counter, value: u64) -> Outcome<()> {
        counter.do_send(Add(value));
        Ok(())
    }

    async fn ask(counter: &Self::Counter, value: u64) -> Outcome<u64> {
        Ok(counter.send(Read(value)).await?)
    }

    async fn asker(&self, counter: Self::Counter) -> Outcome<Self::Asker> {
        self.start(Asker(counter)).await
    }

    async fn let_ask(asker: &Self::Asker, asks: u64) -> Outcome<()> {
        asker.send(LetAsk(asks)).await?
    }

    async fn link(&self, gate: Arc<Gate>) -> Outcome<Self::Link> {
        self.start(Link { next: None, gate }).await
    }

    async fn join(link: &Self::Link, next: Self::Link) -> Outcome<()> {
        link.do_send(Join(next));
        Ok(())
    }

    async fn pass(link: &Self::Link, hops: u64) -> Outcome<()> {
        link.do_send(Hops(hops));
        Ok(())
    }
}
