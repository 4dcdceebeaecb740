//! The log of the example on disks that tear, lose and fail: no record that was acknowledged is lost, and a log that
//! acknowledges before it syncs is found out.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use crate::example::AppendLog;
use odeon_env::Env as _;
use odeon_sim::{DiskRule, Latency, SimEnv, World, runner::Case, scenario};

const MS: Duration = Duration::from_millis(1);

/// What the world outside the node knows.
#[derive(Default)]
struct Ledger {
    next: u64,
    tried: Vec<Vec<u8>>,
    acknowledged: Vec<Vec<u8>>,
    starts: u64,
}

impl Ledger {
    /// A record that no other is, of up to three sectors.
    fn make(&mut self, fill: u64) -> Vec<u8> {
        self.next += 1;
        let mut record = self.next.to_le_bytes().to_vec();
        record.resize(8 + (fill % 1_500) as usize, fill as u8);
        self.tried.push(record.clone());
        record
    }

    /// Every acknowledged record is there, in order, and nothing that nobody wrote.
    fn check(&mut self, found: &[Vec<u8>]) {
        self.starts += 1;
        let mut later = found.iter();
        for (number, record) in self.acknowledged.iter().enumerate() {
            assert!(
                later.any(|found| found == record),
                "acknowledged record {number} of {} is lost; {} are there",
                self.acknowledged.len(),
                found.len()
            );
        }
        let mut tried = self.tried.iter();
        assert!(
            found.iter().all(|record| tried.any(|tried| tried == record)),
            "a record is made up"
        );
    }
}

type Shared = Rc<RefCell<Ledger>>;

/// Opens the log, and appends for ever: a few records, then one commit for all of them.
async fn append(env: Arc<SimEnv>, ledger: Shared, syncs: bool) {
    let disk = env.disk().expect("every host has one");
    let (mut log, found) = loop {
        match AppendLog::open(&*disk).await {
            Ok(opened) => break opened,
            Err(error) => env.note("open failed", &error.to_string()),
        }
        tokio::time::sleep(MS).await;
    };
    ledger.borrow_mut().check(&found);
    let mut bytes = [0; 8];
    loop {
        env.entropy(&mut bytes);
        let fill = u64::from_le_bytes(bytes);
        let mut group = Vec::new();
        for nth in 0..=fill % 3 {
            let record = ledger.borrow_mut().make(fill >> nth);
            if log.write(&record).await.is_ok() {
                group.push(record);
            }
        }
        if !syncs || log.commit().await.is_ok() {
            ledger.borrow_mut().acknowledged.append(&mut group);
        }
        tokio::time::sleep(MS).await;
    }
}

async fn crash_again_and_again(world: &mut World, syncs: bool) {
    let ledger = Shared::default();
    let shared = Rc::clone(&ledger);
    world.node("alice", move |env| append(env, Rc::clone(&shared), syncs));
    let rule = DiskRule {
        sync_latency: Latency::Uniform(MS / 10, MS * 20),
        slow_sync_extra: MS * 100,
        read_error: 0.05,
        write_error: 0.05,
        sync_error: 0.1,
        ..DiskRule::rough()
    };
    world.set_disk_rule("alice", rule);
    let random = world.random("crashes");
    for _ in 0..20 {
        world.run_for(MS * (1 + random.below(100) as u32)).await;
        world.crash("alice");
        world.restart("alice");
    }
    world.set_disk_rule("alice", DiskRule::ssd());
    world.run_for(MS * 200).await;
    let ledger = ledger.borrow();
    assert!(ledger.starts > 5 && ledger.acknowledged.len() > 20, "little was tried");
}

#[odeon_sim::test(seeds = 0..200)]
async fn no_acknowledged_record_is_lost(world: &mut World) {
    crash_again_and_again(world, true).await;
    let counts = world.disk("alice").counts();
    assert!(counts.crashes == 20 && counts.lost + counts.torn > 0, "{counts:?}");
    assert!(counts.sync_errors > 0 && counts.write_errors > 0, "{counts:?}");
}

#[odeon_sim::test(seeds = 7, repeat = 5)]
async fn one_seed_in_five_programs_is_one_run(world: &mut World) {
    crash_again_and_again(world, true).await;
}

async fn acknowledges_before_it_syncs(world: &mut World) {
    crash_again_and_again(world, false).await;
}

#[test]
fn a_log_that_never_syncs_is_found_out() {
    let scenario = scenario!(a_log_that_never_syncs_is_found_out, acknowledges_before_it_syncs);
    let run = |seed| scenario.run(Case::new(seed), 1, Duration::from_secs(60)).remove(0);
    let failed = (0..50).map(run).find(|verdict| !verdict.passed());
    let verdict = failed.expect("one of fifty seeds loses a record");
    assert!(verdict.problems[0].text.contains("is lost"), "{:?}", verdict.problems);
}
