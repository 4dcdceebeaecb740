//! A world: hosts with nodes, a network between them, one virtual clock, one seed.
//!
//! What it is: the handle by which a scenario starts, crashes and cuts off nodes and lets time pass. Each node runs
//! on a `LocalSet` of its own, polled by turns on this one thread; the scenario itself runs beside them, outside
//! every node's gate. What it is NOT: aware of what the nodes do. A node's body is any future; it gets a
//! [`SimEnv`] and does the rest itself. Read `world/rounds.rs` next.

mod builder;
mod checks;
mod clocks;
mod cluster;
mod disks;
mod files;
mod host;
mod leaks;
mod link;
mod network;
mod roles;
mod rounds;
mod stage;
mod turns;

use std::{
    collections::BTreeMap, fmt, future::Future, net::IpAddr, rc::Rc, sync::Arc, time::Duration,
};

use odeon::Ca;
use odeon_interpose::Stream;
use thiserror::Error;

pub use builder::WorldBuilder;
pub use cluster::NODE_PORT;
pub use link::{Link, UnknownLink};
pub use roles::Role;

use crate::{
    env::{Ground, SimEnv},
    mischief::{self, Buggified},
    net::SimNet,
    outcome::{LocalFuture, Outcome},
    problem::{expect_panics, panics},
    trace::{Event, HostId, Trace, Turn},
};
use checks::Checks;
use cluster::Slot;
use host::{Body, Host};
use rounds::Rounds;
use turns::Turns;

/// How often [`World::run_until`] looks: each tick of tokio's clock.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// The slowest a node can be made, in times: a turn then begins up to 20 seconds late.
pub const SLOWNESS_MAX: u32 = 10_000;

/// A condition that did not come true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the condition did not hold within {0:?} of virtual time")]
pub struct NotReached(pub Duration);

/// A node that is down, or went down in the meantime.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("node {0} is down")]
pub struct NodeDown(pub String);

/// The world of one run.
///
/// All methods that take the name of a node panic where there is none of that name.
pub struct World {
    ground: Ground,
    hosts: Vec<Host>,
    turns: Rc<Turns>,
    rounds: Rc<Rounds>,
    ca: Option<Rc<Ca>>,
    slots: BTreeMap<String, Slot>,
    /// The zones of hosts that are not there yet.
    zones: BTreeMap<String, String>,
    /// The first node that was started as a member.
    founder: Option<String>,
    checks: Checks,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>();
        f.debug_struct("World")
            .field("seed", &self.seed())
            .field("now", &self.now())
            .field("hosts", &names)
            .finish()
    }
}

impl World {
    fn new(ground: Ground, rounds: Rc<Rounds>) -> Self {
        let turns = Turns::new(ground.schedule, ground.seed);
        rounds.begin(ground.net.clone(), Rc::clone(&turns));
        Self {
            ground,
            hosts: Vec::new(),
            turns,
            rounds,
            ca: None,
            slots: BTreeMap::new(),
            zones: BTreeMap::new(),
            founder: None,
            checks: Checks::default(),
        }
    }

    /// Adds a host with this name and starts its node.
    ///
    /// `body` is the node's `main`, called once for each life. The node exits when its future ends: its other tasks
    /// are dropped and its sockets closed; what it wrote and did not sync is there in the next life, unless that crashes.
    /// An error fails the seed.
    ///
    /// # Panics
    /// When the name is taken.
    pub fn node<F, R>(&mut self, name: &str, body: F)
    where
        F: Fn(Arc<SimEnv>) -> R + 'static,
        R: Future<Output: Outcome> + 'static,
    {
        assert!(
            self.hosts.iter().all(|host| host.name != name),
            "there is a node called {name:?} already"
        );
        let body: Body = Rc::new(move |env| {
            let future = body(env);
            Box::pin(async move { future.await.outcome() })
        });
        let id =
            HostId(u16::try_from(self.hosts.len()).expect("the network refuses more hosts before"));
        let mut host = Host::new(&self.ground, name, id, body);
        host.zone = self.zones.remove(name);
        host.start(&self.ground, &self.turns);
        self.hosts.push(host);
    }

