//! Each kind of fault: what it does, how often, and that it keeps to itself.

use std::{collections::BTreeSet, io};

use odeon_env::{Disk, DiskError, OpenMode};

use super::{disk, file, name, run};
use crate::disk::{DiskCounts, DiskRule};

/// Everything at once.
fn broken() -> DiskRule {
    DiskRule {
        slow_sync: 0.2,
        lost: 0.1,
        misdirected: 0.15,
        bit_rot: 0.25,
        read_error: 0.3,
        write_error: 0.05,
        sync_error: 0.35,
        ..DiskRule::ssd()
    }
}

/// A thousand times the same operations: which of them failed, and what was counted.
fn wear(seed: u64, rule: DiskRule) -> (BTreeSet<(u32, &'static str)>, DiskCounts, u128) {
    run(async {
        let (disk, trace) = disk(seed, DiskRule::instant());
        let handle = file(&disk.begin_life(), "a").await;
        handle.write_at(0, vec![1; 8_192].into()).await.unwrap();
        handle.sync().await.unwrap();
        disk.set_rule(rule);
        let mut failed = BTreeSet::new();
        for round in 0..1_000 {
            let offset = u64::from(round % 8) * 1_024;
            let results = [
                ("write", handle.write_at(offset, vec![round as u8; 1_024].into()).await),
                ("sync", handle.sync().await),
                ("read", handle.read_at(offset, 1_024).await.map(drop)),
            ];
            for (operation, result) in results {
                let Err(error) = result else { continue };
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<DiskError>());
                let Some(DiskError::Failed { cause, .. }) = inner else { panic!("{error}") };
                assert_eq!(cause.raw_os_error(), Some(5), "{error}");
                failed.insert((round, operation));
            }
        }
        (failed, disk.counts(), trace.hash())
    })
}

#[test]
fn one_seed_is_one_fate() {
    assert_eq!(wear(1, broken()), wear(1, broken()));
    let (failed, _, hash) = wear(2, broken());
    assert!(wear(1, broken()).0 != failed && wear(1, broken()).2 != hash);
}

#[test]
fn faults_occur_as_often_as_the_rule_says() {
    let (_, counts, _) = wear(3, broken());
    let near = |count: u64, expected: u64| count.abs_diff(expected) <= expected / 4;
    assert!(near(counts.slow_syncs, 200), "{counts:?}");
    assert!(near(counts.lied, 100), "{counts:?}");
    assert!(near(counts.misdirected, 135), "{counts:?}");
    assert!(near(counts.rotten_bits, 175), "{counts:?}");
    assert!(near(counts.read_errors, 300), "{counts:?}");
    assert!(counts.write_errors.abs_diff(50) <= 20, "{counts:?}");
    assert!(near(counts.sync_errors, 350), "{counts:?}");
    let (failed, counts, _) = wear(3, DiskRule::ssd());
    assert!(failed.is_empty());
    let (reads, writes, syncs) = (1_000, 1_001, 1_002);
    assert_eq!(counts, DiskCounts { reads, writes, syncs, ..DiskCounts::default() });
}

#[test]
fn turning_one_fault_off_shifts_no_other() {
    let (with, counted, _) = wear(4, broken());
    let only = |operation| with.iter().filter(move |(_, failed)| *failed == operation).copied();
    let without = |rule| wear(4, rule);
    let (rest, counts, _) = without(DiskRule { write_error: 0.0, ..broken() });
    assert_eq!(rest, only("sync").chain(only("read")).collect());
    assert_eq!((counts.slow_syncs, counts.lied), (counted.slow_syncs, counted.lied));
    let (rest, counts, _) = without(DiskRule { sync_error: 0.0, slow_sync: 0.0, ..broken() });
    assert_eq!(rest, only("write").chain(only("read")).collect());
    assert_eq!((counts.rotten_bits, counts.lied), (counted.rotten_bits, counted.lied));
    let (rest, ..) = without(DiskRule { lost: 0.0, misdirected: 0.0, bit_rot: 0.0, ..broken() });
    assert_eq!(rest, with);
    let (rest, counts, _) = without(DiskRule { read_error: 0.0, ..broken() });
    assert_eq!(rest, only("write").chain(only("sync")).collect());
    assert_eq!((counts.misdirected, counts.lied), (counted.misdirected, counted.lied));
}

#[test]
fn a_disk_that_lies_has_synced_nothing() {
    run(async {
        let mut seen = BTreeSet::new();
        for seed in 0..20 {
            let (disk, _) = disk(seed, DiskRule { lost: 1.0, ..DiskRule::instant() });
            let handle = file(&disk.begin_life(), "a").await;
            handle.write_at(0, b"promised".as_slice().into()).await.unwrap();
            handle.sync().await.unwrap();
            // The node may see it in its cache for a while.
            seen.insert(handle.read_at(0, 8).await.unwrap());
            disk.crash();
            assert_eq!(disk.content("a").unwrap(), [0; 8]);
        }
        assert_eq!(seen, [vec![0; 8], b"promised".to_vec()].into());
    });
}

