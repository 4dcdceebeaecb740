//! A hostile peer and a whole node, on either link: archives with bad pointers and a million levels, gossip that is none,
//! and ids that nobody knows. Over loopback the same is asked with more of them (`runtime/tests/hostile`).

#[path = "../../../runtime/tests/hostile/nonsense.rs"]
mod nonsense;

use std::{cell::RefCell, net::SocketAddr, rc::Rc, time::Duration};

use odeon::{Ca, Node, NodeBuilder, Validity};
use odeon_env::Env as _;
use odeon_message::NodeId;
use odeon_sim::{NODE_PORT, World};
use odeon_transport::PeerId;
use tokio::sync::oneshot;

use nonsense::{Handled, Nonsense, Target, Victim, are_unreadable};

const SECOND: Duration = Duration::from_secs(1);
/// Before the wall clock of a world begins, and after.
const BEGIN: Duration = Duration::from_secs(1_900_000_000);

async fn serve(node: Node) {
    let victim = node.spawn(Victim::default()).await.expect("it starts");
    node.register("victim", &victim).expect("the name is free");
}

#[odeon_sim::test(seeds = 0..4, link = both)]
async fn a_node_bears_archives_that_are_none_and_ids_that_are_not_known(world: &mut World) {
    let authority = Rc::new(Ca::in_memory("world").expect("a good name"));
    let validity = Validity::from(std::time::UNIX_EPOCH + BEGIN, 86_400 * SECOND);
    let issue = move |name: &str| authority.issue(name, validity).expect("a good name");
    for name in ["node", "friend"] {
        let identity = issue(name);
        let setup = move |node: NodeBuilder| node.actor::<Victim>().identity(identity.clone());
        world.start_member(name, setup, serve);
    }
    world.all_joined(&["node", "friend"], 10 * SECOND).await.expect("they find each other");
    let [node, friend] = ["node", "friend"].map(|name| world.runtime_node(name).expect("it is up"));
    let victim = friend.on("node").lookup::<Victim>("victim").await.expect("it answers");
    let victim = victim.expect("it is registered");
    let target = Target {
        node: PeerId { node: NodeId::of("node"), incarnation: node.incarnation() },
        addr: node.addr(),
        actor: victim.address().expect("it is of another node").key,
    };
    let (done, mut is_done) = oneshot::channel();
    let (identity, done) = (issue("nonsense"), Rc::new(RefCell::new(Some(done))));
    world.node("nonsense", move |env| {
        let (identity, done) = (identity.clone(), Rc::clone(&done));
        async move {
            let addr = SocketAddr::new(env.address(), NODE_PORT);
            let socket = env.bind(addr).expect("the port is free");
            let peer = Nonsense::start(env, socket, identity, target).await;
            let failures = peer.bad_archives().await;
            assert!(are_unreadable(&failures), "{failures:?}");
            peer.gossip(400).await;
            peer.unknown_ids(0, 200).await;
            peer.stop().await;
            done.borrow_mut().take().map(|done| done.send(()));
        }
    });
    let mut handled = 0;
    while is_done.try_recv().is_err() {
        handled += 1;
        assert_eq!(victim.ask(Handled).within(5 * SECOND).await, Ok(handled));
        world.run_for(SECOND / 100).await;
        assert!(world.now() < 300 * SECOND, "it comes to an end");
    }
    let stats = node.cluster_stats();
    assert!(stats.gossip_refused > 100 && stats.faults == 0, "{stats:?}");
    let others: Vec<String> = node.members_now().into_iter().map(|member| member.name).collect();
    assert_eq!(others, ["friend"], "nobody was made up, and nobody was lost");
    let metrics = node.network_metrics();
    let of_peer = metrics.of("nonsense").expect("they have met");
    assert_eq!((of_peer.bad_frames, of_peer.connections), (0, 1), "{metrics}");
    assert_eq!(metrics.of("friend").expect("they have met").connections, 1, "{metrics}");
}
