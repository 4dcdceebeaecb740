//! Identities: who is meant, on both sides of the wire.
//!
//! Every id is a newtype of fixed width, archives as itself and compares by value. Names are hashed to 64 bits at
//! compile time; two names with one hash are refused when a node starts. Read `message.rs` next.

use std::fmt;

/// Hashes a name to 64 bits: FNV-1a, then the finalizer of SplitMix64, so that short names spread over all bits.
///
/// Sources: FNV by Fowler, Noll and Vo; the finalizer is variant 13 of David Stafford's mixers.
const fn hash_name(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
        )]
        pub struct $name(pub $inner);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:x})", stringify!($name), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:x}", self.0)
            }
        }
    };
}

id! {
    /// A node, by the hash of its name: it stays the same when the node restarts.
    NodeId, u64
}
id! {
    /// One life of a node. A later life has a greater number; references to an earlier one are dead.
    Incarnation, u64
}
id! {
    /// A message type, by the hash of its declared id.
    MessageId, u64
}
id! {
    /// An actor type, by the hash of its declared id.
    ActorTypeId, u64
}
id! {
    /// One ask between two nodes, unique on the asking node for one incarnation; 0 means "no ask", a tell.
    AskId, u64
}

impl NodeId {
    /// The id of the node with this name.
    #[must_use]
    pub const fn of(name: &str) -> Self {
        Self(hash_name(name))
    }
}

impl MessageId {
    /// The id of the message type declared under this name.
    #[must_use]
    pub const fn of(name: &str) -> Self {
        Self(hash_name(name))
    }
}

impl ActorTypeId {
    /// The id of the actor type declared under this name.
    #[must_use]
    pub const fn of(name: &str) -> Self {
        Self(hash_name(name))
    }
}

impl AskId {
    /// What a tell carries where an ask carries its id.
    pub const NONE: Self = Self(0);
}

/// Where an actor lives on its node: a slot of the node's table and the generation of that slot.
///
/// A slot is used again after its actor is gone, with the next generation, so that a late message never reaches a
/// stranger.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
pub struct ActorKey {
    /// Index in the node's table of reachable actors.
    pub slot: u32,
    /// How often the slot was used before, modulo 2^32.
    pub generation: u32,
}

impl fmt::Display for ActorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

/// The full name of one actor in the cluster: 32 bytes on the wire.
///
/// It survives restarts by a supervisor and dies with the incarnation of its node.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
pub struct Address {
    /// The node it lives on.
    pub node: NodeId,
    /// The life of that node.
    pub incarnation: Incarnation,
    /// Its place on the node.
    pub key: ActorKey,
    /// Its type, so that a reference cannot be used as another's.
    pub actor_type: ActorTypeId,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}/{}", self.key, self.node, self.incarnation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_may_have_one_hash() {
        // Known collisions of FNV-1a, 64 bits: what a node must refuse when it starts.
        let (one, other) = ("8yn0iYCKYHlIj4-BwPqk", "GReLUrM4wMqfg9yzV3KQ");
        assert_eq!(MessageId::of(one), MessageId::of(other));
        assert_eq!(ActorTypeId::of(one), ActorTypeId::of(other));
    }

    #[test]
    fn ids_are_stable_across_releases() {
        // Frames carry these hashes: a change here is a change of the wire format.
        assert_eq!(hash_name(""), 0xf52a_15e9_a9b5_e89b);
        assert_eq!(MessageId::of("bank/Deposit"), MessageId(0x5c14_f027_8d86_3f6f));
        assert_ne!(MessageId::of("bank/Deposit"), MessageId::of("bank/Deposit2"));
        assert_eq!(NodeId::of("a").0, ActorTypeId::of("a").0);
    }
}
