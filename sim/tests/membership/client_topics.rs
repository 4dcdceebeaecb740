//! A client that publishes through a member: its messages reach whoever listens and nobody else, through faults once at
//! most, and never where it was told that they were not published.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use odeon::{
    Certainty, Client, FailureKind, Node, NodeBuilder, PublishError, TopicError, TransportConfig,
    message,
};
use odeon_sim::{LinkRule, World};

use crate::nodes::{client, node};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);
const NAMES: [&str; 3] = ["a", "b", "c"];

#[message(id = "client_topics/Price")]
struct Price {
    cents: u64,
}

/// A message that may be too long.
#[message(id = "client_topics/Long")]
struct Long {
    text: String,
}

#[message(local)]
struct Here;

/// What was heard: the node, the topic, the number.
type Heard = Rc<RefCell<Vec<(&'static str, String, u64)>>>;

/// Three nodes that listen in each of their lives, each by patterns of its own.
fn members(world: &mut World, patterns: [&'static [&'static str]; 3]) -> Heard {
    members_with(world, patterns, &TransportConfig::default())
}

fn members_with(
    world: &mut World,
    patterns: [&'static [&'static str]; 3],
    transport: &TransportConfig,
) -> Heard {
    let heard = Heard::default();
    for (name, patterns) in NAMES.into_iter().zip(patterns) {
        let kept = Rc::clone(&heard);
        let main = move |node: Node| {
            let kept = Rc::clone(&kept);
            async move {
                for pattern in patterns {
                    let prices = node.cluster().subscribe::<Price>(pattern);
                    let mut prices = prices.expect("it has room");
                    let kept = Rc::clone(&kept);
                    tokio::task::spawn_local(async move {
                        while let Some(price) = prices.next().await {
                            let topic = price.topic.to_string();
                            kept.borrow_mut().push((name, topic, price.message.cents));
                        }
                    });
                }
            }
        };
        let transport = transport.clone();
        let setup =
            move |builder: NodeBuilder| builder.topic::<Price>().transport(transport.clone());
        world.start_member(name, setup, main);
    }
    heard
}

async fn client_of(world: &mut World) -> Client {
    world.all_joined(&NAMES, 20 * SECOND).await.expect("they find each other");
    client(world, "till", &NAMES).await
}

