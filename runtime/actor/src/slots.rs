//! The slot table: the actors that other nodes can reach, by slot and generation.
//!
//! An actor takes a slot when its address is first needed and gives it back when it ends; the next user of the slot has
//! another generation, so that a late message never reaches a stranger. A new incarnation of the node empties the
//! table but for the actors that are pinned to their slots. Data comes from the network through [`ActorSystem::deliver`](crate::ActorSystem::deliver) and goes to a
//! mailbox, or into its waiting room when it is full: the network never waits here, and its credit bounds the room.

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use odeon_message::{ActorKey, ActorTypeId, Address, Incarnation};

use crate::{accepts::AcceptTable, cell::CellPtr};

/// A local actor has no address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The actor's type has no id.
    #[error("the actor's type has no id: put #[actor(id = \"…\", handles(…))] on its impl")]
    NoId,
    /// The actor's type was not declared on this node.
    #[error(
        "the actor's type is not declared on its node: declare it before the node starts, with NodeBuilder::actor"
    )]
    Undeclared,
    /// The actor has ended.
    #[error("the actor has ended")]
    Ended,
    /// The table is full.
    #[error("{0} actors are reachable from other nodes already: allow more, or stop some")]
    Full(u32),
}

struct Slot {
    generation: u32,
    /// Whether its actor stays through all lives of the node.
    pinned: bool,
    entry: Option<(CellPtr, Arc<AcceptTable>)>,
}

struct Slots {
    incarnation: Incarnation,
    slots: Vec<Slot>,
    free: VecDeque<u32>,
}

pub(crate) struct SlotTable {
    slots: RwLock<Slots>,
    slots_max: u32,
}

impl SlotTable {
    pub(crate) fn new(incarnation: Incarnation, slots_max: u32) -> Self {
        let slots = Slots { incarnation, slots: Vec::new(), free: VecDeque::new() };
        // The keys beyond are those of many actors.
        Self { slots: RwLock::new(slots), slots_max: slots_max.min(ActorKey::MANY) }
    }

    fn read(&self) -> RwLockReadGuard<'_, Slots> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Slots> {
        self.slots.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        self.read().incarnation
    }

    /// Begins another life of the node: all addresses die. A pinned actor has the same slot and generation in it.
    pub(crate) fn renew(&self, incarnation: Incarnation) {
        let mut table = self.write();
        table.incarnation = incarnation;
        let mut gone = Vec::new();
        let Slots { slots, free, .. } = &mut *table;
        for (slot, at) in slots.iter_mut().zip(0..).filter(|(slot, _)| !slot.pinned) {
            if let Some(entry) = slot.entry.take() {
                slot.generation = slot.generation.wrapping_add(1);
                gone.push(entry);
                free.push_back(at);
            }
        }
        // Outside the lock: it may be the last reference to an actor.
        drop(table);
        drop(gone);
    }

    /// Actors in the table.
    pub(crate) fn len(&self) -> u64 {
        let table = self.read();
        (table.slots.len() - table.free.len()) as u64
    }

    fn take(
        &self,
        cell: &CellPtr,
        accepts: Arc<AcceptTable>,
    ) -> Result<(Incarnation, ActorKey), ExportError> {
        let mut table = self.write();
        let at = match table.free.pop_front() {
            Some(at) => at,
            None => {
                let at = u32::try_from(table.slots.len()).unwrap_or(u32::MAX);
                if at >= self.slots_max {
                    return Err(ExportError::Full(self.slots_max));
                }
                table.slots.push(Slot { generation: 0, pinned: false, entry: None });
                at
            }
        };
        let slot = &mut table.slots[at as usize];
        slot.entry = Some((cell.clone(), accepts));
        let key = ActorKey { slot: at, generation: slot.generation };
        Ok((table.incarnation, key))
    }

    /// Keeps the actor at `key` there through all lives of the node; `false` if that life is over.
    fn pin(&self, incarnation: Incarnation, key: ActorKey) -> bool {
        let mut table = self.write();
        if table.incarnation != incarnation {
            return false;
        }
        let slot = table.slots.get_mut(key.slot as usize);
        if let Some(slot) = slot.filter(|slot| slot.generation == key.generation) {
            // An empty slot is one whose actor has just ended.
            slot.pinned = slot.entry.is_some();
        }
        true
    }

    /// Frees a slot; one of an earlier life is free already, unless it is pinned.
    pub(crate) fn free(&self, incarnation: Incarnation, key: ActorKey) {
        let mut table = self.write();
        let same_life = table.incarnation == incarnation;
        let ours = |slot: &&mut Slot| slot.generation == key.generation;
        let slot = table.slots.get_mut(key.slot as usize).filter(ours);
        let Some(slot) = slot.filter(|slot| same_life || slot.pinned) else { return };
        slot.pinned = false;
        let entry = slot.entry.take();
        slot.generation = slot.generation.wrapping_add(1);
        if entry.is_some() {
            table.free.push_back(key.slot);
        }
        // Outside the lock: it may be the last reference to an actor.
        drop(table);
        drop(entry);
    }

    /// All actors in the table.
    pub(crate) fn cells(&self) -> Vec<CellPtr> {
        let table = self.read();
        table.slots.iter().filter_map(|slot| Some(slot.entry.as_ref()?.0.clone())).collect()
    }

    /// Works with the actor at `key`, if it is there.
    pub(crate) fn with<R>(
        &self,
        key: ActorKey,
        f: impl FnOnce(&CellPtr, &AcceptTable) -> R,
    ) -> Option<R> {
        let table = self.read();
        let slot = table.slots.get(key.slot as usize).filter(|s| s.generation == key.generation)?;
        slot.entry.as_ref().map(|(cell, accepts)| f(cell, accepts))
    }
}

impl CellPtr {
    /// Where other nodes reach the actor, if one of them can know.
    pub(crate) fn exported(&self) -> Option<ActorKey> {
        let present = self.worker.system().slots().incarnation();
        self.if_bonds(|bonds| bonds.key_in(present)).flatten()
    }

    /// The actor's address; takes a slot if it has none in this life of the node.
    pub(crate) fn address(&self) -> Result<Address, ExportError> {
        let system = self.worker.system();
        let actor_type = ActorTypeId::of(self.actor_id().ok_or(ExportError::NoId)?);
        let slots = system.slots();
        let address =
            |incarnation, key| Address { node: system.node(), incarnation, key, actor_type };
        let present = slots.incarnation();
        if let Some(known) = self.if_bonds(|bonds| bonds.key_in(present)).flatten() {
            return Ok(address(present, known));
        }
        let accepts = system.declared().table(actor_type).ok_or(ExportError::Undeclared)?;
        let (present, key) = slots.take(self, accepts)?;
        let held = self.with_bonds(|bonds| {
            if bonds.ended.is_some() {
                return Err(ExportError::Ended);
            }
            // Another thread may have been faster, in this life of the node.
            if let Some(first) = bonds.key_in(present) {
                return Ok(first);
            }
            bonds.key = Some((present, key));
            Ok(key)
        });
        if held != Ok(key) {
            slots.free(present, key);
        }
        held.map(|held| address(present, held))
    }

    /// As [`address`](Self::address), and the slot stays the actor's through all lives of the node.
    pub(crate) fn pin(&self) -> Result<Address, ExportError> {
        loop {
            let address = self.address()?;
            if self.worker.system().slots().pin(address.incarnation, address.key) {
                self.with_bonds(|bonds| bonds.pinned = true);
                return Ok(address);
            }
            // Another life of the node has begun meanwhile, which is rare: the actor takes a slot of it.
        }
    }
}
