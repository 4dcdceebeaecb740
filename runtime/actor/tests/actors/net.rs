//! A network in memory: credit, asks and watches between systems on one thread.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    task::{Context as Task, Poll, Waker},
};

use odeon_env::RealEnv;
use odeon_message::{
    ActorKey, Address, AskId, Certainty, Credit, Creditor, EncodeError, Failure, FailureKind,
    Incarnation, NodeId, Payload,
};

use crate::{
    fixture::system_of,
    odeon::{
        ActorSystem, ExitKind, ExitReason, Inbound, NetworkWatcher, Parcel, Refused, RemoteAnswer,
        Remotes, ReplyPath, ReplyTo, RoomWaiter, Route, SystemConfig, TerminatedSink, WatchId,
    },
};

/// All nodes of the test, and what is on its way between them.
#[derive(Default)]
pub(crate) struct Net {
    pub(crate) state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    systems: BTreeMap<NodeId, ActorSystem>,
    pub(crate) asks: BTreeMap<AskId, Arc<dyn RemoteAnswer>>,
    pub(crate) asked: u64,
    pub(crate) cancelled: Vec<AskId>,
    pub(crate) watching: BTreeMap<AskId, Waker>,
    pub(crate) credit: usize,
    waiting: Vec<Waker>,
    down: bool,
    pub(crate) given_back: usize,
    pub(crate) last: Vec<u8>,
}

impl Net {
    pub(crate) fn new(credit: usize) -> Arc<Self> {
        let net = Arc::new(Self::default());
        net.state.lock().unwrap().credit = credit;
        net
    }

    pub(crate) fn join(self: &Arc<Self>, name: &str) -> ActorSystem {
        let system = system_of(name, Arc::new(RealEnv), SystemConfig::default());
        system.start_worker();
        let mut state = self.state.lock().unwrap();
        state.systems.insert(system.node(), system.clone());
        system.set_remotes(Arc::new(From { net: self.clone(), node: system.node() }));
        system
    }

    fn system(&self, node: NodeId) -> Option<ActorSystem> {
        let state = self.state.lock().unwrap();
        if state.down { None } else { state.systems.get(&node).cloned() }
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.state.lock().unwrap().down = down;
    }

    pub(crate) fn clear(&self) {
        self.state.lock().unwrap().systems.clear();
    }
}

/// One node's view of the net.
struct From {
    net: Arc<Net>,
    node: NodeId,
}

impl Remotes for From {
    fn route(&self, to: Address) -> Arc<dyn Route> {
        Arc::new(Way { net: self.net.clone(), from: self.node, to })
    }
}

struct Way {
    net: Arc<Net>,
    from: NodeId,
    to: Address,
}

fn refused(kind: FailureKind) -> Refused {
    Refused { failure: Failure::not_delivered(kind, "") }
}

impl Way {
    fn send(&self, parcel: &mut dyn Parcel, reply: Option<ReplyTo>) -> Result<(), Refused> {
        let target =
            self.net.system(self.to.node).ok_or_else(|| refused(FailureKind::Unreachable))?;
        let mut bytes = Vec::new();
        let encoded = parcel.encode(&mut bytes);
        encoded.map_err(|error| Refused {
            failure: Failure::not_delivered(FailureKind::Incompatible, error.to_string()),
        })?;
        {
            let mut state = self.net.state.lock().unwrap();
            state.credit = state.credit.checked_sub(1).ok_or_else(|| refused(FailureKind::Full))?;
            state.last.clone_from(&bytes);
        }
        let answer = reply.clone();
        let inbound = Inbound {
            to: self.to.key,
            message: parcel.message(),
            layout: None,
            payload: Payload::copy_from(&bytes),
            remaining: parcel.remaining(),
            reply,
            trace: None,
            credit: Credit::new(self.net.clone(), self.to.key, bytes.len() as u64),
        };
        if let (Err(failure), Some(answer)) = (target.deliver(inbound), answer) {
            answer.path.fail(answer.ask, failure);
        }
        Ok(())
    }
}

