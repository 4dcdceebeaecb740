//! A received message that is read where it lies.
//!
//! What it is: a [`View`], an archive that was checked and that nobody writes any more, with the credit that it holds. It
//! is the proof of the check: there is no way to make one of bytes that failed it. What it is NOT: a copy or a value of
//! the message; [`View::read`] makes that. Data comes from `payload.rs`; the check is that of `codec.rs`.

#![expect(unsafe_code, reason = "an archive that was checked is read without another check")]

use std::{any::Any, fmt, marker::PhantomData, ops::Deref, sync::Arc};

use rkyv::{Archive, access_unchecked};

use crate::{Credit, DecodeError, EncodeError, Payload, Slab, Wire};

/// A message as it was received: an archive that was checked once, read in place through `&T::Archived`.
///
/// It is owned, so a handler may hold it across awaits, keep it in its actor, or give it to a task. It copies nothing and
/// allocates nothing: it shares the memory that the message arrived in, and keeps it there. As long as it lives, the
/// message counts as waiting at its receiver: its sender's [credit](Credit) comes back when the view goes. Whoever holds
/// half of that credit in views, by default 8,192 messages or 1 MiB of one sender, may stop the sender. What is wanted for
/// longer is better [read](Self::read). To share one, put it into an `Arc`.
///
/// Numbers in an archive are little-endian types of rkyv, which have `to_native`; strings and lists deref to `str` and
/// slices; the names of the fields are those of the message.
///
/// # Examples
/// ```
/// use odeon_message::{View, data};
///
/// # mod odeon { pub use odeon_message::*; }
/// # /*
/// #[data]
/// # */
/// # #[data(crate = crate::odeon)]
/// struct Line {
///     number: u32,
///     text: String,
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // A view of a local value; those of received messages come to a handler.
/// let view = View::of(&Line { number: 7, text: "seven".into() })?;
/// assert_eq!(view.number.to_native(), 7);
/// assert_eq!(view.text.as_str(), "seven"); // where it lies
/// assert_eq!(view.read(&())?.text, "seven"); // a String of its own
/// # Ok(())
/// # }
/// ```
pub struct View<T: Archive> {
    payload: Payload,
    credit: Option<Credit>,
    /// It is sent and shared like what it shows.
    archived: PhantomData<Arc<T::Archived>>,
}

impl<T: Wire> View<T> {
    /// Checks an archive, with a bound on its depth; the view keeps what the message holds of its sender's credit.
    ///
    /// # Errors
    /// When the bytes are no archive of `T`, or nest deeper than [`ARCHIVE_DEPTH_MAX`](crate::ARCHIVE_DEPTH_MAX); the
    /// credit is given back.
    pub fn open(payload: Payload, credit: Option<Credit>) -> Result<Self, DecodeError> {
        T::check(payload.bytes())?;
        Ok(Self { payload, credit, archived: PhantomData })
    }

    /// Archives a value of this node, into memory of its own: two allocations, and no credit. For actors whose one
    /// handler reads archives, and for tests.
    ///
    /// # Errors
    /// When a part refuses to be archived, such as a reference to an actor that cannot be reached from outside.
    pub fn of(value: &T) -> Result<Self, EncodeError> {
        let mut archive = Vec::new();
        value.archive(&mut archive)?;
        let mut slab = Slab::with_capacity(archive.len().max(1));
        slab.extend_from_slice(&archive);
        let whole = 0..archive.len();
        let payload = Payload::new(Arc::new(slab), whole).expect("it is the whole of its slab");
        Ok(Self { payload, credit: None, archived: PhantomData })
    }

    /// Makes a value of it, which holds neither memory of the network nor credit once the view is dropped. `site` is the
    /// node that references inside the message belong to: `ctx.system()`, or `&()` where there are none.
    ///
    /// # Errors
    /// [`DecodeError::Value`] when a part cannot be turned into a value here.
    pub fn read(&self, site: &(dyn Any + Send + Sync)) -> Result<T, DecodeError> {
        T::read(self, site)
    }
}

impl<T: Archive> View<T> {
    /// The archive, byte by byte.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.payload.bytes()
    }

    /// The credit of its sender that it holds, in bytes; 0 for one of this node.
    #[must_use]
    pub fn credit_bytes(&self) -> u64 {
        self.credit.as_ref().map_or(0, Credit::bytes)
    }
}

impl<T: Archive> Deref for View<T> {
    type Target = T::Archived;

    #[inline]
    fn deref(&self) -> &T::Archived {
        // SAFETY: every view was made of an archive of `T`: `open` checked it, `of` wrote it. A slab is never written
        // while a payload shares it, nor moved, so it still is what was checked, at the same address.
        unsafe { access_unchecked::<T::Archived>(self.payload.bytes()) }
    }
}

impl<T: Archive> fmt::Debug for View<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View({} bytes)", self.payload.len())
    }
}
