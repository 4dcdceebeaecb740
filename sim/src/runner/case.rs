//! What a child is to run, and its text form.

use odeon_interpose::Switches;
use odeon_message::planted::Bug;

use crate::{Link, recording::LogFilter, schedule::Schedule};

/// The length of the text form: always the same, so that the child's memory is the same.
#[cfg(target_os = "linux")]
pub(super) const CASE_BYTES: usize = 256;

/// What stands for no bug in the text form.
#[cfg(target_os = "linux")]
const NO_BUG: &str = "-";

/// One run of one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// The seed.
    pub seed: u64,
    /// What connections run on. Default: real QUIC.
    pub link: Link,
    /// Which overrides are on. Default: all.
    pub switches: Switches,
    /// Whether address randomisation is turned off. Default: yes.
    pub fixed_addresses: bool,
    /// In which order nodes and actors that are ready have their turns. Default: [`Schedule::Random`].
    pub schedule: Schedule,
    /// How many of a hundred places that say `buggify!` are on. Default: 0.
    pub buggify_percent: u8,
    /// The bug that is planted in our own code, in a build with the feature `planted`. Default: none.
    pub planted: Option<Bug>,
    /// The last event of which a line is kept. Default, `u64::MAX`: none is left out, as far as there is room, but the
    /// verdict on a run that passes brings only the last few. With any other number it brings all that there are room for.
    pub lines_until: u64,
    /// Whether the run is recorded, for a picture of it. It is the same run either way. Default: no.
    pub recorded: bool,
    /// Which log lines of nodes are kept where the run is recorded. Default: `info`.
    pub log: LogFilter,
}

impl Case {
    /// A number of no event, for [`lines_until`](Self::lines_until): all lines, also of a run that passes.
    pub const EVERY_LINE: u64 = u64::MAX - 1;

    /// A run of this seed with everything that makes it repeatable.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            link: Link::Quic,
            switches: Switches::ALL,
            fixed_addresses: true,
            schedule: Schedule::Random,
            buggify_percent: 0,
            planted: None,
            lines_until: u64::MAX,
            recorded: false,
            log: LogFilter::INFO,
        }
    }

    /// The text form, padded to its fixed length.
    #[cfg(target_os = "linux")]
    pub(super) fn encode(&self) -> [u8; CASE_BYTES] {
        let Switches { entropy, clock } = self.switches;
        let Self { seed, link, schedule, buggify_percent, lines_until, recorded, log, .. } = self;
        let planted = self.planted.map_or(NO_BUG, Bug::name);
        let text = format!(
            "odeon-sim case {seed:016x} {link} {entropy} {clock} {schedule} {buggify_percent} \
             {planted} {lines_until} {recorded} {log} "
        );
        let mut bytes = [b'.'; CASE_BYTES];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        bytes
    }

    /// Reads the text form; what the parent did about addresses is not in it.
    #[cfg(target_os = "linux")]
    pub(super) fn decode(bytes: &[u8; CASE_BYTES]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok()?.strip_prefix("odeon-sim case ")?;
        let mut words = text.split(' ');
        let seed = u64::from_str_radix(words.next()?, 16).ok()?;
        let link = Link::from_name(words.next()?)?;
        let switches =
            Switches { entropy: words.next()?.parse().ok()?, clock: words.next()?.parse().ok()? };
        let schedule = words.next()?.parse().ok()?;
        let buggify_percent = words.next()?.parse().ok()?;
        let planted = match words.next()? {
            NO_BUG => None,
            name => Some(name.parse().ok()?),
        };
        let lines_until = words.next()?.parse().ok()?;
        let recorded = words.next()?.parse().ok()?;
        let log = words.next()?.parse().ok()?;
        Some(Self {
            link,
            switches,
            schedule,
            buggify_percent,
            planted,
            lines_until,
            recorded,
            log,
            ..Self::new(seed)
        })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_goes_both_ways() {
        for seed in [0, 7, u64::MAX] {
            let switches = Switches { clock: false, ..Switches::ALL };
            for link in [Link::Quic, Link::Frames] {
                let case = Case { link, switches, ..Case::new(seed) };
                assert_eq!(Case::decode(&case.encode()), Some(case));
            }
        }
        let schedule = Schedule::Pct { depth: 65, steps: u64::MAX };
        let log = format!("odeon_{}=debug", "x".repeat(84)).parse().unwrap();
        let case =
            Case { schedule, buggify_percent: 100, recorded: true, log, ..Case::new(u64::MAX) };
        for planted in Bug::ALL.iter().copied().map(Some).chain([None]) {
            let case = Case { planted, ..case };
            assert_eq!(Case::decode(&case.encode()), Some(case));
        }
        assert_eq!(Case::decode(&[0; CASE_BYTES]), None);
    }
}