impl Creditor for Net {
    fn consumed(&self, _: ActorKey, messages: u64, _: u64) {
        let mut state = self.state.lock().unwrap();
        let messages = usize::try_from(messages).unwrap();
        state.credit += messages;
        state.given_back += messages;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Route for Way {
    fn address(&self) -> Address {
        self.to
    }

    fn try_send(&self, parcel: &mut dyn Parcel) -> Result<(), Refused> {
        self.send(parcel, None)
    }

    fn poll_room(&self, waiter: &mut RoomWaiter, cx: &mut Task<'_>) -> Poll<()> {
        waiter.slot = 1;
        let mut state = self.net.state.lock().unwrap();
        if state.credit > 0 {
            return Poll::Ready(());
        }
        state.waiting.push(cx.waker().clone());
        Poll::Pending
    }

    fn forget_room(&self, waiter: &mut RoomWaiter) {
        assert_eq!(std::mem::take(&mut waiter.slot), 1, "forgotten once, and only if it waited");
    }

    fn ask(
        &self,
        parcel: &mut dyn Parcel,
        answer: Arc<dyn RemoteAnswer>,
        _: &mut RoomWaiter,
    ) -> Result<AskId, Refused> {
        let ask = {
            let mut state = self.net.state.lock().unwrap();
            state.asked += 1;
            let ask = AskId(state.asked);
            state.asks.insert(ask, answer);
            ask
        };
        let reply = ReplyTo { ask, path: self.net.clone() };
        if let Err(refused) = self.send(parcel, Some(reply)) {
            self.net.state.lock().unwrap().asks.remove(&ask);
            return Err(refused);
        }
        Ok(ask)
    }

    fn give_up(&self, ask: AskId) -> Certainty {
        let mut state = self.net.state.lock().unwrap();
        state.asks.remove(&ask);
        state.cancelled.push(ask);
        let watching = state.watching.get(&ask).cloned();
        drop(state);
        watching.into_iter().for_each(Waker::wake);
        Certainty::MayHaveRun
    }

    fn watch(&self, watch: WatchId, _: Option<ActorKey>) -> Result<(), ExitReason> {
        let lost = ExitReason::bare(ExitKind::NodeLost);
        let target = self.net.system(self.to.node).ok_or(lost)?;
        let incarnation = Incarnation(1);
        let watcher = NetworkWatcher { node: self.from, incarnation, watch };
        let sink = Back { net: self.net.clone(), watcher: self.from, target: self.to };
        target.watch_from_network(self.to.key, watcher, Arc::new(sink)).unwrap();
        Ok(())
    }

    fn unwatch(&self, watch: WatchId) {
        let Some(target) = self.net.system(self.to.node) else { return };
        let incarnation = Incarnation(1);
        target.unwatch_from_network(
            self.to.key,
            NetworkWatcher { node: self.from, incarnation, watch },
        );
    }
}

struct Back {
    net: Arc<Net>,
    watcher: NodeId,
    target: Address,
}

impl TerminatedSink for Back {
    fn terminated(&self, watch: WatchId, key: ActorKey, reason: &ExitReason) {
        assert_eq!(key, self.target.key);
        if let Some(watcher) = self.net.system(self.watcher) {
            let Address { node, incarnation, .. } = self.target;
            // Twice: the second must not be heard.
            for _ in 0..2 {
                watcher.terminated_from_network(node, incarnation, watch, reason.clone());
            }
        }
    }
}

impl ReplyPath for Net {
    fn reply(&self, ask: AskId, encode: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), EncodeError>) {
        let mut bytes = Vec::new();
        encode(&mut bytes).unwrap();
        let answer = self.state.lock().unwrap().asks.remove(&ask);
        if let Some(answer) = answer {
            answer.answer(Ok(Payload::copy_from(&bytes)));
        }
    }

    fn fail(&self, ask: AskId, failure: Failure) {
        let answer = self.state.lock().unwrap().asks.remove(&ask);
        if let Some(answer) = answer {
            answer.answer(Err(failure));
        }
    }

    fn is_cancelled(&self, ask: AskId) -> bool {
        self.state.lock().unwrap().cancelled.contains(&ask)
    }

    fn watch_cancel(&self, ask: AskId, waker: &Waker) -> bool {
        let mut state = self.state.lock().unwrap();
        state.watching.insert(ask, waker.clone());
        state.cancelled.contains(&ask)
    }

    /// Whoever asks, a counts as the asker.
    fn asker(&self) -> Option<(NodeId, Incarnation)> {
        Some((NodeId::of("a"), Incarnation(1)))
    }

    fn unwatch_cancel(&self, ask: AskId) {
        assert!(self.state.lock().unwrap().watching.remove(&ask).is_some(), "it was watched");
    }
}
