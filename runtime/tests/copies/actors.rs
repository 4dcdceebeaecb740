//! What is sent, and who takes it and counts.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use odeon::{Actor, Context, Handler, StartError, View, ViewHandler, actor, message};

use tokio::sync::Semaphore;

use crate::{ALLOCATIONS, lock};

/// Two words of the heap, if it is a value.
#[message(id = "copies/Line")]
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) text: String,
    pub(crate) more: String,
}

/// The same, not read in place.
#[message(id = "copies/Owned")]
pub(crate) struct Owned {
    pub(crate) number: u64,
    pub(crate) text: String,
    pub(crate) more: String,
}

/// As a line, and answered.
#[message(id = "copies/AskLine", reply = u64)]
pub(crate) struct AskLine {
    pub(crate) number: u64,
    pub(crate) text: String,
    pub(crate) more: String,
}

/// The same, not read in place.
#[message(id = "copies/AskOwned", reply = u64)]
pub(crate) struct AskOwned {
    pub(crate) number: u64,
    pub(crate) text: String,
    pub(crate) more: String,
}

/// Longer than any slab or batch.
#[message(id = "copies/Large")]
pub(crate) struct Large {
    pub(crate) number: u64,
    pub(crate) bytes: Vec<u8>,
}

#[message(id = "copies/Done", reply = u64)]
pub(crate) struct Done;

/// A thousand bytes, and some more around them.
#[message(id = "copies/Bulky")]
pub(crate) struct Bulky {
    pub(crate) bytes: Vec<u8>,
}

#[message(id = "copies/LetGo")]
pub(crate) struct LetGo;

/// What the workers' thread had allocated whenever a handler began, and of each line that came what the endpoint's thread
/// had allocated, where it lay, and how long all are.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) allocations: Vec<u64>,
    pub(crate) arrivals: Vec<u64>,
    pub(crate) places: VecDeque<usize>,
    pub(crate) bytes: u64,
    pub(crate) not_in_place: u64,
}

impl Seen {
    /// Makes room for so many, for nothing may be allocated while it is counted.
    pub(crate) fn prepare(&mut self, room: usize) {
        self.allocations.clear();
        self.allocations.reserve(room);
        self.arrivals.clear();
        self.arrivals.reserve(room);
        self.places.reserve(room);
    }
}

#[derive(Clone, Default)]
pub(crate) struct Sink {
    pub(crate) seen: Arc<Mutex<Seen>>,
}

/// Takes nothing while its gate is closed.
pub(crate) struct Stuck {
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) handled: u64,
}

#[actor(id = "copies/Stuck", handles(Bulky, Done))]
impl Actor for Stuck {
    type Args = Arc<Semaphore>;

    async fn start(gate: Arc<Semaphore>, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { gate, handled: 0 })
    }
}

impl Handler<Bulky> for Stuck {
    async fn handle(&mut self, bulky: Bulky, _: &mut Context<Self>) {
        drop(self.gate.acquire().await.expect("nobody closes it for good"));
        assert_eq!(bulky.bytes.len(), 1_000);
        self.handled += 1;
    }
}

impl Handler<Done> for Stuck {
    async fn handle(&mut self, _: Done, _: &mut Context<Self>) -> u64 {
        self.handled
    }
}

/// Keeps one view in so many.
pub(crate) struct Hoard {
    pub(crate) every: u64,
    pub(crate) kept: Vec<View<Line>>,
}

