//! Watching an actor on another node, and the news of its end.

use odeon_message::ActorKey;

use crate::{
    Body, FrameKind, PayloadError,
    body::code,
    bytes::{ByteReader, put_key, put_text},
    format::TEXT_BYTES_MAX,
};

code! {
    /// How a watched actor ended.
    TerminatedReason: u8 {
        /// It stopped.
        Stopped = 1 "stopped",
        /// A handler panicked and nobody restarts it.
        Panicked = 2 "panicked",
        /// It, or its supervisor, gave up.
        Failed = 3 "failed",
        /// It could not start, or start again.
        StartFailed = 4 "could not start",
        /// It was ended without being asked.
        Killed = 5 "killed",
        /// It was gone before the watch came.
        Gone = 7 "gone before it was watched",
        /// It may live: the watch was refused, and nothing will be told.
        WatchRefused = 8 "watch refused",
        /// It was asked to stop.
        ShutDown = 9 "shut down",
        /// An actor that it was linked with ended.
        Linked = 10 "ended with a linked actor",
    }
}

/// Asks for a [`Terminated`] when the watched actor ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watch {
    /// The watching node's number for the watch; never used again in its incarnation.
    pub watch: u64,
    /// Who watches, for the lane of the answer; all zero if no message can reach it.
    pub watcher: ActorKey,
    /// Who is watched.
    pub watched: ActorKey,
}

impl Body for Watch {
    const KIND: FrameKind = FrameKind::Watch;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.watch.to_le_bytes());
        put_key(out, self.watcher);
        put_key(out, self.watched);
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut read = ByteReader::new(bytes);
        let watch = read.u64("watch")?;
        let watcher = read.key("watcher")?;
        let watched = read.key("watched")?;
        read.end()?;
        Ok(Self { watch, watcher, watched })
    }
}

/// Takes a [`Watch`] back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unwatch {
    /// The watching node's number for the watch.
    pub watch: u64,
    /// Who is watched.
    pub watched: ActorKey,
}

impl Body for Unwatch {
    const KIND: FrameKind = FrameKind::Unwatch;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.watch.to_le_bytes());
        put_key(out, self.watched);
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut read = ByteReader::new(bytes);
        let watch = read.u64("watch")?;
        let watched = read.key("watched")?;
        read.end()?;
        Ok(Self { watch, watched })
    }
}

/// A watched actor has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terminated {
    /// The watching node's number for the watch.
    pub watch: u64,
    /// Who ended.
    pub watched: ActorKey,
    /// How.
    pub reason: TerminatedReason,
    /// For people; cut at [`TEXT_BYTES_MAX`].
    pub text: Box<str>,
}

impl Body for Terminated {
    const KIND: FrameKind = FrameKind::Terminated;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.watch.to_le_bytes());
        put_key(out, self.watched);
        out.extend_from_slice(&[self.reason.code(), 0]);
        put_text(out, &self.text, TEXT_BYTES_MAX);
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut read = ByteReader::new(bytes);
        let watch = read.u64("watch")?;
        let watched = read.key("watched")?;
        let reason = TerminatedReason::from_code(read.u8("terminated reason")?);
        read.zero("terminated reserved byte", 1)?;
        let text = read.text("terminated text", TEXT_BYTES_MAX)?.into();
        read.end()?;
        Ok(Self { watch, watched, reason, text })
    }
}
