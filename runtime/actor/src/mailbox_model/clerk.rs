//! The real side of the model: an actor that says when a handler begins and waits until it may end, its worker, and the
//! network's end of the messages that come in.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard},
    task::{Poll, Waker},
    time::Duration,
};

use odeon_message::{
    ActorKey, AskError, AskId, Certainty, Codec, Coupling, Credit, Creditor, EncodeError, Failure,
    FailureKind, Heads, Message, MessageId, Payload, Slab, Train,
};

use super::End;
use crate::{
    Actor, ActorRef, Context, Handler, Inbound, InboundTrain, ReplyPath, ReplyTo, SpawnOptions,
    StartError, SystemConfig, ask_slot::AskHandle, by_hand::ByHand, envelope::Envelope,
    inbound::Makes,
};

/// The root that the macros name things through.
mod odeon {
    pub(crate) use odeon_message::*;

    pub(crate) use crate::*;
}

use odeon::{actor, message};

#[message(local, reply = u64, crate = crate::mailbox_model::clerk::odeon)]
pub(super) struct Note(pub(super) u64);

#[message(local, reply = u64, crate = crate::mailbox_model::clerk::odeon)]
pub(super) struct Big(pub(super) [u64; 30]);

impl Big {
    pub(super) fn new(number: u64) -> Self {
        Self([number; 30])
    }
}

#[message(id = "test/Memo", reply = u64, crate = crate::mailbox_model::clerk::odeon)]
struct Memo {
    number: u64,
    text: Vec<u8>,
}

/// Lets handlers begin as they like, and end one by one.
#[derive(Default)]
pub(super) struct Gate {
    began: Mutex<Vec<u64>>,
    open: Mutex<(u32, Option<Waker>)>,
}

impl Gate {
    pub(super) fn began(&self) -> MutexGuard<'_, Vec<u64>> {
        self.began.lock().unwrap()
    }

    /// Lets one handler end: the one that waits, or none.
    pub(super) fn open(&self) {
        let mut open = self.open.lock().unwrap();
        if let Some(waker) = open.1.take() {
            open.0 += 1;
            waker.wake();
        }
    }

    async fn pass(&self, number: u64) -> u64 {
        self.began().push(number);
        poll_fn(|cx| {
            let mut open = self.open.lock().unwrap();
            if open.0 > 0 {
                open.0 -= 1;
                return Poll::Ready(());
            }
            open.1 = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
        number
    }
}

pub(super) struct Clerk(Arc<Gate>);

#[actor(id = "test/Clerk", handles(Memo), crate = crate::mailbox_model::clerk::odeon)]
impl Actor for Clerk {
    type Args = Arc<Gate>;

    async fn start(gate: Arc<Gate>, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self(gate))
    }
}

impl Handler<Note> for Clerk {
    async fn handle(&mut self, message: Note, _: &mut Context<Self>) -> u64 {
        self.0.pass(message.0).await
    }
}

impl Handler<Big> for Clerk {
    async fn handle(&mut self, message: Big, _: &mut Context<Self>) -> u64 {
        self.0.pass(message.0[0]).await
    }
}

impl Handler<Memo> for Clerk {
    async fn handle(&mut self, message: Memo, _: &mut Context<Self>) -> u64 {
        self.0.pass(message.number).await
    }
}

/// The end of an ask that failed.
pub(super) fn end_of(error: &AskError<std::convert::Infallible>) -> End {
    let (kind, certainty) = match error {
        AskError::Full(cause) => (FailureKind::Full, cause.certainty),
        AskError::Stopped(cause) => (FailureKind::Stopped, cause.certainty),
        other => panic!("unexpected: {other}"),
    };
    assert!(kind == FailureKind::Stopped || certainty == Certainty::NotDelivered);
    End::Failed(kind)
}

/// The network's side: credit, and answers.
#[derive(Default)]
pub(super) struct Desk {
    held: Mutex<u64>,
    answers: Mutex<BTreeMap<u64, End>>,
}

impl Creditor for Desk {
    fn consumed(&self, _: ActorKey, messages: u64, _: u64) {
        *self.held.lock().unwrap() -= messages;
    }
}

impl ReplyPath for Desk {
    fn reply(&self, ask: AskId, encode: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), EncodeError>) {
        encode(&mut Vec::new()).unwrap();
        let before = self.answers.lock().unwrap().insert(ask.0, End::Answered);
        assert_eq!(before, None, "answered once");
    }

    fn fail(&self, ask: AskId, failure: Failure) {
        let before = self.answers.lock().unwrap().insert(ask.0, End::Failed(failure.kind));
        assert_eq!(before, None, "answered once");
    }
}

fn archive(number: u64, big: bool) -> Vec<u8> {
    let codec: Codec<Memo> = Memo::CODEC.unwrap();
    let mut bytes = Vec::new();
    codec.encode(&Memo { number, text: vec![0; if big { 300 } else { 3 }] }, &mut bytes).unwrap();
    bytes
}

