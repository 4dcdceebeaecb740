//! Does faults to a world, and undoes them.
//!
//! What it is: the few calls of [`World`] that a fault means, and the memory of which faults last at this moment, so
//! that the end of one does not undo another: a node that two faults hold down comes back when both have ended. What
//! it is NOT: a clock. `scenario/driver.rs` says when. A new fault is a line in `begin` and a line in `end`.

mod worse;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{Fault, FaultKind};
use crate::{
    disk::DiskRule,
    net::{LinkRule, LookupRule},
    problem::report,
    world::World,
};
use worse::{worse_disk, worse_link, worse_lookups};

/// What lasts at this moment.
#[derive(Debug, Default)]
pub(crate) struct Injector {
    lasting: Vec<(usize, Fault)>,
    /// The rule of its own that each direction had before the first fault that changes it, if it had one.
    rules: BTreeMap<(String, String), Option<LinkRule>>,
    /// The rule of each disk before its first fault.
    disks: BTreeMap<String, DiskRule>,
    /// How names were looked up before the first fault.
    lookups: Option<LookupRule>,
    /// The directions that were cut before the first fault that cuts them.
    cuts: BTreeSet<(String, String)>,
    /// How slow each node was before the first fault that slows it.
    slowness: BTreeMap<String, u32>,
    /// The skew and the drift of each clock before the first fault that bends it, in nanoseconds and parts per million.
    clocks: BTreeMap<String, (i64, i32)>,
    /// How many places that say `buggify!` were on before the first fault.
    buggify_percent: Option<u8>,
}

impl Injector {
    /// Begins a fault; `index` is its name until it ends.
    pub(crate) fn begin(&mut self, world: &mut World, index: usize, fault: &Fault) {
        world.note("fault", &fault.to_string());
        self.remember(world, fault);
        self.lasting.push((index, fault.clone()));
        match fault {
            Fault::Crash { node } => world.crash(node),
            Fault::Kill { node } => world.kill(node),
            Fault::ZoneCrash { nodes, .. } => nodes.iter().for_each(|node| world.crash(node)),
            Fault::Pause { node } => world.pause(node),
            Fault::Cut { .. } | Fault::Partition { .. } | Fault::Topology { .. } => {
                fault.cuts().into_iter().for_each(|(from, to)| world.cut(from, to));
            }
            Fault::Swizzle { nodes, over_ms } => {
                world.swizzle_clog(&super::texts(nodes), Duration::from_millis(*over_ms));
            }
            Fault::Strain { from, to, .. }
            | Fault::Throttle { from, to, .. }
            | Fault::Tail { from, to, .. } => {
                let own = world.net().own_rule(world.address(from), world.address(to));
                self.rules.entry((from.clone(), to.clone())).or_insert(own);
                self.set_link(world, from, to);
            }
            Fault::Clog { from, to } => world.clog(from, to),
            Fault::Flap { .. } => flap(world, fault),
            Fault::Slow { node, factor } => world.slow(node, *factor),
            Fault::SlowDisk { node, .. }
            | Fault::DiskErrors { node, .. }
            | Fault::SlowSync { node, .. }
            | Fault::SyncErrors { node, .. }
            | Fault::FullDisk { node }
            | Fault::TornWrites { node, .. }
            | Fault::LyingDisk { node, .. }
            | Fault::MisdirectedWrites { node, .. }
            | Fault::BitRot { node, .. } => {
                self.disks.entry(node.clone()).or_insert_with(|| world.disk(node).rule());
                self.set_disk(world, node);
            }
            Fault::Lookups { .. } => {
                self.lookups.get_or_insert_with(|| world.net().default_lookups());
                self.set_lookups(world);
            }
            Fault::Buggify { .. } => {
                self.buggify_percent.get_or_insert_with(|| world.buggify_percent());
                self.set_buggify(world);
            }
            Fault::Drift { node, ppm } => world.set_drift(node, *ppm),
            Fault::Skew { node, skew_ms } => {
                world.set_skew_ns(node, skew_ms.saturating_mul(1_000_000));
            }
        }
    }

