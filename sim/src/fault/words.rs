//! What a fault says of itself: one sentence, as stories of shrunk runs tell it.
//!
//! Read `injector.rs` next.

use std::fmt;

use super::{Fault, Strain};
use crate::net::Topology;

/// A rate of a thousand as percent.
fn percent(permille: u16) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash { node } => write!(f, "{node} crashes"),
            Self::Kill { node } => write!(f, "{node} is killed and its machine stays up"),
            Self::ZoneCrash { zone, nodes } => {
                write!(f, "zone {zone} crashes, with {}", nodes.join(", "))
            }
            Self::Pause { node } => write!(f, "{node} is held"),
            Self::Slow { node, factor } => write!(f, "{node} is {factor} times slower"),
            Self::Drift { node, ppm } => write!(f, "the clock of {node} drifts by {ppm} ppm"),
            Self::Skew { node, skew_ms } => {
                let (by, way) =
                    (skew_ms.unsigned_abs(), if *skew_ms < 0 { "back" } else { "ahead" });
                write!(f, "the clock of {node} jumps {way} by {by} ms")
            }
            Self::Buggify { percent } => {
                write!(f, "{percent} % of the places that say buggify are on")
            }
            Self::Lookups { .. } => self.say_lookups(f),
            Self::SlowDisk { .. }
            | Self::DiskErrors { .. }
            | Self::SlowSync { .. }
            | Self::SyncErrors { .. }
            | Self::FullDisk { .. }
            | Self::TornWrites { .. }
            | Self::LyingDisk { .. }
            | Self::MisdirectedWrites { .. }
            | Self::BitRot { .. } => self.say_disk(f),
            _ => self.say_network(f),
        }
    }
}

impl Fault {
    fn say_network(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { from, to } => write!(f, "{to} no longer hears {from}"),
            Self::Partition { one, other } => {
                write!(f, "{} is parted from {}", one.join(", "), other.join(", "))
            }
            Self::Topology { shape, nodes } => say_shape(f, shape, nodes),
            Self::Swizzle { nodes, over_ms } => {
                let nodes = nodes.join(", ");
                write!(f, "of {nodes} some are clogged by turns, and unclogged within {over_ms} ms")
            }
            Self::Strain { from, to, strain } => write!(f, "from {from} to {to} {strain}"),
            Self::Throttle { from, to, bandwidth_kbps } => {
                write!(f, "from {from} to {to} go {bandwidth_kbps} kbit/s at most")
            }
            Self::Tail { from, to, median_ms, sigma_percent } => {
                let (whole, rest) = (sigma_percent / 100, sigma_percent % 100);
                write!(
                    f,
                    "from {from} to {to} half take more than {median_ms} ms, log-normal with sigma {whole}.{rest:02}"
                )
            }
            Self::Clog { from, to } => write!(f, "what {from} sends to {to} has to wait"),
            Self::Flap { from, to, period_ms, up_percent } => {
                write!(f, "{to} hears {from} for {up_percent} % of every {period_ms} ms only")
            }
            other => write!(f, "{}", other.kind()),
        }
    }

    fn say_disk(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SlowDisk { node, slower_ms } => {
                write!(f, "the disk of {node} takes {slower_ms} ms longer")
            }
            Self::DiskErrors { node, error_permille } => {
                write!(f, "the disk of {node} fails in {}", percent(*error_permille))
            }
            Self::SlowSync { node, slow_permille, slower_ms } => {
                let rate = percent(*slow_permille);
                write!(f, "{rate} of syncs on the disk of {node} take up to {slower_ms} ms longer")
            }
            Self::SyncErrors { node, error_permille } => {
                write!(f, "{} of syncs on the disk of {node} fail", percent(*error_permille))
            }
            Self::FullDisk { node } => write!(f, "the disk of {node} is full"),
            Self::TornWrites { node, torn_permille } => {
                let rate = percent(*torn_permille);
                write!(f, "a crash of {node} would tear {rate} of what it has not synced")
            }
            Self::LyingDisk { node, lost_permille } => {
                let rate = percent(*lost_permille);
                write!(f, "the disk of {node} acknowledges {rate} of its writes and loses them")
            }
            Self::MisdirectedWrites { node, misdirected_permille } => {
                let rate = percent(*misdirected_permille);
                write!(f, "the disk of {node} writes {rate} to another place")
            }
            Self::BitRot { node, rot_permille } => {
                let rate = percent(*rot_permille);
                write!(f, "bits rot on the disk of {node}, found by {rate} of its reads")
            }
            other => write!(f, "{}", other.kind()),
        }
    }

    fn say_lookups(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Lookups { failure_permille, silence_permille, stale_permille, slower_ms } = self
        else {
            return write!(f, "{}", self.kind());
        };
        let rates = [
            (failure_permille, "fail"),
            (silence_permille, "are not answered"),
            (stale_permille, "get an old answer"),
        ];
        let rates = rates.into_iter().filter(|(rate, _)| **rate > 0);
        let mut parts: Vec<_> =
            rates.map(|(rate, what)| format!("{} {what}", percent(*rate))).collect();
        if *slower_ms > 0 {
            parts.push(format!("all take {slower_ms} ms longer"));
        }
        if parts.is_empty() {
            return f.write_str("nothing changes for look-ups of names");
        }
        write!(f, "of look-ups of names {}", parts.join(", "))
    }
}

/// A shape of the network, with who stands where in it.
fn say_shape(f: &mut fmt::Formatter<'_>, shape: &Topology, nodes: &[String]) -> fmt::Result {
    let places = shape.places(&super::texts(nodes)).join(", ");
    let first = shape.host().or(nodes.first().map(String::as_str)).unwrap_or("nobody");
    let (one, other) = nodes.split_at(nodes.len() / 2);
    let (one, other) = (one.join(", "), other.join(", "));
    match shape {
        Topology::Halves => write!(f, "{one} is parted from {other}"),
        Topology::OneWay => write!(f, "{other} no longer hears {one}, and is heard"),
        Topology::Groups(groups) => {
            let groups: Vec<_> = groups.iter().map(|group| group.join(", ")).collect();
            write!(f, "{} are parted", groups.join(" and "))
        }
        Topology::Isolate(_) => write!(f, "{first} neither hears the others nor is heard"),
        Topology::Mute(_) => write!(f, "the others no longer hear {first}, which hears them"),
        Topology::Deaf(_) => write!(f, "{first} no longer hears the others, which hear it"),
        Topology::Ring => write!(f, "in the ring of {places} each hears its neighbours only"),
        Topology::MajoritiesRing => {
            write!(f, "in the ring of {places} each hears another majority")
        }
        Topology::Partial => {
            write!(f, "of {places} two thirds do not hear each other, and the last third hears all")
        }
        Topology::Bridge(_) => write!(f, "of {places} two halves hear {first} and not each other"),
        Topology::Star(_) => write!(f, "of {places} all hear {first} alone"),
    }
}

impl fmt::Display for Strain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = ["are lost", "come twice", "come late", "are corrupted"];
        let rates = self.rates_permille().into_iter().zip(words).filter(|(rate, _)| *rate > 0);
        let mut parts: Vec<_> =
            rates.map(|(rate, what)| format!("{} {what}", percent(rate))).collect();
        if self.slower_ms > 0 {
            parts.push(format!("all take {} ms longer", self.slower_ms));
        }
        if parts.is_empty() {
            return f.write_str("nothing changes");
        }
        write!(f, "{}", parts.join(", "))
    }
}
