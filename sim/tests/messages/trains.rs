//! Bursts of tells between nodes, which come together and wait together at a mailbox that is smaller than any of them: each
//! is handled once and in order, whatever handlers do in between, asks keep their place among them, and the credit of all
//! of them comes back.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use odeon::{
    Actor, ActorRef, ChildSpec, Context, Handler, Node, NodeBuilder, SpawnOptions, StartError,
    Supervisor, SupervisorSpec, View, ViewHandler, actor, message,
};
use odeon_sim::World;

const SECOND: Duration = Duration::from_secs(1);
/// Tells of one sender.
const TELLS: u64 = 3000;
/// Much less than comes at once.
const MAILBOX: u32 = 16;

#[message(id = "trains/Step")]
struct Step {
    number: u64,
    text: String,
}

/// The same, read in place.
#[message(id = "trains/Look")]
struct Look {
    number: u64,
    text: String,
}

#[message(id = "trains/Count", reply = u64)]
struct Count;

/// Writes down what it begins to handle; now and then it waits or panics.
#[derive(Clone, Default)]
struct Walker {
    seen: Arc<Mutex<Vec<u64>>>,
}

impl Walker {
    fn seen(&self) -> MutexGuard<'_, Vec<u64>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn walk(&self, number: u64, text: &str) {
        assert_eq!(text.len() as u64, number % 60, "it is whole");
        self.seen().push(number);
        if number % 97 == 5 {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        assert!(number % 301 != 200, "as it was told");
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
    async fn handle(&mut self, Step { number, text }: Step, _: &mut Context<Self>) {
        self.walk(number, &text).await;
    }
}

impl Handler<Look> for Walker {
    async fn handle(&mut self, _: Look, _: &mut Context<Self>) {
        panic!("it comes from another node");
    }
}

impl ViewHandler<Look> for Walker {
    async fn view(&mut self, look: View<Look>, _: &mut Context<Self>) {
        self.walk(look.number.to_native(), look.text.as_str()).await;
    }
}

impl Handler<Count> for Walker {
    async fn handle(&mut self, _: Count, _: &mut Context<Self>) -> u64 {
        self.seen().len() as u64
    }
}

async fn serve(node: Node, walker: Walker) {
    let options = SpawnOptions::default().named("walker").mailbox(MAILBOX);
    let walker = ChildSpec::new::<Walker>("walker", walker).options(options);
    let tree = SupervisorSpec::one_for_one().intensity(1_000_000, SECOND).child(walker);
    node.spawn_with::<Supervisor>(tree).await.expect("the tree starts");
}

/// Tells in bursts of one type, and asks in between how many have come.
async fn tell(node: Node) -> Result<(), String> {
    let mut name = node.on("b").follow::<Walker>("walker").await.map_err(|e| e.to_string())?;
    let walker: ActorRef<Walker> = name.held().await.ok_or("nobody holds the name")?;
    for number in 0..TELLS {
        let text = "-".repeat((number % 60) as usize);
        let told = match number / 250 % 2 {
            0 => walker.tell(Step { number, text }).within(60 * SECOND).await.map_err(drop),
            _ => walker.tell(Look { number, text }).within(60 * SECOND).await.map_err(drop),
        };
        told.map_err(|()| format!("tell {number} failed"))?;
        if number % 700 == 699 {
            let count = walker.ask(Count).within(60 * SECOND).await;
            assert_eq!(count.map_err(|error| error.to_string())?, number + 1);
        }
    }
    Ok(())
}

#[odeon_sim::test(seeds = 0..6, link = both)]
async fn messages_that_come_together_are_handled_one_by_one_and_in_order(world: &mut World) {
    world.expect_panics("trains.rs", "as it was told");
    let walker = Walker::default();
    let seen = Arc::clone(&walker.seen);
    let main = move |node| serve(node, walker.clone());
    world.start_member("b", NodeBuilder::actor::<Walker>, main);
    world.start_member("a", NodeBuilder::actor::<Walker>, tell);
    let all = Arc::clone(&seen);
    let done = move || all.lock().unwrap().len() as u64 == TELLS;
    world.run_until(done, 120 * SECOND).await.expect("all of them come");
    assert!(seen.lock().unwrap().iter().copied().eq(0..TELLS), "once each, in order");
    let node = world.runtime_node("b").expect("it is up");
    let held = || node.on("a").stats().map_or(0, |stats| stats.pinned_bytes);
    world.run_for(SECOND).await;
    // What streams have at hand stays.
    assert!(held() <= 256 << 10, "{} bytes are held", held());
    let sent = world.runtime_node("a").and_then(|node| node.on("b").stats()).unwrap_or_default();
    assert!(sent.frames_sent > 10 * sent.batches, "they went in bursts: {sent:?}");
}
