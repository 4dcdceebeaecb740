//! The other side of the model: what a mailbox should do, as lists that are searched and sums that are taken anew.

use std::collections::BTreeMap;

use odeon_message::FailureKind;

use super::{End, Via, clerk};
use crate::{
    Overflow,
    load::{Bounds, Charge},
};

/// A message on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sent {
    pub(super) number: u64,
    pub(super) via: Via,
    pub(super) big: bool,
    pub(super) priority: u8,
}

pub(super) struct List {
    overflow: Overflow,
    bounds: Bounds,
    /// Of each size, what a message takes up.
    units: BTreeMap<(u8, bool), u32>,
    priorities: u8,
    waiting_max: usize,
    running: Option<Sent>,
    queued: Vec<Sent>,
    waiting: Vec<Sent>,
    /// Asks whose futures were dropped.
    forgotten: Vec<u64>,
    ends: BTreeMap<u64, End>,
    over: bool,
    /// Which handlers began, in order.
    pub(super) began: Vec<u64>,
    pub(super) dropped: u64,
    pub(super) skipped: u64,
    inbound: BTreeMap<u64, Via>,
}

fn is_inbound(sent: &Sent) -> bool {
    matches!(sent.via, Via::Inbound | Via::InboundAsk)
}

impl List {
    pub(super) fn new(
        overflow: Overflow,
        (messages, bytes): (u32, usize),
        priorities: u8,
        waiting_max: usize,
    ) -> Self {
        let vias = [Via::TryTell, Via::Tell, Via::Ask, Via::Inbound, Via::InboundAsk];
        let kinds = vias.into_iter().flat_map(|via| [(via, false), (via, true)]);
        let units = kinds.map(|(via, big)| ((via as u8, big), clerk::units_of(via, big)));
        Self {
            overflow,
            bounds: Bounds::new(messages, bytes),
            units: units.collect(),
            priorities: priorities.max(1),
            waiting_max,
            running: None,
            queued: Vec::new(),
            waiting: Vec::new(),
            forgotten: Vec::new(),
            ends: BTreeMap::new(),
            over: false,
            began: Vec::new(),
            dropped: 0,
            skipped: 0,
            inbound: BTreeMap::new(),
        }
    }

    /// The lane of a message: only tells and asks have a say, and only where there are lanes.
    fn lane(&self, sent: &Sent) -> u8 {
        match sent.via {
            Via::Tell | Via::Ask => sent.priority.min(self.priorities - 1),
            Via::TryTell | Via::Inbound | Via::InboundAsk => 0,
        }
    }

    fn charge(&self, sent: &Sent) -> Charge {
        self.bounds.charge(self.units[&(sent.via as u8, sent.big)])
    }

