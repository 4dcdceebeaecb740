//! A key-value actor on one node, clients on another, and crashes of both: its keys and its register are linearizable as
//! long as it syncs before it answers, and one that answers sooner is found out, with the few operations that show it.

use std::{
    cell::Cell,
    collections::BTreeMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::example::AppendLog;
use odeon::{
    Actor, ActorRef, Context, Handler, Node, NodeBuilder, StartError, actor, data, message,
};
use odeon_check::{Call, History, Linearizability, Objection, Patience, Recorder};
use odeon_env::Disk;
use odeon_sim::{Stream, World, runner::Case, scenario};

const MS: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);

/// The key that is recorded as a register; all others are recorded as those of a map.
const REGISTER: u32 = 0;
const KEYS: u64 = 3;
const CLIENTS: u32 = 3;

/// Values begin at one; zero says that there is none.
#[data]
enum Change {
    Read,
    Write(u32),
    Remove,
}

#[message(id = "key-value/Access", reply = u32)]
struct Access {
    key: u32,
    change: Change,
}

/// Keeps its keys on its disk.
struct Store {
    log: AppendLog,
    values: BTreeMap<u32, u32>,
    is_hasty: bool,
}

#[derive(Clone)]
struct Opening {
    disk: Arc<dyn Disk>,
    is_hasty: bool,
}

#[actor(id = "key-value/Store", handles(Access))]
impl Actor for Store {
    type Args = Opening;

    async fn start(args: Opening, _: &mut Context<Self>) -> Result<Self, StartError> {
        let (log, records) = AppendLog::open(&*args.disk).await.expect("the disk is whole");
        let mut values = BTreeMap::new();
        for record in records {
            let (key, value) = record.split_at(4);
            let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
            values.insert(number(key), number(value));
        }
        Ok(Self { log, values, is_hasty: args.is_hasty })
    }
}

impl Handler<Access> for Store {
    async fn handle(&mut self, access: Access, _: &mut Context<Self>) -> u32 {
        let before = self.values.get(&access.key).copied().unwrap_or_default();
        let value = match access.change {
            Change::Read => return before,
            Change::Write(value) => value,
            Change::Remove => 0,
        };
        let record = [access.key.to_le_bytes(), value.to_le_bytes()].concat();
        self.log.write(&record).await.expect("the disk is whole");
        if !self.is_hasty {
            self.log.commit().await.expect("the disk is whole");
        }
        self.values.insert(access.key, value);
        before
    }
}

/// Reads, writes and removes, until its node ends.
async fn client(name: String, node: Node, recorder: Recorder, random: Stream) {
    let mut found: Option<ActorRef<Store>> = None;
    loop {
        tokio::time::sleep(MS * (5 + random.below(40) as u32)).await;
        let Some(store) = &found else {
            found = node.on("store").lookup("store").await.ok().flatten();
            continue;
        };
        let key = random.below(KEYS) as u32;
        let value = 1 + random.below(1 << 20) as u32;
        let (call, change) = match (random.below(5), key) {
            (0 | 1, REGISTER) => (Call::write("register", value), Change::Write(value)),
            (_, REGISTER) => (Call::read("register"), Change::Read),
            (0 | 1, _) => (Call::put("map", key, value), Change::Write(value)),
            (2, _) => (Call::remove("map", key), Change::Remove),
            _ => (Call::look_up("map", key), Change::Read),
        };
        let kind = (matches!(change, Change::Read), matches!(change, Change::Remove));
        let of = recorder.invoke(name.as_str(), call);
        match (store.ask(Access { key, change }).within(MS * 300).await, kind) {
            (Ok(value), (true, _)) if value > 0 => recorder.done(of, value),
            (Ok(before), (_, true)) => recorder.done(of, before > 0),
            (Ok(_), _) => recorder.done(of, ()),
            (Err(error), _) => {
                recorder.refused(of, error.certainty(), error.to_string());
                // It may be of a life that is over.
                found = None;
            }
        }
    }
}

