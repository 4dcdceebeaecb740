//! Associations between whole endpoints, on a network in memory under a paused clock.

mod handshake;
mod lanes;
mod losses;
mod net;
mod node;
mod strangers;
