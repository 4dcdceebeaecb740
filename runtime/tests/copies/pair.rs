//! Two nodes on loopback, each with an onlooker that sees where bytes lie.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use odeon::{
    Actor, ActorRef, Ca, Message as _, Node, NodeBuilder, Placement, SpawnOptions, TransportConfig,
    Validity,
    env::{BoxFuture, DatagramSocket, Env, Observed, Observer, RealEnv},
};

use crate::{
    ALLOCATIONS,
    actors::{Hoard, Line, Meter, Read, Seen, Sink, Stuck},
    lock,
};

/// Where lines were archived, until they are written.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) archived: Vec<usize>,
    pub(crate) in_place: u64,
}

/// Looks on at one node.
#[derive(Default)]
pub(crate) struct Onlooker {
    pub(crate) sent: Mutex<Sent>,
    pub(crate) seen: Arc<Mutex<Seen>>,
}

impl std::fmt::Debug for Onlooker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Onlooker")
    }
}

impl Observer for Onlooker {
    fn observe(&self, event: Observed<'_>) {
        let line = Line::CODEC.map_or(0, |codec| codec.id().0);
        match event {
            Observed::Frame { inbound, message, payload, .. } if message == line => {
                let place = payload.as_ptr().addr();
                // As far as there was room before: it must not count what it allocates itself.
                let (mut seen, mut sent) = (lock(&self.seen), lock(&self.sent));
                if inbound && seen.places.len() < seen.places.capacity() {
                    seen.places.push_back(place);
                    seen.arrivals.push(ALLOCATIONS.get());
                    seen.bytes += payload.len() as u64;
                }
                if !inbound && sent.archived.len() < sent.archived.capacity() {
                    sent.archived.push(place);
                }
            }
            Observed::Written { bytes } => {
                let whole = bytes.as_ptr_range();
                let whole = whole.start.addr()..whole.end.addr();
                let mut sent = lock(&self.sent);
                let before = sent.archived.len();
                sent.archived.retain(|place| !whole.contains(place));
                sent.in_place += (before - sent.archived.len()) as u64;
            }
            _ => {}
        }
    }
}

#[derive(Debug)]
pub(crate) struct Watched(Arc<Onlooker>);

impl Env for Watched {
    fn bind(&self, addr: SocketAddr) -> io::Result<Arc<dyn DatagramSocket>> {
        RealEnv.bind(addr)
    }

    fn resolve(&self, host: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        RealEnv.resolve(host)
    }

    fn wall_clock(&self) -> SystemTime {
        RealEnv.wall_clock()
    }

    fn entropy(&self, out: &mut [u8]) {
        RealEnv.entropy(out);
    }

    fn observer(&self) -> Option<Arc<dyn Observer>> {
        Some(self.0.clone())
    }
}

pub(crate) struct Pair {
    pub(crate) nodes: [Node; 2],
    pub(crate) meters: [ActorRef<Meter>; 2],
    pub(crate) onlookers: [Arc<Onlooker>; 2],
}

pub(crate) async fn pair(transport: &TransportConfig) -> Pair {
    let ca = Ca::in_memory("copies").expect("the name is good");
    let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(24 * 3600));
    let onlookers: [Arc<Onlooker>; 2] = Default::default();
    let builder = |name: &str, onlooker: &Arc<Onlooker>| -> NodeBuilder {
        let identity = ca.issue(name, validity).expect("the name is good");
        let builder = Node::builder(name).identity(identity).transport(transport.clone());
        let env = Arc::new(Watched(onlooker.clone()));
        builder.env(env).workers(1).actor::<Sink>().actor::<Hoard>().actor::<Stuck>()
    };
    let a = builder("a", &onlookers[0]).alone().start().await.expect("a starts");
    let b = builder("b", &onlookers[1]).seed(a.addr().to_string());
    let b = b.start().await.expect("b starts");
    assert!(b.joined().await);
    let mut meters = Vec::new();
    for node in [&a, &b] {
        let options = SpawnOptions::default().placement(Placement::Endpoint);
        let meter = node.system().spawn::<Meter>(Meter, options).await;
        meters.push(meter.expect("it starts"));
    }
    let meters = meters.try_into().unwrap_or_else(|_| unreachable!("there are two"));
    Pair { nodes: [a, b], meters, onlookers }
}

impl Pair {
    pub(crate) async fn endpoints(&self) -> [u64; 2] {
        let mut counts = [0; 2];
        for (count, meter) in counts.iter_mut().zip(&self.meters) {
            *count = meter.ask(Read).await.expect("it answers");
        }
        counts
    }

    /// The first node's reference to an actor of the second.
    pub(crate) fn far<A: Actor>(&self, actor: &ActorRef<A>) -> ActorRef<A> {
        let address = actor.address().expect("its type is declared");
        ActorRef::from_address(self.nodes[0].system(), address)
    }
}
