//! Supervisors of the runtime beside the table of Erlang/OTP: strategies, rules and ends are drawn, starts fail, and the
//! checker that knows the table alone must find each restart, its order, and the end when there are too many.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use odeon::{
    Actor, ActorRef, ChildSpec, Context, Handler, NodeBuilder, Restart, SpawnOptions, StartError,
    Supervisor, SupervisorSpec, Terminated, message,
};
use odeon_check::{Exit, Recorder, RestartRule, RestartStrategy, SupervisionTable, What};
use odeon_sim::World;

const SECOND: Duration = Duration::from_secs(1);
const NAMES: [&str; 4] = ["one", "two", "three", "four"];

#[message(local)]
struct Panic;

#[message(local)]
struct Stop;

/// What a child is started from, in all its lives.
#[derive(Clone)]
struct Role {
    name: &'static str,
    recorder: Recorder,
    /// So many of its next starts fail.
    failing: Arc<AtomicU32>,
}

impl Role {
    fn ended(&self, exit: Exit) {
        let child = self.name.into();
        self.recorder.record(What::ChildEnded { supervisor: "sup".into(), child, exit });
    }
}

/// Writes down how its life begins and ends.
struct Child {
    role: Role,
    has_ended: bool,
}

impl Actor for Child {
    type Args = Role;

    async fn start(role: Role, _: &mut Context<Self>) -> Result<Self, StartError> {
        let fails = role.failing.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
        let (supervisor, child) = ("sup".into(), role.name.into());
        if fails {
            role.recorder.record(What::ChildStartFailed { supervisor, child });
            return Err(StartError::new("as it was told"));
        }
        role.recorder.record(What::ChildStarted { supervisor, child });
        Ok(Self { role, has_ended: false })
    }
}

/// Whoever did not end by itself was stopped.
impl Drop for Child {
    fn drop(&mut self) {
        if !self.has_ended {
            self.role.ended(Exit::Ordered);
        }
    }
}

impl Handler<Panic> for Child {
    async fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        self.has_ended = true;
        self.role.ended(Exit::Failed);
        panic!("as it was told");
    }
}

impl Handler<Stop> for Child {
    async fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        self.has_ended = true;
        self.role.ended(Exit::Normal);
        ctx.stop();
    }
}

/// Writes down the end of the supervisor.
struct Witness {
    recorder: Recorder,
}

impl Actor for Witness {
    type Args = (ActorRef<Supervisor>, Recorder);

    async fn start(
        (supervisor, recorder): Self::Args,
        ctx: &mut Context<Self>,
    ) -> Result<Self, StartError> {
        ctx.watch(&supervisor);
        Ok(Self { recorder })
    }

    async fn terminated(&mut self, _: Terminated, _: &mut Context<Self>) {
        self.recorder.record(What::Ended { party: "sup".into(), exit: Exit::Failed });
    }
}

/// A supervisor of four children and the table that it must keep, drawn by the seed.
fn draw(world: &World, failing: &[Arc<AtomicU32>; 4]) -> (SupervisorSpec, SupervisionTable) {
    let random = world.random("the table");
    let (spec, strategy) = match random.below(3) {
        0 => (SupervisorSpec::one_for_one(), RestartStrategy::OneForOne),
        1 => (SupervisorSpec::one_for_all(), RestartStrategy::OneForAll),
        _ => (SupervisorSpec::rest_for_one(), RestartStrategy::RestForOne),
    };
    let mut spec = spec.intensity(3, 5 * SECOND);
    let mut table = SupervisionTable::new("sup", strategy, SECOND).intensity(3, 5 * SECOND);
    for (name, failing) in NAMES.into_iter().zip(failing) {
        let (restart, rule) = match random.below(3) {
            0 => (Restart::Permanent, RestartRule::Permanent),
            1 => (Restart::Transient, RestartRule::Transient),
            _ => (Restart::Temporary, RestartRule::Temporary),
        };
        let role = Role { name, recorder: world.history().clone(), failing: Arc::clone(failing) };
        let options = SpawnOptions::default().named(name);
        spec = spec.child(ChildSpec::new::<Child>(name, role).restart(restart).options(options));
        table = table.child(name, rule);
    }
    (spec, table)
}

#[odeon_sim::test(seeds = 0..50)]
async fn supervisors_keep_the_table_of_otp(world: &mut World) {
    world.expect_panics("supervision_table.rs", "as it was told");
    world.check_leaks();
    let failing = [(); 4].map(|()| Arc::default());
    let (spec, table) = draw(world, &failing);
    world.check_at_end(table);
    world.start_node("a", NodeBuilder::alone, async |_| ());
    world.joined("a", SECOND).await.expect("it starts");
    let node = world.runtime_node("a").expect("it is up");
    let supervisor = node.spawn_with::<Supervisor>(spec).await.expect("the tree starts");
    let args = (supervisor, world.history().clone());
    let _witness = node.spawn_with::<Witness>(args).await.expect("it starts");
    let random = world.random("ends");
    for _ in 0..16 {
        // Some in one moment, some within a period, some beyond it.
        world.run_for(Duration::from_millis([0, 0, 1, 700, 2600][random.below(5) as usize])).await;
        let at = random.below(4) as usize;
        if random.below(6) == 0 {
            failing[random.below(4) as usize].store(1, Relaxed);
        }
        let Some(child) = node.lookup::<Child>(NAMES[at]) else { continue };
        // One that is just gone does not mind.
        let _ = if random.below(3) == 0 {
            child.try_tell(Stop).is_ok()
        } else {
            child.try_tell(Panic).is_ok()
        };
    }
    world.run_for(10 * SECOND).await;
}
