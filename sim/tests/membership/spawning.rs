//! Actors that are started on other nodes: they run where they should, are started again by their supervisor there, and
//! whoever watches them is told when they end or are lost with their node.

use std::{collections::BTreeSet, time::Duration};

use odeon::{
    Actor, ActorRef, Context, DynamicSpec, ExitKind, Handler, NodeBuilder, Profile, Restart,
    SpawnError, SpawnPlace, StartError, SystemConfig, Terminated, actor, message,
};
use odeon_sim::World;

use crate::nodes::node;

const SECOND: Duration = Duration::from_secs(1);
const NAMES: [&str; 3] = ["a", "b", "c"];

#[message(id = "spawning/Where", reply = (String, u64))]
struct Where;

#[message(id = "spawning/Panic")]
struct Panic;

#[message(id = "spawning/End")]
struct End;

/// Knows what it was started from, and how often.
struct Job {
    title: String,
    starts: u64,
}

#[actor(id = "spawning/Job", handles(Where, Panic, End))]
impl Actor for Job {
    type Args = String;

    async fn start(title: String, ctx: &mut Context<Self>) -> Result<Self, StartError> {
        if title == "refused" {
            return Err(StartError::new("there is no such job"));
        }
        Ok(Self { title, starts: u64::from(ctx.restarts()) + 1 })
    }
}

impl Handler<Where> for Job {
    async fn handle(&mut self, _: Where, _: &mut Context<Self>) -> (String, u64) {
        (self.title.clone(), self.starts)
    }
}

impl Handler<Panic> for Job {
    async fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("as it was told");
    }
}

