//! The request storm of the examples: whatever is slow, no request runs twice, and queues stay short.
//!
//! One node sends requests at a fixed rate to servers on four others, of which one is slow by nature, and the faults make
//! more of them slow, hold them, or cut them off. Each request ends once, with the truth about it, and none begins when its
//! time is up. Once all is healed, requests at the same rate are all answered, and soon, and nothing is left over.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use odeon::{Node, NodeBuilder};
use odeon_sim::{
    Check, FaultKind, LinkRule, Outline, Pace, Scenario, Site, Stream, Swarm, World,
    check::{Honesty, Letter, NoLeaks, OneAnswer, Recorder},
};
use serde::{Deserialize, Serialize};

use app::{Front, Server, WAITING};

use crate::shared::Shared;

#[path = "../../../../examples/src/bin/request_storm/app.rs"]
mod app;

/// Each server with the milliseconds that a request takes it.
const SERVERS: [(&str, u64); 4] = [("a", 20), ("b", 20), ("c", 20), ("d", 40)];

/// Of the node of the front only the links break.
const FRONT: &str = "front";

const MS: Duration = Duration::from_millis(1);
const SAFETY: Duration = Duration::from_secs(20);

/// Between two requests: the servers have time for twice as many.
const EVERY: Duration = Duration::from_millis(20);

/// The longest that a request may take: all four servers, one after the other, each with a look-up.
const DEADLINE: Duration = Duration::from_secs(3);

/// How late the end of these eight waits may be seen: each up to a tick of its timer and one of who waits for it, a
/// millisecond each. The front is never slow: no fault hits its node.
const SLACK: Duration = Duration::from_millis(16);

/// How long a request takes at most once all is healed.
const CALM: Duration = Duration::from_millis(500);

/// Numbers from here on are asked in the liveness phase, so many at a time.
const RECOVERY: u64 = 1 << 32;
const ROUND: u64 = 50;

/// One step of the workload.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Act {
    Ask {
        number: u64,
    },
    /// Looks how much waits at a server.
    Look {
        server: String,
    },
}

/// The scenario.
#[derive(Default)]
pub(crate) struct RequestStorm {
    /// The planted bug: what may have run is sent again.
    pub(crate) is_rash: bool,
    front: Option<Arc<Front>>,
    crowds: Rc<RefCell<Vec<String>>>,
    /// Requests that began when nobody waited for them any more.
    late: Shared<Vec<String>>,
}

impl Scenario for RequestStorm {
    const NAME: &'static str = "request-storm";
    const ABOUT: &'static str =
        "requests at a fixed rate to slow servers run once, and do not pile up";
    type Step = Act;

    fn outline(&self) -> Outline {
        let often = Pace::new(Duration::from_secs(3), 500 * MS..=Duration::from_secs(6));
        let swarm = Swarm::all()
            .with_pace(FaultKind::Slow, often.clone())
            .with_pace(FaultKind::Pause, often);
        let sites = SERVERS.map(|(name, _)| Site::new(name)).into_iter();
        let sites = sites.chain([Site::new(FRONT).links_only()]);
        Outline::new(sites).safety(SAFETY).liveness(Duration::from_secs(120)).faults(swarm)
    }

    fn workload(&self, draw: &Stream) -> Vec<(Duration, Act)> {
        let asks = u64::from((SAFETY.as_millis() / EVERY.as_millis()) as u32);
        let ask = |number| (EVERY * number as u32, Act::Ask { number });
        let look = |_| {
            let server = SERVERS[draw.below(4) as usize].0.to_owned();
            (MS * draw.below(SAFETY.as_millis() as u64) as u32, Act::Look { server })
        };
        (0..asks).map(ask).chain((0..40).map(look)).collect()
    }

