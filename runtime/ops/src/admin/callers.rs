//! Places at the admin port: some for those who have just come, others for those who are operators.
//!
//! Whoever comes is a stranger until their certificate has been seen. Where strangers have all of their places, the one who
//! came first loses its own: it had the most time to show who it is. So nobody keeps operators out by holding connections,
//! and operators, who have places of their own, lose none to strangers. What it is NOT: a socket or TLS.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use tokio::task::AbortHandle;

/// Strangers at once; the one who came first goes when another one comes.
pub(super) const STRANGERS_MAX: usize = 32;

/// Connections of operators at once; further ones are told so. Operators are few.
pub(super) const OPERATORS_MAX: usize = 32;

/// Who is there.
#[derive(Default)]
pub(super) struct Callers {
    last: Cell<u64>,
    strangers: RefCell<VecDeque<(u64, AbortHandle)>>,
    operators: Cell<usize>,
}

/// A stranger's place, until it is dropped.
pub(super) struct Stranger {
    callers: Rc<Callers>,
    number: u64,
}

/// An operator's place, until it is dropped.
pub(super) struct Admitted(Rc<Callers>);

impl Callers {
    /// Somebody comes: their place, for the task that serves them.
    pub(super) fn stranger(self: &Rc<Self>) -> Stranger {
        self.last.set(self.last.get() + 1);
        Stranger { callers: Rc::clone(self), number: self.last.get() }
    }

    /// The task that serves the stranger who came last, before it has run.
    pub(super) fn serve_by(&self, task: AbortHandle) {
        let mut strangers = self.strangers.borrow_mut();
        if strangers.len() >= STRANGERS_MAX
            && let Some((number, first)) = strangers.pop_front()
        {
            tracing::debug!(number, "a stranger makes room for another one");
            first.abort();
        }
        strangers.push_back((self.last.get(), task));
    }
}

impl Stranger {
    /// The stranger is an operator: their place among these. If there is none left they stay where they are.
    pub(super) fn admit(self) -> Result<Admitted, Self> {
        let operators = &self.callers.operators;
        if operators.get() >= OPERATORS_MAX {
            return Err(self);
        }
        operators.set(operators.get() + 1);
        Ok(Admitted(Rc::clone(&self.callers)))
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.callers.strangers.borrow_mut().retain(|(number, _)| *number != self.number);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.operators.set(self.0.operators.get() - 1);
    }
}
