//! Asks tell the truth: whatever breaks, what an asker is told about its ask agrees with what was done.
//!
//! Each node has an actor that does what it is asked and writes it into the history, which no crash can reach. An ask is
//! answered once, and with its own answer, or fails once; one that was answered was done once, one that failed as not
//! delivered was not done, and none was done twice. What each did last is a register that others read, and it is
//! linearizable. Once all is healed the nodes are one cluster again, stay so, have nothing left over, and each can ask each.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use odeon::{
    Actor, AskError, Certainty, Context, Handler, JoinConfig, Node, StartError, actor, message,
};
use odeon_sim::{
    LinkRule, Outline, Scenario, Site, Stream, Swarm, World,
    check::{
        Call, Convergence, Honesty, Letter, Linearizability, NoLeaks, OneAnswer, PresentLives,
        Recorder, Value, What,
    },
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

/// The longest that an ask may take: a look-up and an answer, on a node that may be held until all is healed.
const LATEST: Duration = SAFETY.saturating_add(PATIENCE.saturating_mul(3));

/// Does something once, and says its number.
#[message(id = "truth/Do", reply = u64)]
struct Do {
    number: u64,
}

/// Says what was done last; 0 is nothing.
#[message(id = "truth/Look", reply = u64)]
struct Look;

/// What it did is known outside the world.
#[derive(Clone)]
struct Doer {
    recorder: Recorder,
    last: Arc<AtomicU64>,
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
        self.recorder.began(&letter(done.number));
        self.last.store(done.number, Relaxed);
        // Time for a crash between the deed and the answer.
        tokio::time::sleep(Duration::from_millis(5)).await;
        done.number
    }
}

impl Handler<Look> for Doer {
    async fn handle(&mut self, _: Look, _: &mut Context<Self>) -> u64 {
        self.last.load(Relaxed)
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

/// The scenario.
#[derive(Debug, Default)]
pub(crate) struct Truth;

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
        world.check_at_end(OneAnswer::within(LATEST));
        world.check_at_end(Honesty);
        world.set_default_link(LinkRule::rough());
        for (name, _) in NODES {
            let doer = Doer { recorder: world.history().clone(), last: Arc::default() };
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
        let asked = ask_on(world, step);
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
                if ask_on(world, Ask { from, on, number, looks: false }).await {
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
}

/// Asks on a node, and writes down what it was told; whether it was answered.
fn ask_on(world: &World, step: Ask) -> impl Future<Output = bool> + use<> {
    let Ask { from, on, number, looks } = step;
    let (history, letter) = (world.history().clone(), letter(number));
    let call = if looks { Call::read(&on) } else { Call::write(&on, number) };
    let of = history.invoke(format!("{from} no. {number}"), call);
    if !looks {
        history.ask(&letter);
    }
    let asked = world
        .runtime_node(&from)
        .map(|node| world.start_on(&from, async move { ask(&node, &on, number, looks).await }));
    async move {
        let told = match asked {
            Some(asked) => asked.await.ok(),
            None => None,
        };
        match told {
            Some(Ok(0)) if looks => history.done(of, Value::Nil),
            Some(Ok(last)) if looks => history.done(of, last),
            Some(Ok(echo)) => {
                history.done(of, ());
                history.answered(&letter, echo);
            }
            Some(Err(certainty)) => history.refused(of, certainty, "no answer"),
            None => history.unknown(of, "its node was lost"),
        }
        match told {
            Some(Err(certainty)) if !looks => history.send_failed(&letter, certainty, "no answer"),
            None if !looks => drop(history.record(What::GaveUp { letter })),
            _ => {}
        }
        matches!(told, Some(Ok(_)))
    }
}

/// Asks the actor of a node: its answer, or what is known of the ask.
async fn ask(node: &Node, on: &str, number: u64, looks: bool) -> Result<u64, Certainty> {
    let looked_up = tokio::time::timeout(PATIENCE, node.on(on).lookup::<Doer>(DOER)).await;
    let Ok(Ok(Some(doer))) = looked_up else { return Err(Certainty::NotDelivered) };
    let answer = match looks {
        true => doer.ask(Look).within(PATIENCE).await,
        false => doer.ask(Do { number }).within(PATIENCE).await,
    };
    answer.map_err(|error| AskError::certainty(&error))
}

fn letter(number: u64) -> Letter {
    Letter::new("askers", "doers", number)
}

/// Members hardly look where they began: clusters that have come apart find each other by what they remember of members
/// that are down.
fn seldom() -> JoinConfig {
    JoinConfig { look_joined: Duration::from_secs(3600), ..JoinConfig::default() }
}
