//! What the network asks of one node's actors: messages and watches that come in, nodes that are lost.
//!
//! Nothing here waits, decodes or sends; the runtime's inbound hall calls it on the network's thread.

use std::{sync::Arc, time::Duration};

use odeon_message::{
    ActorKey, Address, Failure, FailureKind, Incarnation, MessageId, NodeId, planted::Bug,
};
use tokio::time::Instant;

use super::ActorSystem;
use crate::{
    Along, AskThere, ExitKind, ExitReason, Found, Inbound, InboundTrain, NetworkWatcher,
    TerminatedSink, WatchId,
    accepts::NotTaken,
    room::{Entered, Patience},
    stats::{count, count_aloud, count_more},
    worker::Seek,
};

/// For the runtime, which brings what comes from the network; applications have no use for it.
#[doc(hidden)]
impl ActorSystem {
    /// Takes a message from the network. Never waits and never decodes; a full mailbox's waiting room takes it, which
    /// credit bounds. Its credit is given back in every case.
    ///
    /// # Errors
    /// When there is no such actor, or it does not take this message from outside: the caller answers the asker. Once
    /// this is `Ok`, the ask is answered over its own [`ReplyPath`](crate::ReplyPath).
    pub fn deliver(&self, inbound: Inbound) -> Result<(), Failure> {
        let (to, message, layout) = (inbound.to, inbound.message, inbound.layout);
        if inbound.remaining == Some(Duration::ZERO) {
            // Its sender has withdrawn it and been told that it will not run: no clock decides about that.
            count(&self.inner.counters.skipped);
            return Err(Failure::not_delivered(FailureKind::Deadline, "its time was up"));
        }
        let mut inbound = Some(inbound);
        let taken = self.inner.slots.with(to, |cell, accepts| {
            let make = accepts.find(message, layout)?.alone;
            let Some(inbound) = inbound.take() else { return Ok(None) };
            let deadline = inbound.remaining.and_then(|time| Instant::now().checked_add(time));
            Ok(match cell.enter(make(inbound, deadline), 0, Patience::Quiet) {
                Entered::Refused(envelope, kind) => Some((envelope, kind, cell.clone())),
                _ => None,
            })
        });
        match taken {
            Some(Ok(None)) => Ok(()),
            Some(Ok(Some((envelope, kind, cell)))) => {
                count(&self.inner.counters.undelivered);
                envelope.refuse(&cell.refusal(kind));
                Ok(())
            }
            missing => Err(self.refused(to, message, missing.and_then(Result::err), 1)),
        }
    }

    /// Takes tells from the network that came together, as [`deliver`](Self::deliver) takes one: for all of them the actor is
    /// looked up once, and what its mailbox has room for goes in at once.
    ///
    /// # Errors
    /// As there, for all of them.
    pub fn deliver_train(&self, inbound: InboundTrain) -> Result<(), Failure> {
        let InboundTrain { to, message, archives, credit } = inbound;
        let count = u64::from(archives.len());
        let mut parts = Some((archives, credit));
        let taken = self.inner.slots.with(to, |cell, accepts| {
            let make = accepts.find(message, None)?.train;
            if let Some((archives, credit)) = parts.take() {
                cell.enter_train(make(archives, credit));
            }
            Ok(())
        });
        match taken {
            Some(Ok(())) => Ok(()),
            missing => Err(self.refused(to, message, missing.and_then(Result::err), count)),
        }
    }

    /// Why so many messages were refused before a mailbox.
    #[cold]
    fn refused(
        &self,
        to: ActorKey,
        message: MessageId,
        why: Option<NotTaken>,
        messages: u64,
    ) -> Failure {
        let incompatible = |detail| Failure::not_delivered(FailureKind::Incompatible, detail);
        let failure = match why {
            Some(NotTaken::Message) => {
                incompatible(format!("actor {to} does not list message {message} in handles(…)"))
            }
            Some(NotTaken::Layout) => incompatible(format!(
                "actor {to} takes message {message}, but not in the layout in which it came"
            )),
            None => no_actor(to),
        };
        let refused = &self.inner.counters.refused;
        count_more(refused, messages.saturating_sub(1));
        if let Some(count) = count_aloud(refused) {
            tracing::warn!(
                %to, %message, %failure, count,
                "a message from another node was refused; see runbook: incompatible-message"
            );
        }
        failure
    }

