//! Watching: to be told, exactly once, that an actor is gone.
//!
//! The watched actor's bonds hold its watchers (`watchers.rs`). Each watch has a number of its own, so that news of a
//! watch that was withdrawn is recognised. Watches of actors on other nodes are kept in [`RemoteWatches`], by the life
//! of the node, so that its loss reaches all of them. A restart by a supervisor is no end. Read `context.rs` for the
//! watcher's side.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use odeon_message::{Address, Incarnation, NodeId};

use crate::{ExitReason, bonds::LaneItem, cell::CellPtr};

/// One watch of an actor on another node, unique on the watching node for one incarnation; never 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WatchId(pub u64);

/// Who an actor is, for comparing: an actor of this node by its number, another's by its address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ActorIdentity {
    /// Number of the actor on this node, in order of spawning.
    Local(u64),
    /// Address on another node, or one that is not valid any more.
    Remote(Address),
}

impl fmt::Display for ActorIdentity {
    /// As in a [`Tree`](crate::Tree): `#7` on this node, the address elsewhere.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(number) => write!(f, "#{number}"),
            Self::Remote(address) => address.fmt(f),
        }
    }
}

/// A watched actor has ended; see [`Actor::terminated`](crate::Actor::terminated).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Terminated {
    /// Which: compare with [`ActorRef::identity`](crate::ActorRef::identity).
    pub who: ActorIdentity,
    /// Why.
    pub reason: ExitReason,
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
        let (who, token) = (ActorIdentity::Remote(self.target), watch.0);
        self.watcher.push_lane(LaneItem::Terminated { who, token, reason: reason.clone() });
    }
}
