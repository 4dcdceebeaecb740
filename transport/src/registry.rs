//! Who is known: one association a node, with its newest life, and what is remembered of earlier ones.
//!
//! Plain data under a lock of `shared.rs`. Both tables are bounded: beyond `peers_max` associations that nobody uses
//! are forgotten, then new ones refused; the memory of lives and quarantines is four times as long.

use std::{collections::BTreeMap, sync::Arc};

use odeon_message::{Incarnation, NodeId};
use odeon_wire::Known;

use crate::{Association, LostReason, PeerId, link::Link};

/// Nodes remembered for each peer there may be.
const REMEMBERED_PER_PEER: usize = 4;

/// What is remembered of a node beyond its association.
#[derive(Clone, Copy, Debug, Default)]
struct Past {
    newest: Option<Incarnation>,
    quarantined: Option<Incarnation>,
}

#[derive(Debug)]
pub(crate) struct Registry {
    peers_max: usize,
    associations: BTreeMap<NodeId, Arc<Association>>,
    past: BTreeMap<NodeId, Past>,
}

impl Registry {
    pub(crate) fn new(peers_max: usize) -> Self {
        Self { peers_max, associations: BTreeMap::new(), past: BTreeMap::new() }
    }

    /// The association with this life, and whether it was made for it.
    pub(crate) fn associate(
        &mut self,
        peer: PeerId,
        make: impl FnOnce() -> Arc<Association>,
    ) -> Result<(Arc<Association>, bool), LostReason> {
        let past = self.past(peer.node);
        if past.quarantined >= Some(peer.incarnation) {
            return Err(LostReason::Quarantined);
        }
        if let Some(newest) = past.newest.filter(|newest| *newest > peer.incarnation) {
            return Err(LostReason::Restarted(newest));
        }
        if let Some(found) = self.associations.get(&peer.node) {
            if found.peer().id == peer {
                return Ok((Arc::clone(found), false));
            }
            // It can only be an older life.
            found.close(&LostReason::Restarted(peer.incarnation));
            self.associations.remove(&peer.node);
        } else if !self.make_room() {
            return Err(LostReason::Forgotten);
        }
        self.remember(peer.node, |past| past.newest = past.newest.max(Some(peer.incarnation)));
        let association = make();
        self.associations.insert(peer.node, Arc::clone(&association));
        Ok((association, true))
    }

    fn make_room(&mut self) -> bool {
        if self.associations.len() < self.peers_max {
            return true;
        }
        let Some(node) = self.unused() else { return false };
        self.close(node, &LostReason::Forgotten);
        true
    }

    /// A node whose association is of no use now.
    fn unused(&self) -> Option<NodeId> {
        let unused = |association: &Arc<Association>| {
            matches!(association.link(), Link::Idle | Link::Backoff) && !association.is_wanted()
        };
        self.associations.iter().find(|(_, found)| unused(found)).map(|(node, _)| *node)
    }

    /// Whether there is no room for one more.
    fn is_full(&self) -> bool {
        self.associations.len() >= self.peers_max && self.unused().is_none()
    }

    fn close(&mut self, node: NodeId, why: &LostReason) {
        if let Some(association) = self.associations.remove(&node) {
            association.close(why);
        }
    }

    fn past(&self, node: NodeId) -> Past {
        self.past.get(&node).copied().unwrap_or_default()
    }

    fn remember(&mut self, node: NodeId, change: impl FnOnce(&mut Past)) {
        if self.past.len() >= self.peers_max.saturating_mul(REMEMBERED_PER_PEER)
            && !self.past.contains_key(&node)
        {
            // The life that is longest ago is the least likely to come back.
            let oldest = self
                .past
                .iter()
                .filter(|(node, _)| !self.associations.contains_key(node))
                .min_by_key(|(_, past)| past.newest.max(past.quarantined))
                .map(|(node, _)| *node);
            if let Some(oldest) = oldest {
                self.past.remove(&oldest);
            }
        }
        change(self.past.entry(node).or_default());
    }

