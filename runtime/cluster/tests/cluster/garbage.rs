//! Bytes that are no packets, and packets that are not what they say.

use std::time::Duration;

use bytes::Bytes;
use odeon_cluster::{Effect, Event, MembershipConfig};
use odeon_message::NodeId;
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

use crate::world::{World, secs};

#[test]
fn garbage_is_refused_and_changes_nothing() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut world = World::settled(1, 3);
    let from = world.me("n1").node;
    for round in 0..20_000_u64 {
        let mut bytes: Vec<u8> = (0..rng.random_range(0..1_400)).map(|_| rng.random()).collect();
        if let [version, kind, ..] = &mut bytes[..] {
            // Most of it gets past the first bytes.
            (*version, *kind) = (1, (round % 40) as u8);
        }
        world.give("n0", Event::Datagram { from, bytes: bytes.into() });
    }
    assert_eq!(world.nodes["n0"].membership.stats().datagrams_refused, 20_000);
    world.run(secs(10));
    assert!(world.is_whole());
    assert_eq!(world.deaths(), []);
}

/// The packets of a small cluster in its first seconds.
fn packets() -> Vec<(NodeId, Bytes)> {
    let mut world = World::new(2, MembershipConfig::lan(2));
    world.start("n0", 1);
    world.start("n1", 1);
    let (a, b) = (world.me("n0"), world.me("n1"));
    let nodes = [("n0", a.node, b.clone()), ("n1", b.node, a)];
    let mut machines = nodes.map(|(name, node, other)| (world.take(name), node, other));
    let mut packets = Vec::new();
    let mut now = Duration::ZERO;
    let mut given: Vec<Vec<Event>> =
        machines.iter().map(|(_, _, other)| vec![Event::Contact(other.clone())]).collect();
    for _ in 0..400 {
        now += Duration::from_millis(10);
        for me in 0..2 {
            let mut events = std::mem::take(&mut given[me]);
            events.push(Event::Tick);
            for event in events {
                let from = machines[me].1;
                for effect in machines[me].0.handle(now, event) {
                    if let Effect::Send { bytes, .. } = effect {
                        packets.push((from, bytes.clone()));
                        given[1 - me].push(Event::Datagram { from, bytes });
                    }
                }
            }
        }
    }
    packets
}

#[test]
fn mutated_packets_never_panic() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let packets = packets();
    assert!(packets.len() > 50);
    for (from, packet) in packets.iter().cycle().take(packets.len() * 20) {
        let mut bytes = packet.to_vec();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bytes.len());
            bytes[at] = rng.random();
        }
        bytes.truncate(rng.random_range(1..=bytes.len()));
        let mut world = World::new(4, MembershipConfig::lan(2));
        world.start("n0", 1);
        world.give("n0", Event::Datagram { from: *from, bytes: bytes.into() });
        world.run(secs(1));
    }
}

#[test]
fn a_packet_must_be_from_whom_it_says() {
    let mut world = World::settled(5, 3);
    let stranger = NodeId::of("stranger");
    let packets = packets();
    for (_, packet) in &packets {
        world.give("n0", Event::Datagram { from: stranger, bytes: packet.clone() });
    }
    let refused = world.nodes["n0"].membership.stats().datagrams_refused;
    assert_eq!(refused, packets.len() as u64);
}
