//! The truth about a send that did not end well.
//!
//! Every failure says whether the message may have run: [`Certainty`] is set where the failure happened and
//! travels with it, also over the wire as a [`Failure`]. [`AskError`] and [`TellError`] are what callers see.

use std::{error::Error, fmt};

use crate::Fingerprint;

/// What is known about the message whose send failed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Certainty {
    /// No handler ran and none will: sending it again is safe.
    NotDelivered = 0,
    /// It left, and what became of it is not known: send it again only if running twice does no harm.
    MayHaveRun = 1,
    /// A handler ran with it, whole or in part.
    Ran = 2,
}

impl Certainty {
    /// Reads the byte that frames carry.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::NotDelivered),
            1 => Some(Self::MayHaveRun),
            2 => Some(Self::Ran),
            _ => None,
        }
    }
}

impl fmt::Display for Certainty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotDelivered => "not delivered",
            Self::MayHaveRun => "may have run",
            Self::Ran => "ran",
        })
    }
}

/// Why a send failed, without the message's types: the form that crosses nodes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
#[non_exhaustive]
pub enum FailureKind {
    /// A bound was reached: mailbox, credit, lane or ask table.
    Full = 1,
    /// The actor has stopped, or stopped before the message's turn came.
    Stopped = 2,
    /// The handler panicked.
    Panicked = 3,
    /// Time ran out.
    Deadline = 4,
    /// The caller gave up, or the actor did: it dropped the duty to answer.
    Cancelled = 5,
    /// Actors wait for each other in a circle; see [`AskError::Deadlock`] for which of them are found.
    Deadlock = 6,
    /// The other node cannot be reached, or was lost.
    Unreachable = 7,
    /// The other side does not accept this message, or in another layout.
    Incompatible = 8,
    /// The archive failed its check.
    Decode = 9,
    /// The message must not leave its node.
    LocalOnly = 10,
    /// The message, or its reply, cannot be sent to another node as it is: it is too long, or holds a reference to an
    /// actor that no other node can reach.
    Unsendable = 11,
}

impl FailureKind {
    /// Reads the byte that frames carry.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Full,
            2 => Self::Stopped,
            3 => Self::Panicked,
            4 => Self::Deadline,
            5 => Self::Cancelled,
            6 => Self::Deadlock,
            7 => Self::Unreachable,
            8 => Self::Incompatible,
            9 => Self::Decode,
            10 => Self::LocalOnly,
            11 => Self::Unsendable,
            _ => return None,
        })
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "no room at the receiver",
            Self::Stopped => "the actor has stopped",
            Self::Panicked => "the handler panicked",
            Self::Deadline => "the deadline passed",
            Self::Cancelled => "the ask was cancelled",
            Self::Deadlock => "actors wait for each other in a circle",
            Self::Unreachable => "the node cannot be reached",
            Self::Incompatible => "the receiver does not accept this message",
            Self::Decode => "the archive could not be read",
            Self::LocalOnly => "the message is declared local",
            Self::Unsendable => "it cannot be sent to another node as it is",
        })
    }
}

/// A failed send: what happened, what is known, and a detail for people (at most [`Failure::DETAIL_BYTES_MAX`]).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Failure {
    /// What happened.
    pub kind: FailureKind,
    /// What is known about the message.
    pub certainty: Certainty,
    /// For people: names, values, the remedy. May be empty.
    pub detail: Box<str>,
    /// Of [`FailureKind::Incompatible`], where this node found it before it sent anything: both layouts. It does not cross
    /// nodes.
    pub layouts: Option<Box<Layouts>>,
}

/// The layouts that a message has on two nodes which do not agree.
///
/// A node's own are in the list of what it accepts, and in the golden file that is made of that.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Layouts {
    /// That of the sender, which is this node.
    pub ours: Fingerprint,
    /// That which the receiver accepts; where it accepts several, the first.
    pub theirs: Fingerprint,
}

impl Failure {
    /// Longest detail that crosses nodes, in bytes; a longer one is cut.
    pub const DETAIL_BYTES_MAX: usize = 512;

    /// A failure with a detail.
    #[must_use]
    pub fn new(kind: FailureKind, certainty: Certainty, detail: impl Into<Box<str>>) -> Self {
        Self { kind, certainty, detail: detail.into(), layouts: None }
    }