#[test]
fn a_misdirected_write_strikes_another_place_whole_sectors_wide() {
    run(async {
        let mut struck = 0;
        for seed in 0..20 {
            let (disk, _) = disk(seed, DiskRule::instant());
            let life = disk.begin_life();
            let (a, b) = (file(&life, "a").await, file(&life, "b").await);
            for handle in [&a, &b] {
                handle.write_at(0, vec![1; 2_048].into()).await.unwrap();
                handle.sync().await.unwrap();
            }
            disk.set_rule(DiskRule { misdirected: 1.0, ..DiskRule::instant() });
            a.write_at(512, vec![2; 512].into()).await.unwrap();
            a.sync().await.unwrap();
            let sectors = ["a", "b"].map(|file| disk.durable(file).unwrap()).concat();
            let new = (0..8).filter(|sector| sectors[sector * 512..][..512] == [2; 512]);
            let new = new.collect::<Vec<_>>();
            assert_eq!(new.len(), 1, "{new:?}");
            assert_eq!(sectors.iter().filter(|&&byte| byte == 2).count(), 512);
            struck += u32::from(new != [1]);
            assert_eq!(disk.counts().misdirected, u64::from(new != [1]));
        }
        assert!(struck > 10, "{struck}");
    });
}

#[test]
fn a_rotten_bit_stays() {
    run(async {
        let (disk, _) = disk(1, DiskRule { bit_rot: 1.0, ..DiskRule::instant() });
        let handle = file(&disk.begin_life(), "a").await;
        handle.write_at(0, vec![0; 64].into()).await.unwrap();
        handle.sync().await.unwrap();
        let ones = |bytes: &[u8]| bytes.iter().map(|byte| byte.count_ones()).sum::<u32>();
        let read = handle.read_at(0, 64).await.unwrap();
        assert_eq!(ones(&read), 1);
        disk.set_rule(DiskRule::instant());
        assert_eq!(handle.read_at(0, 64).await.unwrap(), read);
        disk.crash();
        assert_eq!(disk.content("a").unwrap(), read);
        // A scenario rots what it likes, as far as there is something.
        assert!(disk.rot("a", 511) && !disk.rot("a", 512) && !disk.rot("b", 0));
        assert_ne!(disk.content("a").unwrap(), read);
    });
}

/// The story of 2018: the sync fails, the next one succeeds, and what was written is gone all the same.
#[test]
fn after_a_failed_sync_a_good_one_means_nothing() {
    run(async {
        let (mut gone, mut shown) = (0, 0);
        for seed in 0..100 {
            let (disk, _) = disk(seed, DiskRule { sync_error: 1.0, ..DiskRule::instant() });
            let handle = disk.begin_life().open(&name("a"), OpenMode::New).await.unwrap();
            handle.write_at(0, vec![1; 512].into()).await.unwrap();
            let error = handle.sync().await.unwrap_err();
            assert!(error.to_string().starts_with("cannot sync a: "), "{error}");
            disk.set_rule(DiskRule { crash_names_lost: 0.0, ..DiskRule::instant() });
            handle.sync().await.unwrap();
            let seen = handle.read_at(0, 512).await.unwrap();
            disk.crash();
            let found = disk.content("a").unwrap();
            assert!(found.is_empty() || found == vec![1; 512]);
            gone += u32::from(found.is_empty());
            // The cruel case: the node still saw it after the sync that had succeeded.
            shown += u32::from(found.is_empty() && seen == vec![1; 512]);
        }
        assert!((30..70).contains(&gone), "{gone}");
        assert!((10..40).contains(&shown), "{shown}");
    });
}

#[test]
fn a_write_after_a_failed_sync_is_synced_by_the_next() {
    run(async {
        for seed in 0..50 {
            let (disk, _) = disk(seed, DiskRule::instant());
            let handle = file(&disk.begin_life(), "a").await;
            disk.set_rule(DiskRule { sync_error: 1.0, ..DiskRule::instant() });
            handle.write_at(0, vec![1; 512].into()).await.unwrap();
            handle.sync().await.unwrap_err();
            disk.set_rule(DiskRule::instant());
            handle.write_at(0, vec![2; 1_000].into()).await.unwrap();
            handle.sync().await.unwrap();
            assert_eq!(disk.durable("a").unwrap(), [2; 1_000]);
        }
    });
}

#[test]
fn a_failed_write_may_have_written_any_part() {
    run(async {
        let mut parts = BTreeSet::new();
        for seed in 0..50 {
            let (disk, _) = disk(seed, DiskRule { write_error: 1.0, ..DiskRule::instant() });
            let handle = file(&disk.begin_life(), "a").await;
            let error = handle.write_at(0, vec![1; 3].into()).await.unwrap_err();
            assert_ne!(error.kind(), io::ErrorKind::StorageFull);
            parts.insert(disk.content("a").unwrap().len());
        }
        assert_eq!(parts, [0, 1, 2, 3].into());
    });
}
