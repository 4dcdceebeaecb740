//! coerce at its best: anonymous actors, which its registry does not track, spawned without waiting for their start.
//!
//! Its mailboxes are unbounded.

use std::{future::Future, sync::Arc};

use async_trait::async_trait;
use coerce::actor::{
    Actor, LocalActorRef,
    context::ActorContext,
    message::{Handler, Message},
    new_actor_id,
    scheduler::ActorType,
    system::ActorSystem,
};

use crate::{
    Outcome,
    counting::Counting,
    cpus::Cpus,
    gate::Gate,
    system::{Mode, System, World, ask_often},
    threads::{Place, run_tasks},
};

#[derive(Clone)]
pub(crate) struct Coerce {
    place: Place,
    actors: ActorSystem,
}

impl Coerce {
    async fn start<A: Actor>(&self, actor: A) -> Outcome<LocalActorRef<A>> {
        let actors = self.actors.clone();
        let start = async move {
            Ok(actors.new_actor_deferred(new_actor_id(), actor, ActorType::Anonymous).await)
        };
        self.place.run(start).await
    }
}

pub(crate) struct Counter(Counting);

impl Actor for Counter {}

pub(crate) struct Add(u64);

impl Message for Add {
    type Result = ();
}

#[async_trait]
impl Handler<Add> for Counter {
    async fn handle(&mut self, add: Add, _: &mut ActorContext) {
        self.0.add(add.0);
    }
}

pub(crate) struct Read(u64);

impl Message for Read {
    type Result = u64;
}

#[async_trait]
impl Handler<Read> for Counter {
    async fn handle(&mut self, read: Read, _: &mut ActorContext) -> u64 {
        self.0.read(read.0)
    }
}

pub(crate) struct Asker(LocalActorRef<Counter>);

impl Actor for Asker {}

pub(crate) struct LetAsk(u64);

impl Message for LetAsk {
    type Result = Outcome<()>;
}

#[async_trait]
impl Handler<LetAsk> for Asker {
    async fn handle(&mut self, asks: LetAsk, _: &mut ActorContext) -> Outcome<()> {
        ask_often::<Coerce>(&self.0, asks.0).await
    }
}

pub(crate) struct Link {
    next: Option<LocalActorRef<Link>>,
    gate: Arc<Gate>,
}

impl Actor for Link {}

pub(crate) struct Join(LocalActorRef<Link>);

impl Message for Join {
    type Result = ();
}

#[async_trait]
impl Handler<Join> for Link {
    async fn handle(&mut self, join: Join, _: &mut ActorContext) {
        self.next = Some(join.0);
    }
}

pub(crate) struct Hops(u64);

impl Message for Hops {
    type Result = ();
}

#[async_trait]
impl Handler<Hops> for Link {
    async fn handle(&mut self, hops: Hops, _: &mut ActorContext) {
        match (hops.0, &self.next) {
            (0, _) => self.gate.pass(),
            // The ring may have been dropped.
            (hops, Some(next)) => drop(next.notify(Hops(hops - 1))),
            (_, None) => {}
        }
    }
}

impl System for Coerce {
    type Counter = LocalActorRef<Counter>;
    type Link = LocalActorRef<Link>;
    type Asker = LocalActorRef<Asker>;

    fn run<F, W>(mode: Mode, cpus: Cpus, workload: F) -> Outcome<f64>
    where
        F: FnOnce(World<Self>) -> W + Send + 'static,
        W: Future<Output = Outcome<f64>> + Send + 'static,
    {
        let make = |place| Self { place, actors: ActorSystem::new() };
        run_tasks(mode, cpus, make, workload)
    }

    async fn counter(&self, counting: Counting) -> Outcome<Self::Counter> {
        self.start(Counter(counting)).await
    }

    async fn tell(counter: &Self::Counter, value: u64) -> Outcome<()> {
        Ok(counter.notify(Add(value))?)
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
        Ok(link.notify(Join(next))?)
    }

    async fn pass(link: &Self::Link, hops: u64) -> Outcome<()> {
        Ok(link.notify(Hops(hops))?)
    }
}