    /// The same of a message whose layouts are these.
    #[must_use]
    pub fn with_layouts(self, layouts: Layouts) -> Self {
        Self { layouts: Some(Box::new(layouts)), ..self }
    }

    /// A failure of a message that no handler saw.
    #[must_use]
    pub fn not_delivered(kind: FailureKind, detail: impl Into<Box<str>>) -> Self {
        Self::new(kind, Certainty::NotDelivered, detail)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.kind, self.certainty)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

impl Error for Failure {}

/// What is known about one failure: part of every variant of [`AskError`] but the handler's own.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Cause {
    /// Whether the message may have run.
    pub certainty: Certainty,
    /// For people; may be empty.
    pub detail: Box<str>,
    /// As [`Failure::layouts`]; [`AskError::layouts`] has it.
    pub layouts: Option<Box<Layouts>>,
}

/// Why an ask has no reply.
///
/// Variants in order of blame: the handler, the caller, the receiver, the way between them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum AskError<E> {
    /// The handler answered with its own error; it ran.
    Handler(E),
    /// The message is declared local and the actor lives on another node.
    LocalOnly(Cause),
    /// The message, or its reply, cannot be sent to another node as it is: it is too long, or holds a reference to an
    /// actor that no other node can reach. The detail says which; trying again is of no use.
    Unsendable(Cause),
    /// The caller gave up, or the actor did: it dropped the duty to answer.
    Cancelled(Cause),
    /// The deadline passed.
    Deadline(Cause),
    /// Actors wait for each other in a circle, so that there can be no answer before the handler that asks is done. The
    /// detail names them in order, from who asked back to it; the others in the circle go on waiting, and may now be
    /// answered. Ask from a task, or with `ctx.pipe`, or answer later (`ctx.defer`), so that no actor is kept waiting.
    ///
    /// Found on one node, at once or when a wait has outlasted a poll of the worker: an actor that asks itself; chains (A asks B, and
    /// B, to answer, asks A) and crossing asks of any length up to 1,024 waits; the same with tells that wait for room in
    /// a full mailbox, which get `FailureKind::Deadlock` and their message back. A handler that waits with a timer or for the first
    /// of several answers is in a circle all the same: this one cannot come before it is done. A read keeps waiting
    /// what is no read.
    ///
    /// Found across nodes, when an ask to an actor of another node has waited in a handler for
    /// `SystemConfig::probe_after` (100 ms unless set), and again after twice that, and so on: circles of up to 32 waits, at
    /// least two of which are such asks; the others may be of any kind above. One of these asks is told, the same whoever
    /// has found the circle, and it may have run. The circle was whole at one moment while this ask waited; if another ask
    /// of it has given up since, it was open again, and nobody knew. An ask that has less time than `probe_after` is left to
    /// its deadline.
    ///
    /// Not found: circles over a tell or an ask that waits for room or credit at an actor of another node, over an answer
    /// that was deferred, over a message that was forwarded or stashed, over anything else than an ask or a tell (a
    /// channel, a task that is awaited), over a read that is queued behind another message, over one of more than 64 waits
    /// of one actor, or across nodes over one of more than 16. There the deadline ends the wait.
    Deadlock(Cause),
    /// A bound was reached on the way or at the receiver. Retry after a pause.
    Full(Cause),
    /// The actor stopped before the message's turn came. Look the actor up again.
    Stopped(Cause),
    /// The handler panicked; its supervisor decides what becomes of the actor.
    Panicked(Cause),
    /// The receiver does not accept this message, or in another layout: deploy matching versions.
    /// [`layouts`](Self::layouts) says which two.
    Incompatible(Cause),
    /// The archive of the message or of its reply could not be read.
    Decode(Cause),
    /// The other node cannot be reached, or was lost while the ask was on its way.
    Unreachable(Cause),
}

impl<E> AskError<E> {
    /// Whether the message may have run, set where the failure happened.
    #[must_use]
    pub fn certainty(&self) -> Certainty {
        self.cause().map_or(Certainty::Ran, |cause| cause.certainty)
    }

