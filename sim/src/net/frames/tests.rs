//! The frame link as its users see it: on a paused clock, without a world around it.

mod at_once;

use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    sync::Arc,
};

use odeon_env::{
    DatagramSocket as _, FrameConnection, FrameEndpoint, FrameNet as _, FrameStream, FrameWay,
};
use tokio::{
    runtime::Builder,
    task::LocalSet,
    time::{sleep, timeout},
};

use super::*;
use crate::{
    net::{Latency, LinkRule, SimNet, SimSocket},
    timeline::Timeline,
    trace::{HostId, Trace},
};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(5);
const WINDOW: u32 = 1000;
const TEN: LinkRule =
    LinkRule { latency: Latency::Constant(Duration::from_millis(10)), ..LinkRule::lan() };

struct Bed {
    net: SimNet,
    timeline: Timeline,
}

/// One end: a socket, its endpoint, one connection.
struct End {
    socket: Arc<SimSocket>,
    endpoint: Arc<dyn FrameEndpoint>,
}

type Connection = Arc<dyn FrameConnection>;

impl Bed {
    fn ip(&self, host: usize) -> IpAddr {
        self.net.address_of(&format!("h{host}")).unwrap()
    }

    fn end(&self, host: usize) -> End {
        self.end_with(host, WINDOW)
    }

    fn end_with(&self, host: usize, stream_window: u32) -> End {
        let listen = SocketAddr::new(self.ip(host), 1);
        let socket = self.net.bind(self.ip(host), listen).unwrap();
        let terms = FrameTerms {
            identity: Arc::new(host),
            idle_timeout: IDLE,
            keep_alive: SECOND,
            stream_window,
            datagram_bytes_max: 64 << 10,
            incoming_max: 2,
        };
        let endpoint = SimFrames(self.net.clone()).listen(listen, terms).unwrap();
        End { socket, endpoint }
    }

    /// Both ends of a connection that host 0 has dialled at host 1.
    async fn connect(&self, ends: &[End; 2]) -> [Connection; 2] {
        let dialled = ends[0].endpoint.dial(ends[1].socket.local_addr().unwrap()).unwrap();
        let incoming = poll_fn(|cx| ends[1].endpoint.poll_incoming(cx)).await.unwrap();
        incoming.accept();
        poll_fn(|cx| dialled.poll_ready(cx)).await.unwrap();
        [dialled, incoming]
    }

    async fn pair(&self) -> ([End; 2], [Connection; 2]) {
        let ends = [self.end(0), self.end(1)];
        let connections = self.connect(&ends).await;
        (ends, connections)
    }

    fn cut(&self, from: usize, to: usize) {
        self.net.cut(self.ip(from), self.ip(to));
    }
}

/// Two hosts, a pump, and a test in between.
fn on_bed<F: Future<Output = ()>>(rule: LinkRule, test: impl FnOnce(Bed) -> F) {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async move {
        let timeline = Timeline::start();
        let net = SimNet::new(7, rule, timeline, Trace::new());
        for host in 0..2 {
            net.add_host(&format!("h{host}"), HostId(host));
        }
        let pumped = net.clone();
        let pump = tokio::task::spawn_local(async move { pumped.pump().await });
        test(Bed { net, timeline }).await;
        pump.abort();
    });
}

async fn write(
    connection: &Connection,
    stream: FrameStream,
    bytes: &[u8],
) -> Result<(), FrameLoss> {
    let mut bytes = Bytes::copy_from_slice(bytes);
    poll_fn(|cx| connection.poll_write(stream, &mut bytes, cx)).await
}

async fn read(connection: &Connection, stream: FrameStream) -> Result<Option<Bytes>, FrameLoss> {
    let mut piece = [Bytes::new()];
    let count = poll_fn(|cx| connection.poll_read(stream, &mut piece, cx)).await?;
    Ok((count > 0).then(|| std::mem::take(&mut piece[0])))
}

async fn accept(connection: &Connection, way: FrameWay) -> FrameStream {
    poll_fn(|cx| connection.poll_accept(way, cx)).await.unwrap()
}

async fn datagram(connection: &Connection) -> Result<Bytes, FrameLoss> {
    poll_fn(|cx| connection.poll_datagram(cx)).await
}

