//! What a world's nodes leave behind: nothing, or the seed fails and says what, where.

use std::{cell::RefCell, net::SocketAddr, sync::Arc, time::Duration};

use odeon::{
    Actor, ActorRef, Context, Handler, NodeBuilder, StartError, View, ViewHandler, actor,
    env::{DatagramSocket, Env as _},
    message,
};
use odeon_check::NoLeaks;
use odeon_sim::World;

const SECOND: Duration = Duration::from_secs(1);

thread_local! {
    static SOCKET: RefCell<Option<Arc<dyn DatagramSocket>>> = const { RefCell::new(None) };
    static IDLER: RefCell<Option<ActorRef<Idler>>> = const { RefCell::new(None) };
}

#[derive(Clone)]
struct Idler;

impl Actor for Idler {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

fn any_port() -> SocketAddr {
    "0.0.0.0:0".parse().expect("it is an address")
}

#[odeon_sim::test(seeds = 0..2, fails = "no leaks: b has 1 sockets more than in the beginning")]
async fn a_socket_that_outlives_its_node_fails_the_seed(world: &mut World) {
    world.check_leaks();
    world.node("a", async |env| drop(env.bind(any_port())));
    world.node("b", async |env| {
        SOCKET.set(env.bind(any_port()).ok());
        std::future::pending::<()>().await;
    });
    world.run_for(SECOND).await;
    world.crash("b");
}

#[odeon_sim::test(seeds = 0..2, fails = "of a has 1 cells more than in the beginning")]
async fn an_actor_that_outlives_its_node_fails_the_seed(world: &mut World) {
    world.check_leaks();
    world.start_node("a", NodeBuilder::alone, async |node| {
        IDLER.set(node.spawn(Idler).await.ok());
    });
    world.run_for(SECOND).await;
}

#[odeon_sim::test(seeds = 0..2, fails = "no leaks: a has 3 actors more than in the beginning")]
async fn actors_that_stay_are_found_while_their_node_runs(world: &mut World) {
    world.start_node("a", NodeBuilder::alone, async |_| ());
    world.joined("a", SECOND).await.expect("it starts");
    let node = world.runtime_node("a").expect("it is up");
    world.count();
    for _ in 0..3 {
        node.spawn(Idler).await.expect("it starts");
    }
    world.count();
    world.check(&NoLeaks::new());
}

#[odeon_sim::test(seeds = 0..5)]
async fn nodes_that_crash_exit_and_run_to_the_end_leave_nothing(world: &mut World) {
    world.check_leaks();
    for name in ["a", "b", "c"] {
        world.start_member(
            name,
            |builder| builder,
            async |node| node.spawn(Idler).await.map(drop).map_err(|error| error.to_string()),
        );
    }
    world.all_joined(&["a", "b", "c"], 10 * SECOND).await.expect("they find each other");
    world.crash("b");
    world.run_for(SECOND).await;
    world.restart("b");
    world.all_joined(&["a", "b", "c"], 10 * SECOND).await.expect("b comes back");
    world.runtime_node("c").expect("it is up").stop(SECOND).await;
}

#[message(id = "leaks/Line")]
struct Line {
    text: String,
}

/// Keeps the first view it gets, if it is greedy, and never lets it go.
struct Keeper {
    is_greedy: bool,
    kept: Option<View<Line>>,
}

#[actor(id = "leaks/Keeper", views(Line))]
impl Actor for Keeper {
    type Args = bool;

    async fn start(is_greedy: bool, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { is_greedy, kept: None })
    }
}

impl Handler<Line> for Keeper {
    async fn handle(&mut self, _: Line, _: &mut Context<Self>) {}
}

impl ViewHandler<Line> for Keeper {
    async fn view(&mut self, line: View<Line>, _: &mut Context<Self>) {
        assert_eq!(line.text.as_str(), "la la");
        if self.is_greedy && self.kept.is_none() {
            self.kept = Some(line);
        }
    }
}

/// Tells a keeper on another node so many lines, one after the other, and counts before and after.
async fn tell(world: &mut World, lines: u32, is_greedy: bool) {
    world.start_member("a", |builder| builder, async |_| ());
    world.start_member("b", NodeBuilder::actor::<Keeper>, move |node| async move {
        let keeper = node.spawn_with::<Keeper>(is_greedy).await.expect("it starts");
        node.register("keeper", &keeper).expect("the name is free");
    });
    world.all_joined(&["a", "b"], 10 * SECOND).await.expect("they find each other");
    let a = world.runtime_node("a").expect("it is up");
    let keeper = a.on("b").lookup::<Keeper>("keeper").await.expect("b answers");
    let keeper = keeper.expect("it is there");
    world.run_for(SECOND).await;
    world.count();
    for _ in 0..lines {
        keeper.tell(Line { text: "la la".into() }).await.expect("there is room");
        world.run_for(SECOND).await;
    }
    world.count();
    world.check(&NoLeaks::new());
}

#[odeon_sim::test(seeds = 0..2, link = both, fails = "bytes of slabs more than in the beginning")]
async fn a_view_that_is_kept_is_found_by_the_memory_it_keeps(world: &mut World) {
    tell(world, 5, true).await;
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn views_that_are_let_go_keep_nothing(world: &mut World) {
    tell(world, 5, false).await;
}

/// Of a QUIC lane its slab is the one at hand, memory that is there without it: the credit that it holds shows it.
#[odeon_sim::test(seeds = 0..2, link = quic, fails = "b has 1 held messages more than in the beginning")]
async fn a_view_that_is_kept_is_found_though_nothing_comes_behind_it(world: &mut World) {
    tell(world, 1, true).await;
}
