//! The layouts of types that are not ours: numbers, texts, containers, addresses.
//!
//! A name here is part of every fingerprint: changing one makes old and new nodes refuse each other. Two types with
//! one archived form may share a name.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    num::{
        NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroU8, NonZeroU16,
        NonZeroU32, NonZeroU64, NonZeroU128,
    },
    time::Duration,
};

use super::{Schema, SchemaWalk};
use crate::{ActorKey, ActorTypeId, Address, AskId, Incarnation, MessageId, NodeId};

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
leaf!(NonZeroU8, NonZeroU16, NonZeroU32, NonZeroU64, NonZeroU128);
leaf!(NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128);
leaf!(Ipv4Addr, Ipv6Addr, IpAddr, SocketAddrV4, SocketAddrV6, SocketAddr);
leaf!(NodeId, Incarnation, MessageId, ActorTypeId, AskId, ActorKey, Address);

impl Schema for Box<str> {
    fn describe(walk: &mut SchemaWalk) {
        walk.leaf("box str");
    }
}

/// Refuses elements without size, at compile time: a few bytes could claim four billion of them.
const fn assert_sized<T>() {
    assert!(
        size_of::<T>() != 0,
        "a list of values without size cannot be archived: send their number in a u32 instead"
    );
}

macro_rules! list {
    ($($name:literal: $type:ty;)*) => { $(
        impl<T: Schema> Schema for $type {
            fn describe(walk: &mut SchemaWalk) {
                const { assert_sized::<T>() };
                walk.composite::<Self>($name, |walk| walk.field::<T>("T"));
            }
        }
    )* };
}

list! {
    "vec": Vec<T>;
    "deque": VecDeque<T>;
    "box slice": Box<[T]>;
    "set": BTreeSet<T>;
}

macro_rules! composite {
    ($($name:literal: $type:ty, [$($param:ident),*];)*) => { $(
        impl<$($param: Schema),*> Schema for $type {
            fn describe(walk: &mut SchemaWalk) {
                walk.composite::<Self>($name, |walk| { $( walk.field::<$param>(stringify!($param)); )* });
            }
        }
    )* };
}

composite! {
    "option": Option<T>, [T];
    "result": Result<T, E>, [T, E];
    "box": Box<T>, [T];
    "map": BTreeMap<K, V>, [K, V];
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
tuple!(A, B, C, D, E, F, G);
tuple!(A, B, C, D, E, F, G, H);
