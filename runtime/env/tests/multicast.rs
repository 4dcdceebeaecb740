//! The real multicast on the loopback interface.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use std::{
    future::poll_fn,
    io::{self, IoSliceMut, Write as _, stderr},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use odeon_env::{
    DatagramSocket, Env, MulticastGroup, RealEnv,
    udp::{RecvMeta, Transmit},
};
use tokio::time::timeout;

/// Far above what loopback needs; reached only when something is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// Of the groups that organisations may use as they like (RFC 2365, section 6.2); each test has one.
const fn ours(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(239, 192, 74, number)
}

type Socket = Arc<dyn DatagramSocket>;

/// A port that nobody has just now.
fn free_port() -> u16 {
    RealEnv.bind("127.0.0.1:0".parse().unwrap()).unwrap().local_addr().unwrap().port()
}

async fn send(socket: &Socket, to: SocketAddr, contents: &[u8]) {
    let transmit =
        Transmit { destination: to, ecn: None, contents, segment_size: None, src_ip: None };
    loop {
        match socket.try_send(&transmit) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                timeout(PATIENCE, socket.clone().writable()).await.unwrap().unwrap();
            }
            done => return done.unwrap(),
        }
    }
}

async fn recv(socket: &Socket, patience: Duration) -> Option<(SocketAddr, Vec<u8>)> {
    let mut buf = vec![0; 2048];
    let mut metas = [RecvMeta::default()];
    let received = poll_fn(|cx| socket.poll_recv(cx, &mut [IoSliceMut::new(&mut buf)], &mut metas));
    timeout(patience, received).await.ok()?.unwrap();
    buf.truncate(metas[0].len);
    Some((metas[0].addr, buf))
}

/// A group of IPv4 on the loopback interface.
fn group(number: u8) -> MulticastGroup {
    MulticastGroup::v4(ours(number), free_port(), Ipv4Addr::LOCALHOST).unwrap()
}

/// Two members of a group on the loopback interface, or a line that says why there are none.
async fn members(group: &MulticastGroup) -> Option<(Socket, Socket)> {
    let skip = |reason: &str| {
        let line =
            format!("skipped: no multicast on this machine's loopback interface: {reason}\n");
        // Past the harness, which keeps what a passing test prints to itself.
        stderr().write_all(line.as_bytes()).unwrap();
    };
    let pair =
        RealEnv.join_multicast(group).and_then(|one| Ok((one, RealEnv.join_multicast(group)?)));
    let (one, other) = match pair {
        Ok(pair) => pair,
        Err(error) => {
            skip(&error.to_string());
            return None;
        }
    };
    send(&one, group.address(), b"probe").await;
    // A machine that lets sockets join and then carries nothing says so here; one that carries it to one member only
    // fails the test.
    let arrived = (recv(&one, PATIENCE / 10).await, recv(&other, PATIENCE / 10).await);
    if arrived == (None, None) {
        skip("what is sent to a group arrives nowhere");
        return None;
    }
    assert!(arrived.0.is_some() && arrived.1.is_some(), "{arrived:?}");
    Some((one, other))
}

#[tokio::test]
async fn all_members_hear_a_group_its_sender_included() {
    let group = group(1);
    let Some((one, other)) = members(&group).await else { return };
    send(&one, group.address(), b"hello").await;
    for member in [&one, &other] {
        let (from, bytes) = recv(member, PATIENCE).await.unwrap();
        assert_eq!((from.port(), &*bytes), (group.address().port(), &b"hello"[..]));
        assert!(from.ip().is_loopback(), "{from}");
    }
}

#[tokio::test]
async fn whoever_is_no_member_can_send_and_be_answered() {
    let group = group(2);
    let Some((one, other)) = members(&group).await else { return };
    let asker = RealEnv.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    send(&asker, group.address(), b"who is there?").await;
    for member in [&one, &other] {
        let (from, bytes) = recv(member, PATIENCE).await.unwrap();
        assert_eq!((from, &*bytes), (asker.local_addr().unwrap(), &b"who is there?"[..]));
    }
    send(&one, asker.local_addr().unwrap(), b"I").await;
    let (from, bytes) = recv(&asker, PATIENCE).await.unwrap();
    assert_eq!((from.port(), &*bytes), (group.address().port(), &b"I"[..]));
    // What goes to one address is not heard by a group.
    assert_eq!(recv(&other, PATIENCE / 50).await, None);
}

#[tokio::test]
async fn a_member_that_left_hears_nothing_more_and_the_rest_does() {
    let group = group(3);
    let Some((one, other)) = members(&group).await else { return };
    drop(one);
    let late = RealEnv.join_multicast(&group).unwrap();
    send(&late, group.address(), b"hello").await;
    assert_eq!(recv(&other, PATIENCE).await.unwrap().1, b"hello");
    assert_eq!(recv(&late, PATIENCE).await.unwrap().1, b"hello");
}

/// The loopback interface is the first one on Linux.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn groups_of_ipv6_are_heard_too() {
    let address = Ipv6Addr::new(0xff11, 0, 0, 0, 0, 0, 0x4a, 0);
    let group = MulticastGroup::v6(address, free_port(), 1).unwrap();
    let Some((one, other)) = members(&group).await else { return };
    send(&one, group.address(), b"hello").await;
    for member in [&one, &other] {
        let (from, bytes) = recv(member, PATIENCE).await.unwrap();
        assert_eq!((from.port(), &*bytes), (group.address().port(), &b"hello"[..]));
    }
}

#[tokio::test]
async fn an_interface_that_is_not_there_is_an_error() {
    // Of TEST-NET-1 (RFC 5737), which no machine has.
    let nowhere = Ipv4Addr::new(192, 0, 2, 1);
    let group = MulticastGroup::v4(ours(4), free_port(), nowhere).unwrap();
    assert!(RealEnv.join_multicast(&group).is_err());
}

#[test]
fn joining_outside_a_runtime_is_an_error_and_no_panic() {
    let group = MulticastGroup::v4(ours(5), 7400, Ipv4Addr::LOCALHOST).unwrap();
    assert!(RealEnv.join_multicast(&group).is_err());
}
