//! The network as its users see it: on a paused clock, without a world around it.

use std::{future::Future, io::IoSliceMut, net::SocketAddr, sync::Arc, time::Duration};

use odeon_env::{
    DatagramSocket as _,
    udp::{RecvMeta, Transmit},
};
use tokio::{
    runtime::Builder,
    task::LocalSet,
    time::{sleep, timeout},
};

use super::*;

const MS: Duration = Duration::from_millis(1);
const TEN: LinkRule =
    LinkRule { latency: Latency::Constant(Duration::from_millis(10)), ..LinkRule::lan() };

struct Bed {
    net: SimNet,
    timeline: Timeline,
    trace: Trace,
}

impl Bed {
    fn bind(&self, host: usize, port: u16) -> Arc<SimSocket> {
        self.net.bind(self.ip(host), SocketAddr::new(self.ip(host), port)).expect("it is free")
    }

    fn ip(&self, host: usize) -> IpAddr {
        self.net.address_of(&format!("h{host}")).expect("the bed has three hosts")
    }
}

/// Three hosts, a pump, and a test in between.
fn on_bed<F: Future<Output = ()>>(rule: LinkRule, test: impl FnOnce(Bed) -> F) {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async move {
        let (timeline, trace) = (Timeline::start(), Trace::new());
        let net = SimNet::new(7, rule, timeline, trace.clone());
        for host in 0..3 {
            net.add_host(&format!("h{host}"), HostId(host));
        }
        let pumped = net.clone();
        let pump = tokio::task::spawn_local(async move { pumped.pump().await });
        test(Bed { net, timeline, trace }).await;
        pump.abort();
    });
}

fn send(socket: &SimSocket, to: &SimSocket, contents: &[u8]) {
    send_to(socket, to.local_addr().unwrap(), contents);
}

fn send_to(socket: &SimSocket, destination: SocketAddr, contents: &[u8]) {
    let transmit = Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None };
    socket.try_send(&transmit).unwrap();
}

async fn receive(socket: &SimSocket) -> (SocketAddr, Vec<u8>) {
    let mut buffer = vec![0; 2048];
    let mut metas = [RecvMeta::default()];
    let count =
        poll_fn(|cx| socket.poll_recv(cx, &mut [IoSliceMut::new(&mut buffer)], &mut metas)).await;
    assert_eq!(count.unwrap(), 1);
    buffer.truncate(metas[0].len);
    (metas[0].addr, buffer)
}

async fn receive_all(socket: &SimSocket) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Ok((_, bytes)) = timeout(Duration::from_secs(1), receive(socket)).await {
        all.push(bytes);
    }
    all
}

#[test]
fn a_datagram_arrives_after_the_latency() {
    on_bed(TEN, |bed| async move {
        let (a, b) = (bed.bind(0, 1), bed.bind(1, 1));
        send(&a, &b, b"hello");
        assert_eq!(receive(&b).await, (a.local_addr().unwrap(), b"hello".to_vec()));
        assert_eq!(bed.timeline.now(), 10 * MS);
        send(&b, &b, b"self");
        receive(&b).await;
        assert!(bed.timeline.now() <= 11 * MS, "what a host says to itself takes no time");
    });
}

#[test]
fn segments_arrive_one_by_one() {
    on_bed(TEN, |bed| async move {
        let (a, b) = (bed.bind(0, 1), bed.bind(1, 1));
        let destination = b.local_addr().unwrap();
        let transmit = Transmit {
            destination,
            ecn: None,
            contents: b"aabbc",
            segment_size: Some(2),
            src_ip: None,
        };
        a.try_send(&transmit).unwrap();
        assert_eq!(receive_all(&b).await.concat().len(), 5);
        assert_eq!(bed.net.counts().delivered, 3);
    });
}

#[test]
fn loss_and_duplication_change_what_arrives() {
    let rule = LinkRule { loss: 0.2, duplicate: 0.1, ..TEN };
    on_bed(rule, |bed| async move {
        let (a, b) = (bed.bind(0, 1), bed.bind(1, 1));
        (0..1000_u32).for_each(|i| send(&a, &b, &i.to_le_bytes()));
        let arrived = receive_all(&b).await;
        let counts = bed.net.counts();
        assert!((150..250).contains(&counts.lost), "{counts:?}");
        assert!((40..130).contains(&counts.duplicated), "{counts:?}");
        assert_eq!(arrived.len() as u64, 1000 - counts.lost + counts.duplicated);
    });
}

