//! The wait for room in a socket's send buffer, on a registration that lasts as long as somebody waits.
//!
//! Why not on the one that reads: the system says "writable" each time that a datagram has left the buffer, so that a
//! socket registered for both wakes its thread once for all that it sends. And it reports an error together with
//! "writable", which mio reads as "closed for writing" and tokio keeps for ever. What it is NOT: asked before a send; a send
//! that finds no room is how one learns that there is none. Nor does it fail: QUIC would give up its connection.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::io::{Interest, unix::AsyncFd};

use super::registration::register;

/// How long a send that found no room is put off where nothing tells when there is some: about what a full buffer takes to
/// be sent at 10 Gbit/s.
const UNTOLD_PAUSE: Duration = Duration::from_millis(3);

/// The registration that all who wait share; there is none while nobody does.
#[derive(Debug, Default)]
pub(super) struct SendRoom {
    shared: Mutex<Weak<AsyncFd<OwnedFd>>>,
}

impl SendRoom {
    /// Waits until the system says that there is room, or a moment where it cannot be asked, as without a descriptor left.
    pub(super) async fn wait(&self, socket: &impl AsFd) {
        if let Err(error) = self.told(socket).await {
            tracing::debug!(%error, "cannot wait for room in a socket's buffer");
            tokio::time::sleep(UNTOLD_PAUSE).await;
        }
    }

    /// A registration serves one answer: who asks later, because there was no room after all, waits for the next.
    async fn told(&self, socket: &impl AsFd) -> io::Result<()> {
        let shared = self.registered(socket)?;
        let answer = shared.writable().await.map(drop);
        let mut slot = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ptr() == Arc::as_ptr(&shared) {
            *slot = Weak::new();
        }
        answer
    }

    fn registered(&self, socket: &impl AsFd) -> io::Result<Arc<AsyncFd<OwnedFd>>> {
        let mut slot = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = slot.upgrade() {
            return Ok(shared);
        }
        // Another descriptor, because the system takes one only once.
        let duplicate = socket.as_fd().try_clone_to_owned()?;
        let shared = Arc::new(register(duplicate, Interest::WRITABLE)?);
        *slot = Arc::downgrade(&shared);
        Ok(shared)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        os::unix::net::UnixDatagram,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    /// A pair whose first socket has no room left: on loopback, one of UDP always has.
    fn full() -> (UnixDatagram, UnixDatagram) {
        let (from, to) = UnixDatagram::pair().unwrap();
        from.set_nonblocking(true).unwrap();
        to.set_nonblocking(true).unwrap();
        while from.send(&[0; 1_024]).is_ok() {}
        (from, to)
    }

    #[tokio::test]
    async fn all_who_wait_hear_of_room_and_none_before_there_is_some() {
        let ((from, to), room) = (full(), SendRoom::default());
        let (mut first, mut second) = (pin!(room.wait(&from)), pin!(room.wait(&from)));
        for _ in 0..3 {
            assert!(is_pending(first.as_mut()) && is_pending(second.as_mut()));
            tokio::task::yield_now().await;
        }

        while to.recv(&mut [0; 1_024]).is_ok() {}

        first.await;
        second.await;
        assert_eq!(room.shared.lock().unwrap().strong_count(), 0, "the registration has ended");
    }

    #[tokio::test]
    async fn a_room_that_was_filled_again_is_waited_for_anew() {
        let ((from, to), room) = (full(), SendRoom::default());
        let mut idle = pin!(room.wait(&from));
        assert!(is_pending(idle.as_mut()));
        while to.recv(&mut [0; 1_024]).is_ok() {}
        room.wait(&from).await;

        while from.send(&[0; 1_024]).is_ok() {}

        // The first has not looked yet, so that its registration, which has its answer, is still there.
        assert!(is_pending(pin!(room.wait(&from))));
        idle.await;
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_leaves_nothing() {
        let ((from, _to), room) = (full(), SendRoom::default());
        {
            let mut wait = pin!(room.wait(&from));
            assert!(is_pending(wait.as_mut()));
            assert_eq!(room.shared.lock().unwrap().strong_count(), 1);
        }
        assert_eq!(room.shared.lock().unwrap().strong_count(), 0);
    }

    /// The system does not poll files.
    #[tokio::test]
    async fn where_the_system_cannot_be_asked_a_send_is_put_off_and_not_given_up() {
        let (file, room) = (a_file(), SendRoom::default());
        room.told(&file).await.unwrap_err();
        let mut wait = pin!(room.wait(&file));
        assert!(is_pending(wait.as_mut()));
        wait.await;
    }

    fn a_file() -> std::fs::File {
        std::fs::File::open(std::env::current_exe().unwrap()).unwrap()
    }

    fn is_pending(wait: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
        matches!(wait.poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
    }
}
