//! The chat rooms of the examples: whatever breaks, nobody hears anything twice, out of order, or from a stranger.
//!
//! A room and a member on each of three nodes; members come into rooms, speak, and leave, some speak where they are not,
//! and now and then one is killed. Each thing said is a letter to every listener of the room, and a room hears of the end
//! of each life that it watches once. Once all is healed, rooms are empty when all members have ended, and then everybody
//! comes into every room and hears everybody, and nothing is left over.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use odeon::{Certainty, ExitKind, Node, NodeBuilder, TransportConfig};
use odeon_sim::{
    LinkRule, Outline, Scenario, Stream, Swarm, World,
    check::{Exit, Honesty, Letter, NoLeaks, PairFifo, Recorder, WatchOnce, What},
};
use serde::{Deserialize, Serialize};

use app::{Count, Door, Doorman, Heard, Manners, Member, Note, Please, Room, Wish};

use crate::shared::Shared;

#[path = "../../../../examples/src/bin/chat/app.rs"]
mod app;

/// Each node with its room and its member.
const NODES: [(&str, &str, &str); 3] =
    [("a", "tea", "ann"), ("b", "coffee", "bob"), ("c", "cocoa", "cem")];

const STEPS: u64 = 300;
const SAFETY: Duration = Duration::from_secs(30);

/// Within which time a room hears of an end, cuts and held nodes of the safety phase included.
const HEARS_WITHIN: Duration = Duration::from_secs(60);

/// How long all is tried again and again once everything is healed; longer than a room may take to hear of an end.
const TRIES: Duration = Duration::from_secs(90);

/// How long nobody says anything, in the end, where somebody was not heard: longer than a member waits for a room.
const QUIET: Duration = Duration::from_secs(10);

/// Numbers from here on are said in the liveness phase.
const RECOVERY: u64 = 1 << 32;

/// One step of the workload.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Act {
    Enter {
        at: usize,
        room: usize,
    },
    Leave {
        at: usize,
        room: usize,
    },
    Say {
        at: usize,
        room: usize,
        number: u64,
    },
    /// The member is killed; the next one of its name is in no room.
    Kill {
        at: usize,
    },
}

/// Who may be in which room, and who has heard what.
#[derive(Debug, Default)]
struct Seen {
    inside: BTreeSet<(String, String)>,
    heard: BTreeSet<(String, u64)>,
}

/// The scenario.
#[derive(Debug, Default)]
pub(crate) struct Chat {
    /// The planted bugs.
    pub(crate) manners: Manners,
    seen: Shared<Seen>,
}

impl Scenario for Chat {
    const NAME: &'static str = "chat";
    const ABOUT: &'static str = "rooms pass on what members say once, in order, and nothing else";
    type Step = Act;

    fn outline(&self) -> Outline {
        let names = NODES.map(|(node, ..)| node);
        Outline::new(names).safety(SAFETY).liveness(Duration::from_secs(180)).faults(Swarm::all())
    }

    fn workload(&self, draw: &Stream) -> Vec<(Duration, Act)> {
        let act = |number| {
            let (at, room) = (draw.below(3) as usize, draw.below(3) as usize);
            let act = match draw.below(16) {
                0..4 => Act::Enter { at, room },
                4 => Act::Leave { at, room },
                5 => Act::Kill { at },
                _ => Act::Say { at, room, number },
            };
            (Duration::from_millis(draw.below(SAFETY.as_millis() as u64)), act)
        };
        (0..STEPS).map(act).collect()
    }