impl Handler<End> for Job {
    async fn handle(&mut self, _: End, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

/// Watches one actor and passes its end on.
struct Watcher {
    ended: tokio::sync::mpsc::Sender<ExitKind>,
}

impl Actor for Watcher {
    type Args = (ActorRef<Job>, tokio::sync::mpsc::Sender<ExitKind>);

    async fn start((of, ended): Self::Args, ctx: &mut Context<Self>) -> Result<Self, StartError> {
        ctx.watch(&of);
        Ok(Self { ended })
    }

    async fn terminated(&mut self, terminated: Terminated, _: &mut Context<Self>) {
        let _ = self.ended.try_send(terminated.reason.kind());
    }
}

/// Three nodes, of which b and c start jobs for others.
async fn cluster(world: &mut World) {
    world.start_member("a", NodeBuilder::actor::<Job>, async |_| ());
    for name in ["b", "c"] {
        let spec = || DynamicSpec::<Job>::new().restart(Restart::Transient).intensity(5, SECOND);
        world.start_member(name, move |builder| builder.spawnable(spec()), async |_| ());
    }
    world.all_joined(&NAMES, 20 * SECOND).await.expect("they find each other");
    // Until each has heard what the others start.
    let knows = |at: &&str| {
        let known = node(world, at).cluster().spawns_on::<Job>();
        ["b", "c"].iter().all(|name| known.iter().any(|known| known == name))
    };
    let known = world.run_until(|| NAMES.iter().all(knows), 20 * SECOND).await;
    known.expect("all hear of it");
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn an_actor_starts_where_it_should_and_is_started_again_there(world: &mut World) {
    world.expect_panics("spawning.rs", "as it was told");
    cluster(world).await;
    let a = node(world, "a");
    let place = SpawnPlace::node("b");
    let job = a.cluster().spawn_on::<Job>(place, "one".into()).await.expect("b starts it");
    assert_eq!(job.address().expect("it is remote").node, node(world, "b").id());
    assert_eq!(job.ask(Where).await.expect("it answers"), ("one".into(), 1));
    job.tell(Panic).await.expect("there is room");
    assert_eq!(job.ask(Where).await.expect("it answers"), ("one".into(), 2), "from the same args");
    let mut nodes = BTreeSet::new();
    for _ in 0..4 {
        let any = a.cluster().spawn_on::<Job>(SpawnPlace::Any, "any".into()).await;
        nodes.insert(any.expect("one of them starts it").address().expect("it is remote").node);
    }
    assert_eq!(nodes, ["b", "c"].map(|name| node(world, name).id()).into());
    for key in 0..5 {
        let mut owners = BTreeSet::new();
        for from in NAMES {
            let place = SpawnPlace::Key(key);
            let cluster = node(world, from).cluster();
            let job = cluster.spawn_on::<Job>(place, "keyed".into()).await.expect("it is started");
            owners.insert(job.address().expect("it is reachable").node);
        }
        assert_eq!(owners.len(), 1, "the same from everywhere");
    }
}

/// The zone of a host is that of its node: it was known to the faults alone.
#[odeon_sim::test(seeds = 0..3, link = both)]
async fn an_actor_starts_in_the_zone_where_the_world_has_put_a_host(world: &mut World) {
    world.set_zone("b", "east");
    world.set_zone("c", "west");
    cluster(world).await;
    let (a, c) = (node(world, "a"), node(world, "c"));
    let heard = || a.members_now().iter().all(|member| !member.profile.zone.is_empty());
    world.run_until(heard, 10 * SECOND).await.expect("a hears where they are");
    for _ in 0..3 {
        let job = a.cluster().spawn_on::<Job>(SpawnPlace::zone("west"), "job".into()).await;
        assert_eq!(job.expect("it starts").address().expect("it is remote").node, c.id());
    }
    assert_eq!((world.zone("a"), world.zone("c")), (None, Some("west")));
    assert_eq!(world.names_in_zone("east"), ["b"]);
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn an_actor_starts_where_nodes_say_that_they_fit(world: &mut World) {
    cluster(world).await;
    let says = |name: &str, zone: &str, role: &str, load| {
        let (zone, roles) = (zone.to_owned(), vec![role.to_owned()]);
        let profile = Profile { zone, roles, load, ..Profile::default() };
        node(world, name).describe(profile).expect("it is short");
    };
    says("b", "east", "ingest", 700);
    says("c", "west", "report", 300);
    let a = node(world, "a");
    let heard = || {
        let members = a.members_now();
        members.len() == 2 && members.iter().all(|member| member.profile.load > 0)
    };
    world.run_until(heard, 10 * SECOND).await.expect("a hears what they say");
    let started_on = async |place| {
        let job = a.cluster().spawn_on::<Job>(place, "job".into()).await.expect("it starts");
        job.address().expect("it is remote").node
    };
    let (b, c) = (node(world, "b"), node(world, "c"));
    for _ in 0..2 {
        assert_eq!(started_on(SpawnPlace::role("ingest")).await, b.id());
        assert_eq!(started_on(SpawnPlace::zone("west")).await, c.id());
        assert_eq!(started_on(SpawnPlace::LeastLoaded).await, c.id());
    }
    let nowhere = a.cluster().spawn_on::<Job>(SpawnPlace::role("nothing"), "job".into()).await;
    let place = SpawnPlace::role("nothing").to_string();
    let expected = SpawnError::Nowhere { actor_type: "spawning/Job", place };
    assert_eq!(nowhere.expect_err("no node has that role"), expected);
    // Who is about to leave is asked for nothing new.
    let stopping = c.clone();
    let leaving = tokio::task::spawn_local(async move { stopping.drain(20 * SECOND).await });
    let leaves = || a.members_now().iter().all(|member| member.node != c.id() || member.leaving);
    world.run_until(leaves, 10 * SECOND).await.expect("a hears of it");
    assert_eq!(started_on(SpawnPlace::LeastLoaded).await, b.id());
    leaving.await.expect("it does not panic");
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn who_watches_a_spawned_actor_is_told_of_its_end(world: &mut World) {
    cluster(world).await;
    let a = node(world, "a");
    let (ended, mut ends) = tokio::sync::mpsc::channel(8);
    for name in ["b", "c"] {
        let place = SpawnPlace::node(name);
        let job = a.cluster().spawn_on::<Job>(place, name.into()).await.expect("it starts");
        let watcher = a.spawn_with::<Watcher>((job.clone(), ended.clone())).await;
        watcher.expect("it starts");
        // Behind the watch.
        world.run_for(SECOND).await;
        if name == "b" {
            job.tell(End).await.expect("there is room");
            assert_eq!(ends.recv().await, Some(ExitKind::Stopped));
        } else {
            world.crash("c");
            assert_eq!(ends.recv().await, Some(ExitKind::NodeLost));
        }
    }
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn what_cannot_be_started_says_why(world: &mut World) {
    cluster(world).await;
    let a = node(world, "a");
    let refused = a.cluster().spawn_on::<Job>(SpawnPlace::node("b"), "refused".into()).await;
    let refused = refused.expect_err("it does not start").to_string();
    assert!(refused.contains("did not start on b") && refused.contains("no such job"), "{refused}");
    for place in ["a", "nobody"] {
        let nowhere = a.cluster().spawn_on::<Job>(SpawnPlace::node(place), "one".into()).await;
        let actor_type = "spawning/Job";
        let expected = SpawnError::Nowhere { actor_type, place: place.into() };
        assert_eq!(nowhere.expect_err("it is not started there"), expected);
    }
    assert!(a.cluster().groups().is_empty(), "the nodes' own groups are left out");
    let c = node(world, "c");
    let draining = tokio::task::spawn_local(async move { c.drain(30 * SECOND).await });
    let leaves = || a.members_now().iter().any(|it| it.name == "c" && it.leaving);
    // It has nothing to finish, and may be gone before that is known.
    let is_gone = || !a.members_now().iter().any(|it| it.name == "c");
    world.run_until(|| leaves() || is_gone(), 10 * SECOND).await.expect("a sees that c leaves");
    let still_there = leaves();
    let leaving = a.cluster().spawn_on::<Job>(SpawnPlace::node("c"), "one".into()).await;
    let leaving = leaving.expect_err("it takes nothing new").to_string();
    let is_said = leaving.contains("about to leave (c)");
    assert!(is_said || !still_there, "the remedy is no declaration: {leaving}");
    draining.await.expect("no panic");
    world.crash("b");
    let lost = a.cluster().spawn_on::<Job>(SpawnPlace::node("b"), "one".into()).await;
    lost.expect_err("b is gone");
}

/// Where an actor cannot be given an address it lived on, and nobody could ever find it.
#[odeon_sim::test(seeds = 0..3, link = both)]
async fn an_actor_that_nobody_could_reach_is_ended_again(world: &mut World) {
    world.start_member("a", NodeBuilder::actor::<Job>, async |_| ());
    let narrow = |builder: NodeBuilder| {
        let mut system = SystemConfig::default();
        system.exported_max = 8;
        builder.system(system).spawnable(DynamicSpec::<Job>::new().restart(Restart::Permanent))
    };
    world.start_member("b", narrow, async |_| ());
    world.all_joined(&["a", "b"], 20 * SECOND).await.expect("they find each other");
    let [a, b] = ["a", "b"].map(|name| node(world, name));
    let knows = || a.cluster().spawns_on::<Job>() == ["b"];
    world.run_until(knows, 20 * SECOND).await.expect("a hears of it");
    let cluster = a.cluster();
    let start = || cluster.spawn_on::<Job>(SpawnPlace::node("b"), "one".into());
    let mut jobs = Vec::new();
    let refused = loop {
        match start().await {
            Ok(job) => jobs.push(job),
            Err(refused) => break refused.to_string(),
        }
        assert!(jobs.len() < 8, "the table has eight places");
    };
    assert!(!jobs.is_empty() && refused.contains("did not start on b"), "{refused}");
    let before = b.stats().live_actors;
    for _ in 0..5 {
        start().await.expect_err("there is no place");
    }
    world.run_for(5 * SECOND).await;
    assert_eq!(b.stats().live_actors, before, "what was started was ended");
    assert_eq!(jobs[0].ask(Where).await.expect("it lives"), ("one".into(), 1));
}
