//! Linearizability: whether some one order of the operations explains all answers.
//!
//! What it is: the search of Wing and Gong (J. M. Wing, C. Gong, "Testing and Verifying Concurrent Objects", JPDC 1993)
//! with the memory of G. Lowe ("Testing for Linearizability", CCPE 2017), each object, and each key of a map, by itself
//! (A. Horn, D. Kroening, "Faster Linearizability Checking via P-Compositionality", FORTE 2015), as in Knossos and
//! Porcupine. What it is NOT: quick in the worst case; the problem is NP-complete, so a [`SearchBudget`] bounds the work and a
//! spent one is [`Objection::Unknown`]; [`Patience`] bounds the time, and its end is [`Objection::GaveUp`]. The models are a file each; `search.rs` is next to read.

mod explain;
mod glaring;
mod linked;
mod map;
mod memory;
mod model;
mod placed;
mod queue;
mod register;
mod search;

use std::{collections::BTreeMap, fmt, sync::Arc};

pub use map::MapModel;
pub use model::{Model, Part};
pub use queue::QueueModel;
pub use register::RegisterModel;

use crate::{
    checker::{Checker, Objection},
    history::History,
    operation::{End, Operation},
    patience::Patience,
};
use search::{Found, Search};

/// How much work a search may be.
#[derive(Clone)]
pub struct SearchBudget {
    /// Attempts to place an operation, over all parts of a history. Default: 50 million, a minute or less.
    pub steps_max: u64,
    /// Bytes of memory about what was tried, in one part of a history. Default: 512 MiB.
    pub memory_bytes_max: usize,
    /// Asked every 4,096 attempts whether to give up, such as at a deadline. Default: never.
    pub give_up: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

impl Default for SearchBudget {
    fn default() -> Self {
        Self { steps_max: 50_000_000, memory_bytes_max: 512 << 20, give_up: None }
    }
}

impl fmt::Debug for SearchBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SearchBudget")
            .field("steps_max", &self.steps_max)
            .field("memory_bytes_max", &self.memory_bytes_max)
            .field("give_up", &self.give_up.is_some())
            .finish()
    }
}

/// Checks that the operations of a model are linearizable: each seems to happen at one moment between its call and its
/// answer. Reads [`Invoke`](crate::What::Invoke) and its ends.
///
/// An operation with an unknown end may have happened at any moment after its call, or never; it stays open to the end.
/// One that failed never happened.
///
/// ```
/// use std::time::Duration;
///
/// use odeon_check::{Call, Linearizability, Recorder};
///
/// let recorder = Recorder::new(|| Duration::ZERO);
/// let write = recorder.invoke("c1", Call::write("r", 1));
/// recorder.done(write, ());
/// let read = recorder.invoke("c2", Call::read("r"));
/// recorder.done(read, ()); // the write was answered before
/// let report = recorder.history().check(&Linearizability::of_registers()).unwrap_err();
/// assert!(report.to_string().contains("read r"), "{report}");
/// ```
#[derive(Clone, Debug)]
pub struct Linearizability<M> {
    model: M,
    budget: SearchBudget,
    name: String,
}

impl Linearizability<RegisterModel> {
    /// Of registers that begin empty.
    #[must_use]
    pub fn of_registers() -> Self {
        Self::new(RegisterModel)
    }
}

impl Linearizability<MapModel> {
    /// Of maps that begin empty; each key by itself.
    #[must_use]
    pub fn of_maps() -> Self {
        Self::new(MapModel)
    }
}

impl Linearizability<QueueModel> {
    /// Of queues, first in first out, that begin empty.
    #[must_use]
    pub fn of_queues() -> Self {
        Self::new(QueueModel)
    }
}

impl<M: Model> Linearizability<M> {
    /// Of the objects of a model, with the default budget.
    #[must_use]
    pub fn new(model: M) -> Self {
        let name = format!("linearizability of {}", model.name());
        Self { model, budget: SearchBudget::default(), name }
    }

    /// With this budget.
    #[must_use]
    pub fn budget(mut self, budget: SearchBudget) -> Self {
        self.budget = budget;
        self
    }

    /// The operations of each part.
    fn parts<'h>(
        &self,
        history: &'h History,
    ) -> Result<BTreeMap<Part, Vec<Operation<'h>>>, Objection> {
        let mut parts = BTreeMap::<_, Vec<_>>::new();
        for operation in history.operations()? {
            let part = self.model.part(operation.call);
            let failed = matches!(operation.end, End::Failed(_));
            if let Some(part) = part
                && !failed
            {
                parts.entry(part).or_default().push(operation);
            }
        }
        Ok(parts)
    }
}

impl<M: Model> Checker for Linearizability<M> {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, history: &History) -> Result<(), Objection> {
        self.check_within(history, &Patience::ENDLESS)
    }

    fn check_within(&self, history: &History, patience: &Patience<'_>) -> Result<(), Objection> {
        let parts = self.parts(history)?;
        let answered = |part: &Vec<Operation<'_>>| part.iter().any(|it| it.answer().is_some());
        if !parts.values().any(answered) {
            return Err(Objection::nothing(&format!(
                "answered operations of {}",
                self.model.name()
            )));
        }
        let mut steps = 0;
        for (part, operations) in &parts {
            if let Some(violation) = self.model.glaring(operations) {
                return Err(violation.of(part).into());
            }
            let mut search = Search::new(&self.model, part, operations, &self.budget, steps);
            match search.run(patience) {
                Found::Order => {}
                Found::NoOrder(stuck) => {
                    return Err(explain::violation(&self.model, part, operations, &stuck).into());
                }
                Found::Impatient(spent, placed) => {
                    let (count, spent) = (operations.len(), spent.as_secs_f64());
                    let text = format!(
                        "{part}: gave up after {spent:.1} s of real time, {placed} of {count} operations placed; none was found wrong so far"
                    );
                    return Err(Objection::GaveUp(text));
                }
                Found::Nothing(why) => {
                    let count = operations.len();
                    let text =
                        format!("{part}, {count} operations: {why}; none was found wrong so far");
                    return Err(Objection::Unknown(text));
                }
            }
            steps = search.steps();
        }
        Ok(())
    }
}
