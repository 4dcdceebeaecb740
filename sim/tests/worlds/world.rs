//! What a scenario can do to nodes: crash, restart, pause, partition, skew their clocks, run code on them.
#![expect(
    clippy::disallowed_methods,
    reason = "user code may read the wall clock; it shows the node's skew"
)]

use std::{
    cell::{Cell, RefCell},
    io::{self, IoSliceMut},
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use odeon_env::{
    DatagramSocket, Env as _,
    udp::{RecvMeta, Transmit},
};
use odeon_sim::{Latency, LinkRule, NodeDown, NotReached, Role, SimEnv, World};

const PORT: u16 = 7400;
const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const TEN: LinkRule =
    LinkRule { latency: Latency::Constant(Duration::from_millis(10)), ..LinkRule::lan() };

/// What the nodes of one scenario tell it.
#[derive(Clone, Default)]
struct Ears {
    heard: Rc<RefCell<Vec<(String, String)>>>,
    unreachable: Rc<RefCell<Vec<SocketAddr>>>,
}

impl Ears {
    fn count(&self, node: &str) -> usize {
        self.heard.borrow().iter().filter(|(who, _)| who == node).count()
    }

    fn forget(&self) {
        self.heard.borrow_mut().clear();
    }
}

/// Starts a node that says its name to the others every 100 ms.
fn talker(world: &mut World, name: &str, others: &'static [&'static str], ears: &Ears) {
    let ears = ears.clone();
    world.node(name, move |env| talk(env, others, ears.clone()));
}

async fn talk(env: Arc<SimEnv>, others: &'static [&'static str], ears: Ears) -> io::Result<()> {
    let socket = env.bind(SocketAddr::new(env.address(), PORT))?;
    let (listening, name, told) = (Arc::clone(&socket), env.name().to_owned(), ears.clone());
    tokio::task::spawn_local(async move {
        loop {
            let text = receive(&*listening).await;
            told.heard.borrow_mut().push((name.clone(), text));
        }
    });
    let reported = Arc::clone(&socket);
    tokio::task::spawn_local(async move {
        loop {
            let about = std::future::poll_fn(|cx| reported.poll_unreachable(cx)).await;
            ears.unreachable.borrow_mut().push(about);
        }
    });
    loop {
        for other in others {
            let to = env.resolve(&format!("{other}:{PORT}")).await?;
            let contents = env.name().as_bytes();
            let transmit = Transmit {
                destination: to[0],
                ecn: None,
                contents,
                segment_size: None,
                src_ip: None,
            };
            socket.try_send(&transmit)?;
        }
        tokio::time::sleep(100 * MS).await;
    }
}

async fn receive(socket: &dyn DatagramSocket) -> String {
    let mut buffer = [0; 2048];
    let mut metas = [RecvMeta::default()];
    let received = std::future::poll_fn(|cx| {
        socket.poll_recv(cx, &mut [IoSliceMut::new(&mut buffer)], &mut metas)
    });
    received.await.expect("receiving never fails");
    String::from_utf8_lossy(&buffer[..metas[0].len]).into_owned()
}

fn two(world: &mut World) -> Ears {
    let ears = Ears::default();
    world.set_default_link(TEN);
    talker(world, "a", &["b"], &ears);
    talker(world, "b", &["a"], &ears);
    ears
}

#[odeon_sim::test(seeds = 0..3)]
async fn nodes_hear_each_other(world: &mut World) {
    let ears = two(world);
    world.run_for(SECOND).await;
    assert!(ears.count("a") >= 9 && ears.count("b") >= 9);
    assert_eq!(world.now(), SECOND);
    assert_eq!(world.net().counts().lost, 0);
}

#[odeon_sim::test(seeds = 0..3)]
async fn a_crashed_node_is_silent_and_reported(world: &mut World) {
    let ears = two(world);
    world.run_for(SECOND).await;
    world.crash("b");
    assert!(!world.is_up("b"));
    let crashed = world.now();
    world.run_until(|| !ears.unreachable.borrow().is_empty(), SECOND).await.expect("a is told");
    assert!(world.now() - crashed <= 130 * MS, "at the next word, and there and back");
    assert_eq!(ears.unreachable.borrow()[0], SocketAddr::new(world.address("b"), PORT));
    ears.forget();
    world.run_for(SECOND).await;
    assert_eq!((ears.count("a"), ears.count("b")), (0, 0));
    world.restart("b");
    world.run_for(SECOND).await;
    assert!(ears.count("a") >= 9 && ears.count("b") >= 9);
}