    async fn set_up(&mut self, world: &mut World) -> Result<(), String> {
        world.check_leaks();
        world.check_at_end(WatchOnce::within(HEARS_WITHIN));
        world.check_at_end(NoLeaks::new());
        world.check_at_end(PairFifo);
        world.check_at_end(Honesty);
        world.set_default_link(LinkRule::rough());
        for (name, room, member) in NODES {
            let (seen, manners) = (self.seen.clone(), self.manners);
            let recorder = world.history().clone();
            let main = move |node: Node| {
                let (seen, recorder) = (seen.clone(), recorder.clone());
                async move {
                    // After a crash it is in no room.
                    seen.lock().inside.retain(|(who, _)| who != member);
                    let doorman = doorman(&recorder, format!("{room}.{}", node.incarnation().0));
                    let opened = app::open(&node, &[room], manners, doorman).await;
                    opened.map_err(|error| error.to_string())?;
                    let screen = Arc::new(move |who: &str, note| {
                        write_down(&recorder, &mut seen.lock(), who, note);
                    });
                    app::join(node, member, screen).await.map_err(|error| error.to_string())
                }
            };
            world.start_member(
                name,
                |node| {
                    NodeBuilder::actor::<Room>(node).actor::<Member>().transport(small_windows())
                },
                main,
            );
        }
        let joined = world.all_joined(&NODES.map(|(node, ..)| node), SAFETY).await;
        joined.map_err(|error| error.to_string())?;
        world.count();
        Ok(())
    }

    fn step(&mut self, world: &mut World, act: Act) -> impl Future<Output = ()> + 'static {
        let wished = match act {
            Act::Enter { at, room } => Some((at, room, Wish::Enter)),
            Act::Leave { at, room } => Some((at, room, Wish::Leave)),
            Act::Say { at, room, number } => Some((at, room, say(number))),
            Act::Kill { at } => {
                self.kill(world, at);
                None
            }
        };
        let asked = wished.map(|(at, room, wish)| please(world, at, room, wish));
        async move {
            // What comes of it is in the history.
            if let Some(asked) = asked {
                asked.await;
            }
        }
    }

    async fn recover(&mut self, world: &mut World) -> Result<(), String> {
        let end = world.now() + TRIES;
        loop {
            // Some may be on their way into a room.
            (0..NODES.len()).for_each(|at| self.kill(world, at));
            world.run_for(Duration::from_secs(2)).await;
            match not_empty(world).await {
                None => break,
                Some(room) if world.now() >= end => {
                    nobody_sleeps(world).await?;
                    return Err(format!("{room} is not known to be empty, and all were killed"));
                }
                Some(_) => {}
            }
        }
        let mut number = RECOVERY;
        for (at, room) in (0..9).map(|pair| (pair / 3, pair % 3)) {
            loop {
                if world.now() >= end {
                    nobody_sleeps(world).await?;
                    let (who, room) = (NODES[at].2, NODES[room].1);
                    return Err(format!("what {who} says in {room} is not heard by all"));
                }
                for member in 0..NODES.len() {
                    please(world, member, room, Wish::Enter).await;
                }
                number += 1;
                please(world, at, room, say(number)).await;
                world.run_for(Duration::from_millis(500)).await;
                let heard =
                    |member: &str| self.seen.lock().heard.contains(&(member.into(), number));
                if NODES.iter().all(|(_, _, member)| heard(member)) {
                    break;
                }
            }
        }
        world.run_for(Duration::from_secs(2)).await;
        world.count();
        Ok(())
    }
}

impl Chat {
    fn kill(&self, world: &World, at: usize) {
        let (node, _, member) = NODES[at];
        let found = world.runtime_node(node).and_then(|node| node.lookup::<Member>(member));
        if let Some(found) = found {
            self.seen.lock().inside.retain(|(who, _)| who != member);
            found.kill();
        }
    }
}

/// A room in which somebody is, or that does not say so.
async fn not_empty(world: &World) -> Option<&'static str> {
    for (name, room, _) in NODES {
        let Some(node) = world.runtime_node(name) else { return Some(room) };
        let count = world.run_on(name, async move {
            let room = node.lookup::<Room>(room)?;
            room.ask(Count).await.ok()
        });
        if count.await != Ok(Some(0)) {
            return Some(room);
        }
    }
    None
}

/// An error that names the actors at which messages wait, and which take none while all is quiet.
async fn nobody_sleeps(world: &World) -> Result<(), String> {
    let mut before = BTreeMap::new();
    for look in 0..2 {
        world.run_for(QUIET).await;
        for (name, ..) in NODES {
            let Some(node) = world.runtime_node(name) else { continue };
            let asked = world.run_on(name, async move { node.metrics().await }).await;
            for types in asked.into_iter().flat_map(|metrics| metrics.types) {
                let (kind, waiting) = (types.kind, types.depth);
                let was = before.insert((name, kind), types.handled);
                if look > 0 && waiting > 0 && was == Some(types.handled) {
                    let quiet = QUIET.as_secs();
                    return Err(format!(
                        "check nobody sleeps on messages: {waiting} wait at {kind} on {name}, and none was taken for {quiet} s"
                    ));
                }
            }
        }
    }
    Ok(())
}

