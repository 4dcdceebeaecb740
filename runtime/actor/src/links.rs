//! Links: two actors of one node that end together.
//!
//! A link ties two lives. When one of them ends, the other is told between two messages, once, in
//! [`Actor::link_ended`], which ends it too unless the first one stopped by itself, or the actor does something else
//! there: what OTP calls trapping exits (Erlang/OTP, "Processes", "Links"). A restart ends a life, unlike for a watch.
//! Each link has a number, by which news of one that was undone is recognised. What it is NOT: a watch, which goes one
//! way, to other nodes too, and past restarts (`watch.rs`).

use crate::{
    Actor, ActorRef, Context, ExitKind, ExitReason, Identity, Terminated,
    actor_ref::Place,
    bonds::LaneItem,
    cell::{CellHead, CellPtr},
};

/// One end of a link.
pub(crate) struct Link {
    other: CellPtr,
    token: u64,
}

/// Two actors were not linked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The other one lives on another node, or in an earlier life of this one.
    #[error("{actor} does not live on this node: watch it, and decide when it ends")]
    NotHere {
        /// The other one.
        actor: Box<str>,
    },
    /// One of the two has too many links.
    #[error("actor {number} has {LINKS_MAX} links already: undo some, or watch instead")]
    Full {
        /// Its number.
        number: u64,
    },
}

/// Most links of one actor: each costs a message when it ends.
pub(crate) const LINKS_MAX: usize = 1 << 16;

impl<A: Actor> Context<A> {
    /// Links this actor with another of this node: when the life of one ends, [`Actor::link_ended`] of the other is
    /// called, once, which by default ends that one too, unless the first stopped by itself. Linking to one that has
    /// ended, or is between two lives, counts as its end. Again is no error and changes nothing; a restarted actor has
    /// no links.
    ///
    /// # Errors
    /// When the other one lives on another node, or one of them has 65,536 links.
    pub fn link<B: Actor>(&mut self, other: &ActorRef<B>) -> Result<(), LinkError> {
        let Place::Local(cell) = other.place() else {
            return Err(LinkError::NotHere { actor: format!("{other:?}").into() });
        };
        let (me, other) = (self.own_cell(), CellPtr::new(cell.clone()));
        if me.number == other.number {
            return Ok(());
        }
        let token = self.system().next_token();
        match me.tie(&other, token) {
            Tied::Yes => {}
            Tied::Before => return Ok(()),
            Tied::Full | Tied::Over => return Err(LinkError::Full { number: me.number }),
        }
        match other.tie(&me, token) {
            Tied::Yes => Ok(()),
            Tied::Before | Tied::Over => {
                let reason = ExitReason::bare(ExitKind::NoActor);
                me.push_lane(LaneItem::Linked { who: other.number, token, reason });
                Ok(())
            }
            Tied::Full => {
                me.untie(other.number);
                Err(LinkError::Full { number: other.number })
            }
        }
    }

    /// Undoes a link: the end of either means nothing to the other any more.
    pub fn unlink<B: Actor>(&mut self, other: &ActorRef<B>) {
        let Some(other) = other.cell() else { return };
        let me = self.own_cell();
        me.untie(other.number);
        other.untie(me.number);
    }

    /// What [`Actor::link_ended`] does unless it is written anew: nothing if the other stopped by itself, else this
    /// actor ends too, as [`ExitKind::Shutdown`] after a shutdown and as [`ExitKind::Linked`] after anything worse.
    pub fn end_with_link(&mut self, ended: &Terminated) {
        let Terminated { who, reason } = ended;
        let who = match who {
            Identity::Local(number) => format!("actor {number}"),
            Identity::Remote(address) => format!("{address}"),
        };
        let why = format!("linked to {who}, which ended: {reason}");
        match reason.kind() {
            ExitKind::Stopped => {}
            ExitKind::Shutdown => self.shutdown(&why),
            _ => self.end_as(ExitReason::new(ExitKind::Linked, &why)),
        }
    }
}

/// What became of one end of a link.
enum Tied {
    Yes,
    /// They are linked already.
    Before,
    Full,
    /// Its life is over.
    Over,
}

impl CellHead {
    fn tie(&self, other: &CellPtr, token: u64) -> Tied {
        self.with_bonds(|bonds| {
            if bonds.ended.is_some() || bonds.closing {
                return Tied::Over;
            }
            if bonds.links.contains_key(&other.number) {
                return Tied::Before;
            }
            if bonds.links.len() >= LINKS_MAX {
                return Tied::Full;
            }
            bonds.links.insert(other.number, Link { other: other.clone(), token });
            bonds.lane.reserve_watch(token);
            Tied::Yes
        })
    }

    fn untie(&self, other: u64) {
        // Dropped outside the lock: it may be the last reference to the other cell.
        let link = self.if_bonds(|bonds| bonds.links.remove(&other)).flatten();
        if let Some(link) = link {
            self.withdraw_watch(link.token);
        }
    }

    /// Whether this news is of a link that there is; it is over with that.
    pub(crate) fn take_link(&self, other: u64, token: u64) -> bool {
        let link = self.if_bonds(|bonds| {
            let links = &mut bonds.links;
            links.get(&other).is_some_and(|link| link.token == token).then(|| links.remove(&other))
        });
        link.flatten().is_some()
    }

    /// A life has ended: whoever is linked to it is told. Nobody links to it any more until the next.
    pub(crate) fn break_links(&self, reason: &ExitReason) {
        let links = self.if_bonds(|bonds| std::mem::take(&mut bonds.links)).unwrap_or_default();
        for Link { other, token } in links.into_values() {
            let (who, reason) = (self.number, reason.clone());
            other.push_lane(LaneItem::Linked { who, token, reason });
        }
    }
}
