//! Bare tokio: a task and a channel for each actor, as its documentation teaches; a reference, no framework.
//!
//! Unbounded channels and oneshot replies: the least that a framework on tokio can cost. No failure of an actor is
//! caught, and nothing is bounded.

use std::{future::Future, sync::Arc};

use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender},
    oneshot,
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
pub(crate) struct Tokio(Place);

pub(crate) enum Command {
    Add(u64),
    Read(u64, oneshot::Sender<u64>),
}

pub(crate) enum Token {
    Next(UnboundedSender<Token>),
    Hops(u64),
}

pub(crate) struct Ask(u64, oneshot::Sender<Outcome<()>>);

#[expect(clippy::disallowed_methods, reason = "the yardstick is the channel that costs least")]
fn channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    tokio::sync::mpsc::unbounded_channel()
}

/// Starts an actor: a task that ends when nobody can send to it any more.
#[expect(clippy::disallowed_methods, reason = "this is what actors on bare tokio look like")]
fn spawn<T: Send + 'static, F>(run: impl FnOnce(UnboundedReceiver<T>) -> F) -> UnboundedSender<T>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = channel();
    tokio::spawn(run(receiver));
    sender
}

async fn count(mut inbox: UnboundedReceiver<Command>, mut counting: Counting) {
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Add(value) => counting.add(value),
            // The asker may have given up.
            Command::Read(value, reply) => drop(reply.send(counting.read(value))),
        }
    }
}

async fn circle(mut inbox: UnboundedReceiver<Token>, gate: Arc<Gate>) {
    let mut next = None;
    while let Some(token) = inbox.recv().await {
        match (token, &next) {
            (Token::Next(link), _) => next = Some(link),
            (Token::Hops(0), _) => gate.pass(),
            // The ring may have been dropped.
            (Token::Hops(hops), Some(next)) => drop(next.send(Token::Hops(hops - 1))),
            (Token::Hops(_), None) => {}
        }
    }
}

async fn ask(mut inbox: UnboundedReceiver<Ask>, counter: UnboundedSender<Command>) {
    while let Some(Ask(asks, reply)) = inbox.recv().await {
        // The driver may have given up.
        let _ = reply.send(ask_often::<Tokio>(&counter, asks).await);
    }
}

impl System for Tokio {
    type Counter = UnboundedSender<Command>;
    type Link = UnboundedSender<Token>;
    type Asker = UnboundedSender<Ask>;

    fn run<F, W>(mode: Mode, cpus: Cpus, workload: F) -> Outcome<f64>
    where
        F: FnOnce(World<Self>) -> W + Send + 'static,
        W: Future<Output = Outcome<f64>> + Send + 'static,
    {
        run_tasks(mode, cpus, Self, workload)
    }

    async fn counter(&self, counting: Counting) -> Outcome<Self::Counter> {
        self.0.run(async move { Ok(spawn(|inbox| count(inbox, counting))) }).await
    }

    async fn tell(counter: &Self::Counter, value: u64) -> Outcome<()> {
        counter.send(Command::Add(value)).map_err(|_| "a counter is gone".into())
    }

    async fn ask(counter: &Self::Counter, value: u64) -> Outcome<u64> {
        let (reply, answer) = oneshot::channel();
        counter.send(Command::Read(value, reply)).map_err(|_| "a counter is gone")?;
        Ok(answer.await?)
    }

    async fn asker(&self, counter: Self::Counter) -> Outcome<Self::Asker> {
        self.0.run(async move { Ok(spawn(|inbox| ask(inbox, counter))) }).await
    }

    async fn let_ask(asker: &Self::Asker, asks: u64) -> Outcome<()> {
        let (reply, done) = oneshot::channel();
        asker.send(Ask(asks, reply)).map_err(|_| "an asker is gone")?;
        done.await?
    }

    async fn link(&self, gate: Arc<Gate>) -> Outcome<Self::Link> {
        self.0.run(async move { Ok(spawn(|inbox| circle(inbox, gate))) }).await
    }

    async fn join(link: &Self::Link, next: Self::Link) -> Outcome<()> {
        link.send(Token::Next(next)).map_err(|_| "a link is gone".into())
    }

    async fn pass(link: &Self::Link, hops: u64) -> Outcome<()> {
        link.send(Token::Hops(hops)).map_err(|_| "a link is gone".into())
    }
}