    /// Kills a node as a failure of its power does: first its sockets and its disk are gone, then everything in it is
    /// dropped, unheard. What it had not synced is kept, lost or torn, as the rule of its disk says. Its host answers
    /// datagrams with "nobody listens". Does nothing to a node that is down.
    pub fn crash(&mut self, name: &str) {
        self.host_mut(name).end(Turn::Crashed);
    }

    /// Kills a node as SIGKILL does, and leaves its machine up: its sockets are gone, then everything in it is dropped,
    /// unheard; all that it wrote is there in its next life, synced or not. What its disk had under way has happened or
    /// never will. Does nothing to a node that is down.
    pub fn kill(&mut self, name: &str) {
        self.host_mut(name).end(Turn::Killed);
    }

    /// Starts the node again, after a crash, an exit, or in place of the life it leads now: same name and address,
    /// same disk, new memory, new sockets, new entropy.
    pub fn restart(&mut self, name: &str) {
        let (ground, turns) = (self.ground.clone(), Rc::clone(&self.turns));
        let host = self.host_mut(name);
        host.end(Turn::Crashed);
        host.start(&ground, &turns);
    }

    /// Holds a node as SIGSTOP does: it is polled no more, its sockets go on receiving into their buffers.
    pub fn pause(&mut self, name: &str) {
        self.set_paused(name, true);
    }

    /// Lets a held node go on.
    pub fn resume(&mut self, name: &str) {
        self.set_paused(name, false);
    }

    fn set_paused(&self, name: &str, paused: bool) {
        let host = self.host(name);
        if let Some(stage) = host.stage() {
            self.ground.net.set_held(host.address, paused);
            stage.pause(paused);
            self.note_fault(format!("{name} is {}", if paused { "held" } else { "let go on" }));
        }
    }

    /// Whether the node runs (or is held), that is, neither crashed nor exited.
    #[must_use]
    pub fn is_up(&self, name: &str) -> bool {
        self.host(name).stage().is_some()
    }

    /// The environment of the node's current life.
    ///
    /// # Errors
    /// When the node is down.
    pub fn env(&self, name: &str) -> Result<Arc<SimEnv>, NodeDown> {
        let stage = self.host(name).stage().ok_or_else(|| NodeDown(name.to_owned()))?;
        Ok(Arc::clone(stage.env()))
    }

