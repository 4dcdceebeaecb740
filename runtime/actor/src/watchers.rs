//! Who watches an actor: actors of this node, other nodes, and a supervisor that waits for its child's end.
//!
//! What it is: the watchers in an actor's bonds, each found by its key, and how many each other node has here. Its end
//! takes all of them out under the lock under which new ones look whether it has ended, so none is missed and none is
//! told twice. What it is NOT: the watches that this node's actors have on others (`watch.rs`).

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use odeon_message::{ActorKey, Failure, FailureKind, Incarnation, NodeId};
use tokio::sync::oneshot;

use crate::{
    ExitReason, Identity, TerminatedSink, WatchId,
    bonds::LaneItem,
    cell::{CellHead, CellPtr},
};

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

/// Takes a member that has ended off its list. Called from any thread; must not wait.
pub trait EndHook: Send + Sync {
    /// This actor is gone.
    fn ended(&self, who: Identity);
}

/// Who is told, of this node.
pub(crate) enum Watcher {
    /// An actor; the token is its number for the watch.
    Actor { cell: CellPtr, token: u64 },
    /// Whoever holds the other end.
    Once(oneshot::Sender<ExitReason>),
    /// Whatever lists actors that are alive.
    Hook { token: u64, hook: Weak<dyn EndHook> },
}

impl Watcher {
    pub(crate) fn tell(self, who: Identity, reason: &ExitReason) {
        match self {
            Self::Actor { cell, token } => {
                cell.push_lane(LaneItem::Terminated { who, token, reason: reason.clone() });
            }
            // Whoever gave up waiting misses nothing.
            Self::Once(sender) => drop(sender.send(reason.clone())),
            Self::Hook { hook, .. } => hook.upgrade().into_iter().for_each(|hook| hook.ended(who)),
        }
    }
}

/// All who watch one actor.
#[derive(Default)]
pub(crate) struct Watchers {
    /// By token, so in the order in which they began to watch; one an actor.
    actors: BTreeMap<u64, CellPtr>,
    /// Bounded by `network_watches_max`, and by `peer_watches_max` for each node.
    network: BTreeMap<NetworkWatcher, Held>,
    /// One a supervisor that stops.
    once: Vec<oneshot::Sender<ExitReason>>,
    /// By token; one a list that the actor is on.
    hooks: BTreeMap<u64, Weak<dyn EndHook>>,
}

/// A watch of another node.
struct Held {
    sink: Arc<dyn TerminatedSink>,
    _counted: PeerWatch,
}

impl Watchers {
    /// Tells all of them; `key` is where the network reaches the actor.
    pub(crate) fn tell(self, who: Identity, key: Option<ActorKey>, reason: &ExitReason) {
        for (token, cell) in self.actors {
            Watcher::Actor { cell, token }.tell(who, reason);
        }
        // A watcher from outside came by a key, so there is one.
        let key = key.unwrap_or(ActorKey { slot: 0, generation: 0 });
        for (watcher, held) in self.network {
            held.sink.terminated(watcher.watch, key, reason);
        }
        for sender in self.once {
            Watcher::Once(sender).tell(who, reason);
        }
        for (token, hook) in self.hooks {
            Watcher::Hook { token, hook }.tell(who, reason);
        }
    }
}

impl CellHead {
    /// Adds a watcher, or says why the actor has ended already.
    pub(crate) fn add_watcher(&self, watcher: Watcher) -> Result<(), (Watcher, ExitReason)> {
        self.with_bonds(|bonds| {
            if let Some(reason) = &bonds.ended {
                return Err((watcher, reason.clone()));
            }
            match watcher {
                Watcher::Actor { cell, token } => {
                    bonds.watchers.actors.insert(token, cell);
                }
                Watcher::Once(sender) => bonds.watchers.once.push(sender),
                Watcher::Hook { token, hook } => {
                    bonds.watchers.hooks.insert(token, hook);
                }
            }
            Ok(())
        })
    }

