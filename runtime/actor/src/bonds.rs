//! What ties an actor to others, and is needed rarely: parent, children, watchers, names, system lane, waiting room.
//!
//! It sits behind one lock and is allocated on first need; nothing on the way of a message that finds room touches it.
//! No lock is held while another cell's lock is taken or foreign code runs. Where it hangs is in `bonds/knot.rs`. Read
//! `room.rs` and `watchers.rs` next.

mod knot;

use std::{any::Any, collections::BTreeMap, sync::Arc};

pub(crate) use knot::Knot;

use odeon_message::{ActorKey, Incarnation};

use crate::{
    ExitReason, Identity, Shutdown,
    cell::{CellHead, CellPtr, Signals},
    edges::Waiting,
    envelope::Envelope,
    links::Link,
    room::Room,
    system_lane::SystemLane,
    watchers::Watchers,
    weak_ref::Anchor,
};

/// Most news of one child that wait for its supervisor at a time: up, down and gone.
const CHILD_NEWS_MAX: usize = 3;

/// Who decides what becomes of an actor when it ends.
pub(crate) struct Parent {
    pub(crate) cell: CellPtr,
    /// Makes the message by which a supervisor learns of its child; `None` for a parent that is no supervisor.
    pub(crate) report: Option<fn(child: u64, news: News) -> Envelope>,
    /// What the supervisor calls the child.
    pub(crate) id: Option<Arc<str>>,
    /// The child may be started again.
    pub(crate) restarts: bool,
    pub(crate) past: Past,
}

impl Parent {
    /// A parent that is no supervisor.
    pub(crate) fn plain(cell: CellPtr) -> Self {
        Self { cell, report: None, id: None, restarts: false, past: Past::default() }
    }
}

/// What a supervisor hears of a child.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// A start is done.
    Started,
    /// A life is over, and the cell waits for the verdict.
    Down(ExitReason),
    /// It is gone for good.
    Gone(ExitReason),
}

/// The lives that an actor has had.
#[derive(Clone, Default, Debug)]
pub(crate) struct Past {
    pub(crate) restarts: u32,
    /// Why the last one ended.
    pub(crate) last_exit: Option<ExitReason>,
}

/// An actor that this one has spawned.
pub(crate) struct Offspring {
    pub(crate) cell: CellPtr,
    /// How it is stopped when its parent has ended.
    pub(crate) shutdown: Shutdown,
}

/// What waits in the system lane.
pub(crate) enum LaneItem {
    /// A watched actor has ended.
    Terminated { who: Identity, token: u64, reason: ExitReason },
    /// The life of a linked actor has ended.
    Linked { who: u64, token: u64, reason: ExitReason },
    /// A message that is never behind others.
    Message(Envelope),
}

#[derive(Default)]
pub(crate) struct Bonds {
    /// Set when the actor is gone for good.
    pub(crate) ended: Option<ExitReason>,
    /// Set while a life is ending and until the next begins: nobody is adopted or linked meanwhile.
    pub(crate) closing: bool,
    pub(crate) parent: Option<Parent>,
    /// By number, so in order of spawning.
    pub(crate) children: BTreeMap<u64, Offspring>,
    pub(crate) watchers: Watchers,
    /// By number.
    pub(crate) links: BTreeMap<u64, Link>,
    pub(crate) names: Vec<Box<str>>,
    /// Cuts the weak references when the actor is gone.
    pub(crate) anchor: Option<Anchor>,
    /// Its place in the slot table, in the life of the node in which it was taken.
    pub(crate) key: Option<(Incarnation, ActorKey)>,
    /// Whether that place is its own in all lives of the node.
    pub(crate) pinned: bool,
    /// What it starts from again, if it may be; out of here while it is copied.
    pub(crate) args: Option<Box<dyn Any + Send>>,
    pub(crate) lane: SystemLane,
    pub(crate) room: Room,
    /// What its handlers wait for.
    pub(crate) waits: Vec<Waiting>,
}

impl Bonds {
    /// Its place in the slot table in this life of the node.
    pub(crate) fn key_in(&self, present: Incarnation) -> Option<ActorKey> {
        let (taken, key) = self.key?;
        (self.pinned || taken == present).then_some(key)
    }
}

impl CellHead {
    /// Works on the bonds, which are made if need be.
    pub(crate) fn with_bonds<R>(&self, f: impl FnOnce(&mut Bonds) -> R) -> R {
        f(&mut self.bonds.tie())
    }

