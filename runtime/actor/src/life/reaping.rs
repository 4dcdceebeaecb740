//! The end of the children of an actor that has ended: waited for, each for its own time, then ended where it stands.
//!
//! The future of this file waits in the slot of the actor whose children they are; the end of each child schedules
//! that actor, and so polls it. What it is NOT: how a supervisor stops its children, one after another, before it ends
//! itself; that is `supervisor/family.rs`.

use tokio::time::{Instant, timeout_at};

use crate::{
    Shutdown,
    cell::{CellPtr, Signals},
};

/// Waits until `parent` has no children. They have been told to stop.
pub(super) async fn childless(parent: CellPtr) {
    let mut due = deadlines(&parent);
    while let Some((at, child)) = due.pop() {
        if timeout_at(at, gone(&parent)).await.is_ok() {
            return;
        }
        if !child.has_ended() {
            let kind = child.kind();
            tracing::warn!(actor = child.number, kind, "a child did not stop in time and is ended");
            child.signal(Signals::KILL);
        }
    }
    let unlimited = parent.if_bonds(|bonds| {
        bonds.children.values().any(|child| child.shutdown == Shutdown::Unlimited)
    });
    if unlimited == Some(true) {
        return gone(&parent).await;
    }
    if timeout_at(Instant::now() + Shutdown::KILL_WITHIN, gone(&parent)).await.is_err() {
        let left = parent.if_bonds(|bonds| std::mem::take(&mut bonds.children));
        for child in left.unwrap_or_default().values().map(|child| &child.cell) {
            let kind = child.kind();
            tracing::error!(actor = child.number, kind, "a child blocks its thread: left behind");
        }
    }
}

/// When which child has had its time: the first to come is the last in the list.
fn deadlines(parent: &CellPtr) -> Vec<(Instant, CellPtr)> {
    let now = Instant::now();
    let due = parent.if_bonds(|bonds| {
        let children = bonds.children.values();
        let due = children.filter_map(|child| match child.shutdown {
            Shutdown::Brutal => Some((now, child.cell.clone())),
            // A time beyond all time is none.
            Shutdown::Within(time) => Some((now.checked_add(time)?, child.cell.clone())),
            Shutdown::Unlimited => None,
        });
        due.collect::<Vec<_>>()
    });
    let mut due = due.unwrap_or_default();
    due.sort_by_key(|(at, child)| (std::cmp::Reverse(*at), child.number));
    due
}

/// Done when the actor has no children; whoever takes one away schedules it.
async fn gone(parent: &CellPtr) {
    std::future::poll_fn(|_| match parent.has_children() {
        true => std::task::Poll::Pending,
        false => std::task::Poll::Ready(()),
    })
    .await;
}
