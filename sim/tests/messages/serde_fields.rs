//! Fields that travel by serde, on either link, while datagrams are lost and come twice. Over loopback the same
//! (`runtime/tests/serde_fields`).

#[path = "../../../runtime/tests/serde_fields/parcels.rs"]
mod parcels;

use std::time::Duration;

use odeon::NodeBuilder;
use odeon_sim::{LinkRule, World};

use parcels::{now, send_all, serve};

const SECOND: Duration = Duration::from_secs(1);

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn what_serde_can_read_arrives_and_what_it_cannot_is_told(world: &mut World) {
    world.set_default_link(LinkRule { loss: 0.02, duplicate: 0.02, ..LinkRule::default() });
    let setup = |builder: NodeBuilder| builder.actor::<now::Scale>().actor::<now::Clerk>();
    world.start_member("b", setup, serve);
    world.start_member("a", setup, |_| async {});
    world.all_joined(&["a", "b"], 10 * SECOND).await.expect("they find each other");
    let [a, b] = ["a", "b"].map(|name| world.runtime_node(name).expect("it is up"));
    send_all(&a, &b).await;
}
