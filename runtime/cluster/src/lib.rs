//! Membership: which nodes are part of the cluster, as a state machine; and the roster of what they have.
//!
//! What it is: SWIM with suspicion (Das, Gupta, Motivala, DSN 2002; the protocol's core is `foca`), a second, faster
//! means for nodes whose port is closed, leaving, rejoining after a false death, and healing after a partition. An
//! [`Event`] and the time go in, [`Effect`]s come out. What it is NOT: it sends nothing, sleeps never and cannot read
//! a clock, because it cannot name one. Whoever drives it ([`Membership::next_wakeup`]) is the runtime, or a test with
//! a clock of its own. Read `event.rs` next, then
//! `membership.rs`; names, groups and topics are in `roster.rs`.

mod bounds;
mod config;
mod doubt;
mod event;
mod identity;
mod member;
mod membership;
mod outbox;
mod packet;
mod profile;
mod roster;

pub use bounds::BoundsError;
pub use config::MembershipConfig;
pub use event::{DownReason, Effect, Event};
pub use member::Member;
pub use membership::{MEMBERS_MAX, Membership, Phase, Stats};
pub use packet::PACKET_BYTES_MAX;
pub use profile::{PROFILE_BYTES_MAX, PROFILE_TEXT_BYTES_MAX, Profile, ProfileError, ROLES_MAX};
pub use roster::{
    Cursor, Entry, EntryRefused, Learned, Lost, Page, PatternTree, Reached, Roster, RosterConfig,
    SUBJECT_BYTES_MAX, Subject, TOPIC_WORDS_MAX, TopicError, Touched, check_pattern, check_topic,
};

pub use odeon_message::{NameError, NodeName};
