//! The leader of the examples: whatever breaks, no two candidates lead at one time.
//!
//! An office on one node gives leases, candidates stand on the three others, and now and then one of them is killed. When
//! a lease has run out by the count of its holder it is held no more, even where the holder is stopped and cannot know.
//! The ledger never takes an act with a smaller fence after a greater one, whenever it comes. A reader, a client that is no
//! member of the cluster, reads in it what is its last entry at that time. Once all is healed somebody leads, and the
//! reader hears of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use odeon::{Client, Node, NodeBuilder};
use odeon_sim::{
    Check, LinkRule, NODE_PORT, Outline, Scenario, Stream, Swarm, World,
    check::{NoLeaks, OneHolder, Recorder, What},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use app::{Candidacy, Candidate, Entry, Keeping, Ledger, Office, who_acted};

use crate::shared::Shared;

#[path = "../../../../examples/src/bin/leader/app.rs"]
mod app;

const OFFICE: &str = "office";
const NODES: [&str; 4] = [OFFICE, "a", "b", "c"];
/// Who is no node of the outline, so that no fault hits it; the network is rough for it too.
const READER: &str = "reader";
const READS_EVERY: Duration = Duration::from_millis(200);
const KILLS: u64 = 8;
const SAFETY: Duration = Duration::from_secs(40);

/// One step of the workload: the candidate of this node is killed, and stands again.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kill {
    node: String,
}

/// Until when each fence is held.
type Tenures = Shared<BTreeMap<String, Instant>>;

/// What ledgers took, in order: the life of the node, and the entry. A life begins with the entry of nobody.
type Acts = Shared<Vec<(u64, Entry)>>;

/// What the reader has read, and what of it was in no ledger at that time.
#[derive(Debug, Default)]
struct Read {
    answers: u64,
    untrue: Vec<String>,
}

/// The scenario.
#[derive(Debug, Default)]
pub(crate) struct Leader {
    /// The planted bug: for how long candidates go on after their lease has run out.
    pub(crate) overstays: Duration,
    /// The planted bugs of the ledger.
    pub(crate) keeping: Keeping,
    tenures: Tenures,
    acts: Acts,
    read: Shared<Read>,
}

impl Scenario for Leader {
    const NAME: &'static str = "leader";
    const ABOUT: &'static str = "of several candidates with leases at most one leads at a time";
    type Step = Kill;

    fn outline(&self) -> Outline {
        Outline::new(NODES).safety(SAFETY).liveness(Duration::from_secs(120)).faults(Swarm::all())
    }

    fn workload(&self, draw: &Stream) -> Vec<(Duration, Kill)> {
        let kill = |_| {
            let node = NODES[1 + draw.below(3) as usize].to_owned();
            (Duration::from_millis(draw.below(SAFETY.as_millis() as u64)), Kill { node })
        };
        (0..KILLS).map(kill).collect()
    }

    async fn set_up(&mut self, world: &mut World) -> Result<(), String> {
        world.check_leaks();
        world.check_at_end(NoLeaks::new());
        world.check_at_end(OneHolder);
        world.set_default_link(LinkRule::rough());
        for name in NODES {
            let (overstays, keeping) = (self.overstays, self.keeping);
            let (tenures, acts) = (self.tenures.clone(), self.acts.clone());
            let recorder = world.history().clone();
            let main = move |node: Node| {
                let (tenures, acts) = (tenures.clone(), acts.clone());
                let (recorder, life) = (recorder.clone(), node.incarnation().0);
                let leads = Arc::new(move |who: &str, fence, until| {
                    let holder = format!("{who} with fence {fence}");
                    write_down(&recorder, &tenures, holder, until);
                });
                async move {
                    let started = if node.name() == OFFICE {
                        let book_of = acts.clone();
                        let book = Arc::new(move |who: &str, fence| {
                            book_of.lock().push((life, Entry { candidate: who.to_owned(), fence }));
                        });
                        acts.lock().push((life, Entry::default()));
                        app::open(&node, Ledger::new(book, keeping)).await
                    } else {
                        app::stand(Candidacy { node, office: OFFICE.into(), leads, overstays })
                            .await
                    };
                    started.map_err(|error| error.to_string())
                }
            };
            let setup = |node: NodeBuilder| node.actor::<Office>().actor::<Ledger>();
            world.start_member(name, setup, main);
        }
        self.start_reader(world);
        let joined = world.all_joined(&NODES, Duration::from_secs(30)).await;
        joined.map_err(|error| error.to_string())?;
        world.count();
        Ok(())
    }

