//! Where a node stands between its start and its end, for everyone to see and to wait for.

use tokio::sync::watch;

/// Where a node stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Phase {
    /// No other node has answered yet, and it may not be a cluster of its own.
    Joining,
    /// Part of a cluster.
    Up,
    /// Saying goodbye; nothing new is taken.
    Leaving,
    /// Ended.
    Down,
}

/// The phase of one node. It only ever moves forward.
pub(crate) struct Phases {
    phase: watch::Sender<Phase>,
    /// Whether the goodbyes were said, or there is nobody left to say them to.
    left: watch::Sender<bool>,
    /// Whether a later life of this node has taken its place.
    superseded: watch::Sender<bool>,
}

impl Phases {
    pub(crate) fn new() -> Self {
        let (phase, _) = watch::channel(Phase::Joining);
        let (left, _) = watch::channel(false);
        let (superseded, _) = watch::channel(false);
        Self { phase, left, superseded }
    }

    pub(crate) fn current(&self) -> Phase {
        *self.phase.borrow()
    }

    fn forward(&self, to: Phase) -> bool {
        self.phase.send_if_modified(|phase| {
            let forward = *phase < to;
            if forward {
                *phase = to;
            }
            forward
        })
    }

    pub(crate) fn up(&self) {
        self.forward(Phase::Up);
    }

    /// Whether it was this call that began the leaving.
    pub(crate) fn leaving(&self) -> bool {
        self.forward(Phase::Leaving)
    }

    pub(crate) fn down(&self) {
        self.forward(Phase::Down);
        self.left();
    }

    pub(crate) fn left(&self) {
        self.left.send_replace(true);
    }

    pub(crate) fn superseded(&self) {
        self.superseded.send_replace(true);
    }

    pub(crate) fn is_superseded(&self) -> bool {
        *self.superseded.borrow()
    }

    /// Completes once the phase is `phase` or a later one.
    pub(crate) async fn reached(&self, phase: Phase) -> Phase {
        let mut phases = self.phase.subscribe();
        let reached = phases.wait_for(|now| *now >= phase).await;
        reached.map_or(Phase::Down, |now| *now)
    }

    /// Completes once the goodbyes were said.
    pub(crate) async fn has_left(&self) {
        // The sender lives in `self`.
        let _ = self.left.subscribe().wait_for(|left| *left).await;
    }

    /// Completes once a later life of this node has taken its place.
    pub(crate) async fn was_superseded(&self) {
        let _ = self.superseded.subscribe().wait_for(|superseded| *superseded).await;
    }
}
