//! Parts of messages that have serde's traits and not rkyv's.
//!
//! What it is: [`AsSerde`], by which a field travels as MessagePack inside the archive, and [`ArchivedSerde`], what is
//! there in its place. What it is NOT: a way to read such a part in place; a value is made of it each time. MessagePack
//! names what it holds, so that serde's `flatten`, `default` and `untagged` work, and a field under another name is an
//! error, not another value: the fingerprint cannot see into such a part. Data comes from a derive of rkyv's; how deep it
//! may nest is in `as_serde/depth.rs`, who asks for its check in `check.rs`.

#![expect(unsafe_code, reason = "rkyv declares the trait of a further check unsafe")]

use std::{error::Error, fmt, io, marker::PhantomData};

use rkyv::{
    Place, Portable,
    bytecheck::{CheckBytes, Verify},
    rancor::{self, Fallible, Source, Strategy},
    ser::Writer,
    vec::{ArchivedVec, VecResolver},
    with::{ArchiveWith, DeserializeWith, SerializeWith},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{DecodeError, SchemaWalk, SchemaWith, check::Check};

mod depth;

pub use depth::SERDE_DEPTH_MAX;

/// Lets a field cross nodes whose type has serde's `Serialize` and `Deserialize`, and nothing of rkyv's: a type of
/// another crate. With the feature `serde`.
///
/// The field travels as [MessagePack](https://msgpack.org) inside the archive, with the names of its fields and variants,
/// written straight where the archive is written, but for lists and maps of a length that is not known before, as of
/// `flatten`, which are gathered first. It is read once on arrival, before any handler runs: what is no value of the type,
/// has bytes left over, nests deeper than [`SERDE_DEPTH_MAX`] or would take 64 times its bytes of memory and more than
/// 64 KiB fails the message, as any bad archive does. In a [`View`](crate::View) it is an [`ArchivedSerde`], whose `read`
/// makes a value again each time.
///
/// Depth and memory are not counted within what serde gathers before it knows the type: `flatten`, `untagged` and enums
/// with a tag inside. There a type that contains itself without a byte a level, as an option of a box of itself does, can be
/// nested without a bound by bytes of an evil peer: give it no such part.
///
/// # What the fingerprint sees
/// That the field travels so, its name, and its type as it is written at the field. It does not see into the type. If that
/// type changes, old and new nodes go on sending each other the message, and serde decides: a field more is skipped, one
/// less is an error unless it has a default. To have nodes refuse each other instead, give the field another name.
///
/// # What it costs
/// Some times what an archived field costs, and memory for whatever the value has on the heap. Prefer `#[data]` for types
/// of your own.
///
/// # What does not travel
/// `Some(None)` of an option in an option comes as `None`: MessagePack has one nil.
///
/// # Examples
/// ```
/// use odeon_message::{AsSerde, View, data};
///
/// /// As of another crate.
/// #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
/// struct Place {
///     latitude: f64,
///     longitude: f64,
/// }
///
/// # mod odeon { pub use odeon_message::*; }
/// # /*
/// #[data]
/// # */
/// # #[data(crate = crate::odeon)]
/// struct Sighting {
///     name: String,
///     #[with(AsSerde)]
///     at: Place,
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let at = Place { latitude: 47.1, longitude: 8.5 };
/// let view = View::of(&Sighting { name: "heron".into(), at: at.clone() })?;
/// assert_eq!(view.name.as_str(), "heron"); // where it lies
/// assert_eq!(view.at.read()?, at); // made anew
/// # Ok(())
/// # }
/// ```
pub struct AsSerde;

impl<F: 'static> SchemaWith<F> for AsSerde {
    fn describe_with(walk: &mut SchemaWalk, written: &str) {
        walk.leaf("serde");
        walk.leaf(written);
    }
}

impl<F> ArchiveWith<F> for AsSerde {
    type Archived = ArchivedSerde<F>;
    type Resolver = SerdeResolver;

    fn resolve_with(_: &F, resolver: SerdeResolver, out: Place<ArchivedSerde<F>>) {
        rkyv::munge::munge!(let ArchivedSerde { bytes, .. } = out);
        ArchivedVec::resolve_from_len(resolver.len, VecResolver::from_pos(resolver.pos), bytes);
    }
}

/// Where the bytes of a part lie in the archive that is being written.
pub struct SerdeResolver {
    pos: usize,
    len: usize,
}