async fn under_crashes(world: &mut World, is_hasty: bool) {
    world.check_at_end(Linearizability::of_maps());
    world.check_at_end(Linearizability::of_registers());
    let nothing = world.history().invoke("beginning", Call::write("register", ()));
    world.history().done(nothing, ());
    let main = move |node: Node| async move {
        let disk = node.env().disk().expect("every host has one");
        let store = node.spawn_with::<Store>(Opening { disk, is_hasty }).await.expect("it starts");
        node.register("store", &store).expect("the name is free");
    };
    world.start_member("store", NodeBuilder::actor::<Store>, main);
    let (seed, recorder, lives) = (world.seed(), world.history().clone(), Rc::new(Cell::new(0)));
    let main = move |node: Node| {
        lives.set(lives.get() + 1);
        for number in 0..CLIENTS {
            // What a client had under way when its node crashed stays open, so it gets no successor of its name.
            let name = format!("c{number} of life {}", lives.get());
            let random = Stream::named(seed, &name);
            tokio::task::spawn_local(client(name, node.clone(), recorder.clone(), random));
        }
        async {}
    };
    world.start_member("clients", |node| node, main);
    world.all_joined(&["store", "clients"], MINUTE / 3).await.expect("they find each other");
    let random = world.random("crashes");
    for round in 0..8 {
        world.run_for(MS * (300 + random.below(700) as u32)).await;
        let name = if round % 4 == 3 { "clients" } else { "store" };
        world.crash(name);
        world.run_for(MS * random.below(200) as u32).await;
        world.restart(name);
        world.all_joined(&["store", "clients"], MINUTE).await.expect("they find each other again");
    }
    world.run_for(MS * 1_000).await;
    let history = world.history().history();
    let operations = history.operations().expect("each ends once");
    let answered = operations.iter().filter(|it| it.answer().is_some()).count();
    assert!(answered >= 100, "{answered} of {} were answered", operations.len());
    assert!(answered < operations.len(), "no operation was cut off by a crash");
}

#[odeon_sim::test(seeds = 0..20)]
async fn a_store_that_syncs_is_linearizable(world: &mut World) {
    under_crashes(world, false).await;
}

async fn answers_before_it_syncs(world: &mut World) {
    under_crashes(world, true).await;
}

#[test]
fn a_store_that_answers_before_it_syncs_is_found_out() {
    let scenario =
        scenario!(a_store_that_answers_before_it_syncs_is_found_out, answers_before_it_syncs);
    let run = |seed| scenario.run(Case::new(seed), 1, MINUTE).remove(0);
    let failed = (0..10).map(run).find(|verdict| !verdict.passed());
    let verdict = failed.expect("one of ten seeds loses what it has answered");
    println!("{verdict}");
    let text = &verdict.problems[0].text;
    assert!(text.starts_with("linearizability of "), "{text}");
    assert!(text.contains("no order of the operations explains"), "{text}");
    assert!(text.lines().count() <= 40, "nobody reads that much: {text}");
}

/// Work without end, as a search may have it.
struct Endless;

impl odeon_check::Checker for Endless {
    fn name(&self) -> &str {
        "endless"
    }

    fn check(&self, _: &History) -> Result<(), Objection> {
        unreachable!("the world gives it an end")
    }

    fn check_within(&self, _: &History, patience: &Patience<'_>) -> Result<(), Objection> {
        loop {
            if let Some(spent) = patience.spent() {
                return Err(Objection::GaveUp(format!("gave up after {spent:?} of real time")));
            }
        }
    }
}

async fn checks_without_end(world: &mut World) {
    world.check_at_end(Endless);
}

/// Three quarters of the limit, so that the verdict comes before the program is killed.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the budget is one of real time, outside every world"
)]
fn a_check_that_takes_too_long_gives_up_and_fails_no_seed() {
    let scenario =
        scenario!(a_check_that_takes_too_long_gives_up_and_fails_no_seed, checks_without_end);
    let began = Instant::now();
    let verdict = scenario.run(Case::new(1), 1, Duration::from_secs(8)).remove(0);
    assert!(began.elapsed() >= Duration::from_secs(6));
    assert!(verdict.passed(), "{verdict}");
    let said = ["endless: not known: gave up after 6s of real time"];
    assert_eq!(verdict.unknown, said);
    assert!(verdict.to_string().contains(said[0]), "{verdict}");
}