    /// As [`deliver`](Self::deliver), for a tell that must not wait: `false` if the mailbox has no room for it.
    ///
    /// # Errors
    /// When there is no such actor, or it does not take this message from outside.
    pub fn offer(&self, inbound: Inbound) -> Result<bool, Failure> {
        let (to, message, layout) = (inbound.to, inbound.message, inbound.layout);
        let offered = self.inner.slots.with(to, |cell, accepts| {
            let envelope = (accepts.find(message, layout)?.alone)(inbound, None);
            Ok(match cell.enter(envelope, 0, Patience::None) {
                Entered::Refused(envelope, kind) => Some((envelope, kind, cell.clone())),
                Entered::Queued | Entered::Waiting(_) => None,
            })
        });
        match offered {
            Some(Ok(None)) => Ok(true),
            Some(Ok(Some((envelope, kind, cell)))) => {
                envelope.refuse(&cell.refusal(kind));
                Ok(false)
            }
            Some(Err(NotTaken::Message | NotTaken::Layout)) => Err(not_so(to, message)),
            None => Err(no_actor(to)),
        }
    }

    /// As [`deliver_train`](Self::deliver_train), for tells that must not wait, as [`offer`](Self::offer): how many of them
    /// it does not take, because its mailbox has no room or it has ended.
    ///
    /// # Errors
    /// As there, for all of them.
    pub fn offer_train(&self, inbound: InboundTrain) -> Result<u32, Failure> {
        let InboundTrain { to, message, archives, credit } = inbound;
        let offered = self.inner.slots.with(to, |cell, accepts| {
            let make = accepts.find(message, None).map_err(|_| not_so(to, message))?.train;
            Ok(cell.offer_train(make(archives, credit)))
        });
        offered.unwrap_or_else(|| Err(no_actor(to)))
    }

    /// Looks for an ask of another node and for whom its actor waits, so that the ask is held up; `found` is told, or
    /// dropped if there is no such actor or its worker leaves. Each call costs memory until the worker's next poll: the
    /// caller bounds how many there are.
    pub fn seek_waits(&self, ask: AskThere, along: Along, found: Found) {
        let Some(cell) = self.inner.slots.with(ask.to, |cell, _| cell.clone()) else { return };
        let worker = Arc::clone(&cell.worker);
        worker.seek(Seek { cell, ask, along, found });
    }

    /// Takes a watch from another node: `sink` is told exactly once when the actor is gone, at once if there is none.
    /// The same watch again replaces the sink.
    ///
    /// # Errors
    /// When other nodes watch the actor too often, or this node watches too many actors here; then `sink` is not told,
    /// and the caller says [`WatchRefused`](ExitKind::WatchRefused).
    pub fn watch_from_network(
        &self,
        target: ActorKey,
        watcher: NetworkWatcher,
        sink: Arc<dyn TerminatedSink>,
    ) -> Result<(), Failure> {
        match self.inner.slots.with(target, |cell, _| cell.clone()) {
            Some(cell) => cell.add_network_watcher(watcher, target, sink),
            None if Bug::WatchMissesRace.is_planted() => Ok(()),
            None => {
                let reason = ExitReason::bare(ExitKind::NoActor);
                sink.terminated(watcher.watch, target, &reason);
                Ok(())
            }
        }
    }

    /// Takes back a watch from another node.
    pub fn unwatch_from_network(&self, target: ActorKey, watcher: NetworkWatcher) {
        if let Some(cell) = self.inner.slots.with(target, |cell, _| cell.clone()) {
            cell.remove_network_watcher(&watcher);
        }
    }

    /// Another node says, in that life of it, that an actor watched from here is gone. News of a watch that is over is
    /// ignored.
    pub fn terminated_from_network(
        &self,
        node: NodeId,
        incarnation: Incarnation,
        watch: WatchId,
        reason: ExitReason,
    ) {
        self.inner.remote_watches.tell(node, incarnation, watch, &reason);
    }

    /// Watches held here on actors of that life of that node, to be sent again after a reconnect: each with the watched
    /// actor and where messages reach the watcher, if they can.
    #[must_use]
    pub fn remote_watches(
        &self,
        node: NodeId,
        incarnation: Incarnation,
    ) -> Vec<(WatchId, Address, Option<ActorKey>)> {
        let watches = self.inner.remote_watches.list(node, incarnation).into_iter();
        watches.map(|(watch, target, watcher)| (watch, target, watcher.exported())).collect()
    }

    /// That life of that node is over: everybody here who watches an actor of it is told
    /// [`NodeLost`](ExitKind::NodeLost), and its own watches here are dropped. The routes to it must refuse new watches
    /// before this is called, so that none is missed.
    pub fn node_lost(&self, node: NodeId, incarnation: Incarnation) {
        let reason = ExitReason::bare(ExitKind::NodeLost);
        self.inner.remote_watches.tell_all(node, incarnation, &reason);
        for cell in self.inner.slots.cells() {
            cell.forget_network_watchers(node, incarnation);
        }
    }
}

fn not_so(to: ActorKey, message: MessageId) -> Failure {
    let detail = format!("actor {to} does not take message {message} in that layout");
    Failure::not_delivered(FailureKind::Incompatible, detail)
}

fn no_actor(to: ActorKey) -> Failure {
    let detail = format!("no actor at {to} any more: look it up again");
    Failure::not_delivered(FailureKind::Stopped, detail)
}
