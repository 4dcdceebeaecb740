//! Who on this node listens to topics, and what waits for them.
//!
//! What it is: a bounded buffer for each subscription, and the mailboxes of actors that listen, found by the patterns that
//! a topic matches; what is published, here or on another node, is put into each of them as bytes. A buffer that is full
//! loses its oldest message, a mailbox that is full does not take another; both are counted. What it is NOT: the reading;
//! `cluster/subscription.rs` makes values of the bytes on the reader's thread, an actor's worker those of its messages. Read
//! `listeners/buffer.rs` for the buffer.

mod buffer;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

pub(crate) use buffer::{Buffer, Waiting};
use odeon_actor::{ActorSystem, AnyRef, ExportError, Inbound, InboundTrain};
use odeon_cluster::PatternTree;
use odeon_message::{
    ActorKey, Credit, Creditor, Failure, FailureKind, Fingerprint, MessageId, Payload, Train,
};

/// Topics whose listeners are remembered, so that they are not looked for again with each message; when there are more,
/// all are forgotten.
const REMEMBERED_MAX: usize = 1_024;

/// Who listens.
#[derive(Clone)]
pub(crate) enum Ear {
    Stream(Arc<Buffer>),
    Actor(AnyRef),
}

/// What a message to a listening actor holds of its sender's credit: nothing.
struct Free;

impl Creditor for Free {
    fn consumed(&self, _: ActorKey, _: u64, _: u64) {
        // It was given back when the message came.
    }
}

/// One for all of them: a burst of messages to an actor is settled at once.
static FREE: LazyLock<Arc<dyn Creditor>> = LazyLock::new(|| Arc::new(Free));

/// Who listens to messages of one type on a topic, with the topic.
#[derive(Clone)]
pub(crate) struct Audience {
    pub(crate) topic: Arc<str>,
    pub(crate) ears: Arc<[Ear]>,
}

/// The listeners to messages of each type on one topic.
type ByType = BTreeMap<MessageId, Arc<[Ear]>>;

/// An actor that listens.
struct Listening {
    actor: AnyRef,
    /// What takes the hook at its end back.
    token: u64,
    /// Its patterns, each with the type and the number of the subscription.
    by: Vec<(Box<str>, MessageId, u64)>,
}

#[derive(Default)]
struct Table {
    tree: PatternTree<(MessageId, u64)>,
    ears: BTreeMap<u64, Ear>,
    /// By the number of the actor.
    actors: BTreeMap<u64, Listening>,
    /// How many subscriptions have this pattern and type.
    patterns: BTreeMap<(Box<str>, MessageId), usize>,
    last: u64,
}

/// All subscriptions of one node. Bounded by the node's entries in the roster, and by `subscriptions_max`.
#[derive(Default)]
pub(crate) struct Listeners {
    table: Mutex<Table>,
    remembered: RwLock<BTreeMap<Arc<str>, ByType>>,
    /// Goes up after each change.
    version: AtomicU64,
    missed: AtomicU64,
}

impl Listeners {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a subscription; `first` is called if nobody had the pattern before, and nothing changes if it fails.
    pub(crate) fn add<E>(
        &self,
        pattern: &str,
        message: MessageId,
        ear: Ear,
        first: impl FnOnce() -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut table = self.table();
        self.add_to(&mut table, pattern, message, ear, first)
    }

    fn add_to<E>(
        &self,
        table: &mut Table,
        pattern: &str,
        message: MessageId,
        ear: Ear,
        first: impl FnOnce() -> Result<(), E>,
    ) -> Result<u64, E> {
        let key = (Box::from(pattern), message);
        if !table.patterns.contains_key(&key) {
            first()?;
        }
        *table.patterns.entry(key).or_default() += 1;
        table.last += 1;
        let number = table.last;
        table.tree.insert(pattern, (message, number));
        table.ears.insert(number, ear);
        self.forget();
        Ok(number)
    }

    /// Removes a subscription; `last` is called if nobody has the pattern any more.
    pub(crate) fn remove(
        &self,
        pattern: &str,
        message: MessageId,
        number: u64,
        last: impl FnOnce(),
    ) {
        let mut table = self.table();
        let ear = self.remove_from(&mut table, pattern, message, number, last);
        drop(table);
        drop(ear);
    }

