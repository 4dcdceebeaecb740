//! Inbound: the order of lanes in which large messages are announced, and which bulk streams there are.
//!
//! A lane passes its frames to a [`BulkInbox`] only while something announced in it is not complete. Frames of a receiver
//! wait behind what was announced to it, others pass; a ping waits for everything that was announced before it. What
//! waits under credit is not bounded here, because its receiver has granted that; the rest is. What it is NOT: the
//! bytes of the streams (`read.rs`), or a clock: how long a stream may be silent is the transport's.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use odeon_message::ActorKey;
use thiserror::Error;

use crate::{
    Announce, BulkTerms, FrameKind, Header,
    format::{BULK_ANNOUNCED_MAX, BULK_NOTICES_MAX, HEADER_BYTES, LANES_MAX},
};

/// Streams that are open at once, for each one that was offered: a sender counts a stream until it is acknowledged, the
/// receiver until it is read, which is later.
const STREAMS_SLACK: usize = 4;

/// What was announced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Announced {
    /// The header that the frame will have.
    pub header: Header,
    /// The length that it will have.
    pub frame_bytes: usize,
    lane: u8,
}

/// What a frame of a lane has to wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Behind {
    /// What was announced to this actor.
    Receiver(ActorKey),
    /// All that was announced in its lane.
    All,
}

#[derive(Debug)]
enum Place<T> {
    /// Of the announced frame with this number.
    Kept(u64),
    /// Of a frame that is there; true if it is a notice.
    Taken(T, bool),
}

#[derive(Debug)]
struct Lane<T> {
    /// The number that was announced last.
    last: u64,
    /// Announced and not complete.
    open: BTreeSet<u64>,
    /// What waits for each receiver, from the first announced frame on.
    queues: BTreeMap<ActorKey, VecDeque<Place<T>>>,
    /// What waits for everything up to a number.
    behind_all: VecDeque<(u64, T)>,
}

/// What was announced on one connection and is not complete, and what waits for it: `T` for frames, `K` for what is kept
/// with an announced one, as its credit.
///
/// # Examples
/// ```
/// use odeon_message::{ActorKey, AskId, MessageId};
/// use odeon_wire::{Announce, Behind, BulkInbox, BulkTerms, FrameKind, Header};
///
/// let mut inbox = BulkInbox::new(Some(BulkTerms { streams: 1, frame_bytes_max: 1 << 20 }));
/// let [one, other] = [1, 2].map(|slot| ActorKey { slot, generation: 0 });
/// let header = Header::message(one, MessageId(3), AskId::NONE);
/// let announce = Announce { stream: 1, frame_bytes: 1 << 20, kind: FrameKind::Message };
/// inbox.announce(0, header, announce, ())?;
/// assert_eq!(inbox.pass(0, Behind::Receiver(one), false, "second")?, None, "it waits");
/// assert_eq!(inbox.pass(0, Behind::Receiver(other), false, "of another")?, Some("of another"));
/// inbox.open(1)?;
/// assert_eq!(inbox.complete(1, &header, 1 << 20, |()| "first")?, ["first", "second"]);
/// # Ok::<(), odeon_wire::BulkError>(())
/// ```
#[derive(Debug)]
pub struct BulkInbox<T, K> {
    terms: Option<BulkTerms>,
    lanes: Vec<Lane<T>>,
    announced: BTreeMap<u64, (Announced, K)>,
    opened: BTreeSet<u64>,
    notices: usize,
}

impl<T, K> BulkInbox<T, K> {
    /// Of a connection whose peer was offered these terms.
    #[must_use]
    pub fn new(terms: Option<BulkTerms>) -> Self {
        let lane = |_| Lane {
            last: 0,
            open: BTreeSet::new(),
            queues: BTreeMap::new(),
            behind_all: VecDeque::new(),
        };
        Self {
            terms,
            lanes: (0..LANES_MAX).map(lane).collect(),
            announced: BTreeMap::new(),
            opened: BTreeSet::new(),
            notices: 0,
        }
    }

