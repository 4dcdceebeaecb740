//! Nodes that are told nothing but to listen to their network: they find each other by multicast DNS.

use std::{
    cell::RefCell, future::poll_fn, io, io::IoSliceMut, net::Ipv4Addr, rc::Rc, sync::Arc,
    time::Duration,
};

use odeon::{Ca, HandshakeFailure, JoinConfig, MdnsConfig, Phase, Validity};
use odeon_env::{
    DatagramSocket, Env as _, MulticastGroup,
    udp::{RecvMeta, Transmit},
};
use odeon_sim::{LinkRule, SimEnv, World};

const SECOND: Duration = Duration::from_secs(1);
const FIVE: [&str; 5] = ["a", "b", "c", "d", "e"];

fn listening(expect: usize) -> JoinConfig {
    let mdns = Some(MdnsConfig::default());
    JoinConfig { mdns, bootstrap_expect: expect, ..JoinConfig::default() }
}

fn start(world: &mut World, names: &[&str], config: &JoinConfig) {
    for name in names {
        let config = config.clone();
        world.start_node(name, move |node| node.join(config.clone()), async |_| ());
    }
}

async fn together(world: &World, names: &[&str]) {
    world.all_joined(names, 60 * SECOND).await.expect("they find each other");
    let up = |name: &&str| world.runtime_node(name).is_some_and(|node| node.phase() == Phase::Up);
    assert!(names.iter().all(up));
}

fn sees(world: &World, name: &str) -> usize {
    world.runtime_node(name).map_or(0, |node| node.members_now().len())
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn five_that_start_at_once_hear_of_each_other(world: &mut World) {
    start(world, &FIVE, &listening(5));
    world.all_joined(&FIVE, 10 * SECOND).await.expect("an announcement each is enough");
}

#[odeon_sim::test(seeds = 0..10)]
async fn lost_packets_are_made_up_for(world: &mut World) {
    world.set_default_link(LinkRule { loss: 0.3, ..LinkRule::rough() });
    start(world, &FIVE, &listening(3));
    together(world, &FIVE).await;
}

#[odeon_sim::test(seeds = 0..5)]
async fn who_comes_later_and_who_comes_back_is_found(world: &mut World) {
    start(world, &["a", "b", "c"], &listening(2));
    together(world, &["a", "b", "c"]).await;
    world.run_for(30 * SECOND).await;
    start(world, &["d"], &listening(2));
    together(world, &["a", "b", "c", "d"]).await;
    world.crash("b");
    world.run_for(20 * SECOND).await;
    world.restart("b");
    world.run_for(SECOND).await;
    together(world, &["a", "b", "c", "d"]).await;
}

#[odeon_sim::test(seeds = 0..5)]
async fn halves_that_began_apart_become_one_cluster(world: &mut World) {
    let (few, many) = FIVE.split_at(2);
    world.set_default_link(LinkRule::default());
    start(world, &FIVE, &listening(2));
    world.partition(few, many);
    together(world, few).await;
    together(world, many).await;
    world.run_for(10 * SECOND).await;
    world.heal();
    // Each asks at least once a minute.
    world.all_joined(&FIVE, 90 * SECOND).await.expect("they find each other");
}

/// Nobody dials who is of another cluster: it would be refused, and the log be full of it.
#[odeon_sim::test(seeds = 0..5)]
async fn two_clusters_on_one_network_leave_each_other_alone(world: &mut World) {
    start(world, &["a", "b"], &listening(2));
    let now = world.env("a").expect("a is up").wall_clock();
    let other = Rc::new(RefCell::new(None));
    for name in ["x", "y"] {
        let other = Rc::clone(&other);
        let setup = move |node: odeon::NodeBuilder| {
            let mut other = other.borrow_mut();
            let validity = Validity::from(now, Duration::from_secs(86_400));
            let ca = other.get_or_insert_with(|| Ca::new("other", validity).expect("a name"));
            node.identity(ca.issue(name, validity).expect("a name")).join(listening(2))
        };
        world.start_node(name, setup, async |_| ());
    }
    for pair in [["a", "b"], ["x", "y"]] {
        together(world, &pair).await;
    }
    world.run_for(60 * SECOND).await;
    for name in ["a", "b", "x", "y"] {
        let node = world.runtime_node(name).expect("it is up");
        assert_eq!(node.members_now().len(), 1, "{name}");
        let handshakes = node.network_metrics().handshakes;
        let failed = handshakes.inbound.iter().chain(&handshakes.outbound);
        // Two that dial each other at once have one dial too many.
        let stranger = failed.into_iter().find(|(why, _)| *why != HandshakeFailure::Duplicate);
        assert_eq!(stranger, None, "{name}");
    }
}

#[odeon_sim::test(seeds = 0..5)]
async fn a_client_finds_its_cluster_and_is_found_by_nobody(world: &mut World) {
    start(world, &["a", "b"], &listening(2));
    together(world, &["a", "b"]).await;
    let found = Rc::new(RefCell::new(false));
    let finds = Rc::clone(&found);
    let main = move |client: odeon::Client| {
        let finds = Rc::clone(&finds);
        async move {
            client.connected().await;
            *finds.borrow_mut() = true;
            std::future::pending::<()>().await;
        }
    };
    world.start_client("c", |client| client.join(listening(0)), main);
    world.run_until(|| *found.borrow(), 30 * SECOND).await.expect("it finds them");
    world.run_for(30 * SECOND).await;
    assert!(["a", "b"].iter().all(|name| sees(world, name) == 1), "a client is no member");
}

/// Sends what it hears again, bent: other lengths, other bits, other places.
async fn bend(env: Arc<SimEnv>) -> io::Result<()> {
    let group = MulticastGroup::v4(Ipv4Addr::new(224, 0, 0, 251), 5353, Ipv4Addr::UNSPECIFIED)?;
    let socket: Arc<dyn DatagramSocket> = env.join_multicast(&group)?;
    loop {
        let (mut buffer, mut metas) = ([0; 2048], [RecvMeta::default()]);
        let received =
            poll_fn(|cx| socket.poll_recv(cx, &mut [IoSliceMut::new(&mut buffer)], &mut metas));
        received.await?;
        // Its own come back too, and would be bent for ever.
        if metas[0].addr.ip() == env.address() {
            continue;
        }
        for _ in 0..32 {
            let mut random = [0; 64];
            env.entropy(&mut random);
            let mut bytes = buffer[..metas[0].len].to_vec();
            for spot in random[8..8 + usize::from(random[0] % 16)].chunks(2) {
                let at = usize::from(spot[0]) % bytes.len();
                bytes[at] ^= spot.get(1).copied().unwrap_or(1);
            }
            if random[1] % 4 == 0 {
                bytes.truncate(usize::from(random[2]) % bytes.len());
            }
            let destination = group.address();
            let contents = &*bytes;
            let transmit =
                Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None };
            // Full, as any sender's may be.
            let _ = socket.try_send(&transmit);
        }
    }
}

