//! Asks that other nodes send again, by what their attempts have in common.
//!
//! What it is: for each such ask who waits for its answer while it runs, and what the answer was for some time after. An
//! attempt that comes while an earlier one waits or runs joins it; one that comes later is answered at once. What it is
//! NOT: a promise; what is forgotten runs again, so that only messages that may run twice are sent so. Filled by
//! `inbound.rs` on the endpoint's thread, answered on the workers'; read `cancels.rs` for attempts that were given up.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use odeon_actor::ReplyPath;
use odeon_message::{
    ActorKey, AskId, Certainty, EncodeError, Failure, FailureKind, Incarnation, NodeId,
};
use odeon_transport::PeerId;
use tokio::time::Instant;

/// Most asks that one node remembers. When there are more, the oldest answer is forgotten; where all of them run, a new one
/// is not remembered.
const REPEATS_MAX: usize = 4_096;

/// Bytes of the answers that one node remembers; beyond, the oldest are forgotten.
const ANSWERS_BYTES_MAX: usize = 4 << 20;

/// The longest answer that is remembered: a sixty-fourth of all.
const ANSWER_BYTES_MAX: usize = ANSWERS_BYTES_MAX / 64;

/// Attempts of one ask that wait for its answer at a time. An asker makes them one after the other, so that the oldest was
/// given up when there are more: it is left out.
const ATTEMPTS_MAX: usize = 8;

/// How long an answer is remembered: with the default time of an ask, 5 s, no attempt comes later.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// An ask: who sends it, to whom, and what its attempts have in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct RepeatKey {
    pub(crate) peer: PeerId,
    pub(crate) to: ActorKey,
    pub(crate) repeat: u64,
}

/// What the handler came to, as the asker hears it.
#[derive(Clone, Debug)]
enum Answer {
    Reply(Arc<Vec<u8>>),
    Failed(Failure),
}

impl Answer {
    fn bytes(&self) -> usize {
        match self {
            Self::Reply(bytes) => bytes.len(),
            Self::Failed(failure) => failure.detail.len(),
        }
    }

    fn send(&self, path: &dyn ReplyPath, ask: AskId) {
        match self {
            Self::Reply(bytes) => path.reply(ask, &mut |out| {
                out.extend_from_slice(bytes);
                Ok(())
            }),
            Self::Failed(failure) => path.fail(ask, failure.clone()),
        }
    }
}

/// One sending of an ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) ask: AskId,
    /// When its asker gives up; `None` is never.
    pub(crate) until: Option<Instant>,
}

#[derive(Debug)]
enum State {
    /// Its message waits or runs, and these attempts wait for the answer, those that were given up left out.
    Runs(Vec<Attempt>),
    /// It was answered.
    Done(Answer),
}

#[derive(Debug)]
struct Entry {
    /// Which run it is: a run that was replaced by another has no say any more.
    run: u64,
    state: State,
}

#[derive(Default, Debug)]
struct Table {
    last: u64,
    entries: BTreeMap<RepeatKey, Entry>,
    /// The answers in order of age, and when they are forgotten.
    by_age: BTreeMap<u64, (RepeatKey, Instant)>,
    bytes: usize,
}

/// What becomes of an attempt that has arrived.
pub(crate) enum Arrived {
    /// It is the first, or the earlier ones are not known: it runs, and its answer goes this way.
    Runs(Arc<dyn ReplyPath>),
    /// It waits for the answer of an earlier one, or was answered.
    Known,
}

/// The asks of one node that may come again.
#[derive(Default, Debug)]
pub(crate) struct Repeats(Mutex<Table>);

impl Table {
    /// Forgets an answer.
    fn forget(&mut self, age: u64) {
        let Some((key, _)) = self.by_age.remove(&age) else { return };
        if let Some(Entry { state: State::Done(answer), .. }) = self.entries.remove(&key) {
            self.bytes -= answer.bytes();
        }
    }