/// Completes when the connection is lost, with why and when.
async fn lost(bed: &Bed, connection: &Connection) -> (FrameLoss, Duration) {
    let why = loop {
        if let Err(why) = datagram(connection).await {
            break why;
        }
    };
    (why, bed.timeline.now())
}

#[test]
fn a_dial_takes_one_round_trip_and_shows_who_each_is() {
    on_bed(TEN, |bed| async move {
        let (_ends, [a, b]) = bed.pair().await;
        assert_eq!(bed.timeline.now(), 20 * MS);
        let names = [&a, &b].map(|it| *it.peer_identity().unwrap().downcast::<usize>().unwrap());
        assert_eq!(names, [1, 0]);
        assert_eq!(b.remote_addr(), SocketAddr::new(bed.ip(0), 1));
    });
}

#[test]
fn streams_keep_their_order_on_a_bad_day() {
    let rule = LinkRule { loss: 0.2, corrupt: 0.1, duplicate: 0.1, ..LinkRule::rough() };
    on_bed(rule, |bed| async move {
        let (_ends, [a, b]) = bed.pair().await;
        let sender = async {
            let [one, both] = [FrameWay::One, FrameWay::Both].map(|way| a.open(way).unwrap());
            for number in 0..500_u32 {
                write(&a, one, &number.to_le_bytes()).await.unwrap();
                write(&a, both, &[7]).await.unwrap();
                sleep(MS).await;
            }
            a.finish(one);
            poll_fn(|cx| a.poll_finished(one, cx)).await.unwrap();
            let answer = read(&a, both).await.unwrap().unwrap();
            assert_eq!(&answer[..], b"all of it");
        };
        let receiver = async {
            let (one, both) = (accept(&b, FrameWay::One).await, accept(&b, FrameWay::Both).await);
            let mut bytes = Vec::new();
            while let Some(piece) = read(&b, one).await.unwrap() {
                bytes.extend_from_slice(&piece);
            }
            let expected: Vec<u8> = (0..500_u32).flat_map(u32::to_le_bytes).collect();
            assert_eq!(bytes, expected);
            let mut rest = 500;
            while rest > 0 {
                rest -= read(&b, both).await.unwrap().unwrap().len();
            }
            write(&b, both, b"all of it").await.unwrap();
        };
        tokio::join!(sender, receiver);
        assert!(bed.net.counts().lost > 100, "{:?}", bed.net.counts());
    });
}

#[test]
fn datagrams_are_lost_and_doubled_but_never_spoilt() {
    let rule = LinkRule { loss: 0.3, duplicate: 0.2, corrupt: 0.2, ..TEN };
    on_bed(rule, |bed| async move {
        let (_ends, [a, b]) = bed.pair().await;
        for number in 0..1000_u32 {
            a.send_datagram(Bytes::copy_from_slice(&number.to_le_bytes()));
        }
        let mut times = vec![0; 1000];
        while let Ok(bytes) = timeout(100 * MS, datagram(&b)).await {
            times[u32::from_le_bytes(bytes.unwrap()[..].try_into().unwrap()) as usize] += 1;
        }
        let came = |count| times.iter().filter(|times| **times == count).count();
        assert!((300..520).contains(&came(0)) && came(1) > 300 && (40..200).contains(&came(2)));
    });
}

#[test]
fn what_meets_a_cut_arrives_when_it_is_healed() {
    on_bed(TEN, |bed| async move {
        let (_ends, [a, b]) = bed.pair().await;
        let stream = a.open(FrameWay::One).unwrap();
        bed.cut(0, 1);
        write(&a, stream, b"late").await.unwrap();
        sleep(3 * SECOND).await;
        bed.net.heal();
        let stream = accept(&b, FrameWay::One).await;
        assert_eq!(read(&b, stream).await.unwrap().unwrap(), &b"late"[..]);
        // The pauses between attempts double, up to two seconds.
        assert!((3 * SECOND..6 * SECOND).contains(&bed.timeline.now()), "{:?}", bed.timeline.now());
        assert_eq!((a.loss(), b.loss()), (None, None));
    });
}

