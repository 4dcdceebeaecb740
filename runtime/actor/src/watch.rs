//! Watching: to be told, exactly once, that an actor is gone.
//!
//! The watched actor's bonds hold its watchers; its end takes them out under the lock under which new ones look
//! whether it has ended, so none is missed and none is told twice. Each watch has a number of its own, so that news of
//! a watch that was withdrawn is recognised. Watches of actors on other nodes are kept in [`RemoteWatches`], by the
//! life of the node, so that its loss reaches all of them. A restart by a supervisor is no end. Read `context.rs` for
//! the watcher's side.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use odeon_message::{ActorKey, Address, Failure, FailureKind, Incarnation, NodeId};
use tokio::sync::oneshot;

use crate::{
    ExitReason, TerminatedSink,
    bonds::LaneItem,
    cell::{CellHead, CellPtr},
};

/// One watch of an actor on another node, unique on the watching node for one incarnation; never 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WatchId(pub u64);

/// Who an actor is, for comparing: an actor of this node by its number, another's by its address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Identity {
    /// Number of the actor on this node, in order of spawning.
    Local(u64),
    /// Address on another node, or one that is not valid any more.
    Remote(Address),
}

/// A watched actor has ended; see [`Actor::terminated`](crate::Actor::terminated).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Terminated {
    /// Which: compare with [`ActorRef::identity`](crate::ActorRef::identity).
    pub who: Identity,
    /// Why.
    pub reason: ExitReason,
}

/// A watcher on another node: the watch's id is unique together with the life of the node that watches.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NetworkWatcher {
    /// The node that watches.
    pub node: NodeId,
    /// Its life.
    pub incarnation: Incarnation,
    /// Its number for the watch.
    pub watch: WatchId,
}

/// Who is told.
pub(crate) enum Watcher {
    /// An actor of this node.
    Actor { cell: CellPtr, token: u64 },
    /// Another node.
    Network { watcher: NetworkWatcher, sink: Arc<dyn TerminatedSink> },
    /// Whoever holds the other end.
    Once(oneshot::Sender<ExitReason>),
}

impl Watcher {
    pub(crate) fn tell(self, who: Identity, key: Option<ActorKey>, reason: &ExitReason) {
        match self {
            Self::Actor { cell, token } => {
                cell.push_lane(LaneItem::Terminated { who, token, reason: reason.clone() });
            }
            Self::Network { watcher, sink } => {
                // A watcher from outside came by a key, so there is one.
                let key = key.unwrap_or(ActorKey { slot: 0, generation: 0 });
                sink.terminated(watcher.watch, key, reason);
            }
            // Whoever gave up waiting misses nothing.
            Self::Once(sender) => drop(sender.send(reason.clone())),
        }
    }
}

impl CellHead {
    /// Adds a watcher, or says why the actor has ended already.
    pub(crate) fn add_watcher(&self, watcher: Watcher) -> Result<(), (Watcher, ExitReason)> {
        self.with_bonds(|bonds| match &bonds.ended {
            Some(reason) => Err((watcher, reason.clone())),
            None => {
                bonds.watchers.push(watcher);
                Ok(())
            }
        })
    }

    /// Adds a watcher on another node, in the place of one with the same number.
    pub(crate) fn add_network_watcher(
        &self,
        watcher: NetworkWatcher,
        key: ActorKey,
        sink: Arc<dyn TerminatedSink>,
    ) -> Result<(), Failure> {
        let watches_max = self.worker.system().config().network_watches_max as usize;
        let ended = self.with_bonds(|bonds| {
            if let Some(reason) = &bonds.ended {
                return Ok(Some(reason.clone()));
            }
            let watchers = &mut bonds.watchers;
            watchers.retain(|w| !matches!(w, Watcher::Network { watcher: w, .. } if *w == watcher));
            if watchers.len() >= watches_max {
                let detail =
                    format!("actor {} is watched {watches_max} times already", self.number);
                return Err(Failure::not_delivered(FailureKind::Full, detail));
            }
            watchers.push(Watcher::Network { watcher, sink: sink.clone() });
            Ok(None)
        })?;
        if let Some(reason) = ended {
            sink.terminated(watcher.watch, key, &reason);
        }
        Ok(())
    }

    /// Takes a watch of an actor of this node back.
    pub(crate) fn remove_watcher(&self, token: u64) {
        self.take_watcher(|w| matches!(w, Watcher::Actor { token: t, .. } if *t == token));
    }

    /// Takes the watches of another node back.
    pub(crate) fn remove_network_watchers(&self, matches: impl Fn(&NetworkWatcher) -> bool) {
        self.take_watcher(|w| matches!(w, Watcher::Network { watcher, .. } if matches(watcher)));
    }

    fn take_watcher(&self, matches: impl Fn(&Watcher) -> bool) {
        let gone = self.if_bonds(|bonds| {
            let (gone, kept) = std::mem::take(&mut bonds.watchers).into_iter().partition(&matches);
            bonds.watchers = kept;
            gone
        });
        // Dropped outside the lock: it may be the last reference to another cell.
        drop::<Option<Vec<Watcher>>>(gone);
    }
}

struct Remote {
    watcher: CellPtr,
    target: Address,
}

/// Watches of this node's actors on actors of other nodes. Bounded by the watches that actors hold: one an actor that
/// is watched.
#[derive(Default)]
pub(crate) struct RemoteWatches {
    nodes: Mutex<BTreeMap<(NodeId, Incarnation), BTreeMap<WatchId, Remote>>>,
}

impl RemoteWatches {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(NodeId, Incarnation), BTreeMap<WatchId, Remote>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, watch: WatchId, watcher: CellPtr, target: Address) {
        let remote = Remote { watcher, target };
        self.lock().entry((target.node, target.incarnation)).or_default().insert(watch, remote);
    }

    fn take(&self, node: NodeId, incarnation: Incarnation, watch: WatchId) -> Option<Remote> {
        let mut nodes = self.lock();
        let watches = nodes.get_mut(&(node, incarnation))?;
        let remote = watches.remove(&watch);
        if watches.is_empty() {
            nodes.remove(&(node, incarnation));
        }
        remote
    }

    /// Forgets a watch; `false` if it was over.
    pub(crate) fn remove(&self, watch: WatchId, target: Address) -> bool {
        self.take(target.node, target.incarnation, watch).is_some()
    }

    /// Tells the watcher, unless the watch is over.
    pub(crate) fn tell(
        &self,
        node: NodeId,
        incarnation: Incarnation,
        watch: WatchId,
        reason: &ExitReason,
    ) {
        if let Some(remote) = self.take(node, incarnation, watch) {
            remote.tell(watch, reason);
        }
    }

    /// Tells everybody who watches an actor of that life of that node.
    pub(crate) fn tell_all(&self, node: NodeId, incarnation: Incarnation, reason: &ExitReason) {
        let watches = self.lock().remove(&(node, incarnation)).unwrap_or_default();
        for (watch, remote) in watches {
            remote.tell(watch, reason);
        }
    }

    pub(crate) fn list(
        &self,
        node: NodeId,
        incarnation: Incarnation,
    ) -> Vec<(WatchId, Address, CellPtr)> {
        let nodes = self.lock();
        let watches = nodes.get(&(node, incarnation)).into_iter().flatten();
        watches.map(|(watch, remote)| (*watch, remote.target, remote.watcher.clone())).collect()
    }
}

impl Remote {
    fn tell(self, watch: WatchId, reason: &ExitReason) {
        let watcher = Watcher::Actor { cell: self.watcher, token: watch.0 };
        watcher.tell(Identity::Remote(self.target), None, reason);
    }
}
