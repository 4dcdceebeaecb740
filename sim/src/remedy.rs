//! What to write instead, for what fails in a world by a panic of somebody else's code.
//!
//! tokio and actix do not know that they are simulated; what they say when a thread, a reactor or a system is missing is
//! true and of no help. What it is NOT: the text of refusals, which have a remedy of their own (`odeon_interpose`).

/// What a panic says, and the remedy.
const REMEDIES: [(&str, &str); 6] = [
    (
        "System is not running",
        "a simulated node has no actix System and no actix services: reach actors through odeon's references, and write \
         what needs actix as an actor of odeon",
    ),
    (
        "there is no reactor running",
        "a simulated node has no sockets, pipes or signals of tokio's: open sockets with Env::bind, and write outside \
         services as hosts of the world",
    ),
    (
        "IO is disabled",
        "a simulated node has no sockets, pipes or signals of tokio's: open sockets with Env::bind, and write outside \
         services as hosts of the world",
    ),
    (
        "there is no signal driver running",
        "handle signals in main, and tell nodes by a message or World::crash",
    ),
    (
        "Cannot start a runtime from within a runtime",
        "a simulated node shares the world's runtime: await instead of block_on",
    ),
    (
        "can call blocking only when running on the multi-threaded runtime",
        "a simulated node has one thread: spawn a task, or wait for the environment's blocking work",
    ),
];

/// The remedy for a panic inside a node, if it is one of those.
pub(crate) fn remedy(panic: &str) -> Option<&'static str> {
    REMEDIES.iter().find(|(says, _)| panic.contains(says)).map(|(_, remedy)| *remedy)
}
