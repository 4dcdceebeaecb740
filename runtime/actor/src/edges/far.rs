//! Waits for actors of other nodes, as probes follow them.
//!
//! What it is: the ways from an ask that came from another node, over whom its actor waits for, to asks of this node
//! that wait for other nodes. Where the ask itself is must be known before: its worker looks (`worker/seeking.rs`). What
//! it is NOT: the probes, which the runtime sends (`circles.rs` there), nor a decision; a circle that is seen here is
//! looked at once more before anybody is told.

use std::iter;

use crate::{
    Wait, Way,
    cell::{CellHead, CellPtr},
};

use super::{Came, Edge, Goal, WALK_MAX, Want, name};

/// A wait as it was seen, and for whom.
struct Seen {
    id: u64,
    /// The name of who waits.
    actor: String,
    goal: Goal,
    /// What led here.
    before: Option<usize>,
}

impl Seen {
    fn wait(&self) -> Wait {
        let far = match &self.goal {
            Goal::Here(..) => None,
            Goal::There(ask) => Some(ask.place()),
        };
        Wait { number: self.id, actor: self.actor.clone(), far }
    }

    /// The waits of whoever is waited for that hold it up.
    fn next(&self, at: Option<usize>) -> Vec<Self> {
        let Goal::Here(to, want) = &self.goal else { return Vec::new() };
        to.waits_behind((*want).into(), room_of(*want), at)
    }
}

fn room_of(want: Want) -> Option<u64> {
    match want {
        Want::Room(ticket) => Some(ticket),
        Want::Answer(_) => None,
    }
}

impl CellPtr {
    /// The open waits of this actor that hold up what came to it.
    fn waits_behind(&self, came: Came, ticket: Option<u64>, before: Option<usize>) -> Vec<Seen> {
        let actor = name(self);
        let seen = self.if_bonds(|bonds| {
            if ticket.is_some_and(|ticket| !bonds.room.holds(ticket)) {
                return Vec::new();
            }
            let waits = bonds.waits.iter();
            let waits = waits.filter(|waiting| waiting.holds_up(came) && waiting.is_open());
            waits
                .map(|waiting| Seen {
                    id: waiting.id,
                    actor: actor.clone(),
                    goal: waiting.goal.clone(),
                    before,
                })
                .collect()
        });
        seen.unwrap_or_default()
    }
}

impl Edge {
    /// Itself, if it is still there.
    pub(crate) fn far(&self) -> Option<Wait> {
        let head: &CellHead = &self.from;
        let goal = head.if_bonds(|bonds| {
            let waiting = bonds.waits.iter().find(|waiting| waiting.id == self.id)?;
            waiting.is_open().then(|| waiting.goal.clone())
        });
        let goal = goal.flatten()?;
        Some(Seen { id: self.id, actor: name(&self.from), goal, before: None }.wait())
    }
}

/// The ways from a message that came to an actor to waits for other nodes, the shortest first and at most so many; and
/// one to the wait `until`, if it leads there.
pub(crate) fn ways_from(
    cell: &CellPtr,
    came: Came,
    until: Option<u64>,
    ways_max: usize,
) -> Vec<Way> {
    let mut seen = cell.waits_behind(came, None, None);
    let mut ids = seen.iter().map(|seen| seen.id).collect::<std::collections::BTreeSet<_>>();
    let (mut ways, mut exits, mut at) = (Vec::new(), 0, 0);
    while let Some(here) = seen.get(at) {
        if Some(here.id) == until {
            ways.push(Way { waits: way_to(&seen, at), closes: true });
        } else if matches!(here.goal, Goal::There(_)) && exits < ways_max {
            exits += 1;
            ways.push(Way { waits: way_to(&seen, at), closes: false });
        }
        for next in here.next(Some(at)) {
            if ids.len() < WALK_MAX && ids.insert(next.id) {
                seen.push(next);
            }
        }
        at += 1;
    }
    ways
}

fn way_to(seen: &[Seen], last: usize) -> Vec<Wait> {
    let back = iter::successors(seen.get(last), |here| seen.get(here.before?));
    let mut waits = back.map(Seen::wait).collect::<Vec<_>>();
    waits.reverse();
    waits
}

/// The way over exactly these waits, if all of them are there, each holds up the one before, and the last is for another
/// node.
pub(crate) fn way_along(cell: &CellPtr, came: Came, numbers: &[u64]) -> Option<Way> {
    let mut next = cell.waits_behind(came, None, None);
    let mut waits = Vec::new();
    for number in numbers {
        let here = next.into_iter().find(|seen| seen.id == *number)?;
        waits.push(here.wait());
        next = here.next(None);
    }
    waits.last()?.far?;
    Some(Way { waits, closes: false })
}