    fn remove_from(
        &self,
        table: &mut Table,
        pattern: &str,
        message: MessageId,
        number: u64,
        last: impl FnOnce(),
    ) -> Option<Ear> {
        let ear = table.ears.remove(&number);
        table.tree.remove(pattern, &(message, number));
        let key = (Box::from(pattern), message);
        if let Some(count) = table.patterns.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                table.patterns.remove(&key);
                last();
            }
        }
        self.forget();
        ear
    }

    /// Lets an actor listen, by its number; again changes nothing. `first` as in [`add`](Self::add); `hook` has this table
    /// told of its end, and is called with the first of its patterns: `None` if it has ended.
    pub(crate) fn add_actor<E>(
        &self,
        (actor, number): (AnyRef, u64),
        (pattern, message): (&str, MessageId),
        first: impl FnOnce() -> Result<(), E>,
        hook: impl FnOnce(&AnyRef) -> Option<u64>,
    ) -> Result<bool, E> {
        let mut table = self.table();
        let known = table.actors.get(&number);
        let mut by = known.iter().flat_map(|it| &it.by);
        if by.any(|it| &*it.0 == pattern && it.1 == message) {
            return Ok(true);
        }
        if known.is_none() {
            let Some(token) = hook(&actor) else { return Ok(false) };
            let listening = Listening { actor: actor.clone(), token, by: Vec::new() };
            table.actors.insert(number, listening);
        }
        let added = self.add_to(&mut table, pattern, message, Ear::Actor(actor), first);
        let listening = table.actors.get_mut(&number);
        if let (Ok(at), Some(listening)) = (&added, listening) {
            listening.by.push((pattern.into(), message, *at));
        }
        let idle = Self::take_idle(&mut table, number);
        drop(table);
        if let Some(idle) = idle {
            idle.actor.forget_end(idle.token);
        }
        added.map(|_| true)
    }

    /// An actor that listens by no pattern is none of those that listen.
    fn take_idle(table: &mut Table, number: u64) -> Option<Listening> {
        let is_idle = table.actors.get(&number).is_some_and(|it| it.by.is_empty());
        is_idle.then(|| table.actors.remove(&number)).flatten()
    }

    /// Lets an actor listen no more by these of its patterns; `last` as in [`remove`](Self::remove), for each.
    pub(crate) fn remove_actor(
        &self,
        number: u64,
        which: impl Fn(&str, MessageId) -> bool,
        last: impl Fn(&str, MessageId),
    ) {
        let mut table = self.table();
        let Some(listening) = table.actors.get_mut(&number) else { return };
        let gone = listening.by.extract_if(.., |(pattern, message, _)| which(pattern, *message));
        let gone: Vec<_> = gone.collect();
        let mut ears = Vec::new();
        for (pattern, message, at) in gone {
            let last = || last(&pattern, message);
            ears.extend(self.remove_from(&mut table, &pattern, message, at, last));
        }
        let idle = Self::take_idle(&mut table, number);
        drop(table);
        drop(ears);
        if let Some(idle) = idle {
            idle.actor.forget_end(idle.token);
        }
    }

    /// By each pattern and type, how many subscriptions there are, actors among them, and how many messages those of them
    /// with a buffer have lost for want of room.
    pub(crate) fn patterns(&self) -> BTreeMap<(Box<str>, MessageId), (usize, u64)> {
        let table = self.table();
        let mut all = BTreeMap::<_, (usize, u64)>::new();
        table.tree.each(&mut |pattern, (message, number)| {
            let (count, missed) = all.entry((pattern.into(), *message)).or_default();
            *count += 1;
            if let Some(Ear::Stream(buffer)) = table.ears.get(number) {
                *missed += buffer.missed();
            }
        });
        all
    }

    /// How many subscriptions there are.
    pub(crate) fn len(&self) -> usize {
        self.table().ears.len()
    }

    /// Under the table's lock: who reads the new version finds nothing remembered, and asks the table when it has changed.
    fn forget(&self) {
        let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
        let forgotten = std::mem::take(&mut *remembered);
        drop(remembered);
        self.version.fetch_add(1, Release);
        drop(forgotten);
    }

    /// By which a change is seen: who has read it before asking who listens knows that its answer holds while it is the
    /// same.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Acquire)
    }

    /// Who listens to messages of this type on a topic.
    pub(crate) fn on(&self, topic: &str, message: MessageId) -> Audience {
        {
            let remembered = self.remembered.read().unwrap_or_else(PoisonError::into_inner);
            if let Some((topic, by_type)) = remembered.get_key_value(topic)
                && let Some(ears) = by_type.get(&message)
            {
                return Audience { topic: Arc::clone(topic), ears: Arc::clone(ears) };
            }
        }
        // Under the lock of the table, so that nothing that has changed is remembered.
        let table = self.table();
        let mut found = Vec::new();
        table.tree.matching(topic, &mut |(of, number)| {
            if *of == message {
                found.extend(table.ears.get(number).cloned());
            }
        });
        let ears: Arc<[Ear]> = found.into();
        let topic: Arc<str> = topic.into();
        if ears.is_empty() {
            // Nor remembered: others may publish whatever they like.
            return Audience { topic, ears };
        }
        let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        let by_type = remembered.entry(Arc::clone(&topic)).or_default();
        by_type.insert(message, Arc::clone(&ears));
        Audience { topic, ears }
    }

    /// Gives a message to all of an audience; says how many have taken it.
    pub(crate) fn deliver(
        &self,
        system: &ActorSystem,
        Audience { topic, ears }: &Audience,
        (message, layout): (MessageId, Option<Fingerprint>),
        payload: &Payload,
    ) -> usize {
        let (mut taken, mut missed) = (0, 0);
        for ear in &**ears {
            let payload = payload.clone();
            let (is_taken, lost) = match ear {
                Ear::Stream(buffer) => {
                    buffer.push(Waiting { topic: Arc::clone(topic), layout, payload })
                }
                Ear::Actor(actor) => match offer(system, actor, (message, layout), payload) {
                    Some(is_taken) => (is_taken, u64::from(!is_taken)),
                    None => (false, 0),
                },
            };
            taken += usize::from(is_taken);
            missed += lost;
        }
        if missed > 0 {
            self.missed.fetch_add(missed, Relaxed);
        }
        taken
    }

    /// Gives messages that came together, in the one layout there is, to all of an audience: into each buffer under one lock,
    /// and to each actor as one.
    pub(crate) fn deliver_train(
        &self,
        system: &ActorSystem,
        Audience { topic, ears }: &Audience,
        message: MessageId,
        archives: &Train,
    ) {
        let mut missed = 0;
        for ear in &**ears {
            missed += match ear {
                Ear::Stream(buffer) => {
                    let waiting = archives.iter().map(|taken| Waiting {
                        topic: Arc::clone(topic),
                        layout: None,
                        payload: archives.payload_of(&taken),
                    });
                    buffer.push_all(waiting).1
                }
                Ear::Actor(actor) => {
                    let all = u64::from(archives.len());
                    let offer = |to| {
                        let credit = Credit::of_many(Arc::clone(&FREE), to, 0, 0);
                        let archives = archives.share();
                        let refused =
                            system.offer_train(InboundTrain { to, message, archives, credit })?;
                        Ok(all - u64::from(refused))
                    };
                    offer_to(actor, offer).map_or(0, |taken| all - taken)
                }
            };
        }
        if missed > 0 {
            self.missed.fetch_add(missed, Relaxed);
        }
    }

    /// How many messages all subscriptions together have lost for want of room.
    pub(crate) fn missed(&self) -> u64 {
        self.missed.load(Relaxed)
    }

    /// The node has ended: every subscription ends when what waits is read.
    pub(crate) fn close(&self) {
        let ears: Vec<_> = self.table().ears.values().cloned().collect();
        for ear in ears {
            if let Ear::Stream(buffer) = ear {
                buffer.close();
            }
        }
    }
}

