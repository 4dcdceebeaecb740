//! How to simulate actors of your own: write a scenario, run it, replay what failed, shrink it.
//!
//! # What you get
//! Your actors, unchanged, on nodes of the real runtime with real QUIC between them, in one thread, on virtual time, with
//! faults that you did not think of; and for every failure a number that makes it happen again.
//!
//! # What to depend on
//! The simulator brings its own `getrandom`, clocks and `open`, and whatever links it has them. So it stands where no
//! program of yours that goes to production does: among the `dev-dependencies` of your crate, for tests, or in a crate of
//! its own, for a program of scenarios, which depends on yours.
//!
//! ```toml
//! [dependencies]
//! odeon = { path = "../odeon/runtime" }
//! odeon-sim = { path = "../odeon/sim" }
//! serde = { version = "1", features = ["derive"] }  # steps are written to files
//!
//! [profile.dev.package."*"]
//! opt-level = 1  # without it QUIC and its cryptography take several times as long
//! ```
//!
//! # A scenario
//! A [`Scenario`](crate::Scenario) is nodes, a workload, faults, checks, and lengths. The workload is data: steps that
//! can be written down. So are the faults. Both are expanded from the seed before the run begins, and go with it; that is
//! why a failure can be shrunk.
//!
//! This one has a till on each of three nodes. However bad the network is, no till may take one deposit twice, nor
//! confirm one sum twice; and once everything is healed the nodes must be one cluster again.
//!
//! ```no_run
//! use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};
//!
//! use odeon::{Actor, Context, Handler, Node, NodeBuilder, StartError, actor, message};
//! use odeon_sim::{Check, FaultKind, Outline, Scenario, Stream, Swarm, World};
//! use serde::{Deserialize, Serialize};
//!
//! #[message(id = "till/Deposit", reply = u64)]
//! struct Deposit {
//!     amount: u64,
//! }
//!
//! #[derive(Clone, Default)]
//! struct Till {
//!     sum: u64,
//! }
//!
//! #[actor(id = "till/Till", handles(Deposit))]
//! impl Actor for Till {
//!     type Args = Self;
//!
//!     async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
//!         Ok(args)
//!     }
//! }
//!
//! impl Handler<Deposit> for Till {
//!     async fn handle(&mut self, deposit: Deposit, _: &mut Context<Self>) -> u64 {
//!         self.sum += deposit.amount;
//!         self.sum
//!     }
//! }
//!
//! async fn main_of_a_node(node: Node) {
//!     let till = node.spawn(Till::default()).await.expect("a till starts");
//!     node.register("till", &till).expect("the name is free");
//! }
//!
//! const NODES: [&str; 3] = ["a", "b", "c"];
//!
//! /// One step of the workload: it is written to files, so it is plain data.
//! #[derive(Debug, Serialize, Deserialize)]
//! struct Pay {
//!     from: String,
//!     into: String,
//!     amount: u64,
//! }
//!
//! /// What was confirmed: for each till the sums that it said. It is shared by the steps, which write it, and by the
//! /// checks, which read it; in a real scenario this is the history of a checker.
//! type Confirmed = Rc<RefCell<BTreeMap<String, Vec<u64>>>>;
//!
//! #[derive(Default)]
//! struct Tills {
//!     confirmed: Confirmed,
//! }
//!
//! impl Scenario for Tills {
//!     const NAME: &'static str = "tills";
//!     const ABOUT: &'static str = "deposits into tills on three nodes";
//!     type Step = Pay;
//!
//!     fn outline(&self) -> Outline {
//!         // No crashes: a till keeps its sum in memory. Each seed turns a random subset of the others on.
//!         let swarm = Swarm::all().without(FaultKind::Crash).without(FaultKind::ZoneCrash);
//!         Outline::new(NODES).safety(Duration::from_secs(30)).faults(swarm)
//!     }
//!
//!     fn workload(&self, draw: &Stream) -> Vec<(Duration, Pay)> {
//!         let node = || NODES[draw.below(3) as usize].to_owned();
//!         let pay = |_| {
//!             let pay = Pay { from: node(), into: node(), amount: 1 + draw.below(100) };
//!             (Duration::from_millis(draw.below(30_000)), pay)
//!         };
//!         (0..100).map(pay).collect()
//!     }
//!
//!     async fn set_up(&mut self, world: &mut World) -> Result<(), String> {
//!         for name in NODES {
//!             world.start_member(name, NodeBuilder::actor::<Till>, main_of_a_node);
//!         }
//!         world.all_joined(&NODES, Duration::from_secs(30)).await.map_err(|error| error.to_string())
//!     }
//!
//!     fn step(&mut self, world: &mut World, pay: Pay) -> impl Future<Output = ()> + 'static {
//!         let confirmed = Rc::clone(&self.confirmed);
//!         let node = world.runtime_node(&pay.from);
//!         async move {
//!             let Some(node) = node else { return };
//!             let Ok(Some(till)) = node.on(&pay.into).lookup::<Till>("till").await else { return };
//!             let asked = till.ask(Deposit { amount: pay.amount });
//!             if let Ok(sum) = asked.within(Duration::from_secs(5)).await {
//!                 confirmed.borrow_mut().entry(pay.into).or_default().push(sum);
//!             }
//!         }
//!     }
//!
//!     async fn recover(&mut self, world: &mut World) -> Result<(), String> {
//!         world.all_joined(&NODES, Duration::from_secs(60)).await.map_err(|error| error.to_string())
//!     }
//!
//!     fn checks(&self) -> Vec<Check> {
//!         let confirmed = Rc::clone(&self.confirmed);
//!         vec![Check::at_end("no sum is said twice", move |_| {
//!             for (till, sums) in &*confirmed.borrow() {
//!                 let mut sums = sums.clone();
//!                 sums.sort_unstable();
//!                 if let Some(twice) = sums.windows(2).find(|pair| pair[0] == pair[1]) {
//!                     return Err(format!("{till} said {} twice", twice[0]));
//!                 }
//!             }
//!             Ok(())
//!         })]
//!     }
//! }
//! ```
//!
//! The run goes through four phases. *Set-up* starts the nodes. In the *safety* phase faults come and steps begin, each
//! at its time; whatever must always hold is checked meanwhile ([`Check::every`](crate::Check::every)). Then everything
//! is healed: nodes are started again, links mended, clocks put right. In the *liveness* phase all steps must end and
//! [`recover`](crate::Scenario::recover) must come true, within a stated virtual time. Last are the checks at the end;
//! where the liveness phase failed they look too, and what one of them objects to is said before that.
//!
//! How much is broken at once is bounded by a [`Budget`](crate::Budget): by default fewer than half of the nodes are down,
//! held or cut off at any moment. Zones are labels ([`Site::in_zone`](crate::Site::in_zone)); a zone crashes as one.
//! Clients and services outside are hosts as well ([`World::client`](crate::World::client),
//! [`World::service`](crate::World::service)), and faults of a swarm do not hit them.
//!
//! # As a test
//! ```no_run
//! # use odeon_sim::Scenario;
//! # fn tills() -> impl Scenario { Quiet }
//! # struct Quiet;
//! # impl Scenario for Quiet {
//! #     const NAME: &'static str = "quiet";
//! #     const ABOUT: &'static str = "nothing";
//! #     type Step = ();
//! #     fn outline(&self) -> odeon_sim::Outline { odeon_sim::Outline::new(["a"]) }
//! #     fn workload(&self, _: &odeon_sim::Stream) -> Vec<(std::time::Duration, ())> { Vec::new() }
//! #     async fn set_up(&mut self, _: &mut odeon_sim::World) -> Result<(), String> { Ok(()) }
//! #     fn step(&mut self, _: &mut odeon_sim::World, (): ()) -> impl Future<Output = ()> + 'static { std::future::ready(()) }
//! #     async fn recover(&mut self, _: &mut odeon_sim::World) -> Result<(), String> { Ok(()) }
//! # }
//! #[odeon_sim::test(seeds = 0..20)]
//! fn tills_keep_what_they_confirmed() -> impl Scenario {
//!     tills()
//! }
//! # fn main() {}
//! ```
//!
//! `cargo test` runs the seeds of the attribute; `ODEON_SEED=7` or `ODEON_SEED=100..200` in the environment runs others,
//! and `ODEON_REPLAY=file` plays a replay file. A failure prints how to replay it, and leaves its file.
//!
//! # As a program
//! A scenario binary is a `main.rs` that names its scenarios, with [`odeon_sim::main!`](crate::main):
//!
//! ```text
//! odeon_sim::main! { tills::Tills::default, mail::Delivery::default }
//! ```
//!
//! ```text
//! tills list                                    which scenarios there are
//! tills run --seeds 0..10000 --jobs 8           many seeds; --json and --junit report.xml for CI
//! tills replay tills --seed 7                   one of them, with everything that happened
//! tills replay odeon-replays/tills-7.json       the same, from the file that the failure left
//! tills shrink tills --seed 7                   the smallest part of it that still fails, as a story and as a file
//! tills run --schedule pct:3:500 --buggify 25   other orders of turns, and rare paths
//! tills check tills --seed 7                    whether two runs of the seed are one run, and if not, why
//! tills diff tills:7 tills:8                    the first event that tells two runs apart
//! tills timeline tills --seed 7 --html t.html   a page that shows who said what to whom and when
//! ```
//!
//! The exit status is 0 where all passed, 1 where a seed failed or two runs differ, 2 where a value cannot be used.
//!
//! # Looking at a run
//! `timeline` takes what `replay` takes, makes the run again, records it and writes one page, which needs nothing beside
//! itself and can be passed on: a lane for each node, time from left to right, frames between nodes as arrows with their
//! kind, message and size, those that did not arrive in red; faults as bars and as bands over whom they hit; a crash as a
//! cross that ends the lane, a restart as its new beginning; handlers, actors, notes, and the log lines of nodes, that is
//! what they say to `tracing` at `INFO` and above. Datagrams, frames of control and timers are there and turned off at
//! first. Filters and zoom are in the fragment of the address, so that a view is a link:
//! `t.html#node=a,b&kind=messages,logs&text=Deposit&from=1.5&to=2.5`, or `zoom=20&at=2` in place of `from` and `to`.
//!
//! The exit status is 1 where the seed fails; the page is written all the same, but not of a run that was killed because
//! it took too long. What is kept is bounded, the oldest goes first and the page says how much went: 16,384 events of
//! nodes, faults, notes and log lines; 65,536 of frames, actors, handlers, timers and disks, where a frame that arrives is
//! two; 65,536 of datagrams, likewise. A recorded run has the same hash as one that is not. Frames have no number, so an
//! arrow joins two equal frames in the order in which they came; where equal ones were lost with a connection it may
//! begin at the wrong one of them. A subscriber that a program has set before the run keeps the log lines to itself.
//!
//! # What replays, and what does not
//! A seed replays in the same program: built from the same sources by the same compiler. In another one it may take
//! another course, because hash maps and the order of turns follow the code. A *replay file* holds the faults and the
//! workload themselves, so that they stay what they were when the program changes; whether the run is the same one is
//! said by the hash of its trace, which the file has as well. Two things are up to you: the workload must be a pure
//! function of its stream, and nodes must not leave their world (the [crate's limits](crate#limits)). `check` finds
//! out about both.
//!
//! # What shrinking does
//! It takes faults out, then steps, then idle time, then makes what is left shorter and milder, and runs each candidate;
//! what still fails alike is kept (delta debugging: Zeller and Hildebrandt, 2002). The story it prints has one sentence
//! for each fault and step that the failure needs:
//!
//! ```text
//! 61 faults, 50 steps, 60 s, after 115 runs 2 faults, 1 step, 4.562 s
//!   at 1 s Write { key: 17 }
//!   at 2 s b crashes, for 1 ms
//!   at 3 s c is held, for 562 ms
//!   at 4.562 s everything is healed, and has 1 s to recover
//! then: the scenario failed: check the planted bug: 2 lives and 1 writes
//! ```