/// What stands before each archive of a train here: its length.
const COUPLING: Coupling = Coupling::Headed(&Heads {
    bytes: 16,
    length: |before| u16::from_le_bytes([before[0], before[1]]).into(),
});

fn inbound(desk: &Arc<Desk>, to: ActorKey, number: u64, big: bool, ask: bool) -> Inbound {
    let bytes = archive(number, big);
    *desk.held.lock().unwrap() += 1;
    Inbound {
        layout: None,
        to,
        message: MessageId::of(Memo::NAME),
        payload: Payload::copy_from(&bytes),
        remaining: None,
        reply: ask.then(|| ReplyTo { ask: AskId(number), path: desk.clone() }),
        trace: None,
        credit: Credit::new(desk.clone(), to, bytes.len() as u64),
    }
}

impl Desk {
    pub(super) fn deliver(
        self: &Arc<Self>,
        clerk: &ActorRef<Clerk>,
        number: u64,
        big: bool,
        ask: bool,
    ) {
        let to = clerk.address().unwrap().key;
        let system = clerk.cell().unwrap().worker.system().clone();
        system.deliver(inbound(self, to, number, big, ask)).unwrap();
    }

    /// Delivers messages that came together.
    pub(super) fn deliver_train(
        self: &Arc<Self>,
        clerk: &ActorRef<Clerk>,
        messages: impl Iterator<Item = (u64, bool)>,
    ) {
        let mut slab = Slab::with_capacity(4096);
        let mut count = 0;
        for (number, big) in messages {
            let bytes = archive(number, big);
            let mut before = [0; 16];
            before[..2].copy_from_slice(&(bytes.len() as u16).to_le_bytes());
            slab.extend_from_slice(&before);
            slab.extend_from_slice(&bytes);
            let padded = slab.len().next_multiple_of(16);
            slab.resize(padded, 0);
            count += 1;
        }
        let whole = slab.len();
        *self.held.lock().unwrap() += u64::from(count);
        let to = clerk.address().unwrap().key;
        let archives = Train::new(Arc::new(slab), 0..whole, count, COUPLING).unwrap();
        let credit = Credit::of_many(self.clone(), to, count.into(), whole as u64);
        let message = MessageId::of(Memo::NAME);
        let system = clerk.cell().unwrap().worker.system().clone();
        system.deliver_train(InboundTrain { to, message, archives, credit }).unwrap();
    }

    pub(super) fn held(&self) -> u64 {
        *self.held.lock().unwrap()
    }

    pub(super) fn answers(&self) -> BTreeMap<u64, End> {
        self.answers.lock().unwrap().clone()
    }
}

/// An ask whose asker has given up.
fn ask<M: Message>(message: M) -> Envelope
where
    Clerk: Handler<M>,
{
    let (envelope, mut handle) = AskHandle::new::<Clerk>(message, Duration::MAX);
    handle.settle(&odeon_env::RealEnv);
    envelope
}

/// What a message takes up, by how it comes.
pub(super) fn units_of(via: super::Via, big: bool) -> u32 {
    let desk = Arc::new(Desk::default());
    let key = ActorKey { slot: 0, generation: 0 };
    let envelope = match (via, big) {
        (super::Via::TryTell | super::Via::Tell, false) => Envelope::tell::<Clerk, _>(Note(0)),
        (super::Via::TryTell | super::Via::Tell, true) => Envelope::tell::<Clerk, _>(Big::new(0)),
        (super::Via::Ask, false) => ask(Note(0)),
        (super::Via::Ask, true) => ask(Big::new(0)),
        (super::Via::Inbound | super::Via::InboundAsk, big) => {
            (Makes::values::<Clerk, Memo>().alone)(inbound(&desk, key, 0, big, false), None)
        }
    };
    envelope.units()
}

/// A system, and what its clerk shares with the test.
pub(super) struct Office {
    pub(super) hand: ByHand,
    pub(super) desk: Arc<Desk>,
    pub(super) gate: Arc<Gate>,
}

impl Office {
    pub(super) fn open(config: SystemConfig) -> Self {
        let hand = ByHand::new(config);
        hand.system.declare::<Clerk>().unwrap();
        Self { hand, desk: Arc::default(), gate: Arc::default() }
    }

    pub(super) fn hire(&self, options: SpawnOptions) -> ActorRef<Clerk> {
        self.hand.spawn::<Clerk>(self.gate.clone(), options).unwrap()
    }

    /// Ends it: nothing may be left.
    pub(super) fn close(self) {
        // The waker of a handler that was killed while it waited; it holds the cell.
        self.gate.open.lock().unwrap().1 = None;
        self.hand.close();
        assert_eq!(self.desk.held(), 0, "credit is left");
    }
}
