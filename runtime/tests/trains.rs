//! A burst of tells over QUIC on loopback, to a mailbox much smaller than the burst: all of it arrives once and in order,
//! whatever an archive among it is like, a handler that waits does in between, and whether messages are values or read in
//! place.

use std::time::Duration;

use odeon::{
    Actor, ActorRef, Ca, Context, Handler, Node, Overflow, SpawnOptions, StartError, Validity,
    View, ViewHandler, actor,
    env::{Env, RealEnv},
    message,
};

const LONG: Duration = Duration::from_secs(60);
const TELLS: u64 = 20_000;
const MAILBOX: u32 = 64;

#[message(id = "trains/Step")]
struct Step {
    number: u64,
}

#[message(id = "trains/Look")]
struct Look {
    number: u64,
    text: String,
}

/// How many came in order, and how many did not.
#[message(id = "trains/Count", reply = (u64, u64))]
struct Count;

#[derive(Clone, Default)]
struct Walker {
    next: u64,
    others: u64,
}

impl Walker {
    async fn walk(&mut self, number: u64) {
        match number == self.next {
            true => self.next += 1,
            false => self.others += 1,
        }
        if number % 1000 == 500 {
            tokio::task::yield_now().await;
        }
    }
}

#[actor(id = "trains/Walker", handles(Step, Count), views(Look))]
impl Actor for Walker {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Step> for Walker {
    async fn handle(&mut self, step: Step, _: &mut Context<Self>) {
        self.walk(step.number).await;
    }
}

impl Handler<Look> for Walker {
    async fn handle(&mut self, _: Look, _: &mut Context<Self>) {
        panic!("it comes from another node");
    }
}

impl ViewHandler<Look> for Walker {
    async fn view(&mut self, look: View<Look>, _: &mut Context<Self>) {
        assert_eq!(look.text.len() as u64, look.number.to_native() % 50);
        self.walk(look.number.to_native()).await;
    }
}

impl Handler<Count> for Walker {
    async fn handle(&mut self, _: Count, _: &mut Context<Self>) -> (u64, u64) {
        (self.next, self.others)
    }
}

/// Two nodes, and an actor of the first as the second sees it.
async fn pair(options: SpawnOptions) -> ([Node; 2], ActorRef<Walker>) {
    let ca = Ca::in_memory("trains").expect("the name is good");
    let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(24 * 3600));
    let builder = |name: &str| {
        let identity = ca.issue(name, validity).expect("the name is good");
        Node::builder(name).identity(identity).actor::<Walker>()
    };
    let a = builder("a").alone().start().await.expect("a starts");
    let b = builder("b").seed(a.addr().to_string()).start().await.expect("b starts");
    assert!(b.joined().await);
    let options = options.named("walker").mailbox(MAILBOX);
    a.spawn_opts::<Walker>(Walker::default(), options).await.expect("it starts");
    let walker = b.on("a").lookup::<Walker>("walker").await.expect("a answers");
    ([a, b], walker.expect("it is there"))
}

/// Values, then archives that are read in place, of many lengths.
async fn burst(walker: &ActorRef<Walker>) -> (u64, u64) {
    for number in 0..TELLS {
        let told = match number < TELLS / 2 {
            true => walker.tell(Step { number }).await.map_err(|error| error.to_string()),
            false => {
                let text = "x".repeat((number % 50) as usize);
                walker.tell(Look { number, text }).await.map_err(|error| error.to_string())
            }
        };
        told.expect("it is taken");
    }
    walker.ask(Count).within(LONG).await.expect("it is answered")
}

#[odeon::main]
async fn all_come_in_order() {
    let (nodes, walker) = pair(SpawnOptions::default()).await;
    assert_eq!(burst(&walker).await, (TELLS, 0));
    let sent = nodes[1].on("a").stats().unwrap_or_default();
    assert!(sent.frames_sent > 10 * sent.batches, "they went in bursts: {sent:?}");
    stop(nodes).await;
}

#[odeon::main]
async fn a_mailbox_that_drops_takes_them_one_by_one() {
    let options = SpawnOptions::default().overflow(Overflow::DropNewest);
    let (nodes, walker) = pair(options).await;
    for number in 0..TELLS {
        walker.tell(Step { number }).await.expect("it is taken");
    }
    let mut sent = TELLS;
    // What is full drops the question too.
    let came = loop {
        match walker.ask(Count).within(LONG).await {
            Ok((came, others)) => break came + others,
            Err(_) => sent += 1,
        }
    };
    assert_eq!(came + nodes[0].stats().dropped, sent, "each is handled, or dropped and counted");
    stop(nodes).await;
}

async fn stop(nodes: [Node; 2]) {
    for node in nodes {
        node.stop(LONG).await;
    }
}

#[test]
fn a_burst_is_handled_one_by_one() {
    all_come_in_order();
}

#[test]
fn a_burst_at_a_mailbox_that_drops_is_counted() {
    a_mailbox_that_drops_takes_them_one_by_one();
}
