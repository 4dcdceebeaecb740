//! What happened, one event at a time: the vocabulary of a history.
//!
//! What it is: facts that a test records where they happen, each with a number and a time. What it is NOT: a judgement;
//! those are the checkers'. Events come from a [`Recorder`](crate::Recorder) and go into a [`History`](crate::History),
//! which is next to read; `event/told.rs` has their form for people.

mod told;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use odeon_message::Certainty;
use serde::{Deserialize, Serialize};

use crate::{
    call::Call,
    text::{Party, Text},
    value::Value,
};

/// The number of an event in its history: a later event has a greater one.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Its number.
    pub seq: Seq,
    /// When, since the beginning of the history: virtual or real time, as its recorder's clock has it.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// One message from one party to another; its sender numbers it, and the number travels in the message.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Letter {
    /// Who sent it.
    pub from: Party,
    /// To whom.
    pub to: Party,
    /// Which one of this pair; each number once.
    pub number: u64,
}

impl Letter {
    /// The letter with this number.
    pub fn new(from: impl Into<Party>, to: impl Into<Party>, number: u64) -> Self {
        Self { from: from.into(), to: to.into(), number }
    }
}

/// How somebody's life ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// By itself and in order.
    Normal,
    /// By a panic, an error, a failed start, a kill from outside.
    Failed,
    /// By order of its supervisor or its node.
    Ordered,
    /// With its node, or it seemed so.
    NodeLost,
    /// Nothing ended: a watch was refused.
    Refused,
}

/// What can leak.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Resource {
    /// Tasks that are alive.
    Tasks,
    /// Sockets that are bound.
    Sockets,
    /// Bytes of slabs that received messages keep.
    Slabs,
    /// Actors that are alive.
    Actors,
    /// Allocations of actors, of those too that have ended and are still referred to.
    Cells,
    /// Messages that wait for actors, and hold credit of their senders.
    Held,
    /// Answers for which there was no ask.
    Surplus,
}