    /// Ends a fault. Does nothing to one that has ended.
    pub(crate) fn end(&mut self, world: &mut World, index: usize) {
        let Some(at) = self.lasting.iter().position(|(lasting, _)| *lasting == index) else {
            return;
        };
        let (_, fault) = self.lasting.remove(at);
        world.note("repaired", &fault.to_string());
        match &fault {
            Fault::Crash { node } | Fault::Kill { node } => self.revive(world, node),
            Fault::ZoneCrash { nodes, .. } => {
                nodes.iter().for_each(|node| self.revive(world, node));
            }
            Fault::Pause { node } => {
                if !self.lasts(|other| matches!(other, Fault::Pause { node: held } if held == node))
                {
                    world.resume(node);
                }
            }
            Fault::Cut { .. } | Fault::Partition { .. } | Fault::Topology { .. } => {
                self.mend(world, &fault);
            }
            Fault::Swizzle { .. } => {
                if !self.lasts(|other| other.kind() == FaultKind::Swizzle) {
                    world.unswizzle();
                }
            }
            Fault::Strain { from, to, .. }
            | Fault::Throttle { from, to, .. }
            | Fault::Tail { from, to, .. } => self.set_link(world, from, to),
            Fault::Clog { from, to } => {
                if !self.lasts(|other| *other == fault) {
                    world.unclog(from, to);
                }
            }
            Fault::Flap { from, to, .. } => {
                world.unflap(from, to);
                let same = |other: &&Fault| matches!(other, Fault::Flap { from: a, to: b, .. } if (a, b) == (from, to));
                self.left(same).into_iter().for_each(|left| flap(world, left));
            }
            Fault::Slow { node, .. } => {
                let is_slow = |other: &&Fault| matches!(other, Fault::Slow { node: slow, .. } if slow == node);
                let factor = match self.left(is_slow) {
                    Some(Fault::Slow { factor, .. }) => *factor,
                    _ => self.slowness.remove(node).unwrap_or(1),
                };
                world.slow(node, factor);
            }
            Fault::SlowDisk { node, .. }
            | Fault::DiskErrors { node, .. }
            | Fault::SlowSync { node, .. }
            | Fault::SyncErrors { node, .. }
            | Fault::FullDisk { node }
            | Fault::TornWrites { node, .. }
            | Fault::LyingDisk { node, .. }
            | Fault::MisdirectedWrites { node, .. }
            | Fault::BitRot { node, .. } => self.set_disk(world, node),
            Fault::Lookups { .. } => self.set_lookups(world),
            Fault::Buggify { .. } => self.set_buggify(world),
            Fault::Drift { node, .. } | Fault::Skew { node, .. } => self.set_clock(world, node),
        }
    }

    /// Ends everything that lasts, in the order in which it began.
    pub(crate) fn end_all(&mut self, world: &mut World) {
        let lasting: Vec<_> = self.lasting.iter().map(|(index, _)| *index).collect();
        lasting.into_iter().for_each(|index| self.end(world, index));
    }

    fn lasts(&self, is: impl Fn(&Fault) -> bool) -> bool {
        self.lasting.iter().any(|(_, fault)| is(fault))
    }

    fn revive(&self, world: &mut World, node: &str) {
        let down = self.lasts(|other| match other {
            Fault::Crash { node: down } | Fault::Kill { node: down } => down == node,
            Fault::ZoneCrash { nodes, .. } => nodes.iter().any(|down| down == node),
            Fault::Pause { .. }
            | Fault::Cut { .. }
            | Fault::Partition { .. }
            | Fault::Topology { .. }
            | Fault::Swizzle { .. }
            | Fault::Strain { .. }
            | Fault::Throttle { .. }
            | Fault::Tail { .. }
            | Fault::Clog { .. }
            | Fault::Flap { .. }
            | Fault::Slow { .. }
            | Fault::SlowDisk { .. }
            | Fault::DiskErrors { .. }
            | Fault::SlowSync { .. }
            | Fault::SyncErrors { .. }
            | Fault::FullDisk { .. }
            | Fault::TornWrites { .. }
            | Fault::LyingDisk { .. }
            | Fault::MisdirectedWrites { .. }
            | Fault::BitRot { .. }
            | Fault::Lookups { .. }
            | Fault::Buggify { .. }
            | Fault::Drift { .. }
            | Fault::Skew { .. } => false,
        });
        if !down && !world.is_up(node) {
            world.restart(node);
        }
    }

    /// Remembers what a fault is about to change, unless another that lasts has changed it already.
    fn remember(&mut self, world: &World, fault: &Fault) {
        for (from, to) in fault.cuts() {
            let is_first = !self.lasts(|other| other.cuts().contains(&(from, to)));
            if is_first && world.net().is_cut(world.address(from), world.address(to)) {
                self.cuts.insert((from.to_owned(), to.to_owned()));
            }
        }
        match fault {
            Fault::Slow { node, .. } => {
                self.slowness.entry(node.clone()).or_insert_with(|| world.slowness(node));
            }
            Fault::Drift { node, .. } | Fault::Skew { node, .. } => {
                let before = || (world.skew_ns(node), world.drift_ppm(node));
                self.clocks.entry(node.clone()).or_insert_with(before);
            }
            _ => {}
        }
    }

