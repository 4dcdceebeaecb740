//! What an actor is: the traits that user code implements.
//!
//! An actor is a value that handles one message at a time, with `&mut self` across awaits. What it is NOT: a task, a
//! thread or a lock; the worker runs it (`worker.rs`). Read `context.rs` next for what a handler can do.

use std::future::Future;

use odeon_message::{Message, View, Wire};

use crate::{Accepts, Context, ExitReason, ReadContext, StartError, Terminated};

/// A value that lives on a worker and handles messages, one at a time.
///
/// Implementations write `async fn`. A panic in `start` or in a handler ends the life of the value, never of the
/// node: with a [`Supervisor`](crate::Supervisor) the actor starts again from its `Args` and keeps its mailbox.
pub trait Actor: Sized + Send + 'static {
    /// What the actor starts from, each time.
    type Args: Clone + Send + 'static;

    /// The id that other nodes know the type by; written by `#[actor(id = "…")]`. `None`: local only.
    const ID: Option<&'static str> = None;

    /// Whether it is a supervisor, whose children bound the time that it takes to stop.
    #[doc(hidden)]
    const SUPERVISES: bool = false;

    /// Makes the value; messages wait until it is done.
    ///
    /// # Errors
    /// [`StartError::new`] says why not: the spawn answers with it, or the supervisor decides. `?` does for what a
    /// [`Context`] and an ask answer with and for `std::io::Error`, and `.map_err(StartError::new)?` for any error.
    fn start(
        args: Self::Args,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = Result<Self, StartError>> + Send;

    /// The last call, after a stop or a [`Context::fail`]; not after a panic, which may have left the value broken.
    fn stopped(
        &mut self,
        reason: &ExitReason,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = ()> + Send {
        let _ = (reason, ctx);
        async {}
    }

    /// An actor that this one [watches](Context::watch) has ended; called exactly once a watch, between messages and
    /// never behind them.
    fn terminated(
        &mut self,
        terminated: Terminated,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = ()> + Send {
        let _ = (terminated, ctx);
        async {}
    }

    /// An actor that this one is [linked](Context::link) with has ended a life; called exactly once a link, between
    /// messages. Unless it is written anew, this actor ends too when the other did not stop by itself: see
    /// [`Context::end_with_link`].
    fn link_ended(
        &mut self,
        ended: Terminated,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = ()> + Send {
        ctx.end_with_link(&ended);
        async {}
    }

    /// Lists what other nodes may send; written by `#[actor(handles(…))]`.
    #[doc(hidden)]
    fn accept(table: &mut Accepts<Self>) {
        let _ = table;
    }
}

/// Handles messages of one type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not handle `{M}`",
    note = "write `impl Handler<{M}> for {Self}`, or take `{M}` out of `handles(…)` if it is listed there"
)]
pub trait Handler<M: Message>: Actor {
    /// Whether messages of this type are reads; written by [`reads!`](crate::reads). Then `handle_read` runs.
    #[doc(hidden)]
    const READS: bool = false;

    /// Handles one message; the next waits until the future is done.
    ///
    /// An error in the output is a reply and ends nothing.
    fn handle(
        &mut self,
        message: M,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = M::Output> + Send;

    /// Handles one message beside others of its kind; written by [`reads!`](crate::reads).
    ///
    /// # Panics
    /// Unless it is written: only where `READS` was set by hand.
    #[doc(hidden)]
    fn handle_read(
        &self,
        message: M,
        ctx: &ReadContext<Self>,
    ) -> impl Future<Output = M::Output> + Send {
        let _ = (message, ctx);
        async { panic!("READS is set without handle_read: write reads!(…) instead") }
    }
}

/// Handles messages of one type where they lie, when they come from another node.
///
/// For messages that are large beside what a handler wants of them: nothing is allocated for one and nothing copied out
/// of it. List them in `#[actor(id = "…", views(Batch))]`, not in `handles(…)`. Archives in the present layout go to
/// [`view`](Self::view), checked; all that is a value already goes to [`handle`](Handler::handle): a message of this node,
/// one that was forwarded, and one that came in an older layout, which the present one was made from. A handler for both
/// may make a view of a value with [`View::of`], or a value of a view with [`View::read`].
///
/// Deadline, cancellation, answer, measures and spans of both are the same. The credit that the message holds at its
/// sender goes back when the [`View`] is dropped, instead of when its handler begins.
///
/// # Examples
/// ```
/// use odeon::{Actor, Context, Handler, StartError, View, ViewHandler, actor, message};
/// # mod odeon { pub use odeon_actor::*; pub use odeon_message::*; }
///
/// # /*
/// #[message(id = "log/Batch", reply = u64)]
/// # */
/// # #[message(id = "log/Batch", reply = u64, crate = crate::odeon)]
/// struct Batch {
///     lines: Vec<String>,
/// }
///
/// struct Errors {
///     seen: u64,
/// }
///
/// impl Errors {
///     fn count<'a>(&mut self, lines: impl Iterator<Item = &'a str>) -> u64 {
///         self.seen += lines.filter(|line| line.starts_with("error")).count() as u64;
///         self.seen
///     }
/// }
///
/// # /*
/// #[actor(id = "log/Errors", views(Batch))]
/// # */
/// # #[actor(id = "log/Errors", views(Batch), crate = crate::odeon)]
/// impl Actor for Errors {
///     type Args = ();
///
///     async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
///         Ok(Self { seen: 0 })
///     }
/// }
///
/// impl Handler<Batch> for Errors {
///     async fn handle(&mut self, batch: Batch, _: &mut Context<Self>) -> u64 {
///         self.count(batch.lines.iter().map(String::as_str))
///     }
/// }
///
/// impl ViewHandler<Batch> for Errors {
///     async fn view(&mut self, batch: View<Batch>, _: &mut Context<Self>) -> u64 {
///         self.count(batch.lines.iter().map(|line| line.as_str()))
///     }
/// }
/// # fn main() {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not read `{M}` in place",
    note = "write `impl ViewHandler<{M}> for {Self}` beside its `Handler<{M}>`, or list `{M}` in `handles(…)`"
)]
pub trait ViewHandler<M: Message + Wire>: Handler<M> {
    /// Handles one message of another node; the next waits until the future is done. The view may outlive it.
    ///
    /// An error in the output is a reply and ends nothing.
    fn view(
        &mut self,
        view: View<M>,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = M::Output> + Send;
}
