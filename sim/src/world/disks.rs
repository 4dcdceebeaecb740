//! What a scenario does to the disks of a world.
//!
//! Each host has one disk, which its node finds in every life through [`Env::disk`](odeon_env::Env::disk).

use super::World;
use crate::{
    disk::{DiskRule, SimDisk},
    trace::Turn,
};

impl World {
    /// Sets the rule of a host's disk, from its next operation on, in all lives. Default: [`DiskRule::ssd`].
    ///
    /// # Panics
    /// When the rule is none ([`DiskRule::check`]).
    pub fn set_disk_rule(&self, name: &str, rule: DiskRule) {
        self.disk(name).set_rule(rule);
    }

    /// The disk of a host, to look at: what is on it, and what happened to it.
    #[must_use]
    pub fn disk(&self, name: &str) -> &SimDisk {
        &self.host(name).disk
    }

    /// Gives a host an empty disk, as who replaces a broken one does: a node that runs is crashed first. The rule and the
    /// counts stay.
    pub fn wipe_disk(&mut self, name: &str) {
        let host = self.host_mut(name);
        host.end(Turn::Crashed);
        host.disk.wipe();
        self.note("disk wiped", name);
    }
}
