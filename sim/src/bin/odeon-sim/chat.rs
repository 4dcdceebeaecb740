//! The chat rooms of the examples: whatever breaks, nobody hears anything twice, out of order, or from a stranger.
//!
//! A room and a member on each of three nodes; members come into rooms, speak, and leave, and some speak where they are
//! not. Each thing said is a letter to every listener of the room. Once all is healed, everybody comes into every room and
//! hears everybody.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use odeon::{Certainty, Node, NodeBuilder};
use odeon_sim::{
    LinkRule, Outline, Scenario, Stream, Swarm, World,
    check::{Honesty, Letter, PairFifo, Recorder},
};
use serde::{Deserialize, Serialize};

use app::{Heard, Manners, Member, Note, Please, Room, Wish};

#[path = "../../../../examples/src/bin/chat/app.rs"]
mod app;

/// Each node with its room and its member.
const NODES: [(&str, &str, &str); 3] =
    [("a", "tea", "ann"), ("b", "coffee", "bob"), ("c", "cocoa", "cem")];

const STEPS: u64 = 150;
const SAFETY: Duration = Duration::from_secs(30);

/// Numbers from here on are said in the liveness phase.
const RECOVERY: u64 = 1 << 32;

/// One step of the workload.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Act {
    Enter { at: usize, room: usize },
    Leave { at: usize, room: usize },
    Say { at: usize, room: usize, number: u64 },
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
    seen: Arc<Mutex<Seen>>,
}

impl Scenario for Chat {
    const NAME: &'static str = "chat";
    const ABOUT: &'static str = "rooms pass on what members say once, in order, and nothing else";
    type Step = Act;

    fn outline(&self) -> Outline {
        let names = NODES.map(|(node, ..)| node);
        Outline::new(names).safety(SAFETY).liveness(Duration::from_secs(120)).faults(Swarm::all())
    }

    fn workload(&self, draw: &Stream) -> Vec<(Duration, Act)> {
        let act = |number| {
            let (at, room) = (draw.below(3) as usize, draw.below(3) as usize);
            let act = match draw.below(8) {
                0 | 1 => Act::Enter { at, room },
                2 => Act::Leave { at, room },
                _ => Act::Say { at, room, number },
            };
            (Duration::from_millis(draw.below(SAFETY.as_millis() as u64)), act)
        };
        (0..STEPS).map(act).collect()
    }

    async fn set_up(&mut self, world: &mut World) -> Result<(), String> {
        world.check_at_end(PairFifo);
        world.check_at_end(Honesty);
        world.set_default_link(LinkRule::rough());
        for (name, room, member) in NODES {
            let (seen, manners) = (Arc::clone(&self.seen), self.manners);
            let recorder = world.history().clone();
            let main = move |node: Node| {
                let (seen, recorder) = (Arc::clone(&seen), recorder.clone());
                async move {
                    // After a crash it is in no room.
                    lock(&seen).inside.retain(|(who, _)| who != member);
                    app::open(&node, &[room], manners).await.map_err(|error| error.to_string())?;
                    let screen = Arc::new(move |who: &str, note| {
                        write_down(&recorder, &mut lock(&seen), who, note);
                    });
                    let joined = app::join(node, member, screen).await;
                    joined.map(drop).map_err(|error| error.to_string())
                }
            };
            world.start_member(
                name,
                |node| NodeBuilder::actor::<Room>(node).actor::<Member>(),
                main,
            );
        }
        let joined = world.all_joined(&NODES.map(|(node, ..)| node), SAFETY).await;
        joined.map_err(|error| error.to_string())
    }

    fn step(&mut self, world: &mut World, act: Act) -> impl Future<Output = ()> + 'static {
        let (at, room, wish) = match act {
            Act::Enter { at, room } => (at, room, Wish::Enter),
            Act::Leave { at, room } => (at, room, Wish::Leave),
            Act::Say { at, room, number } => (at, room, say(number)),
        };
        let asked = please(world, at, room, wish);
        async move {
            // What comes of it is in the history.
            let _ = asked.await;
        }
    }

    async fn recover(&mut self, world: &mut World) -> Result<(), String> {
        let mut number = RECOVERY;
        for (at, room) in (0..9).map(|pair| (pair / 3, pair % 3)) {
            // The time is bounded by the phase.
            loop {
                for member in 0..NODES.len() {
                    please(world, member, room, Wish::Enter).await;
                }
                number += 1;
                please(world, at, room, say(number)).await;
                world.run_for(Duration::from_millis(500)).await;
                let heard =
                    |member: &str| lock(&self.seen).heard.contains(&(member.into(), number));
                if NODES.iter().all(|(_, _, member)| heard(member)) {
                    break;
                }
            }
        }
        Ok(())
    }
}

fn say(number: u64) -> Wish {
    Wish::Say { number, text: String::new() }
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
        Note::Wishes { .. } | Note::Done { .. } => {}
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
