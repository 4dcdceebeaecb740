//! The roster: which names, groups and topics there are in the cluster, and who is behind them.
//!
//! Each node has entries of its own, which no other may change, and a replica of those of each member. It tells the
//! others of its own in [`Page`]s, in the order of their versions; whoever missed something is told from there, or all
//! anew, so that there is no gap. A node's entries go with that life of it. Where two nodes claim one name the oldest
//! claim holds, of equal ones that of the smaller node id; every node that sees both claims sees the same holder, and
//! the other claim is given up by its own node.
//!
//! What it is NOT: it sends nothing and reads no clock; the runtime asks for pages and brings those that came. Read
//! `own.rs` and `replica.rs` for how nothing is missed, `index.rs` for who has what.

mod config;
mod entry;
mod index;
mod interests;
mod own;
mod replica;
mod sight;

use std::collections::{BTreeMap, BTreeSet};

use odeon_message::{Address, Incarnation, MessageId, NodeId};

pub use config::RosterConfig;
pub use entry::{Entry, Page, Reached, SUBJECT_BYTES_MAX, Subject};
pub use index::Touched;
pub use interests::{PatternTree, TOPIC_WORDS_MAX, TopicError, check_pattern, check_topic};
pub use own::Cursor;

use index::Index;
use own::Own;
use replica::{Change, Replica};

/// An entry was refused. Nothing has changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntryRefused {
    /// The name, or the name of the group, is empty or too long.
    #[error("names have 1 to {SUBJECT_BYTES_MAX} bytes, and this one has {bytes}: choose another")]
    Length {
        /// Its length.
        bytes: usize,
    },
    /// Somebody else has the name.
    #[error("another actor has the name")]
    Taken {
        /// Who.
        holder: Address,
    },
    /// The node has too many entries.
    #[error(
        "this node has {max} names, memberships and patterns in the cluster already: allow more in RosterConfig"
    )]
    Full {
        /// The bound.
        max: u32,
    },
}

/// What taking a page, or a member's end, has changed.
#[derive(Debug, Default)]
pub struct Learned {
    /// Names, groups and topics that changed.
    pub touched: BTreeSet<Touched>,
    /// Own claims of names that are given up, because there is an older one.
    pub lost: Vec<Lost>,
}

/// A name that an actor of this node had, and has no more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lost {
    /// The name.
    pub name: Box<str>,
    /// Who had it here.
    pub loser: Address,
    /// Who has it.
    pub holder: Address,
}

/// Another member, as the roster knows it.
#[derive(Debug)]
struct Peer {
    replica: Replica,
    /// Up to which version of this node's entries it has answered to have them.
    told: u64,
    /// The version of its own entries when it answered.
    version: u64,
    /// Whom it saw when it answered; `None` before that.
    sight: Option<u64>,
}

impl Peer {
    /// Whether it has heard of all changes up to `version`, this node of all that it had then, and both see the same
    /// members.
    fn is_settled(&self, version: u64, sight: u64) -> bool {
        let is_told = self.told >= version && self.replica.covered >= self.version;
        is_told && self.sight == Some(sight)
    }
}

/// The names, groups and topics of a cluster, as one node knows them.
#[derive(Debug)]
pub struct Roster {
    me: NodeId,
    incarnation: Incarnation,
    own: Own,
    peers: BTreeMap<NodeId, Peer>,
    index: Index,
    /// The greatest stamp of a claim that was seen or made.
    stamp: u64,
    config: RosterConfig,
}

impl Roster {
    /// The roster of a node without entries and other members.
    #[must_use]
    pub fn new(me: NodeId, incarnation: Incarnation, config: RosterConfig) -> Self {
        Self {
            me,
            incarnation,
            own: Own::new(config.removals_max),
            peers: BTreeMap::new(),
            index: Index::default(),
            stamp: 0,
            config,
        }
    }

    /// Bounds and times.
    #[must_use]
    pub fn config(&self) -> &RosterConfig {
        &self.config
    }