#[odeon_sim::test(seeds = 0..3)]
async fn a_partitioned_node_is_silent_and_not_reported(world: &mut World) {
    let ears = two(world);
    world.partition(&["a"], &["b"]);
    world.run_for(SECOND).await;
    assert_eq!((ears.count("a"), ears.count("b")), (0, 0));
    assert!(
        ears.unreachable.borrow().len() <= 1,
        "only where the first word was faster than the other's socket"
    );
    world.heal();
    world.cut("a", "b");
    world.run_for(SECOND).await;
    assert!(ears.count("a") >= 9);
    assert_eq!(ears.count("b"), 0);
}

#[odeon_sim::test(seeds = 0..3)]
async fn a_paused_node_hears_everything_later(world: &mut World) {
    let ears = two(world);
    world.run_for(SECOND).await;
    world.pause("b");
    ears.forget();
    world.run_for(SECOND).await;
    assert_eq!(ears.count("b"), 0);
    assert!(ears.count("a") <= 1, "what was under way");
    world.resume("b");
    world.run_for(MS).await;
    assert!(ears.count("b") >= 9, "its socket went on receiving");
    assert!(ears.unreachable.borrow().is_empty());
}

#[odeon_sim::test(seeds = 1)]
async fn a_crash_drops_everything_unheard(world: &mut World) {
    struct LastWords(Arc<SimEnv>, Rc<Cell<bool>>);
    impl Drop for LastWords {
        fn drop(&mut self) {
            let bound = self.0.bind(SocketAddr::new(self.0.address(), 0));
            assert!(bound.is_err(), "the gates are closed before destructors run");
            self.0.note("last", "words");
            self.1.set(true);
        }
    }
    let dropped = Rc::new(Cell::new(false));
    let mark = Rc::clone(&dropped);
    world.node("a", move |env| {
        let words = LastWords(env, Rc::clone(&mark));
        async move {
            let _words = words;
            std::future::pending::<()>().await;
        }
    });
    world.run_for(MS).await;
    world.crash("a");
    assert!(dropped.get());
    assert!(!world.trace().last_lines(10).iter().any(|line| line.contains("words")));
}

#[odeon_sim::test(seeds = 1)]
async fn the_end_of_the_body_is_the_end_of_the_node(world: &mut World) {
    let ticks = Rc::new(Cell::new(0));
    let shared = Rc::clone(&ticks);
    world.node("a", move |_| {
        let ticks = Rc::clone(&shared);
        async move {
            tokio::task::spawn_local(async move {
                loop {
                    ticks.set(ticks.get() + 1);
                    tokio::time::sleep(10 * MS).await;
                }
            });
            tokio::time::sleep(95 * MS).await;
        }
    });
    world.run_for(SECOND).await;
    assert!(!world.is_up("a"));
    assert_eq!(ticks.get(), 10);
    assert_eq!(world.run_on("a", async {}).await, Err(NodeDown("a".to_owned())));
}

#[odeon_sim::test(seeds = 1)]
async fn wall_clocks_are_skewed_one_by_one(world: &mut World) {
    world.node("a", |_| std::future::pending::<()>());
    world.node("b", |_| std::future::pending::<()>());
    world.set_skew_ns("a", 2_000_000_000);
    let clock = || async { SystemTime::now() };
    let (a, b) =
        (world.run_on("a", clock()).await.unwrap(), world.run_on("b", clock()).await.unwrap());
    assert_eq!(a, b + 2 * SECOND);
    assert_eq!(world.env("a").unwrap().wall_clock(), a);
    world.restart("a");
    assert_eq!(world.run_on("a", clock()).await.unwrap(), a);
    world.set_skew_ns("a", -1_000_000_000);
    assert_eq!(world.run_on("a", clock()).await.unwrap(), b - SECOND);
}

