//! What becomes of the association of two nodes when one of them comes from another address, holds a connection that the
//! other has lost, was declared dead, or is dialled by more than it answers at once.

use std::time::Duration;

use odeon::{
    AskError, ExitKind, HandshakeFailure, HandshakeMetrics, Node, NodeBuilder, PeerMetrics,
    TransportConfig,
};
use odeon_sim::{Link, LinkRule, World};

use crate::{
    counter::{Counter, Next, counter, counting},
    watcher::{Ends, Watcher},
};

const SECOND: Duration = Duration::from_secs(1);

fn node(world: &World, name: &str) -> Node {
    world.runtime_node(name).expect("it is up")
}

fn peer(world: &World, at: &str, of: &str) -> PeerMetrics {
    node(world, at).network_metrics().of(of).expect("they have met").clone()
}

fn handshakes(world: &World, at: &str) -> HandshakeMetrics {
    node(world, at).network_metrics().handshakes
}

/// Of a and b; b has dialled.
async fn two(world: &mut World, transport: TransportConfig) {
    for name in ["a", "b"] {
        let transport = transport.clone();
        let setup =
            move |builder: NodeBuilder| builder.actor::<Counter>().transport(transport.clone());
        world.start_member(name, setup, counting);
    }
    world.all_joined(&["a", "b"], 10 * SECOND).await.expect("they find each other");
}

/// Asks of b at a while b comes from somewhere else; how many were answered.
async fn asks_over_a_change(world: &mut World) -> u64 {
    let at_a = counter(world, "b", "a").await;
    let mut answered = 0;
    for round in 0..100 {
        if round == 50 {
            world.forget_nat("b");
        }
        answered += u64::from(at_a.ask(Next).within(20 * SECOND).await.is_ok());
        world.run_for(SECOND / 10).await;
    }
    answered
}

#[odeon_sim::test(seeds = 0..5)]
async fn a_peer_that_comes_from_another_address_keeps_its_association(world: &mut World) {
    two(world, TransportConfig::default()).await;
    let before = peer(world, "a", "b").remote_addr.expect("it is connected");
    assert_eq!(asks_over_a_change(world).await, 100);
    let after = peer(world, "a", "b");
    assert_ne!(after.remote_addr, Some(before), "{after}");
    assert_eq!((after.connections, peer(world, "b", "a").connections), (1, 1), "{after}");
    // And the other way: what a sends goes there.
    let at_b = counter(world, "a", "b").await;
    assert_eq!(at_b.ask(Next).await, Ok(0));
}

#[odeon_sim::test(seeds = 0..5)]
async fn without_migration_it_is_lost(world: &mut World) {
    two(world, TransportConfig { migration: false, ..TransportConfig::default() }).await;
    let answered = asks_over_a_change(world).await;
    assert!(
        (50..100).contains(&answered),
        "{answered} were answered, one is lost with its connection"
    );
}

/// One side stands still for longer than a connection bears silence, and not for so long that it is taken for dead: the
/// other dials anew while this one still holds the old connection.
#[odeon_sim::test(seeds = 0..5, link = both)]
async fn a_connection_that_one_side_has_lost_is_replaced(world: &mut World) {
    let (idle_timeout, keep_alive) = (SECOND, SECOND / 4);
    two(world, TransportConfig { idle_timeout, keep_alive, ..TransportConfig::default() }).await;
    let at_b = counter(world, "a", "b").await;
    let watcher = node(world, "a").spawn_with::<Watcher<_>>(at_b.clone()).await.expect("it starts");
    assert_eq!(at_b.ask(Next).await, Ok(0));
    let life = peer(world, "a", "b").id;
    world.pause("b");
    world.run_for(SECOND * 17 / 10).await;
    assert!(peer(world, "a", "b").up_for.is_none(), "a has lost it");
    world.resume("b");
    world.run_for(SECOND / 20).await;
    let mut answered = None;
    for _ in 0..50 {
        answered = at_b.ask(Next).within(SECOND).await.ok();
        if answered.is_some() {
            break;
        }
        world.run_for(SECOND / 10).await;
    }
    assert!(answered >= Some(1), "the same actor, in the same life: {answered:?}");
    let (of_b, of_a) = (peer(world, "a", "b"), peer(world, "b", "a"));
    assert_eq!(of_b.id, life, "{of_b}");
    assert!(of_b.connections >= 2 && of_a.connections == of_b.connections, "{of_b}{of_a}");
    assert_eq!(watcher.ask(Ends).await, Ok(Vec::new()), "nobody has ended");
}

/// Neither hears the other for longer than a connection bears silence, so both dial, and at once when they can.
#[odeon_sim::test(seeds = 0..20, link = both)]
async fn two_that_dial_each_other_at_once_have_one_association(world: &mut World) {
    let (idle_timeout, keep_alive) = (SECOND, SECOND / 4);
    let backoff_max = SECOND / 10;
    let transport =
        TransportConfig { idle_timeout, keep_alive, backoff_max, ..TransportConfig::default() };
    two(world, transport).await;
    for round in 1..4 {
        world.cut("a", "b");
        world.cut("b", "a");
        world.run_for(SECOND * 3 / 2).await;
        let is_lost = |at, of| peer(world, at, of).up_for.is_none();
        assert!(is_lost("a", "b") && is_lost("b", "a"), "both have lost it");
        world.mend("a", "b");
        world.mend("b", "a");
        world.run_for(4 * SECOND).await;
        let (of_b, of_a) = (peer(world, "a", "b"), peer(world, "b", "a"));
        assert_eq!((of_b.connections, of_a.connections), (1 + round, 1 + round), "{of_b}{of_a}");
        assert!(of_b.up_for.is_some() && of_a.up_for.is_some(), "{of_b}{of_a}");
    }
    assert_eq!(counter(world, "a", "b").await.ask(Next).await, Ok(0), "the same life");
}

