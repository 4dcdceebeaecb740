//! One seed is one run: nodes that draw, wait, talk and die leave the same trace in every fresh program.
#![expect(clippy::disallowed_methods, reason = "user code may read the wall clock, and replays")]
#![expect(clippy::iter_over_hash_type, reason = "user code may visit random maps, and replays")]

use std::{
    collections::HashMap,
    io::IoSliceMut,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use odeon_env::{
    DatagramSocket, Env as _,
    udp::{RecvMeta, Transmit},
};
use odeon_sim::{LinkRule, SimEnv, World, runner::Case, scenario};

const PORT: u16 = 7400;
const MINUTE: Duration = Duration::from_secs(60);

/// Tells everybody what time it is and the order of a hash map, now and then, and notes what it hears.
async fn gossip(env: Arc<SimEnv>) {
    let socket = env.bind(SocketAddr::new(env.address(), PORT)).expect("nobody else is here");
    let peers: HashMap<&str, u64> = ["a", "b", "c"].into_iter().zip(0..).collect();
    let (ears, heard) = (Arc::clone(&socket), Arc::clone(&env));
    tokio::task::spawn_local(async move {
        loop {
            let text = receive(&*ears).await;
            heard.note("heard", &String::from_utf8_lossy(&text));
        }
    });
    loop {
        for peer in peers.keys() {
            let to = env.resolve(&format!("{peer}:{PORT}")).await.expect("it is a host");
            let now =
                SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later");
            let contents = format!("{now:?} from {} to {peer}", env.name());
            let transmit = Transmit {
                destination: to[0],
                ecn: None,
                contents: contents.as_bytes(),
                segment_size: None,
                src_ip: None,
            };
            socket.try_send(&transmit).expect("sending never fails");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn receive(socket: &dyn DatagramSocket) -> Vec<u8> {
    let mut buffer = vec![0; 2048];
    let mut metas = [RecvMeta::default()];
    let received = std::future::poll_fn(|cx| {
        socket.poll_recv(cx, &mut [IoSliceMut::new(&mut buffer)], &mut metas)
    });
    received.await.expect("receiving never fails");
    buffer.truncate(metas[0].len);
    buffer
}

async fn three_gossips(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    for name in ["a", "b", "c"] {
        world.node(name, gossip);
    }
    let random = world.random("faults");
    for _ in 0..5 {
        world.run_for(Duration::from_millis(500 + random.below(500))).await;
        world.partition(&["a"], &["b", "c"]);
        world.run_for(Duration::from_millis(300)).await;
        world.heal();
        let victim = ["a", "b", "c"][random.below(3) as usize];
        world.crash(victim);
        world.run_for(Duration::from_millis(random.below(400))).await;
        world.restart(victim);
        world.pause("b");
        world.run_for(Duration::from_millis(100)).await;
        world.resume("b");
    }
    assert!(world.net().counts().delivered > 1000);
}

#[odeon_sim::test(seeds = 7, repeat = 10)]
async fn one_seed_in_ten_programs_is_one_run(world: &mut World) {
    three_gossips(world).await;
}

#[test]
fn ten_seeds_are_ten_runs() {
    let scenario = scenario!(ten_seeds_are_ten_runs, three_gossips);
    let verdicts =
        (0..10).flat_map(|seed| scenario.run(Case::new(seed), 1, MINUTE)).collect::<Vec<_>>();
    assert!(verdicts.iter().all(odeon_sim::Verdict::passed), "{verdicts:?}");
    let mut hashes = verdicts.iter().map(|verdict| verdict.hash).collect::<Vec<_>>();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), verdicts.len());
}