    /// Forgets what is too old, and the oldest until there is room for one more entry and so many bytes.
    fn make_room(&mut self, now: Instant, entries: usize, bytes: usize) {
        while let Some((age, (_, until))) = self.by_age.first_key_value() {
            let full = self.entries.len() + entries > REPEATS_MAX
                || self.bytes + bytes > ANSWERS_BYTES_MAX;
            if *until > now && !full {
                return;
            }
            let age = *age;
            self.forget(age);
        }
    }

    /// The entry of this run, unless it was replaced.
    fn running(&mut self, key: &RepeatKey, run: u64) -> Option<&mut Vec<Attempt>> {
        match self.entries.get_mut(key) {
            Some(Entry { run: known, state: State::Runs(attempts) }) if *known == run => {
                Some(attempts)
            }
            _ => None,
        }
    }

    fn begin(&mut self, key: RepeatKey, attempt: Attempt) -> u64 {
        self.last += 1;
        let run = self.last;
        self.entries.insert(key, Entry { run, state: State::Runs(vec![attempt]) });
        run
    }

    /// Ends a run: who waits for its answer. It is remembered if that is worth it.
    fn end(&mut self, key: RepeatKey, run: u64, answer: &Answer, now: Instant) -> Vec<Attempt> {
        let Some(attempts) = self.running(&key, run).map(mem::take) else { return Vec::new() };
        let repeats = match answer {
            Answer::Reply(bytes) => bytes.len() <= ANSWER_BYTES_MAX,
            // What has not run may yet.
            Answer::Failed(failure) => failure.certainty != Certainty::NotDelivered,
        };
        // Nobody waited at the end: a handler that looked saw it, and may have given up.
        if !repeats || attempts.is_empty() {
            self.entries.remove(&key);
            return attempts;
        }
        self.make_room(now, 0, answer.bytes());
        self.last += 1;
        let age = self.last;
        self.bytes += answer.bytes();
        self.by_age.insert(age, (key, now + KEPT_FOR));
        self.entries.insert(key, Entry { run, state: State::Done(answer.clone()) });
        attempts
    }
}

impl Repeats {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing between the statements of a change panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An attempt has arrived, whose answer goes back by `path`.
    pub(crate) fn arrive(
        self: &Arc<Self>,
        key: RepeatKey,
        attempt: Attempt,
        path: Arc<dyn ReplyPath>,
        now: Instant,
    ) -> Arrived {
        if attempt.until.is_some_and(|until| until <= now) {
            // Most likely its sender has withdrawn it, which sends no cancel: it is refused next, and waits for nothing.
            return Arrived::Runs(path);
        }
        let mut table = self.table();
        table.make_room(now, 1, 0);
        let full = table.entries.len() >= REPEATS_MAX;
        match table.entries.get_mut(&key) {
            Some(Entry { state: State::Done(answer), .. }) => {
                let answer = answer.clone();
                drop(table);
                answer.send(&*path, attempt.ask);
                return Arrived::Known;
            }
            // Nobody waits for that run any more, and its handler may have seen that: it has no say from here on.
            Some(Entry { state: State::Runs(attempts), .. }) if attempts.is_empty() => {}
            Some(Entry { state: State::Runs(attempts), .. }) => {
                let oldest = (attempts.len() >= ATTEMPTS_MAX).then(|| attempts.remove(0));
                attempts.push(attempt);
                drop(table);
                oldest.into_iter().for_each(|oldest| path.unwatch_cancel(oldest.ask));
                return Arrived::Known;
            }
            None if full => return Arrived::Runs(path),
            None => {}
        }
        let run = table.begin(key, attempt);
        drop(table);
        Arrived::Runs(Arc::new(Shared { repeats: Arc::clone(self), key, run, path }))
    }
}

