//! Nodes over this machine's own sockets: what the tests of associations claim on a network in memory, and the simulator on
//! its own, real UDP must also show.

#[cfg(feature = "aws-lc-rs")]
mod crypto;
mod log;
mod messages;
mod mtu;
mod node;
mod peers;
#[path = "../outside/sending.rs"]
mod sending;
#[path = "../outside/stranger.rs"]
mod stranger;
mod strangers;
mod switch;
