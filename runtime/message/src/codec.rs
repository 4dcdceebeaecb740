//! How a message becomes an archive and an archive a message.
//!
//! A [`Codec`] is a table of functions for one message type, made by [`Codec::new`] in what `#[message]` writes.
//! Archives from outside are checked once, with a bound on their depth, before anything reads them; see `check.rs`.
//! This file is the only place that names rkyv's strategies. Data comes from
//! `payload.rs` and goes to an actor's handler; read `schema.rs` next.

use std::{any::Any, error::Error, fmt};

use rkyv::{
    Archive, Deserialize, Serialize,
    api::{access_with_context, deserialize_using, serialize_using},
    bytecheck::CheckBytes,
    rancor::{self, Strategy},
    ser::{Positional, Serializer, Writer},
};

use crate::{
    Fingerprint, Message, MessageId, Payload, Schema, Streamed, Travels,
    ceiling::{ceiling, hit_ceiling},
    check::Check,
    scratch::{Scratch, with_scratch},
};

/// Appends an archive to a batch; positions are relative to the archive's own start.
pub struct ArchiveWriter<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    /// Length of `out` beyond which the archive is given up.
    end_max: usize,
}

impl Positional for ArchiveWriter<'_> {
    fn pos(&self) -> usize {
        self.out.len() - self.start
    }
}

impl<E: rancor::Source> Writer<E> for ArchiveWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), E> {
        // Before the bytes are copied: a list of numbers comes as one piece.
        if bytes.len() > self.end_max.saturating_sub(self.out.len()) {
            hit_ceiling();
            rancor::fail!(BeyondCeiling);
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }
}

/// The archive is longer than whoever tries it out wants it here.
#[derive(Debug)]
struct BeyondCeiling;

impl fmt::Display for BeyondCeiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is longer than was to be tried")
    }
}

impl Error for BeyondCeiling {}

/// What archives are written with.
///
/// It shares nothing, so `Rc` and `Arc` cannot be archived and every archive is a tree. With shared parts an archive
/// could be flat when it is checked and still be a chain of any length when the value is dropped.
pub type Encoder<'a> = Strategy<Serializer<ArchiveWriter<'a>, Scratch<'a>, ()>, rancor::Error>;

/// What archives are read with.
pub type Decoder<'a> = Strategy<Decode<'a>, rancor::Error>;

/// What archives are checked with.
type Checker<'a> = Strategy<Check<'a>, rancor::Error>;

/// The state of one deserialization: the node that references inside the message belong to.
pub struct Decode<'a> {
    site: &'a (dyn Any + Send + Sync),
}

impl<'a> Decode<'a> {
    /// What was passed to [`Codec::decode`]: the receiving node's actor system.
    #[must_use]
    pub fn site(&self) -> &'a (dyn Any + Send + Sync) {
        self.site
    }
}

/// A type that can cross nodes: it archives, its archive can be checked and read back, and its layout is described.
///
/// Implemented for everything that `#[data]` or `#[message]` was put on, and for the standard types of rkyv.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot cross nodes",
    label = "what is sent to another node, and what is answered, must be archived",
    note = "put #[data] on `{Self}`, or declare the message #[message(local, …)] if it stays on its node"
)]
pub trait Wire: Archive + Sized + 'static {
    /// Appends the archive of `self` to `out`.
    ///
    /// # Errors
    /// When a part refuses to be archived.
    fn archive(&self, out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// Checks that `bytes` are an archive of this type, which may be read in place from then on.
    ///
    /// # Errors
    /// When they are none, or nest too deep.
    fn check(bytes: &[u8]) -> Result<&Self::Archived, DecodeError>;

    /// Reads a value out of an archive.
    ///
    /// # Errors
    /// When a part refuses to be read.
    fn read(archived: &Self::Archived, site: &(dyn Any + Send + Sync))
    -> Result<Self, DecodeError>;

    /// Checks `bytes` and reads a value out of them.
    ///
    /// # Errors
    /// When the bytes are no archive of this type, nest too deep, or a part refuses to be read.
    fn unarchive(bytes: &[u8], site: &(dyn Any + Send + Sync)) -> Result<Self, DecodeError>;
}

impl<T> Wire for T
where
    T: Archive + Schema + 'static + for<'a> Serialize<Encoder<'a>>,
    T::Archived: for<'a> CheckBytes<Checker<'a>> + for<'a> Deserialize<T, Decoder<'a>>,
{
    fn archive(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let start = out.len();
        let result = with_scratch(|scratch| {
            let end_max = start.saturating_add(ceiling());
            let writer = ArchiveWriter { out, start, end_max };
            let mut serializer = Serializer::new(writer, scratch, ());
            serialize_using::<_, rancor::Error>(self, &mut serializer).map(drop)
        });
        result.map_err(|source| {
            out.truncate(start);
            EncodeError(source)
        })
    }

    fn check(bytes: &[u8]) -> Result<&T::Archived, DecodeError> {
        access_with_context::<T::Archived, _, rancor::Error>(bytes, &mut Check::of_view(bytes))
            .map_err(DecodeError::Archive)
    }

    fn read(archived: &T::Archived, site: &(dyn Any + Send + Sync)) -> Result<T, DecodeError> {
        let mut decode = Decode { site };
        deserialize_using::<T, _, rancor::Error>(archived, &mut decode).map_err(DecodeError::Value)
    }

    fn unarchive(bytes: &[u8], site: &(dyn Any + Send + Sync)) -> Result<T, DecodeError> {
        let mut check = Check::of_value(bytes);
        let archived = access_with_context::<T::Archived, _, rancor::Error>(bytes, &mut check);
        Self::read(archived.map_err(DecodeError::Archive)?, site)
    }
}

