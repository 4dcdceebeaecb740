//! The table of asks that wait for another node.
//!
//! What it is: ask id -> who is waiting, which life of which peer must answer, and where in its lane the frame lies.
//! What it is NOT: the way out (`outbound.rs`) or the way in (`inbound.rs`); both lead here. An entry leaves exactly
//! once: by a reply, an error frame, the caller giving up, or the loss of the association, and whoever takes it
//! out tells the caller.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use odeon_actor::RemoteAnswer;
use odeon_message::{AskId, Certainty, Failure, FailureKind};
use odeon_transport::{Association, PeerId, Position};

/// Most asks of one node that may wait for other nodes at a time. At about 100 bytes each the table stays below
/// 10 MB; an ask beyond it fails with `Full`, not delivered.
pub(crate) const REMOTE_ASKS_MAX: usize = 65_536;

/// One ask on its way.
struct Pending {
    association: Arc<Association>,
    /// Where its frame lies; `None` until the lane has taken it.
    position: Option<Position>,
    answer: Arc<dyn RemoteAnswer>,
}

impl Pending {
    /// What is known about an ask whose answer will not come.
    fn certainty(&self) -> Certainty {
        match self.position {
            Some(position) if self.association.handed(position) => Certainty::MayHaveRun,
            _ => Certainty::NotDelivered,
        }
    }
}

/// The asks of one node that wait for other nodes.
#[derive(Default)]
pub(crate) struct Asks {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    last: u64,
    pending: BTreeMap<AskId, Pending>,
}

impl Asks {
    fn table(&self) -> MutexGuard<'_, Table> {
        // The table is consistent between any two statements: a panic elsewhere does not spoil it.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place in the table before the frame is written.
    pub(crate) fn open(
        &self,
        association: &Arc<Association>,
        answer: &Arc<dyn RemoteAnswer>,
    ) -> Result<AskId, Failure> {
        let mut table = self.table();
        if table.pending.len() >= REMOTE_ASKS_MAX {
            let detail =
                format!("{REMOTE_ASKS_MAX} asks of this node wait for other nodes already");
            return Err(Failure::not_delivered(FailureKind::Full, detail));
        }
        table.last += 1;
        let ask = AskId(table.last);
        let pending = Pending {
            association: Arc::clone(association),
            position: None,
            answer: Arc::clone(answer),
        };
        table.pending.insert(ask, pending);
        Ok(ask)
    }

    /// Notes where the frame of `ask` lies. If the association was lost meanwhile the ask ends here.
    pub(crate) fn placed(&self, ask: AskId, position: Position) {
        let mut table = self.table();
        let Some(pending) = table.pending.get_mut(&ask) else { return };
        pending.position = Some(position);
        if !pending.association.is_lost(position) {
            return;
        }
        let pending = table.pending.remove(&ask);
        drop(table);
        if let Some(pending) = pending {
            fail(&pending, FailureKind::Unreachable, "the connection was lost");
        }
    }

    /// Takes the ask out without telling its caller, who gave up or was refused. An ask whose frame still waits in
    /// its lane is made to expire there.
    ///
    /// Returns what is known about it, and where it went; `None` if it was answered meanwhile.
    pub(crate) fn close(&self, ask: AskId) -> Option<(Certainty, Arc<Association>)> {
        let pending = self.table().pending.remove(&ask)?;
        let not_delivered =
            pending.position.is_none_or(|position| pending.association.withdraw(position));
        let certainty = if not_delivered { Certainty::NotDelivered } else { Certainty::MayHaveRun };
        Some((certainty, pending.association))
    }

    /// Takes out the ask that `peer` answers; an answer from anybody else is ignored.
    pub(crate) fn answered(&self, ask: AskId, peer: PeerId) -> Option<Arc<dyn RemoteAnswer>> {
        let mut table = self.table();
        let from_whom_asked = table.pending.get(&ask)?.association.peer().id == peer;
        if !from_whom_asked {
            return None;
        }
        table.pending.remove(&ask).map(|pending| pending.answer)
    }

    /// Ends every ask whose frame went with a connection that is no more.
    pub(crate) fn lost(&self, association: &Arc<Association>, reason: &str) {
        self.end(FailureKind::Unreachable, reason, |pending| {
            Arc::ptr_eq(&pending.association, association)
                && pending.position.is_some_and(|position| association.is_lost(position))
        });
    }

    fn end(&self, kind: FailureKind, reason: &str, which: impl Fn(&Pending) -> bool) {
        let ended: Vec<Pending> = self
            .table()
            .pending
            .extract_if(.., |_, pending| which(pending))
            .map(|(_, pending)| pending)
            .collect();
        for pending in &ended {
            fail(pending, kind, reason);
        }
    }

    /// How many asks wait.
    pub(crate) fn len(&self) -> usize {
        self.table().pending.len()
    }
}

fn fail(pending: &Pending, kind: FailureKind, reason: &str) {
    let failure = Failure::new(kind, pending.certainty(), reason);
    pending.answer.answer(Err(failure));
}
