//! What others still get of a node that drains.
//!
//! What it is: [`Gate`], two steps that the heart takes (`heart/drain.rs`) and that the registrar and the inbound hall
//! see: first the names of this node are hidden from other nodes, then their new asks are refused. What it is NOT: the
//! end of anything; what was taken before is finished, and tells are taken until the actors stop.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use odeon_message::{Failure, FailureKind};
use tokio::sync::watch;

use crate::cancels::Cancels;

/// Who holds the table of cancelled asks besides the asks themselves: the gate and the inbound hall.
const HOLDERS: usize = 2;

/// Whether other nodes may find this one's actors, and ask them.
pub(crate) struct Gate {
    hidden: watch::Sender<bool>,
    closed: AtomicBool,
    cancels: Arc<Cancels>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            hidden: watch::channel(false).0,
            closed: AtomicBool::new(false),
            cancels: Arc::default(),
        }
    }

    /// From now on nobody elsewhere holds a name of this node.
    pub(crate) fn hide(&self) {
        self.hidden.send_replace(true);
    }

    pub(crate) fn is_hidden(&self) -> bool {
        *self.hidden.borrow()
    }

    /// Completes once the names are hidden.
    pub(crate) async fn was_hidden(&self) {
        // The sender lives in `self`.
        let _ = self.hidden.subscribe().wait_for(|hidden| *hidden).await;
    }

    /// From now on new asks of other nodes are refused.
    pub(crate) fn close(&self) {
        self.closed.store(true, Relaxed);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    /// What an asker is told behind the closed gate.
    pub(crate) fn refusal() -> Failure {
        Failure::not_delivered(FailureKind::Stopped, "the node drains: ask another one")
    }

    /// The asks of other nodes that were given up, which each ask of theirs holds until it is answered.
    pub(crate) fn cancels(&self) -> &Arc<Cancels> {
        &self.cancels
    }

    /// How many asks of other nodes are not answered yet.
    pub(crate) fn asks(&self) -> usize {
        Arc::strong_count(&self.cancels).saturating_sub(HOLDERS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ask_counts_while_it_holds_the_way_back() {
        let gate = Gate::new();
        let hall = Arc::clone(gate.cancels());
        assert_eq!(gate.asks(), 0);
        let ask = Arc::clone(&hall);
        assert_eq!(gate.asks(), 1);
        drop(ask);
        assert_eq!(gate.asks(), 0);
    }
}
