//! How deep a part that travels by serde may nest, how much memory it may take, and how much a length in it is believed.
//!
//! A type that contains itself is read by recursion, so that a few bytes a level could overflow the stack and end the
//! program; rmp-serde's own bound does not count variants of enums. What is here wraps whatever serde hands back and
//! forth and counts. Lengths are only hints to serde, but not every collection doubts them. Read `as_serde.rs` first.

use std::{cell::Cell, fmt};

use serde::{
    Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess,
        Visitor,
    },
};

/// How deep a field with [`AsSerde`](crate::AsSerde) may nest: 128 levels, each a field, an element, a key, a variant, or
/// what is in an option or a struct of one part.
///
/// A type that contains itself takes about two of them a level, so it is as deep as an archive may be by
/// [`ARCHIVE_DEPTH_MAX`](crate::ARCHIVE_DEPTH_MAX).
pub const SERDE_DEPTH_MAX: usize = 128;

/// Elements for which a collection may make room before they are read.
const HINT_MAX: usize = 1024;

/// Memory that the parts of a value may take for each of its bytes, beside [`MEMORY_MIN`]. Most take a few; a list of `None`
/// takes what its elements would, for a byte each.
const MEMORY_TIMES: usize = 64;

/// Memory that the parts of a value may take however short it is.
const MEMORY_MIN: usize = 64 << 10;

/// Reads a value of so many bytes that nests no deeper than [`SERDE_DEPTH_MAX`], and whose parts take no more memory than
/// their bytes are good for.
pub(super) fn read<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    from: D,
    bytes: usize,
) -> Result<T, D::Error> {
    let memory = Cell::new(bytes.saturating_mul(MEMORY_TIMES).saturating_add(MEMORY_MIN));
    T::deserialize(Counted::of(from, Left { levels: SERDE_DEPTH_MAX, memory: &memory }))
}

/// What may follow.
#[derive(Clone, Copy)]
struct Left<'c> {
    levels: usize,
    /// Bytes, of the whole value.
    memory: &'c Cell<usize>,
}

impl Left<'_> {
    /// One level further down.
    fn below<E: Error>(self) -> Result<Self, E> {
        let levels = self.levels.checked_sub(1).ok_or_else(|| {
            E::custom(format_args!(
                "it nests deeper than {SERDE_DEPTH_MAX} levels; send a list in place of a chain"
            ))
        })?;
        Ok(Self { levels, ..self })
    }

    /// Takes the memory of a part.
    fn take<E: Error>(self, bytes: usize) -> Result<(), E> {
        let left = self.memory.get().checked_sub(bytes).ok_or_else(|| {
            E::custom(format_args!(
                "it takes more than {MEMORY_TIMES} times its bytes of memory; leave out what is empty"
            ))
        })?;
        self.memory.set(left);
        Ok(())
    }
}

/// Whatever serde hands over, and what may follow.
struct Counted<'c, T> {
    inner: T,
    left: Left<'c>,
}

impl<'c, T> Counted<'c, T> {
    fn of(inner: T, left: Left<'c>) -> Self {
        Self { inner, left }
    }
}

macro_rules! deserialize {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => { $(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($argument,)* Counted::of(visitor, self.left))
        }
    )* };
}

impl<'de, 'c, D: Deserializer<'de>> Deserializer<'de> for Counted<'c, D> {
    type Error = D::Error;

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }

    deserialize! {
        deserialize_any(); deserialize_ignored_any(); deserialize_identifier();
        deserialize_bool(); deserialize_char(); deserialize_unit(); deserialize_option();
        deserialize_i8(); deserialize_i16(); deserialize_i32(); deserialize_i64(); deserialize_i128();
        deserialize_u8(); deserialize_u16(); deserialize_u32(); deserialize_u64(); deserialize_u128();
        deserialize_f32(); deserialize_f64();
        deserialize_str(); deserialize_string(); deserialize_bytes(); deserialize_byte_buf();
        deserialize_seq(); deserialize_map();
        deserialize_tuple(len: usize);
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
    }
}

macro_rules! visit {
    ($($method:ident($type:ty);)*) => { $(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )* };
}

impl<'de, 'c, V: Visitor<'de>> Visitor<'de> for Counted<'c, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visit! {
        visit_bool(bool); visit_char(char);
        visit_i8(i8); visit_i16(i16); visit_i32(i32); visit_i64(i64); visit_i128(i128);
        visit_u8(u8); visit_u16(u16); visit_u32(u32); visit_u64(u64); visit_u128(u128);
        visit_f32(f32); visit_f64(f64);
        visit_str(&str); visit_borrowed_str(&'de str); visit_string(String);
        visit_bytes(&[u8]); visit_borrowed_bytes(&'de [u8]); visit_byte_buf(Vec<u8>);
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        let left = self.left.below()?;
        self.inner.visit_some(Counted::of(from, left))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        let left = self.left.below()?;
        self.inner.visit_newtype_struct(Counted::of(from, left))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, parts: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(Counted::of(parts, self.left))
    }

    fn visit_map<A: MapAccess<'de>>(self, parts: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Counted::of(parts, self.left))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, part: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(Counted::of(part, self.left))
    }
}

impl<'de, 'c, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Counted<'c, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<S::Value, D::Error> {
        let left = self.left.below()?;
        left.take(size_of::<S::Value>())?;
        self.inner.deserialize(Counted::of(from, left))
    }
}

impl<'de, 'c, A: SeqAccess<'de>> SeqAccess<'de> for Counted<'c, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_element_seed(Counted::of(seed, self.left))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint().map(|len| len.min(HINT_MAX))
    }
}

impl<'de, 'c, A: MapAccess<'de>> MapAccess<'de> for Counted<'c, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_key_seed(Counted::of(seed, self.left))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Counted::of(seed, self.left))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint().map(|len| len.min(HINT_MAX))
    }
}

impl<'de, 'c, A: EnumAccess<'de>> EnumAccess<'de> for Counted<'c, A> {
    type Error = A::Error;
    type Variant = Counted<'c, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, variant) = self.inner.variant_seed(Counted::of(seed, self.left))?;
        Ok((value, Counted::of(variant, self.left)))
    }
}

impl<'de, 'c, A: VariantAccess<'de>> VariantAccess<'de> for Counted<'c, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.newtype_variant_seed(Counted::of(seed, self.left))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(len, Counted::of(visitor, self.left))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.struct_variant(fields, Counted::of(visitor, self.left))
    }
}
