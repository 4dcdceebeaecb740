//! Asks tell the truth: whatever breaks, what an asker is told about its ask agrees with what was done.
//!
//! Each node has an actor that does what it is asked and keeps a ledger outside the world, which no crash can reach. An
//! ask that was answered was done once; one that failed as not delivered was not done; no ask was done twice. What each
//! did last is a register that others read, and it is linearizable. Once all is healed the nodes are one cluster again,
//! stay so, have nothing left over, and each can ask each.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use odeon::{
    Actor, AskError, Certainty, Context, Handler, JoinConfig, Node, StartError, actor, message,
};
use odeon_sim::{
    Check, LinkRule, NodeDown, Outline, Scenario, Site, Stream, Swarm, World,
    check::{Call, Convergence, Linearizability, NoLeaks, PresentLives, Value},
};
use serde::{Deserialize, Serialize};

const NODES: [(&str, &str); 3] = [("a", "east"), ("b", "west"), ("c", "north")];

/// The name of each node's actor.
const DOER: &str = "doer";

/// Asks of one seed.
const ASKS: u64 = 120;

const SAFETY: Duration = Duration::from_secs(40);

/// How long an ask of the workload may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long it may take, once all is healed, until each node sees the others, for good.
const SETTLED: Duration = Duration::from_secs(45);

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

/// Says what was done last; 0 is nothing.
#[message(id = "truth/Look", reply = u64)]
struct Look;

#[derive(Clone)]
struct Doer {
    ledger: Ledger,
    /// As the ledger, outside the world.
    last: Arc<Mutex<u64>>,
}

#[actor(id = "truth/Doer", handles(Do, Look))]
impl Actor for Doer {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Do> for Doer {
    async fn handle(&mut self, done: Do, _: &mut Context<Self>) -> u64 {
        *lock(&self.ledger).entry(done.number).or_default() += 1;
        *lock(&self.last) = done.number;
        // Time for a crash between the deed and the answer.
        tokio::time::sleep(Duration::from_millis(5)).await;
        answer(done.number)
    }
}

impl Handler<Look> for Doer {
    async fn handle(&mut self, _: Look, _: &mut Context<Self>) -> u64 {
        *lock(&self.last)
    }
}

/// One ask of the workload: to do something, or to say what was done last.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ask {
    from: String,
    on: String,
    number: u64,
    looks: bool,
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
            (at, Ask { from: node(), on: node(), number, looks: draw.below(4) == 0 })
        };
        // 0 is nothing.
        (1..=ASKS).map(ask).collect()
    }

    async fn set_up(&mut self, world: &mut World) -> Result<(), String> {
        world.record_views();
        world.check_leaks();
        world.check_at_end(NoLeaks::new());
        world.check_at_end(Convergence::within(SETTLED));
        world.check_at_end(PresentLives::within(SETTLED));
        world.check_at_end(Linearizability::of_registers());
        world.set_default_link(LinkRule::rough());
        for (name, _) in NODES {
            let doer = Doer { ledger: Arc::clone(&self.ledger), last: Arc::default() };
            let main = move |node: Node| {
                let doer = doer.clone();
                async move {
                    let doer = node.spawn(doer).await.map_err(|error| error.to_string())?;
                    node.register(DOER, &doer).map_err(|error| error.to_string())
                }
            };
            world.start_member(name, |builder| builder.actor::<Doer>().join(seldom()), main);
        }
        let joined = world.all_joined(&NODES.map(|(name, _)| name), Duration::from_secs(30)).await;
        joined.map_err(|error| error.to_string())?;
        world.count();
        Ok(())
    }

    fn step(&mut self, world: &mut World, step: Ask) -> impl Future<Output = ()> + 'static {
        let asked = self.ask(world, step);
        async move {
            asked.await;
        }
    }

    async fn recover(&mut self, world: &mut World) -> Result<(), String> {
        let (names, healed) = (NODES.map(|(name, _)| name), world.now());
        // The time is bounded by the phase.
        let joined = world.all_joined(&names, Duration::from_secs(3600)).await;
        joined.map_err(|error| error.to_string())?;
        let mut number = RECOVERY;
        for ways in names.into_iter().flat_map(|from| names.map(|on| (from, on))) {
            loop {
                number += 1;
                let (from, on) = (ways.0.to_owned(), ways.1.to_owned());
                let asked = self.ask(world, Ask { from, on, number, looks: false });
                if matches!(asked.await, Told::Answered(_)) {
                    break;
                }
                if world.now() >= healed + 2 * SETTLED {
                    return Err(format!("{} is not answered by {}", ways.0, ways.1));
                }
                world.run_for(Duration::from_millis(100)).await;
            }
        }
        world.run_for((healed + SETTLED + PATIENCE).saturating_sub(world.now())).await;
        world.count();
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
    /// Asks on a node, and writes down what it was told.
    fn ask(&self, world: &World, step: Ask) -> impl Future<Output = Told> + use<> {
        let (answers, history) = (Arc::clone(&self.answers), world.history().clone());
        let Ask { from, on, number, looks } = step;
        let call = if looks { Call::read(&on) } else { Call::write(&on, number) };
        let of = history.invoke(format!("{from} no. {number}"), call);
        let asked = world.runtime_node(&from).map(|node| {
            let asks = async move { ask(&node, &on, number, looks).await };
            world.start_on(&from, asks)
        });
        async move {
            let told: Result<Told, NodeDown> = match asked {
                Some(asked) => asked.await,
                None => Ok(Told::Nobody),
            };
            let told = told.unwrap_or(Told::Nobody);
            match told {
                Told::Answered(0) if looks => history.done(of, Value::Nil),
                Told::Answered(last) if looks => history.done(of, last),
                Told::Answered(_) => history.done(of, ()),
                Told::Failed(certainty) => history.refused(of, certainty, "no answer"),
                Told::Nobody => history.unknown(of, "its node was lost"),
            }
            if !looks {
                lock(&answers).insert(number, told);
            }
            told
        }
    }
}

/// Asks the actor of a node, and keeps to the truth about what is known of it.
async fn ask(node: &Node, on: &str, number: u64, looks: bool) -> Told {
    let looked_up = tokio::time::timeout(PATIENCE, node.on(on).lookup::<Doer>(DOER)).await;
    let Ok(Ok(Some(doer))) = looked_up else { return Told::Failed(Certainty::NotDelivered) };
    let answer = match looks {
        true => doer.ask(Look).within(PATIENCE).await,
        false => doer.ask(Do { number }).within(PATIENCE).await,
    };
    match answer {
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

/// Members hardly look where they began: clusters that have come apart find each other by what they remember of members
/// that are down.
fn seldom() -> JoinConfig {
    JoinConfig { look_joined: Duration::from_secs(3600), ..JoinConfig::default() }
}