impl<F, S> SerializeWith<F, S> for AsSerde
where
    F: Serialize,
    S: Fallible + Writer + ?Sized,
    S::Error: Source,
{
    fn serialize_with(field: &F, serializer: &mut S) -> Result<SerdeResolver, S::Error> {
        let pos = serializer.pos();
        let mut bytes = Bytes { writer: &mut *serializer, refused: None };
        let mut named = rmp_serde::Serializer::new(&mut bytes).with_struct_map();
        let written = field.serialize(&mut named);
        match (written, bytes.refused) {
            // Also where the type has not heeded it.
            (_, Some(refused)) => Err(refused),
            (Ok(()), None) => Ok(SerdeResolver { pos, len: serializer.pos() - pos }),
            (Err(error), None) => Err(S::Error::new(error)),
        }
    }
}

/// The archive's writer as one of std's, and why it refused bytes.
struct Bytes<'a, S: Fallible + ?Sized> {
    writer: &'a mut S,
    refused: Option<S::Error>,
}

impl<S: Fallible + Writer + ?Sized> io::Write for Bytes<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes).map(|()| bytes.len()).map_err(|refused| {
            self.refused = Some(refused);
            io::Error::from(io::ErrorKind::WriteZero)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<F, D> DeserializeWith<ArchivedSerde<F>, F, D> for AsSerde
where
    F: DeserializeOwned,
    D: Fallible + ?Sized,
    D::Error: Source,
{
    fn deserialize_with(field: &ArchivedSerde<F>, _: &mut D) -> Result<F, D::Error> {
        field.value().map_err(D::Error::new)
    }
}

/// A field with [`AsSerde`] as it lies in an archive: MessagePack.
#[derive(CheckBytes, Portable)]
#[bytecheck(crate = rkyv::bytecheck, verify)]
#[rkyv(crate = rkyv)]
#[repr(C)]
pub struct ArchivedSerde<F> {
    bytes: ArchivedVec<u8>,
    /// It is sent and shared as the bytes are.
    value: PhantomData<fn() -> F>,
}

impl<F> ArchivedSerde<F> {
    /// The MessagePack.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl<F: DeserializeOwned> ArchivedSerde<F> {
    /// Makes a value of it. In a [`View`](crate::View) that has been tried before.
    ///
    /// # Errors
    /// [`DecodeError::Value`] when the bytes are no value of the type, are more than one, or nest deeper than
    /// [`SERDE_DEPTH_MAX`].
    pub fn read(&self) -> Result<F, DecodeError> {
        self.value().map_err(|error| DecodeError::Value(rancor::Error::new(error)))
    }

    fn value(&self) -> Result<F, NotRead> {
        let no_value = |error| NotRead { of: std::any::type_name::<F>(), why: Why::NoValue(error) };
        let mut reader = rmp_serde::Deserializer::new(self.bytes());
        let value = depth::read(&mut reader, self.bytes.len()).map_err(no_value)?;
        match reader.get_ref().len() {
            0 => Ok(value),
            left => Err(NotRead { of: std::any::type_name::<F>(), why: Why::Left(left) }),
        }
    }
}

impl<F> fmt::Debug for ArchivedSerde<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArchivedSerde({} bytes)", self.bytes.len())
    }
}

// SAFETY: it accepts what the check of the bytes as a list has accepted, or less.
unsafe impl<F, E> Verify<Strategy<Check<'_>, E>> for ArchivedSerde<F>
where
    F: DeserializeOwned,
    E: Source,
{
    fn verify(&self, check: &mut Strategy<Check<'_>, E>) -> Result<(), E> {
        match check.reads_parts() {
            true => self.value().map(drop).map_err(E::new),
            false => Ok(()),
        }
    }
}

/// The bytes of a part are no value of its type.
#[derive(Debug, thiserror::Error)]
#[error(
    "a part that travels by serde is no {of}: {why}; both nodes need the same version of that type"
)]
struct NotRead {
    of: &'static str,
    why: Why,
}

#[derive(Debug)]
enum Why {
    NoValue(rmp_serde::decode::Error),
    /// Bytes behind the value.
    Left(usize),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoValue(error) => error.fmt(f),
            Self::Left(bytes) => write!(f, "{bytes} bytes are left over"),
        }
    }
}

impl Error for Why {}
