//! The seam to other nodes: what this crate asks of the network and what the network brings.
//!
//! Outward: [`Remotes`] finds a [`Route`] to an address, and a route takes [`Parcel`]s. Inward: an [`Inbound`]
//! message with its [`ReplyPath`] and its [`Credit`]. What it is NOT: a network; the runtime implements the outward
//! traits, the tests of this crate implement them in memory. Read `actor_ref.rs` for who sends and `inbound.rs` for
//! how an inbound message becomes a handler's turn.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use odeon_message::{
    ActorKey, Address, AskId, Certainty, Credit, EncodeError, Failure, FailureKind, Fingerprint,
    Incarnation, MessageId, NodeId, Outflow, Payload, TraceContext, Train,
};

use tokio::time::Instant;

use crate::{ExitReason, WatchId};

/// One message that came from another node.
pub struct Inbound {
    /// Whom it is for.
    pub to: ActorKey,
    /// What it is.
    pub message: MessageId,
    /// In which layout it came, where there are several; `None` for the present one.
    pub layout: Option<Fingerprint>,
    /// Its archive, not checked yet.
    pub payload: Payload,
    /// For an ask: the time that is left, counted from now.
    pub remaining: Option<Duration>,
    /// For an ask: where the reply goes.
    pub reply: Option<ReplyTo>,
    /// The trace that it is part of, if its sender said so.
    pub trace: Option<TraceContext>,
    /// The credit it holds: given back when its handler begins or it is dropped.
    pub credit: Credit,
}

/// Tells that came from another node one behind the other: of one type, to one actor, in the one layout that it takes.
pub struct InboundTrain {
    /// Whom they are for.
    pub to: ActorKey,
    /// What they are.
    pub message: MessageId,
    /// Their archives, not checked yet.
    pub archives: Train,
    /// The credit that they hold together: given back as they are handled or dropped.
    pub credit: Credit,
}

/// Where the reply to an inbound ask goes.
#[derive(Clone)]
pub struct ReplyTo {
    /// The ask, as its node numbers it.
    pub ask: AskId,
    /// The way back.
    pub path: Arc<dyn ReplyPath>,
}

impl ReplyTo {
    /// Whether it is where the reply to this ask goes.
    pub(crate) fn answers(&self, ask: &AskThere) -> bool {
        self.ask == ask.ask && self.path.asker() == Some((ask.node, ask.incarnation))
    }
}

/// The way back to an asking node. Nothing here may wait; each ask is answered exactly once, from any thread.
pub trait ReplyPath: Send + Sync {
    /// Sends what a handler returned; `encode` appends its archive. Where `encode` fails, the path sends
    /// [`FailureKind::Unsendable`](odeon_message::FailureKind::Unsendable) with [`Certainty::Ran`].
    fn reply(&self, ask: AskId, encode: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), EncodeError>);

    /// Sends why there is no reply.
    fn fail(&self, ask: AskId, failure: Failure);

    /// Answers with a stream, and sends its items as far as the asker takes them. `outflow` is dropped when it has ended,
    /// when the asker gives up, and when its node is lost.
    fn stream(&self, ask: AskId, outflow: Box<dyn Outflow>) {
        drop(outflow);
        let detail = "this way back takes no streams";
        self.fail(ask, Failure::new(FailureKind::Incompatible, Certainty::Ran, detail));
    }

    /// Whether the asker has given up: asked when the message's turn has come, and then it does not run; and while it
    /// runs, until it has answered yes once.
    fn is_cancelled(&self, ask: AskId) -> bool {
        let _ = ask;
        false
    }

    /// As [`is_cancelled`](Self::is_cancelled); if not, the waker is used when the asker gives up, in the place of one that
    /// was passed before.
    fn watch_cancel(&self, ask: AskId, waker: &Waker) -> bool {
        let _ = waker;
        self.is_cancelled(ask)
    }

    /// Until when somebody waits for the answer to an ask that came with this deadline: later than that where it was sent
    /// again. `None` is for ever.
    fn deadline(&self, ask: AskId, came_with: Option<Instant>) -> Option<Instant> {
        let _ = ask;
        came_with
    }

    /// Nobody looks at the ask any more, after [`watch_cancel`](Self::watch_cancel).
    fn unwatch_cancel(&self, ask: AskId) {
        let _ = ask;
    }

    /// The life of the node that asks; `None` where circles of waiting are not looked for.
    fn asker(&self) -> Option<(NodeId, Incarnation)> {
        None
    }
}

/// A wait of an actor of this node, as a search for circles across nodes sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wait {
    /// Its number, which no other wait of this node has, nor will have.
    pub number: u64,
    /// Who waits: type and number of the actor, for people.
    pub actor: String,
    /// For whom and with which ask, if it is for an actor of another node.
    pub far: Option<(Address, AskId)>,
}

/// Waits of this node, each for the actor of the next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    /// The waits; the last is for an actor of another node.
    pub waits: Vec<Wait>,
    /// Whether the last is the one that was looked for.
    pub closes: bool,
}

/// An ask of another node, where it was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AskThere {
    /// Who asks.
    pub node: NodeId,
    /// The life of that node.
    pub incarnation: Incarnation,
    /// The ask, as that node numbers it.
    pub ask: AskId,
    /// Whom it was sent to, on this node.
    pub to: ActorKey,
}

/// Which ways from an ask are looked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Along {
    /// Those to waits for other nodes, at most so many; and one to this wait, if there is.
    Any {
        /// The wait whose circle is looked for, if it is one of this node.
        until: Option<u64>,
        /// How many.
        ways_max: usize,
    },
    /// The one over exactly these waits.
    These(Vec<u64>),
}

