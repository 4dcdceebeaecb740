//! The named groups of a node: made on first use, forgotten when nobody holds them and they have no member.
//!
//! What it is NOT: the registry, whose names belong to one actor each.

use std::{
    any::Any,
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Group, GroupError, Members};
use crate::Actor;

/// The named groups of a node.
pub(crate) struct Groups {
    named: Mutex<BTreeMap<Box<str>, Named>>,
    groups_max: u32,
    members_max: u32,
}

struct Named {
    group: Arc<dyn Any + Send + Sync>,
    kind: &'static str,
    /// Whether nobody holds the group and it has no member.
    is_idle: fn(&Arc<dyn Any + Send + Sync>) -> bool,
}

impl Groups {
    pub(crate) fn new(groups_max: u32, members_max: u32) -> Self {
        Self { named: Mutex::default(), groups_max, members_max }
    }

    /// The group with this name, which is made on first use.
    pub(crate) fn named<A: Actor>(&self, name: &str) -> Result<Group<A>, GroupError> {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = named.get(name) {
            return match known.group.clone().downcast::<Members<A>>() {
                Ok(members) => Ok(Group { members }),
                Err(_) => Err(GroupError::OtherType { name: name.into(), kind: known.kind }),
            };
        }
        if named.len() >= self.groups_max as usize {
            named.retain(|_, known| !(known.is_idle)(&known.group));
        }
        if named.len() >= self.groups_max as usize {
            return Err(GroupError::TooMany { max: self.groups_max });
        }
        let group = Group::<A>::new(self.members_max);
        let entry = Named {
            group: group.members.clone(),
            kind: A::ID.unwrap_or_else(|| std::any::type_name::<A>()),
            is_idle: is_idle::<A>,
        };
        named.insert(name.into(), entry);
        Ok(group)
    }
}

fn is_idle<A: Actor>(group: &Arc<dyn Any + Send + Sync>) -> bool {
    let members = group.downcast_ref::<Members<A>>();
    Arc::strong_count(group) == 1 && members.is_none_or(|members| members.now().is_empty())
}
