//! The bytes of version 1, and every bound in them.
//!
#![doc = include_str!("format.md")]

/// The version byte of every frame and preamble.
pub const VERSION: u8 = 1;
/// The newest revision of version 1 that this crate speaks; revisions are negotiated in the handshake.
pub const REVISION: u16 = 2;
/// The revision from which on a node reads trains.
pub const TRAINS_SINCE: u16 = 2;
/// Everything on a stream is a multiple of this many bytes, so that payloads stay aligned for any archive.
pub const ALIGNMENT: usize = 16;
/// Length of the fixed header.
pub const HEADER_BYTES: usize = 32;
/// Length of what a stream starts with.
pub const PREAMBLE_BYTES: usize = 16;
/// Longest frame in a lane by default, header and padding included: 1 MiB. Large messages have a stream of their own.
pub const FRAME_BYTES_MAX_DEFAULT: usize = 1 << 20;
/// Smallest bound on a frame that can be configured: every control frame fits.
pub const FRAME_BYTES_MAX_LEAST: usize = CONTROL_FRAME_BYTES_MAX;
/// Largest bound on a frame that can be configured: 256 MiB, far below what the 32-bit length could say.
pub const FRAME_BYTES_MAX_MOST: usize = 256 << 20;
/// Longest payload of a train: a header then is a thousandth of it, and it fits any bound on frames.
pub const TRAIN_BYTES_MAX: usize = 64 << 10;
/// Longest archive that a sender puts in a train: of longer ones a header each is 3 %, and they are checked for being alike
/// in vain.
pub const TRAIN_ARCHIVE_BYTES_MAX: usize = 1 << 10;
/// Longest frame on the control stream: 128 KiB. The longest without extensions, a welcome with a full table, has
/// 65,776 bytes.
pub const CONTROL_FRAME_BYTES_MAX: usize = 128 << 10;
/// Size of a receive slab by default: 64 KiB.
pub const SLAB_BYTES_DEFAULT: usize = 64 << 10;
/// Most bytes of extensions in one frame: the header counts units of 16 in one byte.
pub const EXTENSION_BYTES_MAX: usize = 255 * ALIGNMENT;
/// Most addresses in an ask chain: deeper chains are cut at the oldest end.
pub const CHAIN_ADDRESSES_MAX: usize = 16;
/// Most waits that one probe comes over: longer circles are left to the deadline.
pub const PROBE_WAITS_MAX: usize = 32;
/// Most ways into which one search for a circle splits: what waits for more at once is looked at no further.
pub const PROBE_WAYS_MAX: usize = 16;
/// Longest name of an actor in a probe.
pub const PROBE_ACTOR_BYTES_MAX: usize = 96;
/// Longest payload of a probe.
pub(crate) const PROBE_BYTES_MAX: usize = 16 + PROBE_WAITS_MAX * (34 + PROBE_ACTOR_BYTES_MAX);
/// Most messages in an accepted table.
pub const ACCEPTED_MAX: usize = 4096;
/// Most message lanes in one direction: lanes isolate receivers from each other, more add no throughput.
pub const LANES_MAX: u8 = 16;
/// Most bulk streams that a node reads at once.
pub const BULK_STREAMS_MAX: u8 = 128;
/// Bulk streams that a node reads at once by default: with short round trips some of them keep any network busy.
pub const BULK_STREAMS_DEFAULT: u8 = 32;
/// The unit in which a hello says how long a frame on a bulk stream may be: 64 KiB.
pub const BULK_UNIT_BYTES: usize = 64 << 10;
/// Longest message by default: 64 MiB.
pub const MESSAGE_BYTES_MAX_DEFAULT: usize = 64 << 20;
/// Most frames of one connection that are announced and not complete, as its receiver counts them.
pub const BULK_ANNOUNCED_MAX: usize = 4096;
/// As its sender counts them, a quarter: the sender knows earlier than the receiver that a stream is at its end.
pub const BULK_SENT_MAX: usize = BULK_ANNOUNCED_MAX / 4;
/// Most terminateds and pings of one connection that wait for announced frames before them.
pub const BULK_NOTICES_MAX: usize = 65_536;
/// Bytes of the secret in a join token: 128 bits cannot be guessed, least of all at the endpoint's rate.
pub const ENROL_SECRET_BYTES: usize = 16;
/// Longest signing request of a fresh node; one for P-256 has some 250 bytes, one for RSA with 4096 bits 1,600.
pub const ENROL_CSR_BYTES_MAX: usize = 2048;
/// Longest certificate that a fresh node takes; those that `odeon ca` makes have some 500 bytes.
pub const ENROL_CERTIFICATE_BYTES_MAX: usize = 4096;
/// Longest request of a fresh node.
pub const ENROL_REQUEST_BYTES_MAX: usize =
    4 + ENROL_SECRET_BYTES + 2 + odeon_message::NAME_BYTES_MAX + 2 + ENROL_CSR_BYTES_MAX;
/// Longest answer to it.
pub const ENROL_ANSWER_BYTES_MAX: usize = 4 + 2 + 2 + ENROL_CERTIFICATE_BYTES_MAX;
/// Longest text of a refusal, a close or a termination.
pub const TEXT_BYTES_MAX: usize = 256;
/// Most receivers in one credit frame.
pub const CREDIT_TOTALS_MAX: usize = 1024;
/// Most receivers with credit state in one lane, on both sides.
pub const CREDIT_ENTRIES_MAX: usize = 65_536;
/// Credit in messages for each receiver by default.
pub const CREDIT_MESSAGES_DEFAULT: u32 = 256;
/// Credit in bytes for each receiver by default: 1 MiB.
pub const CREDIT_BYTES_DEFAULT: u32 = 1 << 20;
/// Most bytes waiting in one lane by default: 4 MiB.
pub const LANE_BYTES_MAX_DEFAULT: usize = 4 << 20;

/// `len` rounded up to a multiple of [`ALIGNMENT`].
#[must_use]
pub const fn padded(len: usize) -> usize {
    len.next_multiple_of(ALIGNMENT)
}
