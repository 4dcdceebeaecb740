//! Who waits for whom among the actors of a node, so that those who wait in a circle are told.
//!
//! While a handler waits in an ask or in a tell that finds no room, its actor has an [`Edge`] to the receiver, kept in
//! its bonds. It is made only once the wait has outlasted a poll of the worker, so that a quick answer costs nothing.
//! Whoever makes an edge walks on from the receiver; if that leads back, every actor on the way waits for the next, and
//! this send ends as a deadlock. Both ends of a crossing pair make their edge first and look afterwards, so that one of
//! them sees the circle. An ask to an actor of another node makes its edge later, when it has waited for a while, and is
//! followed there by probes: `edges/far.rs`. What it is NOT: a view of answers that were deferred, or of messages that
//! were forwarded or stashed: there the deadline is the backstop. Data comes from `ask.rs` and `tell.rs`; what runs beside
//! a handler is told apart in `worker/waiting.rs`.
#![expect(unsafe_code, reason = "an edge looks into the ask that it stands for")]

mod far;

use std::{
    collections::BTreeSet,
    iter,
    ptr::NonNull,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    ask::FarAsk,
    cell::{CellHead, CellPtr, Signals},
};

pub(crate) use far::{way_along, ways_from};

/// Edges of one actor: a handler that waits for more is looked at no further, and its deadline is the backstop.
const EDGES_MAX: usize = 64;
/// Edges seen in one walk: longer circles are left to the deadline.
const WALK_MAX: usize = 1024;
/// Walks of one search: each that is in vain met a circle that had just opened.
const WALKS_MAX: usize = 16;

/// Edges made so far, by all systems of the program, between whose actors there may be edges: the numbers of them.
static EDGES: AtomicU64 = AtomicU64::new(0);

/// Held while a circle is looked at once more and opened, so that one send of it ends and not several.
static OPENING: Mutex<()> = Mutex::new(());

/// What of an actor waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum By {
    /// A handler that has the actor for itself: no message begins before it is done.
    Handler,
    /// A read, by the address of the ask that it answers; other reads go on beside it.
    Read(usize),
}

/// An ask as an edge sees it.
#[derive(Clone, Copy)]
pub(crate) struct OpenAsk {
    node: NonNull<()>,
    is_open: unsafe fn(NonNull<()>) -> bool,
    /// Its handler is a read.
    reads: bool,
}

// SAFETY: what is behind the pointer is shared by threads, and `is_open` looks at atomics alone.
unsafe impl Send for OpenAsk {}

impl OpenAsk {
    /// # Safety
    /// `is_open` may be called with `node` from any thread for as long as there is an edge for it.
    pub(crate) unsafe fn new(
        node: NonNull<()>,
        is_open: unsafe fn(NonNull<()>) -> bool,
        reads: bool,
    ) -> Self {
        Self { node, is_open, reads }
    }
}

/// What is waited for.
#[derive(Clone, Copy)]
pub(crate) enum Want {
    /// The answer to an ask.
    Answer(OpenAsk),
    /// Room, under this ticket.
    Room(u64),
}

/// For whom an actor waits.
#[derive(Clone)]
pub(crate) enum Goal {
    Here(CellPtr, Want),
    /// For the answer of an actor of another node.
    There(FarAsk),
}

/// How a message came to an actor, as far as it matters to whom it waits for.
#[derive(Clone, Copy)]
pub(crate) enum Came {
    /// An ask; its address, if its handler runs.
    Ask { reads: bool, at: usize },
    /// It waits for room.
    Room,
}

impl From<Want> for Came {
    fn from(want: Want) -> Self {
        match want {
            Want::Answer(ask) => Self::Ask { reads: ask.reads, at: ask.node.addr().get() },
            Want::Room(_) => Self::Room,
        }
    }
}

/// One wait, in the bonds of the actor that waits.
pub(crate) struct Waiting {
    id: u64,
    by: By,
    goal: Goal,
}

impl Waiting {
    /// Whether it is not over, as far as this side knows: once closed, for ever.
    fn is_open(&self) -> bool {
        match &self.goal {
            // SAFETY: the edge is there, and its ask with it; this is under the lock that the edge is removed under.
            Goal::Here(_, Want::Answer(ask)) => unsafe { (ask.is_open)(ask.node) },
            Goal::Here(_, Want::Room(_)) => true,
            Goal::There(ask) => ask.is_open(),
        }
    }

    /// Whether what came to the actor in this way goes on only after this wait.
    fn holds_up(&self, came: Came) -> bool {
        match (self.by, came) {
            (By::Handler, _) => true,
            (By::Read(ask), Came::Ask { reads, at }) => !reads || at == ask,
            // More reads may begin, which make room.
            (By::Read(_), Came::Room) => false,
        }
    }
}

/// A wait of an actor that is known to others; over when this is dropped.
pub(crate) struct Edge {
    from: CellPtr,
    id: u64,
}

/// Where a walk has come to.
struct Step {
    /// The edge that was followed, and the step before it.
    edge: u64,
    before: Option<usize>,
    want: Want,
    to: CellPtr,
}

