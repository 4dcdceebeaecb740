//! Payloads of the frames that this crate reads itself: fixed little-endian layouts, not archives.
//!
//! A node must understand these before it agrees with its peer on anything, and must survive any bytes in them: each
//! is read by hand, every length against its bound. Layouts are in `format.md`. [`Hello`](crate::Hello) and
//! [`Welcome`](crate::Welcome) are in `hello.rs`.

mod credit;
mod failure;
mod leave;
mod probe;
mod stream;
#[cfg(test)]
mod tests;
mod watch;

use crate::{FrameKind, PayloadError};

pub use credit::{Credit, CreditTotal};
pub use leave::{Close, CloseCode, Refuse, RefuseReason};
pub use probe::{Ping, Pong, Probe, ProbeAnswer, ProbeRound, ProbeWait};
pub use stream::{Announce, StreamCredit, StreamEnd};
pub use watch::{Terminated, TerminatedReason, Unwatch, Watch};

/// A payload with a layout of its own.
pub trait Body: Sized {
    /// The frame it travels in.
    const KIND: FrameKind;

    /// Appends the payload.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads the whole payload.
    ///
    /// # Errors
    /// When the bytes are anything but exactly one payload of this kind.
    fn decode(bytes: &[u8]) -> Result<Self, PayloadError>;
}

/// A number with known meanings that a later revision may add to: unknown ones are kept, not refused.
macro_rules! code {
    (
        $(#[$doc:meta])* $name:ident: $repr:ty { $($(#[$note:meta])* $variant:ident = $code:literal $text:literal,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$note])* $variant,)*
            /// A number without a meaning in this revision.
            Other($repr),
        }

        impl $name {
            /// What frames carry.
            #[must_use]
            pub const fn code(self) -> $repr {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Other(code) => code,
                }
            }

            /// Reads what frames carry.
            #[must_use]
            pub const fn from_code(code: $repr) -> Self {
                match code {
                    $($code => Self::$variant,)*
                    other => Self::Other(other),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($text),)*
                    Self::Other(code) => write!(f, "code {code}, unknown to this node"),
                }
            }
        }
    };
}
use code;
