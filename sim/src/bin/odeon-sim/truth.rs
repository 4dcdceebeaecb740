//! Asks tell the truth: whatever breaks, what an asker is told about its ask agrees with what was done.
//!
//! Each node has an actor that does what it is asked and keeps a ledger outside the world, which no crash can reach. An
//! ask that was answered was done once; one that failed as not delivered was not done; no ask was done twice. Once all
//! is healed the nodes are one cluster again, and each can ask each.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use odeon::{
    Actor, AskError, Certainty, Context, Handler, Node, NodeBuilder, StartError, actor, message,
};
use odeon_sim::{Check, LinkRule, NodeDown, Outline, Scenario, Site, Stream, Swarm, World};
use serde::{Deserialize, Serialize};

const NODES: [(&str, &str); 3] = [("a", "east"), ("b", "west"), ("c", "north")];

/// The name of each node's actor.
const DOER: &str = "doer";

/// Asks of one seed.
const ASKS: u64 = 120;

const SAFETY: Duration = Duration::from_secs(40);

/// How long an ask of the workload may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Numbers from here on are asked in the liveness phase.
const RECOVERY: u64 = 1 << 32;

/// How often each number was done.
type Ledger = Arc<Mutex<BTreeMap<u64, u64>>>;

/// What each asker was told.
type Answers = Arc<Mutex<BTreeMap<u64, Told>>>;

/// Does something once, and says so.
#[message(id = "truth/Do", reply = u64)]
struct Do {
    number: u64,
}

#[derive(Clone)]
struct Doer {
    ledger: Ledger,
}

#[actor(id = "truth/Doer", handles(Do))]
impl Actor for Doer {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Do> for Doer {
    async fn handle(&mut self, done: Do, _: &mut Context<Self>) -> u64 {
        *lock(&self.ledger).entry(done.number).or_default() += 1;
        // Time for a crash between the deed and the answer.
        tokio::time::sleep(Duration::from_millis(5)).await;
        answer(done.number)
    }
}

/// One ask of the workload.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ask {
    from: String,
    on: String,
    number: u64,
}

/// What became of an ask, as its asker sees it.
#[derive(Clone, Copy, Debug)]
enum Told {
    Answered(u64),
    Failed(Certainty),
    /// The asker's node was down or went down, so that nobody was told.
    Nobody,
}

/// The scenario.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    ledger: Ledger,
    answers: Answers,
}

impl Scenario for Truth {
    const NAME: &'static str = "truth";
    const ABOUT: &'static str = "asks between three nodes tell the truth about what was done";
    type Step = Ask;

    fn outline(&self) -> Outline {
        let sites = NODES.map(|(name, zone)| Site::new(name).in_zone(zone));
        Outline::new(sites).safety(SAFETY).liveness(Duration::from_secs(120)).faults(Swarm::all())
    }

    fn workload(&self, draw: &Stream) -> Vec<(Duration, Ask)> {
        let node = || NODES[draw.below(NODES.len() as u64) as usize].0.to_owned();
        let ask = |number| {
            let at = Duration::from_millis(draw.below(SAFETY.as_millis() as u64));
            (at, Ask { from: node(), on: node(), number })
        };
        (0..ASKS).map(ask).collect()
    }

    async fn set_up(&mut self, world: &mut World) -> Result<(), String> {
        world.set_default_link(LinkRule::rough());
        for (name, _) in NODES {
            let doer = Doer { ledger: Arc::clone(&self.ledger) };
            let main = move |node: Node| {
                let doer = doer.clone();
                async move {
                    let doer = node.spawn(doer).await.map_err(|error| error.to_string())?;
                    node.register(DOER, &doer).map_err(|error| error.to_string())
                }
            };
            world.start_member(name, NodeBuilder::actor::<Doer>, main);
        }
        let joined = world.all_joined(&NODES.map(|(name, _)| name), Duration::from_secs(30)).await;
        joined.map_err(|error| error.to_string())
    }

    fn step(&mut self, world: &mut World, step: Ask) -> impl Future<Output = ()> + 'static {
        let answers = Arc::clone(&self.answers);
        let Ask { from, on, number } = step;
        let asked = world
            .runtime_node(&from)
            .map(|node| world.start_on(&from, async move { ask(&node, &on, number).await }));
        async move {
            let told = match asked {
                Some(asked) => asked.await.unwrap_or(Told::Nobody),
                None => Told::Nobody,
            };
            lock(&answers).insert(number, told);
        }
    }

    async fn recover(&mut self, world: &mut World) -> Result<(), String> {
        let names = NODES.map(|(name, _)| name);
        // The time is bounded by the phase.
        let joined = world.all_joined(&names, Duration::from_secs(3600)).await;
        joined.map_err(|error| error.to_string())?;
        let mut number = RECOVERY;
        for from in names {
            for on in names {
                loop {
                    number += 1;
                    if self.is_answered(world, from, on, number).await {
                        break;
                    }
                    world.run_for(Duration::from_millis(100)).await;
                }
            }
        }
        Ok(())
    }

    fn checks(&self) -> Vec<Check> {
        let (ledger, answers) = (Arc::clone(&self.ledger), Arc::clone(&self.answers));
        let once = Arc::clone(&self.ledger);
        vec![
            Check::every(Duration::from_secs(1), "nothing is done twice", move |_| {
                match lock(&once).iter().find(|(_, times)| **times > 1) {
                    Some((number, times)) => Err(format!("{number} was done {times} times")),
                    None => Ok(()),
                }
            }),
            Check::at_end("asks tell the truth", move |_| {
                let ledger = lock(&ledger);
                lock(&answers).iter().try_for_each(|(number, told)| {
                    let times = ledger.get(number).copied().unwrap_or(0);
                    agree(*number, *told, times)
                })
            }),
        ]
    }
}

impl Truth {
    async fn is_answered(&self, world: &World, from: &str, on: &str, number: u64) -> bool {
        let Some(node) = world.runtime_node(from) else { return false };
        let on = on.to_owned();
        let asked: Result<Told, NodeDown> =
            world.run_on(from, async move { ask(&node, &on, number).await }).await;
        let told = asked.unwrap_or(Told::Nobody);
        lock(&self.answers).insert(number, told);
        matches!(told, Told::Answered(_))
    }
}

/// Asks the actor of a node, and keeps to the truth about what is known of it.
async fn ask(node: &Node, on: &str, number: u64) -> Told {
    let looked_up = tokio::time::timeout(PATIENCE, node.on(on).lookup::<Doer>(DOER)).await;
    let Ok(Ok(Some(doer))) = looked_up else { return Told::Failed(Certainty::NotDelivered) };
    match doer.ask(Do { number }).within(PATIENCE).await {
        Ok(answer) => Told::Answered(answer),
        Err(error) => Told::Failed(AskError::certainty(&error)),
    }
}

/// Whether what was told agrees with what was done.
fn agree(number: u64, told: Told, times: u64) -> Result<(), String> {
    let right = match told {
        Told::Answered(reply) => times == 1 && reply == answer(number),
        Told::Failed(Certainty::NotDelivered) => times == 0,
        Told::Failed(Certainty::Ran) => times == 1,
        Told::Failed(_) | Told::Nobody => times <= 1,
    };
    if right { Ok(()) } else { Err(format!("{number} was done {times} times, and told {told:?}")) }
}

/// The right answer.
const fn answer(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
