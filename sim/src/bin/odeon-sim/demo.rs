//! The job of `odeon demo`: whatever breaks, every word is counted once and in order, and every failed ask is honest.
//!
//! Counters on three nodes count the words of a text, fed by a driver on a fourth. In mid-run the node that holds the most
//! is killed, as the demo does it, and started again; the faults do worse. A counter that was lost is begun anew elsewhere.
//! Once all is healed every count is equal to a plain run, and what the driver was told of each ask is what became of it.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use odeon::{ActorRef, MemberEvent, Node, NodeBuilder};
use odeon_sim::{
    Budget, Check, LinkRule, NodeDown, Outline, Scenario, Site, Stream, Swarm, World,
    check::{Honesty, Letter, OneAnswer, Recorder},
};
use serde::{Deserialize, Serialize};

use job::{
    COUNTERS_PER_NODE,
    board::{Board, Note},
    comparison,
    counter::{self, Counter, Desk, Usher},
    feeder::{ASK_WITHIN, Feeder},
    words::Words,
};

#[path = "../../../../runtime/node/src/demo/job.rs"]
#[expect(dead_code, reason = "the demo on processes takes other texts and measures more")]
mod job;

/// The node that feeds; of it only the links break.
const DRIVER: &str = "driver";
const NODES: [&str; 3] = ["n1", "n2", "n3"];
const PARTITIONS: usize = NODES.len() * COUNTERS_PER_NODE;
const SAFETY: Duration = Duration::from_secs(30);

/// Words of the text, and how long each batch of them takes a counter: together they fill the time of the faults.
const WORDS: usize = 50_000;
const TAKES: Duration = Duration::from_millis(150);

/// How long nothing is broken until a node that seems to be there is there.
const SETTLED: Duration = Duration::from_secs(15);

/// One step of the workload.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Act {
    /// The fullest node that asks are under way to is killed.
    KillTheFullest,
    /// The nodes that were killed so are started again.
    StartAgain,
}

type Feeding = std::pin::Pin<Box<dyn Future<Output = Result<ActorRef<Counter>, NodeDown>>>>;

/// The scenario.
#[derive(Default)]
pub(crate) struct Demo {
    /// The planted bug: what was lost with a counter is not counted again.
    pub(crate) forgets: bool,
    stage: Option<Stage>,
    /// Counts that are not those of a plain run.
    wrong: Rc<RefCell<Vec<String>>>,
}

/// What there is once the nodes have joined.
struct Stage {
    words: Rc<Words>,
    board: Rc<Board>,
    /// For each partition, its feeder.
    feeding: Vec<Feeding>,
}

impl Scenario for Demo {
    const NAME: &'static str = "demo";
    const ABOUT: &'static str = "the job of `odeon demo`: words are counted once and in order";
    type Step = Act;

    fn outline(&self) -> Outline {
        let sites = NODES.map(Site::new).into_iter().chain([Site::new(DRIVER).links_only()]);
        // Nothing has to get done before all is healed, so everything may be broken at once.
        let swarm = Swarm::all().budget(Budget::unbounded());
        Outline::new(sites).safety(SAFETY).liveness(Duration::from_secs(240)).faults(swarm)
    }

    fn workload(&self, draw: &Stream) -> Vec<(Duration, Act)> {
        // Between 10 and 50 percent of the way.
        let kill = Duration::from_millis(3_000 + draw.below(12_000));
        let start = kill + Duration::from_millis(500 + draw.below(6_000));
        vec![(kill, Act::KillTheFullest), (start, Act::StartAgain)]
    }

