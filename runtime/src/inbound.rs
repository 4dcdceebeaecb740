//! The way in: from a frame to a mailbox.
//!
//! What it is: [`Inbound`], which the transport calls on the endpoint's thread for every frame, and which hands
//! messages to the actor system, answers to the ask table and news of the network to `membership.rs`. What it is
//! NOT: the reading of frames (`odeon-wire`) or of archives (the worker, when the message's turn has come). Nothing
//! here waits.

use std::{net::SocketAddr, rc::Rc, sync::Arc, task::Waker};

use bytes::Bytes;
use odeon_actor::{
    ActorSystem, ExitKind, ExitReason, GatheredWakes, Inbound as InboundMessage, InboundTrain,
    NetworkWatcher, ReplyPath, ReplyTo, TerminatedSink, WatchId,
};
use odeon_cluster::check_topic;
use odeon_message::{
    ActorKey, AskId, Certainty, Credit, EncodeError, Failure, FailureKind, Incarnation, MessageId,
    NodeId, Outflow, Train, planted::Bug,
};
use odeon_transport::{Association, LostReason, PeerId, RefusedReason, TransportEvents};
use odeon_wire::{
    CloseCode, Frame, FrameKind, Header, ItemsOverrun, MessageTrain, PayloadError, Refuse,
    StreamCredit, StreamEnd, split_topic,
};
use tokio::time::Instant;

use crate::{
    cancels::Cancels,
    drain::Gate,
    frames,
    newsfeed::{News, Newsfeed},
    outbound::Outbound,
    registrar::Registrar,
    repeats::{Arrived, Attempt, RepeatKey, Repeats},
    roster::{RosterHall, receptionist::Receptionist},
    streams::Streams,
};

/// Takes what the transport hears.
pub(crate) struct Inbound {
    system: ActorSystem,
    outbound: Arc<Outbound>,
    news: Rc<Newsfeed>,
    cancels: Arc<Cancels>,
    repeats: Arc<Repeats>,
    gate: Arc<Gate>,
    roster: Arc<RosterHall>,
}

/// The way back to one peer: its association.
struct Back {
    peer: Arc<Association>,
    cancels: Arc<Cancels>,
    streams: Arc<Streams>,
    system: ActorSystem,
    /// What the asker takes of a stream at first, if it asked for one.
    credit: Option<StreamCredit>,
}

impl ReplyPath for Back {
    fn reply(&self, ask: AskId, encode: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), EncodeError>) {
        frames::reply(&self.peer, ask, encode);
        if Bug::ReplySentTwice.is_planted() {
            frames::reply(&self.peer, ask, encode);
        }
    }

    fn fail(&self, ask: AskId, failure: Failure) {
        frames::error(&self.peer, ask, &failure);
    }

    fn stream(&self, ask: AskId, outflow: Box<dyn Outflow>) {
        let Some(credit) = self.credit else {
            let detail = "the answer is a stream, and the ask came without the room for one";
            let failure = Failure::new(FailureKind::Incompatible, Certainty::Ran, detail);
            return self.fail(ask, failure);
        };
        self.streams
            .begin(&self.system, (&self.peer, ask), credit, outflow, || self.is_cancelled(ask));
    }

    fn is_cancelled(&self, ask: AskId) -> bool {
        self.cancels.take(self.peer.peer().id, ask)
    }

    fn watch_cancel(&self, ask: AskId, waker: &Waker) -> bool {
        self.cancels.watch(self.peer.peer().id, ask, waker)
    }

    fn unwatch_cancel(&self, ask: AskId) {
        self.cancels.unwatch(self.peer.peer().id, ask);
    }

    fn asker(&self) -> Option<(NodeId, Incarnation)> {
        let PeerId { node, incarnation } = self.peer.peer().id;
        Some((node, incarnation))
    }
}

/// Tells a watching node that one of our actors has ended.
struct TellTerminated {
    peer: Arc<Association>,
    watcher: ActorKey,
}

impl TerminatedSink for TellTerminated {
    fn terminated(&self, watch: WatchId, target: ActorKey, reason: &ExitReason) {
        frames::terminated(&self.peer, self.watcher, watch, target, reason);
    }
}

impl Inbound {
    pub(crate) fn new(
        system: &ActorSystem,
        outbound: &Arc<Outbound>,
        news: &Rc<Newsfeed>,
        gate: &Arc<Gate>,
        roster: &Arc<RosterHall>,
    ) -> Self {
        let (system, outbound, news) = (system.clone(), Arc::clone(outbound), Rc::clone(news));
        let (cancels, gate) = (Arc::clone(gate.cancels()), Arc::clone(gate));
        let (repeats, roster) = (Arc::default(), Arc::clone(roster));
        Self { system, outbound, news, cancels, repeats, gate, roster }
    }