#[test]
fn reordering_and_corruption_change_what_arrives() {
    let rule = LinkRule { reorder: 0.2, corrupt: 0.1, ..TEN };
    on_bed(rule, |bed| async move {
        let (a, b) = (bed.bind(0, 1), bed.bind(1, 1));
        (0..200_u32).for_each(|i| send(&a, &b, &[i.to_le_bytes(); 4].concat()));
        let arrived = receive_all(&b).await;
        assert_eq!(arrived.len(), 200);
        let whole = |bytes: &Vec<u8>| bytes.chunks(4).all(|chunk| chunk == &bytes[..4]);
        let broken = arrived.iter().filter(|bytes| !whole(bytes)).count() as u64;
        assert_eq!(broken, bed.net.counts().corrupted);
        assert!(broken > 5);
        let numbers =
            arrived.iter().map(|bytes| u32::from_le_bytes(bytes[4..8].try_into().unwrap()));
        assert!(!numbers.is_sorted());
    });
}

#[test]
fn a_cut_is_one_way_and_heals() {
    on_bed(TEN, |bed| async move {
        let (a, b) = (bed.bind(0, 1), bed.bind(1, 1));
        bed.net.cut(bed.ip(0), bed.ip(1));
        send(&a, &b, b"lost");
        send(&b, &a, b"heard");
        assert_eq!(receive(&a).await.1, b"heard");
        assert_eq!(receive_all(&b).await, Vec::<Vec<u8>>::new());
        bed.net.heal();
        send(&a, &b, b"again");
        assert_eq!(receive(&b).await.1, b"again");
        assert_eq!(bed.net.counts().cut, 1);
    });
}

#[test]
fn a_dead_port_is_reported_and_a_cut_is_not() {
    on_bed(TEN, |bed| async move {
        let (a, b) = (bed.bind(0, 1), bed.bind(1, 1));
        let address = b.local_addr().unwrap();
        bed.net.close_host(bed.ip(1));
        send_to(&a, address, b"anybody?");
        assert_eq!(poll_fn(|cx| a.poll_unreachable(cx)).await, address);
        assert_eq!(bed.timeline.now(), 20 * MS, "there and back");
        bed.net.cut(bed.ip(0), bed.ip(1));
        send_to(&a, address, b"anybody?");
        bed.net.heal();
        bed.net.cut(bed.ip(1), bed.ip(0));
        send_to(&a, address, b"anybody?");
        let reported = timeout(Duration::from_secs(1), poll_fn(|cx| a.poll_unreachable(cx))).await;
        assert!(reported.is_err(), "neither direction of a cut link reports");
    });
}

#[test]
fn a_closed_host_neither_sends_nor_receives_and_binds_again() {
    on_bed(TEN, |bed| async move {
        let (a, old) = (bed.bind(0, 1), bed.bind(1, 1));
        send(&a, &old, b"for the old one");
        bed.net.close_host(bed.ip(1));
        let new = bed.bind(1, 1);
        send(&old, &a, b"from beyond");
        drop(old);
        sleep(5 * MS).await;
        send(&a, &new, b"for the new one");
        let texts = receive_all(&new).await;
        assert_eq!(texts, [b"for the old one".to_vec(), b"for the new one".to_vec()]);
        assert!(timeout(Duration::from_secs(1), receive(&a)).await.is_err());
    });
}

#[test]
fn binding_checks_the_address() {
    on_bed(TEN, |bed| async move {
        let bind =
            |ip: &str, port| bed.net.bind(bed.ip(0), SocketAddr::new(ip.parse().unwrap(), port));
        let a = bind("0.0.0.0", 0).unwrap();
        let address = a.local_addr().unwrap();
        assert_eq!(address, SocketAddr::new(bed.ip(0), 49_152));
        assert_eq!(bind("10.0.0.1", 49_152).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(bind("10.0.0.2", 1).unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
        drop(a);
        assert_eq!(bind("0.0.0.0", 0).unwrap().local_addr().unwrap(), address);
    });
}

#[test]
fn a_reader_that_does_not_come_loses_datagrams_not_memory() {
    on_bed(LinkRule { datagram_bytes_max: u16::MAX, ..TEN }, |bed| async move {
        let (a, b) = (bed.bind(0, 1), bed.bind(1, 1));
        (0..100).for_each(|_| send(&a, &b, &[0; 60_000]));
        sleep(100 * MS).await;
        let counts = bed.net.counts();
        assert_eq!((counts.delivered, counts.dropped), (69, 31));
    });
}

#[test]
fn the_trace_tells_runs_apart_by_payload() {
    let hash = |text: &'static [u8]| {
        let mut hash = 0;
        on_bed(TEN, |bed| {
            let hash = &mut hash;
            async move {
                let (a, b) = (bed.bind(0, 1), bed.bind(1, 1));
                send(&a, &b, text);
                receive(&b).await;
                *hash = bed.trace.hash();
            }
        });
        hash
    };
    assert_eq!(hash(b"x"), hash(b"x"));
    assert_ne!(hash(b"x"), hash(b"y"));
}
