//! Fields that travel by serde, between two nodes on loopback; in the simulator the same with faults
//! (`sim/tests/messages/serde_fields.rs`).

mod parcels;

use std::time::Duration;

use odeon::{
    Ca, Fingerprint, Node, Validity,
    env::{Env, RealEnv},
};

use parcels::{now, send_all, serve};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn what_serde_can_read_arrives_and_what_it_cannot_is_told() {
    let ca = Ca::in_memory("parcels").expect("the name is good");
    let validity = Validity::from(RealEnv.wall_clock(), DAY);
    let builder = |name: &str| {
        Node::builder(name).identity(ca.issue(name, validity).expect("the name is good"))
    };
    let b = builder("b").alone().actor::<now::Scale>().actor::<now::Clerk>();
    let b = b.start().await.expect("b starts");
    serve(b.clone()).await;
    let a = builder("a").seed(b.addr().to_string()).start().await.expect("a starts");
    assert!(a.joined().await);
    send_all(&a, &b).await;
    for node in [a, b] {
        node.stop(Duration::from_secs(5)).await;
    }
}

#[test]
fn the_layout_of_a_message_with_such_a_field_is_that_of_the_release_before() {
    let golden = [Fingerprint::of::<now::Send>(), Fingerprint::of::<now::Receipt>()];
    let versions =
        [Fingerprint::of::<parcels::before::Send>(), Fingerprint::of::<parcels::other::Send>()];
    assert_eq!(versions, [golden[0]; 2], "the fingerprint does not see into the part");
    let text = golden.map(|it| it.to_string()).join("\n");
    assert_eq!(text, include_str!("fingerprints.txt").trim_end());
}
