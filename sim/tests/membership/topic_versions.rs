//! Members and clients of several versions of one program, and a topic of theirs: what a client publishes keeps its layout,
//! and changes nothing of what members publish themselves.

use std::{cell::RefCell, rc::Rc, time::Duration};

use odeon::{FailureKind, Message, Node, NodeBuilder, Publication};
use odeon_sim::World;

use crate::nodes::{client, node};

const SECOND: Duration = Duration::from_secs(1);
const NAMES: [&str; 2] = ["a", "b"];
const OLD_NOTE: &str = "an old till's";
const NEW_NOTE: &str = "a member's";

/// The version before: a price is whole cents.
mod old {
    use odeon::message;

    #[message(id = "topic_versions/Price")]
    pub(super) struct Price {
        pub(super) cents: u32,
    }
}

/// The version of the members: larger prices, with a note.
mod new {
    use odeon::message;

    use super::{OLD_NOTE, old};

    #[message(id = "topic_versions/Price", accepts(old::Price))]
    pub(super) struct Price {
        pub(super) cents: u64,
        pub(super) note: String,
    }

    impl From<old::Price> for Price {
        fn from(old: old::Price) -> Self {
            Self { cents: old.cents.into(), note: OLD_NOTE.to_owned() }
        }
    }
}

/// One that the members have never heard of. Its archive is as long as that of theirs.
mod strange {
    use odeon::message;

    #[message(id = "topic_versions/Price")]
    pub(super) struct Price {
        pub(super) note: String,
        pub(super) cents: u64,
    }
}

/// What was heard: the node, the cents, the note.
type Heard = Rc<RefCell<Vec<(&'static str, u64, String)>>>;

/// Two members that listen.
async fn members(world: &mut World) -> Heard {
    let heard = Heard::default();
    for name in NAMES {
        let kept = Rc::clone(&heard);
        let main = move |node: Node| {
            let kept = Rc::clone(&kept);
            async move {
                let mut prices = node.cluster().subscribe::<new::Price>("prices").expect("room");
                tokio::task::spawn_local(async move {
                    while let Some(price) = prices.next().await {
                        let new::Price { cents, note } = price.message;
                        kept.borrow_mut().push((name, cents, note));
                    }
                });
            }
        };
        world.start_member(name, NodeBuilder::topic::<new::Price>, main);
    }
    world.all_joined(&NAMES, 20 * SECOND).await.expect("they find each other");
    for _ in 0..60 {
        let knows = |name: &str| {
            node(world, name).cluster().listening_nodes::<new::Price>("prices") == NAMES.len() - 1
        };
        if NAMES.into_iter().all(knows) {
            return heard;
        }
        world.run_for(SECOND).await;
    }
    panic!("they never knew who listens");
}

/// Has a client publish that, through whichever member is its guide.
async fn by_client<M: Message>(client: &odeon::Client, price: M) -> Publication {
    let prices = client.topic::<M>("prices").expect("it is a topic");
    prices.publish(price).await.expect("a member publishes it")
}

/// Has each member publish a price of its own, so that the client's guide does too; says what both are to hear.
async fn by_each_member(world: &World) -> Vec<(&'static str, u64, String)> {
    let mut to_hear = Vec::new();
    for (name, cents) in NAMES.into_iter().zip(1 << 40..) {
        let prices = node(world, name).cluster().topic::<new::Price>("prices").expect("a topic");
        let published = prices.publish(new::Price { cents, note: NEW_NOTE.to_owned() }).await;
        assert_eq!((published.here, published.nodes, published.failed), (1, 1, Vec::new()));
        to_hear.extend(NAMES.map(|name| (name, cents, NEW_NOTE.to_owned())));
    }
    to_hear
}

fn assert_heard(heard: &Heard, mut to_hear: Vec<(&'static str, u64, String)>) {
    let mut heard = heard.take();
    heard.sort_unstable();
    to_hear.sort_unstable();
    assert_eq!(heard, to_hear);
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn what_an_old_client_publishes_is_read_as_what_it_is(world: &mut World) {
    let heard = members(world).await;
    let till = client(world, "till", &NAMES).await;
    // They have sent their own layout before.
    let mut to_hear = by_each_member(world).await;
    let published = by_client(&till, old::Price { cents: 7 }).await;
    assert_eq!((published.here, published.nodes, published.failed), (1, 1, Vec::new()));
    to_hear.extend(NAMES.map(|name| (name, 7, OLD_NOTE.to_owned())));
    world.run_for(SECOND).await;
    assert_heard(&heard, to_hear);
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn an_old_client_that_publishes_first_changes_nothing_for_members(world: &mut World) {
    let heard = members(world).await;
    let till = client(world, "till", &NAMES).await;
    let published = by_client(&till, old::Price { cents: 7 }).await;
    assert_eq!((published.here, published.nodes, published.failed), (1, 1, Vec::new()));
    let mut to_hear = by_each_member(world).await;
    to_hear.extend(NAMES.map(|name| (name, 7, OLD_NOTE.to_owned())));
    world.run_for(SECOND).await;
    assert_heard(&heard, to_hear);
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn a_layout_that_nobody_knows_reaches_nobody_and_changes_nothing(world: &mut World) {
    let heard = members(world).await;
    let till = client(world, "till", &NAMES).await;
    let price = strange::Price { note: NEW_NOTE.to_owned(), cents: 7 };
    let published = by_client(&till, price).await;
    assert_eq!((published.here, published.nodes), (0, 0), "{published:?}");
    let mut failed: Vec<_> =
        published.failed.iter().map(|(node, failure)| (&**node, failure.kind)).collect();
    failed.sort_unstable_by_key(|it| it.0);
    assert_eq!(failed, NAMES.map(|name| (name, FailureKind::Incompatible)));
    let to_hear = by_each_member(world).await;
    world.run_for(SECOND).await;
    assert_heard(&heard, to_hear);
}

/// On the node of its publisher nobody has compared layouts before.
#[odeon_sim::test(seeds = 0..3, link = both)]
async fn a_type_that_is_another_one_on_its_own_node_is_left_out_and_counted(world: &mut World) {
    members(world).await;
    let cluster = node(world, "a").cluster();
    let mut prices = cluster.subscribe::<new::Price>("prices").expect("room");
    let strange = cluster.topic::<strange::Price>("prices").expect("it is a topic");
    strange.publish(strange::Price { note: NEW_NOTE.to_owned(), cents: 7 }).await;
    let own = cluster.topic::<new::Price>("prices").expect("it is a topic");
    own.publish(new::Price { cents: 8, note: NEW_NOTE.to_owned() }).await;
    let price = prices.next().await.expect("it was published").message;
    assert_eq!((price.cents, price.note.as_str(), prices.unread()), (8, NEW_NOTE, 1));
}
