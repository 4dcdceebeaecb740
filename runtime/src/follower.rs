//! The follower: hears from another node's registrar who has a name.
//!
//! One lives for each subscription to a remote name, made by `remote_node.rs`; it only passes on what it hears, unless
//! something later is known. What it is NOT: the one who asks again now and then, whose answers come on another way.

use odeon_actor::{Actor, Context, Handler, StartError};
use odeon_macros::actor;
use odeon_message::{Address, Incarnation};
use tokio::sync::watch;

use crate::registrar::{Holding, NameIs};

/// What is known of a followed name.
#[derive(Default)]
pub(crate) struct Known {
    /// Who has it.
    pub(crate) holder: Option<Address>,
    /// As of which life of its node, and which change of names in that life.
    as_of: Option<(Incarnation, u64)>,
}

impl Known {
    /// Takes what is not older than what is known; says whether that is another holder.
    fn learn(&mut self, holding: Holding) -> bool {
        let as_of = Some((holding.incarnation, holding.version));
        if as_of < self.as_of {
            return false;
        }
        let changed = self.holder != holding.holder;
        *self = Self { holder: holding.holder, as_of };
        changed
    }
}

/// Notes a holder; readers wake only if it is another than before.
pub(crate) fn learn(known: &watch::Sender<Known>, holding: Holding) {
    known.send_if_modified(|known| known.learn(holding));
}

/// Notes that this life of the node is over: nothing that is still said of it counts.
pub(crate) fn lost(known: &watch::Sender<Known>, incarnation: Incarnation) {
    learn(known, Holding { holder: None, hidden: None, incarnation, version: u64::MAX });
}

/// Hears the holders of one name.
pub(crate) struct Follower {
    known: watch::Sender<Known>,
}

#[actor(id = "odeon/Follower", handles(NameIs))]
impl Actor for Follower {
    type Args = watch::Sender<Known>;

    async fn start(known: Self::Args, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { known })
    }
}

impl Handler<NameIs> for Follower {
    async fn handle(&mut self, name: NameIs, _: &mut Context<Self>) {
        learn(&self.known, name.holding);
    }
}

#[cfg(test)]
mod tests {
    use odeon_message::{ActorKey, ActorTypeId, NodeId};

    use super::*;

    fn holding(life: u64, version: u64, slot: Option<u32>) -> Holding {
        let incarnation = Incarnation(life);
        let address = |slot| Address {
            node: NodeId(1),
            incarnation,
            key: ActorKey { slot, generation: 0 },
            actor_type: ActorTypeId(1),
        };
        Holding { holder: slot.map(address), hidden: None, incarnation, version }
    }

    fn slot(known: &watch::Sender<Known>) -> Option<u32> {
        known.borrow().holder.map(|holder| holder.key.slot)
    }

    /// The answer of a refresh was under way in another lane while the name changed, and overwrote the change.
    #[test]
    fn an_older_answer_does_not_overwrite_a_newer_change() {
        let (known, mut reader) = watch::channel(Known::default());
        learn(&known, holding(1, 3, Some(7)));
        learn(&known, holding(1, 5, None));
        reader.mark_unchanged();
        learn(&known, holding(1, 3, Some(7)));
        assert_eq!(slot(&known), None);
        learn(&known, holding(1, 6, None));
        assert!(!reader.has_changed().unwrap(), "nobody wakes for what is old or the same");
        learn(&known, holding(1, 7, Some(8)));
        assert!(reader.has_changed().unwrap());
    }

    #[test]
    fn a_life_that_is_over_says_nothing_any_more_and_does_not_end_the_next() {
        let (known, _reader) = watch::channel(Known::default());
        learn(&known, holding(1, 9, Some(7)));
        lost(&known, Incarnation(1));
        learn(&known, holding(1, 10, Some(7)));
        assert_eq!(slot(&known), None);
        learn(&known, holding(2, 1, Some(8)));
        lost(&known, Incarnation(1));
        assert_eq!(slot(&known), Some(8), "news of the next life came first");
        lost(&known, Incarnation(2));
        assert_eq!(slot(&known), None);
    }
}
