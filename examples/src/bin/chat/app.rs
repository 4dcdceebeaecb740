//! Chat rooms: rooms are actors that are found by name on the nodes of a cluster, members are actors too.
//!
//! A room passes on what its members say, to each of them at most once, and what one member says in the order in which it
//! was said. Who is not in the room is not heard. A member that ends, or whose node is lost, has left; when a room ends,
//! its members are told, and have to come in again.
//!
//! What it is NOT: a history of what was said, or a promise that everybody heard it: a room waits for nobody, and whose
//! mailbox is full misses something.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use odeon::{
    Actor, ActorIdentity, ActorRef, ChildSpec, Context, ExitKind, Handler, Node, SpawnOptions,
    StartError, Supervisor, SupervisorSpec, Terminated, actor, message,
};

/// How long a member waits for a room.
const PATIENCE: Duration = Duration::from_secs(2);

/// Comes in, or comes in again.
#[message(id = "chat/Enter")]
struct Enter {
    name: String,
    /// Whoever has this name after it is another one.
    life: String,
    member: ActorRef<Member>,
}

#[message(id = "chat/Leave")]
struct Leave {
    member: ActorRef<Member>,
}

/// Says something; the answer is whether it was passed on, which it is not for somebody who is not in the room.
#[message(id = "chat/Say", reply = bool)]
struct Say {
    name: String,
    member: ActorRef<Member>,
    number: u64,
    text: String,
}

/// How many are in the room.
#[message(id = "chat/Count", reply = u64)]
pub(crate) struct Count;

/// What members hear.
#[message(id = "chat/Heard")]
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) room: String,
    pub(crate) from: String,
    pub(crate) number: u64,
    pub(crate) text: String,
}

/// How a room treats its members; one that is unfair is there to be found out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manners {
    pub(crate) repeats: bool,
    pub(crate) lets_strangers_speak: bool,
}

/// What happens at the door of a room, for whoever keeps a list; its watches are numbered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Door<'a> {
    /// The room is to hear of the end of this life.
    Watches {
        life: &'a str,
        watch: u64,
    },
    Unwatches {
        watch: u64,
    },
    /// It has heard of it; of a watch that it does not hold as number 0.
    Told {
        watch: u64,
        exit: ExitKind,
    },
    /// The room itself has ended.
    Closes,
}

pub(crate) type Doorman = Arc<dyn Fn(Door<'_>) + Send + Sync>;

pub(crate) struct Room {
    name: String,
    manners: Manners,
    doorman: Doorman,
    members: Vec<(String, ActorRef<Member>)>,
    /// The watches that it holds, and how many there were.
    watches: BTreeMap<ActorIdentity, u64>,
    watched: u64,
}

#[actor(id = "chat/Room", handles(Enter, Leave, Say, Count))]
impl Actor for Room {
    type Args = (String, Manners, Doorman);

    async fn start(
        (name, manners, doorman): Self::Args,
        _: &mut Context<Self>,
    ) -> Result<Self, StartError> {
        let (members, watches) = (Vec::new(), BTreeMap::new());
        Ok(Self { name, manners, doorman, members, watches, watched: 0 })
    }

    async fn terminated(&mut self, end: Terminated, _: &mut Context<Self>) {
        let watch = self.watches.remove(&end.who).unwrap_or(0);
        (self.doorman)(Door::Told { watch, exit: end.reason.kind() });
        self.members.retain(|(_, member)| member.identity() != end.who);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        (self.doorman)(Door::Closes);
    }
}

impl Handler<Enter> for Room {
    async fn handle(&mut self, enter: Enter, ctx: &mut Context<Self>) {
        let (who, number) = (enter.member.identity(), self.watched + 1);
        if *self.watches.entry(who).or_insert(number) == number {
            self.watched = number;
            (self.doorman)(Door::Watches { life: &enter.life, watch: number });
        }
        ctx.watch(&enter.member);
        // Whoever comes back after a crash is somebody else of the same name.
        self.members.retain(|(name, _)| *name != enter.name);
        self.members.push((enter.name, enter.member));
    }
}

impl Handler<Leave> for Room {
    async fn handle(&mut self, leave: Leave, ctx: &mut Context<Self>) {
        ctx.unwatch(&leave.member);
        if let Some(watch) = self.watches.remove(&leave.member.identity()) {
            (self.doorman)(Door::Unwatches { watch });
        }
        self.members.retain(|(_, member)| *member != leave.member);
    }
}

impl Handler<Say> for Room {
    async fn handle(&mut self, said: Say, _: &mut Context<Self>) -> bool {
        let is_member = self.members.iter().any(|(_, member)| *member == said.member);
        if !is_member && !self.manners.lets_strangers_speak {
            return false;
        }
        let Say { name: from, number, text, .. } = said;
        let heard = Heard { room: self.name.clone(), from, number, text };
        for (_, member) in &self.members {
            for _ in 0..=u8::from(self.manners.repeats) {
                // A room waits for nobody.
                let _ = member.try_tell(heard.clone());
            }
        }
        true
    }
}

impl Handler<Count> for Room {
    async fn handle(&mut self, _: Count, _: &mut Context<Self>) -> u64 {
        self.members.len() as u64
    }
}

/// What a member wants to do.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    Enter,
    Leave,
    Say { number: u64, text: String },
}

/// Does it in this room of this node; the answer is whether it was done for certain.
#[message(local, reply = bool)]
pub(crate) struct Please {
    pub(crate) node: String,
    pub(crate) room: String,
    pub(crate) wish: Wish,
}

