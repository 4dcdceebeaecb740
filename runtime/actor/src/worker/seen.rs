//! What others see of a worker: its number, its role and its gauge, and what it tells the observer of a simulation.

use odeon_env::Observed;

use super::Worker;
use crate::{ExitReason, gauge::Gauge, tasks::Tasks, workers::Role};

impl Worker {
    /// Its number in its system, in order of start.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Where the tasks of its actors run: here, but those of an actor that may block, whose thread ends with it, on another
    /// worker, as do those of an actor that is a task itself. `None` if there is none.
    pub(crate) fn task_home(&self) -> Option<Tasks> {
        match self.role {
            Role::Dedicated => self.system.next_worker().map(|worker| worker.tasks.clone()),
            Role::Shared | Role::Endpoint | Role::Stealing => Some(self.tasks.clone()),
        }
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn gauge(&self) -> &Gauge {
        &self.gauge
    }

    pub(crate) fn observe_started(&self, actor: u64, kind: &str) {
        if let Some(observer) = &self.observer {
            observer.observe(Observed::ActorStarted { actor, kind });
        }
    }

    pub(crate) fn observe_handler(&self, actor: u64, message: &str) {
        if let Some(observer) = &self.observer {
            observer.observe(Observed::HandlerStarted { actor, message });
        }
    }

    pub(crate) fn observe_stopped(&self, actor: u64, reason: &ExitReason) {
        if let Some(observer) = &self.observer {
            observer.observe(Observed::ActorStopped { actor, reason: &reason.to_string() });
        }
    }
}
