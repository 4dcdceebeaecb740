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

use odeon_cluster::Profile;
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
    /// What it says of itself: the default until it is known, which is soon after it came up.
    pub profile: Arc<Profile>,
    /// Whether it is about to leave: it answers still, and should get nothing new.
    pub leaving: bool,
}

impl Member {
    /// Whether both are one node in one of its lives, whatever it says of itself.
    #[must_use]
    pub fn is_same_life(&self, other: &Self) -> bool {
        (self.node, self.incarnation) == (other.node, other.incarnation)
    }

    /// Whether it has this role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.profile.roles.iter().any(|one| one == role)
    }
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
    /// Whoever is told was too slow to hear why: see [`Members`].
    Unheard,
}

/// A change in the cluster, as this node sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MemberEvent {
    /// A node is in the cluster and can be reached.
    Up(Member),
    /// A member says something else of itself, or that it is about to leave.
    Changed(Member),
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
/// instead of the single changes; why a member is gone it does not hear then.
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
            MemberEvent::Up(member) | MemberEvent::Changed(member) => {
                self.known.insert(member.node, member.clone());
            }
            MemberEvent::Down { member, .. } => {
                if self.known.get(&member.node).is_some_and(|known| known.is_same_life(member)) {
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
            let reason = match now.get(&member.node) {
                Some(present) if present.is_same_life(member) => continue,
                Some(_) => DownReason::Replaced,
                None => DownReason::Unheard,
            };
            self.ready.push_back(MemberEvent::Down { member: member.clone(), reason });
        }
        for member in now.into_values() {
            match self.known.get(&member.node) {
                Some(known) if *known == member => {}
                Some(known) if known.is_same_life(&member) => {
                    self.ready.push_back(MemberEvent::Changed(member));
                }
                _ => self.ready.push_back(MemberEvent::Up(member)),
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

    /// A member said something of itself.
    pub(crate) fn describe(
        &self,
        (node, incarnation): (NodeId, Incarnation),
        profile: Profile,
        leaving: bool,
    ) {
        let mut state = self.state();
        let Some(member) = state.members.get_mut(&node) else { return };
        if member.incarnation != incarnation
            || (&*member.profile, member.leaving) == (&profile, leaving)
        {
            return;
        }
        (member.profile, member.leaving) = (Arc::new(profile), leaving);
        let member = member.clone();
        if let Some(changes) = &state.changes {
            let _ = changes.send(MemberEvent::Changed(member));
        }
    }

    pub(crate) fn down(&self, member: Member, reason: DownReason) {
        let mut state = self.state();
        let mut member = member;
        if state.members.get(&member.node).is_some_and(|known| known.is_same_life(&member))
            && let Some(known) = state.members.remove(&member.node)
        {
            // With what it said last.
            member = known;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn member(name: &str, life: u64) -> Member {
        Member {
            node: NodeId::of(name),
            incarnation: Incarnation(life),
            name: name.to_owned(),
            addr: SocketAddr::from(([127, 0, 0, 1], 1)),
            profile: Arc::default(),
            leaving: false,
        }
    }

    fn describe(directory: &Directory, name: &str, life: u64, load: u16) {
        let profile = Profile { load, ..Profile::default() };
        directory.describe((NodeId::of(name), Incarnation(life)), profile, false);
    }

    async fn all(members: &mut Members) -> Vec<MemberEvent> {
        let mut all = Vec::new();
        while let Ok(Some(event)) = tokio::time::timeout(Duration::ZERO, members.next()).await {
            all.push(event);
        }
        all
    }

    #[tokio::test]
    async fn a_reader_that_lags_behind_is_given_the_difference_and_no_more() {
        let directory = Arc::new(Directory::new());
        ["a", "b", "c", "d"].iter().for_each(|name| directory.up(member(name, 1)));
        let mut members = directory.subscribe();
        assert_eq!(all(&mut members).await.len(), 4);
        (1..=300).for_each(|load| describe(&directory, "c", 1, load));
        directory.down(member("a", 1), DownReason::Left);
        directory.down(member("b", 1), DownReason::Replaced);
        directory.up(member("b", 2));
        directory.up(member("e", 1));
        let mut told = [0; 4];
        for event in all(&mut members).await {
            match event {
                MemberEvent::Down { member, reason } => match member.name.as_str() {
                    "a" => told[0] += usize::from(reason == DownReason::Unheard),
                    "b" => told[0] += usize::from(reason == DownReason::Replaced),
                    other => panic!("{other} is not down"),
                },
                MemberEvent::Up(member) => told[1] += usize::from("be".contains(&*member.name)),
                MemberEvent::Changed(member) => {
                    assert_eq!((member.name.as_str(), member.profile.load), ("c", 300));
                    told[2] += 1;
                }
            }
        }
        assert_eq!(told, [2, 2, 1, 0]);
        describe(&directory, "d", 1, 7);
        assert!(matches!(&all(&mut members).await[..], [MemberEvent::Changed(_)]), "and goes on");
    }

    #[tokio::test]
    async fn what_is_said_twice_or_by_another_life_is_no_change() {
        let directory = Arc::new(Directory::new());
        directory.up(member("a", 2));
        let mut members = directory.subscribe();
        all(&mut members).await;
        describe(&directory, "a", 1, 9);
        describe(&directory, "nobody", 1, 9);
        assert_eq!(all(&mut members).await, []);
        describe(&directory, "a", 2, 9);
        describe(&directory, "a", 2, 9);
        assert_eq!(all(&mut members).await.len(), 1);
        directory.down(member("a", 2), DownReason::Left);
        let gone = all(&mut members).await;
        let [MemberEvent::Down { member, .. }] = &gone[..] else { panic!("{gone:?}") };
        assert_eq!(member.profile.load, 9, "with what it said last");
    }
}
