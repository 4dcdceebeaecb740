//! Who is refused at the admin port, said in the log so that nobody can fill it.
//!
//! Whoever comes without a certificate causes a line, and anybody who reaches the port can do so any number of times. So a
//! source is spoken of ever less often while it comes again, all of them together too, and each line says how many came
//! since the one before. What it is NOT: a limit on connections; read `admin/callers.rs` for that.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    net::IpAddr,
    time::Duration,
};

use tokio::time::Instant;

/// The pause after a line about a source, doubled with each up to the second.
const SOURCE_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// The same of all lines.
const ALL_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Sources that are remembered; of more, the one that may be spoken of soonest is forgotten.
const SOURCES_MAX: usize = 256;

/// When a line may be written again.
#[derive(Clone, Copy)]
struct Pause {
    until: Instant,
    lasts: Duration,
}

impl Pause {
    /// The next one, after a line now; it begins anew when it was quiet for long.
    fn after(before: Option<Self>, now: Instant, (first, most): (Duration, Duration)) -> Self {
        let lasts = match before {
            Some(before) if now < before.until + most => (before.lasts * 2).min(most),
            _ => first,
        };
        Self { until: now + lasts, lasts }
    }
}

/// Who was refused.
#[derive(Default)]
pub(super) struct Refusals {
    sources: RefCell<BTreeMap<IpAddr, Pause>>,
    all: Cell<Option<Pause>>,
    unsaid: Cell<u64>,
}

impl Refusals {
    /// Somebody is refused: how many were since the last line, this one included, if one may be written about it.
    pub(super) fn note(&self, from: IpAddr, now: Instant) -> Option<u64> {
        self.unsaid.set(self.unsaid.get() + 1);
        let mut sources = self.sources.borrow_mut();
        let source = network(from);
        let known = sources.get(&source).copied();
        if [known, self.all.get()].iter().flatten().any(|pause| now < pause.until) {
            return None;
        }
        if known.is_none() && sources.len() >= SOURCES_MAX {
            let soonest = sources.iter().min_by_key(|(_, pause)| pause.until).map(|(ip, _)| *ip);
            soonest.map(|soonest| sources.remove(&soonest));
        }
        sources.insert(source, Pause::after(known, now, SOURCE_PAUSE));
        self.all.set(Some(Pause::after(self.all.get(), now, ALL_PAUSE)));
        Some(self.unsaid.take())
    }
}

/// One host of IPv6 has 2^64 addresses.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn host(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[tokio::test]
    async fn a_source_that_comes_again_is_spoken_of_ever_less_often() {
        let (refusals, begin) = (Refusals::default(), Instant::now());
        let mut said = Vec::new();
        for second in 0..3_600 {
            said.extend(refusals.note(host(1), begin + second * SECOND));
        }
        assert!((10..25).contains(&said.len()), "{said:?}");
        assert_eq!(said[..3], [1, 1, 2]);
        let quiet = begin + 7_200 * SECOND;
        assert!(refusals.note(host(1), quiet).is_some_and(|unsaid| unsaid > 1));
        assert_eq!(refusals.note(host(1), quiet + SECOND), Some(1), "it begins anew");
    }

    #[tokio::test]
    async fn many_sources_are_spoken_of_together() {
        let (refusals, begin) = (Refusals::default(), Instant::now());
        let (mut lines, mut told) = (0_u64, 0);
        for number in 0..36_000_u32 {
            let now = begin + number * (SECOND / 10);
            if let Some(count) = refusals.note(host(number), now) {
                (lines, told) = (lines + 1, told + count);
            }
        }
        assert!(lines < 80, "{lines} lines in an hour");
        assert_eq!(told + refusals.unsaid.get(), 36_000);
        assert!(refusals.sources.borrow().len() <= SOURCES_MAX);
        let one_host = ["2001:db8::1", "2001:db8::ffff:1"].map(|ip| network(ip.parse().unwrap()));
        assert_eq!(one_host[0], one_host[1]);
    }
}
