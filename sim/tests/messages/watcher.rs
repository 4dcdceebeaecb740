//! An actor that watches one other and keeps what it is told of its end.

use std::marker::PhantomData;

use odeon::{Actor, ActorRef, Context, ExitKind, Handler, StartError, Terminated, message};

pub(crate) struct Watcher<A> {
    ends: Vec<ExitKind>,
    of: PhantomData<fn(A)>,
}

/// What it was told.
#[message(local, reply = Vec<ExitKind>)]
pub(crate) struct Ends;

impl<A: Actor> Actor for Watcher<A> {
    type Args = ActorRef<A>;

    async fn start(of: ActorRef<A>, ctx: &mut Context<Self>) -> Result<Self, StartError> {
        ctx.watch(&of);
        Ok(Self { ends: Vec::new(), of: PhantomData })
    }

    async fn terminated(&mut self, terminated: Terminated, _: &mut Context<Self>) {
        self.ends.push(terminated.reason.kind());
    }
}

impl<A: Actor> Handler<Ends> for Watcher<A> {
    async fn handle(&mut self, _: Ends, _: &mut Context<Self>) -> Vec<ExitKind> {
        self.ends.clone()
    }
}
