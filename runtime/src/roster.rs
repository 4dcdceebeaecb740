//! The roster hall: this node's names, groups and topics in the cluster, and what it knows of the others'.
//!
//! What it is: the state machine of `odeon-cluster` under a lock, with what must happen around it: an actor that ends
//! takes its entries with it, an actor that lost its name is told, whoever follows something is woken. What it is NOT:
//! the way to other nodes; `roster/telling.rs` sends pages and `roster/receptionist.rs` takes them. How an
//! actor enters and is taken back is in `roster/entering.rs`. Users hold a
//! [`Cluster`](crate::Cluster).

pub(crate) mod carrying;
mod entering;
pub(crate) mod fan;
pub(crate) mod listeners;
pub(crate) mod receptionist;
pub(crate) mod signs;
pub(crate) mod telling;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use odeon_actor::{ActorIdentity, ActorSystem, AnyRef, EndHook, ExportError};
use odeon_cluster::{
    EntryRefused, Learned, Lost, Page, Profile, Reached, Roster, RosterConfig, Subject, Touched,
};
use odeon_env::Env;
use odeon_message::{ActorKey, Incarnation, MessageId, NodeId};
use tokio::sync::watch;

use crate::{cluster::subscription::SubscribeError, directory::Directory, phase::Phases};
use fan::Fan;
use listeners::Listeners;
use signs::Signs;

/// What becomes of an actor whose name turns out to be another's: two nodes gave it away while they could not hear each
/// other, and the older registration holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum WhenLost {
    /// It stops after its present message, so that at most one of the two goes on. A supervisor may start it again,
    /// without the name.
    #[default]
    Stop,
    /// It goes on without the name.
    GoOn,
}

/// An actor of this node that has entries.
struct Held {
    actor: AnyRef,
    /// Its place in the present life of the node.
    key: ActorKey,
    /// What takes the hook at its end back.
    token: u64,
    subjects: BTreeSet<Subject>,
    /// Names that it goes on without.
    spared: BTreeSet<Box<str>>,
    /// What became of its claims to names.
    claims: BTreeMap<Box<str>, Claimed>,
}

/// How far a claim to a name has got.
struct Claimed {
    /// The version of the roster that it began with: an actor that gives a name back and claims it anew makes another one.
    since: u64,
    /// How many wait until all have heard of it.
    waiting: usize,
    /// In which life of this node all had.
    confirmed: Option<Incarnation>,
}

struct State {
    roster: Roster,
    /// By the number of the actor.
    held: BTreeMap<u64, Held>,
    /// The node leaves, and takes no more entries.
    leaving: bool,
}

/// Why an actor of this node got no entry.
#[derive(Debug)]
pub(crate) enum NotEntered {
    NotHere,
    Ended,
    Leaving,
    Hidden(ExportError),
    /// Another group of this node has the same key.
    Alike(Box<str>),
    Refused(EntryRefused),
}

/// Who this node is, and whom it sees: for clients that ask.
pub(crate) struct Here {
    pub(crate) name: String,
    pub(crate) addr: SocketAddr,
    pub(crate) directory: Arc<Directory>,
    pub(crate) phases: Arc<Phases>,
    /// What this node says of itself, and whether it is about to leave.
    pub(crate) own: watch::Receiver<(Profile, bool)>,
    /// Whether it is a member, and no client itself.
    pub(crate) is_member: bool,
}

impl Here {
    pub(crate) fn new(
        name: &str,
        addr: SocketAddr,
        (directory, phases, own): (&Arc<Directory>, &Arc<Phases>, watch::Receiver<(Profile, bool)>),
        is_member: bool,
    ) -> Self {
        let (directory, phases) = (Arc::clone(directory), Arc::clone(phases));
        Self { name: name.to_owned(), addr, directory, phases, own, is_member }
    }
}

/// The roster of one node.
pub(crate) struct RosterHall {
    system: ActorSystem,
    pub(crate) here: Here,
    /// Of a client: which of the members it asks.
    guide: AtomicUsize,
    config: RosterConfig,
    /// How far the clocks of two nodes may be apart.
    skew_max: Duration,
    state: RwLock<State>,
    pub(crate) signs: Signs,
    pub(crate) fan: Fan,
    pub(crate) listeners: Listeners,
    /// Changes when other nodes may listen to topics.
    interests: watch::Sender<u64>,
    /// The version of the own entries.
    version: watch::Sender<u64>,
    /// How often something was heard from others: for whoever waits until all have heard.
    heard: watch::Sender<u64>,
    /// How many wait until all have heard: the members are asked meanwhile.
    waiting: watch::Sender<usize>,
    /// How often a node was picked by turns.
    turn: AtomicUsize,
    myself: Weak<Self>,
}

