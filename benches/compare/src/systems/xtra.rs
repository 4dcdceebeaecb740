//! xtra at its best: unbounded mailboxes, and tells whose receiver of the answer is dropped.

use std::{future::Future, sync::Arc};

use xtra::{Actor, Address, Context, Handler, Mailbox};

use crate::{
    Outcome,
    counting::Counting,
    cpus::Cpus,
    gate::Gate,
    system::{Mode, System, World, ask_often},
    threads::{Place, run_tasks},
};

#[derive(Clone)]
pub(crate) struct Xtra(Place);

impl Xtra {
    async fn start<A: Actor<Stop = ()>>(&self, actor: A) -> Outcome<Address<A>> {
        self.0.run(async move { Ok(xtra::spawn_tokio(actor, Mailbox::unbounded())) }).await
    }
}

pub(crate) struct Counter(Counting);

impl Actor for Counter {
    type Stop = ();

    async fn stopped(self) {}
}

pub(crate) struct Add(u64);

impl Handler<Add> for Counter {
    type Return = ();

    async fn handle(&mut self, add: Add, _: &mut Context<Self>) {
        self.0.add(add.0);
    }
}

pub(crate) struct Read(u64);

impl Handler<Read> for Counter {
    type Return = u64;

    async fn handle(&mut self, read: Read, _: &mut Context<Self>) -> u64 {
        self.0.read(read.0)
    }
}

pub(crate) struct Asker(Address<Counter>);

impl Actor for Asker {
    type Stop = ();

    async fn stopped(self) {}
}

pub(crate) struct LetAsk(u64);

impl Handler<LetAsk> for Asker {
    type Return = Outcome<()>;

    async fn handle(&mut self, asks: LetAsk, _: &mut Context<Self>) -> Outcome<()> {
        ask_often::<Xtra>(&self.0, asks.0).await
    }
}

pub(crate) struct Link {
    next: Option<Address<Link>>,
    gate: Arc<Gate>,
}

impl Actor for Link {
    type Stop = ();

    async fn stopped(self) {}
}

pub(crate) struct Join(Address<Link>);

impl Handler<Join> for Link {
    type Return = ();

    async fn handle(&mut self, join: Join, _: &mut Context<Self>) {
        self.next = Some(join.0);
    }
}

pub(crate) struct Hops(u64);

impl Handler<Hops> for Link {
    type Return = ();

    async fn handle(&mut self, hops: Hops, _: &mut Context<Self>) {
        match (hops.0, &self.next) {
            (0, _) => self.gate.pass(),
            // The ring may have been dropped.
            (hops, Some(next)) => drop(next.send(Hops(hops - 1)).detach().await),
            (_, None) => {}
        }
    }
}

impl System for Xtra {
    type Counter = Address<Counter>;
    type Link = Address<Link>;
    type Asker = Address<Asker>;

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
        drop(counter.send(Add(value)).detach().await?);
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
        drop(link.send(Join(next)).detach().await?);
        Ok(())
    }

    async fn pass(link: &Self::Link, hops: u64) -> Outcome<()> {
        drop(link.send(Hops(hops)).detach().await?);
        Ok(())
    }
}
