//! A picture of all actors of a node: who has spawned whom, and how each is.
//!
//! The workers name the actors without a parent, and the rest hangs on those. It is a picture of no single moment:
//! actors go on while it is taken. What it is NOT: a metric; the figures are in `stats.rs`.

use std::{fmt, sync::Arc, time::Duration};

use crate::{ActorSystem, AnyRef, cell::CellPtr, life::Phase};

/// How long the workers may take to answer: one whose handler blocks its thread is left out.
const WORKERS_WITHIN: Duration = Duration::from_secs(1);

/// How an actor is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ActorState {
    /// It starts.
    Starting,
    /// It takes messages.
    Running,
    /// It ends; perhaps it waits for its children.
    Stopping,
    /// A life has ended, and its supervisor decides when the next begins.
    Waiting,
    /// It is gone.
    Ended,
}

impl From<Phase> for ActorState {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Fresh | Phase::Starting => Self::Starting,
            Phase::Running => Self::Running,
            Phase::Stopping | Phase::Reaping => Self::Stopping,
            Phase::Waiting => Self::Waiting,
            Phase::Ended => Self::Ended,
        }
    }
}

impl fmt::Display for ActorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Waiting => "waiting",
            Self::Ended => "ended",
        })
    }
}

/// One actor in a [`Tree`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TreeActor {
    /// The actor.
    pub actor: AnyRef,
    /// Its number on this node.
    pub number: u64,
    /// The number of who spawned it.
    pub parent: Option<u64>,
    /// How many are above it.
    pub depth: usize,
    /// What people call its type.
    pub kind: &'static str,
    /// What its supervisor calls it.
    pub id: Option<Arc<str>>,
    /// Its names in the registry.
    pub names: Vec<Box<str>>,
    /// How it is.
    pub state: ActorState,
    /// How many times it was started again.
    pub restarts: u32,
    /// Messages that wait in its mailbox, about.
    pub waiting: u32,
}

impl fmt::Display for TreeActor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(id) = &self.id {
            write!(f, "{id}: ")?;
        }
        write!(f, "{} #{}", self.kind, self.number)?;
        for name in &self.names {
            write!(f, " {name:?}")?;
        }
        write!(f, " {}", self.state)?;
        match self.restarts {
            0 => Ok(()),
            1 => f.write_str(", 1 restart"),
            more => write!(f, ", {more} restarts"),
        }
    }
}

/// All actors of a node, each followed by its children; prints as a tree.
///
/// ```text
/// odeon_actor::supervisor::Supervisor #1 "root" running
/// ├─ accounts: bank/Account #2 running, 3 restarts
/// └─ audit: bank/Audit #3 waiting, 1 restart
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tree {
    actors: Vec<TreeActor>,
    left_out: usize,
    silent_workers: usize,
}

impl Tree {
    /// Most actors in one tree: more than anybody reads.
    pub const ACTORS_MAX: usize = 1 << 16;

    /// The actors: each parent before its children, these in the order in which they were spawned.
    #[must_use]
    pub fn actors(&self) -> &[TreeActor] {
        &self.actors
    }

    /// The children of the actor with this number.
    pub fn children(&self, number: u64) -> impl Iterator<Item = &TreeActor> {
        self.actors.iter().filter(move |actor| actor.parent == Some(number))
    }

    /// Children and actors without a parent that were left out because there are more than
    /// [`ACTORS_MAX`](Self::ACTORS_MAX) actors; theirs are not counted.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Workers that did not answer within a second; their actors without a parent are missing.
    #[must_use]
    pub fn silent_workers(&self) -> usize {
        self.silent_workers
    }

    fn grow(&mut self, roots: Vec<CellPtr>) {
        let mut rest = roots.into_iter().rev().map(|cell| (cell, None, 0)).collect::<Vec<_>>();
        while let Some((cell, parent, depth)) = rest.pop() {
            if self.actors.len() >= Self::ACTORS_MAX {
                self.left_out += 1;
                continue;
            }
            let bonds = cell.if_bonds(|bonds| {
                let (id, past) = bonds.parent.as_ref().map_or_else(Default::default, |parent| {
                    (parent.id.clone(), parent.past.restarts)
                });
                let children = bonds.children.values().rev().map(|child| child.cell.clone());
                (id, past, bonds.names.clone(), children.collect::<Vec<_>>())
            });
            let (id, restarts, names, children) = bonds.unwrap_or_default();
            let number = cell.number;
            rest.extend(children.into_iter().map(|child| (child, Some(number), depth + 1)));
            let (kind, state, waiting) = (cell.kind(), cell.phase().into(), cell.held().messages());
            let actor = AnyRef(cell);
            self.actors.push(TreeActor {
                actor,
                number,
                parent,
                depth,
                kind,
                id,
                names,
                state,
                restarts,
                waiting,
            });
        }
    }

    /// Of each actor, whether a sibling follows it.
    fn followed(&self) -> Vec<bool> {
        let mut seen = Vec::new();
        let mut followed = vec![false; self.actors.len()];
        for (actor, followed) in self.actors.iter().zip(&mut followed).rev() {
            // Whoever comes later and is deeper is of another parent.
            seen.resize(actor.depth + 1, false);
            *followed = std::mem::replace(&mut seen[actor.depth], true);
        }
        followed
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut open = Vec::new();
        for (actor, followed) in self.actors.iter().zip(self.followed()) {
            open.truncate(actor.depth);
            for more in open.iter().skip(1) {
                f.write_str(if *more { "│  " } else { "   " })?;
            }
            if actor.depth > 0 {
                f.write_str(if followed { "├─ " } else { "└─ " })?;
            }
            writeln!(f, "{actor}")?;
            open.push(followed);
        }
        if self.left_out > 0 {
            writeln!(f, "and {} more, with their children", self.left_out)?;
        }
        if self.silent_workers > 0 {
            writeln!(f, "and what runs on {} workers that do not answer", self.silent_workers)?;
        }
        Ok(())
    }
}

impl ActorSystem {
    /// A picture of all actors of this node, as of about now. It waits at most a second for the workers.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn tree(&self) -> Tree {
        let mut tree = Tree::default();
        let mut roots = Vec::new();
        let counts =
            self.workers().all().iter().map(|worker| worker.count_roots()).collect::<Vec<_>>();
        let end = tokio::time::Instant::now() + WORKERS_WITHIN;
        for count in counts {
            let answer = {
                let _entered = self.runtime().enter();
                tokio::time::timeout_at(end, count)
            };
            match answer.await {
                Ok(Ok(cells)) => roots.extend(cells),
                // A worker that has left has no actors any more.
                Ok(Err(_)) => {}
                Err(_) => tree.silent_workers += 1,
            }
        }
        roots.sort_by_key(|cell: &CellPtr| cell.number);
        tree.grow(roots);
        tree
    }
}