/// What happened.
///
/// Which checker reads what is said there. Whoever records an event does so on the safe side: before an attempt that it
/// announces, after a success that it reports.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum What {
    /// A client calls an operation; recorded before. The event's number is the operation's.
    Invoke {
        /// Who.
        client: Party,
        /// What it calls.
        call: Call,
    },
    /// The operation was answered; recorded after.
    Done {
        /// The number of its [`What::Invoke`].
        of: Seq,
        /// What was answered.
        answer: Value,
    },
    /// The operation certainly had no effect and will have none.
    Failed {
        /// The number of its [`What::Invoke`].
        of: Seq,
        /// What the client was told.
        why: Text,
    },
    /// The operation may have had its effect, or may have it later. One that never ends counts as this too.
    Unknown {
        /// The number of its [`What::Invoke`].
        of: Seq,
        /// What the client was told.
        why: Text,
    },
    /// A message is sent; recorded before.
    Sent {
        /// Which.
        letter: Letter,
        /// Whether an answer is expected.
        ask: bool,
    },
    /// A handler begins to run with it; recorded first of all in the handler.
    Began {
        /// Which.
        letter: Letter,
    },
    /// Its ask was answered by the handler, with a value or the handler's own error.
    Answered {
        /// Which.
        letter: Letter,
        /// The number that the handler put into its answer, if it did: the answer belongs to that letter.
        echo: Option<u64>,
    },
    /// A tell was taken: nothing more will be heard of it.
    Taken {
        /// Which.
        letter: Letter,
    },
    /// Its sender was told that it failed.
    Refused {
        /// Which.
        letter: Letter,
        /// What is known about it.
        #[serde(with = "certainty")]
        certainty: Certainty,
        /// What the sender was told.
        why: Text,
    },
    /// Its sender waits no more and hears nothing of it.
    GaveUp {
        /// Which.
        letter: Letter,
    },
    /// A life ended: an actor's, a client's, a supervisor's.
    Ended {
        /// Whose.
        party: Party,
        /// How.
        exit: Exit,
    },
    /// A watch begins.
    Watched {
        /// Who is to be told.
        watcher: Party,
        /// Of whose end.
        target: Party,
        /// Which watch of this watcher; each number once.
        watch: u64,
    },
    /// A watch is taken back.
    Unwatched {
        /// Who is to be told no more.
        watcher: Party,
        /// Which watch.
        watch: u64,
    },
    /// A watcher is told.
    Told {
        /// Who.
        watcher: Party,
        /// Which watch.
        watch: u64,
        /// How the target ended.
        exit: Exit,
    },
    /// A child of a supervisor was started, or started again.
    ChildStarted {
        /// Of which.
        supervisor: Party,
        /// Which.
        child: Text,
    },
    /// The start of a child failed.
    ChildStartFailed {
        /// Of which.
        supervisor: Party,
        /// Which.
        child: Text,
    },
    /// A child ended.
    ChildEnded {
        /// Of which.
        supervisor: Party,
        /// Which.
        child: Text,
        /// How; [`Exit::Ordered`] when its supervisor stopped it.
        exit: Exit,
    },
    /// A node is up from now on.
    Up {
        /// Which.
        node: Party,
    },
    /// A node is down from now on.
    Down {
        /// Which.
        node: Party,
    },
    /// Something was broken, or mended: the time of quiet begins anew.
    Fault {
        /// What.
        text: Text,
    },
    /// Whom a node holds for a member, itself included or not; recorded whenever it changes.
    View {
        /// Whose view.
        node: Party,
        /// Whom it sees.
        members: BTreeSet<Party>,
    },
    /// In which of its lives a node is, and in which it sees the others; recorded whenever either changes.
    Lives {
        /// Whose view.
        node: Party,
        /// Its own life; a later one has a greater number.
        life: u64,
        /// The lives of those whom it sees.
        members: BTreeMap<Party, u64>,
    },
    /// A life of a node ends because the others told it of a later one.
    Superseded {
        /// Which.
        node: Party,
        /// The life that ends.
        life: u64,
    },
    /// A holder has a name (a lease, a role, a shard); recorded after it got it.
    Claimed {
        /// Which.
        name: Text,
        /// Who.
        holder: Party,
    },
    /// It has it no more; recorded before it gives it back, or once it could not use it any more.
    Released {
        /// Which.
        name: Text,
        /// Who.
        holder: Party,
    },
    /// How much there was of something.
    Counted {
        /// Where.
        place: Party,
        /// Of what.
        resource: Resource,
        /// How much.
        count: u64,
    },
    /// Anything else, for checkers of one's own.
    Note {
        /// Of whom.
        party: Party,
        /// What it is.
        name: Text,
        /// What about it.
        value: Value,
    },
}

impl What {
    /// About how many bytes an event takes, for the bound of a history.
    pub(crate) fn bytes(&self) -> usize {
        // Short texts are not counted one by one; a shared header and its characters are.
        const TEXT: usize = 32;
        let inside = match self {
            Self::Invoke { client, call } => client.len() + call.bytes() + 2 * TEXT,
            Self::Done { answer, .. } => answer.bytes(),
            Self::Failed { why, .. } | Self::Unknown { why, .. } => why.len() + TEXT,
            Self::Refused { why, .. } => why.len() + 3 * TEXT,
            Self::View { members, .. } => {
                members.iter().map(|member| member.len() + TEXT).sum::<usize>() + TEXT
            }
            Self::Lives { members, .. } => {
                members.keys().map(|member| member.len() + TEXT).sum::<usize>() + TEXT
            }
            Self::Note { value, .. } => value.bytes() + 2 * TEXT,
            _ => 2 * TEXT,
        };
        size_of::<Event>() + inside
    }
}

/// How a [`Certainty`] stands in a serialised history: by the byte that frames carry.
mod certainty {
    use odeon_message::Certainty;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(
        certainty: &Certainty,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*certainty as u8)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Certainty, D::Error> {
        let byte = u8::deserialize(deserializer)?;
        let wrong = || D::Error::custom(format!("certainty {byte} is none of 0, 1 and 2"));
        Certainty::from_byte(byte).ok_or_else(wrong)
    }
}
