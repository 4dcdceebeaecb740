//! quinn's tasks and timers on the node's own thread.
//!
//! Tasks go to the current `LocalSet`, so that they end with their node; time is tokio's, which the simulator pauses.
//! Sockets do not come from here: quinn gets ours, see `quic_socket.rs`.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use odeon_env::buggify::any_order;
use quinn::{AsyncTimer, AsyncUdpSocket, Runtime};
use tokio::time::Sleep;

/// Runs quinn on the current `LocalSet`.
#[derive(Debug)]
pub(crate) struct LocalRuntime;

#[derive(Debug)]
struct Timer(Pin<Box<Sleep>>);

impl AsyncTimer for Timer {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        Sleep::reset(self.0.as_mut(), deadline.into());
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Future::poll(self.0.as_mut(), cx)
    }
}

impl Runtime for LocalRuntime {
    fn new_timer(&self, deadline: Instant) -> Pin<Box<dyn AsyncTimer>> {
        Box::pin(Timer(Box::pin(tokio::time::sleep_until(deadline.into()))))
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        tokio::task::spawn_local(any_order(future));
    }

    fn wrap_udp_socket(&self, _: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "sockets come from the environment"))
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}