    /// Works on the bonds, if there are any.
    pub(crate) fn if_bonds<R>(&self, f: impl FnOnce(&mut Bonds) -> R) -> Option<R> {
        self.bonds.find().map(|mut bonds| f(&mut bonds))
    }

    /// Looks at the parent, which an actor has before anybody else knows it, or never.
    fn of_parent<R>(&self, f: impl FnOnce(&Parent) -> R) -> Option<R> {
        self.bonds.first()?.parent.as_ref().map(f)
    }

    /// Whether a supervisor decides about it.
    pub(crate) fn is_supervised(&self) -> bool {
        self.of_parent(|parent| parent.report.is_some()).unwrap_or(false)
    }

    /// Whether what it starts from is needed again.
    pub(crate) fn may_restart(&self) -> bool {
        self.of_parent(|parent| parent.restarts).unwrap_or(false)
    }

    /// The lives it has had; `None` if nobody supervises it.
    pub(crate) fn past(&self) -> Option<Past> {
        self.of_parent(|parent| parent.past.clone())
    }

    /// Another life follows one that ended like this.
    pub(crate) fn live_again(&self, last_exit: Option<ExitReason>) {
        self.if_bonds(|bonds| {
            bonds.closing = false;
            let Some(parent) = &mut bonds.parent else { return };
            parent.past.restarts = parent.past.restarts.saturating_add(1);
            parent.past.last_exit = last_exit;
        });
    }

    /// Tells the supervisor; `false` if there is none any more.
    pub(crate) fn report(&self, news: News) -> bool {
        let parent = self.of_parent(|parent| Some((parent.cell.clone(), parent.report?)));
        let Some((supervisor, report)) = parent.flatten() else { return false };
        supervisor.push_lane(LaneItem::Message(report(self.number, news)))
    }

    /// Cuts the weak references, of an actor to which nobody else refers.
    #[inline]
    pub(crate) fn cut_link(&self) {
        // Outside the lock.
        drop(self.bonds.first().and_then(|mut bonds| bonds.anchor.take()));
    }

    pub(crate) fn has_parent(&self) -> bool {
        self.of_parent(|_| ()).is_some()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.if_bonds(|bonds| bonds.ended.is_some()).unwrap_or(false)
    }

    pub(crate) fn has_children(&self) -> bool {
        self.if_bonds(|bonds| !bonds.children.is_empty()).unwrap_or(false)
    }

    /// A life ends: no child is adopted and no link tied until another begins.
    pub(crate) fn close_family(&self) {
        // Whoever comes to an actor without bonds must find it closed too.
        self.with_bonds(|bonds| bonds.closing = true);
    }

    /// Signals all children, the last first: those to be ended at once are, the others get `bits`.
    pub(crate) fn signal_children(&self, bits: u16) {
        let children = self.if_bonds(|bonds| {
            let children = bonds.children.values();
            children.map(|child| (child.cell.clone(), child.shutdown)).collect::<Vec<_>>()
        });
        for (child, shutdown) in children.unwrap_or_default().iter().rev() {
            child.signal(if *shutdown == Shutdown::Brutal { Signals::KILL } else { bits });
        }
    }

    /// Takes a new actor in as a child, unless the life of the parent is ending; one that `reports` has a slot in the
    /// system lane for it.
    pub(crate) fn adopt(&self, child: &CellPtr, shutdown: Shutdown, reports: bool) -> bool {
        self.with_bonds(|bonds| {
            let open = bonds.ended.is_none() && !bonds.closing;
            if open {
                bonds.children.insert(child.number, Offspring { cell: child.clone(), shutdown });
                if reports {
                    bonds.lane.reserve_messages(CHILD_NEWS_MAX);
                }
            }
            open
        })
    }

    /// The next item of the system lane; clears the signal when there is none.
    pub(crate) fn next_lane_item(&self) -> Option<LaneItem> {
        if self.signals.any() & Signals::LANE == 0 {
            return None;
        }
        let mut bonds = self.bonds.tie();
        let item = bonds.lane.pop();
        if item.is_none() {
            self.signals.take(Signals::LANE);
        }
        item
    }
}

impl CellPtr {
    /// Puts an item in the system lane; `false` if the actor is gone.
    pub(crate) fn push_lane(&self, item: LaneItem) -> bool {
        let (ended, refused) = self.with_bonds(|bonds| {
            if bonds.ended.is_some() {
                return (true, Some(item));
            }
            let stale = bonds.lane.push(item);
            if stale.is_none() {
                self.signals.set(Signals::LANE);
            }
            (false, stale)
        });
        // Outside the lock.
        drop(refused);
        !ended && self.schedule()
    }
}
