//! From a seed to a verdict: sets a world up on this thread, runs a scenario in it, takes it down.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use odeon_check::Recorder;
use odeon_interpose::{Heap, Switches, activate, addresses_fixed, unsupported};
use odeon_message::planted::Bug;
use tokio::{runtime::Builder, task::LocalSet};

use super::{
    Link, World,
    rounds::{self, Rounds},
};
use crate::{
    env::Ground,
    host_files::HostFiles,
    mischief::Mischievous,
    net::{LinkRule, SimNet},
    outcome::Outcome,
    problem::{Watch, any, report},
    recording::{LogFilter, listen},
    schedule::Schedule,
    timeline::{Timeline, elapsed, keep_time},
    trace::Trace,
    verdict::{Replay, Verdict},
};

/// How a world is made.
#[derive(Clone, Copy, Debug)]
#[must_use = "a world exists only while it runs"]
pub struct WorldBuilder {
    seed: u64,
    switches: Switches,
    rule: LinkRule,
    link: Link,
    schedule: Schedule,
    buggify_percent: u8,
    planted: Option<Bug>,
    last_kept: u64,
    recorded: bool,
    log: LogFilter,
    virtual_time_max: Duration,
}

impl WorldBuilder {
    /// A world with everything at its default.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            switches: Switches::ALL,
            rule: LinkRule::lan(),
            link: Link::Quic,
            schedule: Schedule::default(),
            buggify_percent: 0,
            planted: None,
            last_kept: u64::MAX,
            recorded: false,
            log: LogFilter::INFO,
            virtual_time_max: Duration::from_secs(24 * 3600),
        }
    }

    /// Turns overrides off, to prove that they matter. Default: all on.
    pub fn switches(mut self, switches: Switches) -> Self {
        self.switches = switches;
        self
    }

    /// The rule of every link that gets none of its own. Default: [`LinkRule::lan`].
    pub fn rule(mut self, rule: LinkRule) -> Self {
        self.rule = rule;
        self
    }

    /// What connections run on. Default: real QUIC.
    pub fn link(mut self, link: Link) -> Self {
        self.link = link;
        self
    }

    /// In which order nodes, and actors of a node, have their turns when several are ready. Default: [`Schedule::Random`].
    /// Numbers beyond their bounds are taken for the nearest within.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule.clamped();
        self
    }

    /// How many of a hundred places that say [`buggify!`](odeon::buggify!) are on, 100 at most. Default: 0.
    ///
    /// Which ones, the seed says; a place that is on with fewer is on with more. FoundationDB takes 25.
    pub fn buggify(mut self, percent: u8) -> Self {
        self.buggify_percent = percent.min(100);
        self
    }

    /// Plants a bug in our own code for the time of the run; where this build has none, the seed fails. Default: none.
    pub(crate) fn planted(mut self, bug: Option<Bug>) -> Self {
        self.planted = bug;
        self
    }

    /// Keeps no lines of events with a higher number, so that the last lines are those before it. Default, `u64::MAX`: all are
    /// kept, as far as there is room, but the verdict on a run that passes brings only the last few.
    pub fn lines_until(mut self, event: u64) -> Self {
        self.last_kept = event;
        self
    }

    /// Makes a recording of the run, the one of this program. Default: no.
    pub(crate) fn recorded(mut self, recorded: bool) -> Self {
        self.recorded = recorded;
        self
    }

    /// Which log lines of nodes are kept where the run is recorded. Default: `info`.
    pub(crate) fn log(mut self, log: LogFilter) -> Self {
        self.log = log;
        self
    }

    /// After this much virtual time the scenario has failed: it waits for something that never comes. Default: a day.
    pub fn virtual_time_max(mut self, max: Duration) -> Self {
        self.virtual_time_max = max;
        self
    }

    /// Runs a scenario to its end and tells what happened.
    ///
    /// The scenario ends early at the first problem. On a thread that drew random hash keys before, or in a program
    /// that had a runtime before, another run of the same seed need not be the same: that is what the runner's fresh
    /// programs are for.
    ///
    /// # Panics
    /// When this thread is in a world or a tokio runtime already, or the rule is none ([`LinkRule::check`]).
    pub fn run<F, T>(self, scenario: F) -> Verdict
    where
        F: AsyncFnOnce(&mut World) -> T,
        T: Outcome,
    {
        let _heap = Heap::enter();
        let trace = Trace::new();
        trace.keep_until(self.last_kept);
        if self.recorded {
            trace.record_whole();
        }
        let _listening = listen(&trace, self.log);
        let watch = Watch::begin();
        // Before there is anything of the world that could ask.
        let planted = self.planted.map(Bug::plant).transpose();
        let planted = planted.map_err(|error| report(error.to_string()));
        let activation = activate(self.seed, self.switches, elapsed);
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .on_thread_park(rounds::go_round)
            .build();
        let runtime = runtime.expect("a runtime without an I/O driver asks nothing of the system");
        let (mut hash, mut events, mut virtual_time) = (0, 0, Duration::ZERO);
        let mut buggified = Vec::new();
        let rounds = Rounds::new();
        // Only the simulator itself can panic here; the hook has seen it.
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            // What the scenario spawns runs beside it, outside every node's gate.
            let set = LocalSet::new();
            runtime.block_on(keep_time(rounds.run(set.run_until(async {
                let (mut world, mischief) = self.raise(trace.clone(), &rounds);
                self.perform(&mut world, scenario).await;
                (hash, events, virtual_time) = (trace.hash(), trace.events(), world.now());
                world.take_down();
                buggified = mischief.end();
            }))));
        }));
        if unwound.is_err() {
            (hash, events) = (trace.hash(), trace.events());
        }
        rounds.end();
        drop(runtime);
        Timeline::remove();
        drop((activation, planted));
        let replay = replay(self.switches);
        let mut verdict = Verdict {
            seed: self.seed,
            hash,
            events,
            virtual_time,
            replay,
            problems: watch.take(),
            unknown: watch.take_unknown(),
            buggified,
            ..Verdict::missing(self.seed, String::new())
        };
        verdict.take_trace(&trace, self.last_kept != u64::MAX);
        verdict
    }

    fn raise(self, trace: Trace, rounds: &Rc<Rounds>) -> (World, Mischievous) {
        let Self { seed, schedule, buggify_percent, link, .. } = self;
        let timeline = Timeline::start();
        timeline.install();
        let mischief = Mischievous::begin(seed, buggify_percent, schedule, timeline, trace.clone());
        let net = SimNet::new(seed, self.rule, timeline, trace.clone());
        let history = Recorder::new(move || timeline.now());
        let files = HostFiles::default();
        let ground = Ground { seed, schedule, timeline, trace, net, link, history, files };
        (World::new(ground, Rc::clone(rounds)), mischief)
    }

    /// Polls the scenario until it ends, time runs out or something goes wrong.
    async fn perform<F, T>(self, world: &mut World, scenario: F)
    where
        F: AsyncFnOnce(&mut World) -> T,
        T: Outcome,
    {
        let scenario = tokio::time::timeout(self.virtual_time_max, scenario(world));
        let mut scenario = Box::pin(scenario);
        let turn = Arc::new(OwnTurn::default());
        let own = Waker::from(Arc::clone(&turn));
        let ended = poll_fn(|cx| {
            if any(cx.waker()) {
                return Poll::Ready(None);
            }
            // This is polled whenever anything in the world was; the scenario only when it was woken itself.
            if !turn.begin(cx.waker()) {
                return Poll::Pending;
            }
            let cx = &mut Context::from_waker(&own);
            // A panic is in the hands of the hook; here only the scenario ends.
            match catch_unwind(AssertUnwindSafe(|| scenario.as_mut().poll(cx))) {
                Ok(poll) => poll.map(Some),
                Err(_) => Poll::Ready(None),
            }
        });
        let text = match ended.await {
            None => None,
            Some(Ok(result)) => {
                result.outcome().err().map(|error| format!("the scenario failed: {error}"))
            }
            Some(Err(_)) => Some(format!(
                "the scenario did not end within {:?} of virtual time",
                self.virtual_time_max
            )),
        };
        let passed = text.is_none() && !any(Waker::noop());
        drop(scenario);
        text.into_iter().for_each(report);
        if passed {
            world.check_now_at_end();
        }
    }
}

/// Whether the scenario was woken, and whom to wake then.
struct OwnTurn {
    woken: AtomicBool,
    outer: Mutex<Option<Waker>>,
}

impl Default for OwnTurn {
    fn default() -> Self {
        Self { woken: AtomicBool::new(true), outer: Mutex::default() }
    }
}

impl OwnTurn {
    /// Whether it is the scenario's turn, which is then taken.
    fn begin(&self, outer: &Waker) -> bool {
        let mut kept = self.outer.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.as_ref().is_some_and(|kept| kept.will_wake(outer)) {
            *kept = Some(outer.clone());
        }
        self.woken.swap(false, Ordering::Relaxed)
    }
}

impl Wake for OwnTurn {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Relaxed);
        let outer = self.outer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        outer.into_iter().for_each(Waker::wake);
    }
}

fn replay(switches: Switches) -> Replay {
    if let Some(reason) = unsupported() {
        return Replay::NotGuaranteed(reason.to_owned());
    }
    if switches != Switches::ALL {
        return Replay::NotGuaranteed("an override is switched off".to_owned());
    }
    if !addresses_fixed() {
        return Replay::NotGuaranteed("address randomisation is on".to_owned());
    }
    Replay::Guaranteed
}
