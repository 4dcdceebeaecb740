//! Who is in the cluster, as every thread of the node may ask.
//!
//! What it is: node id -> the member that lives under it now, written by `membership.rs` on the endpoint's thread
//! and read by `outbound.rs` and by users; and the stream of changes, [`Members`]. What it is NOT: the membership
//! protocol (`odeon-cluster`).

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use odeon_message::{Incarnation, NodeId};
use tokio::sync::{Notify, broadcast};

/// Most changes that a slow reader of [`Members`] may lag behind before it is given a new snapshot instead.
const CHANGES_KEPT: usize = 256;

/// A node of the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its id, the hash of its name.
    pub node: NodeId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// Its name.
    pub name: String,
    /// Where it is reached.
    pub addr: SocketAddr,
}

/// Why a member is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DownReason {
    /// It said goodbye.
    Left,
    /// Its machine answers that nobody listens at its address any more: the process has ended.
    Unreachable,
    /// It did not answer for longer than the suspicion time.
    Suspected,
    /// A later life of the same node has taken its place.
    Replaced,
}

/// A change in the cluster, as this node sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MemberEvent {
    /// A node is in the cluster and can be reached.
    Up(Member),
    /// A node is gone; references to that life of it are dead.
    Down {
        /// Who.
        member: Member,
        /// Why.
        reason: DownReason,
    },
}

/// The members and their changes, without a gap: first an `Up` for each member there is, then every change.
///
/// A reader that lags behind by more than 256 changes is given the difference between what it knew and what is,
/// instead of the single changes.
pub struct Members {
    known: BTreeMap<NodeId, Member>,
    ready: VecDeque<MemberEvent>,
    changes: broadcast::Receiver<MemberEvent>,
    directory: Arc<Directory>,
}

impl Members {
    /// The next change; `None` once the node has stopped.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Option<MemberEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.note(&event);
                return Some(event);
            }
            match self.changes.recv().await {
                Ok(event) => self.ready.push_back(event),
                Err(broadcast::error::RecvError::Lagged(_)) => self.catch_up(),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    fn note(&mut self, event: &MemberEvent) {
        match event {
            MemberEvent::Up(member) => drop(self.known.insert(member.node, member.clone())),
            MemberEvent::Down { member, .. } => {
                let same_life = |known: &Member| known.incarnation == member.incarnation;
                if self.known.get(&member.node).is_some_and(same_life) {
                    self.known.remove(&member.node);
                }
            }
        }
    }

    /// Compares what this reader knows with what is, and starts anew from there.
    fn catch_up(&mut self) {
        let (now, changes) = self.directory.snapshot();
        self.changes = changes;
        for member in self.known.values() {
            if now.get(&member.node) != Some(member) {
                let reason = DownReason::Replaced;
                let reason =
                    if now.contains_key(&member.node) { reason } else { DownReason::Suspected };
                self.ready.push_back(MemberEvent::Down { member: member.clone(), reason });
            }
        }
        for member in now.into_values() {
            if self.known.get(&member.node) != Some(&member) {
                self.ready.push_back(MemberEvent::Up(member));
            }
        }
    }
}

/// The members this node knows.
pub(crate) struct Directory {
    state: Mutex<State>,
    /// For the one task that joins: something changed.
    changed: Notify,
}

struct State {
    members: BTreeMap<NodeId, Member>,
    /// `None` once the node has stopped: readers end.
    changes: Option<broadcast::Sender<MemberEvent>>,
}

impl Directory {
    pub(crate) fn new() -> Self {
        let (changes, _) = broadcast::channel(CHANGES_KEPT);
        let state = State { members: BTreeMap::new(), changes: Some(changes) };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshot(&self) -> (BTreeMap<NodeId, Member>, broadcast::Receiver<MemberEvent>) {
        let state = self.state();
        let changes = match &state.changes {
            Some(changes) => changes.subscribe(),
            // A channel whose sender is gone: the reader ends after the snapshot.
            None => broadcast::channel(1).1,
        };
        (state.members.clone(), changes)
    }

    /// A stream that begins with the members there are.
    pub(crate) fn subscribe(self: &Arc<Self>) -> Members {
        let (now, changes) = self.snapshot();
        let ready = now.into_values().map(MemberEvent::Up).collect();
        Members { known: BTreeMap::new(), ready, changes, directory: Arc::clone(self) }
    }

    /// The members now, by id.
    pub(crate) fn members(&self) -> Vec<Member> {
        self.state().members.values().cloned().collect()
    }

    /// The member with this id.
    pub(crate) fn member(&self, node: NodeId) -> Option<Member> {
        self.state().members.get(&node).cloned()
    }

    /// The member with this name.
    pub(crate) fn named(&self, name: &str) -> Option<Member> {
        self.member(NodeId::of(name)).filter(|member| member.name == name)
    }

    /// Whether a member is reached at this address.
    pub(crate) fn has_addr(&self, addr: SocketAddr) -> bool {
        self.state().members.values().any(|member| member.addr == addr)
    }

    /// Whether this node knows no other.
    pub(crate) fn is_empty(&self) -> bool {
        self.state().members.is_empty()
    }

    /// Completes at the next change; one task waits.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(crate) fn up(&self, member: Member) {
        let mut state = self.state();
        state.members.insert(member.node, member.clone());
        if let Some(changes) = &state.changes {
            // No reader is no error.
            let _ = changes.send(MemberEvent::Up(member));
        }
        self.changed.notify_one();
    }

    pub(crate) fn down(&self, member: Member, reason: DownReason) {
        let mut state = self.state();
        if state
            .members
            .get(&member.node)
            .is_some_and(|known| known.incarnation == member.incarnation)
        {
            state.members.remove(&member.node);
        }
        if let Some(changes) = &state.changes {
            let _ = changes.send(MemberEvent::Down { member, reason });
        }
        self.changed.notify_one();
    }

    /// The node has stopped: every stream ends.
    pub(crate) fn close(&self) {
        self.state().changes = None;
    }
}
