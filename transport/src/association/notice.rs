//! Notices: the frames that end somebody's waiting, and the room that a lane keeps for them.
//!
//! What it is: which frames those are, and how far they go beyond what others may fill (`lane.rs`). What it is NOT: the
//! reset that follows when even that is full, which is the driver's (`connection.rs`).

use odeon_wire::FrameKind;

/// Longest notice that the reserve of a lane takes: more than any error or terminated frame has.
pub(super) const NOTICE_BYTES_MAX: usize = 1 << 10;
/// Bytes beyond twice `lane_bytes_max` up to which notices are taken: some ten thousand. Beyond it the connection is
/// reset, so that asks fail and watches are said again.
pub(super) const NOTICES_BYTES_MAX: usize = 1 << 20;

/// Whether a frame must reach the peer or end the connection: nothing says again what it says. A ping asks whether
/// those before it were read.
pub(super) fn is_notice(kind: FrameKind) -> bool {
    matches!(kind, FrameKind::Error | FrameKind::Terminated | FrameKind::Ping)
}
