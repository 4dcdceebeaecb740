//! Layout fingerprints: do both sides mean the same bytes?
//!
//! `#[data]` and `#[message]` describe a type's fields; [`Fingerprint::of`] walks the description once, at node
//! start, with a set of the types it has seen, because a const hash over recursive types does not compile. Nodes
//! exchange fingerprints in the handshake and refuse to send what the other would read differently.

use std::{
    any::TypeId,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use crate::{ActorKey, ActorTypeId, Address, AskId, Incarnation, MessageId, NodeId};

/// A type whose archived layout can be described.
///
/// Not implemented for `usize` and `isize`: their width is not the same everywhere. Written by `#[data]` and
/// `#[message]`; by hand only for a type that archives by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a part of a message that crosses nodes",
    label = "its layout is not described",
    note = "put #[data] on `{Self}`; use u64 in place of usize, and String in place of &str; a message that stays on \
            its node takes any field: #[message(local, …)]"
)]
pub trait Schema: 'static {
    /// Adds the layout to `walk`: [`SchemaWalk::leaf`] for a type without parts, else
    /// [`SchemaWalk::composite`].
    fn describe(walk: &mut SchemaWalk);
}

/// The running description of one type.
pub struct SchemaWalk {
    seen: Vec<TypeId>,
    hash: u64,
}

impl SchemaWalk {
    /// A type without parts, such as `u64`, under a name that no other layout has.
    pub fn leaf(&mut self, name: &str) {
        self.text(name);
    }

    /// A type with parts: `kind` is `struct`, `enum` or the like; `parts` describes them. A type that was met before
    /// is described by the order of its first meeting, so that recursion ends and the walk is linear.
    pub fn composite<T: ?Sized + 'static>(&mut self, kind: &str, parts: impl FnOnce(&mut Self)) {
        let id = TypeId::of::<T>();
        if let Some(at) = self.seen.iter().position(|seen| *seen == id) {
            self.text("again");
            self.number(at as u64);
            return;
        }
        self.seen.push(id);
        self.text(kind);
        parts(self);
        self.text("end");
    }

    /// One part of a composite: a field or a variant's field, by name (`0`, `1`, … in a tuple).
    pub fn field<T: Schema>(&mut self, name: &str) {
        self.text(name);
        T::describe(self);
    }

    /// Starts a variant of an enum.
    pub fn variant(&mut self, name: &str) {
        self.text("variant");
        self.text(name);
    }

    /// A bare number that is part of the layout, such as an array's length.
    pub fn number(&mut self, value: u64) {
        self.mix(&value.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.mix(text.as_bytes());
    }

    /// FNV-1a, 64 bit (Fowler, Noll, Vo).
    fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// The hash of a layout: equal on both sides means that archives can be read as they are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// The fingerprint of one type.
    #[must_use]
    pub fn of<T: Schema>() -> Self {
        Self::walk(T::describe)
    }

    /// The fingerprint of a message together with what its handlers return.
    #[must_use]
    pub fn of_exchange<M: Schema, O: Schema>() -> Self {
        Self::walk(|walk| {
            walk.text("message");
            M::describe(walk);
            walk.text("output");
            O::describe(walk);
        })
    }

    fn walk(describe: impl FnOnce(&mut SchemaWalk)) -> Self {
        let mut walk = SchemaWalk { seen: Vec::new(), hash: 0xcbf2_9ce4_8422_2325 };
        describe(&mut walk);
        Self(walk.hash)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({:016x})", self.0)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

macro_rules! leaf {
    ($($type:ty),* $(,)?) => { $(
        impl Schema for $type {
            fn describe(walk: &mut SchemaWalk) {
                walk.leaf(stringify!($type));
            }
        }
    )* };
}

leaf!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128, f32, f64, bool, char, (), String, Duration);
leaf!(NodeId, Incarnation, MessageId, ActorTypeId, AskId, ActorKey, Address);

macro_rules! sequence {
    ($($name:literal: $type:ty, [$($param:ident $(: $bound:path)?),*];)*) => { $(
        impl<$($param: Schema $(+ $bound)?),*> Schema for $type {
            fn describe(walk: &mut SchemaWalk) {
                walk.composite::<Self>($name, |walk| { $( walk.field::<$param>(stringify!($param)); )* });
            }
        }
    )* };
}

sequence! {
    "vec": Vec<T>, [T];
    "deque": VecDeque<T>, [T];
    "option": Option<T>, [T];
    "result": Result<T, E>, [T, E];
    "map": BTreeMap<K, V>, [K, V];
    "set": BTreeSet<T>, [T];
}

impl<T: Schema> Schema for Box<T> {
    fn describe(walk: &mut SchemaWalk) {
        walk.composite::<Self>("box", |walk| walk.field::<T>("T"));
    }
}

impl<T: Schema> Schema for Arc<T> {
    fn describe(walk: &mut SchemaWalk) {
        walk.composite::<Self>("shared", |walk| walk.field::<T>("T"));
    }
}

impl<K: Schema, V: Schema, S: 'static> Schema for HashMap<K, V, S> {
    fn describe(walk: &mut SchemaWalk) {
        walk.composite::<HashMap<K, V>>("hash map", |walk| {
            walk.field::<K>("K");
            walk.field::<V>("V");
        });
    }
}

impl<T: Schema, S: 'static> Schema for HashSet<T, S> {
    fn describe(walk: &mut SchemaWalk) {
        walk.composite::<HashSet<T>>("hash set", |walk| walk.field::<T>("T"));
    }
}

impl<T: Schema, const N: usize> Schema for [T; N] {
    fn describe(walk: &mut SchemaWalk) {
        walk.composite::<Self>("array", |walk| {
            walk.number(N as u64);
            walk.field::<T>("T");
        });
    }
}

macro_rules! tuple {
    ($($param:ident),*) => {
        impl<$($param: Schema),*> Schema for ($($param,)*) {
            fn describe(walk: &mut SchemaWalk) {
                walk.composite::<Self>("tuple", |walk| { $( walk.field::<$param>("."); )* });
            }
        }
    };
}

tuple!(A);
tuple!(A, B);
tuple!(A, B, C);
tuple!(A, B, C, D);
tuple!(A, B, C, D, E);
tuple!(A, B, C, D, E, F);
