//! The simulated disk against the model of the real one, and what only a simulated one does.

mod crashes;
mod faults;
#[path = "../../../runtime/env/tests/disk/model.rs"]
mod model;

use std::{future::Future, io, sync::Arc, time::Duration};

use odeon_env::{Disk, DiskFile, FileName, OpenMode};
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Builder;

use super::{DiskRule, SimDisk};
use crate::{
    net::Latency,
    timeline::Timeline,
    trace::{HostId, Trace},
};

/// Runs a test on virtual time.
fn run<T>(test: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(test)
}

fn config() -> Config {
    Config { cases: 256, failure_persistence: None, ..Config::default() }
}

fn name(name: &str) -> FileName {
    FileName::new(name).unwrap()
}

/// A disk with this rule, inside a runtime.
fn disk(seed: u64, rule: DiskRule) -> (SimDisk, Trace) {
    let trace = Trace::new();
    trace.name_host("alice");
    let disk = SimDisk::new(seed, "alice", HostId(0), Timeline::start(), trace.clone());
    disk.set_rule(rule);
    (disk, trace)
}

/// A file of this name, made if need be, with its name durable.
async fn file(disk: &dyn Disk, file: &str) -> Arc<dyn DiskFile> {
    let file = disk.open(&name(file), OpenMode::Either).await.unwrap();
    disk.sync().await.unwrap();
    file
}

#[test]
fn without_faults_it_does_what_the_real_disk_does() {
    for rule in [DiskRule::instant(), DiskRule::ssd()] {
        let follow = |steps| {
            run(async {
                let (disk, _) = disk(1, rule);
                let seen = model::follow(&disk.begin_life(), steps).await;
                // A life that ends without a crash loses nothing.
                disk.end_life();
                let next = disk.begin_life();
                assert_eq!(next.list().await.unwrap(), seen.keys().cloned().collect::<Vec<_>>());
                for (name, content) in seen {
                    assert_eq!(disk.content(name.as_str()), Some(content));
                }
            });
            Ok(())
        };
        TestRunner::new(config()).run(&model::steps(), follow).unwrap();
    }
}

#[test]
#[should_panic(expected = "lost is 1.5, and a probability is from 0 (never) to 1 (always)")]
fn a_rule_that_is_none_is_refused() {
    run(async { drop(disk(1, DiskRule { lost: 1.5, ..DiskRule::ssd() })) });
}

#[test]
fn changes_of_length_that_are_never_synced_take_a_bounded_room() {
    run(async {
        let (disk, _) = disk(1, DiskRule::instant());
        let file = file(&disk.begin_life(), "log").await;
        for round in 0..100_000_u64 {
            file.set_len(round % 2 * 512).await.unwrap();
        }
        let waiting: usize =
            disk.lock().inodes.values().map(|inode| inode.unsynced().count()).sum();
        assert!(waiting <= 1 + (16 << 20) / 512, "{waiting} changes wait for a sync");
    });
}

#[test]
fn operations_take_virtual_time_and_short_ones_add_up() {
    run(async {
        let times = [50, 5, 2_000].map(|micros| Latency::Constant(Duration::from_micros(micros)));
        let [read_latency, write_latency, sync_latency] = times;
        let rule = DiskRule { read_latency, write_latency, sync_latency, ..DiskRule::ssd() };
        let (disk, _) = disk(1, rule);
        let file = file(&disk.begin_life(), "a").await;
        let begin = disk.now();
        for _ in 0..1_000 {
            file.write_at(0, vec![1; 10].into()).await.unwrap();
        }
        assert_eq!(disk.now() - begin, Duration::from_millis(5));
        for _ in 0..100 {
            file.sync().await.unwrap();
        }
        assert_eq!(disk.now() - begin, Duration::from_millis(205));
        for _ in 0..1_000 {
            file.read_at(0, 10).await.unwrap();
        }
        assert_eq!(disk.now() - begin, Duration::from_millis(255));
        // Who cannot wait does not.
        (0..1_000).for_each(|_| file.blocking().sync().unwrap());
        assert_eq!(disk.now() - begin, Duration::from_millis(255));
    });
}

#[test]
fn a_handle_of_an_ended_life_is_refused_and_changes_nothing() {
    run(async {
        let rule = DiskRule { crash_lost: 0.0, crash_torn: 0.0, ..DiskRule::instant() };
        let (disk, trace) = disk(1, rule);
        let life = disk.begin_life();
        let file = file(&life, "a").await;
        file.write_at(0, b"before".as_slice().into()).await.unwrap();
        disk.crash();
        let (hash, counts) = (trace.hash(), disk.counts());
        // With and without a next life, which is somebody else.
        for _ in 0..2 {
            let refused = [
                file.write_at(0, b"after!".as_slice().into()).await,
                file.set_len(0).await,
                file.sync().await,
                file.len().await.map(drop),
                file.read_at(0, 1).await.map(drop),
                file.blocking().write_at(0, b"after!"),
                life.rename(&name("a"), &name("b")).await,
                life.remove(&name("a")).await,
                life.sync().await,
                life.list().await.map(drop),
                life.open(&name("c"), OpenMode::New).await.map(drop),
            ];
            for result in refused {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::NotConnected);
                assert!(error.to_string().starts_with("this node has crashed"), "{error}");
            }
            assert_eq!(disk.content("a").unwrap(), b"before");
            assert_eq!((trace.hash(), disk.counts()), (hash, counts));
            drop(disk.begin_life());
        }
        drop(file);
        assert_eq!(disk.files(), ["a"]);
    });
}

#[test]
fn a_wiped_disk_is_empty() {
    run(async {
        let (disk, _) = disk(1, DiskRule::instant());
        let file = file(&disk.begin_life(), "a").await;
        disk.wipe();
        assert!(file.len().await.is_err());
        let next = disk.begin_life();
        assert_eq!(next.list().await.unwrap(), []);
        assert!(next.open(&name("a"), OpenMode::New).await.is_ok());
        assert_eq!(disk.durable("a"), None);
        assert_eq!(disk.content("a").unwrap(), b"");
    });
}

#[test]
fn room_is_free_again_when_the_last_handle_of_a_removed_file_is_dropped() {
    run(async {
        let (disk, _) = disk(1, DiskRule { bytes_max: 1_000, ..DiskRule::instant() });
        let life = disk.begin_life();
        let a = file(&life, "a").await;
        let b = file(&life, "b").await;
        a.write_at(0, vec![1; 900].into()).await.unwrap();
        let full =
            |result: io::Result<()>| result.unwrap_err().kind() == io::ErrorKind::StorageFull;
        assert!(full(b.write_at(0, vec![2; 101].into()).await));
        assert!(full(b.set_len(101).await));
        b.write_at(0, vec![2; 100].into()).await.unwrap();
        // What is there can be overwritten.
        a.write_at(0, vec![3; 900].into()).await.unwrap();
        life.remove(&name("a")).await.unwrap();
        life.sync().await.unwrap();
        assert!(full(b.set_len(101).await));
        assert_eq!(a.read_at(899, 10).await.unwrap(), [3]);
        drop(a);
        b.set_len(1_000).await.unwrap();
        assert_eq!(disk.counts().full, 3);
    });
}