/// Gives a message to an actor; `false` if it has no room, or does not take it for another reason, and `None` if it has
/// ended.
fn offer(
    system: &ActorSystem,
    actor: &AnyRef,
    (message, layout): (MessageId, Option<Fingerprint>),
    payload: Payload,
) -> Option<bool> {
    let taken = offer_to(actor, |to| {
        let credit = Credit::of_many(Arc::clone(&FREE), to, 0, 0);
        let (remaining, reply, trace) = (None, None, None);
        let inbound = Inbound { to, message, layout, payload, remaining, reply, trace, credit };
        system.offer(inbound).map(u64::from)
    });
    taken.map(|taken| taken > 0)
}

/// Gives messages to an actor by its address; how many it has taken, and `None` if it has ended.
fn offer_to(actor: &AnyRef, offer: impl FnOnce(ActorKey) -> Result<u64, Failure>) -> Option<u64> {
    let address = match actor.address() {
        Ok(address) => address,
        // Nobody listens who could miss it.
        Err(ExportError::Ended) => return None,
        Err(error) => {
            tracing::debug!(?actor, %error, "an actor that listens cannot be reached");
            return Some(0);
        }
    };
    match offer(address.key) {
        Ok(taken) => Some(taken),
        Err(failure) if failure.kind == FailureKind::Stopped => None,
        Err(failure) => {
            tracing::debug!(?actor, %failure, "an actor that listens does not take a message");
            Some(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Poll, Waker};

    use super::*;

    const MESSAGE: MessageId = MessageId(7);

    fn listen(listeners: &Listeners, pattern: &str, max: usize) -> (u64, Arc<Buffer>) {
        let buffer = Arc::new(Buffer::new(max, 100));
        let ear = Ear::Stream(Arc::clone(&buffer));
        let number = listeners.add::<()>(pattern, MESSAGE, ear, || Ok(())).unwrap();
        (number, buffer)
    }

    fn say(listeners: &Listeners, topic: &str, text: &str) -> usize {
        say_as(listeners, MESSAGE, topic, text)
    }

    fn say_as(listeners: &Listeners, message: MessageId, topic: &str, text: &str) -> usize {
        let Audience { topic, ears } = listeners.on(topic, message);
        let payload = Payload::copy_from(text.as_bytes());
        let missed = ears.iter().map(|ear| match ear {
            Ear::Stream(buffer) => {
                let (topic, payload) = (Arc::clone(&topic), payload.clone());
                buffer.push(Waiting { topic, layout: None, payload })
            }
            Ear::Actor(_) => (false, 0),
        });
        let pushed: Vec<(bool, u64)> = missed.collect();
        listeners.missed.fetch_add(pushed.iter().map(|it| it.1).sum(), Relaxed);
        pushed.iter().filter(|it| it.0).count()
    }

    fn heard(buffer: &Buffer) -> Vec<(String, String)> {
        let mut heard = Vec::new();
        while let Poll::Ready(Some(message)) = buffer.poll_pop(Waker::noop()) {
            let text = String::from_utf8(message.payload.bytes().to_vec()).unwrap();
            heard.push((message.topic.to_string(), text));
        }
        heard
    }

    #[test]
    fn a_full_buffer_loses_its_oldest_messages_and_counts_them() {
        let listeners = Listeners::default();
        let (_, slow) = listen(&listeners, "a", 2);
        let (_, all) = listen(&listeners, ">", 10);
        for text in ["1", "2", "3", "4"] {
            assert_eq!(say(&listeners, "a", text), 2);
        }
        let pair = |text: &str| ("a".to_owned(), text.to_owned());
        assert_eq!(heard(&slow), [pair("3"), pair("4")]);
        assert_eq!((slow.missed(), all.missed(), listeners.missed()), (2, 0, 2));
        assert_eq!(heard(&all).len(), 4);
        // In bytes too, but for one that is longer than all.
        say(&listeners, "b", &"x".repeat(60));
        say(&listeners, "b", &"y".repeat(60));
        assert_eq!(heard(&all).len(), 1);
        say(&listeners, "b", &"z".repeat(200));
        assert_eq!((heard(&all).len(), all.missed()), (1, 1));
    }

    #[test]
    fn what_is_remembered_follows_the_subscriptions() {
        let listeners = Listeners::default();
        assert_eq!(say(&listeners, "a.b", "1"), 0);
        let (number, buffer) = listen(&listeners, "a.*", 10);
        assert_eq!(say(&listeners, "a.b", "2"), 1);
        assert_eq!(say_as(&listeners, MessageId(8), "a.b", ""), 0);
        let mut calls = 0;
        listeners.remove("a.*", MESSAGE, number, || calls += 1);
        assert_eq!((say(&listeners, "a.b", "3"), calls), (0, 1));
        assert_eq!(heard(&buffer).len(), 1);
        for topic in 0..3 * REMEMBERED_MAX {
            say(&listeners, &format!("t{topic}"), "");
        }
        assert!(listeners.remembered.read().unwrap().len() <= REMEMBERED_MAX);
    }

    #[test]
    fn who_knows_the_audience_sees_every_change() {
        let listeners = Listeners::default();
        let mut before = listeners.version();
        let mut has_changed = || std::mem::replace(&mut before, listeners.version()) != before;
        let (one, _) = listen(&listeners, "a", 1);
        assert!(has_changed());
        let (two, _) = listen(&listeners, "a", 1);
        assert!(has_changed());
        say(&listeners, "a", "");
        assert!(!has_changed());
        for number in [one, two] {
            listeners.remove("a", MESSAGE, number, || ());
            assert!(has_changed());
        }
    }

    #[test]
    fn the_first_and_the_last_of_a_pattern_are_told_apart() {
        let listeners = Listeners::default();
        let ear = || Ear::Stream(Arc::new(Buffer::new(1, 1)));
        let refused = listeners.add("a", MESSAGE, ear(), || Err("no"));
        assert_eq!((refused, say(&listeners, "a", "")), (Err("no"), 0));
        let (one, _) = listen(&listeners, "a", 1);
        let two = listeners.add("a", MESSAGE, ear(), || Err("not the first")).unwrap();
        listeners.remove("a", MESSAGE, one, || panic!("not the last"));
        let mut calls = 0;
        listeners.remove("a", MESSAGE, two, || calls += 1);
        assert_eq!((calls, listeners.len()), (1, 0));
        listeners.remove("a", MESSAGE, two, || panic!("it is gone"));
    }
}