    fn message(&self, peer: &Arc<Association>, frame: Frame, credit: Option<Credit>) {
        let header = frame.header;
        // Every message frame comes with its credit.
        let Some(credit) = credit else { return };
        if header.receiver.is_many() {
            return self.to_many(peer, frame, credit);
        }
        let tell = header.ask == AskId::NONE;
        let reply = match (!tell).then(|| self.way_back(peer, &frame)) {
            // Its credit is given back here.
            Some(Arrived::Known) => return,
            Some(Arrived::Runs(path)) => Some(ReplyTo { ask: header.ask, path }),
            None => None,
        };
        // Of an ask that may come again it is told there.
        let back = reply.as_ref().filter(|_| frame.extensions.repeat.is_some()).cloned();
        let bytes = frame.payload.len();
        // An attempt of an ask that was taken before has joined it above. Names are still answered for: those of this
        // node, which it has no more, and those of others, who wait for every member.
        let is_of_names = [Registrar::KEY, Receptionist::KEY].contains(&header.receiver);
        if !tell && self.gate.is_closed() && !is_of_names {
            if let Some(ReplyTo { ask, path }) = reply {
                path.fail(ask, Gate::refusal());
            }
            return;
        }
        let delivered = self.system.deliver(InboundMessage {
            to: header.receiver,
            message: header.message,
            layout: frame.extensions.layout,
            payload: frame.payload,
            remaining: frame.extensions.remaining,
            reply,
            trace: frame.extensions.trace,
            credit,
        });
        if let Err(failure) = delivered {
            tracing::debug!(
                peer = %peer.peer().id, to = %header.receiver, message = %header.message, bytes, %failure,
                "message not delivered"
            );
            match back {
                Some(ReplyTo { ask, path }) => path.fail(ask, failure),
                None if !tell => frames::error(peer, header.ask, &failure),
                None => {}
            }
        }
    }

    /// A message to all members of a group.
    fn to_many(&self, peer: &Arc<Association>, frame: Frame, credit: Credit) {
        let header = frame.header;
        if header.ask != AskId::NONE {
            let detail = "many actors cannot be asked as one: only tells go to a group";
            let failure = Failure::not_delivered(FailureKind::Incompatible, detail);
            return frames::error(peer, header.ask, &failure);
        }
        if header.receiver.is_topic() {
            // Whoever listens has a buffer of its own: no sender waits for it.
            drop(credit);
            return self.publish(peer, frame);
        }
        let delivered = self.roster.fan.deliver(
            &self.system,
            InboundMessage {
                to: header.receiver,
                message: header.message,
                layout: frame.extensions.layout,
                payload: frame.payload,
                remaining: None,
                reply: None,
                trace: frame.extensions.trace,
                credit,
            },
        );
        if let Err(failure) = delivered {
            tracing::debug!(peer = %peer.peer().id, to = %header.receiver, %failure, "message not delivered");
        }
    }

    /// A message to all who listen to a topic.
    fn publish(&self, peer: &Arc<Association>, frame: Frame) {
        let (message, layout) = (frame.header.message, frame.extensions.layout);
        match topic_of(frame.payload.bytes()) {
            Ok((len, topic)) => {
                let listeners = &self.roster.listeners;
                let audience = listeners.on(topic, message);
                let archive = frame.payload.first(len);
                listeners.deliver(&self.system, &audience, (message, layout), &archive);
            }
            Err(error) => no_topic(peer, &error),
        }
    }

    /// Messages to all who listen to topics of one key, which is one topic as a rule: those of one topic that came one
    /// behind the other go on together.
    fn publish_train(&self, peer: &Arc<Association>, message: MessageId, mut archives: Train) {
        while let Some(first) = archives.first() {
            let payload = archives.bytes_of(&first);
            let (len, topic) = match topic_of(payload) {
                Ok(split) => split,
                Err(error) => {
                    no_topic(peer, &error);
                    archives.take();
                    continue;
                }
            };
            // The topic with its length, which is read from the end: what ends alike has the same topic.
            let end = &payload[len..];
            let same = archives.iter().take_while(|it| archives.bytes_of(it).ends_with(end));
            let same = same.count() as u32;
            let audience = self.roster.listeners.on(topic, message);
            let end_bytes = end.len() as u32;
            let some = archives.take_some(same).without_ends(end_bytes);
            self.roster.listeners.deliver_train(&self.system, &audience, message, &some);
        }
    }

