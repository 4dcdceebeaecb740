//! A ring of entries that have a fixed size, and the text that fits into one.
//!
//! Nothing here allocates. Read `told.rs` next.

use std::fmt::{self, Write as _};

/// What an entry tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum What {
    #[default]
    Turn,
    Fault,
    Repaired,
    Phase,
    Note,
    Log,
    ActorStarted,
    ActorStopped,
    Handler,
    Timer,
    Disk,
    FrameOut,
    FrameIn,
    Sent,
    Ended,
    Unreachable,
}

/// What all entries have; what a field means, the entry's `what` says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    /// The number of the event in the trace.
    pub(super) order: u64,
    pub(super) at_ns: u64,
    pub(super) number: u64,
    /// The hash of the bytes.
    pub(super) hash: u64,
    /// How many bytes.
    pub(super) size: u32,
    pub(super) host: u16,
    pub(super) peer: u16,
    pub(super) what: What,
    pub(super) kind: u8,
}

impl Fields {
    pub(super) const EMPTY: Self = Self {
        order: 0,
        at_ns: 0,
        number: 0,
        hash: 0,
        size: 0,
        host: 0,
        peer: 0,
        what: What::Turn,
        kind: 0,
    };
}

/// The beginning of a text.
#[derive(Clone, Copy)]
pub(super) struct Text<const BYTES: usize> {
    bytes: [u8; BYTES],
    length: u8,
}

impl<const BYTES: usize> Text<BYTES> {
    pub(super) const EMPTY: Self = {
        assert!(BYTES <= u8::MAX as usize, "the length is a byte");
        Self { bytes: [0; BYTES], length: 0 }
    };

    pub(super) fn of(text: fmt::Arguments<'_>) -> Self {
        let mut short = Self::EMPTY;
        // What does not fit is left out.
        let _ = short.write_fmt(text);
        short
    }

    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl<const BYTES: usize> fmt::Write for Text<BYTES> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let start = usize::from(self.length);
        let fits = text.floor_char_boundary(BYTES - start);
        self.bytes[start..start + fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.length = (start + fits) as u8;
        if fits == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// One entry.
#[derive(Clone, Copy)]
pub(super) struct Entry<const BYTES: usize> {
    pub(super) fields: Fields,
    pub(super) text: Text<BYTES>,
}

/// The last entries.
pub(super) struct Ring<const ENTRIES: usize, const BYTES: usize> {
    entries: [Entry<BYTES>; ENTRIES],
    /// How many there were.
    count: usize,
}

impl<const ENTRIES: usize, const BYTES: usize> Ring<ENTRIES, BYTES> {
    pub(super) const EMPTY: Self =
        Self { entries: [Entry { fields: Fields::EMPTY, text: Text::EMPTY }; ENTRIES], count: 0 };

    pub(super) fn clear(&mut self) {
        self.count = 0;
    }

    /// Adds an entry; where there is no room, in place of the oldest.
    pub(super) fn push(&mut self, fields: Fields, text: fmt::Arguments<'_>) {
        self.entries[self.count % ENTRIES] = Entry { fields, text: Text::of(text) };
        self.count += 1;
    }

    /// The entries, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry<BYTES>> {
        (self.left_out()..self.count).map(|at| &self.entries[at % ENTRIES])
    }

    /// How many entries are gone.
    pub(super) fn left_out(&self) -> usize {
        self.count.saturating_sub(ENTRIES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first_and_are_counted() {
        let mut ring = Ring::<4, 8>::EMPTY;
        for order in 0..6 {
            ring.push(Fields { order, ..Fields::EMPTY }, format_args!("entry {order}"));
        }
        let kept: Vec<_> =
            ring.iter().map(|entry| (entry.fields.order, entry.text.as_str())).collect();
        assert_eq!(kept, [(2, "entry 2"), (3, "entry 3"), (4, "entry 4"), (5, "entry 5")]);
        assert_eq!(ring.left_out(), 2);
        ring.clear();
        assert_eq!((ring.iter().count(), ring.left_out()), (0, 0));
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(Text::<8>::of(format_args!("{}", "äöüßé")).as_str(), "äöüß");
        assert_eq!(Text::<7>::of(format_args!("{}", "äöüßé")).as_str(), "äöü");
        assert_eq!(Text::<0>::of(format_args!("{}", "x")).as_str(), "");
    }
}
