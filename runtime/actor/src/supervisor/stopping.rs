//! The end of a supervisor: its children are stopped, in order or together, each within its own time.
//!
//! The only place where a supervisor waits: nothing else is left for it to do. What it is NOT: how a child is stopped
//! while its supervisor goes on; the plan decides that (`strategy.rs`).

use tokio::{
    sync::oneshot,
    time::{Instant, timeout, timeout_at},
};

use super::family::Family;
use crate::{
    ExitReason, Shutdown,
    cell::{CellPtr, Signals},
    watchers::Watcher,
};

impl Family {
    /// A child blocks its thread: nobody waits for it any more.
    pub(super) fn leave_behind(&self, cell: &CellPtr) {
        let kind = cell.kind();
        tracing::error!(actor = cell.number, kind, "a child blocks its thread: left behind");
        // Dropped outside the lock.
        let _child = self.me.if_bonds(|bonds| bonds.children.remove(&cell.number));
    }

    /// Stops the children, right to left, each within its own time.
    pub(super) async fn stop_in_order(&mut self) {
        self.alarm.set(None);
        while let Some((_, member)) = self.members.pop_last() {
            let Some(cell) = member.cell else { continue };
            let (sender, mut ended) = oneshot::channel();
            if cell.add_watcher(Watcher::Once(sender)).is_err() {
                continue;
            }
            if stops_in_time(&cell, member.rules.shutdown, &mut ended).await {
                continue;
            }
            cell.signal(Signals::STOP | Signals::KILL);
            if timeout(Shutdown::KILL_WITHIN, ended).await.is_err() {
                self.leave_behind(&cell);
            }
        }
    }

    /// Stops the children all at once, each within its own time.
    pub(super) async fn stop_together(&mut self) {
        self.alarm.set(None);
        let now = Instant::now();
        let mut waiting = Vec::new();
        for member in std::mem::take(&mut self.members).into_values() {
            let Some(cell) = member.cell else { continue };
            let (sender, ended) = oneshot::channel();
            if cell.add_watcher(Watcher::Once(sender)).is_err() {
                continue;
            }
            let brutal = member.rules.shutdown == Shutdown::Brutal;
            cell.signal(if brutal { Signals::STOP | Signals::KILL } else { Signals::STOP });
            waiting.push((cell, member.rules.shutdown, ended));
        }
        let mut left = Vec::new();
        for (cell, shutdown, mut ended) in waiting {
            let in_time = match shutdown {
                Shutdown::Brutal => false,
                Shutdown::Unlimited => (&mut ended).await.is_ok(),
                Shutdown::Within(time) => match now.checked_add(time) {
                    Some(at) => timeout_at(at, &mut ended).await.is_ok(),
                    None => (&mut ended).await.is_ok(),
                },
            };
            if !in_time {
                cell.signal(Signals::STOP | Signals::KILL);
                left.push((cell, ended));
            }
        }
        let end = Instant::now() + Shutdown::KILL_WITHIN;
        for (cell, ended) in left {
            if timeout_at(end, ended).await.is_err() {
                self.leave_behind(&cell);
            }
        }
    }
}

/// Asks a child to stop; `false` if it does not in its time.
async fn stops_in_time(
    cell: &CellPtr,
    shutdown: Shutdown,
    ended: &mut oneshot::Receiver<ExitReason>,
) -> bool {
    let within = match shutdown {
        Shutdown::Brutal => return false,
        Shutdown::Within(within) => Some(within),
        Shutdown::Unlimited => None,
    };
    cell.signal(Signals::STOP);
    // A dropped sender is an end too.
    let Some(within) = within else { return ended.await.map_or(true, |_| true) };
    let in_time = timeout(within, ended).await.is_ok();
    if !in_time {
        let kind = cell.kind();
        tracing::warn!(actor = cell.number, kind, ?within, "a child did not stop in time");
    }
    in_time
}