    /// Whether nothing that was announced in this lane is still to come, so that its frames need not be passed.
    #[must_use]
    pub fn is_clear(&self, lane: u8) -> bool {
        self.lanes.get(usize::from(lane)).is_none_or(|lane| lane.open.is_empty())
    }

    /// Whether something is announced or open.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.announced.is_empty() || !self.opened.is_empty()
    }

    /// Whether something is announced that is not complete.
    #[must_use]
    pub fn is_owed(&self) -> bool {
        !self.announced.is_empty()
    }

    /// Takes an announcement; `header` is that of its frame. What is kept comes back when it is complete.
    ///
    /// # Errors
    /// When it has no place: close the connection.
    pub fn announce(
        &mut self,
        lane: u8,
        header: Header,
        announce: Announce,
        kept: K,
    ) -> Result<(), BulkError> {
        let Announce { stream: number, frame_bytes, kind } = announce;
        let frame_bytes = frame_bytes as usize;
        let terms = self.terms.ok_or(BulkError::NotOffered)?;
        let bytes_max = terms.frame_bytes_max as usize;
        if !(HEADER_BYTES..=bytes_max).contains(&frame_bytes) || !frame_bytes.is_multiple_of(16) {
            return Err(BulkError::Length { number, bytes: frame_bytes, bytes_max });
        }
        if self.announced.len() >= BULK_ANNOUNCED_MAX {
            return Err(BulkError::TooMany);
        }
        let Some(books) = self.lanes.get_mut(usize::from(lane)) else {
            return Err(BulkError::NotOffered);
        };
        if number <= books.last || self.announced.contains_key(&number) {
            return Err(BulkError::Number { number, before: books.last });
        }
        books.last = number;
        books.open.insert(number);
        let header = Header { kind, ..header };
        if kind == FrameKind::Message {
            books.queues.entry(header.receiver).or_default().push_back(Place::Kept(number));
        }
        self.announced.insert(number, (Announced { header, frame_bytes, lane }, kept));
        Ok(())
    }

    /// Counts a bulk stream that the peer opened; it may come before its announcement.
    ///
    /// # Errors
    /// When it has no place: close the connection.
    pub fn open(&mut self, number: u64) -> Result<(), BulkError> {
        let terms = self.terms.ok_or(BulkError::NotOffered)?;
        let streams_max = usize::from(terms.streams) * STREAMS_SLACK;
        if self.opened.len() >= streams_max {
            return Err(BulkError::Streams { streams_max });
        }
        if !self.opened.insert(number) {
            return Err(BulkError::OpenedTwice { number });
        }
        Ok(())
    }

    /// What was announced under this number and is not complete.
    #[must_use]
    pub fn announced(&self, number: u64) -> Option<Announced> {
        self.announced.get(&number).map(|(announced, _)| *announced)
    }

    /// Whether a frame would have to wait.
    #[must_use]
    pub fn waits(&self, lane: u8, behind: Behind) -> bool {
        let Some(books) = self.lanes.get(usize::from(lane)) else { return false };
        match behind {
            Behind::Receiver(receiver) => books.queues.contains_key(&receiver),
            Behind::All => !books.open.is_empty(),
        }
    }

    /// Lets a frame of a lane pass, or keeps it until what is before it is complete. A notice is one that no credit
    /// bounds.
    ///
    /// # Errors
    /// When too many notices wait: close the connection.
    pub fn pass(
        &mut self,
        lane: u8,
        behind: Behind,
        is_notice: bool,
        frame: T,
    ) -> Result<Option<T>, BulkError> {
        if !self.waits(lane, behind) {
            return Ok(Some(frame));
        }
        let books = &mut self.lanes[usize::from(lane)];
        if is_notice && self.notices >= BULK_NOTICES_MAX {
            return Err(BulkError::Notices);
        }
        self.notices += usize::from(is_notice);
        match behind {
            Behind::Receiver(receiver) => {
                let queue = books.queues.entry(receiver).or_default();
                queue.push_back(Place::Taken(frame, is_notice));
            }
            Behind::All => books.behind_all.push_back((books.last, frame)),
        }
        Ok(None)
    }

    /// An announced frame has come, and its stream is at its end: what may be handed on now, in order. `make` makes the
    /// frame of what was kept with its announcement.
    ///
    /// # Errors
    /// When it is not the frame that was announced: close the connection.
    pub fn complete(
        &mut self,
        number: u64,
        header: &Header,
        frame_bytes: usize,
        make: impl FnOnce(K) -> T,
    ) -> Result<Vec<T>, BulkError> {
        self.opened.remove(&number);
        let Some((announced, kept)) = self.announced.remove(&number) else {
            return Err(BulkError::NotAnnounced { number });
        };
        if announced.header != *header || announced.frame_bytes != frame_bytes {
            let Announced { frame_bytes: announced, .. } = announced;
            return Err(BulkError::Other { number, announced, bytes: frame_bytes });
        }
        let books = &mut self.lanes[usize::from(announced.lane)];
        books.open.remove(&number);
        let frame = make(kept);
        let mut free = Vec::new();
        if header.kind == FrameKind::Message {
            books.release(header.receiver, number, frame, &mut free, &mut self.notices);
        } else {
            free.push(frame);
        }
        let first_open = books.open.first().copied().unwrap_or(u64::MAX);
        while let Some((up_to, _)) = books.behind_all.front()
            && *up_to < first_open
            && let Some((_, frame)) = books.behind_all.pop_front()
        {
            self.notices -= 1;
            free.push(frame);
        }
        Ok(free)
    }
}

