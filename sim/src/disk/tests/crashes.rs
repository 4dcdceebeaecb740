//! What a crash may do, and what it must not.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use odeon_env::{Disk, OpenMode};
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};

use super::{config, disk, file, name, run};
use crate::{
    disk::{DiskRule, inode::SECTOR_BYTES},
    net::Latency,
};

#[derive(Clone, Debug)]
enum Step {
    Write { offset: usize, bytes: Vec<u8> },
    Sync,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = vec(1..=255_u8, 1..1_800);
    let step = prop_oneof![
        6 => (0..4_000_usize, bytes).prop_map(|(offset, bytes)| Step::Write { offset, bytes }),
        1 => Just(Step::Sync),
        1 => Just(Step::Crash),
    ];
    vec(step, 1..40)
}

/// What each sector may be: as it was when it was last synced, or as any write since left it.
#[derive(Default)]
struct Expected {
    seen: Vec<u8>,
    durable_bytes: usize,
    sectors: BTreeMap<usize, BTreeSet<[u8; SECTOR_BYTES]>>,
}

fn sector(content: &[u8], index: usize) -> [u8; SECTOR_BYTES] {
    let mut sector = [0; SECTOR_BYTES];
    let begin = (index * SECTOR_BYTES).min(content.len());
    let end = (begin + SECTOR_BYTES).min(content.len());
    sector[..end - begin].copy_from_slice(&content[begin..end]);
    sector
}

impl Expected {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        let before = self.seen.clone();
        self.seen.resize(self.seen.len().max(end), 0);
        self.seen[offset..end].copy_from_slice(bytes);
        for index in offset / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES {
            let may_be =
                self.sectors.entry(index).or_insert_with(|| [sector(&before, index)].into());
            may_be.insert(sector(&self.seen, index));
        }
    }

    fn sync(&mut self) {
        self.sectors.clear();
        self.durable_bytes = self.seen.len();
    }

    fn crash(&mut self, found: Vec<u8>) {
        assert!((self.durable_bytes..=self.seen.len()).contains(&found.len()));
        for index in 0..found.len().div_ceil(SECTOR_BYTES) {
            let is = sector(&found, index);
            match self.sectors.get(&index) {
                Some(may_be) => assert!(may_be.contains(&is), "sector {index} was never so"),
                None => assert_eq!(is, sector(&self.seen, index), "sector {index} was synced"),
            }
        }
        self.seen = found;
        self.sync();
    }
}

#[test]
fn what_was_synced_is_there_and_no_sector_is_what_it_never_was() {
    let rule = DiskRule { crash_torn: 0.4, ..DiskRule::ssd() };
    let follow = |(seed, steps): (u64, Vec<Step>)| {
        run(async {
            let (disk, _) = disk(seed, rule);
            let mut expected = Expected::default();
            let mut handle = file(&disk.begin_life(), "a").await;
            for step in steps {
                match step {
                    Step::Write { offset, bytes } => {
                        expected.write(offset, &bytes);
                        handle.write_at(offset as u64, bytes.into()).await.unwrap();
                    }
                    Step::Sync => {
                        handle.sync().await.unwrap();
                        expected.sync();
                        assert_eq!(disk.durable("a").unwrap(), expected.seen);
                    }
                    Step::Crash => {
                        disk.crash();
                        expected.crash(disk.content("a").unwrap());
                        handle = file(&disk.begin_life(), "a").await;
                    }
                }
                assert_eq!(disk.content("a").unwrap(), expected.seen);
            }
        });
        Ok(())
    };
    TestRunner::new(config()).run(&(any::<u64>(), steps()), follow).unwrap();
}