/// The way back of a message whose attempts all wait for one answer.
struct Shared {
    repeats: Arc<Repeats>,
    key: RepeatKey,
    run: u64,
    path: Arc<dyn ReplyPath>,
}

impl Shared {
    fn end(&self, ask: AskId, answer: &Answer) {
        let attempts = self.repeats.table().end(self.key, self.run, answer, Instant::now());
        let asks: Vec<_> = attempts.iter().map(|attempt| attempt.ask).collect();
        // Of a run that nobody waits for any more, or that was replaced, its own asker hears; and ignores it.
        let asks = if asks.is_empty() { vec![ask] } else { asks };
        for ask in asks {
            self.path.unwatch_cancel(ask);
            answer.send(&*self.path, ask);
        }
    }

    /// Those who wait.
    fn asks(&self, ask: AskId) -> Vec<AskId> {
        let mut table = self.repeats.table();
        match table.running(&self.key, self.run) {
            Some(attempts) => attempts.iter().map(|attempt| attempt.ask).collect(),
            None => vec![ask],
        }
    }

    /// These have been given up; whether nobody waits any more.
    fn leave(&self, left: &[AskId]) -> bool {
        left.iter().for_each(|ask| self.path.unwatch_cancel(*ask));
        let mut table = self.repeats.table();
        let Some(attempts) = table.running(&self.key, self.run) else { return true };
        attempts.retain(|attempt| !left.contains(&attempt.ask));
        attempts.is_empty()
    }
}

