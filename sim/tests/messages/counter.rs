//! An actor that counts the messages that it gets, and how it is found: where not the actor is tested, but what becomes of
//! messages on their way to it.

use odeon::{Actor, ActorRef, Context, Handler, Node, StartError, actor, message};
use odeon_sim::World;

/// Counts itself; how many came before it.
#[message(id = "counter/Next", reply = u64)]
pub(crate) struct Next;

/// The same, without an answer.
#[message(id = "counter/One")]
pub(crate) struct One;

/// How many came so far, of which it is none.
#[message(id = "counter/Count", reply = u64)]
pub(crate) struct Count;

#[derive(Clone, Default)]
pub(crate) struct Counter {
    count: u64,
}

#[actor(id = "counter/Counter", handles(Next, One, Count))]
impl Actor for Counter {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Next> for Counter {
    async fn handle(&mut self, _: Next, _: &mut Context<Self>) -> u64 {
        self.count += 1;
        self.count - 1
    }
}

impl Handler<One> for Counter {
    async fn handle(&mut self, _: One, _: &mut Context<Self>) {
        self.count += 1;
    }
}

impl Handler<Count> for Counter {
    async fn handle(&mut self, _: Count, _: &mut Context<Self>) -> u64 {
        self.count
    }
}

/// What a node does that has a counter.
pub(crate) async fn counting(node: Node) {
    let counter = node.spawn(Counter::default()).await.expect("it starts");
    node.register("counter", &counter).expect("the name is free");
}

/// The counter of one node as another one has it.
pub(crate) async fn counter(world: &World, from: &str, at: &str) -> ActorRef<Counter> {
    let from = world.runtime_node(from).expect("it is up");
    let found = from.on(at).lookup("counter").await.expect("it answers");
    found.expect("it is registered")
}
