//! Who waits for changes of which name or group.
//!
//! What it is NOT: the changes; whoever is woken looks what there is now, so that nothing queues and nothing is missed.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use odeon_cluster::Touched;
use tokio::sync::watch;

/// Most names and groups of the cluster that are followed on one node at a time.
const SIGNS_MAX: usize = 65_536;

/// A sign for each name or group that somebody follows.
#[derive(Default)]
pub(crate) struct Signs {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    signs: BTreeMap<Touched, watch::Sender<u64>>,
    closed: bool,
}

impl Signs {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes whenever `of` does; `None` if too many are followed, or the node has ended.
    pub(crate) fn follow(&self, of: Touched) -> Option<watch::Receiver<u64>> {
        let mut table = self.table();
        if table.closed {
            return None;
        }
        if table.signs.len() >= SIGNS_MAX {
            table.signs.retain(|_, sign| !sign.is_closed());
        }
        if table.signs.len() >= SIGNS_MAX && !table.signs.contains_key(&of) {
            return None;
        }
        Some(table.signs.entry(of).or_insert_with(|| watch::Sender::new(0)).subscribe())
    }

    /// It has changed.
    pub(crate) fn changed(&self, what: &Touched) {
        let mut table = self.table();
        let Some(sign) = table.signs.get(what) else { return };
        if sign.is_closed() {
            table.signs.remove(what);
            return;
        }
        sign.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// The node has ended: whoever follows something hears it.
    pub(crate) fn close(&self) {
        let mut table = self.table();
        table.closed = true;
        let signs = std::mem::take(&mut table.signs);
        drop(table);
        drop(signs);
    }
}
