//! Associations between whole endpoints, on a network in memory under a paused clock.

#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up has failed")]

mod bulk;
mod chaos;
mod dials;
mod enrolment;
mod figures;
mod handshake;
mod inbound;
mod lanes;
mod losses;
mod net;
mod node;
mod pki;
mod rotation;
mod strangers;
