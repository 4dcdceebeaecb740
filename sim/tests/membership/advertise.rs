//! Nodes behind translated addresses: each listens where nobody else reaches it, and says with `advertise` where they do.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    future::poll_fn,
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use odeon::{Actor, Context, Handler, JoinConfig, Node, NodeBuilder, StartError, actor, message};
use odeon_env::{
    DatagramSocket, Env as _,
    udp::{RecvMeta, Transmit},
};
use odeon_sim::{NODE_PORT, SimEnv, World};
use tokio::task::JoinSet;

const SECOND: Duration = Duration::from_secs(1);
const NAMES: [&str; 3] = ["a", "b", "c"];

/// Where the translator takes what is for the first of them; the next ones have the ports after it.
const PORT: u16 = 9_000;

#[message(id = "advertise/Who", reply = String)]
struct Who;

#[derive(Clone)]
struct Clerk(String);

#[actor(id = "advertise/Clerk", handles(Who))]
impl Actor for Clerk {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Who> for Clerk {
    async fn handle(&mut self, _: Who, _: &mut Context<Self>) -> String {
        self.0.clone()
    }
}

async fn receive(socket: &dyn DatagramSocket) -> io::Result<(SocketAddr, Vec<Vec<u8>>)> {
    let (mut buffer, mut metas) = (vec![0; 65_536], [RecvMeta::default()]);
    poll_fn(|cx| socket.poll_recv(cx, &mut [IoSliceMut::new(&mut buffer)], &mut metas)).await?;
    let [meta] = metas;
    let datagrams = buffer[..meta.len].chunks(meta.stride.max(1)).map(<[u8]>::to_vec);
    Ok((meta.addr, datagrams.collect()))
}

fn send(socket: &dyn DatagramSocket, destination: SocketAddr, datagrams: &[Vec<u8>]) {
    for contents in datagrams {
        let transmit =
            Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None };
        // Lost as any packet may be.
        let _ = socket.try_send(&transmit);
    }
}

/// Passes on what comes to a port of the translator, each sender from a port of its own, and the answers back.
async fn forward(env: Arc<SimEnv>, port: u16, to: SocketAddr) -> io::Result<()> {
    let outer = env.bind(SocketAddr::new(env.address(), port))?;
    let mut ways = BTreeMap::<SocketAddr, Arc<dyn DatagramSocket>>::new();
    let mut back = JoinSet::new();
    loop {
        let (from, datagrams) = receive(&*outer).await?;
        if let Entry::Vacant(way) = ways.entry(from) {
            let inner = env.bind(SocketAddr::new(env.address(), 0))?;
            way.insert(Arc::clone(&inner));
            let outer = Arc::clone(&outer);
            back.spawn_local(async move {
                while let Ok((_, datagrams)) = receive(&*inner).await {
                    send(&*outer, from, &datagrams);
                }
            });
        }
        send(&*ways[&from], to, &datagrams);
    }
}

async fn serve(node: Node) {
    let clerk = node.spawn(Clerk(node.name().to_owned())).await.expect("it starts");
    node.register("clerk", &clerk).expect("the name is free");
}

/// Three nodes that cannot reach each other but by a translator.
fn behind(world: &mut World) {
    world.node("translator", |_| std::future::pending::<()>());
    let outside = world.address("translator");
    for (name, port) in NAMES.into_iter().zip(PORT..) {
        let seeds = (PORT..PORT + 3).map(|port| format!("translator:{port}")).collect();
        let join = JoinConfig { seeds, bootstrap_expect: 3, ..JoinConfig::default() };
        let setup = move |node: NodeBuilder| {
            let node = node.actor::<Clerk>().join(join.clone());
            let addr = SocketAddr::new(outside, port);
            node.advertise(addr)
        };
        world.start_node(name, setup, serve);
    }
    world.partition(&["a"], &["b", "c"]);
    world.partition(&["b"], &["c"]);
    for (name, port) in NAMES.into_iter().zip(PORT..) {
        let to = SocketAddr::new(world.address(name), NODE_PORT);
        translate(world, port, to);
    }
}

/// On the translator, until its life is over.
fn translate(world: &World, port: u16, to: SocketAddr) {
    let env = world.env("translator").expect("it is up");
    drop(world.start_on("translator", forward(env, port, to)));
}

#[odeon_sim::test(seeds = 0..3, link = quic)]
async fn nodes_behind_translated_addresses_are_one_cluster(world: &mut World) {
    behind(world);
    world.all_joined(&NAMES, 30 * SECOND).await.expect("they say where they are");
    for from in NAMES {
        let node = world.runtime_node(from).expect("it is up");
        for to in NAMES.into_iter().filter(|to| *to != from) {
            let clerk = node.on(to).lookup::<Clerk>("clerk").await.expect("it answers");
            assert_eq!(clerk.expect("it is registered").ask(Who).await.as_deref(), Ok(to));
        }
        assert!(node.members_now().iter().all(|it| it.addr.port() >= PORT), "where it is reached");
    }
    // All sessions of the translator are forgotten: each way has another port from now on.
    world.restart("translator");
    for (name, port) in NAMES.into_iter().zip(PORT..) {
        translate(world, port, SocketAddr::new(world.address(name), NODE_PORT));
    }
    world.run_for(30 * SECOND).await;
    world.all_joined(&NAMES, 60 * SECOND).await.expect("they find each other by the new ports");
    let node = world.runtime_node("a").expect("it is up");
    let clerk = node.on("c").lookup::<Clerk>("clerk").await.expect("it answers");
    assert_eq!(clerk.expect("it is registered").ask(Who).await.as_deref(), Ok("c"));
}