    fn mend(&mut self, world: &World, fault: &Fault) {
        for (from, to) in fault.cuts() {
            let is_last = !self.lasts(|other| other.cuts().contains(&(from, to)));
            if is_last && !self.cuts.remove(&(from.to_owned(), to.to_owned())) {
                world.net().mend(world.address(from), world.address(to));
            }
        }
    }

    /// Sets the rule of a direction to what it was, and what the last fault of each kind that still lasts makes of it.
    fn set_link(&mut self, world: &World, from: &str, to: &str) {
        let key = (from.to_owned(), to.to_owned());
        let Some(own) = self.rules.get(&key).copied() else { return };
        let mut rule = own.unwrap_or_else(|| world.net().default_rule());
        let kinds = [FaultKind::Tail, FaultKind::Strain, FaultKind::Throttle];
        let on_link = |other: &&Fault| other.nodes().eq([from, to]);
        let lasting = kinds.map(|kind| self.left(|other| other.kind() == kind && on_link(other)));
        if lasting.iter().all(Option::is_none) {
            world.restore_link(from, to, own);
            self.rules.remove(&key);
            return;
        }
        for fault in lasting.into_iter().flatten() {
            rule = worse_link(&rule, fault);
        }
        world.set_link_one_way(from, to, rule);
    }

    /// Sets the clock of a node to what the faults that still last say, or else to what it was. What it gained by a drift
    /// since then is gone.
    fn set_clock(&mut self, world: &mut World, node: &str) {
        let of_node = |other: &&Fault| other.nodes().eq([node]);
        let skew = self.left(|other| of_node(other) && other.kind() == FaultKind::Skew);
        let drift = self.left(|other| of_node(other) && other.kind() == FaultKind::Drift);
        let (skew_before, drift_before) = self.clocks.get(node).copied().unwrap_or_default();
        let is_over = skew.is_none() && drift.is_none();
        let ppm = match drift {
            Some(Fault::Drift { ppm, .. }) => *ppm,
            _ => drift_before,
        };
        let skew_ns = match skew {
            Some(Fault::Skew { skew_ms, .. }) => skew_ms.saturating_mul(1_000_000),
            _ => skew_before,
        };
        world.set_drift(node, ppm);
        world.set_skew_ns(node, skew_ns);
        if is_over {
            self.clocks.remove(node);
        }
    }

    /// Sets the rule of a disk to what it was and what the faults that still last make of it.
    fn set_disk(&mut self, world: &World, node: &str) {
        let Some(mut rule) = self.disks.get(node).copied() else { return };
        let on_disk = |fault: &&Fault| fault.kind().is_of_disks() && fault.nodes().eq([node]);
        let lasting: Vec<_> = self.lasting.iter().map(|(_, fault)| fault).filter(on_disk).collect();
        lasting.iter().for_each(|fault| worse_disk(&mut rule, fault));
        world.set_disk_rule(node, rule);
        if lasting.is_empty() {
            self.disks.remove(node);
        }
    }

    /// Sets how names are looked up to what it was and what the last fault that still lasts makes of it.
    fn set_lookups(&mut self, world: &World) {
        let Some(rule) = self.lookups else { return };
        match self.left(|other| other.kind() == FaultKind::Lookups) {
            Some(fault) => world.set_default_lookups(worse_lookups(&rule, fault)),
            None => {
                self.lookups = None;
                world.set_default_lookups(rule);
            }
        }
    }

    /// Turns as many places on as before, or as the last fault that still lasts says, if that is more.
    fn set_buggify(&mut self, world: &mut World) {
        let Some(before) = self.buggify_percent else { return };
        match self.left(|other| other.kind() == FaultKind::Buggify) {
            Some(Fault::Buggify { percent }) => world.set_buggify(before.max(*percent)),
            _ => {
                self.buggify_percent = None;
                world.set_buggify(before);
            }
        }
    }

    /// The fault of this description that began last, of those that still last.
    fn left(&self, is: impl Fn(&&Fault) -> bool) -> Option<&Fault> {
        self.lasting.iter().rev().map(|(_, fault)| fault).find(is)
    }
}

/// Lets a link flap. Its numbers were looked at when the plan was made.
fn flap(world: &World, fault: &Fault) {
    if let Fault::Flap { from, to, period_ms, up_percent } = fault {
        let (period, duty) = (Duration::from_millis(*period_ms), f64::from(*up_percent) / 100.0);
        if let Err(error) = world.flap(from, to, period, duty) {
            report(error.to_string());
        }
    }
}

#[cfg(test)]
mod tests;
