//! Attempts that join, are answered again, give up, and are forgotten.

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
    fn reply(&self, ask: AskId, encode: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), EncodeError>) {
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