    /// Adds a watcher on another node, in the place of one with the same number.
    pub(crate) fn add_network_watcher(
        &self,
        watcher: NetworkWatcher,
        key: ActorKey,
        sink: Arc<dyn TerminatedSink>,
    ) -> Result<(), Failure> {
        let system = self.worker.system();
        let config = system.config();
        let watches_max = config.network_watches_max as usize;
        let full = |detail| Failure::not_delivered(FailureKind::Full, detail);
        // The sink that was replaced is dropped outside the lock.
        let (ended, _replaced) = self.with_bonds(|bonds| {
            if let Some(reason) = &bonds.ended {
                return Ok((Some(reason.clone()), None));
            }
            let network = &mut bonds.watchers.network;
            if let Some(held) = network.get_mut(&watcher) {
                return Ok((None, Some(mem::replace(&mut held.sink, sink.clone()))));
            }
            if network.len() >= watches_max {
                return Err(full(format!(
                    "other nodes watch actor {} {watches_max} times already",
                    self.number
                )));
            }
            let peer = (watcher.node, watcher.incarnation);
            let counted = PeerWatches::take(system.peer_watches(), peer, config.peer_watches_max);
            let Some(counted) = counted else {
                let watches_max = config.peer_watches_max;
                let detail = format!("node {} has {watches_max} watches here already", peer.0);
                return Err(full(detail));
            };
            network.insert(watcher, Held { sink: sink.clone(), _counted: counted });
            Ok((None, None))
        })?;
        if let Some(reason) = ended {
            sink.terminated(watcher.watch, key, &reason);
        }
        Ok(())
    }

    /// Takes a watch of an actor of this node back.
    pub(crate) fn remove_watcher(&self, token: u64) {
        // Dropped outside the lock: it may be the last reference to another cell.
        drop(self.if_bonds(|bonds| {
            (bonds.watchers.actors.remove(&token), bonds.watchers.hooks.remove(&token))
        }));
    }

    /// Takes a watch of another node back.
    pub(crate) fn remove_network_watcher(&self, watcher: &NetworkWatcher) {
        drop(self.if_bonds(|bonds| bonds.watchers.network.remove(watcher)));
    }

    /// Takes all watches of that life of another node back.
    pub(crate) fn forget_network_watchers(&self, node: NodeId, incarnation: Incarnation) {
        let watcher = |watch| NetworkWatcher { node, incarnation, watch: WatchId(watch) };
        let all = watcher(0)..=watcher(u64::MAX);
        drop(self.if_bonds(|bonds| {
            bonds.watchers.network.extract_if(all, |_, _| true).collect::<Vec<_>>()
        }));
    }
}

/// How many watches each life of each other node has on actors of this one. An entry lives as long as it counts
/// something.
#[derive(Default)]
pub(crate) struct PeerWatches {
    counts: Mutex<BTreeMap<(NodeId, Incarnation), u32>>,
}

impl PeerWatches {
    fn counts(&self) -> MutexGuard<'_, BTreeMap<(NodeId, Incarnation), u32>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more, unless that is too many.
    fn take(
        counts: &Arc<Self>,
        peer: (NodeId, Incarnation),
        watches_max: u32,
    ) -> Option<PeerWatch> {
        let mut table = counts.counts();
        let count = table.get(&peer).copied().unwrap_or(0);
        if count >= watches_max {
            return None;
        }
        table.insert(peer, count + 1);
        Some(PeerWatch { counts: Arc::clone(counts), peer })
    }
}

/// One watch of another node, counted until it is dropped.
struct PeerWatch {
    counts: Arc<PeerWatches>,
    peer: (NodeId, Incarnation),
}

impl Drop for PeerWatch {
    fn drop(&mut self) {
        let mut table = self.counts.counts();
        if let Some(count) = table.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                table.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watches_of_a_peer_are_counted_while_they_live() {
        let counts = Arc::new(PeerWatches::default());
        let [one, other] = [(NodeId(1), Incarnation(1)), (NodeId(1), Incarnation(2))];
        let take = |peer| PeerWatches::take(&counts, peer, 2);
        let [first, second] = [take(one), take(one)];
        assert!(first.is_some() && second.is_some() && take(one).is_none());
        assert!(take(other).is_some(), "each life has its own");
        drop(first);
        assert!(take(one).is_some());
        drop(second);
        assert!(counts.counts().is_empty());
    }
}
