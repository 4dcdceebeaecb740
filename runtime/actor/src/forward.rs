//! Passing a message on: another actor answers in the place of this one.
//!
//! On this node the ask itself goes into the other mailbox, with its deadline and its asker: nothing is copied and nobody
//! stands in between. To another node it is asked again, with the time that is left, and a task of the node takes the
//! answer back. What it is NOT: a tell or an ask by this actor; whoever asked gets the answer, and hears what went wrong.
//! Read `responder.rs` for the duty that is passed on.

use std::{
    future::{IntoFuture, pending, poll_fn},
    task::Poll,
    time::Duration,
};

use odeon_message::{Certainty, Failure, FailureKind, Message};

use crate::{
    Actor, ActorRef, AskFuture, Context, Handler, Responder,
    actor_ref::{Place, gone},
    cell::CellPtr,
    future_slot::Waits,
    room::{Entered, Patience},
    stats::count,
};

impl<A: Actor> Context<A> {
    /// Passes the present message on, with the duty to answer it: the handler is done with that, and the future never ends.
    ///
    /// On this node the message counts as not begun until its turn comes there; if that mailbox is full it waits in its
    /// line, and if it cannot, the asker is told [`Full`](odeon_message::AskError::Full), not delivered. To another node the
    /// handler waits until there is room on the way, so that messages keep their order; then the actor goes on. If
    /// the asker gives up, so does the ask there. A tell that could not be passed on is dropped and counted.
    ///
    /// # Panics
    /// When the handler that runs is not one of `M`, or its message was deferred, forwarded or stashed before.
    ///
    /// # Cancel safety
    /// Dropped before it has passed the message on, the message is lost and the duty to answer stays with the handler.
    pub async fn forward<B, M>(&mut self, to: &ActorRef<B>, message: M) -> M::Output
    where
        A: Handler<M>,
        B: Handler<M>,
        M: Message,
    {
        match to.place() {
            Place::Local(cell) => {
                let responder = self.take_responder::<M>("forward");
                self.pass_on::<B, M>(&CellPtr::borrow(cell), responder, message);
            }
            Place::Remote(..) => self.send_on(to, message).await,
            Place::Gone(address) => self.take_responder::<M>("forward").settle(Err(gone(address))),
        }
        pending().await
    }

    /// Into another mailbox of this node.
    fn pass_on<B, M>(&self, cell: &CellPtr, responder: Responder<M>, message: M)
    where
        B: Handler<M>,
        M: Message,
    {
        // Nobody wants the answer any more.
        let Some(envelope) = responder.carry::<B>(message) else {
            self.cell().head.tally(|counts| &counts.skipped);
            return count(&self.system().counters().skipped);
        };
        if let Entered::Refused(envelope, kind) =
            cell.enter(envelope.with_cause(), 0, Patience::Quiet)
        {
            count(&self.system().counters().undelivered);
            cell.tally(|counts| &counts.undelivered);
            envelope.refuse(&cell.refusal(kind));
        }
    }

    /// To another node.
    async fn send_on<B, M>(&mut self, to: &ActorRef<B>, message: M)
    where
        A: Handler<M>,
        B: Handler<M>,
        M: Message,
    {
        let waits = self.waits();
        if waits == Waits::Not {
            let told = to.tell(message).await;
            let responder = self.take_responder::<M>("forward");
            match told {
                // There is nobody to answer.
                Ok(()) => drop(responder),
                Err(error) => responder.settle(Err(error.failure)),
            }
            return;
        }
        let within = waits.remaining().unwrap_or(Duration::MAX);
        let mut ask = to.ask(message).within(within).into_future();
        let early = poll_fn(|cx| match ask.poll_output(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if ask.is_taken() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        let early = early.await;
        let responder = self.take_responder::<M>("forward");
        match early {
            Some(result) => responder.settle(result),
            // If the node takes no more tasks, the responder is dropped, which answers.
            None => {
                let home = self.cell().head.worker.task_home();
                let task = home.map(|tasks| tasks.spawn(bring_back(ask, responder)));
                task.into_iter().flatten().for_each(crate::TaskHandle::detach);
            }
        }
    }
}

/// Waits for the answer on the asker's behalf, until that one gives up.
async fn bring_back<B, M>(mut ask: AskFuture<B, M>, mut responder: Responder<M>)
where
    B: Handler<M>,
    M: Message,
{
    let result = poll_fn(|cx| {
        if responder.watch(cx.waker()) {
            let late = Failure::new(FailureKind::Cancelled, Certainty::MayHaveRun, "");
            return Poll::Ready(Err(late));
        }
        ask.poll_output(cx)
    });
    let result = result.await;
    responder.settle(result);
}