#[odeon_sim::test(seeds = 1)]
async fn a_zone_goes_down_as_one_and_roles_are_told_apart(world: &mut World) {
    world.node("a", |_| std::future::pending::<()>());
    world.node("b", |_| std::future::pending::<()>());
    world.service("payments", |_| std::future::pending::<()>());
    world.client("carol", |_| std::future::pending::<()>());
    assert_eq!(world.names(Role::Node), ["a", "b"]);
    assert_eq!((world.names(Role::Service), world.role("carol")), (vec!["payments"], Role::Client));
    world.set_zone("b", "east");
    world.set_zone("payments", "east");
    assert_eq!((world.zone("a"), world.zone("b")), (None, Some("east")));
    assert_eq!(world.names_in_zone("east"), ["b", "payments"]);
    world.crash("payments");
    assert_eq!(world.crash_zone("east"), ["b"]);
    assert!(world.is_up("a") && !world.is_up("b") && world.is_up("carol"));
}

/// It was waited for in silence.
#[odeon_sim::test(
    seeds = 1,
    fails = "\"bb\" was put into the zone \"east\", and no host of this world was ever called so"
)]
async fn a_zone_of_a_host_that_is_misspelt_fails_the_seed(world: &mut World) {
    world.set_zone("bb", "east");
    world.node("b", |_| std::future::pending::<()>());
    world.run_for(SECOND).await;
}

/// A service outside that does what it is asked, and now and then says so when nobody waits any more.
async fn provider(env: Arc<SimEnv>, charged: Rc<Cell<u64>>) -> io::Result<()> {
    let socket = env.bind(SocketAddr::new(env.address(), PORT))?;
    loop {
        let (mut bytes, mut metas) = ([0; 8], [RecvMeta::default()]);
        let mut room = [IoSliceMut::new(&mut bytes)];
        std::future::poll_fn(|cx| socket.poll_recv(cx, &mut room, &mut metas)).await?;
        charged.set(charged.get() + 1);
        let mut draw = [0];
        env.entropy(&mut draw);
        if draw[0] < 64 {
            tokio::time::sleep(2 * SECOND).await;
        }
        let (destination, contents) = (metas[0].addr, bytes.as_slice());
        let (ecn, segment_size, src_ip) = (None, None, None);
        socket.try_send(&Transmit { destination, contents, ecn, segment_size, src_ip })?;
    }
}

/// Asks it 100 times; tells how often it was answered in time, and how often it cannot know.
async fn payer(env: Arc<SimEnv>, told: Rc<Cell<(u64, u64)>>) -> io::Result<()> {
    let socket = env.bind(SocketAddr::new(env.address(), PORT))?;
    let provider = env.resolve(&format!("payments:{PORT}")).await?[0];
    for number in 0..100_u64 {
        let contents = &number.to_le_bytes();
        let transmit = Transmit {
            destination: provider,
            ecn: None,
            contents,
            segment_size: None,
            src_ip: None,
        };
        socket.try_send(&transmit)?;
        let answer = async {
            loop {
                let (mut bytes, mut metas) = ([0; 8], [RecvMeta::default()]);
                let mut room = [IoSliceMut::new(&mut bytes)];
                let heard = std::future::poll_fn(|cx| socket.poll_recv(cx, &mut room, &mut metas));
                heard.await.expect("receiving never fails");
                if u64::from_le_bytes(bytes) == number {
                    return;
                }
            }
        };
        let in_time = tokio::time::timeout(SECOND, answer).await.is_ok();
        let (paid, unknown) = told.get();
        told.set((paid + u64::from(in_time), unknown + u64::from(!in_time)));
    }
    Ok(())
}

