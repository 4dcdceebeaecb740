//! Asks across nodes that wait for each other in a circle: where probes come in and go out.
//!
//! What it is: the hall between the waits of this node's actors (`odeon-actor`) and the probes of other nodes. An ask that
//! has waited for [`probe_after`](odeon_actor::SystemConfig::probe_after) begins one; one that comes in is answered by the
//! worker of the actor it is about, which alone knows where an ask is. What it is NOT: the decision; read
//! `circles/probing.rs`, which says why no circle is told that is none.

#[cfg(test)]
mod model;
mod probing;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use odeon_actor::{ActorSystem, AskThere, Wait};
use odeon_message::{Certainty, Incarnation, NodeId};
use odeon_transport::{Association, PeerId};
use odeon_wire::{Frame, PayloadError, Probe};

use crate::{frames, outbound::Outbound};
use probing::{Here, Step};

/// Probes of one peer that wait for a worker at a time; further ones are dropped, and come again. What a peer can have
/// looked for is so bounded by what the workers get done.
const PROBES_MAX: u32 = 256;

/// What a node needs to look for circles.
pub(crate) struct Circles {
    node: NodeId,
    name: String,
    /// How many probes of each peer wait for a worker.
    busy: Mutex<BTreeMap<PeerId, u32>>,
}

/// A probe that waits for a worker, until it is dropped.
struct Busy {
    outbound: Arc<Outbound>,
    peer: PeerId,
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut busy = self.outbound.circles.busy();
        if let Some(count) = busy.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                busy.remove(&self.peer);
            }
        }
    }
}

impl Circles {
    pub(crate) fn new(node: NodeId, name: &str) -> Self {
        Self { node, name: name.to_owned(), busy: Mutex::default() }
    }

    fn busy(&self) -> MutexGuard<'_, BTreeMap<PeerId, u32>> {
        // A count is changed in one statement: nothing is left half done.
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn here(&self, incarnation: Incarnation) -> Here {
        Here { node: self.node, incarnation, name: self.name.clone() }
    }
}

impl Outbound {
    /// An ask of this node has waited for some time: does it wait for itself?
    pub(crate) fn look(&self, life: Incarnation, wait: &Wait) {
        let begun = self.circles.here(life).begin(wait);
        begun.into_iter().for_each(|step| self.act(step));
    }

    /// A probe has come; nothing here waits.
    pub(crate) fn probed(
        self: &Arc<Self>,
        system: &ActorSystem,
        peer: &Association,
        frame: &Frame,
    ) -> Result<(), PayloadError> {
        let probe: Probe = frame.body()?;
        let (ask, from) = (frame.header.ask, peer.peer().id);
        let here = self.circles.here(system.incarnation());
        let Some(along) = here.along(&probe, from, ask) else { return Ok(()) };
        let Some(busy) = self.busy(from) else {
            tracing::debug!(peer = %from, "a probe for circles is dropped: too many wait");
            return Ok(());
        };
        let PeerId { node, incarnation } = from;
        let there = AskThere { node, incarnation, ask, to: probe.asked };
        let found = move |ways: Vec<_>| {
            let steps = here.steps(&probe, &ways);
            steps.into_iter().for_each(|step| busy.outbound.act(step));
        };
        system.seek_waits(there, along, Box::new(found));
        Ok(())
    }

    fn busy(self: &Arc<Self>, peer: PeerId) -> Option<Busy> {
        let mut busy = self.circles.busy();
        let count = busy.entry(peer).or_default();
        if *count >= PROBES_MAX {
            return None;
        }
        *count += 1;
        Some(Busy { outbound: Arc::clone(self), peer })
    }

    fn act(&self, step: Step) {
        match step {
            Step::Pass { to, ask, probe } => {
                // Without a connection the ask has failed, and its wait is over; without room the probe comes again.
                if let Ok(peer) = self.association(to) {
                    let _ = frames::probe(&peer, ask, &probe);
                }
            }
            Step::End { ask, circle } => {
                let ended = self.asks.deadlocked(ask, &circle);
                if let Some((Certainty::MayHaveRun | Certainty::Ran, peer)) = ended {
                    // Nobody waits for it any more, so that it need not run.
                    let _ = frames::cancel(&peer, ask);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Directory;

    #[test]
    fn so_many_probes_of_a_peer_wait_and_no_more() {
        let circles = Circles::new(NodeId(1), "a");
        let bounds = odeon_actor::SystemConfig::default();
        let ids = Arc::new(odeon_actor::TraceIds::new(Arc::new(odeon_env::RealEnv)));
        let outbound = Arc::new(Outbound::new(Arc::new(Directory::new()), circles, &bounds, ids));
        let peer = |node| PeerId { node: NodeId(node), incarnation: Incarnation(1) };
        let mut busy = (0..PROBES_MAX).map(|_| outbound.busy(peer(2)).unwrap()).collect::<Vec<_>>();
        assert!(outbound.busy(peer(2)).is_none());
        assert!(outbound.busy(peer(3)).is_some(), "each has its own");
        busy.pop();
        assert!(outbound.busy(peer(2)).is_some());
        drop(busy);
        assert!(outbound.circles.busy().is_empty(), "nothing is kept of who is quiet");
    }
}
