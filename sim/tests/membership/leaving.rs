//! A node that is stopped in order: whoever watches its actors from elsewhere is told how they ended, and nobody holds
//! them for lost, on a network that delays, loses and reorders.

use std::time::Duration;

use odeon::{
    Actor, ActorRef, Context, DownReason, ExitKind, Handler, MemberEvent, Node, NodeBuilder,
    StartError, Terminated, actor, message,
};
use odeon_sim::{LinkRule, World};

const SECOND: Duration = Duration::from_secs(1);

/// Actors of the node that leaves; they are spread over all lanes.
const WATCHED: usize = 20;

#[message(id = "leaving/Note", reply = u64)]
struct Note;

/// Is watched, and counts.
#[derive(Clone, Default)]
struct Watched {
    notes: u64,
}

#[actor(id = "leaving/Watched", handles(Note))]
impl Actor for Watched {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Note> for Watched {
    async fn handle(&mut self, _: Note, _: &mut Context<Self>) -> u64 {
        self.notes += 1;
        self.notes
    }
}

/// Watches one actor and passes its end on.
struct Watcher {
    ended: tokio::sync::mpsc::Sender<ExitKind>,
}

impl Actor for Watcher {
    type Args = (ActorRef<Watched>, tokio::sync::mpsc::Sender<ExitKind>);

    async fn start((of, ended): Self::Args, ctx: &mut Context<Self>) -> Result<Self, StartError> {
        ctx.watch(&of);
        Ok(Self { ended })
    }

    async fn terminated(&mut self, terminated: Terminated, _: &mut Context<Self>) {
        let _ = self.ended.try_send(terminated.reason.kind());
    }
}

fn nodes(world: &mut World) {
    for name in ["a", "b", "c"] {
        let main = move |node: Node| async move {
            for number in 0..if name == "b" { WATCHED } else { 0 } {
                let watched = node.spawn(Watched::default()).await.expect("it starts");
                node.register(&format!("watched-{number}"), &watched).expect("the name is free");
            }
        };
        world.start_member(name, NodeBuilder::actor::<Watched>, main);
    }
}

async fn watched(on: &Node, number: usize) -> ActorRef<Watched> {
    let remote = on.on("b");
    loop {
        // On this network an answer may be lost with its connection.
        if let Ok(Some(found)) = remote.lookup(&format!("watched-{number}")).await {
            return found;
        }
        tokio::time::sleep(SECOND / 10).await;
    }
}

async fn ends_are_told(world: &mut World) {
    nodes(world);
    world.all_joined(&["a", "b", "c"], 20 * SECOND).await.expect("they find each other");
    let (sender, mut ended) = tokio::sync::mpsc::channel(2 * WATCHED);
    for name in ["a", "c"] {
        let node = world.runtime_node(name).expect("it is up");
        for number in 0..WATCHED {
            let args = (watched(&node, number).await, sender.clone());
            node.spawn_with::<Watcher>(args).await.expect("a watcher starts");
        }
    }
    // Every watch has come to b, also after losses.
    world.run_for(5 * SECOND).await;
    let b = world.runtime_node("b").expect("it is up");
    let mut members = world.runtime_node("a").expect("it is up").members();
    b.stop(20 * SECOND).await;
    let mut ends = Vec::new();
    let all = async {
        while ends.len() < 2 * WATCHED {
            ends.extend(ended.recv().await);
        }
    };
    let all = tokio::time::timeout(20 * SECOND, all).await;
    assert!(all.is_ok(), "only {} ends were told", ends.len());
    let untrue = |kind: &&ExitKind| **kind != ExitKind::Shutdown;
    assert_eq!(ends.iter().find(untrue), None, "b stopped its actors and then left");
    loop {
        match members.next().await.expect("a lives") {
            MemberEvent::Down { member, reason } => {
                assert_eq!((member.name.as_str(), reason), ("b", DownReason::Left));
                return;
            }
            _ => continue,
        }
    }
}

/// Half of all watchers were told that the node was lost: the goodbye, a datagram, overtook the ends of the actors.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn watchers_of_a_node_that_leaves_are_told_how_its_actors_ended(world: &mut World) {
    ends_are_told(world).await;
}

#[odeon_sim::test(seeds = 0..20, link = both)]
async fn the_goodbye_overtakes_no_end_on_a_bad_network(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    ends_are_told(world).await;
}