/// Waits until each member knows of so many others that listen.
async fn until_heard_of(world: &World, topic: &str, others: [usize; 3]) {
    for _ in 0..600 {
        let knows = |(name, nodes): (&str, usize)| {
            node(world, name).cluster().listening_nodes::<Price>(topic) == nodes
        };
        if NAMES.into_iter().zip(others).all(knows) {
            return;
        }
        world.run_for(100 * MILLI).await;
    }
    panic!("they never knew who listens to {topic}");
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn what_a_client_publishes_reaches_whoever_listens_and_nobody_else(world: &mut World) {
    let heard = members(world, [&["prices.*.eu"], &["prices.>", "prices.gold.*"], &["notes.>"]]);
    let client = client_of(world).await;
    until_heard_of(world, "prices.gold.eu", [1, 1, 2]).await;
    let gold = client.topic::<Price>("prices.gold.eu").expect("it is a topic");
    let nobody = client.topic::<Price>("other").expect("it is a topic");
    for cents in 0..50 {
        let published = gold.publish(Price { cents }).await.expect("a member publishes it");
        // The member that publishes it may be one of those that listen.
        let reached = (published.here, published.nodes);
        assert!([(1, 1), (2, 1), (0, 2)].contains(&reached), "{published:?}");
        assert_eq!(published.failed, Vec::new());
        let published = nobody.publish(Price { cents }).await.expect("a member takes it");
        assert_eq!((published.here, published.nodes), (0, 0));
    }
    world.run_for(SECOND).await;
    let of = |node: &str| {
        let heard = heard.borrow();
        let of = heard.iter().filter(|it| it.0 == node);
        of.map(|(_, topic, cents)| (topic.clone(), *cents)).collect::<Vec<_>>()
    };
    let of_gold = |cents| ("prices.gold.eu".to_owned(), cents);
    assert_eq!(of("a"), (0..50).map(of_gold).collect::<Vec<_>>(), "in order");
    let mut twice = of("b");
    twice.sort_unstable();
    assert_eq!(twice, (0..100).map(|it| of_gold(it / 2)).collect::<Vec<_>>(), "two patterns match");
    assert_eq!(of("c"), Vec::new());
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn what_a_client_cannot_publish_is_refused(world: &mut World) {
    members(world, [&[], &[], &[]]);
    let client = client_of(world).await;
    for pattern in ["prices.*", "prices.>", "", "a..b"] {
        assert!(client.topic::<Price>(pattern).is_err(), "{pattern:?} is no topic");
    }
    let error = client.topic::<Here>("prices").expect_err("it is local");
    assert!(matches!(error, TopicError::Local { .. }), "{error}");
    let long = client.topic::<Long>("prices").expect("it is a topic");
    // Its archive is a little longer than its text.
    long.publish(Long { text: "x".repeat((1 << 20) - 64) }).await.expect("it is just short enough");
    let error = long.publish(Long { text: "x".repeat(1 << 20) }).await.expect_err("it is long");
    assert!(matches!(error, PublishError::Unsendable { .. }), "{error}");
    assert_eq!(error.certainty(), Certainty::NotDelivered);
    for name in NAMES {
        world.crash(name);
    }
    world.run_for(60 * SECOND).await;
    let prices = client.topic::<Price>("prices").expect("it is a topic");
    let error = prices.publish(Price { cents: 1 }).await.expect_err("nobody is there");
    assert!(matches!(error, PublishError::NoAnswer { .. }), "{error}");
    assert_eq!(error.certainty(), Certainty::NotDelivered);
}

/// A node that cannot be heard for the moment is still a member, and the way to it fills.
#[odeon_sim::test(seeds = 0..5, link = both)]
async fn a_node_without_room_misses_it_and_the_client_is_told(world: &mut World) {
    // Room for so few messages that it is full before the node is held for gone.
    let transport = TransportConfig { credit_messages: 16, ..TransportConfig::default() };
    let patterns: [&[&str]; 3] = [&["prices", "at.a"], &["prices", "at.b"], &["prices", "at.c"]];
    let heard = members_with(world, patterns, &transport);
    let client = client_of(world).await;
    until_heard_of(world, "prices", [2, 2, 2]).await;
    let prices = client.topic::<Price>("prices").expect("it is a topic");
    let mut guide = None;
    for (name, cents) in NAMES.into_iter().zip(1_000..) {
        let at = client.topic::<Price>(&format!("at.{name}")).expect("it is a topic");
        let published = at.publish(Price { cents }).await.expect("a member publishes it");
        guide = guide.or((published.here == 1).then_some(name));
    }
    let guide = guide.expect("one of them publishes all");
    let cut = if guide == "a" { "b" } else { "a" };
    let others = NAMES.into_iter().filter(|name| *name != cut).collect::<Vec<_>>();
    world.partition(&[cut], &others);
    let (mut outcomes, mut missed) = (BTreeMap::new(), Vec::new());
    for cents in 0..100 {
        let began = tokio::time::Instant::now();
        let published = prices.publish(Price { cents }).await.expect("its guide is there");
        assert!(began.elapsed() < SECOND / 2, "nobody waits for a node without room");
        missed.clone_from(&published.failed);
        outcomes.insert(cents, Ok(published));
        if !missed.is_empty() {
            break;
        }
    }
    let [(node, failure)] = &*missed else { panic!("it has room for ever, or nobody has") };
    assert_eq!((&**node, failure.kind), (cut, FailureKind::Full), "{failure}");
    assert_eq!(failure.certainty, Certainty::NotDelivered);
    world.heal();
    world.run_for(5 * SECOND).await;
    let last = outcomes.len() as u64 - 1;
    assert!(heard.borrow().iter().any(|it| it.2 == last), "who had room has it");
    assert_sound(&heard.borrow(), &outcomes);
}

/// A client publishes while members crash and are cut off, from it or from each other.
#[odeon_sim::test(seeds = 0..20, link = both)]
async fn through_faults_a_clients_message_comes_at_most_once(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    let heard = members(world, [&["prices.>"], &["prices.>"], &["prices.*"]]);
    let client = client_of(world).await;
    until_heard_of(world, "prices.gold", [2, 2, 2]).await;
    let prices = client.topic::<Price>("prices.gold").expect("it is a topic");
    let random = world.random("faults");
    let (mut cents, mut outcomes) = (0, BTreeMap::new());
    for _ in 0..12 {
        let at = NAMES[random.below(3) as usize];
        match random.below(4) {
            0 => world.crash(at),
            1 => world.partition(&[at], &["till"]),
            2 => {
                let others = NAMES.into_iter().filter(|name| *name != at).collect::<Vec<_>>();
                world.partition(&[at], &others);
            }
            _ => {}
        }
        for _ in 0..5 {
            cents += 1;
            outcomes.insert(cents, prices.publish(Price { cents }).await);
            world.run_for(random.below(300) as u32 * MILLI).await;
        }
        world.heal();
        if !world.is_up(at) {
            world.restart(at);
        }
        world.run_for(random.below(3_000) as u32 * MILLI).await;
    }
    world.all_joined(&NAMES, 120 * SECOND).await.expect("they end as one cluster");
    until_heard_of(world, "prices.gold", [2, 2, 2]).await;
    // What is on its way to a life that has just ended is lost; soon nothing is.
    let all_heard = |last| {
        NAMES.iter().all(|name| heard.borrow().iter().any(|it| it.0 == *name && it.2 == last))
    };
    for _ in 0..60 {
        cents += 1;
        outcomes.insert(cents, prices.publish(Price { cents }).await);
        world.run_for(SECOND).await;
        if all_heard(cents) {
            break;
        }
    }
    assert!(all_heard(cents), "after all faults a message reaches all three: {outcomes:?}");
    assert_sound(&heard.borrow(), &outcomes);
}

/// Nobody has a message twice, and nobody one of which it was said that it was not published.
fn assert_sound(
    heard: &[(&'static str, String, u64)],
    outcomes: &BTreeMap<u64, Result<odeon::Publication, PublishError>>,
) {
    let mut once = BTreeSet::new();
    for (name, _, cents) in heard {
        assert!(once.insert((name, cents)), "{name} has {cents} twice: {heard:?}");
    }
    for (cents, outcome) in outcomes {
        let by = heard.iter().filter(|it| it.2 == *cents).map(|it| it.0).collect::<Vec<_>>();
        match outcome {
            Ok(published) => {
                for (name, failure) in &published.failed {
                    assert!(!by.contains(&&**name), "{cents} failed at {name}: {failure}");
                    assert_ne!(failure.kind, FailureKind::Decode, "{failure}");
                }
                let most = published.here + published.nodes;
                assert!(by.len() <= most, "{cents} had {most} on its way, and {by:?} have it");
            }
            Err(error) if error.certainty() == Certainty::NotDelivered => {
                assert!(by.is_empty(), "{cents} was not published ({error}), and {by:?} have it");
            }
            Err(_) => {}
        }
    }
}
