//! Extensions: what a frame says beyond its header, as bounded tag-length-value records.
//!
//! Most frames have none. Layout and numbers are in `format.md`; an unknown record is skipped unless its sender
//! insists on it.

use std::time::Duration;

use odeon_message::{Address, Fingerprint, TraceContext, TraceState};

use crate::{
    Body, ExtensionError, StreamCredit,
    bytes::{ADDRESS_BYTES, address, put_address},
    format::{CHAIN_ADDRESSES_MAX, padded},
};

const REMAINING: u16 = 1;
const TRACE: u16 = 2;
const CHAIN: u16 = 3;
const EPOCH: u16 = 4;
const REPEAT: u16 = 5;
const LAYOUT: u16 = 6;
const STREAM: u16 = 7;
const CLOCK: u16 = 8;
const GUEST: u16 = 9;
const TRACE_STATE: u16 = 10;
/// Bit of the tag: a receiver that does not know the extension must refuse the frame.
const MUST_UNDERSTAND: u16 = 0x8000;
const HEAD_BYTES: usize = 4;
const TRACE_BYTES: usize = 25;

/// What a frame carries beside header and payload. The default is nothing, and costs no byte.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Extensions {
    /// Time left until the asker gives up, from when the frame was written; whole microseconds travel.
    pub remaining: Option<Duration>,
    /// The trace the message is part of. One that is not valid is not written.
    pub trace: Option<TraceContext>,
    /// The frame had a trace context that is none, of another length or with an id that is all zero; or a state that is
    /// none, or without a context. It is never written; a trace is not worth a connection.
    pub trace_ignored: bool,
    /// The actors that wait for this ask, oldest first; at most [`CHAIN_ADDRESSES_MAX`], the oldest are cut.
    pub chain: Vec<Address>,
    /// The epoch of the shard the message is meant for; a receiver must understand it.
    pub shard_epoch: Option<u64>,
    /// What all attempts of one ask have in common, drawn at random by the asker: a receiver that knows it answers
    /// again, and does not run the message again.
    pub repeat: Option<u64>,
    /// The layout of the message, where the receiver accepts it in several; it must understand that.
    pub layout: Option<Fingerprint>,
    /// What the asker takes of a streamed reply before it grants more; the receiver must understand that it is one.
    pub stream: Option<StreamCredit>,
    /// What the sender's wall clock says, since 1970; whole microseconds travel. Of hello and welcome alone.
    pub clock: Option<Duration>,
    /// The sender is a guest: it talks to the cluster and is no member of it. Of hello and welcome alone.
    pub guest: bool,
}

