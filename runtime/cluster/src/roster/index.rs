//! Who has which name, who is in which group, who listens to which topics: the entries of all nodes, by what they say.
//!
//! What it is NOT: whose entries they are and how they came; that is `own.rs` and `replica.rs`. Read `interests.rs` for
//! topics.

use std::collections::{BTreeMap, BTreeSet};

use odeon_message::{Address, NodeId};

use super::{
    entry::{Entry, Subject},
    interests::Interests,
};

/// A name or a group that changed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Touched {
    /// Somebody else has the name now, or nobody.
    Name(Box<str>),
    /// The group has another member, or one less.
    Group(Box<str>),
    /// Other nodes may listen to topics.
    Interest,
}

/// Who claims a name, the one that has it first: the oldest claim, of equal ones that of the smallest node id.
type Claims = BTreeMap<(u64, NodeId), Address>;

/// The entries of all nodes by what they say.
#[derive(Default, Debug)]
pub(super) struct Index {
    names: BTreeMap<Box<str>, Claims>,
    groups: BTreeMap<Box<str>, BTreeSet<Address>>,
    pub(super) interests: Interests,
}

impl Index {
    /// An entry of a node came.
    pub(super) fn add(&mut self, node: NodeId, entry: &Entry, touched: &mut BTreeSet<Touched>) {
        match (&entry.subject, entry.address) {
            (Subject::Name(name), Some(address)) => {
                let before = self.holder(name);
                let claims = self.names.entry(name.clone()).or_default();
                claims.insert((entry.stamp, node), address);
                if self.holder(name) != before {
                    touched.insert(Touched::Name(name.clone()));
                }
            }
            (Subject::Member { group, .. }, Some(address)) => {
                if self.groups.entry(group.clone()).or_default().insert(address) {
                    touched.insert(Touched::Group(group.clone()));
                }
            }
            (Subject::Interest { pattern, message }, _) => {
                self.interests.add(pattern, *message, node);
                touched.insert(Touched::Interest);
            }
            // Nobody to find: a node of a later version may say more.
            (Subject::Name(_) | Subject::Member { .. }, None) => {}
        }
    }

    /// An entry of a node went.
    pub(super) fn remove(&mut self, node: NodeId, entry: &Entry, touched: &mut BTreeSet<Touched>) {
        match (&entry.subject, entry.address) {
            (Subject::Name(name), Some(_)) => {
                let before = self.holder(name);
                if let Some(claims) = self.names.get_mut(name) {
                    claims.remove(&(entry.stamp, node));
                    if claims.is_empty() {
                        self.names.remove(name);
                    }
                }
                if self.holder(name) != before {
                    touched.insert(Touched::Name(name.clone()));
                }
            }
            (Subject::Member { group, .. }, Some(address)) => {
                if let Some(members) = self.groups.get_mut(group)
                    && members.remove(&address)
                {
                    if members.is_empty() {
                        self.groups.remove(group);
                    }
                    touched.insert(Touched::Group(group.clone()));
                }
            }
            (Subject::Interest { pattern, message }, _) => {
                self.interests.remove(pattern, *message, node);
                touched.insert(Touched::Interest);
            }
            (Subject::Name(_) | Subject::Member { .. }, None) => {}
        }
    }

    /// Who has a name.
    pub(super) fn holder(&self, name: &str) -> Option<Address> {
        self.names.get(name)?.first_key_value().map(|(_, address)| *address)
    }

    /// Who is in a group, node by node.
    pub(super) fn members(&self, group: &str) -> impl Iterator<Item = Address> {
        self.groups.get(group).into_iter().flatten().copied()
    }

    /// All names that somebody has, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, Address)> {
        self.names.iter().filter_map(|(name, claims)| {
            claims.first_key_value().map(|(_, address)| (&**name, *address))
        })
    }

    /// All groups with members, in the order of their names.
    pub(super) fn groups(&self) -> impl Iterator<Item = (&str, usize)> {
        self.groups.iter().map(|(group, members)| (&**group, members.len()))
    }
}
