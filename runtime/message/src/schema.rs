//! Layout fingerprints: do both sides mean the same bytes?
//!
//! `#[data]` and `#[message]` describe a type's fields; [`Fingerprint::of`] walks the description once, at node
//! start, with a set of the types it has seen, because a const hash over recursive types does not compile. Nodes
//! exchange fingerprints in the handshake and refuse to send what the other would read differently. Read
//! `schema/known.rs` for the types that need no attribute.

use std::{any::TypeId, fmt};

mod known;

/// A type whose archived layout can be described.
///
/// Written by `#[data]` and `#[message]`; by hand only for a type that archives by hand. Not implemented for `usize`
/// and `isize`, whose width is not the same everywhere, nor for `Rc` and `Arc`, which no archive has (see
/// [`Encoder`](crate::Encoder)). A list of values without size does not compile, because a few bytes could claim four
/// billion of them:
///
/// ```compile_fail
/// odeon_message::Fingerprint::of::<Vec<()>>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a part of a message that crosses nodes",
    label = "its layout is not described",
    note = "put #[data] on a type of your own; use u64 in place of usize, String in place of &str, Box in place of \
            Arc; a message that stays on its node takes any field: #[message(local, …)]"
)]
pub trait Schema: 'static {
    /// Adds the layout to `walk`: [`SchemaWalk::leaf`] for a type without parts, else
    /// [`SchemaWalk::composite`].
    fn describe(walk: &mut SchemaWalk);
}

/// What a wrapper archives in the place of a field: which [`Schema`] is for a type. For `#[with(…)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not describe what it writes for a `{F}`",
    label = "it is no wrapper that #[with(…)] takes",
    note = "a wrapper of rkyv's goes by #[rkyv(with = …)], and enters the fingerprint by its name"
)]
pub trait SchemaWith<F: ?Sized> {
    /// Adds what is written to `walk`; `written` is the field's type as the source has it, without spaces.
    fn describe_with(walk: &mut SchemaWalk, written: &str);
}

/// The running description of one type.
pub struct SchemaWalk {
    seen: Vec<TypeId>,
    hash: u64,
}

impl SchemaWalk {
    /// A type without parts, such as `u64`, under a name that no other layout has.
    pub fn leaf(&mut self, name: &str) {
        self.text(Step::Leaf, name);
    }

    /// A type with parts: `kind` is `struct`, `enum` or the like; `parts` describes them. A type that was met before
    /// is described by the order of its first meeting, so that recursion ends and the walk is linear.
    pub fn composite<T: ?Sized + 'static>(&mut self, kind: &str, parts: impl FnOnce(&mut Self)) {
        let id = TypeId::of::<T>();
        if let Some(at) = self.seen.iter().position(|seen| *seen == id) {
            self.step(Step::Again, at as u64);
            return;
        }
        self.seen.push(id);
        self.text(Step::Composite, kind);
        parts(self);
        self.step(Step::End, 0);
    }

    /// One part of a composite: a field or a variant's field, by name (`0`, `1`, … in a tuple).
    pub fn field<T: Schema>(&mut self, name: &str) {
        self.text(Step::Field, name);
        T::describe(self);
    }

    /// Starts a variant of an enum.
    pub fn variant(&mut self, name: &str) {
        self.text(Step::Variant, name);
    }

    /// A bare number that is part of the layout, such as an array's length.
    pub fn number(&mut self, value: u64) {
        self.step(Step::Number, value);
    }

    fn text(&mut self, step: Step, text: &str) {
        self.step(step, text.len() as u64);
        self.mix(text.as_bytes());
    }

    fn step(&mut self, step: Step, value: u64) {
        self.mix(&[step as u8]);
        self.mix(&value.to_le_bytes());
    }

    /// FNV-1a, 64 bit (Fowler, Noll, Vo).
    fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// What a number or a text in the description means, so that no two layouts have one description.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Step {
    Leaf = 1,
    Composite = 2,
    Again = 3,
    End = 4,
    Field = 5,
    Variant = 6,
    Number = 7,
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
            walk.field::<M>("message");
            walk.field::<O>("output");
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