    pub(crate) fn quarantine(&mut self, peer: PeerId) {
        self.remember(peer.node, |past| {
            past.quarantined = past.quarantined.max(Some(peer.incarnation));
        });
        if self.associations.get(&peer.node).is_some_and(|found| found.peer().id <= peer) {
            self.close(peer.node, &LostReason::Quarantined);
        }
    }

    pub(crate) fn forget(&mut self, peer: PeerId) {
        if self.associations.get(&peer.node).is_some_and(|found| found.peer().id == peer) {
            self.close(peer.node, &LostReason::Forgotten);
        }
    }

    pub(crate) fn of_node(&self, node: NodeId) -> Option<Arc<Association>> {
        self.associations.get(&node).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Association>> {
        self.associations.values().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.associations.len()
    }

    /// What admission needs to know about a node.
    pub(crate) fn known(&self, node: NodeId) -> Known {
        let Past { newest, quarantined } = self.past(node);
        let found = self.associations.get(&node);
        let is_full = found.is_none() && self.is_full();
        let link = match found {
            None => odeon_wire::Link::None,
            Some(association) => match association.link() {
                Link::Idle | Link::Backoff | Link::Closed(_) => odeon_wire::Link::None,
                Link::Dialling => odeon_wire::Link::Dialling,
                Link::Up { dial } => odeon_wire::Link::Associated {
                    incarnation: association.peer().id.incarnation,
                    dial,
                },
            },
        };
        Known { link, newest, quarantined, is_full, is_stopping: false }
    }
}

#[cfg(test)]
mod tests {
    use odeon_wire::SlabPool;

    use super::*;
    use crate::{
        TransportConfig,
        association::{BatchPool, Pools},
    };

    fn peer(node: u64, incarnation: u64) -> PeerId {
        PeerId { node: NodeId(node), incarnation: Incarnation(incarnation) }
    }

    fn associate(registry: &mut Registry, id: PeerId) -> Result<Arc<Association>, LostReason> {
        let addr = "127.0.0.1:1".parse().unwrap();
        let pools = Pools { slabs: SlabPool::new(0), batches: BatchPool::new(0) };
        let make = || Association::new(id, addr, &TransportConfig::default(), &pools, None);
        registry.associate(id, make).map(|(association, _)| association)
    }

    #[test]
    fn a_newer_life_takes_the_place_of_an_older() {
        let mut registry = Registry::new(8);
        let old = associate(&mut registry, peer(1, 1)).unwrap();
        assert!(Arc::ptr_eq(&old, &associate(&mut registry, peer(1, 1)).unwrap()));
        let new = associate(&mut registry, peer(1, 2)).unwrap();
        assert_eq!(old.closed(), Some(LostReason::Restarted(Incarnation(2))));
        assert_eq!(new.closed(), None);
        assert!(associate(&mut registry, peer(1, 1)).is_err());
        assert_eq!(registry.known(NodeId(1)).newest, Some(Incarnation(2)));
    }

    #[test]
    fn a_quarantined_life_and_earlier_ones_stay_out() {
        let mut registry = Registry::new(8);
        let dead = associate(&mut registry, peer(1, 5)).unwrap();
        registry.quarantine(peer(1, 5));
        assert_eq!(dead.closed(), Some(LostReason::Quarantined));
        for incarnation in [4, 5] {
            let refused = associate(&mut registry, peer(1, incarnation)).unwrap_err();
            assert_eq!(refused, LostReason::Quarantined);
        }
        associate(&mut registry, peer(1, 6)).unwrap();
    }

    #[test]
    fn tables_are_bounded_and_used_associations_stay() {
        let mut registry = Registry::new(2);
        let kept = associate(&mut registry, peer(1, 1)).unwrap();
        kept.keep(true);
        let idle = associate(&mut registry, peer(2, 1)).unwrap();
        let third = associate(&mut registry, peer(3, 1)).unwrap();
        assert_eq!(idle.closed(), Some(LostReason::Forgotten));
        third.keep(true);
        assert_eq!(associate(&mut registry, peer(4, 1)).unwrap_err(), LostReason::Forgotten);
        for node in 10..100 {
            registry.quarantine(peer(node, node));
        }
        assert!(registry.past.len() <= 8, "{}", registry.past.len());
        assert!(registry.past.contains_key(&NodeId(1)));
    }
}
