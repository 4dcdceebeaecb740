//! What a node says of itself in the roster, and the pages in which it tells the others.
//!
//! What it is: the parts that travel. What it is NOT: the order in which pages are sent and taken; that is `own.rs` and
//! `replica.rs`.

use odeon_message::{ActorKey, Address, Incarnation, MessageId, NodeId, data};

use super::interests::check_pattern;

/// Longest name, name of a group, or pattern of topics, in bytes.
pub const SUBJECT_BYTES_MAX: usize = 256;

/// What an entry is about: a node has at most one of each.
#[data(crate = odeon_message)]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Subject {
    /// A name, which one actor of the cluster has.
    Name(Box<str>),
    /// An actor in a group.
    Member {
        /// The group.
        group: Box<str>,
        /// Its place on its node.
        actor: ActorKey,
    },
    /// Topics that somebody on the node listens to.
    Interest {
        /// Which, as a pattern.
        pattern: Box<str>,
        /// The type of the messages.
        message: MessageId,
    },
}

impl Subject {
    /// Whether its text is within its bounds, and a pattern one.
    pub(super) fn is_sound(&self) -> bool {
        (1..=SUBJECT_BYTES_MAX).contains(&self.text().len())
            && match self {
                Self::Interest { pattern, .. } => check_pattern(pattern).is_ok(),
                Self::Name(_) | Self::Member { .. } => true,
            }
    }

    /// The name, the group or the pattern.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Name(text)
            | Self::Member { group: text, .. }
            | Self::Interest { pattern: text, .. } => text,
        }
    }
}

/// One entry of a node.
#[data(crate = odeon_message)]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// What it is about.
    pub subject: Subject,
    /// Who has the name, or is the member.
    pub address: Option<Address>,
    /// When a name was registered: of several claims the one with the smallest stamp holds. Microseconds since 1970 by
    /// the clock of its node, or one more than any that the node had seen, if that is later.
    pub stamp: u64,
}

impl Entry {
    /// What tells a set of entries from another, together with those of the others: see [`Page::digest`].
    pub(super) fn digest(&self, version: u64) -> u64 {
        let (kind, extra) = match &self.subject {
            Subject::Name(_) => (1, 0),
            Subject::Member { actor, .. } => {
                (2, u64::from(actor.slot) << 32 | u64::from(actor.generation))
            }
            Subject::Interest { message, .. } => (3, message.0),
        };
        // FNV-1a, 64 bits (Fowler, Noll, Vo).
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let mut mix = |byte: u8| {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        };
        mix(kind);
        version.to_le_bytes().into_iter().for_each(&mut mix);
        extra.to_le_bytes().into_iter().for_each(&mut mix);
        self.subject.text().bytes().for_each(&mut mix);
        hash
    }
}

/// A part of one node's entries: everything of it whose version is above `from` and at most `to`.
///
/// Each change of a node's entries has a version, counted in one life of the node. What has no entry here and had one
/// of these versions is gone.
#[data(crate = odeon_message)]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// Whose entries.
    pub owner: NodeId,
    /// In which life.
    pub incarnation: Incarnation,
    /// Whoever has all up to here may take the page.
    pub from: u64,
    /// And then has all up to here.
    pub to: u64,
    /// The entries, each with its version.
    pub entries: Vec<(u64, Entry)>,
    /// What was removed, each with the version of its removal.
    pub removals: Vec<(u64, Subject)>,
    /// Of the last page: what all entries together come to, each hashed with its version, by exclusive or. Whoever gets
    /// another sum is told everything again.
    pub digest: Option<u64>,
}

impl Page {
    /// Whether it has nothing that its owner could not have said: texts are within their bounds, patterns are some, names
    /// and members are its own actors, and nothing was registered later than `stamp_max`.
    pub(super) fn is_sound(&self, stamp_max: u64) -> bool {
        let is_own = |address: &Option<Address>| {
            address.is_some_and(|it| (it.node, it.incarnation) == (self.owner, self.incarnation))
        };
        let is_sound = |(_, entry): &(u64, Entry)| {
            entry.subject.is_sound()
                && entry.stamp <= stamp_max
                && match &entry.subject {
                    Subject::Name(_) => is_own(&entry.address),
                    Subject::Member { actor, .. } => {
                        is_own(&entry.address)
                            && entry.address.is_some_and(|address| address.key == *actor)
                    }
                    Subject::Interest { .. } => entry.address.is_none(),
                }
        };
        let removals = || self.removals.iter().all(|(_, subject)| subject.is_sound());
        self.entries.iter().all(is_sound) && removals()
    }
}

/// The answer to a page.
#[data(crate = odeon_message)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reached {
    /// Up to which version the answering node has the entries of the other now.
    pub covered: u64,
    /// The version of its own entries.
    pub version: u64,
    /// Whether it knows that life of the other node as a member; if not, it takes pages later.
    pub is_member: bool,
    /// Which members it sees, itself among them, in one number: the same on nodes that see the same ones.
    pub sight: u64,
}
