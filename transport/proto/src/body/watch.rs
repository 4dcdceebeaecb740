//! Watching an actor on another node, and the news of its end.

use odeon_message::Address;

use crate::{
    Body, FrameKind, PayloadError,
    body::code,
    bytes::{ByteReader, put_address, put_text},
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
        /// It was gone before the watch came.
        Gone = 4 "gone before it was watched",
    }
}

macro_rules! watch {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name {
            /// Who watches; lives on the node that sends the frame.
            pub watcher: Address,
            /// Who is watched; lives on the node that receives the frame.
            pub watched: Address,
        }

        impl Body for $name {
            const KIND: FrameKind = FrameKind::$name;

            fn encode(&self, out: &mut Vec<u8>) {
                put_address(out, &self.watcher);
                put_address(out, &self.watched);
            }

            fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
                let mut read = ByteReader::new(bytes);
                let watcher = read.address("watcher")?;
                let watched = read.address("watched")?;
                read.end()?;
                Ok(Self { watcher, watched })
            }
        }
    };
}

watch! {
    /// Asks for a [`Terminated`] when the watched actor ends.
    Watch
}
watch! {
    /// Takes a [`Watch`] back.
    Unwatch
}

/// A watched actor has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terminated {
    /// Who watches; lives on the node that receives the frame.
    pub watcher: Address,
    /// Who ended.
    pub watched: Address,
    /// How.
    pub reason: TerminatedReason,
    /// For people; cut at [`TEXT_BYTES_MAX`].
    pub text: Box<str>,
}

impl Body for Terminated {
    const KIND: FrameKind = FrameKind::Terminated;

    fn encode(&self, out: &mut Vec<u8>) {
        put_address(out, &self.watcher);
        put_address(out, &self.watched);
        out.extend_from_slice(&[self.reason.code(), 0]);
        put_text(out, &self.text, TEXT_BYTES_MAX);
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut read = ByteReader::new(bytes);
        let watcher = read.address("watcher")?;
        let watched = read.address("watched")?;
        let reason = TerminatedReason::from_code(read.u8("terminated reason")?);
        read.zero("terminated reserved byte", 1)?;
        let text = read.text("terminated text", TEXT_BYTES_MAX)?.into();
        read.end()?;
        Ok(Self { watcher, watched, reason, text })
    }
}