/// Sends five hundred packets a second, for ten seconds.
async fn flood(env: Arc<SimEnv>) -> io::Result<()> {
    let group = MulticastGroup::v4(Ipv4Addr::new(224, 0, 0, 251), 5353, Ipv4Addr::UNSPECIFIED)?;
    let socket: Arc<dyn DatagramSocket> = env.join_multicast(&group)?;
    for _ in 0..1_000 {
        for _ in 0..5 {
            let destination = group.address();
            let contents = &[0; 200];
            let transmit =
                Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None };
            // Full, as any sender's may be.
            let _ = socket.try_send(&transmit);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

#[odeon_sim::test(seeds = 0..3)]
async fn a_host_that_floods_is_looked_at_no_more_than_it_may_be(world: &mut World) {
    world.node("m", flood);
    start(world, &["a", "b", "c"], &listening(3));
    together(world, &["a", "b", "c"]).await;
    world.run_for(10 * SECOND).await;
    for name in ["a", "b", "c"] {
        let stats = world.runtime_node(name).expect("it is up").cluster_stats();
        assert!(stats.multicast_ignored > 1_000, "{name}: {stats:?}");
    }
}

#[odeon_sim::test(seeds = 0..10)]
async fn a_host_that_bends_what_it_hears_does_no_harm(world: &mut World) {
    world.node("m", bend);
    start(world, &["a", "b", "c"], &listening(3));
    together(world, &["a", "b", "c"]).await;
    world.run_for(60 * SECOND).await;
    start(world, &["d"], &listening(3));
    together(world, &["a", "b", "c", "d"]).await;
}
