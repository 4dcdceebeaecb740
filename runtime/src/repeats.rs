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
mod tests;