impl Extensions {
    /// Nothing, for frames that need not make it.
    #[must_use]
    pub fn none() -> &'static Self {
        static NONE: Extensions = Extensions {
            remaining: None,
            trace: None,
            trace_ignored: false,
            chain: Vec::new(),
            shard_epoch: None,
            repeat: None,
            layout: None,
            stream: None,
            clock: None,
            guest: false,
        };
        &NONE
    }

    /// Only the time left.
    #[must_use]
    pub fn remaining(remaining: Option<Duration>) -> Self {
        Self { remaining, ..Self::default() }
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remaining.is_none()
            && self.trace.as_ref().is_none_or(|trace| !trace.is_valid())
            && self.chain.is_empty()
            && self.shard_epoch.is_none()
            && self.repeat.is_none()
            && self.layout.is_none()
            && self.stream.is_none()
            && self.clock.is_none()
            && !self.guest
    }

    /// Appends the records, padded to 16; at most 1,152 bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        if let Some(remaining) = self.remaining {
            let micros = u64::try_from(remaining.as_micros()).unwrap_or(u64::MAX);
            head(out, REMAINING, 8);
            out.extend_from_slice(&micros.to_le_bytes());
        }
        let trace = self.trace.as_ref().filter(|trace| trace.is_valid());
        if let Some(trace) = trace {
            head(out, TRACE, TRACE_BYTES);
            out.extend_from_slice(&trace.trace_id);
            out.extend_from_slice(&trace.parent_id);
            out.push(trace.flags);
        }
        let chain = &self.chain[self.chain.len().saturating_sub(CHAIN_ADDRESSES_MAX)..];
        if !chain.is_empty() {
            head(out, CHAIN, chain.len() * ADDRESS_BYTES);
            chain.iter().for_each(|link| put_address(out, link));
        }
        if let Some(epoch) = self.shard_epoch {
            head(out, EPOCH | MUST_UNDERSTAND, 8);
            out.extend_from_slice(&epoch.to_le_bytes());
        }
        if let Some(repeat) = self.repeat {
            head(out, REPEAT, 8);
            out.extend_from_slice(&repeat.to_le_bytes());
        }
        if let Some(layout) = self.layout {
            head(out, LAYOUT | MUST_UNDERSTAND, 8);
            out.extend_from_slice(&layout.0.to_le_bytes());
        }
        if let Some(stream) = self.stream {
            head(out, STREAM | MUST_UNDERSTAND, 16);
            stream.encode(out);
        }
        if let Some(clock) = self.clock {
            let micros = u64::try_from(clock.as_micros()).unwrap_or(u64::MAX);
            head(out, CLOCK, 8);
            out.extend_from_slice(&micros.to_le_bytes());
        }
        if self.guest {
            head(out, GUEST, 0);
        }
        if let Some(state) = trace.map(|trace| trace.state.as_str()).filter(|it| !it.is_empty()) {
            head(out, TRACE_STATE, state.len());
            out.extend_from_slice(state.as_bytes());
        }
        out.resize(start + padded(out.len() - start), 0);
    }

    /// Sets the remaining time to zero in a region that begins with one; false if it does not.
    pub(crate) fn expire(region: &mut [u8]) -> bool {
        let [t0, t1] = REMAINING.to_le_bytes();
        match region.get_mut(..HEAD_BYTES + 8) {
            Some(record) if record.starts_with(&[t0, t1, 8, 0]) => {
                record[HEAD_BYTES..].fill(0);
                true
            }
            _ => false,
        }
    }

    /// Reads the whole region of a frame.
    pub(crate) fn decode(mut region: &[u8]) -> Result<Self, ExtensionError> {
        let mut extensions = Self::default();
        let mut before = 0;
        loop {
            // A tail too short for a head can only be padding.
            let Some((&[t0, t1, l0, l1], rest)) = region.split_first_chunk::<HEAD_BYTES>() else {
                return zeroes(region).map(|()| extensions);
            };
            let tag = u16::from_le_bytes([t0, t1]);
            if tag == 0 {
                return zeroes(region).map(|()| extensions);
            }
            let number = tag & !MUST_UNDERSTAND;
            let len = usize::from(u16::from_le_bytes([l0, l1]));
            let Some((value, rest)) = rest.split_at_checked(len) else {
                return Err(ExtensionError::Truncated { tag: number, len, left: rest.len() });
            };
            if number <= before {
                return Err(ExtensionError::Order { tag: number, before });
            }
            if !extensions.take(number, value)? && tag & MUST_UNDERSTAND != 0 {
                return Err(ExtensionError::MustUnderstand { tag: number });
            }
            before = number;
            region = rest;
        }
    }

    /// Takes one record; false if it is not known.
    fn take(&mut self, tag: u16, value: &[u8]) -> Result<bool, ExtensionError> {
        let wrong = ExtensionError::Length { tag, len: value.len() };
        let long = || value.try_into().map(u64::from_le_bytes).map_err(|_| wrong.clone());
        match tag {
            REMAINING => self.remaining = Some(Duration::from_micros(long()?)),
            TRACE => {
                self.trace = trace(value);
                self.trace_ignored = self.trace.is_none();
            }
            CHAIN => {
                let (links, rest) = value.as_chunks::<ADDRESS_BYTES>();
                if links.is_empty() || links.len() > CHAIN_ADDRESSES_MAX || !rest.is_empty() {
                    return Err(wrong);
                }
                self.chain = links.iter().map(address).collect();
            }
            EPOCH => self.shard_epoch = Some(long()?),
            REPEAT => self.repeat = Some(long()?),
            LAYOUT => self.layout = Some(Fingerprint(long()?)),
            STREAM => self.stream = Some(StreamCredit::decode(value).map_err(|_| wrong)?),
            CLOCK => self.clock = Some(Duration::from_micros(long()?)),
            GUEST if value.is_empty() => self.guest = true,
            GUEST => return Err(wrong),
            // Behind the context, for numbers ascend.
            TRACE_STATE => match (&mut self.trace, trace_state(value)) {
                (Some(trace), Some(state)) => trace.state = state,
                _ => self.trace_ignored = true,
            },
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn head(out: &mut Vec<u8>, tag: u16, len: usize) {
    let len = u16::try_from(len).expect("the longest record is a chain of 16 addresses, 512 bytes");
    out.extend_from_slice(&tag.to_le_bytes());
    out.extend_from_slice(&len.to_le_bytes());
}

/// A trace context, if it is one.
fn trace(value: &[u8]) -> Option<TraceContext> {
    let (trace_id, rest) = value.split_first_chunk::<16>()?;
    let (parent_id, rest) = rest.split_first_chunk::<8>()?;
    let [flags] = rest else { return None };
    let context = TraceContext::new(*trace_id, *parent_id, *flags);
    Some(context).filter(TraceContext::is_valid)
}

/// What tracing systems say with it, if it is that, in the one form in which it is written.
fn trace_state(value: &[u8]) -> Option<TraceState> {
    let text = std::str::from_utf8(value).ok()?;
    let state: TraceState = text.parse().ok()?;
    (!state.is_empty() && state.as_str() == text).then_some(state)
}

fn zeroes(region: &[u8]) -> Result<(), ExtensionError> {
    let zero = region.iter().all(|byte| *byte == 0);
    // A whole unit of padding would be a unit too many: lengths have one form.
    if zero && region.len() < crate::format::ALIGNMENT {
        Ok(())
    } else {
        Err(ExtensionError::Padding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(tag: u16, value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        head(&mut out, tag, value.len());
        out.extend_from_slice(value);
        out
    }

    fn decode(records: &[Vec<u8>]) -> Result<Extensions, ExtensionError> {
        let mut region = records.concat();
        region.resize(padded(region.len()), 0);
        Extensions::decode(&region)
    }

    #[test]
    fn nothing_costs_nothing() {
        let mut out = Vec::new();
        Extensions::default().encode(&mut out);
        assert!(out.is_empty());
        assert_eq!(Extensions::decode(&[]), Ok(Extensions::default()));
    }

    #[test]
    fn the_time_left_takes_one_unit() {
        let extensions = Extensions::remaining(Some(Duration::from_micros(7)));
        let mut out = Vec::new();
        extensions.encode(&mut out);
        assert_eq!(out.len(), 16);
        assert_eq!(Extensions::decode(&out), Ok(extensions));
        let mut forever = Vec::new();
        Extensions::remaining(Some(Duration::MAX)).encode(&mut forever);
        let micros = Duration::from_micros(u64::MAX);
        assert_eq!(Extensions::decode(&forever).unwrap().remaining, Some(micros));
    }

    #[test]
    fn long_chains_lose_their_oldest_end() {
        let link = |number| address(&[number; 32]);
        let chain: Vec<Address> = (0..20).map(link).collect();
        let state: TraceState = (0..4)
            .map(|number| format!("k{number}={}", "v".repeat(124)))
            .collect::<Vec<_>>()
            .join(",")
            .parse()
            .unwrap();
        assert_eq!(state.as_str().len(), 511);
        let trace = TraceContext::new([1; 16], [2; 8], 3).with_state(state);
        let all = Extensions {
            remaining: Some(Duration::ZERO),
            trace: Some(trace.clone()),
            trace_ignored: false,
            chain: chain.clone(),
            shard_epoch: Some(1),
            repeat: Some(2),
            layout: Some(Fingerprint(3)),
            stream: Some(StreamCredit { items: 4, bytes: 5 }),
            clock: Some(Duration::from_micros(6)),
            guest: true,
        };
        let mut out = Vec::new();
        all.encode(&mut out);
        assert_eq!(out.len(), 1_152);
        let read = Extensions::decode(&out).unwrap();
        assert_eq!((read.chain, read.trace), (chain[4..].to_vec(), Some(trace)));
    }

    #[test]
    fn unknown_records_are_skipped_unless_the_sender_insists() {
        let known = record(EPOCH, &5_u64.to_le_bytes());
        let read = decode(&[known.clone(), record(99, b"news")]).unwrap();
        assert_eq!(read.shard_epoch, Some(5));
        let insists = decode(&[known, record(99 | MUST_UNDERSTAND, b"news")]);
        assert_eq!(insists, Err(ExtensionError::MustUnderstand { tag: 99 }));
        // The bit changes nothing for what is known.
        let known = record(REMAINING | MUST_UNDERSTAND, &5_u64.to_le_bytes());
        assert_eq!(decode(&[known]).unwrap().remaining, Some(Duration::from_micros(5)));
    }

    #[test]
    fn every_wrong_length_is_named() {
        let long = vec![0; (CHAIN_ADDRESSES_MAX + 1) * ADDRESS_BYTES];
        let wrong: [(u16, &[u8]); 10] = [
            (REMAINING, &[0; 7]),
            (REMAINING, &[0; 9]),
            (CHAIN, &[0; 31]),
            (CHAIN, &long),
            (EPOCH, &[]),
            (REPEAT, &[0; 16]),
            (LAYOUT, &[0; 4]),
            (STREAM, &[0; 15]),
            (CLOCK, &[0; 4]),
            (GUEST, &[1]),
        ];
        for (tag, value) in wrong {
            let error = ExtensionError::Length { tag, len: value.len() };
            assert_eq!(decode(&[record(tag, value)]), Err(error));
        }
        assert_eq!(
            decode(&[record(CHAIN, &[])]),
            Err(ExtensionError::Length { tag: CHAIN, len: 0 })
        );
    }

    #[test]
    fn a_trace_context_that_is_none_is_ignored_and_said_to_be() {
        let (mut no_trace, mut no_parent) = ([1; 25], [1; 25]);
        no_trace[..16].fill(0);
        no_parent[16..24].fill(0);
        let repeat = record(REPEAT, &7_u64.to_le_bytes());
        for value in [&[][..], &[1; 24], &[1; 26], &no_trace, &no_parent] {
            let read = decode(&[record(TRACE, value), repeat.clone()]).unwrap();
            let expected =
                Extensions { trace_ignored: true, repeat: Some(7), ..Extensions::default() };
            assert_eq!(read, expected);
        }
        let read = decode(&[record(TRACE, &[1; 25])]).unwrap();
        assert!(read.trace.is_some_and(|trace| trace.is_valid()) && !read.trace_ignored);
        let none = TraceContext::new([0; 16], [1; 8], 1).with_state("a=1".parse().unwrap());
        let none = Extensions { trace: Some(none), ..Extensions::default() };
        let mut out = Vec::new();
        none.encode(&mut out);
        assert!(none.is_empty() && out.is_empty());
    }

    #[test]
    fn a_trace_state_belongs_to_its_context_and_is_ignored_where_it_is_none() {
        let (context, repeat) = (record(TRACE, &[1; 25]), record(REPEAT, &7_u64.to_le_bytes()));
        let with = |value: &[u8]| {
            decode(&[context.clone(), repeat.clone(), record(TRACE_STATE, value)]).unwrap()
        };
        let read = with(b"rojo=1,congo=t61");
        let state = read.trace.as_ref().map(|trace| trace.state.to_string());
        assert_eq!((state.as_deref(), read.trace_ignored), (Some("rojo=1,congo=t61"), false));
        let long = format!("k={},l={}", "v".repeat(256), "v".repeat(256));
        let wrong: [&[u8]; 6] =
            [b"", b"no member", b"a=1,a=2", b"a=1, b=2", &[0xff; 4], long.as_bytes()];
        for value in wrong {
            let read = with(value);
            let state = read.trace.map(|trace| trace.state);
            assert_eq!((state, read.trace_ignored), (Some(TraceState::NONE), true), "{value:?}");
        }
        let alone = decode(&[repeat.clone(), record(TRACE_STATE, b"a=1")]).unwrap();
        assert_eq!((alone.trace, alone.trace_ignored, alone.repeat), (None, true, Some(7)));
    }

    #[test]
    fn order_end_and_padding_are_checked() {
        let eight = 1_u64.to_le_bytes();
        let twice = decode(&[record(REMAINING, &eight), record(REMAINING, &eight)]);
        assert_eq!(twice, Err(ExtensionError::Order { tag: 1, before: 1 }));
        let back = decode(&[record(EPOCH, &eight), record(REMAINING, &eight)]);
        assert_eq!(back, Err(ExtensionError::Order { tag: 1, before: 4 }));
        // "Must understand" alone has no number.
        let none = decode(&[record(MUST_UNDERSTAND, &[])]);
        assert_eq!(none, Err(ExtensionError::Order { tag: 0, before: 0 }));
        let mut cut = record(REMAINING, &eight);
        cut[2] = 13;
        let truncated = ExtensionError::Truncated { tag: 1, len: 13, left: 12 };
        cut.resize(16, 0);
        assert_eq!(Extensions::decode(&cut), Err(truncated));
        assert_eq!(Extensions::decode(&[0; 16]), Err(ExtensionError::Padding));
        let mut dirty = record(99, &[]);
        dirty.resize(16, 0);
        dirty[15] = 1;
        assert_eq!(Extensions::decode(&dirty), Err(ExtensionError::Padding));
    }
}
