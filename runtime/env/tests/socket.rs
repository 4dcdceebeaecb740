//! The real socket on loopback: what QUIC needs of it, and what it must never show to QUIC.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use std::{
    future::poll_fn,
    io::{self, IoSliceMut},
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use odeon_env::{
    DatagramSocket, Env, RealEnv,
    udp::{RecvMeta, Transmit},
};
use tokio::time::timeout;

/// Far above what loopback needs; reached only when something is broken.
const PATIENCE: Duration = Duration::from_secs(10);

type Socket = Arc<dyn DatagramSocket>;

fn bind(ip: &str) -> Socket {
    RealEnv.bind(SocketAddr::new(ip.parse().unwrap(), 0)).unwrap()
}

/// An address where nobody listens.
#[expect(clippy::disallowed_methods, reason = "a socket of the system's own, to have its port")]
fn closed(ip: &str) -> SocketAddr {
    UdpSocket::bind(SocketAddr::new(ip.parse().unwrap(), 0)).unwrap().local_addr().unwrap()
}

async fn send(socket: &Socket, to: SocketAddr, contents: &[u8], segment_size: Option<usize>) {
    let transmit = Transmit { destination: to, ecn: None, contents, segment_size, src_ip: None };
    loop {
        match socket.try_send(&transmit) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                timeout(PATIENCE, socket.clone().writable()).await.unwrap().unwrap();
            }
            done => return done.unwrap(),
        }
    }
}

/// Receives datagrams until `count` have arrived.
async fn recv(socket: &Socket, count: usize) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut datagrams = Vec::new();
    while datagrams.len() < count {
        let mut buf = vec![0; 65_536];
        let mut metas = [RecvMeta::default()];
        let received =
            poll_fn(|cx| socket.poll_recv(cx, &mut [IoSliceMut::new(&mut buf)], &mut metas));
        assert_eq!(timeout(PATIENCE, received).await.unwrap().unwrap(), 1);
        let meta = metas[0];
        let whole = &buf[..meta.len];
        datagrams.extend(whole.chunks(meta.stride).map(|bytes| (meta.addr, bytes.to_vec())));
    }
    datagrams
}

async fn unreachable(socket: &Socket) -> SocketAddr {
    timeout(PATIENCE, poll_fn(|cx| socket.poll_unreachable(cx))).await.unwrap()
}

#[tokio::test]
async fn sends_and_receives_in_segments() {
    for ip in ["127.0.0.1", "::1"] {
        let (a, b) = (bind(ip), bind(ip));
        let segments = a.max_transmit_segments().min(10);
        assert!(segments >= 1 && b.max_receive_segments() >= 1);
        let contents: Vec<u8> = (0..segments * 1_000).map(|i| (i / 1_000) as u8).collect();
        let segment_size = (segments > 1).then_some(1_000);
        send(&a, b.local_addr().unwrap(), &contents, segment_size).await;
        let datagrams = recv(&b, segments).await;
        assert_eq!(datagrams.len(), segments);
        for (i, (from, bytes)) in datagrams.into_iter().enumerate() {
            assert_eq!((from, bytes), (a.local_addr().unwrap(), vec![i as u8; 1_000]));
        }
    }
}

#[tokio::test]
async fn a_port_in_use_is_refused() {
    let first = bind("127.0.0.1");
    let error = RealEnv.bind(first.local_addr().unwrap()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}

#[test]
fn binding_outside_a_runtime_is_an_error_and_no_panic() {
    assert!(RealEnv.bind("127.0.0.1:0".parse().unwrap()).is_err());
}

#[cfg(target_os = "linux")]
mod errors {
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn a_closed_port_is_reported_though_nothing_else_arrives() {
        for ip in ["127.0.0.1", "::1"] {
            let (socket, nobody) = (bind(ip), closed(ip));
            // Once while the poller sleeps, once more so that the edge is seen to come again.
            for _ in 0..3 {
                let (found, ()) =
                    tokio::join!(unreachable(&socket), send(&socket, nobody, b"anyone?", None));
                assert_eq!(found, nobody);
            }
        }
    }

    #[tokio::test]
    async fn a_closed_ipv4_port_is_reported_as_ipv4_by_a_socket_for_both() {
        let (socket, nobody) = (bind("::"), closed("127.0.0.1"));
        send(&socket, nobody, b"anyone?", None).await;
        assert_eq!(unreachable(&socket).await, nobody);
    }

    #[tokio::test]
    async fn receiving_never_shows_that_a_peer_is_unreachable() {
        let (a, b, nobody) = (bind("127.0.0.1"), bind("127.0.0.1"), closed("127.0.0.1"));
        let (to_a, to_b) = (a.local_addr().unwrap(), b.local_addr().unwrap());
        for i in 0..100_u8 {
            // The error of the first is pending on the socket when the second is sent and the third received.
            send(&a, nobody, b"anyone?", None).await;
            send(&a, to_b, &[i], None).await;
            assert_eq!(recv(&b, 1).await, [(to_a, vec![i])]);
            send(&a, nobody, b"anyone?", None).await;
            send(&b, to_a, &[i], None).await;
            assert_eq!(recv(&a, 1).await, [(to_b, vec![i])]);
        }
        assert_eq!(unreachable(&a).await, nobody);
        let next = poll_fn(|cx| Poll::Ready(a.poll_unreachable(cx))).await;
        assert_eq!(next, Poll::Pending, "two hundred reports of one address are one");
    }

    #[tokio::test]
    async fn waiting_for_room_works_after_an_error() {
        let (socket, nobody) = (bind("127.0.0.1"), closed("127.0.0.1"));
        send(&socket, nobody, b"anyone?", None).await;
        assert_eq!(unreachable(&socket).await, nobody);
        for _ in 0..3 {
            timeout(PATIENCE, socket.clone().writable()).await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn any_number_may_wait_for_room() {
    let socket = bind("127.0.0.1");
    let waiting: Vec<_> = (0..1_000).map(|_| socket.clone().writable()).collect();
    for room in waiting {
        timeout(PATIENCE, room).await.unwrap().unwrap();
    }
}
