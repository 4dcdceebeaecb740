//! Watches over a connection that is lost and comes back, on loopback: they are said again on the next one, and each end is
//! told exactly once, whether it came before the loss, during it, or after.

use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context as TaskContext, Poll},
    time::{Duration, SystemTime},
};

use odeon::{
    Actor, ActorIdentity, ActorRef, Ca, Context, ExitKind, Handler, MembershipConfig, Node,
    NodeBuilder, StartError, Terminated, TransportConfig, Validity, actor,
    env::{
        BoxFuture, DatagramSocket, Env, RealEnv,
        udp::{RecvMeta, Transmit},
    },
    message,
};

const LONG: Duration = Duration::from_secs(30);

/// The environment of a machine whose packets do not get out while it is mute.
#[derive(Debug)]
struct Muted(Arc<AtomicBool>);

#[derive(Debug)]
struct Socket {
    inner: Arc<dyn DatagramSocket>,
    is_mute: Arc<AtomicBool>,
}

impl DatagramSocket for Socket {
    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if self.is_mute.load(Relaxed) { Ok(()) } else { self.inner.try_send(transmit) }
    }

    fn writable(self: Arc<Self>) -> BoxFuture<io::Result<()>> {
        Arc::clone(&self.inner).writable()
    }

    fn poll_recv(
        &self,
        cx: &mut TaskContext<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_recv(cx, bufs, metas)
    }

    fn poll_unreachable(&self, cx: &mut TaskContext<'_>) -> Poll<SocketAddr> {
        self.inner.poll_unreachable(cx)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        1
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

impl Env for Muted {
    fn bind(&self, addr: SocketAddr) -> io::Result<Arc<dyn DatagramSocket>> {
        Ok(Arc::new(Socket { inner: RealEnv.bind(addr)?, is_mute: Arc::clone(&self.0) }))
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
}

#[message(id = "watching/Stop")]
struct Stop;

#[derive(Clone)]
struct Target;

#[actor(id = "watching/Target", handles(Stop))]
impl Actor for Target {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Stop> for Target {
    async fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

/// Each end that a watcher was told, in order.
type Told = Arc<Mutex<Vec<(ActorIdentity, ExitKind)>>>;

struct Watcher {
    told: Told,
}

impl Actor for Watcher {
    type Args = (Vec<ActorRef<Target>>, Told);

    async fn start((of, told): Self::Args, ctx: &mut Context<Self>) -> Result<Self, StartError> {
        for target in &of {
            ctx.watch(target);
        }
        Ok(Self { told })
    }

    async fn terminated(&mut self, terminated: Terminated, _: &mut Context<Self>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.push((terminated.who, terminated.reason.kind()));
    }
}

fn builder(ca: &Ca, name: &str) -> NodeBuilder {
    let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(3600));
    let (idle_timeout, keep_alive) = (Duration::from_secs(1), Duration::from_millis(250));
    let transport = TransportConfig { idle_timeout, keep_alive, ..TransportConfig::default() };
    // Nobody is held for dead for being silent a while.
    let mut membership = MembershipConfig::lan(2);
    (membership.suspicion, membership.grows) = (Duration::from_secs(120), false);
    let identity = ca.issue(name, validity).expect("a good name");
    let builder = Node::builder(name).identity(identity).actor::<Target>().workers(1);
    builder.transport(transport).membership(membership)
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let all = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(LONG, all).await.is_ok(), "not so within {LONG:?}: {what}");
}

#[tokio::test]
async fn each_end_is_told_once_over_a_connection_that_is_lost_and_comes_back() {
    let ca = Ca::in_memory("watching").expect("a good name");
    let mute = Arc::new(AtomicBool::new(false));
    let a = builder(&ca, "a").alone().start().await.expect("a starts");
    let b = builder(&ca, "b").env(Arc::new(Muted(Arc::clone(&mute)))).seed(a.addr().to_string());
    let b = b.start().await.expect("b starts");
    assert!(b.joined().await);
    let (mut here, mut far) = (Vec::new(), Vec::new());
    for number in 0..5 {
        let target = b.spawn(Target).await.expect("it starts");
        let name = format!("target-{number}");
        b.register(&name, &target).expect("the name is free");
        let mut name = a.on("b").follow::<Target>(&name).await.expect("it runs");
        let found = tokio::time::timeout(LONG, name.held()).await.expect("it is there");
        far.push(found.expect("it runs"));
        here.push(target);
    }
    let told = Told::default();
    let args = (far.clone(), Arc::clone(&told));
    let _watcher = a.spawn_with::<Watcher>(args).await.expect("it starts");
    let count = || told.lock().unwrap_or_else(PoisonError::into_inner).len();
    let of_b = || a.network_metrics().of("b").cloned().expect("they have met");

    here[0].tell(Stop).await.expect("it lives");
    until("the first is told", || count() == 1).await;
    mute.store(true, Relaxed);
    until("a has lost the connection", || of_b().up_for.is_none()).await;
    here[1].tell(Stop).await.expect("it lives");
    here[2].kill();
    // They end while nobody can be told.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(count(), 1);
    mute.store(false, Relaxed);
    until("both are told on the next one", || count() == 3).await;
    assert!(of_b().connections >= 2, "{}", of_b());
    here[3].tell(Stop).await.expect("it lives");
    until("the fourth is told", || count() == 4).await;
    b.stop(Duration::from_secs(2)).await;
    until("the last is told as its node leaves", || count() == 5).await;
    // One that was said twice would come now.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let told = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut whom: Vec<usize> = told
        .iter()
        .filter_map(|(who, _)| far.iter().position(|target| target.identity() == *who))
        .collect();
    assert_eq!((whom[0], whom[3], whom[4]), (0, 3, 4), "{told:?}");
    whom.sort();
    assert_eq!(whom, [0, 1, 2, 3, 4], "each once: {told:?}");
    assert!(told.iter().all(|(_, kind)| *kind != ExitKind::NodeLost), "{told:?}");
    a.stop(Duration::from_secs(2)).await;
}