impl RosterHall {
    pub(crate) fn new(
        system: &ActorSystem,
        (config, skew_max): (RosterConfig, Duration),
        here: Here,
    ) -> Arc<Self> {
        let roster = Roster::new(system.node(), system.incarnation(), config.clone());
        let state = State { roster, held: BTreeMap::new(), leaving: false };
        // Each client begins with another member, so that one of them does not have all.
        let guide = if here.is_member { 0 } else { draw(&**system.env()) as usize };
        Arc::new_cyclic(|myself| Self {
            system: system.clone(),
            here,
            guide: AtomicUsize::new(guide),
            config,
            skew_max,
            state: RwLock::new(state),
            signs: Signs::default(),
            fan: Fan::default(),
            listeners: Listeners::default(),
            interests: watch::Sender::new(0),
            version: watch::Sender::new(0),
            heard: watch::Sender::new(0),
            waiting: watch::Sender::new(0),
            turn: AtomicUsize::new(0),
            myself: Weak::clone(myself),
        })
    }

    pub(crate) fn system(&self) -> &ActorSystem {
        &self.system
    }

    pub(crate) fn config(&self) -> &RosterConfig {
        &self.config
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose turn it is, where nodes are picked by turns.
    pub(crate) fn next_turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    /// Of a client: which of the members it asks.
    pub(crate) fn guide_turn(&self) -> usize {
        self.guide.load(Ordering::Relaxed)
    }

    /// That one did not answer: the next one is asked, unless somebody else has seen to that.
    pub(crate) fn next_guide(&self, last: usize) {
        let next = last.wrapping_add(1);
        let _ = self.guide.compare_exchange(last, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Looks something up.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&Roster) -> R) -> R {
        f(&self.read().roster)
    }

    /// The version of the own entries, as it changes.
    pub(crate) fn versions(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Changes when something was heard from others.
    pub(crate) fn hearsay(&self) -> watch::Receiver<u64> {
        self.heard.subscribe()
    }

    /// How many wait until all have heard, as it changes.
    pub(crate) fn waiting(&self) -> watch::Receiver<usize> {
        self.waiting.subscribe()
    }

    /// Somebody waits until all have heard, for as long as what is returned lives.
    pub(crate) fn wait(&self) -> Waits<'_> {
        self.waiting.send_modify(|waiting| *waiting += 1);
        Waits(&self.waiting)
    }

    /// Changes when other nodes may listen to topics.
    pub(crate) fn interests(&self) -> watch::Receiver<u64> {
        self.interests.subscribe()
    }

    /// Does what follows from a change, without the lock.
    fn follow_up(&self, learned: Learned) {
        self.version.send_if_modified(|version| {
            let now = self.with(Roster::version);
            std::mem::replace(version, now) != now
        });
        let Learned { touched, lost } = learned;
        for touched in &touched {
            match touched {
                Touched::Interest => self.interests.send_modify(|it| *it = it.wrapping_add(1)),
                named => self.signs.changed(named),
            }
        }
        for lost in lost {
            self.has_lost(lost);
        }
    }

    fn has_lost(&self, lost: Lost) {
        let Lost { name, loser, holder } = lost;
        let mut state = self.write();
        let held = state.held.iter_mut().find(|(_, held)| held.key == loser.key);
        let Some((number, held)) = held else { return };
        let number = *number;
        held.subjects.remove(&Subject::Name(name.clone()));
        let spared = held.spared.remove(&name);
        held.claims.remove(&name);
        let actor = held.actor.clone();
        let idle = held.subjects.is_empty().then(|| state.held.remove(&number)).flatten();
        drop(state);
        tracing::warn!(
            name, actor = ?actor, %holder, stops = !spared,
            "two actors were given one name in the cluster: the one that had it first keeps it"
        );
        if let Some(idle) = idle {
            actor.forget_end(idle.token);
        }
        if !spared {
            actor.stop();
        }
    }

    /// Somebody on this node listens to messages of this type by this pattern.
    pub(crate) fn listen(&self, pattern: &str, message: MessageId) -> Result<(), SubscribeError> {
        let mut state = self.write();
        if state.leaving {
            return Err(SubscribeError::Leaving);
        }
        let learned = state.roster.listen(pattern, message)?;
        drop(state);
        self.follow_up(learned);
        Ok(())
    }

    /// Nobody does any more.
    pub(crate) fn listen_no_more(&self, subject: &Subject) {
        let learned = self.write().roster.withdraw(subject);
        self.follow_up(learned);
    }

    /// An actor of this node listens, until it ends.
    pub(crate) fn hear_by(
        &self,
        actor: AnyRef,
        number: u64,
        pattern: &str,
        message: MessageId,
    ) -> Result<(), SubscribeError> {
        let first = || self.listen(pattern, message);
        let hook = |actor: &AnyRef| {
            let hook: Weak<dyn EndHook> = Weak::<Self>::clone(&self.myself);
            actor.on_end(hook)
        };
        let listens = self.listeners.add_actor((actor, number), (pattern, message), first, hook)?;
        if listens { Ok(()) } else { Err(SubscribeError::NotHere) }
    }

    /// It does not any more, by these of its patterns.
    pub(crate) fn hear_by_no_more(&self, number: u64, which: impl Fn(&str, MessageId) -> bool) {
        self.listeners.remove_actor(number, which, |pattern, message| {
            self.listen_no_more(&Subject::Interest { pattern: pattern.into(), message });
        });
    }

    /// A member is up.
    pub(crate) fn up(&self, node: NodeId, incarnation: Incarnation) {
        let learned = self.write().roster.up(node, incarnation);
        self.hear(learned);
        self.ask_anew();
    }

    /// That life of a member is over.
    pub(crate) fn down(&self, node: NodeId, incarnation: Incarnation) {
        let learned = self.write().roster.down(node, incarnation);
        self.hear(learned);
        self.ask_anew();
    }

    /// Whoever waits for all to see the same members has them asked whether they see the new ones.
    fn ask_anew(&self) {
        self.waiting.send_if_modified(|waiting| *waiting > 0);
    }

    /// Takes a page that this life of a node sent: of its own entries, and of no other's.
    pub(crate) fn take(&self, page: Page, from: Option<(NodeId, Incarnation)>) -> Reached {
        if from != Some((page.owner, page.incarnation)) {
            tracing::warn!(owner = %page.owner, ?from, "a page of names that its owner has not sent");
            return self.with(Roster::refusal);
        }
        let skew = u64::try_from(self.skew_max.as_micros()).unwrap_or(u64::MAX);
        let stamp_max = self.now().saturating_add(skew);
        let (reached, learned) = self.write().roster.take(page, stamp_max);
        self.hear(learned);
        reached
    }

    /// Microseconds since 1970.
    fn now(&self) -> u64 {
        let since = self.system.env().wall_clock().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }

    /// A member has answered a page.
    pub(crate) fn answered(&self, node: NodeId, of: Incarnation, reached: Reached) {
        self.write().roster.answered(node, of, reached);
        self.heard.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn hear(&self, learned: Learned) {
        self.follow_up(learned);
        self.heard.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Another life of this node has begun: its entries go on under new addresses.
    pub(crate) fn renew(&self) {
        let incarnation = self.system.incarnation();
        let mut state = self.write();
        if state.roster.incarnation() == incarnation {
            return;
        }
        let State { roster, held, .. } = &mut *state;
        let mut addresses = BTreeMap::new();
        for held in held.values_mut() {
            let old = held.key;
            // One that has ended is on its way out.
            let Ok(address) = held.actor.address() else { continue };
            addresses.insert(old, address);
            held.key = address.key;
            let subjects = std::mem::take(&mut held.subjects).into_iter();
            let moved = subjects.map(|subject| match subject {
                Subject::Member { group, .. } => Subject::Member { group, actor: address.key },
                other => other,
            });
            held.subjects = moved.collect();
        }
        let learned = roster.renew(incarnation, |old| addresses.get(&old.key).copied());
        self.fan.clear();
        for (group, address) in roster.own_members() {
            // They had their keys before.
            let _ = self.fan.add(group, &address);
        }
        drop(state);
        self.follow_up(learned);
    }

    /// The node leaves: all its entries are taken back, and no more are taken. The version that others should have
    /// heard of then, if there was anything.
    pub(crate) fn leave(&self) -> Option<u64> {
        let mut state = self.write();
        state.leaving = true;
        let had = state.roster.own_len() > 0;
        let held = std::mem::take(&mut state.held);
        let learned = state.roster.clear();
        let version = state.roster.version();
        drop(state);
        for held in held.values() {
            held.actor.forget_end(held.token);
        }
        self.fan.clear();
        self.follow_up(learned);
        had.then_some(version)
    }

    /// Completes when all members have heard of this version, or after `within`; needs tokio's timers.
    pub(crate) async fn told(&self, version: u64, within: Duration) {
        let mut hearsay = self.hearsay();
        let all = async {
            while !self.with(|roster| roster.is_told(version)) {
                if hearsay.changed().await.is_err() {
                    return;
                }
            }
        };
        // Whoever has not heard by then learns it with the goodbye.
        let _ = tokio::time::timeout(within, all).await;
    }

    /// The node has ended: whoever follows something is told so.
    pub(crate) fn close(&self) {
        self.signs.close();
        self.listeners.close();
    }
}

/// Any number.
pub(crate) fn draw(env: &dyn Env) -> u64 {
    let mut drawn = [0; 8];
    env.entropy(&mut drawn);
    u64::from_le_bytes(drawn)
}

/// Somebody waits until all have heard.
pub(crate) struct Waits<'a>(&'a watch::Sender<usize>);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

impl EndHook for RosterHall {
    fn ended(&self, who: ActorIdentity) {
        let ActorIdentity::Local(number) = who else { return };
        self.hear_by_no_more(number, |_, _| true);
        let mut learned = Learned::default();
        let mut gone = Vec::new();
        let mut state = self.write();
        let held = state.held.remove(&number);
        for subject in held.iter().flat_map(|held| &held.subjects) {
            gone.extend(state.roster.own(subject).cloned());
            learned.touched.extend(state.roster.withdraw(subject).touched);
        }
        drop(state);
        for entry in gone {
            entry.address.iter().for_each(|address| self.leave_fan(&entry.subject, address));
        }
        self.follow_up(learned);
    }
}
