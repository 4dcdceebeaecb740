//! What a fault says of itself: one sentence, as stories of shrunk runs tell it.
//!
//! Read `injector.rs` next.

use std::{fmt, time::Duration};

use super::{Fault, Strain};
use crate::{net::Topology, plan::in_words};

/// A rate of a thousand as percent.
fn percent(permille: u16) -> String {
    match permille % 10 {
        0 => format!("{} %", permille / 10),
        tenths => format!("{}.{tenths} %", permille / 10),
    }
}

fn ms(ms: u64) -> String {
    in_words(Duration::from_millis(ms))
}

/// Several as a sentence names them: `a, b and c`.
fn list<T: AsRef<str>>(parts: &[T]) -> String {
    let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
    match &parts[..] {
        [] => "nobody".to_owned(),
        [only] => (*only).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// What each of several parts does, in one sentence; `None` if nothing does.
fn parts(rates: &[(u16, &str)], slower_ms: u64) -> Option<String> {
    let rates = rates.iter().filter(|(rate, _)| *rate > 0);
    let mut parts: Vec<_> =
        rates.map(|(rate, what)| format!("{} {what}", percent(*rate))).collect();
    if slower_ms > 0 {
        parts.push(format!("all take {} longer", ms(slower_ms)));
    }
    (!parts.is_empty()).then(|| list(&parts))
}

/// `is` of one, `are` of several.
fn are<T>(names: &[T]) -> &'static str {
    if names.len() == 1 { "is" } else { "are" }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash { node } => write!(f, "{node} crashes"),
            Self::Kill { node } => write!(f, "{node} is killed while its machine stays up"),
            Self::ZoneCrash { zone, nodes } => {
                write!(f, "zone {zone} crashes with {} in it", list(nodes))
            }
            Self::Pause { node } => write!(f, "{node} is held"),
            Self::Slow { node, factor } => write!(f, "{node} is {factor} times slower"),
            Self::Drift { node, ppm } => {
                let way = if *ppm < 0 { "loses" } else { "gains" };
                write!(f, "the clock of {node} {way} {} us a second", ppm.unsigned_abs())
            }
            Self::Skew { node, skew_ms } => {
                let way = if *skew_ms < 0 { "back" } else { "ahead" };
                write!(f, "the clock of {node} jumps {way} by {}", ms(skew_ms.unsigned_abs()))
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
            Self::Cut { .. }
            | Self::Partition { .. }
            | Self::Topology { .. }
            | Self::Swizzle { .. }
            | Self::Strain { .. }
            | Self::Throttle { .. }
            | Self::Tail { .. }
            | Self::Clog { .. }
            | Self::Flap { .. } => self.say_network(f),
        }
    }
}

impl Fault {
    fn say_network(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { from, to } => write!(f, "{to} no longer hears {from}"),
            Self::Partition { one, other } => {
                write!(f, "{} {} parted from {}", list(one), are(one), list(other))
            }
            Self::Topology { shape, nodes } => say_shape(f, shape, nodes),
            Self::Swizzle { nodes, over_ms } => {
                let (nodes, over) = (list(nodes), ms(*over_ms));
                write!(f, "some of {nodes} are clogged one by one and unclogged within {over}")
            }
            Self::Strain { from, to, strain } => {
                write!(f, "of the datagrams from {from} to {to} {strain}")
            }
            Self::Throttle { from, to, bandwidth_kbps } => {
                write!(f, "the link from {from} to {to} carries {bandwidth_kbps} kbit/s at most")
            }
            Self::Tail { from, to, median_ms, sigma_percent } => {
                let (whole, rest) = (sigma_percent / 100, sigma_percent % 100);
                let median = ms(*median_ms);
                write!(
                    f,
                    "half of the datagrams from {from} to {to} take more than {median}, a few much more (log-normal, \
                     sigma {whole}.{rest:02})"
                )
            }
            Self::Clog { from, to } => write!(f, "what {from} sends to {to} has to wait"),
            Self::Flap { from, to, period_ms, up_percent } => {
                write!(
                    f,
                    "{to} hears {from} during only {up_percent} % of every {}",
                    ms(*period_ms)
                )
            }
            other => write!(f, "{}", other.kind()),
        }
    }

    fn say_disk(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SlowDisk { node, slower_ms } => {
                write!(f, "the disk of {node} takes {} longer", ms(*slower_ms))
            }
            Self::DiskErrors { node, error_permille } => {
                let rate = percent(*error_permille);
                write!(f, "{rate} of what is done on the disk of {node} fails")
            }
            Self::SlowSync { node, slow_permille, slower_ms } => {
                let (rate, longer) = (percent(*slow_permille), ms(*slower_ms));
                write!(f, "{rate} of the syncs on the disk of {node} take up to {longer} longer")
            }
            Self::SyncErrors { node, error_permille } => {
                write!(f, "{} of the syncs on the disk of {node} fail", percent(*error_permille))
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
                write!(f, "the disk of {node} puts {rate} of its writes in another place")
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
            (*failure_permille, "fail"),
            (*silence_permille, "are not answered"),
            (*stale_permille, "get an old answer"),
        ];
        match parts(&rates, *slower_ms) {
            Some(parts) => write!(f, "of the look-ups of names {parts}"),
            None => f.write_str("nothing changes for the look-ups of names"),
        }
    }
}

/// A shape of the network, with who stands where in it.
fn say_shape(f: &mut fmt::Formatter<'_>, shape: &Topology, nodes: &[String]) -> fmt::Result {
    let order = &shape.places(&super::texts(nodes))[..];
    let places = list(order);
    let first = shape.host().or(nodes.first().map(String::as_str)).unwrap_or("nobody");
    let (one, other) = nodes.split_at(nodes.len() / 2);
    let (few, is) = (list(one), are(one));
    match shape {
        Topology::Halves => write!(f, "{few} {is} parted from {}", list(other)),
        Topology::OneWay => {
            write!(f, "{few} {is} no longer heard by {}, but {is} told everything", list(other))
        }
        Topology::Groups(groups) => {
            let groups: Vec<_> = groups.iter().map(|group| format!("({})", list(group))).collect();
            write!(f, "the groups {} are parted", list(&groups))
        }
        Topology::Isolate(_) => write!(f, "{first} neither hears the others nor is heard"),
        Topology::Mute(_) => write!(f, "{first} is no longer heard by the others, and hears them"),
        Topology::Deaf(_) => write!(f, "{first} no longer hears the others, and is heard"),
        Topology::Ring => write!(f, "in the ring of {places} each hears its neighbours only"),
        Topology::MajoritiesRing => {
            write!(f, "in the ring of {places} each hears another majority")
        }
        Topology::Partial => {
            let [one, other, rest] = Topology::thirds(order);
            let (few, is) = (list(one), are(one));
            write!(f, "{few} {is} parted from {}, and all hear {}", list(other), list(rest))
        }
        Topology::Bridge(_) => {
            let [one, other] = Topology::sides(order);
            let (few, is) = (list(one), are(one));
            write!(f, "{few} {is} parted from {}, and all hear {first}", list(other))
        }
        Topology::Star(_) => write!(f, "of {places} all hear {first} alone"),
    }
}

impl fmt::Display for Strain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = ["are lost", "come twice", "come late", "are corrupted"];
        let rates: Vec<_> = self.rates_permille().into_iter().zip(words).collect();
        f.write_str(&parts(&rates, self.slower_ms).unwrap_or("none fare worse".to_owned()))
    }
}

#[cfg(test)]
mod tests;
