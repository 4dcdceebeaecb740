//! Asks that are sent again over a link that fails: what may run twice is known again at the other node.

use std::{future::IntoFuture, time::Duration};

use odeon::{
    Actor, ActorRef, Context, Handler, Node, RetryPolicy, StartError, SystemConfig, actor, message,
};
use odeon_sim::World;

const SECOND: Duration = Duration::from_secs(1);

/// Charges for one order; twice is as good as once, but not as cheap.
#[message(id = "repeats/Charge", idempotent, reply = u64)]
#[derive(Clone)]
struct Charge {
    order: u64,
    millis: u64,
}

#[message(id = "repeats/Charged", reply = Vec<u64>)]
struct Charged;

#[derive(Clone, Default)]
struct Till {
    orders: Vec<u64>,
}

#[actor(id = "repeats/Till", handles(Charge, Charged))]
impl Actor for Till {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Charge> for Till {
    async fn handle(&mut self, charge: Charge, _: &mut Context<Self>) -> u64 {
        self.orders.push(charge.order);
        tokio::time::sleep(Duration::from_millis(charge.millis)).await;
        charge.order
    }
}

impl Handler<Charged> for Till {
    async fn handle(&mut self, _: Charged, _: &mut Context<Self>) -> Vec<u64> {
        self.orders.clone()
    }
}

/// Node a, and its reference to the till on b. Retries cost it nothing.
async fn two(world: &mut World) -> (Node, ActorRef<Till>) {
    let mut config = SystemConfig::default();
    config.retry_percent = 10_000;
    let open = async |node: Node| {
        let till = node.spawn(Till::default()).await.expect("it starts");
        node.register("till", &till).expect("the name is free");
    };
    world.start_member("a", move |builder| builder.system(config.clone()), async |_| ());
    world.start_member("b", |builder| builder.actor::<Till>(), open);
    world.all_joined(&["a", "b"], 10 * SECOND).await.expect("they find each other");
    let a = world.runtime_node("a").expect("it is up");
    let till = a.on("b").lookup::<Till>("till").await.expect("b answers").expect("it is there");
    (a, till)
}

fn often() -> RetryPolicy {
    RetryPolicy::attempts(100)
        .pauses(Duration::from_millis(10), Duration::from_millis(100))
        .attempt_within(Duration::from_millis(120))
}

#[odeon_sim::test(seeds = 0..20)]
async fn what_is_sent_again_runs_once_over_a_link_that_comes_and_goes(world: &mut World) {
    let (a, till) = two(world).await;
    let random = world.random("orders and cuts");
    let orders: Vec<_> = (0..40).map(|order| (order, random.below(40))).collect();
    let asking = world.run_on("a", async move {
        for (order, millis) in orders {
            let ask = till.ask(Charge { order, millis }).retry(often()).within(60 * SECOND);
            assert_eq!(ask.await, Ok(order));
        }
        till
    });
    let mut asking = Box::pin(asking);
    let till = loop {
        let until = Duration::from_millis(50 + random.below(400));
        if let Ok(till) = tokio::time::timeout(until, &mut asking).await {
            break till.expect("a is up");
        }
        // Answers are lost, or questions, or both.
        match random.below(3) {
            0 => world.cut("b", "a"),
            1 => world.cut("a", "b"),
            _ => world.partition(&["a"], &["b"]),
        }
        world.run_for(Duration::from_millis(100 + random.below(250))).await;
        world.heal();
    };
    world.heal();
    let charged = till.ask(Charged).within(20 * SECOND).await.expect("the link is whole");
    assert!(a.system().stats().retries > 0, "the link was too good to prove anything");
    assert_eq!(charged, (0..40).collect::<Vec<_>>(), "each once, in order");
}

#[odeon_sim::test(seeds = 0..10)]
async fn an_attempt_has_its_own_time_though_it_joined_one_that_gave_up(world: &mut World) {
    let (_, till) = two(world).await;
    let asked = till.clone();
    let answer = world.run_on("a", async move {
        let busy = asked.ask(Charge { order: 1, millis: 1_500 });
        // The first attempt gives up in the mailbox, the second has much time left when its turn comes.
        let policy = RetryPolicy::attempts(2).attempt_within(SECOND);
        let ask = asked.ask(Charge { order: 2, millis: 0 }).retry(policy).within(10 * SECOND);
        tokio::join!(busy.into_future(), ask.into_future())
    });
    assert_eq!(answer.await.expect("a is up"), (Ok(1), Ok(2)));
    assert_eq!(till.ask(Charged).await, Ok(vec![1, 2]));
}

#[odeon_sim::test(seeds = 0..10)]
async fn attempts_join_the_one_that_runs(world: &mut World) {
    let (a, till) = two(world).await;
    let asked = till.clone();
    let answer = world.run_on("a", async move {
        // Every attempt gives up before the handler is done.
        asked.ask(Charge { order: 1, millis: 1_500 }).retry(often()).within(10 * SECOND).await
    });
    assert_eq!(answer.await.expect("a is up"), Ok(1));
    assert!(a.system().stats().retries >= 3, "{}", a.system().stats().retries);
    assert_eq!(till.ask(Charged).await, Ok(vec![1]));
}
