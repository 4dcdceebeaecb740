//! The part of an actor runtime that `#[actor]` names, so that its errors are tested without one.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    unused_imports,
    reason = "every test uses a part of it"
)]

use std::{future::Future, marker::PhantomData};

pub use odeon_message::{Codec, Message, Schema, SchemaWalk, View, Wire, message, rkyv};

pub trait Actor: Sized + Send + 'static {
    type Args: Clone + Send + 'static;

    const ID: Option<&'static str> = None;

    fn start(
        args: Self::Args,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = Result<Self, StartError>> + Send;

    fn stopped(
        &mut self,
        reason: &ExitReason,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = ()> + Send {
        let _ = (reason, ctx);
        async {}
    }

    fn accept(table: &mut Accepts<Self>) {
        let _ = table;
    }
}

pub trait Target {
    type Actor: Actor;

    fn ask<M: Message>(&self, message: M) -> Ask<Self::Actor, M>
    where
        Self::Actor: Handler<M>,
    {
        Ask(message, PhantomData)
    }
}

pub struct Ask<A, M>(pub M, PhantomData<A>);

#[diagnostic::on_unimplemented(
    message = "`{Self}` does not handle `{M}`",
    note = "write `impl Handler<{M}> for {Self}`, or take `{M}` out of `handles(…)` if it is listed there"
)]
pub trait Handler<M: Message>: Actor {
    const READS: bool = false;

    fn handle(
        &mut self,
        message: M,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = M::Output> + Send;
}

#[diagnostic::on_unimplemented(
    message = "`{Self}` does not read `{M}` in place",
    note = "write `impl ViewHandler<{M}> for {Self}` beside its `Handler<{M}>`, or list `{M}` in `handles(…)`"
)]
pub trait ViewHandler<M: Message + Wire>: Handler<M> {
    fn view(
        &mut self,
        view: View<M>,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = M::Output> + Send;
}

pub struct Views<A, M>(PhantomData<fn(A, M)>);

impl<A: ViewHandler<M>, M: Message + Wire> Views<A, M> {
    pub const READ: bool = true;
}

pub trait NoView {
    const READ: bool = false;
}

impl<A, M> NoView for Views<A, M> {}

pub struct Accepts<A> {
    pub names: Vec<&'static str>,
    actor: PhantomData<A>,
}

impl<A: Actor> Accepts<A> {
    pub fn new() -> Self {
        Self { names: Vec::new(), actor: PhantomData }
    }

    pub fn handles<M: Message>(&mut self)
    where
        A: Handler<M>,
    {
        self.names.push(M::NAME);
    }

    pub fn views<M: Message + Wire>(&mut self)
    where
        A: ViewHandler<M>,
    {
        self.names.push(M::NAME);
    }
}

pub struct Context<A>(PhantomData<A>);

pub struct StartError;

pub struct ExitReason;