impl Edge {
    /// Makes it known that an actor waits; `None` if it waits for too many already.
    pub(crate) fn new(from: CellPtr, by: By, goal: Goal) -> Option<Self> {
        let id = EDGES.fetch_add(1, Ordering::Relaxed);
        let refused = from.with_bonds(|bonds| {
            let waiting = Waiting { id, by, goal };
            if bonds.waits.len() >= EDGES_MAX {
                return Some(waiting);
            }
            bonds.waits.push(waiting);
            None
        });
        if refused.is_some() {
            return None;
        }
        if by == By::Handler {
            from.signals.set(Signals::WAITS);
        }
        Some(Self { from, id })
    }

    /// Whether the walk from this edge leads back to it. Then the edge is gone, so that nobody else sees this circle, and
    /// the actors on the way are named; the caller ends the wait.
    pub(crate) fn closes_circle(&self) -> Option<String> {
        iter::repeat_with(|| self.walk()).take(WALKS_MAX).map_while(|circle| circle).find_map(
            |circle| {
                // Edges were seen one after the other. If all are still there, they were all there at one time.
                let _opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
                self.is_circle(&circle).then(|| {
                    // It is no last hold on the receiver: the circle has one.
                    drop(self.from.remove_wait(self.id));
                    self.names(&circle)
                })
            },
        )
    }

    /// The edges that lead from here back to here, this one first.
    fn walk(&self) -> Option<Vec<Step>> {
        let mut seen = BTreeSet::from([self.id]);
        let mut steps = vec![self.from.step(self.id)?];
        let mut at = 0;
        while let Some(step) = steps.get(at) {
            let next = step.to.held_up(step.want, at);
            if next.iter().any(|step| step.edge == self.id) {
                return Some(way_to(steps, at));
            }
            for step in next {
                if seen.len() < WALK_MAX && seen.insert(step.edge) {
                    steps.push(step);
                }
            }
            at += 1;
        }
        None
    }

    /// Whether all edges of a circle are still there.
    fn is_circle(&self, circle: &[Step]) -> bool {
        let owners = iter::once(&self.from).chain(circle.iter().map(|step| &step.to));
        owners.zip(circle).all(|(owner, step)| {
            let waits = match step.want {
                Want::Answer(_) => true,
                Want::Room(ticket) => step.to.has_ticket(ticket),
            };
            waits && owner.step(step.edge).is_some()
        })
    }

    fn names(&self, circle: &[Step]) -> String {
        let others = circle.iter().map(|step| name(&step.to));
        iter::once(name(&self.from)).chain(others).collect::<Vec<_>>().join(" -> ")
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        drop(self.from.remove_wait(self.id));
    }
}

fn name(cell: &CellPtr) -> String {
    format!("{} {}", cell.kind(), cell.number)
}

/// The shortest circle of all, which is known before anybody waits.
pub(crate) fn asks_itself(cell: &CellPtr) -> String {
    let name = name(cell);
    format!("{name} -> {name}: its handler would wait for itself")
}

/// The steps that led to one of them, it included.
fn way_to(steps: Vec<Step>, last: usize) -> Vec<Step> {
    let befores = iter::successors(Some(last), |at| steps.get(*at).and_then(|step| step.before));
    let on_way = befores.collect::<BTreeSet<_>>();
    let steps = steps.into_iter().enumerate();
    steps.filter(|(at, _)| on_way.contains(at)).map(|(_, step)| step).collect()
}

impl CellHead {
    /// Takes a wait out; it is dropped outside the lock.
    #[must_use = "it is dropped outside the lock"]
    fn remove_wait(&self, id: u64) -> Option<Waiting> {
        self.if_bonds(|bonds| {
            let at = bonds.waits.iter().position(|waiting| waiting.id == id)?;
            Some(bonds.waits.swap_remove(at))
        })
        .flatten()
    }

    /// No handler runs: what one has begun to wait for and kept holds nobody up any more.
    pub(crate) fn end_waits(&self) {
        self.signals.take(Signals::WAITS);
        let over = self.if_bonds(|bonds| {
            let over = bonds.waits.extract_if(.., |waiting| waiting.by == By::Handler);
            over.collect::<Vec<_>>()
        });
        drop(over);
    }

    fn has_ticket(&self, ticket: u64) -> bool {
        self.if_bonds(|bonds| bonds.room.holds(ticket)).unwrap_or(false)
    }

    /// The step along one edge, if it is there.
    fn step(&self, id: u64) -> Option<Step> {
        self.if_bonds(|bonds| {
            let waiting = bonds.waits.iter().find(|waiting| waiting.id == id)?;
            waiting.is_open().then(|| waiting.step(None)).flatten()
        })
        .flatten()
    }

    /// The steps along the edges that hold up what came here in some way, at the end of step `at`.
    fn held_up(&self, way: Want, at: usize) -> Vec<Step> {
        let steps = self.if_bonds(|bonds| {
            if matches!(way, Want::Room(ticket) if !bonds.room.holds(ticket)) {
                return Vec::new();
            }
            let waits = bonds.waits.iter();
            let waits = waits.filter(|waiting| waiting.holds_up(way.into()) && waiting.is_open());
            waits.filter_map(|waiting| waiting.step(Some(at))).collect()
        });
        steps.unwrap_or_default()
    }
}

impl Waiting {
    /// The step along it, if it leads to an actor of this node.
    fn step(&self, before: Option<usize>) -> Option<Step> {
        let Goal::Here(to, want) = &self.goal else { return None };
        Some(Step { edge: self.id, before, want: *want, to: to.clone() })
    }
}