impl<T> Lane<T> {
    /// Puts a frame at its place, and takes what is first and there.
    fn release(
        &mut self,
        receiver: ActorKey,
        number: u64,
        frame: T,
        free: &mut Vec<T>,
        notices: &mut usize,
    ) {
        let Some(queue) = self.queues.get_mut(&receiver) else { return };
        let kept = queue.iter_mut().find(|place| matches!(place, Place::Kept(at) if *at == number));
        if let Some(place) = kept {
            *place = Place::Taken(frame, false);
        }
        while matches!(queue.front(), Some(Place::Taken(..)))
            && let Some(Place::Taken(frame, is_notice)) = queue.pop_front()
        {
            *notices -= usize::from(is_notice);
            free.push(frame);
        }
        if queue.is_empty() {
            self.queues.remove(&receiver);
        }
    }
}

/// What has no place among bulk streams and their announcements. The peer's fault: close with
/// [`CloseCode::Protocol`](crate::CloseCode::Protocol).
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum BulkError {
    /// This node offers no bulk streams.
    #[error("bulk streams have no place here: this node offers none")]
    NotOffered,
    /// The announced length cannot be.
    #[error(
        "bulk stream {number} was announced with {bytes} bytes: a multiple of 16 up to {bytes_max} has a place here"
    )]
    Length {
        /// Of the stream.
        number: u64,
        /// As announced.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// The number was used before.
    #[error(
        "bulk stream {number} was announced after {before}: numbers ascend in a lane and none comes twice"
    )]
    Number {
        /// Of the stream.
        number: u64,
        /// The one before it in the lane.
        before: u64,
    },
    /// Too much is announced.
    #[error("more than {BULK_ANNOUNCED_MAX} bulk streams are announced and not complete")]
    TooMany,
    /// Too many streams are open.
    #[error("more than {streams_max} bulk streams are open, four times what this node offers")]
    Streams {
        /// The bound.
        streams_max: usize,
    },
    /// The stream was opened before and is not complete.
    #[error("bulk stream {number} was opened twice")]
    OpenedTwice {
        /// Of the stream.
        number: u64,
    },
    /// The stream is at its end and was not announced.
    #[error("bulk stream {number} was not announced")]
    NotAnnounced {
        /// Of the stream.
        number: u64,
    },
    /// Another frame came than was announced.
    #[error(
        "bulk stream {number} brought another frame than was announced: {bytes} bytes, not {announced}, or another header"
    )]
    Other {
        /// Of the stream.
        number: u64,
        /// The length that was announced.
        announced: usize,
        /// The length that came.
        bytes: usize,
    },
    /// Too many notices wait.
    #[error("more than {BULK_NOTICES_MAX} terminateds and pings wait behind announced frames")]
    Notices,
}