#[actor(id = "copies/Sink", handles(Owned, AskOwned, Done), views(Line, AskLine, Large))]
impl Actor for Sink {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Line> for Sink {
    async fn handle(&mut self, _: Line, _: &mut Context<Self>) {
        panic!("it comes from another node");
    }
}

impl ViewHandler<Line> for Sink {
    async fn view(&mut self, line: View<Line>, _: &mut Context<Self>) {
        let count = ALLOCATIONS.get();
        let mut seen = lock(&self.seen);
        seen.allocations.push(count);
        let place = line.bytes().as_ptr().addr();
        let arrived = seen.places.pop_front();
        seen.not_in_place += u64::from(arrived != Some(place));
    }
}

impl Handler<Large> for Sink {
    async fn handle(&mut self, _: Large, _: &mut Context<Self>) {
        panic!("it comes from another node");
    }
}

impl ViewHandler<Large> for Sink {
    async fn view(&mut self, large: View<Large>, _: &mut Context<Self>) {
        let mut seen = lock(&self.seen);
        assert_eq!(large.number.to_native(), seen.allocations.len() as u64, "they come in order");
        assert!(large.bytes.iter().all(|byte| *byte == 7));
        seen.allocations.push(ALLOCATIONS.get());
    }
}

impl Handler<Owned> for Sink {
    async fn handle(&mut self, owned: Owned, _: &mut Context<Self>) {
        let count = ALLOCATIONS.get();
        lock(&self.seen).allocations.push(count);
        assert!(owned.number == u64::MAX || owned.text.len() + owned.more.len() == 40);
    }
}

impl Handler<AskLine> for Sink {
    async fn handle(&mut self, _: AskLine, _: &mut Context<Self>) -> u64 {
        panic!("it comes from another node");
    }
}

impl ViewHandler<AskLine> for Sink {
    async fn view(&mut self, line: View<AskLine>, _: &mut Context<Self>) -> u64 {
        let count = ALLOCATIONS.get();
        lock(&self.seen).allocations.push(count);
        line.number.to_native()
    }
}

impl Handler<AskOwned> for Sink {
    async fn handle(&mut self, owned: AskOwned, _: &mut Context<Self>) -> u64 {
        let count = ALLOCATIONS.get();
        lock(&self.seen).allocations.push(count);
        assert!(owned.number == u64::MAX || owned.text.len() + owned.more.len() == 40);
        owned.number
    }
}

impl Handler<Done> for Sink {
    async fn handle(&mut self, _: Done, _: &mut Context<Self>) -> u64 {
        lock(&self.seen).allocations.len() as u64
    }
}

#[actor(id = "copies/Hoard", handles(Done, LetGo), views(Line))]
impl Actor for Hoard {
    type Args = u64;

    async fn start(every: u64, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { every, kept: Vec::new() })
    }
}

impl Handler<Line> for Hoard {
    async fn handle(&mut self, _: Line, _: &mut Context<Self>) {
        panic!("it comes from another node");
    }
}

impl ViewHandler<Line> for Hoard {
    async fn view(&mut self, line: View<Line>, _: &mut Context<Self>) {
        if line.number.to_native().is_multiple_of(self.every) {
            self.kept.push(line);
        }
    }
}

impl Handler<Done> for Hoard {
    async fn handle(&mut self, _: Done, _: &mut Context<Self>) -> u64 {
        self.kept.len() as u64
    }
}

impl Handler<LetGo> for Hoard {
    async fn handle(&mut self, _: LetGo, _: &mut Context<Self>) {
        self.kept.clear();
    }
}

/// Says what the thread of its node's endpoint has allocated.
#[message(local, reply = u64)]
pub(crate) struct Read;

#[derive(Clone)]
pub(crate) struct Meter;

impl Actor for Meter {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Read> for Meter {
    async fn handle(&mut self, _: Read, _: &mut Context<Self>) -> u64 {
        ALLOCATIONS.get()
    }
}

pub(crate) fn line(number: u64) -> Line {
    Line { number, text: "a line of text, not so long".into(), more: "and some more".into() }
}

pub(crate) fn owned(number: u64) -> Owned {
    let Line { text, more, .. } = line(number);
    Owned { number, text, more }
}

pub(crate) fn ask_line(number: u64) -> AskLine {
    let Line { text, more, .. } = line(number);
    AskLine { number, text, more }
}

pub(crate) fn ask_owned(number: u64) -> AskOwned {
    let Line { text, more, .. } = line(number);
    AskOwned { number, text, more }
}