fn say(number: u64) -> Wish {
    // Long enough to fill a batch.
    Wish::Say { number, text: "la ".repeat(1_300) }
}

/// So small that they fill where a node is slow or cut off.
fn small_windows() -> TransportConfig {
    TransportConfig { batch_bytes_max: 4 << 10, credit_messages: 8, ..TransportConfig::default() }
}

/// Asks the member of a node; whether it was done for certain.
fn please(world: &World, at: usize, room: usize, wish: Wish) -> impl Future<Output = bool> + use<> {
    let ((node, _, member), (host, room, _)) = (NODES[at], NODES[room]);
    let asked = world.runtime_node(node).map(|here| {
        let please = Please { node: host.to_owned(), room: room.to_owned(), wish };
        world.start_on(node, async move {
            let Some(member) = here.lookup::<Member>(member) else { return false };
            member.ask(please).within(Duration::from_secs(30)).await.unwrap_or(false)
        })
    });
    async move {
        match asked {
            Some(asked) => asked.await.unwrap_or(false),
            None => false,
        }
    }
}

/// What a member sees, as a history: what it says is a letter to each listener in the room.
fn write_down(recorder: &Recorder, seen: &mut Seen, who: &str, note: Note) {
    let letters = |room: &str, number| {
        let to = move |listener: &str| Letter::new(who, format!("{listener} in {room}"), number);
        NODES.map(|(_, _, listener)| to(listener))
    };
    match note {
        Note::Wishes { room, wish: Wish::Enter } => {
            seen.inside.insert((who.to_owned(), room));
        }
        Note::Wishes { room, wish: Wish::Say { number, .. } } => {
            let is_stranger = !seen.inside.contains(&(who.to_owned(), room.clone()));
            for letter in letters(&room, number) {
                recorder.tell(&letter);
                if is_stranger {
                    recorder.send_failed(&letter, Certainty::NotDelivered, "is not in the room");
                }
            }
        }
        Note::Done { room, wish: Wish::Leave, .. } => {
            seen.inside.remove(&(who.to_owned(), room));
        }
        Note::Done { room, wish: Wish::Say { number, .. }, was_passed_on: false } => {
            // Of strangers this is known already.
            if seen.inside.contains(&(who.to_owned(), room.clone())) {
                for letter in letters(&room, number) {
                    recorder.send_failed(&letter, Certainty::NotDelivered, "the room refused it");
                }
            }
        }
        Note::Heard(Heard { room, from, number, .. }) => {
            seen.heard.insert((who.to_owned(), number));
            recorder.began(&Letter::new(from, format!("{who} in {room}"), number));
        }
        Note::Ended { life } => {
            recorder.record(What::Ended { party: life.into(), exit: Exit::Failed });
        }
        Note::Wishes { .. } | Note::Done { .. } => {}
    }
}

/// Writes down what happens at the door of this life of a room.
fn doorman(recorder: &Recorder, room: String) -> Doorman {
    let recorder = recorder.clone();
    Arc::new(move |door| {
        let watcher = room.as_str().into();
        recorder.record(match door {
            Door::Watches { life, watch } => What::Watched { watcher, target: life.into(), watch },
            Door::Unwatches { watch } => What::Unwatched { watcher, watch },
            Door::Told { watch, exit } => What::Told { watcher, watch, exit: end(exit) },
            Door::Closes => What::Ended { party: watcher, exit: Exit::Failed },
        });
    })
}

fn end(exit: ExitKind) -> Exit {
    match exit {
        ExitKind::Stopped => Exit::Normal,
        ExitKind::NodeLost => Exit::NodeLost,
        ExitKind::WatchRefused => Exit::Refused,
        // It had ended before, and nobody knows how any more.
        ExitKind::NoActor | ExitKind::Shutdown => Exit::Ordered,
        _ => Exit::Failed,
    }
}
