//! What may be asked of a supervisor: its children, one more, one less.
//!
//! The calls are OTP's. None keeps the supervisor waiting: whoever calls waits for the child. What it is NOT: the
//! calls of a supervisor of many alike, which are in `dynamic.rs`.

use std::{convert::Infallible, future::Future};

use odeon_message::{Codec, Message};
use tokio::sync::oneshot;

use super::{
    ChildCounts, ChildError, ChildInfo, Supervisor,
    member::{StartReply, StopReply},
    terms::Busy,
};
use crate::{Actor, ActorRef, AnyRef, ChildSpec, Context, Handler};

/// A call and who waits for its answer.
pub(super) enum Call {
    Find(Box<str>, oneshot::Sender<Option<AnyRef>>),
    Start(Box<ChildSpec>, StartReply),
    Terminate(Box<str>, StopReply),
    Restart(Box<str>, StartReply),
    Delete(Box<str>, StopReply),
    Which(oneshot::Sender<Vec<ChildInfo>>),
    Count(oneshot::Sender<ChildCounts>),
    Spec(Box<str>, oneshot::Sender<Result<ChildSpec, ChildError>>),
}

impl Message for Call {
    type Reply = ();
    type Error = Infallible;
    type Output = ();
    const NAME: &'static str = "SupervisorCall";
    const CODEC: Option<Codec<Self>> = None;

    fn answer((): ()) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Busy {
    pub(super) fn into_error(self, id: &str) -> ChildError {
        let id = id.into();
        match self {
            Self::Running => ChildError::Running { id },
            Self::Restarting => ChildError::Restarting { id },
        }
    }
}

/// Answers; whoever gave up waiting misses nothing.
pub(super) fn answer<T>(reply: oneshot::Sender<T>, with: T) {
    drop(reply.send(with));
}

impl Handler<Call> for Supervisor {
    async fn handle(&mut self, call: Call, ctx: &mut Context<Self>) {
        let family = &mut self.family;
        match call {
            Call::Find(id, reply) => {
                let member = family.find(&id).ok().and_then(|place| family.member(place));
                answer(reply, member.and_then(|member| member.actor()));
            }
            Call::Start(spec, reply) => family.add((*spec).into(), reply),
            Call::Terminate(id, reply) => match family.find(&id) {
                Ok(place) => family.terminate(place, reply),
                Err(error) => answer(reply, Err(error)),
            },
            Call::Restart(id, reply) => match family.find(&id) {
                Ok(place) => family.restart(place, reply),
                Err(error) => answer(reply, Err(error)),
            },
            Call::Delete(id, reply) => {
                let deleted = family.find(&id).and_then(|place| family.delete(place));
                answer(reply, deleted);
            }
            Call::Which(reply) => answer(reply, family.which()),
            Call::Count(reply) => answer(reply, family.count()),
            Call::Spec(id, reply) => {
                let spec = family.find(&id).and_then(|place| {
                    let spec = family.member(place).and_then(|member| member.spec());
                    spec.ok_or_else(|| ChildError::NotFound { id: format!("{id:?}").into() })
                });
                answer(reply, spec);
            }
        }
        family.end_if_over(ctx);
    }
}

/// Sends a call to a supervisor and waits for its answer.
pub(super) async fn call<S: Handler<M>, M: Message, T>(
    supervisor: &ActorRef<S>,
    make: impl FnOnce(oneshot::Sender<T>) -> M,
) -> Result<T, ChildError> {
    let (reply, answer) = oneshot::channel();
    let told = supervisor.tell(make(reply)).await;
    told.map_err(|error| ChildError::Unreachable(error.failure))?;
    answer.await.map_err(|_| ChildError::Ended)
}

/// The calls of OTP's `supervisor`. Each waits for the supervisor and for the child, however long that takes.
impl ActorRef<Supervisor> {
    /// The child with this id, if it is alive and of this type.
    ///
    /// # Cancel safety
    /// Nothing changes.
    pub fn child<A: Actor>(
        &self,
        id: &str,
    ) -> impl Future<Output = Option<ActorRef<A>>> + Send + use<A> {
        let (supervisor, id) = (self.clone(), Box::from(id));
        async move {
            let found = call(&supervisor, |reply| Call::Find(id, reply)).await;
            found.ok()??.downcast()
        }
    }

    /// Adds a child to the right of all others, and starts it; done when it has started. It is gone when the
    /// supervisor is started again. OTP's `start_child`.
    ///
    /// # Errors
    /// When the id is taken, the spec cannot be followed, there are too many children, or the child does not start; it
    /// is then forgotten, unless it [chose not to run](crate::StartError::Ignored).
    ///
    /// # Cancel safety
    /// The child is started all the same.
    pub async fn start_child(&self, spec: ChildSpec) -> Result<AnyRef, ChildError> {
        call(self, |reply| Call::Start(Box::new(spec), reply)).await?
    }

    /// Stops a child within its shutdown time; done when it is gone. Its spec stays, unless it is temporary, and it
    /// starts again by [`restart_child`](Self::restart_child), or with its group. OTP's `terminate_child`.
    ///
    /// # Errors
    /// When there is no such child.
    ///
    /// # Cancel safety
    /// The child is stopped all the same.
    pub async fn terminate_child(&self, id: &str) -> Result<(), ChildError> {
        call(self, |reply| Call::Terminate(id.into(), reply)).await?
    }

    /// Starts a child again that has ended for good; done when it has started. OTP's `restart_child`.
    ///
    /// # Errors
    /// When there is no such child, it runs, it is being started again, or it does not start; it then stays as it was.
    ///
    /// # Cancel safety
    /// The child is started all the same.
    pub async fn restart_child(&self, id: &str) -> Result<AnyRef, ChildError> {
        call(self, |reply| Call::Restart(id.into(), reply)).await?
    }

    /// Forgets a child that has ended for good. OTP's `delete_child`.
    ///
    /// # Errors
    /// When there is no such child, it runs, or it is being started again.
    ///
    /// # Cancel safety
    /// The child is forgotten all the same.
    pub async fn delete_child(&self, id: &str) -> Result<(), ChildError> {
        call(self, |reply| Call::Delete(id.into(), reply)).await?
    }

    /// All children, left to right. OTP's `which_children`.
    ///
    /// # Errors
    /// When the supervisor cannot be asked.
    ///
    /// # Cancel safety
    /// Nothing changes.
    pub async fn which_children(&self) -> Result<Vec<ChildInfo>, ChildError> {
        call(self, Call::Which).await
    }

    /// How many children there are. OTP's `count_children`.
    ///
    /// # Errors
    /// When the supervisor cannot be asked.
    ///
    /// # Cancel safety
    /// Nothing changes.
    pub async fn count_children(&self) -> Result<ChildCounts, ChildError> {
        call(self, Call::Count).await
    }

    /// How a child was declared. OTP's `get_childspec`.
    ///
    /// # Errors
    /// When there is no such child; what a temporary child started from is not kept, so it has none either.
    ///
    /// # Cancel safety
    /// Nothing changes.
    pub async fn child_spec(&self, id: &str) -> Result<ChildSpec, ChildError> {
        call(self, |reply| Call::Spec(id.into(), reply)).await?
    }
}