#[odeon_sim::test(seeds = 0..5)]
async fn a_service_outside_charges_and_answers_too_late(world: &mut World) {
    let (charged, told) = (Rc::new(Cell::new(0)), Rc::new(Cell::new((0, 0))));
    let (count, tells) = (Rc::clone(&charged), Rc::clone(&told));
    world.service("payments", move |env| provider(env, Rc::clone(&count)));
    world.node("till", move |env| payer(env, Rc::clone(&tells)));
    world.run_for(300 * SECOND).await;
    let (paid, unknown) = told.get();
    assert_eq!(
        (paid + unknown, charged.get()),
        (100, 100),
        "who does not hear of it is charged too"
    );
    assert!(paid > 10 && unknown > 10, "{paid} {unknown}");
}

#[odeon_sim::test(seeds = 1)]
async fn what_does_not_come_true_is_an_error(world: &mut World) {
    let waited = world.run_until(|| false, SECOND).await;
    assert_eq!(waited, Err(NotReached(SECOND)));
    assert_eq!(world.now(), SECOND);
}

#[odeon_sim::test(seeds = 1)]
async fn each_life_draws_other_entropy_and_each_node_chooses_its_own_order(world: &mut World) {
    let draw = |env: Arc<SimEnv>| {
        let mut bytes = [0; 16];
        env.entropy(&mut bytes);
        (bytes, (0..32).filter_map(|_| env.choose(8)).collect::<Vec<_>>())
    };
    world.node("a", |_| std::future::pending::<()>());
    world.node("b", |_| std::future::pending::<()>());
    let (a, b) = (draw(world.env("a").unwrap()), draw(world.env("b").unwrap()));
    world.restart("a");
    let again = draw(world.env("a").unwrap());
    assert!(a.0 != b.0 && a.0 != again.0 && a.1 != b.1 && a.1 != again.1);
    assert!(a.1.iter().all(|choice| *choice < 8));
}

/// It waits for what a node does, without a moment of virtual time.
#[odeon_sim::test(seeds = 0..3)]
async fn a_scenario_that_only_gives_way_lets_nodes_go_on(world: &mut World) {
    let steps = Rc::new(Cell::new(0));
    let count = Rc::clone(&steps);
    world.node("a", move |_| {
        let count = Rc::clone(&count);
        async move {
            for step in 1..=10 {
                tokio::task::yield_now().await;
                count.set(step);
            }
            std::future::pending::<()>().await;
        }
    });
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!((steps.get(), world.now()), (10, Duration::ZERO));
}

/// So does what it starts beside itself, though the scenario waits without a timer.
#[odeon_sim::test(seeds = 0..3)]
async fn a_task_beside_the_scenario_that_gives_way_lets_nodes_go_on(world: &mut World) {
    let (send, done) = tokio::sync::oneshot::channel();
    let send = Rc::new(Cell::new(Some(send)));
    let beside = tokio::task::spawn_local(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    world.node("a", move |_| {
        let send = send.take().expect("it has one life");
        async move {
            tokio::task::yield_now().await;
            send.send(()).expect("somebody waits");
        }
    });
    done.await.expect("the node has its turn");
    beside.abort();
}

/// As a future does that gives way by waking itself, which its runtime does not tell from work.
#[odeon_sim::test(seeds = 0..3)]
async fn a_scenario_that_wakes_itself_lets_nodes_go_on(world: &mut World) {
    let done = Rc::new(Cell::new(false));
    let is_done = Rc::clone(&done);
    world.node("a", move |_| {
        let done = Rc::clone(&is_done);
        async move {
            tokio::task::yield_now().await;
            done.set(true);
            std::future::pending::<()>().await;
        }
    });
    let mut polls = 0;
    std::future::poll_fn(|cx| {
        polls += 1;
        assert!(polls < 10_000, "the node never had its turn");
        cx.waker().wake_by_ref();
        if done.get() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

/// Each look takes as long as a short turn of a node.
#[odeon_sim::test(seeds = 1)]
async fn the_runtime_looks_for_the_next_moment_once(world: &mut World) {
    let looks = || tokio::runtime::Handle::current().metrics().worker_park_count(0);
    world.node("a", |_| async {
        loop {
            tokio::time::sleep(MS).await;
        }
    });
    let before = looks();
    world.run_for(SECOND).await;
    let looks = looks() - before;
    assert!((1_000..1_020).contains(&looks), "{looks} looks in a thousand moments");
}
