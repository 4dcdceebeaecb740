//! Two programs that run at the same time under one name, as from a machine that was copied: the one that joined later
//! stays, the other one ends by itself and says why, and the cluster has one node of the name.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use odeon::{
    Actor, Ca, Context, Handler, Node, NodeBuilder, Phase, StartError, Validity, actor, message,
};
use odeon_sim::{LinkRule, NODE_PORT, SimEnv, World};

const SECOND: Duration = Duration::from_secs(1);

/// When the wall clock of a world begins.
const BEGIN: Duration = Duration::from_secs(1_900_000_000);

/// The name that two programs have.
const TWIN: &str = "twin";

#[message(id = "twins/Where", reply = String)]
struct Where;

/// Says on which host it is.
#[derive(Clone)]
struct Porter(String);

#[actor(id = "twins/Porter", handles(Where))]
impl Actor for Porter {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Where> for Porter {
    async fn handle(&mut self, _: Where, _: &mut Context<Self>) -> String {
        self.0.clone()
    }
}

/// The authority of all of them, because the world's own gives each host a certificate of the host's name.
#[derive(Clone)]
struct Authority(Rc<Ca>);

impl Authority {
    fn open() -> Self {
        Self(Rc::new(Ca::in_memory("world").expect("the name is valid")))
    }

    fn identify(&self, builder: NodeBuilder, name: &str) -> NodeBuilder {
        let validity = Validity::from(UNIX_EPOCH + BEGIN, 3600 * SECOND);
        builder.identity(self.0.issue(name, validity).expect("the name is valid"))
    }

    /// Two members, which know each other.
    async fn start_two(&self, world: &mut World) {
        for name in ["a", "b"] {
            let authority = self.clone();
            let setup = move |builder: NodeBuilder| authority.identify(builder, name);
            world.start_member(name, setup, async |_| ());
        }
        world.all_joined(&["a", "b"], 10 * SECOND).await.expect("they find each other");
    }

    /// One of the twins on this host, once it has started.
    fn start_twin(&self, world: &mut World, host: &str) -> Twin {
        let (authority, twin) = (self.clone(), Twin::default());
        let slot = twin.clone();
        world.node(host, move |env| {
            let (authority, slot) = (authority.clone(), slot.clone());
            async move { authority.live_as_twin(env, &slot).await.map_err(|error| error.to_string()) }
        });
        twin
    }

    async fn live_as_twin(&self, env: Arc<SimEnv>, slot: &Twin) -> Result<(), odeon::NodeError> {
        let (listen, host) = (SocketAddr::new(env.address(), NODE_PORT), env.name().to_owned());
        let builder = self.identify(Node::builder(TWIN), TWIN).actor::<Porter>().listen(listen);
        let node = builder.seed("a:7400").seed("b:7400").env(env).start_here().await?;
        slot.0.replace(Some(node.clone()));
        let porter = node.spawn(Porter(host)).await.expect("it starts");
        node.register("porter", &porter).expect("the name is free");
        node.ended().await;
        Ok(())
    }
}

/// The node of a host, over its end.
#[derive(Clone, Default)]
struct Twin(Rc<RefCell<Option<Node>>>);

impl Twin {
    fn node(&self) -> Node {
        self.0.borrow().clone().expect("it has started")
    }

    fn is_up(&self) -> bool {
        self.0.borrow().as_ref().is_some_and(|node| node.phase() == Phase::Up)
    }
}

/// Where a member sees nodes of the name.
fn seen_by(world: &World, who: &str) -> Vec<SocketAddr> {
    let node = world.runtime_node(who).expect("it is up");
    let twins = node.members_now().into_iter().filter(|member| member.name == TWIN);
    twins.map(|member| member.addr).collect()
}

/// The later one is the node of this name for everybody, and the earlier one has ended because of it.
async fn the_later_one_stays(world: &World, [early, late]: [&Twin; 2], hosts: [&str; 2]) {
    let stays = SocketAddr::new(world.address(hosts[1]), NODE_PORT);
    let is_seen = || ["a", "b"].iter().all(|who| seen_by(world, who) == [stays]);
    let has_ended = || !world.is_up(hosts[0]);
    world.run_until(|| is_seen() && has_ended(), 60 * SECOND).await.expect("one of two stays");
    assert!(early.node().is_superseded() && !late.node().is_superseded());
    // It does not come back, and nobody is in doubt again.
    world.run_for(30 * SECOND).await;
    assert!(is_seen() && late.is_up() && world.is_up(hosts[1]));
    let a = world.runtime_node("a").expect("it is up");
    let porter = a.on(TWIN).lookup::<Porter>("porter").await.expect("it answers");
    let found = porter.expect("it is registered").ask(Where).await;
    assert_eq!(found.as_deref(), Ok(hosts[1]));
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn of_two_programs_of_one_name_the_earlier_ends(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    let authority = Authority::open();
    authority.start_two(world).await;
    let early = authority.start_twin(world, "early");
    world.run_until(|| early.is_up(), 20 * SECOND).await.expect("it is alone of its name");
    world.run_for(10 * SECOND).await;
    let late = authority.start_twin(world, "late");
    the_later_one_stays(world, [&early, &late], ["early", "late"]).await;
}

/// Each was the node of the name for its side.
#[odeon_sim::test(seeds = 0..5, link = both)]
async fn so_it_does_when_a_partition_has_parted_them(world: &mut World) {
    let authority = Authority::open();
    authority.start_two(world).await;
    let early = authority.start_twin(world, "early");
    world.run_until(|| early.is_up(), 20 * SECOND).await.expect("it is alone of its name");
    let late = authority.start_twin(world, "late");
    world.partition(&["a", "early"], &["b", "late"]);
    world.run_until(|| late.is_up(), 20 * SECOND).await.expect("it is alone on its side");
    world.run_for(20 * SECOND).await;
    assert!(early.is_up() && late.is_up(), "each is the one of its side");
    world.heal();
    the_later_one_stays(world, [&early, &late], ["early", "late"]).await;
}

/// A name that is shared by mistake would otherwise take its own node down again and again: each start ends the life
/// before it, and nothing else.
#[odeon_sim::test(seeds = 0..3, link = both)]
async fn an_earlier_one_that_is_started_again_is_the_later_one(world: &mut World) {
    let authority = Authority::open();
    authority.start_two(world).await;
    let first = authority.start_twin(world, "first");
    world.run_until(|| first.is_up(), 20 * SECOND).await.expect("it is alone of its name");
    let second = authority.start_twin(world, "second");
    the_later_one_stays(world, [&first, &second], ["first", "second"]).await;
    world.restart("first");
    the_later_one_stays(world, [&second, &first], ["second", "first"]).await;
}