/// One that stands still for longer is declared dead: its life is over for the others, it is told so, and comes back in a
/// later one.
#[odeon_sim::test(seeds = 0..5, link = both)]
async fn a_quarantined_life_is_refused_told_and_followed_by_another(world: &mut World) {
    two(world, TransportConfig::default()).await;
    let at_b = counter(world, "a", "b").await;
    let watcher = node(world, "a").spawn_with::<Watcher<_>>(at_b.clone()).await.expect("it starts");
    let life = peer(world, "a", "b").id;
    world.pause("b");
    world.run_for(30 * SECOND).await;
    assert!(node(world, "a").members_now().iter().all(|member| member.name != "b"), "it is dead");
    assert_eq!(watcher.ask(Ends).await, Ok(vec![ExitKind::NodeLost]));
    world.resume("b");
    let back = world.run_until(
        || {
            let a = world.runtime_node("a");
            let is_back = |node: Node| node.members_now().iter().any(|member| member.name == "b");
            a.is_some_and(is_back)
        },
        30 * SECOND,
    );
    back.await.expect("it comes back");
    let after = peer(world, "a", "b").id;
    assert!(after.node == life.node && after.incarnation > life.incarnation, "{life} and {after}");
    // The old life was refused, by one side or the other, and stays out.
    let gone = |at| {
        let HandshakeMetrics { inbound, outbound, .. } = handshakes(world, at);
        inbound.iter().chain(&outbound).any(|(why, _)| *why == HandshakeFailure::Gone)
    };
    assert!(gone("a") || gone("b"), "{} {}", handshakes(world, "a"), handshakes(world, "b"));
    let error = at_b.ask(Next).within(5 * SECOND).await.expect_err("that life is over");
    assert!(matches!(error, AskError::Unreachable(_)), "{error}");
    assert_eq!(watcher.ask(Ends).await, Ok(vec![ExitKind::NodeLost]), "it is told once");
    assert!(counter(world, "a", "b").await.ask(Next).await.is_ok(), "the new one answers");
}

const MANY: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

/// All dial the first at once.
async fn many(world: &mut World, transport: TransportConfig) -> HandshakeMetrics {
    for name in MANY {
        let transport = transport.clone();
        let setup = move |builder: NodeBuilder| builder.transport(transport.clone());
        world.start_member(name, setup, async |_| ());
    }
    world.all_joined(&MANY, 60 * SECOND).await.expect("they come again until they are in");
    let handshakes = handshakes(world, "a");
    assert_eq!(handshakes.answering, 0, "{handshakes}");
    handshakes
}

/// Under load, which is here three handshakes at a time, diallers are asked to prove their addresses.
#[odeon_sim::test(seeds = 0..4, link = both)]
async fn under_load_diallers_prove_their_addresses_and_come_in(world: &mut World) {
    let strict = TransportConfig { handshakes_unproven_max: 2, ..TransportConfig::default() };
    let handshakes = many(world, strict).await;
    // The frames of a simulation have no packets in which an address could be forged.
    assert_eq!(handshakes.retried > 0, world.link() == Link::Quic, "{handshakes}");
    assert_eq!(handshakes.shed, 0, "{handshakes}");
}

#[odeon_sim::test(seeds = 0..4, link = both)]
async fn more_handshakes_than_are_answered_at_once_are_refused_and_come_again(world: &mut World) {
    let strict = TransportConfig {
        handshakes_max: 2,
        handshakes_ip_max: 2,
        handshakes_unproven_max: 2,
        ..TransportConfig::default()
    };
    let handshakes = many(world, strict).await;
    assert!(handshakes.shed > 0, "{handshakes}");
}

/// Whoever hears of many dials two of them at a time, and meets them all, also after a partition.
#[odeon_sim::test(seeds = 0..2, link = both)]
async fn who_knows_many_dials_few_of_them_at_a_time(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    let few = TransportConfig { dials_max: 2, ..TransportConfig::default() };
    many(world, few).await;
    let (one, other) = MANY.split_at(6);
    world.partition(one, other);
    world.run_for(20 * SECOND).await;
    world.crash("l");
    world.heal();
    world.run_for(SECOND).await;
    world.restart("l");
    world.all_joined(&MANY, 120 * SECOND).await.expect("they find each other again");
    let have_met = |world: &World| {
        let peers = |name| world.runtime_node(name).map(|node| node.network_metrics().peers);
        MANY.into_iter().all(|name| {
            peers(name).is_some_and(|peers| {
                peers.iter().filter(|peer| peer.connections > 0).count() == MANY.len() - 1
            })
        })
    };
    world.run_until(|| have_met(world), 120 * SECOND).await.expect("each has met each");
    let handshakes = MANY.map(|name| handshakes(world, name));
    assert!(handshakes.iter().all(|one| one.dialling_most <= 2), "{handshakes:?}");
    assert!(handshakes.iter().any(|one| one.dials_waited > 0), "{handshakes:?}");
}
