//! kameo at its best: unbounded mailboxes and `try_send`, which waits for nothing; features off that trace.
//!
//! Its default mailbox of 64 messages costs it more on every row.

use std::{convert::Infallible, future::Future, sync::Arc};

use kameo::{
    actor::{Actor, ActorRef, Spawn},
    mailbox::unbounded,
    message::{Context, Message},
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
pub(crate) struct Kameo(Place);

impl Kameo {
    async fn start<A: Actor<Args = A>>(&self, actor: A) -> Outcome<ActorRef<A>> {
        self.0.run(async move { Ok(A::spawn_with_mailbox(actor, unbounded())) }).await
    }
}

pub(crate) struct Counter(Counting);

impl Actor for Counter {
    type Args = Self;
    type Error = Infallible;

    async fn on_start(args: Self, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(args)
    }
}

pub(crate) struct Add(u64);

impl Message<Add> for Counter {
    type Reply = ();

    async fn handle(&mut self, add: Add, _: &mut Context<Self, ()>) {
        self.0.add(add.0);
    }
}

pub(crate) struct Read(u64);

impl Message<Read> for Counter {
    type Reply = u64;

    async fn handle(&mut self, read: Read, _: &mut Context<Self, u64>) -> u64 {
        self.0.read(read.0)
    }
}

pub(crate) struct Asker(ActorRef<Counter>);

impl Actor for Asker {
    type Args = Self;
    type Error = Infallible;

    async fn on_start(args: Self, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(args)
    }
}

pub(crate) struct LetAsk(u64);

impl Message<LetAsk> for Asker {
    /// What went wrong: an error as a reply must be printable, which boxed ones are.
    type Reply = Option<String>;

    async fn handle(&mut self, asks: LetAsk, _: &mut Context<Self, Self::Reply>) -> Self::Reply {
        ask_often::<Kameo>(&self.0, asks.0).await.err().map(|error| error.to_string())
    }
}

pub(crate) struct Link {
    next: Option<ActorRef<Link>>,
    gate: Arc<Gate>,
}

impl Actor for Link {
    type Args = Self;
    type Error = Infallible;

    async fn on_start(args: Self, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(args)
    }
}

pub(crate) struct Join(ActorRef<Link>);

impl Message<Join> for Link {
    type Reply = ();

    async fn handle(&mut self, join: Join, _: &mut Context<Self, ()>) {
        self.next = Some(join.0);
    }
}

pub(crate) struct Hops(u64);

impl Message<Hops> for Link {
    type Reply = ();

    async fn handle(&mut self, hops: Hops, _: &mut Context<Self, ()>) {
        match (hops.0, &self.next) {
            (0, _) => self.gate.pass(),
            // The ring may have been dropped.
            (hops, Some(next)) => drop(next.tell(Hops(hops - 1)).try_send()),
            (_, None) => {}
        }
    }
}

impl System for Kameo {
    type Counter = ActorRef<Counter>;
    type Link = ActorRef<Link>;
    type Asker = ActorRef<Asker>;

    fn run<F, W>(mode: Mode, cpus: Cpus, workload: F) -> Outcome<f64>
    where
        F: FnOnce(World<Self>) -> W + Send + 'static,
        W: Future<Output = Outcome<f64>> + Send + 'static,
    {
        run_tasks(mode, cpus, Self, workload)
    }

    async fn counter(&self, counting: Counting) -> Outcome<Self::Counter> {
        self.start(Counter(counting)).await
    }

    async fn tell(counter: &Self::Counter, value: u64) -> Outcome<()> {
        counter.tell(Add(value)).try_send().map_err(|error| error.to_string().into())
    }

    async fn ask(counter: &Self::Counter, value: u64) -> Outcome<u64> {
        counter.ask(Read(value)).send().await.map_err(|error| error.to_string().into())
    }

    async fn asker(&self, counter: Self::Counter) -> Outcome<Self::Asker> {
        self.start(Asker(counter)).await
    }

    async fn let_ask(asker: &Self::Asker, asks: u64) -> Outcome<()> {
        let wrong = asker.ask(LetAsk(asks)).send().await.map_err(|error| error.to_string())?;
        wrong.map_or(Ok(()), |error| Err(error.into()))
    }

    async fn link(&self, gate: Arc<Gate>) -> Outcome<Self::Link> {
        self.start(Link { next: None, gate }).await
    }

    async fn join(link: &Self::Link, next: Self::Link) -> Outcome<()> {
        link.tell(Join(next)).try_send().map_err(|error| error.to_string().into())
    }

    async fn pass(link: &Self::Link, hops: u64) -> Outcome<()> {
        link.tell(Hops(hops)).try_send().map_err(|error| error.to_string().into())
    }
}