    fn step(&mut self, world: &mut World, kill: Kill) -> impl Future<Output = ()> + 'static {
        let node = world.runtime_node(&kill.node);
        if let Some(candidate) = node.and_then(|node| node.lookup::<Candidate>("candidate")) {
            candidate.kill();
        }
        std::future::ready(())
    }

    async fn recover(&mut self, world: &mut World) -> Result<(), String> {
        let before = self.acts.lock().len();
        // The time is bounded by the phase.
        while self.acts.lock()[before..].iter().all(|(_, act)| *act == Entry::default()) {
            world.run_for(Duration::from_secs(1)).await;
        }
        let answers = self.read.lock().answers;
        while self.read.lock().answers == answers {
            world.run_for(Duration::from_secs(1)).await;
        }
        world.count();
        Ok(())
    }

    fn checks(&self) -> Vec<Check> {
        let (acts, read) = (self.acts.clone(), self.read.clone());
        let obeyed = Check::at_end("no old leader is obeyed", move |_| {
            let acts = acts.lock();
            let mut pairs = acts.array_windows();
            let is_old = |[(life, act), (later, next)]: &&[(u64, Entry); 2]| {
                let others = act.candidate != next.candidate;
                life == later && (act.fence > next.fence || act.fence == next.fence && others)
            };
            pairs.find(is_old).map_or(Ok(()), |[(_, act), (_, old)]| {
                let (who, old, fence) = (&old.candidate, old.fence, act.fence);
                Err(format!("the ledger takes an act of {who} with fence {old} after {fence}"))
            })
        });
        let told = Check::at_end("a client reads what is there", move |_| {
            read.lock().untrue.first().map_or(Ok(()), |untrue| Err(untrue.clone()))
        });
        vec![obeyed, told]
    }
}

impl Leader {
    /// Starts the client, which reads again and again.
    fn start_reader(&self, world: &mut World) {
        let (acts, read) = (self.acts.clone(), self.read.clone());
        let at_nodes = |client: NodeBuilder| {
            NODES.iter().fold(client, |client, node| client.seed(format!("{node}:{NODE_PORT}")))
        };
        world.start_client(READER, at_nodes, move |client: Client| {
            let (acts, read) = (acts.clone(), read.clone());
            async move {
                loop {
                    tokio::time::sleep(READS_EVERY).await;
                    // What was the last entry when it asked, or became it until now.
                    let since = acts.lock().len().saturating_sub(1);
                    let Some(last) = who_acted(&client.on(OFFICE)).await else { continue };
                    let mut read = read.lock();
                    if !acts.lock()[since..].iter().any(|(_, entry)| *entry == last) {
                        read.untrue
                            .push(format!("it is told of {last:?}, which is not the last act"));
                    }
                    read.answers += 1;
                }
            }
        });
    }
}

/// A candidate leads until then, by its own count; whose time has run out leads no more.
fn write_down(recorder: &Recorder, tenures: &Tenures, holder: String, until: Instant) {
    let mut tenures = tenures.lock();
    let now = Instant::now();
    tenures.retain(|other, until| {
        let holds = *until > now;
        if !holds {
            recorder
                .record(What::Released { name: "leader".into(), holder: other.as_str().into() });
        }
        holds
    });
    recorder.record(What::Claimed { name: "leader".into(), holder: holder.as_str().into() });
    tenures.insert(holder, until);
}
