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

use odeon_interpose::Stream;

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
fn empty_datagrams_fill_a_buffer_too() {
    on_bed(TEN, |bed| async move {
        let (a, b) = (bed.bind(0, 1), bed.bind(1, 1));
        (0..150_500).for_each(|_| send(&a, &b, b""));
        sleep(20 * MS).await;
        assert!(bed.net.counts().buffer_full > 0, "{:?}", bed.net.counts());
        let full = bed.net.counts().buffer_full;
        assert!(receive(&b).await.1.is_empty());
        send(&a, &b, b"");
        sleep(20 * MS).await;
        assert_eq!(bed.net.counts().buffer_full, full, "there is room again");
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
        assert_eq!((counts.delivered, counts.buffer_full), (69, 31));
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

#[test]
fn a_clog_holds_what_a_cut_loses_and_lets_it_go_in_order() {
    on_bed(TEN, |bed| async move {
        let (a, b) = (bed.bind(0, 1), bed.bind(1, 1));
        send(&a, &b, b"under way");
        bed.net.clog(bed.ip(0), bed.ip(1));
        (0..5_u8).for_each(|i| send(&a, &b, &[i]));
        send(&b, &a, b"the other way");
        assert_eq!(receive(&a).await.1, b"the other way");
        assert_eq!(receive_all(&b).await, [b"under way".to_vec()]);
        assert_eq!((bed.net.counts().clogged, bed.net.counts().held), (5, 5));
        let before = bed.timeline.now();
        bed.net.unclog(bed.ip(0), bed.ip(1));
        // Of one latency: their ties are drawn.
        let mut held = receive_all(&b).await.concat();
        held.sort_unstable();
        assert_eq!(held, [0, 1, 2, 3, 4]);
        assert_eq!(bed.timeline.now() - before, 10 * MS + Duration::from_secs(1));
        assert_eq!((bed.net.counts().clogged, bed.net.counts().held), (5, 0));
    });
}

#[test]
fn what_waits_on_a_clogged_link_is_bounded_and_a_cut_loses_it() {
    on_bed(LinkRule { queue_bytes_max: 1000, ..TEN }, |bed| async move {
        let (a, b) = (bed.bind(0, 1), bed.bind(1, 1));
        bed.net.clog(bed.ip(0), bed.ip(1));
        // 72 bytes and 28 of headers.
        (0..15).for_each(|_| send(&a, &b, &[0; 72]));
        let counts = bed.net.counts();
        assert_eq!((counts.held, counts.queue_full), (10, 5));
        bed.net.cut(bed.ip(0), bed.ip(1));
        send(&a, &b, b"lost at once");
        bed.net.unclog(bed.ip(0), bed.ip(1));
        assert_eq!(receive_all(&b).await, Vec::<Vec<u8>>::new());
        let counts = bed.net.counts();
        assert_eq!((counts.held, counts.cut, counts.dropped()), (0, 11, 5));
    });
}

#[test]
fn a_clogged_link_holds_reports_too() {
    on_bed(TEN, |bed| async move {
        let (a, b) = (bed.bind(0, 1), bed.bind(1, 1));
        let address = b.local_addr().unwrap();
        drop(b);
        bed.net.clog(bed.ip(1), bed.ip(0));
        send_to(&a, address, b"anybody?");
        let told = || poll_fn(|cx| a.poll_unreachable(cx));
        assert!(timeout(Duration::from_secs(1), told()).await.is_err());
        bed.net.heal();
        assert_eq!(told().await, address);
    });
}

#[test]
fn a_flapping_link_loses_what_is_sent_while_it_is_down() {
    on_bed(TEN, |bed| async move {
        let (a, b) = (bed.bind(0, 1), bed.bind(1, 1));
        bed.net.flap(bed.ip(0), bed.ip(1), 100 * MS, 0.25).unwrap();
        for i in 0..30_u8 {
            send(&a, &b, &[i]);
            sleep(10 * MS).await;
        }
        // Up from 0 to 25 ms of each 100 ms: three sends of ten.
        let heard = receive_all(&b).await.concat();
        assert_eq!(heard, [0, 1, 2, 10, 11, 12, 20, 21, 22]);
        assert_eq!(bed.net.counts().cut, 21);
        bed.net.unflap(bed.ip(0), bed.ip(1));
        (0..10_u8).for_each(|i| send(&a, &b, &[i]));
        assert_eq!(receive_all(&b).await.len(), 10);
        assert!(bed.net.flap(bed.ip(0), bed.ip(1), Duration::ZERO, 0.5).is_err());
    });
}

#[test]
fn a_swizzle_clogs_and_unclogs_by_itself_and_loses_nothing() {
    on_bed(TEN, |bed| async move {
        let sockets = [bed.bind(0, 1), bed.bind(1, 1), bed.bind(2, 1)];
        let hosts = [bed.ip(0), bed.ip(1), bed.ip(2)];
        bed.net.swizzle_clog(&hosts, Duration::from_secs(4), &Stream::new(5));
        let mut held_max = 0;
        for _ in 0..100 {
            send(&sockets[0], &sockets[1], b"x");
            send(&sockets[1], &sockets[2], b"x");
            send(&sockets[2], &sockets[0], b"x");
            held_max = held_max.max(bed.net.counts().held);
            sleep(50 * MS).await;
        }
        let counts = bed.net.counts();
        assert!(held_max > 10 && counts.held == 0, "{held_max} {counts:?}");
        assert_eq!((counts.sent, counts.delivered), (300, 300));
    });
}

#[test]
fn healing_ends_a_swizzle_for_good() {
    on_bed(TEN, |bed| async move {
        let (a, b) = (bed.bind(0, 1), bed.bind(1, 1));
        bed.net.swizzle_clog(&[bed.ip(0)], Duration::from_secs(4), &Stream::new(5));
        sleep(Duration::from_secs(2)).await;
        send(&a, &b, b"held");
        send(&a, &a, b"to itself");
        assert_eq!(receive(&a).await.1, b"to itself");
        assert_eq!(bed.net.counts().held, 1);
        bed.net.heal();
        assert_eq!(receive(&b).await.1, b"held");
        bed.net.swizzle_clog(&[bed.ip(0)], Duration::from_secs(4), &Stream::new(5));
        bed.net.heal();
        for _ in 0..50 {
            send(&a, &b, b"never held");
            receive(&b).await;
            sleep(100 * MS).await;
        }
        assert_eq!(bed.net.counts().clogged, 1);
    });
}

#[test]
fn every_datagram_meets_one_end() {
    let rule = LinkRule {
        loss: 0.2,
        duplicate: 0.2,
        reorder: 0.2,
        corrupt: 0.2,
        queue_bytes_max: 2000,
        datagram_bytes_max: 150,
        bandwidth_bps: Some(200_000),
        ..TEN
    };
    on_bed(rule, |bed| async move {
        let sockets = [bed.bind(0, 1), bed.bind(1, 1), bed.bind(2, 1)];
        bed.net.cut(bed.ip(0), bed.ip(1));
        bed.net.clog(bed.ip(0), bed.ip(2));
        bed.net.flap(bed.ip(1), bed.ip(2), 30 * MS, 0.5).unwrap();
        let random = Stream::new(1);
        for _ in 0..2000 {
            let [from, to] = [(); 2].map(|()| &sockets[random.below(3) as usize]);
            send(from, to, &[0; 160][..random.below(160) as usize]);
            if random.chance(0.1) {
                sleep(10 * MS).await;
            }
        }
        let nowhere = SocketAddr::new(bed.ip(1), 9);
        send_to(&sockets[2], nowhere, b"nobody");
        sleep(Duration::from_secs(2)).await;
        let counts = bed.net.counts();
        let ends = counts.delivered
            + counts.lost
            + counts.cut
            + counts.nobody
            + counts.dropped()
            + counts.held;
        assert_eq!(counts.sent + counts.duplicated, ends, "{counts:?}");
        let kinds = counts.faults().into_iter().filter(|(kind, _)| !kind.starts_with("look-ups"));
        kinds.for_each(|(kind, count)| assert!(count > 0, "{kind}: {counts:?}"));
    });
}

#[test]
#[should_panic(expected = "loss is 2, and a probability is from 0 (never) to 1 (always)")]
fn a_rule_that_is_none_is_refused() {
    on_bed(TEN, |bed| async move {
        bed.net.set_default_rule(LinkRule { loss: 2.0, ..TEN });
    });
}

mod multicast;