/// What a member sees of itself and others: a screen for some, a history for others.
#[derive(Debug)]
pub(crate) enum Note {
    /// It is about to do this.
    Wishes {
        room: String,
        wish: Wish,
    },
    /// That was done for certain, or a wish to say something was refused for certain.
    Done {
        room: String,
        wish: Wish,
        was_passed_on: bool,
    },
    Heard(Heard),
    /// This life of it is over.
    Ended {
        life: String,
    },
}

pub(crate) type Screen = Arc<dyn Fn(&str, Note) + Send + Sync>;

/// Somebody who chats, on this node.
pub(crate) struct Member {
    node: Node,
    name: String,
    life: String,
    screen: Screen,
    /// The rooms that it has found.
    rooms: BTreeMap<String, ActorRef<Room>>,
}

#[actor(id = "chat/Member", handles(Heard))]
impl Actor for Member {
    type Args = (Node, String, String, Screen);

    async fn start(
        (node, name, life, screen): Self::Args,
        _: &mut Context<Self>,
    ) -> Result<Self, StartError> {
        Ok(Self { node, name, life, screen, rooms: BTreeMap::new() })
    }

    async fn terminated(&mut self, end: Terminated, _: &mut Context<Self>) {
        self.rooms.retain(|_, room| room.identity() != end.who);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        (self.screen)(&self.name, Note::Ended { life: self.life.clone() });
    }
}

impl Handler<Heard> for Member {
    async fn handle(&mut self, heard: Heard, _: &mut Context<Self>) {
        (self.screen)(&self.name, Note::Heard(heard));
    }
}

impl Handler<Please> for Member {
    async fn handle(&mut self, please: Please, ctx: &mut Context<Self>) -> bool {
        let Please { node, room, wish } = please;
        let Some(found) = self.find(&node, &room, ctx).await else { return false };
        (self.screen)(&self.name, Note::Wishes { room: room.clone(), wish: wish.clone() });
        let member = ctx.self_ref();
        let was_passed_on = match wish.clone() {
            Wish::Enter => {
                let enter = Enter { name: self.name.clone(), life: self.life.clone(), member };
                found.ask(enter).within(PATIENCE).await.map(|()| true).ok()
            }
            Wish::Leave => found.ask(Leave { member }).within(PATIENCE).await.map(|()| true).ok(),
            Wish::Say { number, text } => {
                let name = self.name.clone();
                found.ask(Say { name, member, number, text }).within(PATIENCE).await.ok()
            }
        };
        let Some(was_passed_on) = was_passed_on else { return false };
        (self.screen)(&self.name, Note::Done { room, wish, was_passed_on });
        was_passed_on
    }
}

impl Member {
    async fn find(
        &mut self,
        node: &str,
        room: &str,
        ctx: &mut Context<Self>,
    ) -> Option<ActorRef<Room>> {
        if let Some(found) = self.rooms.get(room) {
            return Some(found.clone());
        }
        let looked_up = self.node.on(node).lookup::<Room>(room).await;
        let found = looked_up.ok().flatten()?;
        ctx.watch(&found);
        self.rooms.insert(room.to_owned(), found.clone());
        Some(found)
    }
}

/// Whoever ends is followed by somebody of the same name, who is in no room.
///
/// A supervisor would start the same actor again: for whoever watches it that is no end, and rooms would keep it.
pub(crate) struct Seat {
    node: Node,
    name: String,
    screen: Screen,
    filled: u64,
}

impl Actor for Seat {
    type Args = (Node, String, Screen);

    async fn start(
        (node, name, screen): Self::Args,
        ctx: &mut Context<Self>,
    ) -> Result<Self, StartError> {
        let mut seat = Self { node, name, screen, filled: 0 };
        seat.fill(ctx).await?;
        Ok(seat)
    }

    async fn terminated(&mut self, _: Terminated, ctx: &mut Context<Self>) {
        if let Err(error) = self.fill(ctx).await {
            ctx.fail(&error.to_string());
        }
    }
}

impl Seat {
    async fn fill(&mut self, ctx: &mut Context<Self>) -> Result<(), StartError> {
        self.filled += 1;
        let (node, name) = (&self.node, &self.name);
        let life = format!("{name}.{}.{}", node.incarnation().0, self.filled);
        let options = SpawnOptions::default().named(name.as_str());
        let args = (node.clone(), name.clone(), life, Arc::clone(&self.screen));
        let member = node.spawn_opts::<Member>(args, options).await?;
        ctx.watch(&member);
        Ok(())
    }
}

/// Opens rooms on a node, with one doorman.
pub(crate) async fn open(
    node: &Node,
    rooms: &[&str],
    manners: Manners,
    doorman: Doorman,
) -> Result<(), StartError> {
    let mut tree = SupervisorSpec::one_for_one();
    for room in rooms {
        let options = SpawnOptions::default().named(*room);
        let args = ((*room).to_owned(), manners, Arc::clone(&doorman));
        tree = tree.child(ChildSpec::new::<Room>(room, args).options(options));
    }
    node.spawn_with::<Supervisor>(tree).await.map(drop)
}

/// A seat on a node, with somebody of this name on it.
pub(crate) async fn join(node: Node, name: &str, screen: Screen) -> Result<(), StartError> {
    node.spawn_with::<Seat>((node.clone(), name.to_owned(), screen)).await.map(drop)
}
