//! What is recorded in a world, and who judges it.
//!
//! What it is: the world's history, with virtual time, into which the world itself writes which nodes are up and what is
//! broken, and the checkers that look at it when the scenario has ended. What it is NOT: the checkers; they are in
//! `odeon-check`, and do not know that they are in a simulation.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use odeon::Node;
use odeon_check::{Checker, History, Objection, Patience, Recorder, Report, Text, What};

use super::{World, leaks::Lives};
use crate::{
    patience::spent,
    problem::{note_unknown, report_in_full},
};

/// Lines of a history that a problem shows on replay, from the end back.
const LINES_MAX: usize = 2_000;

/// The checkers of a world, and what they need to be recorded.
#[derive(Default)]
pub(super) struct Checks {
    at_end: Vec<Box<dyn Checker>>,
    views: Rc<Cell<bool>>,
    /// Where the nodes of all lives are kept, if their leaks are to be checked.
    pub(super) lives: Rc<RefCell<Option<Lives>>>,
}

impl Checks {
    /// What each node of this world is looked at with, when it starts.
    pub(super) fn eyes(&self, recorder: &Recorder) -> Eyes {
        let (views, lives) = (Rc::clone(&self.views), Rc::clone(&self.lives));
        Eyes { recorder: recorder.clone(), views, lives }
    }
}

/// Looks at one node.
#[derive(Clone)]
pub(super) struct Eyes {
    recorder: Recorder,
    views: Rc<Cell<bool>>,
    lives: Rc<RefCell<Option<Lives>>>,
}

impl Eyes {
    /// Keeps the node, and records its views as one of its tasks, if that was asked for. Call it on the node.
    pub(super) fn see(&self, node: &Node) {
        if let Some(lives) = &*self.lives.borrow() {
            lives.borrow_mut().push(node.clone());
        }
        if self.views.get() {
            let (node, recorder) = (node.clone(), self.recorder.clone());
            tokio::task::spawn_local(async move {
                let mut changes = node.members();
                record_view(&recorder, &node);
                while changes.next().await.is_some() {
                    record_view(&recorder, &node);
                }
            });
        }
    }

    /// Writes down that the node has ended because it was told of a later life, if it has.
    pub(super) fn see_end(&self, node: &Node) {
        if self.views.get() && node.is_superseded() {
            let (life, node) = (node.incarnation().0, node.name().into());
            self.recorder.record(What::Superseded { node, life });
        }
    }
}

fn record_view(recorder: &Recorder, node: &Node) {
    let members = node.members_now().iter().map(|it| Text::from(it.name.as_str())).collect();
    recorder.record(What::View { node: node.name().into(), members });
    let life = |member: odeon::Member| (Text::from(member.name), member.incarnation.0);
    let members = node.members_now().into_iter().map(life).collect();
    let life = node.incarnation().0;
    recorder.record(What::Lives { node: node.name().into(), life, members });
}

impl World {
    /// The history of this world: give clones of it to clients and actors, which write into it whatever they do.
    ///
    /// Its times are virtual. The world itself records [`What::Up`] and [`What::Down`] of its nodes, and a
    /// [`What::Fault`] for whatever it is told to break or mend. It survives crashes, because it is outside all nodes.
    ///
    /// ```no_run
    /// use odeon_check::{Call, Linearizability};
    /// use odeon_sim::World;
    ///
    /// #[odeon_sim::test(seeds = 0..20)]
    /// async fn the_counter_counts(world: &mut World) {
    ///     world.check_at_end(Linearizability::of_registers());
    ///     let add = world.history().invoke("c1", Call::add("counter", 1));
    ///     // … ask the actor …
    ///     world.history().done(add, 1);
    /// }
    /// ```
    #[must_use]
    pub fn history(&self) -> &Recorder {
        &self.ground.history
    }

    /// Lets a checker look at the history so far, and says whether it is content. If not, the seed fails with what the
    /// checker says as its problem, whether that is a violation or that it cannot be said.
    ///
    /// In a program of the runner a checker gives up after three quarters of the real time that a seed has. Then the seed
    /// does not fail for it, and its verdict says that this check is not known ([`Verdict::unknown`]): give the seed more
    /// time, or the check fewer operations. Which one it is depends on the machine, so nothing in a run may hang on it.
    ///
    /// [`Verdict::unknown`]: crate::Verdict::unknown
    pub fn check(&self, checker: &dyn Checker) -> bool {
        let history = self.history().history();
        let patience = Patience::until(&spent);
        let Err(report) = history.check_within(checker, &patience) else { return true };
        match &report.objection {
            Objection::GaveUp(_) => note_unknown(report.to_string()),
            _ => report_with(&report, &history),
        }
        false
    }

    /// Lets a checker look at the history once the scenario has ended, unless it has failed already. Of a
    /// [`Scenario`](crate::Scenario) that did not live on, it is told what the checker objects to, but not what it lacks.
    pub fn check_at_end(&mut self, checker: impl Checker + 'static) {
        self.checks.at_end.push(Box::new(checker));
    }

    /// From now on each node of the runtime that starts records whom it sees, for `Convergence` and `PresentLives`: a
    /// [`What::View`] and a [`What::Lives`] whenever that changes, and [`What::Superseded`] when it made way for a later
    /// life.
    pub fn record_views(&self) {
        self.checks.views.set(true);
    }

    /// Lets those look that were to look at the end; all of them, so that one objection hides no other.
    pub(super) fn check_now_at_end(&self) {
        self.check_zones();
        for checker in &self.checks.at_end {
            self.check(checker);
        }
    }

    /// The same where the scenario did not come to its end. What a checker lacks then is missing for that reason: only
    /// violations count.
    pub(crate) fn report_violations(&self) {
        let history = self.history().history();
        let patience = Patience::until(&spent);
        for checker in &self.checks.at_end {
            let objected = history.check_within(&**checker, &patience);
            if let Some(report) = objected.err().filter(|report| report.violation().is_some()) {
                report_with(&report, &history);
            }
        }
    }

    pub(super) fn note_fault(&self, text: impl Into<Text>) {
        self.history().record(What::Fault { text: text.into() });
    }
}

/// Adds what a checker says to the problems, with the last lines of the history.
fn report_with(report: &Report, history: &History) {
    let text = history.to_string();
    let lines = text.lines().collect::<Vec<_>>();
    let last = lines[lines.len().saturating_sub(LINES_MAX)..].join("\n");
    report_in_full(report.to_string(), format!("the history, its last lines:\n{last}\n"));
}
