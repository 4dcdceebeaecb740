//! The stash: messages that an actor sets aside until it is ready for them.
//!
//! A stashed message keeps its duty to answer, and counts as not begun: whoever gives up meanwhile is told that it did
//! not run, and then it does not. So a handler stashes a message before it does anything with it. What it is NOT: the
//! mailbox, whose room a stashed message has left. Kept in `extras.rs`, taken up in `life/aside.rs`.

use std::future::pending;

use odeon_message::{Failure, FailureKind, Message};

use crate::{Actor, Context, Handler, cell::Signals, stats::count};

impl<A: Actor> Context<A> {
    /// Sets the present message aside, with its duty to answer: its handler is done with that, the future never ends, and
    /// the actor goes on with its next message. [`unstash_all`](Self::unstash_all) brings it back.
    ///
    /// At most [`stash_max`](crate::SystemConfig::stash_max) messages: a further ask is answered
    /// [`Full`](odeon_message::AskError::Full), not delivered, a further tell is dropped and counted. When the actor ends
    /// for good they are refused like those in the mailbox; a restart brings them back before the mailbox, in order.
    ///
    /// # Panics
    /// When the handler that runs is not one of `M`, or its message was deferred, forwarded or stashed before.
    ///
    /// # Cancel safety
    /// Nothing happens before its first poll. A future that is dropped after that has stashed the message, and what its
    /// handler returns is ignored.
    pub async fn stash<M: Message>(&mut self, message: M) -> M::Output
    where
        A: Handler<M>,
    {
        self.set_aside(message);
        pending().await
    }

    fn set_aside<M: Message>(&mut self, message: M)
    where
        A: Handler<M>,
    {
        let stash_max = self.system().config().stash_max;
        let responder = self.take_responder::<M>("stash");
        // Nobody wants the answer any more.
        let Some(envelope) = responder.carry::<A>(message) else {
            self.cell().head.tally(|counts| &counts.skipped);
            return count(&self.system().counters().skipped);
        };
        if let Err(envelope) = self.extras().stash(envelope, stash_max) {
            count(&self.system().counters().undelivered);
            self.cell().head.tally(|counts| &counts.undelivered);
            let detail = format!(
                "the actor has {stash_max} messages in its stash: send less, or raise stash_max"
            );
            envelope.refuse(&Failure::not_delivered(FailureKind::Full, detail));
        }
    }

    /// Brings all stashed messages back, in the order in which they were stashed, before those of the mailbox. Returns how
    /// many.
    pub fn unstash_all(&mut self) -> usize {
        let unstashed = self.extras().unstash();
        if unstashed > 0 {
            self.cell().head.signals.set(Signals::RETURNED);
        }
        unstashed
    }
}
