//! Nodes on threads of their own, started from a plain program and from inside a multi-thread runtime: they join,
//! find each other's actors by name, ask, tell, pass references on, and hear of each other's end.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context as Task, Poll, Wake, Waker},
    thread::Thread,
    time::Duration,
};

use odeon::{
    Actor, ActorRef, Ca, Context, ExitKind, Handler, JoinConfigError, Node, NodeError, Placement,
    SpawnOptions, StartError, Terminated, Validity, actor,
    env::{Env, RealEnv},
    message,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

const DAY: Duration = Duration::from_secs(24 * 3600);
const LONG: Duration = Duration::from_secs(20);

/// Takes longer than anybody waits.
#[message(local, reply = u64)]
struct Dwell {
    begun: oneshot::Sender<()>,
}

#[message(id = "start/Ping", reply = u64)]
struct Ping {
    number: u64,
}

/// Asks somebody else, who may live anywhere.
#[message(id = "start/PassOn", reply = u64, error = String)]
struct PassOn {
    to: ActorRef<Echo>,
    number: u64,
}

#[derive(Clone, Default)]
struct Echo {
    pings: u64,
}

#[actor(id = "start/Echo", handles(Ping, PassOn))]
impl Actor for Echo {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Ping> for Echo {
    async fn handle(&mut self, ping: Ping, _: &mut Context<Self>) -> u64 {
        self.pings += 1;
        ping.number + self.pings
    }
}

impl Handler<Dwell> for Echo {
    async fn handle(&mut self, dwell: Dwell, _: &mut Context<Self>) -> u64 {
        let _ = dwell.begun.send(());
        std::future::pending().await
    }
}

impl Handler<PassOn> for Echo {
    async fn handle(&mut self, pass: PassOn, _: &mut Context<Self>) -> Result<u64, String> {
        pass.to.ask(Ping { number: pass.number }).await.map_err(|error| error.to_string())
    }
}

/// Tells a test when the actor it watches has ended.
struct Watcher {
    ended: mpsc::Sender<ExitKind>,
}

impl Actor for Watcher {
    type Args = (ActorRef<Echo>, mpsc::Sender<ExitKind>);

    async fn start((echo, ended): Self::Args, ctx: &mut Context<Self>) -> Result<Self, StartError> {
        ctx.watch(&echo);
        Ok(Self { ended })
    }

    async fn terminated(&mut self, terminated: Terminated, _: &mut Context<Self>) {
        // The test has ended if nobody listens.
        let _ = self.ended.send(terminated.reason.kind()).await;
    }
}

/// Two nodes from their start to their end; any executor may run it.
async fn two_nodes() {
    let ca = Ca::in_memory("start").expect("the name is good");
    let validity = Validity::from(RealEnv.wall_clock(), DAY);
    let builder = |name: &str| {
        let identity = ca.issue(name, validity).expect("the name is good");
        Node::builder(name).identity(identity).actor::<Echo>()
    };
    let a = builder("a").alone().start().await.expect("a starts");
    let b = builder("b").seed(a.addr().to_string()).start().await.expect("b starts");
    let echo = a.spawn(Echo::default()).await.expect("an echo starts");
    a.register("echo", &echo).expect("the name is free");
    assert!(b.joined().await);

    let mut name = b.on("a").follow::<Echo>("echo").await.expect("b runs");
    let far = name.held().await.expect("b runs");
    assert!(!far.is_local() && echo.is_local());
    far.tell(Ping { number: 0 }).await.expect("there is room");
    assert_eq!(far.ask(Ping { number: 40 }).await.expect("a answers"), 42);
    // The same actor, whoever holds the reference: two pings from far, this is the third.
    assert_eq!(echo.ask(Ping { number: 40 }).await.expect("a answers"), 43);

    let near = b.spawn(Echo::default()).await.expect("an echo starts");
    let passed = far.ask(PassOn { to: near.clone(), number: 6 }).await;
    assert_eq!(passed.expect("a asks b"), 7, "the reference came back to its own node");
    let mut own = b.on("b").follow::<Echo>("here").await.expect("b runs");
    b.register("here", &near).expect("the name is free");
    assert_eq!(own.held().await.expect("b runs"), near);

    let (sender, mut ended) = mpsc::channel(4);
    b.spawn_with::<Watcher>((far.clone(), sender)).await.expect("a watcher starts");
    // Behind the watch on the way to a, which must have come before a stops.
    far.ask(Ping { number: 0 }).await.expect("a answers");
    a.stop(LONG).await;
    let kind = ended.recv().await.expect("the watcher lives");
    assert_eq!(kind, ExitKind::Shutdown, "the end of an actor whose node left in order is known");
    assert!(far.ask(Ping { number: 1 }).await.is_err());
    b.stop(LONG).await;
    assert!(b.spawn(Echo::default()).await.is_err(), "a stopped node takes no actors");
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// As much executor as a plain `main` needs.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Task::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn nodes_start_from_a_plain_program() {
    block_on(two_nodes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_start_inside_a_multi_thread_runtime() {
    tokio::time::timeout(4 * LONG, two_nodes()).await.expect("it ends in time");
}

/// Where an actor runs, by the name of its thread.
#[message(local, reply = String)]
struct Home;

impl Handler<Home> for Echo {
    async fn handle(&mut self, _: Home, _: &mut Context<Self>) -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }
}

#[test]
fn actors_have_the_threads_that_they_ask_for() {
    block_on(async {
        let node = Node::builder("t").alone().workers(1).start().await.expect("it starts");
        let home = async |placement| {
            let options = SpawnOptions::default().placement(placement);
            let echo = node.spawn_opts::<Echo>(Echo::default(), options).await.expect("it starts");
            let home = echo.ask(Home).await.expect("it lives");
            echo.stop();
            home
        };
        assert_eq!(home(Placement::Endpoint).await, "odeon-t");
        let worker = home(Placement::Spread).await;
        assert_eq!(worker, home(Placement::Key(7)).await);
        let (one, two) = (home(Placement::Blocking).await, home(Placement::Blocking).await);
        assert!(one.starts_with("odeon-t-") && two.starts_with("odeon-t-"), "{one} {two}");
        assert!(one != two && one != worker);
        node.stop(LONG).await;
        let stats = node.stats();
        assert_eq!((stats.live_actors, stats.cells), (0, 0));
    });
}

#[test]
fn a_second_stop_cuts_the_first_short() {
    block_on(async {
        let node = Node::builder("s").alone().workers(1).start().await.expect("it starts");
        let echo = node.spawn(Echo::default()).await.expect("it starts");
        let (begun, is_begun) = oneshot::channel();
        echo.tell(Dwell { begun }).await.expect("there is room");
        is_begun.await.expect("it is handled");
        let began = Instant::now();
        let second = async {
            // It has taken the first order by then.
            node.leaving().await;
            node.stop(Duration::from_millis(100)).await;
        };
        tokio::join!(node.stop(30 * LONG), second);
        assert!(began.elapsed() < LONG, "{:?}", began.elapsed());
    });
}

#[test]
fn a_name_that_no_certificate_can_carry_is_refused() {
    let error = block_on(Node::builder("No_Such").alone().start()).expect_err("the name is bad");
    assert!(error.to_string().contains("No_Such"), "{error}");
    let error = block_on(Node::builder("a").alone().workers(0).start()).expect_err("no workers");
    assert!(error.to_string().contains("use 1 to 1024"), "{error}");
}

#[test]
fn seeds_that_can_never_let_a_node_in_are_refused() {
    let ca = Ca::in_memory("start").expect("the name is good");
    let identity = ca.issue("a", Validity::from(RealEnv.wall_clock(), DAY)).expect("it is good");
    for seed in ["nonsense", "", "host", "host:", ":7400", "host:0", "host:99999", "::1:7400"] {
        let builder = Node::builder("a").identity(identity.clone()).seed("[::1]:7400").seed(seed);
        let error = block_on(builder.start()).expect_err("the seed is bad");
        assert!(
            matches!(&error, NodeError::Join(JoinConfigError::Seed { seed: named }) if named == seed),
            "{error}"
        );
    }
    let error = block_on(Node::builder("a").seed("127.0.0.1:7400").start());
    let error = error.expect_err("nobody lets it in");
    assert!(matches!(error, NodeError::NoIdentity { .. }), "{error}");
    assert!(error.to_string().contains("NodeBuilder::identity"), "{error}");
}
