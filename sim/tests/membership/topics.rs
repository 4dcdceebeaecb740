//! Topics through loss, crashes and partitions: a message comes at most once and in order, to whoever listens and to
//! nobody else, and a slow subscriber holds up nobody.

use std::{cell::RefCell, rc::Rc, time::Duration};

use odeon::{
    Actor, ActorRef, Context, Handler, Node, NodeBuilder, SpawnOptions, StartError, SubscribeError,
    SubscribeOptions, actor, message,
};
use odeon_sim::{LinkRule, World};

use crate::nodes::node;

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);
const NAMES: [&str; 3] = ["a", "b", "c"];

#[message(id = "topics/Price")]
struct Price {
    cents: u64,
}

#[message(id = "topics/Note")]
struct Note;

type Heard = Rc<RefCell<Vec<(String, u64)>>>;

/// Listens on a node in each of its lives.
fn listening(world: &mut World, name: &'static str, patterns: &'static [&'static str]) -> Heard {
    let heard = Heard::default();
    let kept = Rc::clone(&heard);
    let main = move |node: Node| {
        let kept = Rc::clone(&kept);
        async move {
            for pattern in patterns {
                let mut prices = node.cluster().subscribe::<Price>(pattern).expect("it has room");
                let kept = Rc::clone(&kept);
                tokio::task::spawn_local(async move {
                    while let Some(price) = prices.next().await {
                        kept.borrow_mut().push((price.topic.to_string(), price.message.cents));
                    }
                });
            }
        }
    };
    world.start_member(name, |builder: NodeBuilder| builder.topic::<Price>(), main);
    heard
}

/// Waits until a topic's messages go to so many other nodes.
async fn until_heard_by(world: &World, from: &str, topic: &str, nodes: usize) {
    for _ in 0..600 {
        if node(world, from).cluster().listening_nodes::<Price>(topic) == nodes {
            return;
        }
        world.run_for(100 * MILLI).await;
    }
    panic!("{topic} never had {nodes} nodes that listen");
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn messages_reach_whoever_listens_and_nobody_else(world: &mut World) {
    let _ = listening(world, "a", &[]);
    let b = listening(world, "b", &["prices.*.eu", "prices.>"]);
    let c = listening(world, "c", &["notes.>"]);
    world.all_joined(&NAMES, 20 * SECOND).await.expect("they find each other");
    until_heard_by(world, "a", "prices.gold.eu", 1).await;
    let a = node(world, "a");
    let gold = a.cluster().topic::<Price>("prices.gold.eu").expect("it is a topic");
    let dust = a.cluster().topic::<Price>("prices.dust").expect("it is a topic");
    let nobody = a.cluster().topic::<Price>("other").expect("it is a topic");
    let before = a.on("c").stats().map_or(0, |stats| stats.frames_sent);
    for cents in 0..100 {
        let published = gold.publish(Price { cents }).await;
        assert_eq!((published.nodes, published.here, published.failed), (1, 0, Vec::new()));
        let published = dust.publish(Price { cents }).await;
        assert_eq!((published.nodes, published.here), (1, 0));
        assert_eq!(nobody.publish(Price { cents }).await.nodes, 0);
    }
    world.run_for(SECOND).await;
    let of = |heard: &Heard, topic: &str| {
        let heard = heard.borrow();
        heard.iter().filter(|it| it.0 == topic).map(|it| it.1).collect::<Vec<_>>()
    };
    let mut twice = of(&b, "prices.gold.eu");
    twice.sort_unstable();
    assert_eq!(twice, (0..200).map(|it| it / 2).collect::<Vec<_>>(), "two patterns match");
    assert_eq!(of(&b, "prices.dust"), (0..100).collect::<Vec<_>>(), "in order");
    assert!(c.borrow().is_empty());
    let after = a.on("c").stats().map_or(0, |stats| stats.frames_sent);
    assert!(
        after - before < 20,
        "{} frames went to a node on which nobody listens",
        after - before
    );
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_slow_subscriber_loses_its_oldest_messages_and_holds_up_nobody(world: &mut World) {
    let _ = listening(world, "a", &[]);
    let quick = listening(world, "b", &["prices"]);
    world.all_joined(&["a", "b"], 20 * SECOND).await.expect("they find each other");
    let b = node(world, "b");
    let mut options = SubscribeOptions::default();
    options.messages_max = 10;
    let slow = b.cluster().subscribe_with::<Price>("prices", &options);
    let mut slow = slow.expect("it has room");
    until_heard_by(world, "a", "prices", 1).await;
    let prices = node(world, "a").cluster().topic::<Price>("prices").expect("it is a topic");
    for cents in 0..20_000 {
        assert_eq!(prices.publish(Price { cents }).await.nodes, 1);
        if cents % 500 == 0 {
            world.run_for(10 * MILLI).await;
        }
    }
    world.run_for(SECOND).await;
    assert_eq!(quick.borrow().len(), 20_000);
    assert_eq!((slow.waiting(), slow.missed()), (10, 19_990));
    assert_eq!(b.cluster().missed(), 19_990);
    for cents in 19_990..20_000 {
        assert_eq!(slow.next().await.expect("b runs").message.cents, cents);
    }
    drop(slow);
    prices.publish(Price { cents: 0 }).await;
    world.run_for(SECOND).await;
    assert_eq!(b.cluster().missed(), 19_990, "nobody loses what nobody wants");
}

#[odeon_sim::test(seeds = 0..20, link = frames)]
async fn through_faults_a_message_comes_at_most_once_and_in_order(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    let _ = listening(world, "a", &[]);
    let heard = [listening(world, "b", &["prices.>"]), listening(world, "c", &["prices.*"])];
    world.all_joined(&NAMES, 20 * SECOND).await.expect("they find each other");
    let a = node(world, "a");
    let prices = a.cluster().topic::<Price>("prices.gold").expect("it is a topic");
    let random = world.random("faults");
    let mut cents = 0;
    for _ in 0..20 {
        for _ in 0..20 {
            cents += 1;
            prices.publish(Price { cents }).await;
        }
        let at = NAMES[1 + random.below(2) as usize];
        match random.below(3) {
            0 if world.is_up(at) => {
                world.crash(at);
                world.run_for(random.below(3_000) as u32 * MILLI).await;
                world.restart(at);
            }
            1 => {
                world.partition(&[at], &["a"]);
                world.run_for(random.below(6_000) as u32 * MILLI).await;
                world.heal();
            }
            _ => world.run_for(random.below(1_000) as u32 * MILLI).await,
        }
    }
    world.heal();
    world.all_joined(&NAMES, 120 * SECOND).await.expect("they end as one cluster");
    until_heard_by(world, "a", "prices.gold", 2).await;
    // What is on its way to a life that has just ended is lost; soon nothing is.
    let mut last = cents;
    let all_heard = |last| {
        heard.iter().all(|heard| heard.borrow().last().is_some_and(|(_, cents)| *cents == last))
    };
    for _ in 0..60 {
        last += 1;
        prices.publish(Price { cents: last }).await;
        world.run_for(SECOND).await;
        if all_heard(last) {
            break;
        }
    }
    for heard in heard {
        let heard = heard.borrow();
        let ascending = heard.windows(2).all(|pair| pair[0].1 < pair[1].1);
        assert!(ascending, "{heard:?}");
        assert_eq!(heard.last().map(|it| it.1), Some(last));
    }
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn what_cannot_be_listened_to_is_refused(world: &mut World) {
    let _ = listening(world, "a", &[]);
    world.all_joined(&["a"], 20 * SECOND).await.expect("it is there");
    let cluster = node(world, "a").cluster();
    let error = cluster.subscribe::<Note>("notes").expect_err("it is not declared");
    assert_eq!(error, SubscribeError::Undeclared { message: "topics/Note" });
    assert!(matches!(cluster.subscribe::<Price>("a..b"), Err(SubscribeError::Pattern(_))));
    assert!(cluster.topic::<Price>("a.*").is_err());
    let mut here = cluster.subscribe::<Price>(">").expect("it has room");
    let topic = cluster.topic::<Price>("a.b").expect("it is one");
    assert_eq!(topic.publish(Price { cents: 7 }).await.here, 1);
    let heard = here.next().await.expect("a runs");
    assert_eq!((&*heard.topic, heard.message.cents), ("a.b", 7));
}

#[message(id = "topics/Sum", reply = (u64, u64))]
struct Sum;

/// Adds up what is published, and waits long over each.
#[derive(Clone, Default)]
struct Adder {
    count: u64,
    cents: u64,
}

#[actor(id = "topics/Adder", handles(Price, Sum))]
impl Actor for Adder {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Price> for Adder {
    async fn handle(&mut self, price: Price, _: &mut Context<Self>) {
        tokio::time::sleep(10 * MILLI).await;
        self.count += 1;
        self.cents += price.cents;
    }
}

impl Handler<Sum> for Adder {
    async fn handle(&mut self, _: Sum, _: &mut Context<Self>) -> (u64, u64) {
        (self.count, self.cents)
    }
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn an_actor_that_listens_has_messages_in_its_mailbox_or_misses_them(world: &mut World) {
    for name in ["a", "b"] {
        world.start_member(name, NodeBuilder::actor::<Adder>, async |_| ());
    }
    world.all_joined(&["a", "b"], 20 * SECOND).await.expect("they find each other");
    let b = node(world, "b");
    let adder = b.spawn_opts(Adder::default(), SpawnOptions::default().mailbox(8)).await;
    let adder: ActorRef<Adder> = adder.expect("it starts");
    b.cluster().subscribe_actor::<_, Price>("prices.*", &adder).expect("it has room");
    b.cluster().subscribe_actor::<_, Price>("prices.*", &adder).expect("again is no change");
    until_heard_by(world, "a", "prices.gold", 1).await;
    let gold = node(world, "a").cluster().topic::<Price>("prices.gold").expect("it is a topic");
    for _ in 0..100 {
        assert_eq!(gold.publish(Price { cents: 5 }).await.nodes, 1);
    }
    world.run_for(5 * SECOND).await;
    let (count, cents) = adder.ask(Sum).await.expect("it answers");
    assert_eq!((count + b.cluster().missed(), cents), (100, 5 * count));
    assert!(count >= 8 && b.cluster().missed() > 0, "{count} of 100");
    // On the node itself it is told which were taken.
    let (missed, gold) = (b.cluster().missed(), b.cluster().topic("prices.gold"));
    let (gold, mut taken) = (gold.expect("it is a topic"), 0);
    for _ in 0..100 {
        taken += gold.publish(Price { cents: 5 }).await.here as u64;
    }
    assert!(0 < taken && taken < 100, "{taken} of 100");
    assert_eq!(taken + b.cluster().missed() - missed, 100);
    world.run_for(5 * SECOND).await;
    assert_eq!(adder.ask(Sum).await.expect("it answers").0, count + taken);
    b.cluster().unsubscribe_actor::<_, Price>("prices.*", &adder);
    until_heard_by(world, "a", "prices.gold", 0).await;
    b.cluster().subscribe_actor::<_, Price>("prices.*", &adder).expect("it has room");
    until_heard_by(world, "a", "prices.gold", 1).await;
    adder.stop();
    until_heard_by(world, "a", "prices.gold", 0).await;
}
