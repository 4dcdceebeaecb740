//! Who is not of the cluster does not get in, on either link: what a certificate shows decides, also where no TLS runs.

use std::time::{Duration, UNIX_EPOCH};

use odeon::{Ca, HandshakeFailure, Identity, NodeBuilder, Phase, TransportConfig, Validity};
use odeon_sim::{Link, World};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// When the wall clock of a world begins.
const BEGIN: Duration = Duration::from_secs(1_900_000_000);

fn foreign(cluster: &str) -> Identity {
    let authority = Ca::in_memory(cluster).expect("the name is valid");
    let validity = Validity::from(UNIX_EPOCH + BEGIN, 3600 * SECOND);
    authority.issue("stranger", validity).expect("the name is valid")
}

async fn stays_outside(world: &mut World, identity: Identity) {
    for name in ["a", "b"] {
        world.start_member(name, |node| node, async |_| ());
    }
    let strange = move |node: NodeBuilder| node.identity(identity.clone());
    world.start_member("stranger", strange, async |_| ());
    world.all_joined(&["a", "b"], 10 * SECOND).await.expect("the two are of one cluster");
    world.run_for(20 * SECOND).await;
    for name in ["a", "b"] {
        let node = world.runtime_node(name).expect("it is up");
        let members = node.members_now();
        assert!(members.iter().all(|member| member.name != "stranger"), "{members:?}");
    }
    let stranger = world.runtime_node("stranger").expect("it is up");
    assert!(stranger.members_now().iter().all(|member| member.name == "stranger"));
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn a_node_of_another_authority_stays_outside(world: &mut World) {
    // The world's own authority has the same name.
    stays_outside(world, foreign("world")).await;
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn a_node_of_another_cluster_stays_outside(world: &mut World) {
    stays_outside(world, foreign("elsewhere")).await;
}

/// As under load, but from the first dial on: whoever dials must show first that it receives at its address.
#[odeon_sim::test(seeds = 0..5, link = both)]
async fn a_cluster_forms_where_every_dialler_is_asked_to_prove_its_address(world: &mut World) {
    let names = ["a", "b", "c"];
    let strict = |builder: NodeBuilder| {
        let transport = TransportConfig { handshakes_unproven_max: 0, ..Default::default() };
        builder.transport(transport)
    };
    for name in names {
        world.start_member(name, strict, async |_| ());
    }
    world.all_joined(&names, 20 * SECOND).await.expect("they prove their addresses");
    let handshakes = names.map(|name| {
        let node = world.runtime_node(name).expect("it is up");
        node.network_metrics().handshakes
    });
    // The frames of a simulation have no packets in which an address could be forged.
    let is_asked = handshakes.iter().any(|handshakes| handshakes.retried > 0);
    assert_eq!(is_asked, world.link() == Link::Quic, "{handshakes:?}");
    assert!(handshakes.iter().all(|handshakes| handshakes.shed == 0), "{handshakes:?}");
}

/// Who is of the cluster, and finds no room, is told so, harms nobody, and comes in when there is some.
#[odeon_sim::test(seeds = 0..3, link = both)]
async fn one_more_peer_than_there_is_room_for_waits_outside(world: &mut World) {
    let tight = |builder: NodeBuilder| {
        builder.transport(TransportConfig { peers_max: 1, ..Default::default() })
    };
    world.start_member("a", tight, async |_| ());
    world.start_member("b", |builder| builder, async |_| ());
    world.all_joined(&["a", "b"], 10 * SECOND).await.expect("there is room for one");
    world.start_member("c", |builder| builder, async |_| ());
    world.run_for(20 * SECOND).await;
    let node = |world: &World, name| world.runtime_node(name).expect("it is up");
    assert_eq!(node(world, "c").phase(), Phase::Joining);
    let of_a = node(world, "a").network_metrics();
    for counted in
        [&of_a.handshakes.inbound, &node(world, "c").network_metrics().handshakes.outbound]
    {
        let is_counted = |(why, count): &_| (*why, *count > 0) == (HandshakeFailure::Busy, true);
        assert!(counted.iter().any(is_counted), "{counted:?}");
    }
    let b = of_a.of("b").expect("it is up");
    assert!((of_a.peers.len(), b.connections) == (1, 1) && b.up_for.is_some(), "{of_a}");
    node(world, "b").stop(SECOND).await;
    world.all_joined(&["a", "c"], 30 * SECOND).await.expect("there is room again");
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn a_node_whose_clock_is_days_behind_is_refused_until_it_is_set(world: &mut World) {
    // Certificates that are older than what the clock is wrong by, so that they do not say it first.
    let authority = Ca::in_memory("world").expect("the name is valid");
    let validity = Validity::from(UNIX_EPOCH + BEGIN - 10 * DAY, 1000 * DAY);
    for name in ["a", "b"] {
        let identity = authority.issue(name, validity).expect("the name is valid");
        world.start_member(name, move |node| node.identity(identity.clone()), async |_| ());
    }
    world.set_skew_ns("b", -2 * 86_400 * 1_000_000_000);
    world.run_for(10 * SECOND).await;
    let node = |world: &World, name| world.runtime_node(name).expect("it is up");
    assert!(node(world, "b").members_now().is_empty(), "it is refused");
    assert_eq!(node(world, "b").phase(), Phase::Joining);
    let of_a = node(world, "a").network_metrics().handshakes.inbound;
    let of_b = node(world, "b").network_metrics().handshakes.outbound;
    for counted in [of_a, of_b] {
        let is_counted = |(why, count): &_| (*why, *count > 0) == (HandshakeFailure::Clock, true);
        assert!(counted.iter().any(is_counted), "{counted:?}");
    }
    world.set_skew_ns("b", 0);
    world.all_joined(&["a", "b"], 30 * SECOND).await.expect("its clock is right");
}
