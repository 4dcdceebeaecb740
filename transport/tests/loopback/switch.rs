//! A socket in whose place another one can be put, as a NAT or another network does, and whose datagrams can be lost: all
//! of them, as after a crash, or long ones, as on a path that does not carry them.

use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use odeon_env::{
    BoxFuture, DatagramSocket,
    udp::{RecvMeta, Transmit},
};

use crate::node::bind;

#[derive(Debug)]
pub(crate) struct Switch {
    socket: Mutex<Arc<dyn DatagramSocket>>,
    /// Who waits for datagrams of the one that was there.
    reader: Mutex<Option<Waker>>,
    is_mute: AtomicBool,
    /// The longest datagram that goes out; longer ones are lost without a word.
    carries: usize,
    too_long: Mutex<Vec<usize>>,
}

impl Switch {
    pub(crate) fn new() -> Self {
        Self::that_carries(usize::MAX)
    }

    /// One whose network loses datagrams that are longer than this.
    pub(crate) fn that_carries(bytes: usize) -> Self {
        Self {
            socket: Mutex::new(bind()),
            reader: Mutex::default(),
            is_mute: AtomicBool::new(false),
            carries: bytes,
            too_long: Mutex::default(),
        }
    }

    fn now(&self) -> Arc<dyn DatagramSocket> {
        Arc::clone(&lock(&self.socket))
    }

    /// From now on another port sends and receives.
    pub(crate) fn turn(&self) -> SocketAddr {
        let socket = bind();
        let addr = socket.local_addr().expect("it is bound");
        *lock(&self.socket) = socket;
        lock(&self.reader).take().into_iter().for_each(Waker::wake);
        addr
    }

    /// From now on nothing goes out.
    pub(crate) fn mute(&self) {
        self.is_mute.store(true, Ordering::Relaxed);
    }

    /// The lengths of datagrams that were too long, in order.
    pub(crate) fn too_long(&self) -> Vec<usize> {
        lock(&self.too_long).clone()
    }
}

impl DatagramSocket for Switch {
    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let bytes = transmit.contents.len();
        if bytes > self.carries {
            lock(&self.too_long).push(bytes);
            return Ok(());
        }
        if self.is_mute.load(Ordering::Relaxed) { Ok(()) } else { self.now().try_send(transmit) }
    }

    fn writable(self: Arc<Self>) -> BoxFuture<io::Result<()>> {
        self.now().writable()
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        *lock(&self.reader) = Some(cx.waker().clone());
        self.now().poll_recv(cx, bufs, metas)
    }

    fn poll_unreachable(&self, cx: &mut Context<'_>) -> Poll<SocketAddr> {
        self.now().poll_unreachable(cx)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.now().local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        1
    }

    fn max_receive_segments(&self) -> usize {
        self.now().max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.now().may_fragment()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