    /// The same error where more is known from elsewhere, such as an attempt before: the message ran if either says so.
    #[must_use]
    pub fn at_least(mut self, certainty: Certainty) -> Self {
        match &mut self {
            Self::Handler(_) => {}
            Self::LocalOnly(cause)
            | Self::Unsendable(cause)
            | Self::Cancelled(cause)
            | Self::Deadline(cause)
            | Self::Deadlock(cause)
            | Self::Full(cause)
            | Self::Stopped(cause)
            | Self::Panicked(cause)
            | Self::Incompatible(cause)
            | Self::Decode(cause)
            | Self::Unreachable(cause) => cause.certainty = cause.certainty.max(certainty),
        }
        self
    }

    /// The two layouts of a message that was not sent because the receiver has it in another one; `None` of any other error,
    /// and where the receiver does not take the message in any.
    #[must_use]
    pub fn layouts(&self) -> Option<Layouts> {
        self.cause()?.layouts.as_deref().copied()
    }

    fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Handler(_) => None,
            Self::LocalOnly(cause)
            | Self::Unsendable(cause)
            | Self::Cancelled(cause)
            | Self::Deadline(cause)
            | Self::Deadlock(cause)
            | Self::Full(cause)
            | Self::Stopped(cause)
            | Self::Panicked(cause)
            | Self::Incompatible(cause)
            | Self::Decode(cause)
            | Self::Unreachable(cause) => Some(cause),
        }
    }

    /// What happened, without the handler's own error, which has no kind.
    #[must_use]
    pub fn kind(&self) -> Option<FailureKind> {
        Some(match self {
            Self::Handler(_) => return None,
            Self::LocalOnly(_) => FailureKind::LocalOnly,
            Self::Unsendable(_) => FailureKind::Unsendable,
            Self::Cancelled(_) => FailureKind::Cancelled,
            Self::Deadline(_) => FailureKind::Deadline,
            Self::Deadlock(_) => FailureKind::Deadlock,
            Self::Full(_) => FailureKind::Full,
            Self::Stopped(_) => FailureKind::Stopped,
            Self::Panicked(_) => FailureKind::Panicked,
            Self::Incompatible(_) => FailureKind::Incompatible,
            Self::Decode(_) => FailureKind::Decode,
            Self::Unreachable(_) => FailureKind::Unreachable,
        })
    }
}

impl<E> From<Failure> for AskError<E> {
    fn from(failure: Failure) -> Self {
        let Failure { certainty, detail, layouts, .. } = failure;
        let cause = Cause { certainty, detail, layouts };
        match failure.kind {
            FailureKind::Full => Self::Full(cause),
            FailureKind::Stopped => Self::Stopped(cause),
            FailureKind::Panicked => Self::Panicked(cause),
            FailureKind::Deadline => Self::Deadline(cause),
            FailureKind::Cancelled => Self::Cancelled(cause),
            FailureKind::Deadlock => Self::Deadlock(cause),
            FailureKind::Unreachable => Self::Unreachable(cause),
            FailureKind::Incompatible => Self::Incompatible(cause),
            FailureKind::Decode => Self::Decode(cause),
            FailureKind::LocalOnly => Self::LocalOnly(cause),
            FailureKind::Unsendable => Self::Unsendable(cause),
        }
    }
}

impl<E> fmt::Display for AskError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(kind), Some(cause)) = (self.kind(), self.cause()) else {
            return f.write_str("the handler answered with an error (ran)");
        };
        write!(f, "{kind} ({})", cause.certainty)?;
        if cause.detail.is_empty() { Ok(()) } else { write!(f, ": {}", cause.detail) }
    }
}

impl<E: Error + 'static> Error for AskError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Handler(error) => Some(error),
            _ => None,
        }
    }
}

/// A tell that was not taken: why, and the message itself where it is still whole.
pub struct TellError<M> {
    /// What happened and what is known.
    pub failure: Failure,
    /// The message, if it was not taken; `None` once it was handed on.
    pub message: Option<M>,
}

impl<M> TellError<M> {
    /// A message that comes back.
    #[must_use]
    pub fn returned(failure: Failure, message: M) -> Self {
        Self { failure, message: Some(message) }
    }

    /// Whether the message may have run.
    #[must_use]
    pub fn certainty(&self) -> Certainty {
        self.failure.certainty
    }
}

impl<M> fmt::Debug for TellError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TellError({})", self.failure)
    }
}

impl<M> fmt::Display for TellError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)
    }
}

impl<M> Error for TellError<M> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.failure)
    }
}
