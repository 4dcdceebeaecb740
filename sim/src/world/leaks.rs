//! What nodes hold, and what is left of them when they are gone.
//!
//! What it is: counts for the checker `NoLeaks`, of a running node by what its runtime says of itself, and of one that has
//! ended by what it left behind. What it is NOT: a memory profiler; what no counter shows is not seen.

use std::{cell::RefCell, rc::Rc};

use odeon::Node;
use odeon_check::{NoLeaks, Recorder, Resource, What};
use tokio::runtime::Handle;

use super::World;
use crate::problem::report;

/// The nodes of all lives, for what is left of them.
pub(super) type Lives = Rc<RefCell<Vec<Node>>>;

impl World {
    /// Records how many sockets each host has, and of each node that is up how many actors and cells, how many messages of
    /// others wait there, how many bytes of memory messages of others keep there (a [view](odeon::View) keeps its slab), and
    /// how many answers more than asks it got. Call it when there is nothing to leak yet, and again
    /// when all of it should be gone and nothing is under way; then let [`NoLeaks`] look.
    ///
    /// ```no_run
    /// use odeon_check::NoLeaks;
    /// # use odeon_sim::World;
    /// # async fn example(world: &mut World) {
    /// world.count();
    /// // … start actors, send messages, lose nodes, stop the actors …
    /// world.count();
    /// world.check(&NoLeaks::new());
    /// # }
    /// ```
    pub fn count(&self) {
        for host in &self.hosts {
            let sockets = self.net().sockets(host.address);
            record(self.history(), &host.name, Resource::Sockets, sockets);
            if let Some(node) = self.runtime_node(&host.name) {
                let (stats, network) = (node.stats(), node.network_metrics());
                // Each late answer is that of an ask which ended without one.
                let surplus = network.answers_late.saturating_sub(network.asks_unanswered);
                for (resource, count) in [
                    (Resource::Actors, stats.live_actors),
                    (Resource::Cells, stats.cells),
                    (Resource::Held, network.messages_held),
                    (Resource::Slabs, network.kept_bytes),
                    (Resource::Surplus, surplus),
                ] {
                    record(self.history(), &host.name, resource, count);
                }
            }
        }
    }

    /// When the world is taken down, or a node of it has crashed or exited before, nothing of its nodes may be left: no
    /// socket, no task, no actor. What is left fails the seed. Call it before the nodes start.
    ///
    /// By then the scenario itself has ended; what it has put into statics counts as left.
    pub fn check_leaks(&self) {
        self.checks.lives.replace(Some(Lives::default()));
    }

    /// Lets the checker look at what the ended nodes have left.
    pub(super) fn check_what_is_left(&self) {
        let Some(lives) = self.checks.lives.take() else { return };
        let now = self.now();
        let recorder = Recorder::new(move || now);
        for host in &self.hosts {
            record(&recorder, &host.name, Resource::Sockets, 0);
            let sockets = self.net().sockets(host.address);
            record(&recorder, &host.name, Resource::Sockets, sockets);
        }
        for node in &*lives.borrow() {
            let life = format!("life {} of {}", node.incarnation().0, node.name());
            let stats = node.stats();
            for (resource, left) in
                [(Resource::Actors, stats.live_actors), (Resource::Cells, stats.cells)]
            {
                record(&recorder, &life, resource, 0);
                record(&recorder, &life, resource, left);
            }
        }
        let tasks = Handle::current().metrics().num_alive_tasks() as u64;
        record(&recorder, "the world", Resource::Tasks, 0);
        record(&recorder, "the world", Resource::Tasks, tasks);
        if let Err(objection) = recorder.history().check(&NoLeaks::new()) {
            report(objection.to_string());
        }
    }
}

fn record(recorder: &Recorder, place: &str, resource: Resource, count: u64) {
    recorder.record(What::Counted { place: place.into(), resource, count });
}
