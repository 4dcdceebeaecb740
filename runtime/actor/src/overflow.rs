//! What a full mailbox does with one message more.
//!
//! What it is: the choice, made once for an actor in [`SpawnOptions`](crate::SpawnOptions). What it is NOT: the bound
//! itself, which is in `load.rs`, or its enforcement, which is in `room.rs`.

/// What a full mailbox does with one message more. However it is set, no call gets past the bound.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Overflow {
    /// Senders wait in order until there is room: tells up to their time, asks up to theirs, messages from other nodes
    /// as long as it takes. Nothing is lost. The default.
    #[default]
    Wait,
    /// The sender is told [`Full`](odeon_message::FailureKind::Full) at once, and has its message back.
    Reject,
    /// The oldest message goes, for a new one that matters more: a reading, a position, a price. Of several
    /// [priorities](crate::SpawnOptions::priorities) the least urgent loses, and a new message that is less urgent than
    /// all that are there is dropped itself. A tell that is dropped looks taken to its sender; an ask is answered
    /// [`Full`](odeon_message::FailureKind::Full), not delivered. Counted in
    /// [`SystemStats::dropped`](crate::SystemStats::dropped).
    DropOldest,
    /// The new message goes, and those that are there stay. Its sender sees what a sender sees of
    /// [`DropOldest`](Self::DropOldest).
    DropNewest,
}
