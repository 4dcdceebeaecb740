//! Any mix of sends from near and far, one after the other, against a model that is a queue and a line before it: each
//! message is handled in its place, refused when the model says so, or skipped if its asker has gone.

use std::{collections::VecDeque, future::Future, pin::Pin, time::Duration};

use proptest::prelude::*;
use tokio::sync::oneshot;

use super::{begin, far};
use crate::{
    desk::{Log, settle},
    direct::{Doer, Note, doer_with, held_up},
    fixture::on_one_thread_with,
    odeon::{ActorRef, Handler, SpawnOptions, SystemConfig},
};

const HOUR: Duration = Duration::from_secs(3600);
const SENDERS: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum How {
    TryTell,
    Tell,
    Ask,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// One of the senders sends its next number, from this thread or from another: it moves between them.
    Send { sender: usize, is_far: bool, how: How },
    /// The actor is kept busy.
    Hold { is_far: bool, how: How },
    /// What keeps it busy does so no longer.
    Release,
    /// The actor has its turns.
    Settle,
    /// The oldest ask that is under way is dropped.
    GiveUp,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let how = prop_oneof![Just(How::TryTell), Just(How::Tell), Just(How::Ask)];
    let send = (0..SENDERS, any::<bool>(), how.clone())
        .prop_map(|(sender, is_far, how)| Step::Send { sender, is_far, how });
    let hold = (any::<bool>(), how).prop_map(|(is_far, how)| Step::Hold { is_far, how });
    let step = prop_oneof![
        12 => send,
        2 => hold,
        2 => Just(Step::Release),
        3 => Just(Step::Settle),
        1 => Just(Step::GiveUp),
    ];
    prop::collection::vec(step, 0..80)
}

struct Entry {
    id: usize,
    /// `None` keeps the actor busy.
    number: Option<u64>,
    given_up: bool,
}

/// What becomes of a message at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Handled,
    /// Its handler has begun.
    Begun,
    Queued,
    Waits,
    Full,
}

#[derive(Default)]
struct Model {
    bound: usize,
    queue: VecDeque<Entry>,
    /// Those that wait for room.
    line: VecDeque<Entry>,
    busy: Option<usize>,
    released: bool,
    handled: Vec<String>,
    skipped: u64,
}

impl Model {
    fn send(&mut self, entry: Entry, is_far: bool, how: How) -> Fate {
        let free = self.busy.is_none() && self.queue.is_empty() && self.line.is_empty();
        if how == How::Ask && !is_far && free {
            let number = entry.number;
            self.begin(entry);
            return if number.is_some() { Fate::Handled } else { Fate::Begun };
        }
        if self.queue.len() < self.bound && self.line.is_empty() {
            self.queue.push_back(entry);
            return Fate::Queued;
        }
        if how == How::TryTell {
            return Fate::Full;
        }
        self.line.push_back(entry);
        Fate::Waits
    }

    fn begin(&mut self, entry: Entry) {
        match entry.number {
            Some(number) => self.handled.push(number.to_string()),
            None => (self.busy, self.released) = (Some(entry.id), false),
        }
    }

    fn settle(&mut self) {
        loop {
            if self.busy.is_some() && self.released {
                self.busy = None;
                self.handled.push("held".to_owned());
            }
            while self.queue.len() < self.bound && !self.line.is_empty() {
                self.queue.extend(self.line.pop_front());
            }
            if self.busy.is_some() {
                return;
            }
            match self.queue.pop_front() {
                None => return,
                Some(entry) if entry.given_up => self.skipped += 1,
                Some(entry) => self.begin(entry),
            }
        }
    }

    fn give_up(&mut self, id: usize) {
        self.line.retain(|entry| entry.id != id);
        self.queue
            .iter_mut()
            .filter(|entry| entry.id == id)
            .for_each(|entry| entry.given_up = true);
    }
}

type Sending = Pin<Box<dyn Future<Output = bool> + Send>>;