    fn sum<'a>(&self, held: impl Iterator<Item = &'a Sent>) -> Charge {
        held.map(|sent| self.charge(sent)).fold(Charge::default(), Charge::plus)
    }

    pub(super) fn held(&self) -> Charge {
        self.sum(self.queued.iter())
    }

    /// Whether both bounds are kept, by the counts themselves.
    pub(super) fn is_within(&self) -> bool {
        let bytes = self.queued.iter().map(|sent| {
            let bytes = self.units[&(sent.via as u8, sent.big)] as usize * 16;
            bytes.min(self.bounds.bytes_max())
        });
        self.queued.len() <= self.bounds.messages_max() as usize
            && bytes.sum::<usize>() <= self.bounds.bytes_max()
    }

    fn fits(&self, sent: &Sent) -> bool {
        self.bounds.fit(self.held(), self.charge(sent))
    }

    fn end_with(&mut self, sent: &Sent, end: End) {
        let before = self.ends.insert(sent.number, end);
        let again = before.is_some_and(|before| before != End::Told || end == End::Told);
        assert!(!again, "message {} ends twice: {before:?}, {end:?}", sent.number);
    }

    fn put(&mut self, sent: Sent) {
        self.queued.push(sent);
        if matches!(sent.via, Via::TryTell | Via::Tell) {
            self.end_with(&sent, End::Told);
        }
    }

    /// A message that is dropped: whoever asked is told, whoever told thinks it was taken.
    fn lose(&mut self, sent: &Sent) {
        self.dropped += 1;
        match sent.via {
            Via::Ask | Via::InboundAsk => self.end_with(sent, End::Failed(FailureKind::Full)),
            Via::TryTell | Via::Tell | Via::Inbound => {
                self.ends.insert(sent.number, End::Told);
            }
        }
    }

    pub(super) fn send(&mut self, sent: Sent) {
        if is_inbound(&sent) {
            self.inbound.insert(sent.number, sent.via);
        }
        let is_first = self.waiting.iter().all(|other| self.lane(other) < self.lane(&sent));
        if is_first && self.fits(&sent) {
            return self.put(sent);
        }
        match self.overflow {
            Overflow::Wait if sent.via != Via::TryTell && self.waiting.len() < self.waiting_max => {
                self.waiting.push(sent);
            }
            Overflow::Wait | Overflow::Reject => {
                self.end_with(&sent, End::Failed(FailureKind::Full));
            }
            Overflow::DropNewest => self.lose(&sent),
            Overflow::DropOldest => self.press(sent),
        }
    }

    /// Messages that come together. Where they would wait together, the first that may not takes the rest along, be that
    /// shorter.
    pub(super) fn send_train(&mut self, train: impl Iterator<Item = Sent>) {
        let together = self.overflow == Overflow::Wait && self.priorities == 1;
        let full = End::Failed(FailureKind::Full);
        let mut is_refused = false;
        for sent in train {
            if is_refused {
                self.inbound.insert(sent.number, sent.via);
                self.end_with(&sent, full);
                continue;
            }
            self.send(sent);
            is_refused = together && self.ends.get(&sent.number) == Some(&full);
        }
    }

    fn press(&mut self, sent: Sent) {
        let lane = self.lane(&sent);
        let urgent = self.sum(self.queued.iter().filter(|other| self.lane(other) > lane));
        if !self.bounds.fit(urgent, self.charge(&sent)) {
            return self.lose(&sent);
        }
        while !self.fits(&sent) {
            let least = self.queued.iter().map(|other| self.lane(other)).min().unwrap();
            let at = self.queued.iter().position(|other| self.lane(other) == least).unwrap();
            let oldest = self.queued.remove(at);
            self.lose(&oldest);
        }
        self.put(sent);
    }

    /// The oldest of the most urgent lane.
    fn first(&self, list: &[Sent]) -> Option<usize> {
        let most = list.iter().map(|sent| self.lane(sent)).max()?;
        list.iter().position(|sent| self.lane(sent) == most)
    }

    fn serve(&mut self) {
        while let Some(at) = self.first(&self.waiting) {
            if !self.fits(&self.waiting[at]) {
                return;
            }
            let sent = self.waiting.remove(at);
            self.put(sent);
        }
    }

    /// The handler that waits ends.
    pub(super) fn go_on(&mut self) {
        let Some(sent) = self.running.take() else { return };
        if matches!(sent.via, Via::Ask | Via::InboundAsk) {
            self.end_with(&sent, End::Answered);
        }
    }

    /// A future is dropped: what waits leaves, an ask that is queued is skipped when its turn comes.
    pub(super) fn forget(&mut self, number: u64) {
        match self.waiting.iter().position(|sent| sent.number == number) {
            Some(at) => {
                self.waiting.remove(at);
                self.serve();
            }
            None => self.forgotten.push(number),
        }
    }

    /// What follows by itself: the next handler begins, those who wait move up.
    pub(super) fn settle(&mut self) {
        while self.running.is_none() && !self.over {
            let Some(at) = self.first(&self.queued) else { break };
            let sent = self.queued.remove(at);
            self.serve();
            if sent.via == Via::Ask && self.forgotten.contains(&sent.number) {
                self.skipped += 1;
                continue;
            }
            self.began.push(sent.number);
            self.running = Some(sent);
        }
    }

    /// The actor ends: killed, or after its handler.
    pub(super) fn end(&mut self, kill: bool) {
        self.over = true;
        match self.running.take() {
            Some(sent) if kill && matches!(sent.via, Via::Ask | Via::InboundAsk) => {
                self.end_with(&sent, End::Failed(FailureKind::Stopped));
            }
            running => {
                self.running = running;
                self.go_on();
            }
        }
        let refused = std::mem::take(&mut self.queued).into_iter();
        for sent in refused.filter(|sent| matches!(sent.via, Via::Ask | Via::InboundAsk)) {
            self.end_with(&sent, End::Failed(FailureKind::Stopped));
        }
        for sent in std::mem::take(&mut self.waiting) {
            self.end_with(&sent, End::Failed(FailureKind::Stopped));
        }
    }

    /// How a message ended for its sender; those from other nodes are taken at once.
    pub(super) fn end_of(&self, number: u64) -> Option<End> {
        if self.inbound.contains_key(&number) {
            return Some(End::Told);
        }
        self.ends.get(&number).copied()
    }

    pub(super) fn answers(&self) -> BTreeMap<u64, End> {
        let asked = self.inbound.iter().filter(|(_, via)| **via == Via::InboundAsk);
        asked.filter_map(|(number, _)| Some((*number, *self.ends.get(number)?))).collect()
    }

    pub(super) fn inbound_held(&self) -> u64 {
        self.queued.iter().chain(&self.waiting).filter(|sent| is_inbound(sent)).count() as u64
    }
}
