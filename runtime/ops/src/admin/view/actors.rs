//! The supervision tree, as JSON and as text.

#![expect(missing_docs, reason = "most fields are what their names say, in the units of `view.rs`")]

use std::fmt;

use odeon::Tree;
use serde::{Deserialize, Serialize};

use crate::harmless;

/// The supervision tree: `/v1/actors`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Actors {
    /// Each parent before its children.
    pub actors: Vec<Actor>,
    /// Those that are left out because there are too many.
    pub left_out: usize,
    /// Workers that did not answer; their actors are missing.
    pub silent_workers: usize,
}

/// One actor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Actor {
    pub number: u64,
    pub parent: Option<u64>,
    pub depth: usize,
    pub kind: String,
    /// What its supervisor calls it.
    pub id: Option<String>,
    pub names: Vec<String>,
    pub state: String,
    pub restarts: u32,
    /// Messages that wait in its mailbox.
    pub waiting: u32,
}

impl Actors {
    /// The first of the tree's actors, `max` at most.
    pub(crate) fn of(tree: &Tree, max: usize) -> Self {
        let all = tree.actors();
        let actors = all.iter().take(max).map(|actor| Actor {
            number: actor.number,
            parent: actor.parent,
            depth: actor.depth,
            kind: actor.kind.to_owned(),
            id: actor.id.as_deref().map(str::to_owned),
            names: actor.names.iter().map(|name| name.to_string()).collect(),
            state: actor.state.to_string(),
            restarts: actor.restarts,
            waiting: actor.waiting,
        });
        let left_out = tree.left_out() + all.len().saturating_sub(max);
        let silent_workers = tree.silent_workers();
        Self { actors: actors.collect(), left_out, silent_workers }
    }
}

impl fmt::Display for Actors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, actor) in self.actors.iter().enumerate() {
            let gap = if at == 0 { "" } else { "\n" };
            write!(f, "{gap}{:indent$}", "", indent = 2 * actor.depth)?;
            if let Some(id) = &actor.id {
                write!(f, "{}: ", harmless(id))?;
            }
            write!(f, "{} #{}", harmless(&actor.kind), actor.number)?;
            for name in &actor.names {
                write!(f, " \"{}\"", harmless(name))?;
            }
            write!(f, " {}", harmless(&actor.state))?;
            if actor.restarts > 0 {
                write!(f, ", restarts: {}", actor.restarts)?;
            }
            if actor.waiting > 0 {
                write!(f, ", waiting: {}", actor.waiting)?;
            }
        }
        if self.left_out > 0 {
            write!(f, "\nand {} more, with their children", self.left_out)?;
        }
        if self.silent_workers > 0 {
            write!(f, "\nand what runs on {} workers that do not answer", self.silent_workers)?;
        }
        Ok(())
    }
}