/// Sends a message this way: what became of it, and the send if it is not over. The output says whether all was well.
fn send<M>(to: &ActorRef<Doer>, message: M, is_far: bool, how: How) -> Result<bool, Sending>
where
    Doer: Handler<M>,
    M: odeon_message::Message,
{
    let to = to.clone();
    let send: Sending = Box::pin(async move {
        match how {
            How::TryTell => to.try_tell(message).is_ok(),
            How::Tell => to.tell(message).within(HOUR).await.is_ok(),
            How::Ask => to.ask(message).within(HOUR).await.is_ok(),
        }
    });
    if is_far { far(move || begin(send)) } else { begin(send) }
}

/// What is under way.
#[derive(Default)]
struct Play {
    model: Model,
    sends: usize,
    numbers: [u64; SENDERS],
    /// By id.
    open: VecDeque<(usize, How, Sending)>,
    releases: Vec<(usize, oneshot::Sender<()>)>,
    log: Vec<String>,
}

impl Play {
    fn note(&mut self, begun: Result<bool, Sending>, fate: Fate, how: How) {
        let id = self.sends;
        self.sends += 1;
        match (begun, fate, how) {
            (Ok(true), Fate::Handled, _) => {}
            (Ok(true), Fate::Queued, How::TryTell | How::Tell) => {}
            (Ok(false), Fate::Full, How::TryTell) => {}
            (Err(sending), Fate::Begun | Fate::Queued, How::Ask) => {
                self.open.push_back((id, how, sending));
            }
            (Err(sending), Fate::Waits, _) => self.open.push_back((id, how, sending)),
            (begun, fate, how) => panic!("{how:?} {id} is {:?}, not {fate:?}", begun.ok()),
        }
    }

    async fn step(&mut self, to: &ActorRef<Doer>, log: &Log, step: Step) {
        let id = self.sends;
        match step {
            Step::Send { sender, is_far, how } => {
                self.numbers[sender] += 1;
                let number = sender as u64 * 1000 + self.numbers[sender];
                let entry = Entry { id, number: Some(number), given_up: false };
                let fate = self.model.send(entry, is_far, how);
                self.note(send(to, Note(number), is_far, how), fate, how);
            }
            Step::Hold { is_far, how } => {
                let (act, release) = held_up();
                let fate =
                    self.model.send(Entry { id, number: None, given_up: false }, is_far, how);
                self.note(send(to, act, is_far, how), fate, how);
                self.releases.push((id, release));
            }
            Step::Release => self.release(),
            Step::Settle => {
                self.model.settle();
                settle().await;
            }
            Step::GiveUp => {
                if let Some(at) = self.open.iter().position(|(_, how, _)| *how == How::Ask) {
                    let (id, _, sending) = self.open.remove(at).unwrap();
                    drop(sending);
                    self.model.give_up(id);
                }
            }
        }
        self.log.extend(log.take());
        assert_eq!(self.log, self.model.handled, "after {step:?}");
    }

    fn release(&mut self) {
        let Some(id) = self.model.busy else { return };
        if let Some(at) = self.releases.iter().position(|(held, _)| *held == id) {
            self.releases.remove(at).1.send(()).unwrap();
            self.model.released = true;
        }
    }
}

fn play(bound: u32, steps: Vec<Step>) {
    let mut config = SystemConfig::default();
    // A sample is a message that goes by the mailbox.
    config.sample_every = 0;
    on_one_thread_with(config, 1, |system| async move {
        let (to, log) = doer_with(&system, SpawnOptions::default().mailbox(bound)).await;
        let model = Model { bound: bound as usize, ..Model::default() };
        let mut play = Play { model, ..Play::default() };
        for step in steps {
            play.step(&to, &log, step).await;
        }
        play.step(&to, &log, Step::Settle).await;
        while play.model.busy.is_some() {
            play.step(&to, &log, Step::Release).await;
            play.step(&to, &log, Step::Settle).await;
        }
        assert!(play.model.queue.is_empty() && play.model.line.is_empty());
        for (id, how, sending) in play.open {
            assert!(sending.await, "{how:?} {id}");
        }
        assert_eq!(system.stats().skipped, play.model.skipped);
        assert_eq!(to.ask(Note(0)).await, Ok(0));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn they_are_handled_in_the_order_of_their_sends(bound in 1_u32..6, steps in steps()) {
        play(bound, steps);
    }
}
