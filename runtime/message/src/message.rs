//! The [`Message`] trait: what can be sent to an actor.
//!
//! It is implemented by `#[message]`, never by hand. What travels to another node goes through its [`Codec`]; read
//! `codec.rs` next.

use crate::Codec;

/// A value that can be sent to an actor.
///
/// `#[message(id = "bank/Deposit", reply = Balance, error = Refused)]` on a struct or enum implements it. With
/// `#[message(local, reply = …)]` there is no codec and the value never leaves its node.
pub trait Message: Send + Sized + 'static {
    /// What a caller receives when all goes well.
    type Reply: Send + 'static;
    /// What a handler may answer instead; [`Infallible`](std::convert::Infallible) if none was declared.
    type Error: Send + 'static;
    /// What a handler returns: `Reply`, or `Result<Reply, Error>` where an error was declared.
    type Output: Send + 'static;

    /// The declared id, or the name of the type for a local message. For people: traces and errors.
    const NAME: &'static str;

    /// How the message and its output are archived; `None` for a message that stays on its node.
    const CODEC: Option<Codec<Self>>;

    /// Whether running it twice does no more than running it once; declared by `#[message(idempotent, …)]`. A retried
    /// ask sends such a message again even when it may have run.
    const IDEMPOTENT: bool = false;

    /// Splits what a handler returned into the two things a caller can receive.
    ///
    /// # Errors
    /// The handler's own error, if it answered with one.
    fn answer(output: Self::Output) -> Result<Self::Reply, Self::Error>;
}
