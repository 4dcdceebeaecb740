//! Nodes that know nothing of each other find each other by a multicast group, as multicast DNS lets them.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    future::poll_fn,
    io::{self, IoSliceMut},
    net::Ipv4Addr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use odeon_env::{
    Env as _, MulticastGroup,
    udp::{RecvMeta, Transmit},
};
use odeon_sim::{LinkRule, SimEnv, Topology, World};

const SECOND: Duration = Duration::from_secs(1);
const FIVE: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Who has heard whom.
type Heard = Rc<RefCell<BTreeSet<(String, String)>>>;

/// Says its name to the group once a second, and notes whom it hears.
async fn announce(env: Arc<SimEnv>, heard: Heard) -> io::Result<()> {
    let group = MulticastGroup::v4(Ipv4Addr::new(224, 0, 0, 251), 5353, Ipv4Addr::UNSPECIFIED)?;
    let socket = env.join_multicast(&group)?;
    let (listening, name) = (Arc::clone(&socket), env.name().to_owned());
    tokio::task::spawn_local(async move {
        loop {
            let (mut buffer, mut metas) = ([0; 64], [RecvMeta::default()]);
            let received = poll_fn(|cx| {
                listening.poll_recv(cx, &mut [IoSliceMut::new(&mut buffer)], &mut metas)
            });
            received.await.expect("receiving never fails");
            let meta = metas[0];
            assert_eq!((meta.addr.port(), meta.dst_ip), (5353, Some(group.address().ip())));
            let text = String::from_utf8_lossy(&buffer[..meta.len]).into_owned();
            heard.borrow_mut().insert((name.clone(), text));
        }
    });
    loop {
        let contents = env.name().as_bytes();
        let destination = group.address();
        let transmit =
            Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None };
        socket.try_send(&transmit)?;
        tokio::time::sleep(SECOND).await;
    }
}

fn start(world: &mut World) -> Heard {
    let heard = Heard::default();
    for name in FIVE {
        let heard = Rc::clone(&heard);
        world.node(name, move |env| announce(env, Rc::clone(&heard)));
    }
    heard
}

/// Whom a node has heard since the last time.
fn heard_by(heard: &Heard, name: &str) -> BTreeSet<String> {
    heard.borrow().iter().filter(|(by, _)| by == name).map(|(_, whom)| whom.clone()).collect()
}

fn everybody() -> BTreeSet<String> {
    FIVE.iter().map(|name| (*name).to_owned()).collect()
}

async fn all_hear_all(world: &World, heard: &Heard) {
    let all = || FIVE.iter().all(|name| heard_by(heard, name).is_superset(&everybody()));
    world.run_until(all, 10 * SECOND).await.expect("all hear all, themselves included");
}

#[odeon_sim::test(seeds = 0..5)]
async fn all_hear_all_on_a_bad_day_and_the_restarted_too(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    let heard = start(world);
    all_hear_all(world, &heard).await;
    world.crash("c");
    // What is under way still arrives.
    world.run_for(SECOND / 10).await;
    heard.borrow_mut().clear();
    world.run_for(5 * SECOND).await;
    assert!(heard_by(&heard, "c").is_empty(), "a crashed node hears nothing");
    assert!(!heard_by(&heard, "a").contains("c"), "and says nothing");
    world.restart("c");
    all_hear_all(world, &heard).await;
}

#[odeon_sim::test(seeds = 0..5)]
async fn a_group_is_parted_with_its_network(world: &mut World) {
    let heard = start(world);
    all_hear_all(world, &heard).await;
    world.apply_topology(&Topology::Deaf(Some("d".to_owned())), &FIVE).expect("five are enough");
    world.run_for(SECOND / 10).await;
    heard.borrow_mut().clear();
    world.run_for(5 * SECOND).await;
    assert_eq!(heard_by(&heard, "d"), BTreeSet::from(["d".to_owned()]), "itself alone");
    assert_eq!(heard_by(&heard, "a"), everybody());
    world.heal();
    all_hear_all(world, &heard).await;
    world.clog("b", "a");
    world.run_for(SECOND / 10).await;
    heard.borrow_mut().clear();
    world.run_for(5 * SECOND).await;
    assert!(!heard_by(&heard, "a").contains("b") && heard_by(&heard, "c").contains("b"));
    world.unclog("b", "a");
    world.run_for(SECOND / 10).await;
    assert!(heard_by(&heard, "a").contains("b"), "it was held, not lost");
}