    /// The life of this node to which its entries belong.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The version of this node's entries: how many changes of them there were.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.own.version()
    }

    /// How many entries this node has.
    #[must_use]
    pub fn own_len(&self) -> usize {
        self.own.len()
    }

    /// A member is up.
    pub fn up(&mut self, node: NodeId, incarnation: Incarnation) -> Learned {
        let mut learned = Learned::default();
        if self.knows(node, incarnation) {
            return learned;
        }
        let replica = Replica::new(incarnation);
        let peer = Peer { replica, told: 0, version: 0, sight: None };
        if let Some(earlier) = self.peers.insert(node, peer) {
            self.forget(node, earlier, &mut learned);
        }
        learned
    }

    /// That life of a member is over, and with it all its entries.
    pub fn down(&mut self, node: NodeId, incarnation: Incarnation) -> Learned {
        let mut learned = Learned::default();
        if self.knows(node, incarnation)
            && let Some(peer) = self.peers.remove(&node)
        {
            self.forget(node, peer, &mut learned);
        }
        learned
    }

    fn forget(&mut self, node: NodeId, peer: Peer, learned: &mut Learned) {
        for entry in peer.replica.into_entries() {
            self.index.remove(node, &entry, &mut learned.touched);
        }
    }

    fn knows(&self, node: NodeId, incarnation: Incarnation) -> bool {
        self.peers.get(&node).is_some_and(|peer| peer.replica.incarnation == incarnation)
    }

    /// Claims a name for an actor of this node, `now` in microseconds since 1970; the same actor may claim it again.
    ///
    /// # Errors
    /// When another actor is known to have it, and when there are too many entries.
    pub fn claim(
        &mut self,
        name: &str,
        address: Address,
        now: u64,
    ) -> Result<Learned, EntryRefused> {
        let subject = Subject::Name(name.into());
        self.check(&subject)?;
        match self.index.holder(name) {
            Some(holder) if holder == address => return Ok(Learned::default()),
            Some(holder) => return Err(EntryRefused::Taken { holder }),
            None => {}
        }
        self.stamp = now.max(self.stamp.saturating_add(1));
        Ok(self.put(Entry { subject, address: Some(address), stamp: self.stamp }))
    }

    /// Puts an actor of this node into a group; again changes nothing.
    ///
    /// # Errors
    /// When there are too many entries.
    pub fn join(&mut self, group: &str, address: Address) -> Result<Learned, EntryRefused> {
        let subject = Subject::Member { group: group.into(), actor: address.key };
        self.check(&subject)?;
        if self.own.get(&subject).is_some_and(|entry| entry.address == Some(address)) {
            return Ok(Learned::default());
        }
        Ok(self.put(Entry { subject, address: Some(address), stamp: 0 }))
    }

    /// Says that somebody on this node listens to messages of this type on topics by this pattern; again changes nothing.
    ///
    /// # Errors
    /// When there are too many entries.
    pub fn listen(&mut self, pattern: &str, message: MessageId) -> Result<Learned, EntryRefused> {
        let subject = Subject::Interest { pattern: pattern.into(), message };
        self.check(&subject)?;
        if self.own.get(&subject).is_some() {
            return Ok(Learned::default());
        }
        Ok(self.put(Entry { subject, address: None, stamp: 0 }))
    }

    fn check(&self, subject: &Subject) -> Result<(), EntryRefused> {
        let bytes = subject.text().len();
        if bytes == 0 || bytes > SUBJECT_BYTES_MAX {
            return Err(EntryRefused::Length { bytes });
        }
        let max = self.config.entries_max;
        if self.own.len() >= max as usize && self.own.get(subject).is_none() {
            return Err(EntryRefused::Full { max });
        }
        Ok(())
    }

    fn put(&mut self, entry: Entry) -> Learned {
        let mut learned = Learned::default();
        self.index.add(self.me, &entry, &mut learned.touched);
        if let Some(old) = self.own.put(entry) {
            self.index.remove(self.me, &old, &mut learned.touched);
        }
        learned
    }

    /// Removes an own entry.
    pub fn withdraw(&mut self, subject: &Subject) -> Learned {
        let mut learned = Learned::default();
        if let Some(old) = self.own.remove(subject) {
            self.index.remove(self.me, &old, &mut learned.touched);
        }
        learned
    }

    /// The own entry about this, if there is one.
    #[must_use]
    pub fn own(&self, subject: &Subject) -> Option<&Entry> {
        self.own.get(subject)
    }

    /// Begins another life of this node, which was held for dead: its entries are those of the new life, each under the
    /// address that `address` gives in the place of the old one, and without those for which it has none.
    pub fn renew(
        &mut self,
        incarnation: Incarnation,
        address: impl Fn(&Address) -> Option<Address>,
    ) -> Learned {
        let mut learned = Learned::default();
        self.incarnation = incarnation;
        // What they have heard was of the life before, and whom they saw.
        self.peers.values_mut().for_each(|peer| (peer.told, peer.sight) = (0, None));
        let entries: Vec<Entry> = self.own.entries().cloned().collect();
        for old in entries {
            learned.touched.extend(self.withdraw(&old.subject).touched);
            let renewed = old.address.as_ref().map(&address);
            let entry = match (old.subject, renewed) {
                (subject, None) => Entry { subject, address: None, stamp: old.stamp },
                (_, Some(None)) => continue,
                (Subject::Member { group, .. }, Some(Some(address))) => {
                    let subject = Subject::Member { group, actor: address.key };
                    Entry { subject, address: Some(address), stamp: old.stamp }
                }
                (subject, address) => {
                    Entry { subject, address: address.flatten(), stamp: old.stamp }
                }
            };
            let name = match &entry.subject {
                Subject::Name(name) => Some(name.clone()),
                _ => None,
            };
            learned.touched.extend(self.put(entry).touched);
            name.into_iter().for_each(|name| self.give_up(name, &mut learned));
        }
        learned
    }

    /// The next page for a member that was told so far; `None` if it has been told all.
    pub fn page(&self, cursor: &mut Cursor) -> Option<Page> {
        let entries_max = self.config.page_entries_max as usize;
        self.own.page((self.me, self.incarnation), cursor, entries_max)
    }

    /// A page without news, by which a member that should have all sees whether it does; `None` if there never was
    /// anything to tell.
    #[must_use]
    pub fn check_page(&self) -> Option<Page> {
        (self.own.version() > 0).then(|| self.question())
    }

    /// A page without news, to ask a member what it has and whom it sees.
    #[must_use]
    pub fn question(&self) -> Page {
        self.own.check((self.me, self.incarnation))
    }

    /// A member's answer to a page of this life.
    pub fn answered(&mut self, node: NodeId, of: Incarnation, reached: Reached) {
        if of != self.incarnation {
            return;
        }
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.told = reached.covered;
            peer.version = reached.version;
            peer.sight = Some(reached.sight);
        }
    }

    /// Whom this node sees, itself among them.
    fn sight(&self) -> u64 {
        let others = self.peers().map(|(node, incarnation)| sight::of(node, incarnation));
        others.fold(sight::of(self.me, self.incarnation), |all, one| all ^ one)
    }

    /// The answer to a page that is not taken.
    #[must_use]
    pub fn refusal(&self) -> Reached {
        let (version, sight) = (self.own.version(), self.sight());
        Reached { covered: 0, version, is_member: false, sight }
    }

    /// Takes a page of a member, in which nothing was registered later than `stamp_max`, in microseconds since 1970: a
    /// greater stamp would leave no later one for anybody else.
    pub fn take(&mut self, page: Page, stamp_max: u64) -> (Reached, Learned) {
        let mut learned = Learned::default();
        let node = page.owner;
        // A page of a member that says what it cannot say is not taken, as one of nobody.
        if !self.knows(node, page.incarnation) || !page.is_sound(stamp_max) {
            return (self.refusal(), learned);
        }
        let mut claimed = Vec::new();
        let mut covered = 0;
        if let Some(peer) = self.peers.get_mut(&node) {
            for change in peer.replica.take(page, self.config.entries_max as usize) {
                match change {
                    Change::Went(entry) => self.index.remove(node, &entry, &mut learned.touched),
                    Change::Came(entry) => {
                        self.stamp = self.stamp.max(entry.stamp);
                        self.index.add(node, &entry, &mut learned.touched);
                        if let Subject::Name(name) = entry.subject {
                            claimed.push(name);
                        }
                    }
                }
            }
            covered = peer.replica.covered;
        }
        for name in claimed {
            self.give_up(name, &mut learned);
        }
        (Reached { covered, is_member: true, ..self.refusal() }, learned)
    }

    /// Withdraws an own claim of a name that somebody else has.
    fn give_up(&mut self, name: Box<str>, learned: &mut Learned) {
        let subject = Subject::Name(name.clone());
        let Some(loser) = self.own.get(&subject).and_then(|entry| entry.address) else { return };
        let Some(holder) = self.index.holder(&name).filter(|holder| *holder != loser) else {
            return;
        };
        learned.touched.extend(self.withdraw(&subject).touched);
        learned.lost.push(Lost { name, loser, holder });
    }

    /// The members that have not heard of all changes up to `version`, or of whose own changes, as of their answer, this
    /// node has not heard, or that see other members than this node: while there are none, every member of which any of
    /// them knows has heard what was claimed here, and nobody has claimed it before.
    #[must_use]
    pub fn unsettled(&self, version: u64) -> Vec<NodeId> {
        let sight = self.sight();
        let unsettled = self.peers.iter().filter(|(_, peer)| !peer.is_settled(version, sight));
        unsettled.map(|(node, _)| *node).collect()
    }

    /// Whether a member has answered with all it has, and sees the same members.
    #[must_use]
    pub fn is_settled(&self, node: NodeId) -> bool {
        let sight = self.sight();
        self.peers.get(&node).is_none_or(|peer| peer.is_settled(0, sight))
    }

    /// Whether all members have heard of all changes up to `version`.
    #[must_use]
    pub fn is_told(&self, version: u64) -> bool {
        self.peers.values().all(|peer| peer.told >= version)
    }

    /// Who has a name.
    #[must_use]
    pub fn holder(&self, name: &str) -> Option<Address> {
        self.index.holder(name)
    }

    /// Who is in a group, in the order of their nodes.
    #[must_use]
    pub fn members(&self, group: &str) -> Vec<Address> {
        self.index.members(group).collect()
    }

    /// The other members that listen to messages of this type on a topic, each in its present life.
    #[must_use]
    pub fn listeners(&self, topic: &str, message: MessageId) -> Vec<(NodeId, Incarnation)> {
        let nodes = self.index.interests.nodes(topic, message).into_iter();
        nodes.filter_map(|node| Some((node, self.peers.get(&node)?.replica.incarnation))).collect()
    }

    /// All names that somebody has.
    pub fn names(&self) -> impl Iterator<Item = (&str, Address)> {
        self.index.names()
    }

    /// All groups with members, and how many.
    pub fn groups(&self) -> impl Iterator<Item = (&str, usize)> {
        self.index.groups()
    }

    /// All patterns by which somebody listens, each with the type of its messages and the nodes, this one among them.
    #[must_use]
    pub fn patterns(&self) -> BTreeMap<(Box<str>, MessageId), Vec<NodeId>> {
        self.index.interests.all()
    }

    /// The other members, each in its present life.
    pub fn peers(&self) -> impl Iterator<Item = (NodeId, Incarnation)> {
        self.peers.iter().map(|(node, peer)| (*node, peer.replica.incarnation))
    }

    /// The memberships of this node's actors.
    pub fn own_members(&self) -> impl Iterator<Item = (&str, Address)> {
        self.own.entries().filter_map(|entry| match (&entry.subject, entry.address) {
            (Subject::Member { group, .. }, Some(address)) => Some((&**group, address)),
            _ => None,
        })
    }

    /// Takes all own entries back, as when the node leaves.
    pub fn clear(&mut self) -> Learned {
        let mut learned = Learned::default();
        let subjects: Vec<Subject> = self.own.entries().map(|it| it.subject.clone()).collect();
        for subject in subjects {
            learned.touched.extend(self.withdraw(&subject).touched);
        }
        learned
    }
}
