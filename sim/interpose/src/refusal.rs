//! What a node tried that leaves the simulated world.
//!
//! The call returns an error to the node, and the refusal is recorded, so that the seed fails even where the
//! caller swallows the error. The simulator adds refusals of its own (a task that escaped its node). Read
//! `linux.rs` next.

use std::{
    cell::{Cell, RefCell},
    fmt,
};

/// How many refusals a thread keeps until they are taken; later ones are dropped, the first are the telling ones.
pub const REFUSALS_MAX: usize = 64;

/// One refused step out of the simulated world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The node that tried.
    pub node: String,
    /// What it tried, such as "opened a file".
    pub what: &'static str,
    /// Which one: a path, an address; empty where nothing more is known.
    pub detail: String,
    /// What to write instead.
    pub remedy: &'static str,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, what, detail, remedy } = self;
        let space = if detail.is_empty() { "" } else { " " };
        write!(f, "node {node} {what}{space}{detail}, which leaves the simulated world: {remedy}")
    }
}

thread_local! {
    static LAST_WORDS: Cell<Option<fn()>> = const { Cell::new(None) };
    static REFUSALS: RefCell<Vec<Refusal>> = const { RefCell::new(Vec::new()) };
}

/// Records a refusal on this thread, up to [`REFUSALS_MAX`].
pub fn record(refusal: Refusal) {
    // A thread that is being torn down, or a refusal inside a refusal, has nowhere to record.
    let _ = REFUSALS.try_with(|refusals| {
        if let Ok(mut refusals) = refusals.try_borrow_mut()
            && refusals.len() < REFUSALS_MAX
        {
            refusals.push(refusal);
        }
    });
}

/// Takes what was recorded on this thread.
#[must_use]
pub fn take_refusals() -> Vec<Refusal> {
    REFUSALS.with(RefCell::take)
}

/// Sets what is called when a node ends the whole program, before it ends: the last chance to say why.
pub fn last_words(say: Option<fn()>) {
    LAST_WORDS.set(say);
}

/// Calls it, once.
#[cfg_attr(
    not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))),
    expect(dead_code, reason = "only the symbols call it")
)]
pub(crate) fn say_last_words() {
    let _outside = crate::outside();
    if let Ok(Some(say)) = LAST_WORDS.try_with(Cell::take) {
        say();
    }
}
