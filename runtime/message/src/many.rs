//! Keys that stand for many actors of a node: for all members of a group, for all who listen to a topic.
//!
//! A message to such a key is sent once to a node and given to each of them there. No actor has a key of this kind: slots
//! of the table of reachable actors end below. What it is NOT: a list of anybody; the runtime keeps that. The layout is
//! part of the wire format, told in its `format.md`.

use crate::{ActorKey, ActorTypeId, MessageId};

/// The bit of a slot that says so.
const MANY: u32 = 1 << 31;
/// The bit that tells topics from groups.
const TOPIC: u32 = 1 << 30;

impl ActorKey {
    /// The first slot that no actor has: from here on a key stands for many.
    pub const MANY: u32 = MANY;

    /// All actors of this type in the group of this name, on one node.
    ///
    /// Two groups may have one key, once in some 10^18 pairs: whoever keeps groups must refuse the second.
    #[must_use]
    pub const fn of_group(group: &str, actor_type: ActorTypeId) -> Self {
        // The name's hash is spread over all bits, and so is that of the type.
        let hash = MessageId::of(group).0 ^ actor_type.0.rotate_left(31);
        Self { slot: MANY | (hash >> 32) as u32 & (TOPIC - 1), generation: hash as u32 }
    }

    /// All who listen to this topic on one node. Topics with one key share their order and their credit, nothing else.
    #[must_use]
    pub const fn of_topic(topic: &str) -> Self {
        let hash = MessageId::of(topic).0;
        Self { slot: MANY | TOPIC | (hash >> 32) as u32 & (TOPIC - 1), generation: hash as u32 }
    }

    /// Whether it stands for many actors, those of a group or of a topic.
    #[must_use]
    pub const fn is_many(self) -> bool {
        self.slot & MANY != 0
    }

    /// Whether it stands for all who listen to a topic.
    #[must_use]
    pub const fn is_topic(self) -> bool {
        self.slot & (MANY | TOPIC) == MANY | TOPIC
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_many_are_stable_across_releases() {
        // Frames carry them: a change here is a change of the wire format.
        let group = ActorKey::of_group("workers", ActorTypeId::of("app/Worker"));
        let topic = ActorKey::of_topic("prices.gold");
        assert_eq!((group.slot, group.generation), (0x80ec_4204, 0xc9e9_2b29));
        assert_eq!((topic.slot, topic.generation), (0xf2eb_0ec3, 0xdfe1_00a4));
        assert!(group.is_many() && !group.is_topic());
        assert!(topic.is_many() && topic.is_topic());
        let actor = ActorKey { slot: MANY - 1, generation: u32::MAX };
        assert!(!actor.is_many() && !actor.is_topic());
        assert_ne!(group, ActorKey::of_group("workers", ActorTypeId::of("app/Other")));
        assert_ne!(group, ActorKey::of_group("others", ActorTypeId::of("app/Worker")));
    }
}
