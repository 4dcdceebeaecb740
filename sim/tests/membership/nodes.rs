//! Nodes and clients of a world that are up.

use std::{cell::RefCell, rc::Rc, time::Duration};

use odeon::{Client, Node, NodeBuilder};
use odeon_sim::World;

pub(crate) fn node(world: &World, name: &str) -> Node {
    world.runtime_node(name).expect("it is up")
}

/// A client of this name that is connected to one of these members.
pub(crate) async fn client(
    world: &mut World,
    name: &str,
    members: &'static [&'static str],
) -> Client {
    let slot = Rc::new(RefCell::new(None));
    let kept = Rc::clone(&slot);
    let setup = move |builder: NodeBuilder| {
        members.iter().fold(builder, |builder, name| builder.seed(format!("{name}:7400")))
    };
    world.start_client(name, setup, move |client: Client| {
        kept.replace(Some(client));
        async {}
    });
    let started = world.run_until(|| slot.borrow().is_some(), Duration::from_secs(20)).await;
    started.expect("it starts");
    let client = slot.take().expect("it has started");
    assert!(client.connected().await);
    client
}
