//! Stands in until the frames of odeon-wire are there.
/// A received frame.
#[derive(Debug)]
pub struct Frame {}
/// The header of a frame to send.
#[derive(Debug)]
pub struct FrameHeader {}
/// The reason in a refusal.
pub type RefusedByPeer = Box<str>;