#[test]
fn a_long_cut_ends_both_sides_by_silence() {
    on_bed(TEN, |bed| async move {
        let (_ends, [a, b]) = bed.pair().await;
        let cut_at = bed.timeline.now();
        bed.cut(0, 1);
        bed.cut(1, 0);
        for connection in [&a, &b] {
            let (why, at) = lost(&bed, connection).await;
            assert_eq!(why, FrameLoss::TimedOut);
            assert!(at - cut_at <= IDLE + SECOND, "{at:?}");
        }
    });
}

#[test]
fn a_cut_one_way_ends_the_deaf_side_and_then_the_other_by_a_reset() {
    on_bed(TEN, |bed| async move {
        let (_ends, [a, b]) = bed.pair().await;
        bed.cut(0, 1);
        let (why, at) = lost(&bed, &b).await;
        assert_eq!((why, a.loss()), (FrameLoss::TimedOut, None));
        bed.net.heal();
        let (why, later) = lost(&bed, &a).await;
        assert_eq!(why, FrameLoss::Reset);
        assert!(later - at <= SECOND + 40 * MS, "the next sign of life was answered: {later:?}");
    });
}

#[test]
fn silence_is_kept_alive() {
    on_bed(TEN, |bed| async move {
        let (_ends, [a, b]) = bed.pair().await;
        sleep(60 * SECOND).await;
        assert_eq!((a.loss(), b.loss()), (None, None));
    });
}

#[test]
fn a_crash_is_silent_and_its_host_answers_that_nobody_listens() {
    on_bed(TEN, |bed| async move {
        let (ends, [a, b]) = bed.pair().await;
        bed.net.close_host(bed.ip(1));
        drop(b);
        let crashed_at = bed.timeline.now();
        a.send_datagram(Bytes::from_static(b"anybody?"));
        let about = poll_fn(|cx| ends[0].socket.poll_unreachable(cx)).await;
        assert_eq!(
            (about, bed.timeline.now()),
            (SocketAddr::new(bed.ip(1), 1), crashed_at + 20 * MS)
        );
        // The next life is not believed, so it says nothing.
        let _next = bed.end(1);
        let (why, at) = lost(&bed, &a).await;
        assert_eq!(why, FrameLoss::TimedOut);
        assert!(at >= crashed_at + IDLE - 20 * MS);
    });
}

#[test]
fn a_close_tells_the_code_and_what_came_before_is_still_read() {
    on_bed(TEN, |bed| async move {
        let (_ends, [a, b]) = bed.pair().await;
        let stream = a.open(FrameWay::One).unwrap();
        write(&a, stream, b"last words").await.unwrap();
        sleep(MS).await;
        a.close(7, b"enough");
        assert_eq!(a.loss(), Some(FrameLoss::ClosedHere));
        let (why, _) = lost(&bed, &b).await;
        let expected = FrameLoss::ClosedByPeer(7, Bytes::from_static(b"enough"));
        assert_eq!(why, expected);
        let stream = accept(&b, FrameWay::One).await;
        assert_eq!(read(&b, stream).await.unwrap().unwrap(), &b"last words"[..]);
        assert_eq!(read(&b, stream).await, Err(expected));
    });
}

#[test]
fn dropping_a_connection_closes_it() {
    on_bed(TEN, |bed| async move {
        let (_ends, [a, b]) = bed.pair().await;
        drop(a);
        assert_eq!(lost(&bed, &b).await.0, FrameLoss::ClosedByPeer(0, Bytes::new()));
    });
}

#[test]
fn a_held_node_hears_later_and_loses_its_peers_when_it_is_held_for_long() {
    on_bed(TEN, |bed| async move {
        let (_ends, [a, b]) = bed.pair().await;
        let stream = a.open(FrameWay::One).unwrap();
        bed.net.set_held(bed.ip(1), true);
        write(&a, stream, b"wait").await.unwrap();
        sleep(2 * SECOND).await;
        bed.net.set_held(bed.ip(1), false);
        let came = bed.timeline.now();
        let inbound = accept(&b, FrameWay::One).await;
        assert_eq!(read(&b, inbound).await.unwrap().unwrap(), &b"wait"[..]);
        assert_eq!(bed.timeline.now(), came);
        bed.net.set_held(bed.ip(1), true);
        assert_eq!(lost(&bed, &a).await.0, FrameLoss::TimedOut);
        assert_eq!(b.loss(), None, "a held node notices nothing");
        bed.net.set_held(bed.ip(1), false);
        write(&b, b.open(FrameWay::One).unwrap(), b"there?").await.unwrap();
        assert_eq!(lost(&bed, &b).await.0, FrameLoss::Reset);
    });
}

