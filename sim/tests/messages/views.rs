//! Views between nodes, over a minute of time that costs nothing: a receiver that keeps each one for as long, and a sender
//! that is held back meanwhile; what the receiver's messages pin stays within its bound, and comes back.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, time::Duration};

use odeon::{
    Actor, ActorRef, Context, Handler, MissedTicks, Node, NodeBuilder, StartError, TransportConfig,
    View, ViewHandler, actor, message,
};
use odeon_sim::World;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
/// What the messages of one peer may pin here, before short ones are copied out.
const BOUND: u64 = 256 << 10;
/// Messages that a sender may have waiting at one receiver, views among them.
const CREDIT: u32 = 512;

#[message(id = "views/Line", reply = u64)]
struct Line {
    number: u64,
    text: String,
}

#[message(id = "views/Count", reply = (u64, u64))]
struct Count;

/// Keeps views for a minute each.
#[derive(Default)]
struct Keeper {
    kept: VecDeque<(Instant, View<Line>)>,
    seen: u64,
    values: u64,
}

#[actor(id = "views/Keeper", handles(Count), views(Line))]
impl Actor for Keeper {
    type Args = ();

    async fn start((): (), ctx: &mut Context<Self>) -> Result<Self, StartError> {
        ctx.every(None, SECOND, MissedTicks::Skip, || Tick).map_err(StartError::new)?;
        Ok(Self::default())
    }
}

#[message(local)]
struct Tick;

impl Handler<Tick> for Keeper {
    async fn handle(&mut self, _: Tick, _: &mut Context<Self>) {
        let now = Instant::now();
        while self.kept.front().is_some_and(|(since, _)| *since + 60 * SECOND <= now) {
            self.kept.pop_front();
        }
    }
}

impl Handler<Line> for Keeper {
    async fn handle(&mut self, line: Line, _: &mut Context<Self>) -> u64 {
        self.values += 1;
        line.number
    }
}

impl ViewHandler<Line> for Keeper {
    async fn view(&mut self, line: View<Line>, _: &mut Context<Self>) -> u64 {
        assert_eq!(line.number.to_native(), self.seen, "first in, first out");
        assert_eq!(line.text.as_str(), text(self.seen));
        self.seen += 1;
        // Over an await, and beyond its handler.
        tokio::task::yield_now().await;
        let number = line.number.to_native();
        self.kept.push_back((Instant::now(), line));
        number
    }
}

impl Handler<Count> for Keeper {
    async fn handle(&mut self, _: Count, _: &mut Context<Self>) -> (u64, u64) {
        for (_, line) in &self.kept {
            assert_eq!(line.text.as_str(), text(line.number.to_native()), "it is what it was");
        }
        (self.seen, self.values)
    }
}

fn text(number: u64) -> String {
    format!("line {number} {}", "-".repeat((number % 50) as usize))
}

fn setup(builder: NodeBuilder) -> NodeBuilder {
    let transport = TransportConfig {
        pinned_bytes_max: BOUND as usize,
        credit_messages: CREDIT,
        ..TransportConfig::default()
    };
    builder.actor::<Keeper>().transport(transport)
}

async fn serve(node: Node, seen: Rc<RefCell<Option<Node>>>) {
    let keeper = node.spawn_with::<Keeper>(()).await.expect("it starts");
    node.register("keeper", &keeper).expect("the name is free");
    assert_eq!(keeper.ask(Line { number: 9, text: String::new() }).await, Ok(9), "of its node");
    *seen.borrow_mut() = Some(node);
}

/// Tells as fast as it is let.
async fn tell(node: Node) -> Result<(), String> {
    let mut name = node.on("b").follow::<Keeper>("keeper").await.map_err(|e| e.to_string())?;
    let keeper: ActorRef<Keeper> = name.held().await.ok_or("nobody holds the name")?;
    for number in 0.. {
        let line = Line { number, text: text(number) };
        keeper.tell(line).within(600 * SECOND).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[odeon_sim::test(seeds = 0..3, link = both)]
async fn a_receiver_that_keeps_views_for_a_minute_holds_its_sender_back(world: &mut World) {
    let receiver: Rc<RefCell<Option<Node>>> = Rc::default();
    let kept = Rc::clone(&receiver);
    world.start_member("b", setup, move |node| serve(node, Rc::clone(&kept)));
    world.start_member("a", setup, tell);
    let began = Rc::clone(&receiver);
    let stats = move || {
        let node = began.borrow();
        node.as_ref().and_then(|node| node.on("a").stats()).unwrap_or_default()
    };
    let received = stats.clone();
    let enough = move || received().frames_received > u64::from(CREDIT) / 2;
    world.run_until(enough, 20 * SECOND).await.expect("messages come");
    let mut most = 0;
    let mut frames = Vec::new();
    for _ in 0..130 {
        world.run_for(SECOND).await;
        most = most.max(stats().pinned_bytes);
        frames.push(stats().frames_received);
    }
    // While all credit is in views nothing comes but news; when they go, after a minute, it goes on, twice.
    let quiet = frames.windows(30).any(|span| span[29] - span[0] < u64::from(CREDIT) / 4);
    assert!(quiet, "{frames:?}");
    assert!(frames[129] - frames[0] > u64::from(CREDIT), "{frames:?}");
    // The slabs of one burst may be out before they count, and each view has at most its own 160 bytes beyond.
    let most_allowed = BOUND + 5 * (64 << 10) + u64::from(CREDIT) * 160;
    assert!(most <= most_allowed, "{most} bytes pinned, {most_allowed} allowed");
}