/// One write of ten sectors over synced ones, a crash: how many of them are new.
async fn new_sectors(seed: u64, rule: DiskRule) -> usize {
    let (disk, _) = disk(seed, rule);
    let handle = file(&disk.begin_life(), "a").await;
    handle.write_at(0, vec![1; 5_120].into()).await.unwrap();
    handle.sync().await.unwrap();
    handle.write_at(0, vec![2; 5_120].into()).await.unwrap();
    disk.crash();
    let content = disk.content("a").unwrap();
    let sectors = content.chunks(SECTOR_BYTES);
    assert!(sectors.clone().all(|sector| sector == [1; 512] || sector == [2; 512]));
    let new = sectors.filter(|sector| sector[0] == 2).count();
    let counts = disk.counts();
    let expected = match new {
        0 => (0, 1, 0),
        10 => (1, 0, 0),
        _ => (0, 0, 1),
    };
    assert_eq!((counts.kept, counts.lost, counts.torn), expected);
    new
}

#[test]
fn a_crash_keeps_loses_and_tears_as_often_as_the_rule_says() {
    run(async {
        let rule = DiskRule { crash_torn: 0.3, crash_lost: 0.4, ..DiskRule::instant() };
        let mut ends = BTreeMap::new();
        for seed in 0..2_000 {
            let end = match new_sectors(seed, rule).await {
                0 => "lost",
                10 => "kept",
                _ => "torn",
            };
            *ends.entry(end).or_insert(0) += 1;
        }
        // 0.3 are torn; of the rest 0.4 are lost.
        assert!((530..670).contains(&ends["torn"]), "{ends:?}");
        assert!((490..630).contains(&ends["lost"]), "{ends:?}");
        assert!((770..910).contains(&ends["kept"]), "{ends:?}");
    });
}

#[test]
fn the_order_of_writes_is_no_order_of_what_survives() {
    run(async {
        let rule = DiskRule { crash_torn: 0.0, ..DiskRule::instant() };
        let mut survivors = BTreeSet::new();
        for seed in 0..50 {
            let (disk, _) = disk(seed, rule);
            let handle = file(&disk.begin_life(), "a").await;
            handle.write_at(0, vec![1; 512].into()).await.unwrap();
            handle.write_at(512, vec![2; 512].into()).await.unwrap();
            disk.crash();
            let content = disk.content("a").unwrap();
            survivors.insert((content.first() == Some(&1), content.get(512) == Some(&2)));
        }
        assert_eq!(survivors.len(), 4, "the second may be there without the first");
    });
}

#[test]
fn a_rename_leaves_the_old_file_or_the_new_one() {
    run(async {
        let mut ends = BTreeSet::new();
        for seed in 0..50 {
            let (disk, _) = disk(seed, DiskRule::instant());
            let life = disk.begin_life();
            let old = file(&life, "a").await;
            old.write_at(0, b"old".as_slice().into()).await.unwrap();
            old.sync().await.unwrap();
            let draft = life.open(&name("draft"), OpenMode::New).await.unwrap();
            draft.write_at(0, b"new".as_slice().into()).await.unwrap();
            draft.sync().await.unwrap();
            life.rename(&name("draft"), &name("a")).await.unwrap();
            if seed % 2 == 0 {
                life.sync().await.unwrap();
            }
            disk.crash();
            let content = disk.content("a").unwrap();
            assert!(content == b"old" || content == b"new");
            assert!(seed % 2 == 1 || disk.files() == ["a"]);
            assert!(seed % 2 == 1 || content == b"new");
            ends.insert((content, disk.files()));
        }
        // Both of them, and where the draft survived its rename, that too.
        assert_eq!(ends.len(), 3, "{ends:?}");
    });
}

#[test]
fn a_name_that_was_not_synced_may_be_lost_though_the_file_was() {
    run(async {
        let mut kept = 0;
        for seed in 0..200 {
            let (disk, _) = disk(seed, DiskRule { crash_names_lost: 0.25, ..DiskRule::instant() });
            let life = disk.begin_life();
            let handle = life.open(&name("a"), OpenMode::New).await.unwrap();
            handle.write_at(0, b"content".as_slice().into()).await.unwrap();
            handle.sync().await.unwrap();
            disk.crash();
            let content = disk.content("a");
            kept += u32::from(content.is_some());
            assert!(content.is_none_or(|content| content == b"content"));
        }
        assert!((125..175).contains(&kept), "{kept}");
    });
}