#[test]
fn a_writer_waits_for_the_window() {
    on_bed(TEN, |bed| async move {
        let (_ends, [a, b]) = bed.pair().await;
        let stream = a.open(FrameWay::One).unwrap();
        let more = write(&a, stream, &[1; 2 * WINDOW as usize]);
        assert!(timeout(IDLE * 2, more).await.is_err(), "the window is full");
        let stream = accept(&b, FrameWay::One).await;
        assert_eq!(read(&b, stream).await.unwrap().unwrap().len(), WINDOW as usize);
        write(&a, FrameStream(2), b"room again").await.unwrap();
    });
}

#[test]
fn a_connection_beyond_those_that_may_wait_is_refused() {
    on_bed(TEN, |bed| async move {
        let ends = [bed.end(0), bed.end(1)];
        let mut dialled = Vec::new();
        for _ in 0..3 {
            dialled.push(ends[0].endpoint.dial(SocketAddr::new(bed.ip(1), 1)).unwrap());
            sleep(MS).await;
        }
        let last = dialled.pop().unwrap();
        assert_eq!(poll_fn(|cx| last.poll_ready(cx)).await, Err(FrameLoss::Refused));
        for dialled in dialled {
            let accepted = poll_fn(|cx| ends[1].endpoint.poll_incoming(cx)).await.unwrap();
            accepted.accept();
            poll_fn(|cx| dialled.poll_ready(cx)).await.unwrap();
        }
    });
}

#[test]
fn an_endpoint_that_refuses_says_so() {
    on_bed(TEN, |bed| async move {
        let ends = [bed.end(0), bed.end(1)];
        ends[1].endpoint.refuse_incoming();
        let dialled = ends[0].endpoint.dial(SocketAddr::new(bed.ip(1), 1)).unwrap();
        assert_eq!(poll_fn(|cx| dialled.poll_ready(cx)).await, Err(FrameLoss::Refused));
        let text = SimFrames(bed.net.clone()).listen(
            SocketAddr::new(bed.ip(1), 9),
            FrameTerms {
                identity: Arc::new(()),
                idle_timeout: IDLE,
                keep_alive: SECOND,
                stream_window: WINDOW,
                datagram_bytes_max: 1,
                incoming_max: 1,
            },
        );
        assert!(text.unwrap_err().to_string().contains("no socket is bound to 10.0.0.2:9"));
    });
}

#[test]
fn packets_without_payload_fill_the_buffer_of_a_held_node_too() {
    on_bed(TEN, |bed| async move {
        let (_ends, [a, _b]) = bed.pair().await;
        bed.net.set_held(bed.ip(1), true);
        (0..105_500).for_each(|_| a.send_datagram(Bytes::new()));
        sleep(20 * MS).await;
        assert!(bed.net.counts().buffer_full > 0, "{:?}", bed.net.counts());
    });
}

#[test]
fn a_large_write_goes_through_a_link_whose_queue_is_smaller() {
    // As a fault that throttles leaves it: a second's worth may wait.
    let rule = LinkRule { bandwidth_bps: Some(128_000), queue_bytes_max: 16_000, ..TEN };
    on_bed(rule, |bed| async move {
        let ends = [bed.end_with(0, 1 << 20), bed.end_with(1, 1 << 20)];
        let [a, b] = bed.connect(&ends).await;
        let stream = a.open(FrameWay::One).unwrap();
        let sent: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
        write(&a, stream, &sent).await.unwrap();
        a.finish(stream);
        let accepted = timeout(SECOND, accept(&b, FrameWay::One)).await.expect("it begins at once");
        let mut read_bytes = Vec::new();
        let all = async {
            while let Some(piece) = read(&b, accepted).await.expect("the connection lasts") {
                read_bytes.extend_from_slice(&piece);
            }
        };
        timeout(60 * SECOND, all).await.expect("all of it comes");
        assert_eq!(read_bytes, sent);
        let took = bed.timeline.now();
        // 200 kB are 12.5 s of that bandwidth.
        assert!((12 * SECOND..60 * SECOND).contains(&took), "{took:?}");
    });
}
