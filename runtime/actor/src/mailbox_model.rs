//! All calls that send, in random order, against a list that is searched: what every mailbox does, whatever its bounds,
//! its priorities and its overflow.
//!
//! The actor is real and its worker is polled by hand, so that each test knows what is queued, what waits and what runs.
//! After each step everything that can be seen is compared: what is held, the order of the handlers, every future's end
//! and whether it was woken for it, answers and credit of inbound messages, and the counters. What it is NOT: a race;
//! those are in `loom_models.rs`, and on threads in `tests/actors`.

mod clerk;
mod list;

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context as Task, Poll, Wake, Waker},
};

use odeon_message::{Certainty, FailureKind};
use proptest::prelude::*;

use crate::{
    ActorRef, Overflow, SpawnOptions, SystemConfig,
    cell::Signals,
    letters::config,
    mailbox_model::{
        clerk::{Big, Clerk, Desk, Note, Office},
        list::{List, Sent},
    },
};

/// How a message comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Via {
    TryTell,
    Tell,
    Ask,
    Inbound,
    InboundAsk,
}

#[derive(Clone, Debug)]
enum Step {
    Send {
        via: Via,
        big: bool,
        priority: u8,
    },
    /// Messages come from another node together: whether each is big.
    Train(Vec<bool>),
    /// The handler that waits goes on.
    Let,
    /// Somebody drops the future that they await.
    Forget(usize),
}

/// How a send ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Told,
    Answered,
    Failed(FailureKind),
}

/// From one message of a train to the next: more than there are steps.
const TRAIN_NUMBERS: u64 = 1000;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let via = prop_oneof![
        1 => Just(Via::TryTell),
        2 => Just(Via::Tell),
        2 => Just(Via::Ask),
        1 => Just(Via::Inbound),
        1 => Just(Via::InboundAsk),
    ];
    let send = (via, prop::bool::weighted(0.2), 0_u8..4);
    let step = prop_oneof![
        6 => send.prop_map(|(via, big, priority)| Step::Send { via, big, priority }),
        2 => prop::collection::vec(prop::bool::weighted(0.2), 2..9).prop_map(Step::Train),
        3 => Just(Step::Let),
        1 => (0_usize..8).prop_map(Step::Forget),
    ];
    prop::collection::vec(step, 0..60)
}

fn overflows() -> impl Strategy<Value = Overflow> {
    prop_oneof![
        3 => Just(Overflow::Wait),
        1 => Just(Overflow::Reject),
        2 => Just(Overflow::DropOldest),
        1 => Just(Overflow::DropNewest),
    ]
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// A send that is under way: polled once, and again only when it was woken.
struct Pending<'a> {
    number: u64,
    flag: Arc<Flag>,
    future: Pin<Box<dyn Future<Output = End> + 'a>>,
}

impl<'a> Pending<'a> {
    /// Polls a new future; `Err` if that is the end of it.
    fn begin(number: u64, future: impl Future<Output = End> + 'a) -> Result<Self, End> {
        let mut pending = Self { number, flag: Arc::default(), future: Box::pin(future) };
        pending.flag.0.store(true, SeqCst);
        pending.poll().map_or(Ok(pending), Err)
    }

    fn poll(&mut self) -> Option<End> {
        if !self.flag.0.swap(false, SeqCst) {
            return None;
        }
        let waker = Waker::from(self.flag.clone());
        match self.future.as_mut().poll(&mut Task::from_waker(&waker)) {
            Poll::Ready(end) => Some(end),
            Poll::Pending => None,
        }
    }
}

/// Sends a message as `via` says; the future of an inbound message is over at once.
async fn send(clerk: &ActorRef<Clerk>, desk: &Arc<Desk>, sent: Sent) -> Option<End> {
    let Sent { number, via, big, priority } = sent;
    let failed = |number: Option<u64>, failure: odeon_message::Failure| {
        assert_eq!(number, Some(sent.number), "the message comes back");
        assert_eq!(failure.certainty, Certainty::NotDelivered);
        Some(End::Failed(failure.kind))
    };
    let told = |told: Result<(), (Option<u64>, odeon_message::Failure)>| match told {
        Ok(()) => Some(End::Told),
        Err((number, failure)) => failed(number, failure),
    };
    match (via, big) {
        (Via::TryTell, false) => {
            told(clerk.try_tell(Note(number)).map_err(|e| (e.message.map(|m| m.0), e.failure)))
        }
        (Via::TryTell, true) => told(
            clerk.try_tell(Big::new(number)).map_err(|e| (e.message.map(|m| m.0[0]), e.failure)),
        ),
        (Via::Tell, false) => {
            let tell = clerk.tell(Note(number)).priority(priority);
            told(tell.await.map_err(|e| (e.message.map(|m| m.0), e.failure)))
        }
        (Via::Tell, true) => {
            let tell = clerk.tell(Big::new(number)).priority(priority);
            told(tell.await.map_err(|e| (e.message.map(|m| m.0[0]), e.failure)))
        }
        (Via::Ask, big) => {
            let answer = match big {
                false => clerk.ask(Note(number)).priority(priority).await,
                true => clerk.ask(Big::new(number)).priority(priority).await,
            };
            Some(match answer {
                Ok(answer) => {
                    assert_eq!(answer, number);
                    End::Answered
                }
                Err(error) => clerk::end_of(&error),
            })
        }
        (Via::Inbound | Via::InboundAsk, big) => {
            desk.deliver(clerk, number, big, via == Via::InboundAsk);
            None
        }
    }
}

