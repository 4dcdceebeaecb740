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
    time::{Duration, Instant},
};

use odeon_env::buggify::any_order;
use quinn::{AsyncTimer, AsyncUdpSocket, Runtime};
use tokio::time::Sleep;

/// Runs quinn on the current `LocalSet`.
#[derive(Debug)]
pub(crate) struct LocalRuntime;

/// A deadline that moves back by more may be taken out of tokio's wheel and put in anew.
const MOVED_FAR: Duration = Duration::from_millis(10);
/// How seldom that is: an idle connection hears of its peer less often than that, and a busy one does without.
const MOVED_EVERY: Duration = Duration::from_millis(100);

/// A deadline of a connection.
///
/// tokio lets an entry stay where it is in its wheel when it moves back, so that the thread wakes at the old time, finds
/// nothing due, and puts it where it belongs. For a busy connection that is right: its deadline moves with each packet. The
/// thread of an idle node it woke for nothing with each answer to a probe.
#[derive(Debug)]
struct Timer {
    sleep: Pin<Box<Sleep>>,
    moved_at: tokio::time::Instant,
}

impl AsyncTimer for Timer {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        let deadline = tokio::time::Instant::from(deadline);
        if deadline > self.sleep.deadline() + MOVED_FAR {
            let now = tokio::time::Instant::now();
            if now >= self.moved_at + MOVED_EVERY {
                self.moved_at = now;
                self.sleep.set(tokio::time::sleep_until(deadline));
                return;
            }
        }
        Sleep::reset(self.sleep.as_mut(), deadline);
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Future::poll(self.sleep.as_mut(), cx)
    }
}

impl Runtime for LocalRuntime {
    fn new_timer(&self, deadline: Instant) -> Pin<Box<dyn AsyncTimer>> {
        let sleep = Box::pin(tokio::time::sleep_until(deadline.into()));
        Box::pin(Timer { sleep, moved_at: tokio::time::Instant::now() })
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
