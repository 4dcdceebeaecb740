//! Duties to answer, tasks and timers, when nodes give up, part and crash.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use odeon::{
    Actor, ActorRef, AskError, Certainty, Context, Handler, MissedTicks, Node, NodeBuilder,
    Responder, StartError, actor, message,
};
use odeon_sim::{NODE_PORT, World};

const SECOND: Duration = Duration::from_secs(1);

/// Answered at once, when it is told to, by another desk, or never.
#[message(id = "duties/Job", reply = u64)]
struct Job {
    how: u8,
}

const NOW: u8 = 0;
const LATER: u8 = 1;
const ELSEWHERE: u8 = 2;
const NEVER: u8 = 3;

/// Gives the desk another one to forward to.
#[message(id = "duties/Next")]
struct Next {
    desk: ActorRef<Desk>,
}

#[message(local)]
struct Answer;

#[message(local)]
struct Tick;

/// What happens on a node, seen from outside.
#[derive(Clone, Default)]
struct Seen {
    given_up: Arc<AtomicU64>,
    ticks: Arc<AtomicU64>,
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

struct Desk {
    seen: Seen,
    waiting: Vec<Responder<Job>>,
    next: Option<ActorRef<Self>>,
}

#[actor(id = "duties/Desk", handles(Job, Next))]
impl Actor for Desk {
    type Args = Seen;

    async fn start(seen: Seen, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { seen, waiting: Vec::new(), next: None })
    }
}

impl Handler<Job> for Desk {
    async fn handle(&mut self, job: Job, ctx: &mut Context<Self>) -> u64 {
        match (job.how, &self.next) {
            (LATER, _) => {
                ctx.after(None, SECOND, Answer).expect("there is room for a timer");
                ctx.defer(|responder| self.waiting.push(responder)).await
            }
            (ELSEWHERE, Some(next)) => {
                let next = next.clone();
                ctx.forward(&next, Job { how: NOW }).await
            }
            (NEVER, _) => {
                ctx.cancelled().await;
                self.seen.given_up.fetch_add(1, Ordering::Relaxed);
                0
            }
            _ => 1,
        }
    }
}

impl Handler<Answer> for Desk {
    async fn handle(&mut self, _: Answer, _: &mut Context<Self>) {
        self.waiting.drain(..).for_each(|responder| responder.reply(2));
    }
}

impl Handler<Next> for Desk {
    async fn handle(&mut self, next: Next, _: &mut Context<Self>) {
        self.next = Some(next.desk);
    }
}

/// Ticks by a timer, and by a task of its node.
struct Clock {
    seen: Seen,
}

impl Actor for Clock {
    type Args = Seen;

    async fn start(seen: Seen, ctx: &mut Context<Self>) -> Result<Self, StartError> {
        ctx.every("tick", SECOND, MissedTicks::Skip, || Tick).expect("there is room for a timer");
        let ticks = seen.ticks.clone();
        let task = odeon::spawn(async move {
            loop {
                tokio::time::sleep(SECOND).await;
                ticks.fetch_add(1, Ordering::Relaxed);
            }
        });
        task.expect("a node runs this").detach();
        Ok(Self { seen })
    }
}

impl Handler<Tick> for Clock {
    async fn handle(&mut self, _: Tick, _: &mut Context<Self>) {
        self.seen.ticks.fetch_add(1, Ordering::Relaxed);
    }
}

/// Two nodes with a desk each: a's, and b's as a sees it.
async fn two(world: &mut World, seen: &Seen) -> (ActorRef<Desk>, ActorRef<Desk>) {
    let work = |seen: Seen| {
        move |node: Node| {
            let seen = seen.clone();
            async move {
                let desk = node.spawn_with::<Desk>(seen).await.expect("it starts");
                node.register("desk", &desk).expect("the name is free");
            }
        }
    };
    world.start_node(
        "a",
        |builder: NodeBuilder| builder.alone().actor::<Desk>(),
        work(Seen::default()),
    );
    let setup = |builder: NodeBuilder| builder.actor::<Desk>().seed(format!("a:{NODE_PORT}"));
    world.start_node("b", setup, work(seen.clone()));
    world.all_joined(&["a", "b"], 10 * SECOND).await.expect("they find each other");
    let a = world.runtime_node("a").expect("it is up");
    let near = a.lookup::<Desk>("desk").expect("it is registered");
    let far = a.on("b").lookup::<Desk>("desk").await.expect("b answers").expect("it is registered");
    (near, far)
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn duties_are_deferred_and_forwarded_over_nodes(world: &mut World) {
    let (near, far) = two(world, &Seen::default()).await;
    assert_eq!(far.ask(Job { how: LATER }).await.expect("it is answered later"), 2);
    far.ask(Next { desk: near.clone() }).await.expect("b takes it");
    near.ask(Next { desk: far.clone() }).await.expect("a takes it");
    assert_eq!(far.ask(Job { how: ELSEWHERE }).await.expect("a answers for b"), 1);
    assert_eq!(near.ask(Job { how: ELSEWHERE }).await.expect("b answers for a"), 1);
    let deferred = tokio::task::spawn_local(async move { far.ask(Job { how: LATER }).await });
    world.run_for(SECOND / 10).await;
    world.crash("b");
    let error = deferred.await.expect("it does not panic").expect_err("b is gone");
    assert_eq!(error.certainty(), Certainty::MayHaveRun, "{error}");
    let error = near.ask(Job { how: ELSEWHERE }).await.expect_err("b is gone");
    assert!(matches!(error, AskError::Unreachable(_) | AskError::Deadline(_)), "{error}");
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_running_ask_hears_that_its_asker_gave_up_or_was_lost(world: &mut World) {
    let seen = Seen::default();
    let (_, far) = two(world, &seen).await;
    let error = far.ask(Job { how: NEVER }).within(SECOND).await.expect_err("it does not answer");
    assert_eq!(error.certainty(), Certainty::MayHaveRun, "{error}");
    world.run_for(SECOND / 10).await;
    assert_eq!(count(&seen.given_up), 1);
    let ask = far.ask(Job { how: NEVER }).within(100 * SECOND);
    let ask = tokio::task::spawn_local(async move { ask.await });
    world.run_for(SECOND / 10).await;
    assert_eq!(count(&seen.given_up), 1);
    world.crash("a");
    world.run_for(5 * SECOND).await;
    assert_eq!(count(&seen.given_up), 2);
    ask.abort();
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn tasks_and_timers_end_with_their_node(world: &mut World) {
    let seen = Seen::default();
    let ticks = seen.ticks.clone();
    let work = move |node: Node| {
        let seen = seen.clone();
        async move {
            node.spawn_with::<Clock>(seen).await.expect("it starts");
        }
    };
    world.start_node("a", NodeBuilder::alone, work);
    world.run_for(5 * SECOND + SECOND / 2).await;
    let before = count(&ticks);
    assert!((8..=10).contains(&before), "{before}");
    world.crash("a");
    world.run_for(10 * SECOND).await;
    assert_eq!(count(&ticks), before);
    world.restart("a");
    world.run_for(5 * SECOND + SECOND / 2).await;
    assert!(count(&ticks) > before);
}