/// One run: the real thing on the left, the list on the right.
struct Run<'a> {
    office: &'a Office,
    clerk: &'a ActorRef<Clerk>,
    list: List,
    pending: Vec<Pending<'a>>,
    /// How sends ended whose futures are over.
    ends: Vec<(u64, End)>,
}

impl<'a> Run<'a> {
    fn step(&mut self, number: u64, step: Step) {
        match step {
            Step::Send { via, big, priority } => {
                let sent = Sent { number, via, big, priority };
                self.list.send(sent);
                let (clerk, desk) = (self.clerk, self.office.desk.clone());
                let end = async move { send(clerk, &desk, sent).await.unwrap_or(End::Told) };
                match Pending::begin(number, end) {
                    Ok(pending) => self.pending.push(pending),
                    Err(end) => self.ends.push((number, end)),
                }
            }
            Step::Train(big) => {
                let numbers = (0..).map(|at| number + at * TRAIN_NUMBERS);
                let messages = numbers.zip(big);
                let sent = |(number, big)| Sent { number, via: Via::Inbound, big, priority: 0 };
                self.list.send_train(messages.clone().map(sent));
                self.office.desk.deliver_train(self.clerk, messages);
            }
            Step::Let => {
                self.list.go_on();
                self.office.gate.open();
            }
            Step::Forget(at) => {
                if at < self.pending.len() {
                    let pending = self.pending.remove(at);
                    self.list.forget(pending.number);
                }
            }
        }
        self.settle();
    }

    /// Lets everything happen that can, and compares.
    fn settle(&mut self) {
        self.office.hand.run();
        self.list.settle();
        let ends = &mut self.ends;
        self.pending.retain_mut(|pending| match pending.poll() {
            Some(end) => {
                ends.push((pending.number, end));
                false
            }
            None => true,
        });
        let list = &self.list;
        assert_eq!(*self.office.gate.began(), list.began, "what ran, in order");
        for (number, end) in &*ends {
            assert_eq!(list.end_of(*number), Some(*end), "message {number}");
        }
        for pending in &self.pending {
            assert_eq!(list.end_of(pending.number), None, "{} waits", pending.number);
        }
        assert_eq!(self.office.desk.answers(), list.answers(), "answers over the network");
        assert_eq!(self.office.desk.held(), list.inbound_held(), "credit");
        let stats = self.office.hand.system.stats();
        assert_eq!(stats.dropped, list.dropped, "dropped and counted");
        assert_eq!(stats.skipped, list.skipped, "given up before their turn");
    }

    fn compare_held(&self) {
        let Some(cell) = self.clerk.cell() else { return };
        assert_eq!(cell.held(), self.list.held(), "what is held");
        assert!(self.list.is_within(), "past a bound");
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_call_gets_past_the_bound_and_each_message_ends_once(
        overflow in overflows(),
        (messages, bytes) in (1_u32..6, prop_oneof![3 => Just(1 << 20), 1 => 0_usize..1500]),
        priorities in 0_u8..4,
        waiting_max in prop_oneof![3 => Just(64_u32), 1 => 0_u32..4],
        steps in steps(),
        kill: bool,
    ) {
        let config = SystemConfig { waiting_max, spin: 0, ..SystemConfig::default() };
        let options = SpawnOptions::default()
            .mailbox(messages)
            .mailbox_bytes(bytes)
            .overflow(overflow)
            .priorities(priorities);
        let office = Office::open(config);
        let clerk = office.hire(options);
        let list = List::new(overflow, (messages, bytes), priorities, waiting_max as usize);
        let mut run = Run { office: &office, clerk: &clerk, list, pending: Vec::new(), ends: Vec::new() };
        for (step, number) in steps.into_iter().zip(0..) {
            run.step(number, step);
            run.compare_held();
        }
        let cell = clerk.cell().expect("it is of this node");
        run.list.end(kill);
        if kill {
            cell.signal(Signals::KILL);
        } else {
            cell.signal(Signals::STOP);
            office.gate.open();
        }
        drop(cell);
        run.settle();
        prop_assert!(run.pending.is_empty(), "nobody waits for ever");
        drop(run);
        drop(clerk);
        office.close();
    }
}
