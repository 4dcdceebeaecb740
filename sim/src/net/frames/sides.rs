//! All connections of a network, each as its two sides, under numbers that are not used twice.
//!
//! Read `side.rs` next.

use std::net::IpAddr;

use super::side::Side;

/// The number of one side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::net) struct SideId {
    slot: u32,
    /// Tells the users of one slot apart.
    generation: u32,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    side: Option<Box<Side>>,
}

/// The sides there are.
#[derive(Debug, Default)]
pub(in crate::net) struct Sides {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Sides {
    pub(super) fn insert(&mut self, side: Side) -> SideId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        let place = &mut self.slots[slot as usize];
        place.side = Some(Box::new(side));
        SideId { slot, generation: place.generation }
    }

    pub(super) fn find(&mut self, id: SideId) -> Option<&mut Side> {
        let place = self.slots.get_mut(id.slot as usize)?;
        place.side.as_deref_mut().filter(|_| place.generation == id.generation)
    }

    pub(super) fn remove(&mut self, id: SideId) {
        if self.find(id).is_some() {
            self.vacate(id.slot);
        }
    }

    /// Removes every side of a host.
    pub(super) fn remove_host(&mut self, host: IpAddr) {
        for slot in 0..self.slots.len() {
            let side = &self.slots[slot].side;
            if side.as_ref().is_some_and(|side| side.here.ip() == host) {
                self.vacate(slot as u32);
            }
        }
    }

    /// The sides at one address, in the order of their slots.
    pub(super) fn of_address(&self, address: std::net::SocketAddr) -> Vec<SideId> {
        let ids = self.slots.iter().enumerate().filter_map(|(slot, place)| {
            let side = place.side.as_ref()?;
            let id = SideId { slot: slot as u32, generation: place.generation };
            (side.here == address).then_some(id)
        });
        ids.collect()
    }

    fn vacate(&mut self, slot: u32) {
        let place = &mut self.slots[slot as usize];
        place.side = None;
        place.generation += 1;
        self.free.push(slot);
    }
}
