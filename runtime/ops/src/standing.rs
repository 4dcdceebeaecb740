//! How the node stands, for whoever looks from outside: health, metrics, the admin interface.

use std::{
    cell::{Cell, OnceCell},
    rc::Rc,
    time::{Duration, SystemTime},
};

use odeon::{Node, Phase};
use tokio::sync::Notify;

use crate::{events::Events, hooks::Hooks};

/// What the parts of a running program know together. One thread has it.
pub(crate) struct Standing {
    pub(crate) node: Node,
    /// The program's name and version.
    pub(crate) program: &'static str,
    pub(crate) version: &'static str,
    /// When it started, by the wall clock.
    pub(crate) since: SystemTime,
    /// What its log said of late.
    pub(crate) events: Events,
    /// Whether the program has started its actors.
    started: Cell<bool>,
    /// Somebody has asked it to leave, beside signals.
    leave: Notify,
    /// How long it may take for that.
    drain_within: Cell<Option<Duration>>,
    /// Connections and requests that were refused at the admin port.
    refused: Cell<u64>,
    /// What the program has to say beside its node.
    hooks: OnceCell<Hooks>,
    /// Times that its figures were left out.
    figures_refused: Cell<u64>,
}

impl Standing {
    pub(crate) fn new(
        node: &Node,
        program: &'static str,
        version: &'static str,
        events: Events,
    ) -> Rc<Self> {
        let since = node.env().wall_clock();
        let (node, started, leave) = (node.clone(), Cell::new(false), Notify::new());
        let drain_within = Cell::new(None);
        let refused = Cell::new(0);
        Rc::new(Self {
            node,
            program,
            version,
            since,
            events,
            started,
            leave,
            drain_within,
            refused,
            hooks: OnceCell::new(),
            figures_refused: Cell::new(0),
        })
    }

    /// What the program has to say, which is said once.
    pub(crate) fn set_hooks(&self, hooks: Hooks) {
        self.hooks.get_or_init(|| hooks);
    }

    pub(crate) fn hooks(&self) -> &Hooks {
        self.hooks.get_or_init(Hooks::default)
    }

    /// The program's figures are left out; how often that makes.
    pub(crate) fn refuse_figures(&self) -> u64 {
        self.figures_refused.set(self.figures_refused.get() + 1);
        self.figures_refused()
    }

    /// How often they were.
    pub(crate) fn figures_refused(&self) -> u64 {
        self.figures_refused.get()
    }

    /// The program has started its actors.
    pub(crate) fn started(&self) {
        self.started.set(true);
    }

    /// How long the node may take to leave.
    pub(crate) fn drain_within(&self) -> Option<Duration> {
        self.drain_within.get()
    }

    pub(crate) fn set_drain_within(&self, within: Duration) {
        self.drain_within.set(Some(within));
    }

    /// Somebody was refused at the admin port.
    pub(crate) fn refused_at_admin_port(&self) {
        self.refused.set(self.refused.get() + 1);
    }

    /// How many were.
    pub(crate) fn refusals_at_admin_port(&self) -> u64 {
        self.refused.get()
    }

    /// Asks the node to leave.
    pub(crate) fn ask_to_leave(&self) {
        self.leave.notify_one();
    }

    /// Completes once somebody has asked it to leave; one task waits.
    pub(crate) async fn was_asked_to_leave(&self) {
        self.leave.notified().await;
    }

    /// Whether it takes work now, or what it waits for.
    pub(crate) fn ready(&self) -> Result<(), String> {
        let why = match self.node.phase() {
            Phase::Joining => {
                "joining: no node of the cluster has answered yet; see runbook: node-not-ready"
            }
            Phase::Up if !self.started.get() => {
                "starting: the program has not started its actors; see runbook: node-not-ready"
            }
            Phase::Up => return self.hooks().ready(),
            Phase::Leaving => "leaving: nothing new is taken",
            _ => "down",
        };
        Err(why.to_owned())
    }
}
