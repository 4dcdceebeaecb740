//! Actors of two real nodes that ask each other: over QUIC on loopback, on threads, and by the wall clock.

use std::time::Duration;

use odeon::{
    Actor, ActorRef, AskError, Ca, Context, Handler, Node, StartError, Validity, actor,
    env::{Env, RealEnv},
    message,
};
use tokio::time::Instant;

/// Asks the first of the way, which asks the next; answers how many asks ended as a deadlock.
#[message(id = "circles/Go", reply = u32)]
struct Go {
    way: Vec<ActorRef<Knot>>,
    millis: u64,
}

#[derive(Clone)]
struct Knot;

#[actor(id = "circles/Knot", handles(Go))]
impl Actor for Knot {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Go> for Knot {
    async fn handle(&mut self, Go { mut way, millis }: Go, _: &mut Context<Self>) -> u32 {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        if way.is_empty() {
            return 0;
        }
        let next = way.remove(0);
        match next.ask(Go { way, millis }).within(Duration::from_secs(60)).await {
            Ok(count) => count,
            Err(error @ AskError::Deadlock(_)) => {
                let text = error.to_string();
                assert!(text.contains(" on a -> ") && text.contains(" on b -> "), "{text}");
                1
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[odeon::main]
async fn between_nodes() {
    let ca = Ca::in_memory("circles").expect("the name is good");
    let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(24 * 3600));
    let builder = |name: &str| {
        let identity = ca.issue(name, validity).expect("the name is good");
        Node::builder(name).identity(identity).actor::<Knot>()
    };
    let a = builder("a").alone().start().await.expect("a starts");
    let b = builder("b").seed(a.addr().to_string()).start().await.expect("b starts");
    assert!(b.joined().await);
    let mut knots = Vec::new();
    for node in [&a, &b, &a, &b] {
        knots.push(node.spawn(Knot).await.expect("it starts"));
    }
    // As that node sees them: a reference that is not sent to a node belongs to another.
    let way = |node: &Node, at: &[usize]| {
        let address = |at: &usize| knots[*at].address().expect("its type is declared");
        let seen = at.iter().map(|at| ActorRef::from_address(node.system(), address(at)));
        seen.collect::<Vec<_>>()
    };
    for round in 0..5 {
        let began = Instant::now();
        let chain = knots[0].ask(Go { way: way(&a, &[1, 2, 3, 0]), millis: round }).await;
        assert_eq!(chain, Ok(1));
        let (one, other) = tokio::join!(
            knots[0].ask(Go { way: way(&a, &[1]), millis: 5 }),
            knots[1].ask(Go { way: way(&b, &[0]), millis: 5 }),
        );
        // They may also have missed each other.
        let told = one.expect("it is answered") + other.expect("it is answered");
        assert!(told <= 1, "{told}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    // What only takes long is no circle.
    let long = knots[0].ask(Go { way: way(&a, &[1, 2, 3]), millis: 250 }).await;
    assert_eq!(long, Ok(0));
    a.stop(Duration::from_secs(5)).await;
    b.stop(Duration::from_secs(5)).await;
}

#[test]
fn circles_over_two_nodes_are_told() {
    between_nodes();
}