    async fn set_up(&mut self, world: &mut World) -> Result<(), String> {
        world.check_leaks();
        world.check_at_end(Honesty);
        // A feeder takes answers in turn, so that one may wait for another that is late itself.
        world.check_at_end(OneAnswer::within(2 * ASK_WITHIN));
        world.set_default_link(LinkRule::rough());
        let words = Rc::new(Words::embedded(WORDS, PARTITIONS));
        let sizes: Vec<_> = (0..PARTITIONS).map(|partition| words.len(partition)).collect();
        let recorder = world.history().clone();
        let book = Box::new(move |note| write_down(&recorder, note));
        let nodes = NODES.map(str::to_owned).to_vec();
        let board = Rc::new(Board::new(nodes, &sizes, world.seed() as usize % 3, 0, book));
        let watched = Rc::clone(&board);
        let main = move |node: Node| {
            let follow = follow(node.clone(), Rc::clone(&watched));
            async move {
                tokio::task::spawn_local(follow);
            }
        };
        let driver = |node: NodeBuilder| node.transport(job::transport());
        world.start_member(DRIVER, driver, main);
        for name in NODES {
            let recorder = world.history().clone();
            let ran = Arc::new(move |ask| recorder.began(&letter(ask)));
            let desk = Desk { ran, takes: TAKES };
            let main = move |node: Node| {
                let desk = desk.clone();
                async move { counter::open(&node, desk).await.map_err(|error| error.to_string()) }
            };
            world.start_member(
                name,
                |node| node.transport(job::transport()).actor::<Usher>().actor::<Counter>(),
                main,
            );
        }
        let joined = world.all_joined(&[DRIVER, "n1", "n2", "n3"], Duration::from_secs(30)).await;
        joined.map_err(|error| error.to_string())?;
        let node = world.runtime_node(DRIVER).ok_or("the driver is down")?;
        let feed = |partition| {
            let (node, words, board) = (node.clone(), Rc::clone(&words), Rc::clone(&board));
            let feeder = Feeder { node, words, board, partition, forgets: self.forgets };
            world.start_on(DRIVER, feeder.run())
        };
        let feeding = (0..PARTITIONS).map(feed).collect();
        self.stage = Some(Stage { words, board, feeding });
        Ok(())
    }

    fn step(&mut self, world: &mut World, act: Act) -> impl Future<Output = ()> + 'static {
        match (act, &self.stage) {
            (Act::KillTheFullest, Some(stage)) => {
                if let Some(victim) = stage.board.victim(1, |_| true) {
                    world.kill(&victim);
                }
            }
            _ => start_again(world),
        }
        std::future::ready(())
    }

    async fn recover(&mut self, world: &mut World) -> Result<(), String> {
        start_again(world);
        let stage = self.stage.take().ok_or("nothing was begun")?;
        let all = [DRIVER, "n1", "n2", "n3"];
        let joined = world.all_joined(&all, Duration::from_secs(100)).await;
        joined.map_err(|error| format!("the nodes do not find each other again: {error}"))?;
        // One that is taken for lost wrongly is so within this time.
        world.run_for(SETTLED).await;
        stage.board.calm();
        for (partition, counter) in stage.feeding.into_iter().enumerate() {
            let counter = counter.await.map_err(|error| error.to_string())?;
            let counted = comparison::count(&counter).await;
            let counted = counted.map_err(|error| format!("partition {partition}: {error}"))?;
            let wrong = comparison::compare(&stage.words, partition, &counted);
            self.wrong.borrow_mut().extend(wrong);
        }
        Ok(())
    }

    fn checks(&self) -> Vec<Check> {
        let wrong = Rc::clone(&self.wrong);
        let first = move |_: &World| wrong.borrow().first().cloned().map_or(Ok(()), Err);
        vec![Check::at_end("counts are those of a plain run", first)]
    }
}

/// Starts whoever is down.
fn start_again(world: &mut World) {
    for node in NODES {
        if !world.is_up(node) {
            world.restart(node);
        }
    }
}

/// Tells the board who comes and goes, as the driver's node sees it.
async fn follow(node: Node, board: Rc<Board>) {
    let mut members = node.members();
    while let Some(event) = members.next().await {
        match event {
            MemberEvent::Up(member) => board.back(&member.name),
            MemberEvent::Down { member, .. } => board.gone(&member.name),
            _ => {}
        }
    }
}

/// What happens to an ask, as a history.
fn write_down(recorder: &Recorder, note: Note) {
    match note {
        Note::Asks { ask } => recorder.ask(&letter(ask)),
        Note::Counted { ask, .. } => recorder.answered(&letter(ask), None),
        Note::Failed { ask, label } => recorder.send_failed(&letter(ask), label, "no answer"),
        Note::Complete { .. } | Note::Lost { .. } => {}
    }
}

fn letter(ask: u64) -> Letter {
    Letter::new(DRIVER, "counters", ask)
}
