//! Large messages and replies between real nodes on loopback: they arrive, at their place, and hold up nobody else.

use std::time::Duration;

use odeon::{
    Actor, ActorRef, Ca, Context, Handler, Node, SpawnOptions, StartError, TransportConfig,
    Validity, actor,
    env::{Env, RealEnv},
    message,
};

const LONG: Duration = Duration::from_secs(60);

/// Almost the longest that travels.
const BYTES: usize = 60 << 20;

#[message(id = "large/Keep", reply = u64)]
struct Keep {
    text: String,
}

#[message(id = "large/Fetch", reply = String)]
struct Fetch {
    bytes: u64,
}

/// How many texts were kept.
#[message(id = "large/Count", reply = u64)]
struct Count;

#[derive(Clone, Default)]
struct Shelf {
    kept: u64,
}

#[actor(id = "large/Shelf", handles(Keep, Fetch, Count))]
impl Actor for Shelf {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Keep> for Shelf {
    async fn handle(&mut self, keep: Keep, _: &mut Context<Self>) -> u64 {
        self.kept += 1;
        keep.text.len() as u64
    }
}

impl Handler<Fetch> for Shelf {
    async fn handle(&mut self, fetch: Fetch, _: &mut Context<Self>) -> String {
        "y".repeat(fetch.bytes as usize)
    }
}

impl Handler<Count> for Shelf {
    async fn handle(&mut self, _: Count, _: &mut Context<Self>) -> u64 {
        self.kept
    }
}

/// Two nodes with one lane each way, and two shelves on the first as the second sees them.
async fn pair() -> ([Node; 2], [ActorRef<Shelf>; 2]) {
    let ca = Ca::in_memory("large").expect("the name is good");
    let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(24 * 3600));
    let builder = |name: &str| {
        let identity = ca.issue(name, validity).expect("the name is good");
        let config = TransportConfig { lanes: 1, ..TransportConfig::default() };
        Node::builder(name).identity(identity).transport(config).actor::<Shelf>()
    };
    let a = builder("a").alone().start().await.expect("a starts");
    let b = builder("b").seed(a.addr().to_string()).start().await.expect("b starts");
    assert!(b.joined().await);
    let mut shelves = Vec::new();
    for name in ["one", "other"] {
        let options = SpawnOptions::default().named(name);
        a.spawn_opts::<Shelf>(Shelf::default(), options).await.expect("it starts");
        let shelf = b.on("a").lookup::<Shelf>(name).await.expect("a answers");
        shelves.push(shelf.expect("it is there"));
    }
    let shelves = shelves.try_into().map_err(|_| "two").expect("there are two");
    ([a, b], shelves)
}

#[odeon::main]
async fn there_and_back() {
    let (nodes, [one, other]) = pair().await;
    let text = "x".repeat(BYTES);
    one.tell(Keep { text: text.clone() }).await.expect("it is taken");
    let kept = one.ask(Count).within(LONG).await.expect("it is answered");
    assert_eq!(kept, 1, "what is sent later comes later");

    let long = one.ask(Keep { text }).within(LONG);
    let long = long.into_future();
    tokio::pin!(long);
    // Each answer goes round once while the long one is on its way.
    let mut answered = 0;
    let length = loop {
        tokio::select! {
            biased;
            length = &mut long => break length.expect("it is answered"),
            count = other.ask(Count).within(LONG) => {
                assert_eq!(count.expect("it is answered"), 0);
                answered += 1;
            }
        }
    };
    assert_eq!(length, BYTES as u64);
    assert!(answered > 3, "{answered} small ones went past");

    let fetched = other.ask(Fetch { bytes: BYTES as u64 }).within(LONG).await;
    assert_eq!(fetched.expect("it is answered").len(), BYTES);
    for node in nodes {
        node.stop(LONG).await;
    }
}

#[test]
fn large_messages_and_replies_go_there_and_back() {
    there_and_back();
}
