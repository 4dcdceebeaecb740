//! A node on loopback, with what it hears.

use std::{net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use odeon_env::{DatagramSocket, Env, RealEnv};
use odeon_message::{Fingerprint, Incarnation, MessageId, NodeId};
use odeon_transport::{
    Association, Ca, LocalHello, PeerId, Transport, TransportConfig, TransportError, Validity,
};

use crate::log::Log;

/// How long is waited for what has no time of its own: a machine may be busy.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) fn ca() -> Ca {
    Ca::in_memory("demo").expect("a good name")
}

/// A socket with a port that nobody else has.
pub(crate) fn bind() -> Arc<dyn DatagramSocket> {
    bind_at(SocketAddr::from(([127, 0, 0, 1], 0)))
}

pub(crate) fn bind_at(addr: SocketAddr) -> Arc<dyn DatagramSocket> {
    RealEnv.bind(addr).expect("loopback is there")
}

pub(crate) struct Node {
    pub(crate) transport: Rc<Transport>,
    pub(crate) log: Rc<Log>,
    pub(crate) id: PeerId,
    pub(crate) addr: SocketAddr,
}

impl Node {
    pub(crate) fn start(ca: &Ca, name: &str, config: TransportConfig) -> Self {
        Self::start_at(ca, (name, 1), config, bind())
    }

    pub(crate) fn start_at(
        ca: &Ca,
        life: (&str, u64),
        config: TransportConfig,
        socket: Arc<dyn DatagramSocket>,
    ) -> Self {
        Self::try_start_at(ca, life, config, socket).expect("all is well")
    }

    /// Starts a life of the node of this name.
    pub(crate) fn try_start_at(
        ca: &Ca,
        (name, life): (&str, u64),
        config: TransportConfig,
        socket: Arc<dyn DatagramSocket>,
    ) -> Result<Self, TransportError> {
        let addr = socket.local_addr().expect("it is bound");
        let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(3600));
        let identity = ca.issue(name, validity).expect("a good name");
        let id = PeerId { node: NodeId::of(name), incarnation: Incarnation(life) };
        let accepted = vec![(MessageId::of("m"), Fingerprint(1))];
        let hello =
            LocalHello { incarnation: id.incarnation, advertise: addr, accepted, guest: false };
        let (log, env) = (Rc::new(Log::default()), Arc::new(RealEnv));
        let events = Rc::clone(&log) as _;
        let transport = Transport::start(env, socket, identity, hello, config, events)?;
        Ok(Self { transport, log, id, addr })
    }

    pub(crate) fn to(&self, other: &Self) -> Arc<Association> {
        self.transport.peers().associate(other.id, other.addr)
    }

    pub(crate) async fn until(&self, what: &str, done: impl Fn(&Log) -> bool) {
        let wait = async {
            while !done(&self.log) {
                self.log.changed.notified().await;
            }
        };
        let is_done = tokio::time::timeout(LONG, wait).await.is_ok();
        let Log { refused, downs, .. } = &*self.log;
        assert!(is_done, "{what}? refused: {:?}, lost: {:?}", refused.borrow(), downs.borrow());
    }

    pub(crate) async fn until_payload(&self, payload: &[u8]) {
        self.until("a message comes", |log| log.has(payload)).await;
    }

    pub(crate) async fn close(self) {
        self.transport.close(Duration::from_secs(2)).await;
    }
}
