//! The leader of the examples: whatever breaks, no two candidates lead at one time.
//!
//! An office on one node gives leases, candidates stand on the three others, and now and then one of them is killed. When
//! a lease has run out by the count of its holder it is held no more, even where the holder is stopped and cannot know.
//! The ledger never takes an act with a smaller fence after a greater one, whenever it comes. Once all is healed somebody
//! leads.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use odeon::{Node, NodeBuilder};
use odeon_sim::{
    Check, LinkRule, Outline, Scenario, Stream, Swarm, World,
    check::{NoLeaks, OneHolder, Recorder, What},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use app::{Candidacy, Candidate, Ledger, Office};

#[path = "../../../../examples/src/bin/leader/app.rs"]
mod app;

const OFFICE: &str = "office";
const NODES: [&str; 4] = [OFFICE, "a", "b", "c"];
const KILLS: u64 = 8;
const SAFETY: Duration = Duration::from_secs(40);

/// One step of the workload: the candidate of this node is killed, and stands again.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kill {
    node: String,
}

/// Until when each fence is held.
type Tenures = Arc<Mutex<BTreeMap<String, Instant>>>;

/// What ledgers took, in order: the life of the node, who acted, with which fence.
type Acts = Arc<Mutex<Vec<(u64, String, u64)>>>;

/// The scenario.
#[derive(Debug, Default)]
pub(crate) struct Leader {
    /// The planted bug: for how long candidates go on after their lease has run out.
    pub(crate) overstays: Duration,
    /// The planted bug: whether the ledger takes old fences.
    pub(crate) takes_old_fences: bool,
    tenures: Tenures,
    acts: Acts,
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
            let (overstays, takes_old_fences) = (self.overstays, self.takes_old_fences);
            let (tenures, acts) = (Arc::clone(&self.tenures), Arc::clone(&self.acts));
            let recorder = world.history().clone();
            let main = move |node: Node| {
                let (tenures, acts) = (Arc::clone(&tenures), Arc::clone(&acts));
                let (recorder, life) = (recorder.clone(), node.incarnation().0);
                let leads = Arc::new(move |who: &str, fence, until| {
                    let holder = format!("{who} with fence {fence}");
                    write_down(&recorder, &tenures, holder, until);
                });
                async move {
                    let started = if node.name() == OFFICE {
                        let book = Arc::new(move |who: &str, fence| {
                            lock(&acts).push((life, who.to_owned(), fence));
                        });
                        app::open(&node, Ledger { book, fence: 0, takes_old_fences }).await
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
        let before = lock(&self.acts).len();
        // The time is bounded by the phase.
        while lock(&self.acts).len() == before {
            world.run_for(Duration::from_secs(1)).await;
        }
        world.count();
        Ok(())
    }

    fn checks(&self) -> Vec<Check> {
        let acts = Arc::clone(&self.acts);
        vec![Check::at_end("no old leader is obeyed", move |_| {
            let acts = lock(&acts);
            let mut pairs = acts.array_windows();
            let is_old = |[(life, who, fence), (later, other, next)]: &&[(u64, String, u64); 2]| {
                life == later && (fence > next || fence == next && who != other)
            };
            pairs.find(is_old).map_or(Ok(()), |[(.., fence), (_, who, old)]| {
                Err(format!("the ledger takes an act of {who} with fence {old} after {fence}"))
            })
        })]
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A candidate leads until then, by its own count; whose time has run out leads no more.
fn write_down(recorder: &Recorder, tenures: &Tenures, holder: String, until: Instant) {
    let mut tenures = lock(tenures);
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
