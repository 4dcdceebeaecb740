//! Orders of turns: bugs that need a rare order are found by priorities that change now and then (PCT) more often than by
//! chance, on both floors: nodes of a world, actors of a node.
//!
//! Counts are of whole runs, many in one program: whether a run is the same in the next program does not matter here.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    rc::Rc,
    task::Poll,
    time::Duration,
};

use odeon::{Actor, ActorRef, Context, Handler, NodeBuilder, StartError, message};
use odeon_sim::{Schedule, WorldBuilder};

/// Lets others go first, and stays ready.
fn others_first() -> impl Future<Output = ()> {
    let mut first = true;
    poll_fn(move |cx| {
        if std::mem::take(&mut first) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
}

/// Ends this turn of the node: tokio polls 61 times at most in one.
async fn next_turn() {
    for _ in 0..61 {
        others_first().await;
    }
}

/// How long one has to walk to the door, in turns.
const WALK: u64 = 16;

/// So many that the bound of the paper and chance are 10 and 0.3 of them.
const SEEDS: u64 = 8000;

/// How often there is a choice, at most: while both are ready.
const CHOICES: u64 = WALK + 4;

/// One node opens a door and shuts it in its next turn. Another walks to it, and goes through if it is open, which takes a
/// turn. Whether it is shut upon the one who goes: that takes three orders, open before arrive before shut before
/// gone.
fn is_caught(schedule: Schedule, seed: u64) -> bool {
    let caught = Rc::new(Cell::new(false));
    let seen = Rc::clone(&caught);
    let verdict = WorldBuilder::new(seed).schedule(schedule).run(async |world| {
        let open = Rc::new(Cell::new(false));
        let door = Rc::clone(&open);
        world.node("porter", move |_| {
            let door = Rc::clone(&door);
            async move {
                door.set(true);
                next_turn().await;
                door.set(false);
            }
        });
        world.node("walker", move |_| {
            let (open, seen) = (Rc::clone(&open), Rc::clone(&seen));
            async move {
                for _ in 0..WALK {
                    next_turn().await;
                }
                if open.get() {
                    next_turn().await;
                    seen.set(!open.get());
                }
            }
        });
        world.run_for(Duration::from_millis(1)).await;
    });
    assert!(verdict.passed(), "{verdict}");
    caught.get()
}

fn count(schedule: Schedule, seeds: u64, fails: impl Fn(Schedule, u64) -> bool) -> usize {
    (0..seeds).filter(|seed| fails(schedule, *seed)).count()
}

#[test]
fn an_order_of_three_turns_of_nodes_is_found_more_often_by_priorities_than_by_chance() {
    // It is one order, whatever the seed.
    let fifo = count(Schedule::Fifo, 20, is_caught);
    let [random, pct] = [Schedule::Random, Schedule::Pct { depth: 3, steps: CHOICES }]
        .map(|schedule| count(schedule, SEEDS, is_caught));
    println!("of {SEEDS} seeds: {random} by chance, {pct} by priorities");
    assert_eq!(fifo, 0, "the quiet order does not show the bug");
    // The paper's bound is 1 / (2 × 20²), 10 of 8000. By chance one of two goes 17 times in 18, the other at the right
    // moment, and once more after it: 17 / 2¹⁹, one of 31,000.
    assert!(pct >= 2 && pct > 2 * random, "{random} by chance, {pct} by priorities");
}

#[message(local)]
struct Begin;

#[message(local)]
struct Open(bool);

#[message(local)]
struct Knock;

#[message(local, reply = bool)]
struct LetIn;

/// A door that opens and shuts in its turns.
#[derive(Clone, Default)]
struct Door {
    open: bool,
    let_in: bool,
}

/// Opens the door and shuts it in its next turn.
#[derive(Clone)]
struct Porter(ActorRef<Door>);

/// Walks to the door and knocks.
#[derive(Clone)]
struct Walker(ActorRef<Door>);

macro_rules! starts_as_it_is {
    ($($actor:ident),*) => {$(
        impl Actor for $actor {
            type Args = Self;

            async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
                Ok(args)
            }
        }
    )*};
}

starts_as_it_is!(Door, Porter, Walker);

impl Handler<Begin> for Porter {
    async fn handle(&mut self, _: Begin, _: &mut Context<Self>) {
        self.0.tell(Open(true)).await.expect("the door lives");
        others_first().await;
        self.0.tell(Open(false)).await.expect("the door lives");
    }
}

impl Handler<Begin> for Walker {
    async fn handle(&mut self, _: Begin, _: &mut Context<Self>) {
        for _ in 0..WALK {
            others_first().await;
        }
        self.0.tell(Knock).await.expect("the door lives");
    }
}

impl Handler<Open> for Door {
    async fn handle(&mut self, open: Open, _: &mut Context<Self>) {
        self.open = open.0;
    }
}

impl Handler<Knock> for Door {
    async fn handle(&mut self, _: Knock, _: &mut Context<Self>) {
        self.let_in |= self.open;
    }
}

impl Handler<LetIn> for Door {
    async fn handle(&mut self, _: LetIn, _: &mut Context<Self>) -> bool {
        self.let_in
    }
}

/// Whether the walker finds the door open, which takes two orders: open before knock before shut.
fn is_let_in(schedule: Schedule, seed: u64) -> bool {
    let mut let_in = false;
    let verdict = WorldBuilder::new(seed).schedule(schedule).run(async |world| {
        world.start_node("a", NodeBuilder::alone, async |_| ());
        let node = world.joined("a", Duration::from_secs(1)).await.expect("it is alone");
        let answer = world.run_on("a", async move {
            let door = node.spawn(Door::default()).await.expect("it starts");
            let porter = node.spawn(Porter(door.clone())).await.expect("it starts");
            let walker = node.spawn(Walker(door.clone())).await.expect("it starts");
            porter.tell(Begin).await.expect("it lives");
            walker.tell(Begin).await.expect("it lives");
            tokio::time::sleep(Duration::from_millis(10)).await;
            door.ask(LetIn).await.expect("it lives")
        });
        let_in = answer.await.expect("the node is up");
    });
    assert!(verdict.passed(), "{verdict}");
    let_in
}

#[test]
fn an_order_of_two_turns_of_actors_is_found_more_often_by_priorities_than_by_chance() {
    let [fifo, random, pct] =
        [Schedule::Fifo, Schedule::Random, Schedule::Pct { depth: 2, steps: CHOICES }]
            .map(|schedule| count(schedule, 300, is_let_in));
    println!("of 300 seeds: {fifo} first come, {random} by chance, {pct} by priorities");
    assert_eq!(fifo, 0, "the quiet order does not show the bug");
    assert!(pct >= 2 && pct > 2 * random, "{random} by chance, {pct} by priorities");
}
