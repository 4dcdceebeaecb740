//! Does faults to a world, and undoes them.
//!
//! What it is: the few calls of [`World`] that a fault means, and the memory of which faults last at this moment, so
//! that the end of one does not undo another: a node that two faults hold down comes back when both have ended. What
//! it is NOT: a clock. `scenario/driver.rs` says when. A new fault is a line in `begin` and a line in `end`.

use std::{collections::BTreeMap, time::Duration};

use super::{Fault, FaultKind, Strain};
use crate::{disk::DiskRule, net::LinkRule, problem::report, world::World};

/// What lasts at this moment.
#[derive(Debug, Default)]
pub(crate) struct Injector {
    lasting: Vec<(usize, Fault)>,
    /// The rule of each strained direction before the first strain.
    rules: BTreeMap<(String, String), LinkRule>,
    /// The rule of each disk before its first fault.
    disks: BTreeMap<String, DiskRule>,
}

impl Injector {
    /// Begins a fault; `index` is its name until it ends.
    pub(crate) fn begin(&mut self, world: &mut World, index: usize, fault: &Fault) {
        world.note("fault", &fault.to_string());
        self.lasting.push((index, fault.clone()));
        match fault {
            Fault::Crash { node } => world.crash(node),
            Fault::ZoneCrash { nodes, .. } => nodes.iter().for_each(|node| world.crash(node)),
            Fault::Pause { node } => world.pause(node),
            Fault::Cut { .. } | Fault::Partition { .. } => {
                fault.cuts().into_iter().for_each(|(from, to)| world.cut(from, to));
            }
            Fault::Strain { from, to, strain } => {
                let net = world.net();
                let rule = net.rule(world.address(from), world.address(to));
                let rule = *self.rules.entry((from.clone(), to.clone())).or_insert(rule);
                world.set_link_one_way(from, to, strained(&rule, strain));
            }
            Fault::Clog { from, to } => world.clog(from, to),
            Fault::Flap { .. } => flap(world, fault),
            Fault::Slow { node, factor } => world.slow(node, *factor),
            Fault::SlowDisk { node, .. } | Fault::DiskErrors { node, .. } => {
                self.disks.entry(node.clone()).or_insert_with(|| world.disk(node).rule());
                self.set_disk(world, node);
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
            Fault::Crash { node } => self.revive(world, node),
            Fault::ZoneCrash { nodes, .. } => {
                nodes.iter().for_each(|node| self.revive(world, node));
            }
            Fault::Pause { node } => {
                if !self.lasts(|other| matches!(other, Fault::Pause { node: held } if held == node))
                {
                    world.resume(node);
                }
            }
            Fault::Cut { .. } | Fault::Partition { .. } => self.mend(world, &fault),
            Fault::Strain { from, to, .. } => self.relax(world, from, to),
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
                let factor = self.lasting.iter().rev().find_map(|(_, other)| match other {
                    Fault::Slow { node: slow, factor } if slow == node => Some(*factor),
                    _ => None,
                });
                world.slow(node, factor.unwrap_or(1));
            }
            Fault::SlowDisk { node, .. } | Fault::DiskErrors { node, .. } => {
                self.set_disk(world, node);
            }
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
            Fault::Crash { node: down } => down == node,
            Fault::ZoneCrash { nodes, .. } => nodes.iter().any(|down| down == node),
            _ => false,
        });
        if !down && !world.is_up(node) {
            world.restart(node);
        }
    }

    fn mend(&self, world: &World, fault: &Fault) {
        for (from, to) in fault.cuts() {
            if !self.lasts(|other| other.cuts().contains(&(from, to))) {
                world.net().mend(world.address(from), world.address(to));
            }
        }
    }

    /// Sets the rule of a direction to what the last strain that still lasts says, or to what it was.
    fn relax(&mut self, world: &World, from: &str, to: &str) {
        let key = (from.to_owned(), to.to_owned());
        let left = self.lasting.iter().rev().find_map(|(_, other)| match other {
            Fault::Strain { from: a, to: b, strain } if a == from && b == to => Some(*strain),
            _ => None,
        });
        let Some(rule) = self.rules.get(&key).copied() else { return };
        match left {
            Some(strain) => world.set_link_one_way(from, to, strained(&rule, &strain)),
            None => {
                self.rules.remove(&key);
                world.set_link_one_way(from, to, rule);
            }
        }
    }

    /// Sets the clock of a node to what the faults that still last say, or puts it right.
    fn set_clock(&self, world: &mut World, node: &str) {
        let of_node = |other: &&Fault| other.nodes().eq([node]);
        let skew = self.left(|other| of_node(other) && other.kind() == FaultKind::Skew);
        let drift = self.left(|other| of_node(other) && other.kind() == FaultKind::Drift);
        let ppm = match drift {
            Some(Fault::Drift { ppm, .. }) => *ppm,
            _ => 0,
        };
        let skew_ms = match skew {
            Some(Fault::Skew { skew_ms, .. }) => *skew_ms,
            _ => 0,
        };
        world.set_drift(node, ppm);
        world.set_skew_ns(node, skew_ms.saturating_mul(1_000_000));
    }

    /// Sets the rule of a disk to what it was and what the faults that still last make of it.
    fn set_disk(&self, world: &World, node: &str) {
        let Some(mut rule) = self.disks.get(node).copied() else { return };
        for (_, fault) in &self.lasting {
            match fault {
                Fault::SlowDisk { node: slow, slower_ms } if slow == node => {
                    let extra = Duration::from_millis(*slower_ms);
                    rule.read_latency = rule.read_latency.later_by(extra);
                    rule.write_latency = rule.write_latency.later_by(extra);
                    rule.sync_latency = rule.sync_latency.later_by(extra);
                }
                Fault::DiskErrors { node: failing, error_permille } if failing == node => {
                    let rate = f64::from(*error_permille) / 1000.0;
                    rule.read_error = rule.read_error.max(rate);
                    rule.write_error = rule.write_error.max(rate);
                    rule.sync_error = rule.sync_error.max(rate);
                }
                _ => {}
            }
        }
        world.set_disk_rule(node, rule);
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

fn strained(rule: &LinkRule, strain: &Strain) -> LinkRule {
    let worse = |rate: f64, permille: u16| rate.max(f64::from(permille) / 1000.0);
    LinkRule {
        latency: rule.latency.later_by(Duration::from_millis(strain.slower_ms)),
        loss: worse(rule.loss, strain.loss_permille),
        duplicate: worse(rule.duplicate, strain.duplicate_permille),
        reorder: worse(rule.reorder, strain.reorder_permille),
        corrupt: worse(rule.corrupt, strain.corrupt_permille),
        ..*rule
    }
}

#[cfg(test)]
mod tests;
