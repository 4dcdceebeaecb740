//! Nodes of the real runtime that find their seeds by names that change, fail, and come late or stale.

use std::{io, time::Duration};

use odeon_env::{Env as _, SrvRecord};
use odeon_sim::{Latency, LookupRule, ResolveError, World};

const SECOND: Duration = Duration::from_secs(1);
const THREE: [&str; 3] = ["a", "b", "c"];
const SEEDS: &str = "seeds.example";

/// Starts nodes that know one name, which is not theirs; the first may found a cluster.
fn start(world: &mut World, names: &[&'static str]) {
    for name in names.iter().copied() {
        let setup = move |node: odeon::NodeBuilder| {
            let node = node.seed(format!("{SEEDS}:7400"));
            if name == "a" { node.alone() } else { node }
        };
        world.start_node(name, setup, async |_| ());
    }
}

async fn together(world: &World) {
    world.all_joined(&THREE, 60 * SECOND).await.expect("they find each other");
}

fn is_alone(world: &World, name: &str) -> bool {
    world.runtime_node(name).is_some_and(|node| node.members_now().is_empty())
}

async fn ask(world: &World, host: &'static str) -> io::Result<Vec<std::net::SocketAddr>> {
    let env = world.env("a").expect("a is up");
    world.run_on("a", async move { env.resolve(host).await }).await.expect("a stays up")
}

#[odeon_sim::test(seeds = 0..5)]
async fn a_name_of_several_hosts_is_enough_to_meet(world: &mut World) {
    start(world, &THREE);
    world.set_record(SEEDS, &THREE).expect("a name");
    together(world).await;
}

#[odeon_sim::test(seeds = 0..5)]
async fn they_meet_when_the_name_comes_to_be(world: &mut World) {
    start(world, &["a", "b"]);
    world.run_for(20 * SECOND).await;
    assert!(is_alone(world, "a") && is_alone(world, "b"), "nobody knows anybody");
    world.set_record(SEEDS, &["a"]).expect("a name");
    world.all_joined(&["a", "b"], 60 * SECOND).await.expect("they find each other");
    world.set_record(SEEDS, &[]).expect("a name");
    start(world, &["c"]);
    world.run_for(20 * SECOND).await;
    assert!(is_alone(world, "c"), "the name is gone");
    world.set_record(SEEDS, &["b"]).expect("a name");
    together(world).await;
}

#[odeon_sim::test(seeds = 0..5)]
async fn they_meet_when_name_servers_answer_again(world: &mut World) {
    world.set_default_lookups(LookupRule::silent());
    start(world, &THREE);
    world.set_record(SEEDS, &THREE).expect("a name");
    world.run_for(20 * SECOND).await;
    world.set_default_lookups(LookupRule::failing());
    world.run_for(20 * SECOND).await;
    assert!(is_alone(world, "b") && is_alone(world, "c"));
    let counts = world.net().counts();
    assert!(counts.lookups_silent > 0 && counts.lookups_failed > 0, "{counts}");
    world.set_default_lookups(LookupRule::default());
    together(world).await;
}

#[odeon_sim::test(seeds = 0..5)]
async fn they_meet_though_names_are_slow_and_often_wrong(world: &mut World) {
    let latency = Latency::LogNormal {
        least: Duration::from_millis(1),
        median: Duration::from_millis(50),
        sigma: 1.5,
        max: 5 * SECOND,
    };
    let rule = LookupRule { latency, failure: 0.3, silence: 0.1, stale: 0.5, time_out: 2 * SECOND };
    world.set_default_lookups(rule);
    start(world, &THREE);
    // Stale answers lead to a host of which nobody says that it is a seed.
    world.node("stranger", async |_| std::future::pending::<()>().await);
    world.set_record(SEEDS, &["stranger"]).expect("a name");
    world.set_record(SEEDS, &THREE).expect("a name");
    together(world).await;
    assert!(world.net().counts().lookups > 0);
}

#[odeon_sim::test(seeds = 0..3)]
async fn what_cannot_be_looked_up_is_an_error_of_its_kind(world: &mut World) {
    start(world, &THREE);
    let error = async |world: &World, asked| {
        let error = ask(world, asked).await.expect_err("it cannot be looked up");
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ResolveError>());
        (error.kind(), inner.expect("it says why").clone())
    };
    let name = || "b".to_owned();
    for given in ["b", "b:", ":7400", "b:port", "b:70000", "10.0.0.1"] {
        let not = ResolveError::NotHostPort { given: given.to_owned() };
        assert_eq!(error(world, given).await, (io::ErrorKind::InvalidInput, not));
    }
    world.set_record("b", &[]).expect("a name");
    let gone = ResolveError::NoSuchName { name: name() };
    assert_eq!(error(world, "b:7400").await, (io::ErrorKind::NotFound, gone));
    world.restore_record("b").expect("a name");
    world.set_lookups("b", Some(LookupRule::silent())).expect("a name");
    let asked = world.now();
    let silent = ResolveError::Silent { name: name() };
    assert_eq!(error(world, "b:7400").await, (io::ErrorKind::TimedOut, silent));
    assert_eq!(world.now() - asked, 10 * SECOND);
    world.set_lookups("b", Some(LookupRule::failing())).expect("a name");
    assert_eq!(error(world, "b:7400").await.1, ResolveError::Failed { name: name() });
    // Others, and addresses in figures, are not touched by it.
    let address = |name| std::net::SocketAddr::new(world.address(name), 7400);
    assert_eq!(ask(world, "c:7400").await.expect("c is there"), [address("c")]);
    assert_eq!(ask(world, "10.0.0.2:7400").await.expect("figures"), [address("b")]);
}

#[odeon_sim::test(seeds = 0..3)]
async fn srv_records_lead_to_hosts_and_their_ports(world: &mut World) {
    start(world, &THREE);
    let name = "_odeon._udp.example";
    let record = |priority, target: &str| SrvRecord {
        priority,
        weight: 5,
        port: 7400,
        target: target.to_owned(),
    };
    world.set_srv(name, &[record(2, "c"), record(1, "b")]).expect("a name");
    let env = world.env("a").expect("a is up");
    let found = world.run_on("a", async move {
        let mut found = Vec::new();
        for SrvRecord { target, port, .. } in env.resolve_srv(name).await? {
            found.extend(env.resolve(&format!("{target}:{port}")).await?);
        }
        Ok::<_, io::Error>(found)
    });
    let found = found.await.expect("a stays up").expect("they are there");
    let address = |name| std::net::SocketAddr::new(world.address(name), 7400);
    assert_eq!(found, [address("b"), address("c")]);
    world.set_srv(name, &[]).expect("a name");
    let env = world.env("a").expect("a is up");
    let gone = world.run_on("a", async move { env.resolve_srv(name).await });
    assert_eq!(gone.await.expect("a stays up").unwrap_err().kind(), io::ErrorKind::NotFound);
}
