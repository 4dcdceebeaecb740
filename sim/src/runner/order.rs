//! What a parent hands to a child: a case and its script.
//!
//! Everything but the script has a fixed length, and the child reads the script into room of a fixed size, so that a
//! run from a seed and its replay from a file are laid out alike: they are fed the same bytes.

use std::time::Duration;

use super::case::{CASE_BYTES, Case};
use crate::script::SCRIPT_BYTES_MAX;

/// The length of an order without its script.
pub(super) const ORDER_BYTES: usize = 64 + CASE_BYTES;

/// One run to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) case: Case,
    /// The text of the script; empty for a plain body.
    pub(crate) script: String,
}

impl Order {
    /// A run of a plain body.
    pub(crate) const fn plain(case: Case) -> Self {
        Self { case, script: String::new() }
    }

    /// A run of a script.
    pub(crate) fn of(case: Case, script: String) -> Self {
        Self { script, ..Self::plain(case) }
    }

    /// The order without its script, to be run within this real time.
    pub(super) fn head(&self, limit: Duration) -> [u8; ORDER_BYTES] {
        let text = format!("odeon-sim order {} {} ", self.script.len(), limit.as_secs());
        let mut bytes = [b'.'; ORDER_BYTES];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        bytes[ORDER_BYTES - CASE_BYTES..].copy_from_slice(&self.case.encode());
        bytes
    }

    /// Reads the head; the result has no script yet, and the number says how many bytes it has; the time is
    /// the limit, in whole seconds.
    pub(super) fn read_head(bytes: &[u8; ORDER_BYTES]) -> Option<(Self, usize, Duration)> {
        let (text, case) = bytes.split_last_chunk::<CASE_BYTES>()?;
        let mut words = str::from_utf8(text).ok()?.strip_prefix("odeon-sim order ")?.split(' ');
        let script = words.next()?.parse().ok().filter(|length| *length <= SCRIPT_BYTES_MAX)?;
        let limit = Duration::from_secs(words.next()?.parse().ok()?);
        let case = Case::decode(case)?;
        Some((Self { case, script: String::new() }, script, limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_goes_both_ways() {
        let order = Order::plain(Case::new(u64::MAX));
        let (minute, ever) = (Duration::from_secs(60), Duration::from_secs(u64::MAX));
        assert_eq!(Order::read_head(&order.head(minute)), Some((order, 0, minute)));
        let order = Order::of(Case::new(1), "{}".to_owned());
        let read = Order::read_head(&order.head(ever));
        assert_eq!(read, Some((Order { script: String::new(), ..order }, 2, ever)));
        assert_eq!(Order::read_head(&[b'x'; ORDER_BYTES]), None);
        let long = Order::of(Case::new(1), "x".repeat(SCRIPT_BYTES_MAX + 1));
        assert_eq!(Order::read_head(&long.head(minute)), None);
    }
}
