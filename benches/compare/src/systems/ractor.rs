//! ractor at its best: `cast`, `call` without a time limit, and the feature off that carries tracing's spans along.
//!
//! Its mailboxes are unbounded. `spawn` waits until the actor has started; `spawn_instant` costs a task more. Its feature
//! `cluster` is off: it makes messages slower, and `remote` has a program of its own for it.

use std::{future::Future, sync::Arc};

#[cfg(feature = "network")]
use ractor::Message;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, rpc::CallResult};

use crate::{
    Outcome,
    counting::Counting,
    cpus::Cpus,
    gate::Gate,
    system::{Mode, System, World, ask_often, together},
    threads::{Place, run_tasks},
};

#[derive(Clone)]
pub(crate) struct Ractor(Place);

impl Ractor {
    async fn start<A: Actor>(&self, actor: A, args: A::Arguments) -> Outcome<ActorRef<A::Msg>> {
        self.0.run(async move { Ok(A::spawn(None, actor, args).await?.0) }).await
    }
}

pub(crate) struct Counter;

pub(crate) enum Command {
    Add(u64),
    Read(u64, RpcReplyPort<u64>),
}

#[cfg(feature = "network")]
impl Message for Command {}

impl Actor for Counter {
    type Msg = Command;
    type State = Counting;
    type Arguments = Counting;

    async fn pre_start(
        &self,
        _: ActorRef<Command>,
        counting: Counting,
    ) -> Result<Counting, ActorProcessingErr> {
        Ok(counting)
    }

    async fn handle(
        &self,
        _: ActorRef<Command>,
        command: Command,
        counting: &mut Counting,
    ) -> Result<(), ActorProcessingErr> {
        match command {
            Command::Add(value) => counting.add(value),
            // The asker may have given up.
            Command::Read(value, reply) => drop(reply.send(counting.read(value))),
        }
        Ok(())
    }
}

pub(crate) struct Asker;

pub(crate) struct LetAsk(u64, RpcReplyPort<Outcome<()>>);

#[cfg(feature = "network")]
impl Message for LetAsk {}

impl Actor for Asker {
    type Msg = LetAsk;
    type State = ActorRef<Command>;
    type Arguments = ActorRef<Command>;

    async fn pre_start(
        &self,
        _: ActorRef<LetAsk>,
        counter: ActorRef<Command>,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(counter)
    }

    async fn handle(
        &self,
        _: ActorRef<LetAsk>,
        LetAsk(asks, reply): LetAsk,
        counter: &mut ActorRef<Command>,
    ) -> Result<(), ActorProcessingErr> {
        let asked = ask_often::<Ractor>(counter, asks).await;
        // The driver may have given up.
        drop(reply.send(asked));
        Ok(())
    }
}

pub(crate) struct Link;

pub(crate) enum Token {
    Next(ActorRef<Token>),
    Hops(u64),
}

#[cfg(feature = "network")]
impl Message for Token {}

pub(crate) struct LinkState {
    next: Option<ActorRef<Token>>,
    gate: Arc<Gate>,
}

impl Actor for Link {
    type Msg = Token;
    type State = LinkState;
    type Arguments = Arc<Gate>;

    async fn pre_start(
        &self,
        _: ActorRef<Token>,
        gate: Arc<Gate>,
    ) -> Result<LinkState, ActorProcessingErr> {
        Ok(LinkState { next: None, gate })
    }

    async fn handle(
        &self,
        _: ActorRef<Token>,
        token: Token,
        link: &mut LinkState,
    ) -> Result<(), ActorProcessingErr> {
        match (token, &link.next) {
            (Token::Next(next), _) => link.next = Some(next),
            (Token::Hops(0), _) => link.gate.pass(),
            (Token::Hops(hops), Some(next)) => next.cast(Token::Hops(hops - 1))?,
            (Token::Hops(_), None) => {}
        }
        Ok(())
    }
}

fn answered<T>(answer: CallResult<T>) -> Outcome<T> {
    match answer {
        CallResult::Success(value) => Ok(value),
        CallResult::Timeout | CallResult::SenderError => Err("a call was not answered".into()),
    }
}

impl System for Ractor {
    type Counter = ActorRef<Command>;
    type Link = ActorRef<Token>;
    type Asker = ActorRef<LetAsk>;

    fn run<F, W>(mode: Mode, cpus: Cpus, workload: F) -> Outcome<f64>
    where
        F: FnOnce(World<Self>) -> W + Send + 'static,
        W: Future<Output = Outcome<f64>> + Send + 'static,
    {
        run_tasks(mode, cpus, Self, workload)
    }

    async fn counter(&self, counting: Counting) -> Outcome<Self::Counter> {
        self.start(Counter, counting).await
    }

    async fn counters(&self, count: u64, counting: &Counting) -> Outcome<Vec<Self::Counter>> {
        together((0..count).map(|_| self.counter(counting.clone()))).await
    }

    async fn tell(counter: &Self::Counter, value: u64) -> Outcome<()> {
        counter.cast(Command::Add(value)).map_err(|error| error.to_string().into())
    }

    async fn ask(counter: &Self::Counter, value: u64) -> Outcome<u64> {
        let answer = counter.call(|reply| Command::Read(value, reply), None).await;
        answered(answer.map_err(|error| error.to_string())?)
    }

    async fn asker(&self, counter: Self::Counter) -> Outcome<Self::Asker> {
        self.start(Asker, counter).await
    }

    async fn let_ask(asker: &Self::Asker, asks: u64) -> Outcome<()> {
        let answer = asker.call(|reply| LetAsk(asks, reply), None).await;
        answered(answer.map_err(|error| error.to_string())?)?
    }

    async fn link(&self, gate: Arc<Gate>) -> Outcome<Self::Link> {
        self.start(Link, gate).await
    }

    async fn join(link: &Self::Link, next: Self::Link) -> Outcome<()> {
        link.cast(Token::Next(next)).map_err(|error| error.to_string().into())
    }

    async fn pass(link: &Self::Link, hops: u64) -> Outcome<()> {
        link.cast(Token::Hops(hops)).map_err(|error| error.to_string().into())
    }
}