#[test]
fn what_is_under_way_in_a_crash_is_decided_by_the_seed() {
    run(async {
        let slow = Latency::Constant(Duration::from_millis(50));
        let (crash_torn, crash_lost) = (0.0, 0.0);
        let rule = DiskRule { write_latency: slow, crash_torn, crash_lost, ..DiskRule::ssd() };
        let mut begun = 0;
        for seed in 0..100 {
            let (disk, _) = disk(seed, rule);
            let handle = file(&disk.begin_life(), "a").await;
            let write = handle.write_at(0, b"under way".as_slice().into());
            let waited = tokio::time::timeout(Duration::from_millis(20), async {
                tokio::select! {
                    done = write => panic!("{done:?}"),
                    () = tokio::time::sleep(Duration::from_millis(10)) => disk.crash(),
                }
            });
            waited.await.unwrap();
            let content = disk.content("a").unwrap();
            assert!(content.is_empty() || content == b"under way");
            begun += u32::from(!content.is_empty());
        }
        assert!((30..70).contains(&begun), "{begun}");
    });
}

#[test]
fn a_future_that_is_dropped_has_happened_or_never_will() {
    run(async {
        let slow = Latency::Constant(Duration::from_millis(50));
        let rule = DiskRule { write_latency: slow, ..DiskRule::ssd() };
        let (disk, _) = disk(1, rule);
        let handle = file(&disk.begin_life(), "a").await;
        let mut happened = 0;
        for number in 1..=100_u8 {
            drop(handle.write_at(0, vec![0].into())); // never polled
            let write = handle.write_at(0, vec![number].into());
            tokio::time::timeout(Duration::from_millis(1), write).await.unwrap_err();
            let content = disk.content("a").unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(disk.content("a").unwrap(), content);
            happened += u32::from(content == [number]);
        }
        assert!((30..70).contains(&happened), "{happened}");
    });
}

#[test]
fn a_sync_covers_what_was_written_before_it_began() {
    run(async {
        let slow = Latency::Constant(Duration::from_millis(50));
        let rule =
            DiskRule { sync_latency: slow, crash_torn: 0.0, crash_lost: 1.0, ..DiskRule::ssd() };
        let (disk, _) = disk(1, rule);
        let handle = file(&disk.begin_life(), "a").await;
        handle.write_at(0, b"first".as_slice().into()).await.unwrap();
        let (synced, ()) = tokio::join!(handle.sync(), async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            handle.write_at(0, b"other".as_slice().into()).await.unwrap();
        });
        synced.unwrap();
        assert_eq!(disk.content("a").unwrap(), b"other");
        disk.crash();
        assert_eq!(disk.content("a").unwrap(), b"first");
    });
}

#[test]
fn a_cut_file_that_was_not_synced_is_cut_or_whole() {
    run(async {
        let mut lengths = BTreeSet::new();
        for seed in 0..40 {
            let (disk, _) = disk(seed, DiskRule::instant());
            let handle = file(&disk.begin_life(), "a").await;
            handle.write_at(0, vec![7; 1_500].into()).await.unwrap();
            handle.sync().await.unwrap();
            handle.set_len(700).await.unwrap();
            // What was cut off never comes back to the node that cut it.
            handle.set_len(1_200).await.unwrap();
            let zeros = handle.read_at(700, 500).await.unwrap();
            assert_eq!(zeros, [0; 500]);
            disk.crash();
            let content = disk.content("a").unwrap();
            assert!(content[..content.len().min(700)].iter().all(|&byte| byte == 7));
            lengths.insert(content.len());
        }
        assert_eq!(lengths, [700, 1_200, 1_500].into());
    });
}