    /// Runs a future on the node, as one more of its tasks, and returns its result.
    ///
    /// # Errors
    /// When the node is down, goes down before the future has ended, or the future panics.
    ///
    /// # Cancel safety
    /// The task on the node goes on.
    pub async fn run_on<T: 'static>(
        &self,
        name: &str,
        future: impl Future<Output = T> + 'static,
    ) -> Result<T, NodeDown> {
        self.start_on(name, future).await
    }

    /// As [`run_on`](Self::run_on), but the task begins at once and what waits for it does not borrow the world: a
    /// step of a [`Scenario`](crate::Scenario) returns it.
    ///
    /// # Errors
    /// The result is an error when the node is down, goes down before the future has ended, or the future panics.
    ///
    /// # Cancel safety
    /// The task on the node goes on.
    pub fn start_on<T: 'static>(
        &self,
        name: &str,
        future: impl Future<Output = T> + 'static,
    ) -> LocalFuture<'static, Result<T, NodeDown>> {
        let task = self.host(name).stage().and_then(|stage| stage.spawn(future));
        let down = NodeDown(name.to_owned());
        Box::pin(async move {
            match task {
                Some(task) => task.await.map_err(|_| down),
                None => Err(down),
            }
        })
    }

    /// Lets virtual time pass.
    pub async fn run_for(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Lets virtual time pass until the condition holds; looks every millisecond.
    ///
    /// # Errors
    /// When it does not hold within `max`.
    pub async fn run_until(
        &self,
        mut condition: impl FnMut() -> bool,
        max: Duration,
    ) -> Result<(), NotReached> {
        let give_up = self.now().saturating_add(max);
        while !condition() {
            if self.now() >= give_up {
                return Err(NotReached(max));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// From now on panics inside nodes that are in this file and say this are part of the scenario and do not fail the
    /// seed, whoever catches them. All others still do, and those of the scenario itself always. It may be called for
    /// several.
    ///
    /// `file` is the last parts of the file's path, whole ones: `bank/app.rs`, or `app.rs`. `said` is what the panic says, or
    /// a part of it. Both, because a file that panics on purpose may have assertions as well.
    ///
    /// # Panics
    /// When one of them is empty, and beyond 64 of them.
    ///
    /// # Examples
    /// ```no_run
    /// # use odeon_sim::World;
    /// # fn scenario(world: &mut World) {
    /// world.expect_panics("workers/app.rs", "is too much for");
    /// # }
    /// ```
    pub fn expect_panics(&self, file: &str, said: &str) {
        expect_panics(file, said);
    }

    /// How many panics there were, expected or not.
    #[must_use]
    pub fn panics(&self) -> u64 {
        panics()
    }

    /// Adds a line to the trace, and to its hash.
    pub fn note(&self, name: &str, detail: &str) {
        self.ground.trace.record(self.now(), None, &Event::Note { name, detail });
    }

    /// Adds a line about a host.
    fn note_on(&self, name: &str, what: &str, detail: &str) {
        let id = self.host(name).id;
        self.ground.trace.record(self.now(), Some(id), &Event::Note { name: what, detail });
    }

    /// A random stream of the scenario's own; streams of different names are independent.
    #[must_use]
    pub fn random(&self, name: &str) -> Stream {
        Stream::named(self.seed(), &format!("scenario {name}"))
    }

    /// What connections of this world run on.
    #[must_use]
    pub fn link(&self) -> Link {
        self.ground.link
    }

    /// The seed of this run.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.ground.seed
    }

    /// Virtual time since the world began.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.ground.timeline.now()
    }

    /// From now on so many of a hundred places that say [`buggify!`](odeon::buggify!) are on, 100 at most.
    pub fn set_buggify(&mut self, percent: u8) {
        mischief::set_percent(percent.min(100));
    }

    /// How many of a hundred places that say [`buggify!`](odeon::buggify!) are on.
    #[must_use]
    pub fn buggify_percent(&self) -> u8 {
        mischief::percent()
    }

    /// The places that said `buggify!` so far while some were on, and how often each fired, in the order of their names.
    #[must_use]
    pub fn buggified(&self) -> Vec<Buggified> {
        mischief::counts()
    }

    /// How often several nodes were ready in one moment, so that the [`Schedule`](crate::Schedule) had a choice.
    #[must_use]
    pub fn choices(&self) -> u64 {
        self.turns.choices()
    }

    /// The address of a node's host.
    #[must_use]
    pub fn address(&self, name: &str) -> IpAddr {
        self.host(name).address
    }

    /// The network.
    #[must_use]
    pub fn net(&self) -> &SimNet {
        &self.ground.net
    }

    /// The trace so far.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.ground.trace
    }

    fn host(&self, name: &str) -> &Host {
        self.hosts.iter().find(|host| host.name == name).unwrap_or_else(|| self.unknown(name))
    }

    fn host_mut(&mut self, name: &str) -> &mut Host {
        let index = self.hosts.iter().position(|host| host.name == name);
        match index {
            Some(index) => &mut self.hosts[index],
            None => self.unknown(name),
        }
    }

    fn unknown(&self, name: &str) -> ! {
        let names = self.hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>();
        panic!("no node of this world is called {name:?}; there are {names:?}")
    }

    /// Ends every life, in order of creation; the trace is closed by then.
    fn take_down(mut self) {
        self.hosts.iter_mut().for_each(|host| host.end(Turn::Exited));
        self.check_what_is_left();
        self.rounds.end();
    }
}