    /// Where the answer to an ask goes, if it is not one that is known already.
    fn way_back(&self, peer: &Arc<Association>, frame: &Frame) -> Arrived {
        let path = Arc::new(Back {
            peer: Arc::clone(peer),
            cancels: Arc::clone(&self.cancels),
            streams: Arc::clone(&self.outbound.streams),
            system: self.system.clone(),
            credit: frame.extensions.stream,
        });
        let Some(repeat) = frame.extensions.repeat else { return Arrived::Runs(path) };
        let key = RepeatKey { peer: peer.peer().id, to: frame.header.receiver, repeat };
        let now = Instant::now();
        let until = frame.extensions.remaining.and_then(|remaining| now.checked_add(remaining));
        self.repeats.arrive(key, Attempt { ask: frame.header.ask, until }, path, now)
    }

    fn answer(&self, peer: &Arc<Association>, frame: Frame) {
        // Nobody waits any more: the ask was given up, and the answer is late.
        let begins = frame.header.kind == FrameKind::Reply && frame.payload.is_empty();
        let answered = self.outbound.asks.answered(frame.header.ask, peer.peer().id, begins);
        let Some(answer) = answered else { return };
        answer.answer(match frame.header.kind {
            FrameKind::Reply => Ok(frame.payload),
            _ => Err(frames::read_error(&frame)),
        });
    }

    fn item(&self, peer: &Arc<Association>, frame: Frame) -> Result<(), ItemsOverrun> {
        let (ask, bytes) = (frame.header.ask, frame.frame_bytes);
        match self.outbound.asks.item(ask, peer.peer().id, bytes)? {
            // It may wait for long, and its slab is as large as many items.
            Some(answer) => answer.item(peer.set_aside(frame.payload), bytes),
            None => frames::stream_unknown(peer, ask),
        }
        Ok(())
    }

    /// An item was not taken: its stream ends there, for whoever reads it and for its sender.
    fn item_shed(&self, peer: &Arc<Association>, ask: AskId, detail: &str) {
        if let Some(answer) = self.outbound.asks.stream_ended(ask, peer.peer().id) {
            answer.end(Some(Failure::new(FailureKind::Full, Certainty::Ran, detail)));
        }
        frames::stream_unknown(peer, ask);
    }

    fn stream_ended(&self, peer: &Arc<Association>, frame: &Frame) -> Result<(), PayloadError> {
        let StreamEnd { failure } = frame.body()?;
        if let Some(answer) = self.outbound.asks.stream_ended(frame.header.ask, peer.peer().id) {
            answer.end(failure);
        }
        Ok(())
    }

    fn watch(&self, peer: &Arc<Association>, frame: &Frame) -> Result<(), PayloadError> {
        let watch = frames::read_watch(frame)?;
        let PeerId { node, incarnation } = peer.peer().id;
        let watcher = NetworkWatcher { node, incarnation, watch: watch.id };
        if frame.header.kind == FrameKind::Unwatch {
            self.system.unwatch_from_network(watch.watched, watcher);
            return Ok(());
        }
        let sink = Arc::new(TellTerminated { peer: Arc::clone(peer), watcher: watch.watcher });
        if let Err(failure) = self.system.watch_from_network(watch.watched, watcher, sink) {
            // A bound on watches: the watcher is told that it will not be told.
            let reason = ExitReason::new(ExitKind::WatchRefused, &failure.detail);
            frames::terminated(peer, watch.watcher, watch.id, watch.watched, &reason);
        }
        Ok(())
    }

    fn terminated(&self, peer: &Arc<Association>, frame: &Frame) -> Result<(), PayloadError> {
        let (watch, reason) = frames::read_terminated(frame)?;
        let PeerId { node, incarnation } = peer.peer().id;
        self.system.terminated_from_network(node, incarnation, watch, reason);
        Ok(())
    }
}

/// The length of the archive of a published message, and its topic, which is one: no pattern, and in its bounds.
fn topic_of(payload: &[u8]) -> Result<(usize, &str), String> {
    let (len, topic) = split_topic(payload).map_err(|error| error.to_string())?;
    check_topic(topic).map_err(|error| error.to_string())?;
    Ok((len, topic))
}

/// Says that a message cannot be published.
#[cold]
fn no_topic(peer: &Association, error: &str) {
    // Each message of a peer that means ill could be one.
    tracing::debug!(peer = %peer.peer().id, %error, "a published message has no topic");
}