    async fn set_up(&mut self, world: &mut World) -> Result<(), String> {
        world.check_leaks();
        world.check_at_end(NoLeaks::new());
        world.check_at_end(Honesty);
        world.check_at_end(OneAnswer::within(DEADLINE + SLACK));
        world.set_default_link(LinkRule::rough());
        world.start_member(FRONT, |node| node, async |_| ());
        for (name, takes) in SERVERS {
            let (recorder, late) = (world.history().clone(), self.late.clone());
            let main = move |node: Node| {
                let (recorder, late) = (recorder.clone(), late.clone());
                let begun = Arc::new(move |number, remaining: Option<Duration>| {
                    recorder.began(&letter(number));
                    if remaining.is_none_or(|it| it.is_zero()) {
                        late.lock().push(format!("{name} begins with {number}, whose time is up"));
                    }
                });
                async move {
                    let opened = app::open(&node, Server { takes: MS * takes as u32, begun }).await;
                    opened.map_err(|error| error.to_string())
                }
            };
            world.start_member(name, NodeBuilder::actor::<Server>, main);
        }
        let names = [FRONT, "a", "b", "c", "d"];
        let joined = world.all_joined(&names, Duration::from_secs(30)).await;
        joined.map_err(|error| error.to_string())?;
        let node = world.runtime_node(FRONT).ok_or("the front is down")?;
        self.front = Some(Arc::new(Front::new(node, &SERVERS.map(|(name, _)| name), self.is_rash)));
        world.count();
        Ok(())
    }

    fn step(&mut self, world: &mut World, act: Act) -> impl Future<Output = ()> + 'static {
        let (front, recorder) = (self.front.clone(), world.history().clone());
        let looked = match &act {
            Act::Look { server } => world.runtime_node(server),
            Act::Ask { .. } => None,
        };
        let crowds = Rc::clone(&self.crowds);
        async move {
            match (act, front, looked) {
                (Act::Ask { number }, Some(front), _) => {
                    ask(&front, &recorder, number).await;
                }
                (Act::Look { server }, _, Some(node)) => {
                    let metrics = node.metrics().await;
                    let waiting = metrics.of("storm/Server").map_or(0, |it| it.depth_max);
                    if waiting > WAITING {
                        crowds.borrow_mut().push(format!("{waiting} requests wait at {server}"));
                    }
                }
                _ => {}
            }
        }
    }

    async fn recover(&mut self, world: &mut World) -> Result<(), String> {
        let front = self.front.clone().ok_or("there is no front")?;
        let mut number = RECOVERY;
        // The time is bounded by the phase.
        loop {
            let round = (number..number + ROUND).map(|number| {
                let (front, recorder) = (Arc::clone(&front), world.history().clone());
                async move {
                    tokio::time::sleep(EVERY * (number % ROUND) as u32).await;
                    ask(&front, &recorder, number).await
                }
            });
            let round = round.map(tokio::task::spawn_local).collect::<Vec<_>>();
            number += ROUND;
            let mut is_calm = true;
            for asked in round {
                let took = asked.await.map_err(|error| error.to_string())?;
                is_calm &= took.is_some_and(|took| took <= CALM);
            }
            world.run_for(Duration::from_secs(1)).await;
            if is_calm {
                world.count();
                return Ok(());
            }
        }
    }

    fn checks(&self) -> Vec<Check> {
        let (crowds, late) = (Rc::clone(&self.crowds), self.late.clone());
        let none = |found: Option<&String>| found.map_or(Ok(()), |found| Err(found.clone()));
        vec![
            Check::at_end("queues are bounded", move |_| none(crowds.borrow().first())),
            Check::at_end("requests begin in time", move |_| none(late.lock().first())),
        ]
    }
}

/// Has a request answered, and writes down what is known of it; how long it took, if it was answered.
async fn ask(front: &Front, recorder: &Recorder, number: u64) -> Option<Duration> {
    let (letter, began) = (letter(number), tokio::time::Instant::now());
    recorder.ask(&letter);
    match front.serve(number).await {
        Ok(echo) => {
            recorder.answered(&letter, echo);
            Some(began.elapsed())
        }
        Err(certainty) => {
            recorder.send_failed(&letter, certainty, "no answer");
            None
        }
    }
}

fn letter(number: u64) -> Letter {
    Letter::new("front", "servers", number)
}