/// The stream in what a handler returned.
type ItemsOf<O> = fn(&mut O) -> Option<&mut dyn Travels>;

type Unarchive<T> = fn(&[u8], &(dyn Any + Send + Sync)) -> Result<T, DecodeError>;

/// How one message type and what its handlers return are archived.
pub struct Codec<M: Message> {
    name: &'static str,
    id: MessageId,
    encode: fn(&M, &mut Vec<u8>) -> Result<(), EncodeError>,
    decode: Unarchive<M>,
    encode_output: fn(&M::Output, &mut Vec<u8>) -> Result<(), EncodeError>,
    decode_output: Unarchive<M::Output>,
    fingerprint: fn() -> Fingerprint,
    /// For a message whose reply is a stream.
    items: Option<ItemsOf<M::Output>>,
}

impl<M: Message> Clone for Codec<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Message> Copy for Codec<M> {}

impl<M: Message> fmt::Debug for Codec<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Codec({})", self.name)
    }
}

impl<M: Message> Codec<M> {
    /// The codec of a message declared under `name`.
    #[must_use]
    pub const fn new(name: &'static str) -> Self
    where
        M: Wire + Schema,
        M::Output: Wire + Schema,
    {
        Self {
            name,
            id: MessageId::of(name),
            encode: M::archive,
            decode: M::unarchive,
            encode_output: <M::Output as Wire>::archive,
            decode_output: <M::Output as Wire>::unarchive,
            fingerprint: Fingerprint::of_exchange::<M, M::Output>,
            items: None,
        }
    }

    /// The codec of a message whose reply is a stream, declared under `name`.
    #[must_use]
    pub const fn streaming(name: &'static str) -> Self
    where
        M: Wire + Schema,
        M::Output: Streamed + Schema,
    {
        Self {
            name,
            id: MessageId::of(name),
            encode: M::archive,
            decode: M::unarchive,
            encode_output: <M::Output as Streamed>::archive_opening,
            decode_output: <M::Output as Streamed>::unarchive_opening,
            fingerprint: Fingerprint::of_exchange::<M, M::Output>,
            items: Some(<M::Output as Streamed>::items),
        }
    }

    /// Whether the reply is a stream.
    #[must_use]
    pub const fn is_streaming(&self) -> bool {
        self.items.is_some()
    }

    /// The stream in what a handler returned, if the reply is one and begins.
    #[doc(hidden)]
    pub fn items<'a>(&self, output: &'a mut M::Output) -> Option<&'a mut dyn Travels> {
        self.items.and_then(|items| items(output))
    }

    /// The declared id, as written.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The id that frames carry.
    #[must_use]
    pub const fn id(&self) -> MessageId {
        self.id
    }

    /// The layout of the message and of its answer. Walks the types: call it once, at node start.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        (self.fingerprint)()
    }

    /// Appends the archive of `message` to `out`; on an error `out` is as it was.
    ///
    /// `out.len()` must be a multiple of 16, so that the archive stays aligned when the batch is received.
    ///
    /// # Errors
    /// When a part refuses to be archived, such as a reference to an actor that cannot be reached from outside.
    pub fn encode(&self, message: &M, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        (self.encode)(message, out)
    }

    /// Checks `payload` and reads a message out of it; `site` is the receiving node's actor system.
    ///
    /// # Errors
    /// When the bytes are no archive of this message, nest deeper than [`ARCHIVE_DEPTH_MAX`](crate::ARCHIVE_DEPTH_MAX), or cannot be read.
    pub fn decode(
        &self,
        payload: &Payload,
        site: &(dyn Any + Send + Sync),
    ) -> Result<M, DecodeError> {
        self.decode_bytes(payload.bytes(), site)
    }

    /// As [`decode`](Self::decode), of an archive that lies at a multiple of 16, as in a [`Train`](crate::Train).
    ///
    /// # Errors
    /// As there.
    pub fn decode_bytes(
        &self,
        archive: &[u8],
        site: &(dyn Any + Send + Sync),
    ) -> Result<M, DecodeError> {
        (self.decode)(archive, site)
    }

    /// Appends the archive of what a handler returned; on an error `out` is as it was.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_output(&self, output: &M::Output, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        (self.encode_output)(output, out)
    }

    /// Checks `payload` and reads what a handler returned.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_output(
        &self,
        payload: &Payload,
        site: &(dyn Any + Send + Sync),
    ) -> Result<M::Output, DecodeError> {
        (self.decode_output)(payload.bytes(), site)
    }
}

/// A value could not be archived; nothing was sent.
#[derive(Debug)]
pub struct EncodeError(rancor::Error);

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the value cannot be archived: {}", self.0)
    }
}

impl Error for EncodeError {}

/// Bytes from outside could not be read as the type they claim to be.
#[derive(Debug)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes are no archive of the type: wrong length, bad pointer, too deep.
    Archive(rancor::Error),
    /// The archive is sound but a part cannot be turned into a value here.
    Value(rancor::Error),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive(source) => write!(f, "the archive failed its check: {source}"),
            Self::Value(source) => write!(f, "the archived value cannot be read: {source}"),
        }
    }
}

impl Error for DecodeError {}