/// Takes what was found of an ask: nothing, if it is not there or nothing holds it up. Called at most once, on a worker's
/// thread; must not wait.
pub type Found = Box<dyn FnOnce(Vec<Way>) + Send>;

/// Finds the way to other nodes.
pub trait Remotes: Send + Sync + 'static {
    /// The way to an actor of another node; it exists whether or not that node can be reached.
    fn route(&self, to: Address) -> Arc<dyn Route>;
}

/// A message that was not taken. State is unchanged; the message is still whole.
#[derive(Debug)]
pub struct Refused {
    /// Why. [`FailureKind::Full`](odeon_message::FailureKind::Full) means: wait with [`Route::poll_room`], then retry.
    pub failure: Failure,
}

/// A place in a line for room on a route.
#[derive(Debug, Default)]
pub struct RoomWaiter {
    /// The route's own mark; 0 means "not in line".
    pub slot: u64,
    /// Which of the route's lines, as the route numbers them.
    pub line: u8,
}

/// The way to one actor of another node. No method waits.
pub trait Route: Send + Sync + 'static {
    /// Where it leads.
    fn address(&self) -> Address;

    /// Hands a tell over, in the caller's order.
    ///
    /// # Errors
    /// [`Refused`] says why; on `Full` a retry after [`poll_room`](Self::poll_room) is worth it.
    fn try_send(&self, parcel: &mut dyn Parcel) -> Result<(), Refused>;

    /// Ready when a retry is worth it; else the waker is kept, in order of arrival.
    fn poll_room(&self, waiter: &mut RoomWaiter, cx: &mut Context<'_>) -> Poll<()>;

    /// The waiter left the line: dropped, or done waiting. Called once for each waiter that is in line.
    fn forget_room(&self, waiter: &mut RoomWaiter);

    /// Hands an ask over; `answer` is called exactly once unless [`give_up`](Self::give_up) comes first.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send); then `answer` is dropped uncalled, and on `Full` the route has turned `waiter`
    /// to the line where a retry is waited for.
    fn ask(
        &self,
        parcel: &mut dyn Parcel,
        answer: Arc<dyn RemoteAnswer>,
        waiter: &mut RoomWaiter,
    ) -> Result<AskId, Refused>;

    /// The asker gave up: forget the answer, tell the other node. Says what is known about the message; `answer` is
    /// not called any more, or was called just now.
    fn give_up(&self, ask: AskId) -> Certainty;

    /// An item of the stream that this ask was answered with was taken, and with it the room of so many bytes that its
    /// frame had.
    fn took_item(&self, ask: AskId, frame_bytes: usize) {
        let _ = (ask, frame_bytes);
    }

    /// An actor of this node, in this life of it, has waited for some time for the answer to an ask over this route: are
    /// there actors that wait for each other in a circle? If so one of their asks is answered with
    /// [`FailureKind::Deadlock`](odeon_message::FailureKind::Deadlock), this one or another. Called again, ever less
    /// often, while it waits.
    fn look(&self, life: Incarnation, wait: Wait) {
        let _ = (life, wait);
    }

    /// Asks the other node to report the end of the actor, through
    /// [`ActorSystem::terminated_from_network`](crate::ActorSystem::terminated_from_network). On a reconnect to the
    /// same incarnation it is asked again for all of
    /// [`ActorSystem::remote_watches`](crate::ActorSystem::remote_watches).
    ///
    /// # Errors
    /// When that incarnation is known to be lost: the watcher is told so at once.
    /// `watcher` is where messages reach the watcher, if they can: the news travels in their lane, behind the last.
    fn watch(&self, watch: WatchId, watcher: Option<ActorKey>) -> Result<(), ExitReason>;

    /// The watch is over.
    fn unwatch(&self, watch: WatchId);
}

/// A message on its way out.
pub trait Parcel {
    /// What frames call it.
    fn message(&self) -> MessageId;

    /// What people call it.
    fn name(&self) -> &'static str;

    /// For an ask: the time that is left now.
    fn remaining(&self) -> Option<Duration>;

    /// For an ask that may be sent again, and run again: what all its attempts have in common. A receiver that knows it
    /// answers again instead.
    fn repeat(&self) -> Option<u64> {
        None
    }

    /// For an ask: whether it is answered with a stream.
    fn is_streaming(&self) -> bool {
        false
    }

    /// Our layout of the message and of its answer. Walks the types: a route remembers it.
    fn fingerprint(&self) -> Fingerprint;

    /// Appends the archive to `out`, whose length must be a multiple of 16. May be called again after a refusal.
    ///
    /// # Errors
    /// When the value cannot be archived; `out` is as it was.
    fn encode(&mut self, out: &mut Vec<u8>) -> Result<(), EncodeError>;
}

/// Takes the answer to one ask.
pub trait RemoteAnswer: Send + Sync {
    /// Called at most once, from any thread; the asker decodes the payload.
    fn answer(&self, result: Result<Payload, Failure>);

    /// An item of the stream that it was answered with, and the length of its frame; in order, from any thread.
    fn item(&self, payload: Payload, frame_bytes: usize) {
        let _ = (payload, frame_bytes);
    }

    /// The end of that stream, and why, if it was not the last item. Called at most once, and nothing after it.
    fn end(&self, failure: Option<Failure>) {
        let _ = failure;
    }
}

/// Takes the news that a watched actor of this node has ended, for a watcher on another node.
pub trait TerminatedSink: Send + Sync {
    /// Called exactly once for each watch that is not withdrawn; from any thread; must not wait.
    fn terminated(&self, watch: WatchId, target: ActorKey, reason: &ExitReason);
}
