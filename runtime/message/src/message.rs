//! The [`Message`] trait: what can be sent to an actor.
//!
//! It is implemented by `#[message]`, never by hand. What travels to another node goes through its [`Codec`]; read
//! `codec.rs` next.

use crate::Codec;

/// A value that can be sent to an actor.
///
/// `#[message(id = "bank/Deposit", reply = Balance, error = Refused)]` on a struct or enum implements it. With
/// `#[message(local, reply = …)]` there is no codec and the value never leaves its node. A message whose layout has
/// changed is still understood from nodes of the version before if that layout stays in the program as a message of the
/// same id, and the new one says `accepts(DepositV0)` and implements `From<DepositV0>`.
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

    /// Names the older layouts that a node takes for this message; written by `#[message(accepts(…))]`.
    #[doc(hidden)]
    fn formers(_formers: &mut impl Formers<Self>) {}

    /// Splits what a handler returned into the two things a caller can receive.
    ///
    /// # Errors
    /// The handler's own error, if it answered with one.
    fn answer(output: Self::Output) -> Result<Self::Reply, Self::Error>;
}

/// Takes the older layouts of a message, one call for each.
#[doc(hidden)]
pub trait Formers<M: Message> {
    /// A layout that becomes the message on arrival; the answer is the same.
    fn former<O>(&mut self)
    where
        O: Message<Reply = M::Reply, Error = M::Error, Output = M::Output>,
        M: From<O>;
}

/// Whether two ids are the same, also in a constant.
#[doc(hidden)]
#[must_use]
pub const fn is_same_id(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}