impl TransportEvents for Inbound {
    fn up(&self, peer: &Arc<Association>) {
        let PeerId { node, incarnation } = peer.peer().id;
        let watches = match Bug::WatchesNotResent.is_planted() {
            true => Vec::new(),
            false => self.system.remote_watches(node, incarnation),
        };
        for (watch, address, watcher) in watches {
            // The connection is gone again: the next `up` sends them.
            let _ = frames::watch(peer, watch, address.key, watcher);
        }
        self.news.push(News::Contact(Arc::clone(peer)));
    }

    fn down(&self, peer: &Arc<Association>, why: &LostReason) {
        tracing::debug!(peer = %peer.peer().id, %why, "connection lost");
        self.outbound.asks.lost(peer, &why.to_string());
        self.cancels.lost(peer.peer().id);
        self.outbound.streams.lost(peer.peer().id);
        if matches!(why, LostReason::ClosedByPeer { code: CloseCode::Quarantined, .. }) {
            self.news.let_go_by(peer.peer().id);
        }
        self.news.push(News::ConnectionLost(peer.peer().id));
    }

    fn together(&self, hand_on: &mut dyn FnMut()) {
        let _gathered = GatheredWakes::begin();
        hand_on();
    }

    fn frame(
        &self,
        peer: &Arc<Association>,
        frame: Frame,
        credit: Option<Credit>,
    ) -> Result<(), PayloadError> {
        match frame.header.kind {
            FrameKind::Message => self.message(peer, frame, credit),
            FrameKind::Reply | FrameKind::Error => self.answer(peer, frame),
            FrameKind::Watch | FrameKind::Unwatch => return self.watch(peer, &frame),
            FrameKind::Terminated => return self.terminated(peer, &frame),
            // Its message may wait in a mailbox, or still come: this frame has overtaken it then. If it runs already
            // its handler can see it, and its answer is ignored there.
            FrameKind::Cancel => {
                let (peer, ask) = (peer.peer().id, frame.header.ask);
                if !self.outbound.streams.cancel(peer, ask) {
                    self.cancels.note(peer, ask, Instant::now());
                }
            }
            FrameKind::StreamItem => self.item(peer, frame)?,
            FrameKind::StreamEnd => return self.stream_ended(peer, &frame),
            FrameKind::StreamCredit => {
                self.outbound.streams.grant(peer.peer().id, frame.header.ask, frame.body()?);
            }
            FrameKind::Probe => return self.outbound.probed(&self.system, peer, &frame),
            kind => {
                tracing::debug!(peer = %peer.peer().id, %kind, "frame of a kind that has no use yet")
            }
        }
        Ok(())
    }

    fn train(
        &self,
        peer: &Arc<Association>,
        train: MessageTrain,
        credit: Credit,
    ) -> Result<(), PayloadError> {
        let MessageTrain { header, archives } = train;
        let (to, message, count) = (header.receiver, header.message, archives.len());
        if to.is_topic() {
            // Nobody waits for who listens, and all of it goes back at once.
            drop(credit);
            self.publish_train(peer, message, archives);
            return Ok(());
        }
        let train = InboundTrain { to, message, archives, credit };
        let delivered = match to.is_many() {
            true => self.roster.fan.deliver_train(&self.system, train),
            false => self.system.deliver_train(train),
        };
        if let Err(failure) = delivered {
            let peer = peer.peer().id;
            tracing::debug!(%peer, %to, %message, count, %failure, "messages not delivered");
        }
        Ok(())
    }

    fn shed(&self, peer: &Arc<Association>, header: Header) {
        let detail = "the node holds as much of what it received as it may: inbound_bytes_max";
        if header.kind == FrameKind::StreamItem {
            return self.item_shed(peer, header.ask, detail);
        }
        let failure = Failure::not_delivered(FailureKind::Full, detail);
        match header.ask {
            AskId::NONE => frames::not_taken(peer, header, &failure),
            ask => frames::error(peer, ask, &failure),
        }
    }

    fn leaving(&self, peer: PeerId) {
        self.news.push(News::Leaving(peer));
    }

    fn datagram(&self, from: PeerId, bytes: Bytes) {
        self.news.push(News::Gossip { from, bytes });
    }

    fn unreachable(&self, addr: SocketAddr) {
        self.news.push(News::Unreachable(addr));
    }

    fn refused(&self, addr: SocketAddr, reason: &RefusedReason) {
        if let RefusedReason::ByPeer(Refuse { known: Some(known), .. }) = reason {
            self.news.push(News::Outdated(*known));
        }
        if !reason.is_gone() {
            let lasting = reason.is_lasting();
            self.news.push(News::Refused { addr, reason: reason.to_string(), lasting });
        }
    }
}