impl ReplyPath for Shared {
    fn reply(&self, ask: AskId, encode: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), EncodeError>) {
        let mut bytes = Vec::new();
        let answer = match encode(&mut bytes) {
            Ok(()) => Answer::Reply(Arc::new(bytes)),
            Err(error) => {
                let detail = format!("the reply: {error}");
                Answer::Failed(Failure::new(FailureKind::Unsendable, Certainty::Ran, detail))
            }
        };
        self.end(ask, &answer);
    }

    fn fail(&self, ask: AskId, failure: Failure) {
        self.end(ask, &Answer::Failed(failure));
    }

    fn is_cancelled(&self, ask: AskId) -> bool {
        let mut left = self.asks(ask);
        left.retain(|ask| self.path.is_cancelled(*ask));
        self.leave(&left)
    }

    fn watch_cancel(&self, ask: AskId, waker: &Waker) -> bool {
        let mut left = self.asks(ask);
        left.retain(|ask| self.path.watch_cancel(*ask, waker));
        self.leave(&left)
    }

    /// That of the attempt that waits longest: the message of the first one is all there is to run.
    fn deadline(&self, _: AskId, came_with: Option<Instant>) -> Option<Instant> {
        let mut latest = came_with?;
        let mut table = self.repeats.table();
        for attempt in table.running(&self.key, self.run).into_iter().flatten() {
            latest = latest.max(attempt.until?);
        }
        Some(latest)
    }

    fn unwatch_cancel(&self, ask: AskId) {
        self.asks(ask).into_iter().for_each(|ask| self.path.unwatch_cancel(ask));
    }

    fn asker(&self) -> Option<(NodeId, Incarnation)> {
        self.path.asker()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    type Told = (u64, Result<Vec<u8>, Failure>);

    /// What came back, and which asks were given up.
    #[derive(Default)]
    struct Way {
        answers: Mutex<Vec<Told>>,
        given_up: Mutex<Vec<AskId>>,
    }

    impl Way {
        fn take(&self) -> Vec<Told> {
            mem::take(&mut *self.answers.lock().unwrap())
        }

        fn give_up(&self, ask: u64) {
            self.given_up.lock().unwrap().push(AskId(ask));
        }
    }

    impl ReplyPath for Way {
        fn reply(
            &self,
            ask: AskId,
            encode: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), EncodeError>,
        ) {
            let mut out = Vec::new();
            encode(&mut out).unwrap();
            self.answers.lock().unwrap().push((ask.0, Ok(out)));
        }

        fn fail(&self, ask: AskId, failure: Failure) {
            self.answers.lock().unwrap().push((ask.0, Err(failure)));
        }

        fn is_cancelled(&self, ask: AskId) -> bool {
            self.given_up.lock().unwrap().contains(&ask)
        }
    }

    struct Node {
        repeats: Arc<Repeats>,
        way: Arc<Way>,
        now: Instant,
    }

    impl Node {
        fn new() -> Self {
            Self { repeats: Arc::default(), way: Arc::default(), now: Instant::now() }
        }

        /// The way back if it runs.
        fn arrive(&self, repeat: u64, ask: u64) -> Option<Arc<dyn ReplyPath>> {
            self.arrive_until(repeat, ask, None)
        }

        fn arrive_until(
            &self,
            repeat: u64,
            ask: u64,
            until: Option<Instant>,
        ) -> Option<Arc<dyn ReplyPath>> {
            let peer = PeerId { node: NodeId(1), incarnation: Incarnation(1) };
            let key = RepeatKey { peer, to: ActorKey { slot: 1, generation: 1 }, repeat };
            let attempt = Attempt { ask: AskId(ask), until };
            match self.repeats.arrive(key, attempt, self.way.clone(), self.now) {
                Arrived::Runs(path) => Some(path),
                Arrived::Known => None,
            }
        }

        fn reply(&self, path: &Arc<dyn ReplyPath>, ask: u64, bytes: &[u8]) {
            path.reply(AskId(ask), &mut |out| {
                out.extend_from_slice(bytes);
                Ok(())
            });
        }
    }

    fn ok(bytes: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(bytes.to_vec())
    }

    #[test]
    fn attempts_share_one_run_and_its_answer() {
        let node = Node::new();
        let path = node.arrive(7, 1).expect("the first runs");
        assert!(node.arrive(7, 2).is_none(), "it joins the one that runs");
        assert!(node.arrive(8, 3).is_some(), "another ask runs");
        node.reply(&path, 1, b"yes");
        assert_eq!(node.way.take(), [(1, ok(b"yes")), (2, ok(b"yes"))]);
        assert!(node.arrive(7, 4).is_none(), "it is known");
        assert_eq!(node.way.take(), [(4, ok(b"yes"))]);
    }

    #[test]
    fn of_many_attempts_the_latest_are_answered() {
        let node = Node::new();
        let path = node.arrive(7, 1).unwrap();
        assert!((2..=20).all(|ask| node.arrive(7, ask).is_none()));
        node.reply(&path, 1, b"yes");
        let answered = node.way.take().into_iter().map(|(ask, _)| ask).collect::<Vec<_>>();
        assert_eq!(answered, (21 - ATTEMPTS_MAX as u64..=20).collect::<Vec<_>>());
    }

    #[test]
    fn whoever_waits_longest_says_when_a_run_is_too_late() {
        let node = Node::new();
        let [first, second] = [1, 2].map(|seconds| Some(node.now + Duration::from_secs(seconds)));
        let path = node.arrive_until(7, 1, first).unwrap();
        assert_eq!(path.deadline(AskId(1), first), first);
        assert!(node.arrive_until(7, 2, second).is_none());
        assert_eq!(path.deadline(AskId(1), first), second);
        assert!(node.arrive_until(7, 3, None).is_none());
        assert_eq!(path.deadline(AskId(1), first), None, "it waits for ever");
        node.way.give_up(3);
        assert!(!path.is_cancelled(AskId(1)));
        assert_eq!(path.deadline(AskId(1), first), second, "no more");
        node.reply(&path, 1, b"yes");
        assert_eq!(path.deadline(AskId(1), first), first, "nobody waits any more");
    }

    /// It would have waited for ever, and the handler never have heard that all others gave up.
    #[test]
    fn an_attempt_that_comes_too_late_waits_for_no_answer() {
        let node = Node::new();
        let path = node.arrive(7, 1).unwrap();
        let late = node.arrive_until(7, 2, Some(node.now)).expect("it does not join");
        late.fail(AskId(2), Failure::not_delivered(FailureKind::Deadline, ""));
        assert_eq!(node.way.take().len(), 1);
        node.way.give_up(1);
        assert!(path.is_cancelled(AskId(1)));
    }

    #[test]
    fn what_did_not_run_is_not_remembered() {
        let node = Node::new();
        let path = node.arrive(7, 1).unwrap();
        path.fail(AskId(1), Failure::not_delivered(FailureKind::Stopped, ""));
        assert_eq!(node.way.take().len(), 1);
        let path = node.arrive(7, 2).expect("it runs anew");
        path.fail(AskId(2), Failure::new(FailureKind::Panicked, Certainty::Ran, "oh"));
        node.way.take();
        assert!(node.arrive(7, 3).is_none(), "it ran, and is not to run again");
        assert!(matches!(&node.way.take()[..], [(3, Err(f))] if f.kind == FailureKind::Panicked));
    }

    #[test]
    fn a_run_is_given_up_when_no_attempt_waits_and_has_no_say_then() {
        let node = Node::new();
        let first = node.arrive(7, 1).unwrap();
        assert!(node.arrive(7, 2).is_none());
        node.way.give_up(1);
        assert!(!first.is_cancelled(AskId(1)), "the second attempt waits");
        node.way.give_up(2);
        assert!(first.is_cancelled(AskId(1)));
        let second = node.arrive(7, 3).expect("the handler may have seen that nobody waits");
        node.reply(&first, 1, b"given up");
        assert_eq!(node.way.take(), [(1, ok(b"given up"))], "the third attempt does not hear that");
        node.reply(&second, 3, b"yes");
        assert_eq!(node.way.take(), [(3, ok(b"yes"))]);
    }

    #[test]
    fn answers_are_forgotten_by_age_number_and_size() {
        let mut node = Node::new();
        let answer = |node: &Node, repeat, bytes: &[u8]| {
            let path = node.arrive(repeat, repeat).expect("it runs");
            node.reply(&path, repeat, bytes);
        };
        answer(&node, 1, b"old");
        node.now += KEPT_FOR + Duration::from_secs(1);
        assert!(node.arrive(1, 9).is_some(), "too old");
        node.now = Instant::now();
        answer(&node, 2, &vec![0; ANSWER_BYTES_MAX + 1]);
        assert!(node.arrive(2, 9).is_some(), "too long");
        (100..100 + REPEATS_MAX as u64).for_each(|repeat| answer(&node, repeat, b""));
        assert!(node.arrive(99 + REPEATS_MAX as u64, 9).is_none(), "the newest is known");
        assert!(node.arrive(100, 9).is_some(), "the oldest made room");
        let long = vec![0; ANSWER_BYTES_MAX];
        (10_000..10_065).for_each(|repeat| answer(&node, repeat, &long));
        let table = node.repeats.table();
        assert!(table.bytes <= ANSWERS_BYTES_MAX && table.entries.len() <= REPEATS_MAX);
        assert_eq!(
            table.bytes,
            table.entries.values().fold(0, |sum, entry| match &entry.state {
                State::Done(answer) => sum + answer.bytes(),
                State::Runs(_) => sum,
            })
        );
    }

    #[test]
    fn where_all_run_a_new_one_is_not_remembered() {
        let node = Node::new();
        let paths: Vec<_> = (0..REPEATS_MAX as u64).map(|repeat| node.arrive(repeat, 1)).collect();
        assert!(paths.iter().all(Option::is_some));
        assert!(node.arrive(9_999, 1).is_some());
        assert!(node.arrive(9_999, 2).is_some(), "not known");
        assert_eq!(node.repeats.table().entries.len(), REPEATS_MAX);
    }
}
