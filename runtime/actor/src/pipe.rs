//! Futures and streams whose results come to their actor as messages.
//!
//! What it is: [`Context::pipe`] and [`Context::attach`], which make [sources](crate::sources) of them: they run in the
//! actor's own turns while it goes on with its messages, and end with its life. What it is NOT: `odeon::spawn`, whose
//! tasks belong to the node and outlive the actor; read `tasks.rs`.

use std::{
    future::Future,
    pin::Pin,
    task::{self, Poll},
};

use futures_core::Stream;
use odeon_message::Message;

use crate::{
    Actor, Context, Handler, SourcesFull,
    envelope::Envelope,
    extras::add_source,
    sources::{Given, Source},
};

struct Piped<F, G> {
    future: Pin<Box<F>>,
    then: Option<G>,
}

impl<F, G> Source for Piped<F, G>
where
    F: Future + Send,
    G: FnOnce(F::Output) -> Envelope + Send,
{
    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Given> {
        self.future
            .as_mut()
            .poll(cx)
            .map(|output| self.then.take().map_or(Given::End, |then| Given::Last(then(output))))
    }
}

struct Attached<S, G, E> {
    stream: Pin<Box<S>>,
    each: G,
    end: Option<E>,
}

impl<S, G, E> Source for Attached<S, G, E>
where
    S: Stream + Send,
    G: FnMut(S::Item) -> Envelope + Send,
    E: FnOnce() -> Option<Envelope> + Send,
{
    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Given> {
        self.stream.as_mut().poll_next(cx).map(|item| match item {
            Some(item) => Given::Item((self.each)(item)),
            None => self.end.take().and_then(|end| end()).map_or(Given::End, Given::Last),
        })
    }
}

impl<A: Actor> Context<A> {
    /// Runs a future beside the actor's messages, and hands what it ends with to the actor as a message. With a name, it
    /// takes the place of the timer, piped future or stream of that name, and [`cancel`](Self::cancel) finds it.
    ///
    /// The future runs on the actor's worker, so it must not block. A panic in it ends the life of the actor as one in a
    /// handler does. It is dropped when the life of the actor ends.
    ///
    /// # Errors
    /// When the actor has [`sources_max`](crate::SystemConfig::sources_max) sources already.
    pub fn pipe<'n, F, M>(
        &mut self,
        name: impl Into<Option<&'n str>>,
        future: F,
        then: impl FnOnce(F::Output) -> M + Send + 'static,
    ) -> Result<(), SourcesFull>
    where
        F: Future + Send + 'static,
        M: Message,
        A: Handler<M>,
    {
        let then = |output| Envelope::tell::<A, M>(then(output));
        let piped = Piped { future: Box::pin(future), then: Some(then) };
        add_source(self, name.into(), Box::new(piped))
    }

    /// Hands each item of a stream to the actor as a message, with back pressure: the next item is taken when the one
    /// before was handled. Names, panics and the end of a life work as in [`pipe`](Self::pipe).
    ///
    /// # Errors
    /// As [`pipe`](Self::pipe).
    pub fn attach<'n, S, M>(
        &mut self,
        name: impl Into<Option<&'n str>>,
        stream: S,
        mut each: impl FnMut(S::Item) -> M + Send + 'static,
    ) -> Result<(), SourcesFull>
    where
        S: Stream + Send + 'static,
        M: Message,
        A: Handler<M>,
    {
        let each = move |item| Envelope::tell::<A, M>(each(item));
        let end = Some(|| None);
        add_source(self, name.into(), Box::new(Attached { stream: Box::pin(stream), each, end }))
    }

    /// As [`attach`](Self::attach), and a last message says that the stream has ended.
    ///
    /// # Errors
    /// As [`pipe`](Self::pipe).
    pub fn attach_to_end<'n, S, M, E>(
        &mut self,
        name: impl Into<Option<&'n str>>,
        stream: S,
        mut each: impl FnMut(S::Item) -> M + Send + 'static,
        end: E,
    ) -> Result<(), SourcesFull>
    where
        S: Stream + Send + 'static,
        M: Message,
        E: Message,
        A: Handler<M> + Handler<E>,
    {
        let each = move |item| Envelope::tell::<A, M>(each(item));
        let end = Some(|| Some(Envelope::tell::<A, E>(end)));
        add_source(self, name.into(), Box::new(Attached { stream: Box::pin(stream), each, end }))
    }
}
