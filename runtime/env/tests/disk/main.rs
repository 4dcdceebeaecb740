//! The real disk: what POSIX promises, a folder that one node has to itself, and bounds.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod folder;
mod model;

use std::{env, io, num::NonZero, process::Command, sync::Arc, time::Duration};

use odeon_env::{
    DataFolderError, Disk, DiskError, Env, FILE_BYTES_MAX, FileName, OPERATION_BYTES_MAX, OpenMode,
    RealEnv,
};
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::{Builder, Runtime};

use folder::TestFolder;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn name(name: &str) -> FileName {
    FileName::new(name).unwrap()
}

/// The disk in this folder. A program that another test is just starting may hold the lock until it has begun.
fn disk_in(folder: &TestFolder) -> Arc<dyn Disk> {
    let open = || RealEnv::builder().data_folder(folder.path()).open().ok();
    let env = (0..1_000).find_map(|_| {
        std::thread::yield_now();
        open()
    });
    env.expect("the folder is free").disk().unwrap()
}

/// The error of the disk inside an error of the system.
fn reason(error: &io::Error) -> &DiskError {
    error.get_ref().and_then(|inner| inner.downcast_ref()).expect("it is the disk's")
}

#[test]
fn it_does_what_the_model_does_and_a_new_handle_sees_it() {
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let runtime = runtime();
    let follow = |steps| {
        let folder = TestFolder::new("model");
        let before = runtime.block_on(model::follow(&*disk_in(&folder), steps));
        // Another environment, which the lock lets in again, finds the same.
        let disk = disk_in(&folder);
        runtime.block_on(async {
            assert_eq!(disk.list().await.unwrap(), before.keys().cloned().collect::<Vec<_>>());
            for (name, content) in &before {
                let file = disk.open(name, OpenMode::Existing).await.unwrap();
                assert_eq!(file.read_at(0, content.len() + 1).await.unwrap(), *content);
            }
        });
        Ok(())
    };
    TestRunner::new(config).run(&model::steps(), follow).unwrap();
}

/// Set for the program that `what_was_synced_outlives_a_killed_program` starts: where to write before it aborts.
const FOLDER: &str = "ODEON_TEST_DISK_FOLDER";

#[test]
fn what_was_synced_outlives_a_killed_program() {
    if let Some(folder) = env::var_os(FOLDER) {
        let env = RealEnv::builder().data_folder(folder).open().unwrap();
        runtime().block_on(async {
            let disk = env.disk().unwrap();
            let file = disk.open(&name("draft"), OpenMode::New).await.unwrap();
            file.write_at(600, b"synced".as_slice().into()).await.unwrap();
            file.sync().await.unwrap();
            disk.rename(&name("draft"), &name("journal")).await.unwrap();
            disk.sync().await.unwrap();
        });
        // No destructor runs, and the lock goes with the program.
        std::process::abort();
    }
    let folder = TestFolder::new("killed");
    let test = "what_was_synced_outlives_a_killed_program";
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && !said.contains("panicked"), "{said}");
    runtime().block_on(async {
        let disk = disk_in(&folder);
        assert_eq!(disk.list().await.unwrap(), [name("journal")]);
        let file = disk.open(&name("journal"), OpenMode::Existing).await.unwrap();
        assert_eq!(file.len().await.unwrap(), 606);
        assert_eq!(file.read_at(598, 100).await.unwrap(), b"\0\0synced");
    });
}

#[test]
fn a_folder_belongs_to_one_node_until_the_last_handle_is_gone() {
    let folder = TestFolder::new("lock");
    let open = || RealEnv::builder().data_folder(folder.path()).open();
    let env = open().unwrap();
    let refused = open().unwrap_err();
    assert!(matches!(refused, DataFolderError::InUse { .. }), "{refused}");
    let disk = env.disk().unwrap();
    let file = runtime().block_on(disk.open(&name("a"), OpenMode::New)).unwrap();
    let blocking = file.blocking();
    drop((env, disk, file));
    assert!(open().is_err());
    blocking.write_at(0, b"still open").unwrap();
    drop(blocking);
    disk_in(&folder);
}

#[test]
fn a_folder_that_cannot_be_says_which_and_why() {
    let folder = TestFolder::new("made");
    let inner = folder.path().join("a/b");
    RealEnv::builder().data_folder(&inner).open().unwrap();
    assert!(inner.is_dir());
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = RealEnv::builder().data_folder(file.join("x")).open().unwrap_err();
    assert!(matches!(error, DataFolderError::Unusable { .. }), "{error}");
    assert!(error.to_string().contains("file/x"), "{error}");
    let refused = RealEnv.disk().unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::Unsupported);
    assert!(matches!(reason(&refused), DiskError::NoDataFolder), "{refused}");
}

#[test]
fn bounds_are_kept_and_named() {
    let folder = TestFolder::new("bounds");
    let disk = disk_in(&folder);
    runtime().block_on(async {
        let file = disk.open(&name("a"), OpenMode::New).await.unwrap();
        let error = file.read_at(0, OPERATION_BYTES_MAX + 1).await.unwrap_err();
        assert!(matches!(reason(&error), DiskError::TooLong { .. }), "{error}");
        let error = file.write_at(FILE_BYTES_MAX, vec![1].into()).await.unwrap_err();
        assert!(matches!(reason(&error), DiskError::Beyond { .. }), "{error}");
        let error = file.set_len(u64::MAX).await.unwrap_err();
        assert!(matches!(reason(&error), DiskError::Beyond { .. }), "{error}");
        assert_eq!(file.len().await.unwrap(), 0);
        // What others put there is not ours.
        std::fs::write(folder.path().join(".hidden"), "").unwrap();
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        assert_eq!(disk.list().await.unwrap(), [name("a")]);
    });
}

#[test]
fn the_error_of_the_system_names_operation_and_file() {
    let folder = TestFolder::new("errors");
    let disk = disk_in(&folder);
    runtime().block_on(async {
        let error = disk.open(&name("absent"), OpenMode::Existing).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().starts_with("cannot open absent: "), "{error}");
        let DiskError::Failed { cause, .. } = reason(&error) else { panic!("{error}") };
        assert!(cause.raw_os_error().is_some());
    });
}

/// A full disk without needing one: writes to `/dev/full` fail as on a full file system.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_says_so() {
    let folder = TestFolder::new("full");
    std::os::unix::fs::symlink("/dev/full", folder.path().join("full")).unwrap();
    let disk = disk_in(&folder);
    runtime().block_on(async {
        let file = disk.open(&name("full"), OpenMode::Existing).await.unwrap();
        let error = file.write_at(0, vec![1; 100].into()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
        assert!(error.to_string().starts_with("cannot write full: "), "{error}");
    });
}

/// With one thread the second write waits behind the first; dropped there, it never begins.
#[test]
fn what_is_dropped_before_it_begins_never_happens() {
    let folder = TestFolder::new("dropped");
    let one = NonZero::new(1).unwrap();
    let env = RealEnv::builder().data_folder(folder.path()).disk_threads(one).open().unwrap();
    runtime().block_on(async {
        let disk = env.disk().unwrap();
        let file = disk.open(&name("a"), OpenMode::New).await.unwrap();
        drop(file.write_at(0, vec![1; 10].into())); // never polled
        for _ in 0..200 {
            let big = file.write_at(0, vec![2; 1 << 20].into());
            let dropped = file.write_at(1 << 20, vec![3; 10].into());
            tokio::select! {
                biased;
                _ = async { tokio::join!(big, dropped) } => {}
                () = tokio::time::sleep(Duration::ZERO) => {}
            }
            // After the sync nothing comes any more, whatever became of the two.
            file.sync().await.unwrap();
            let length = file.len().await.unwrap();
            file.set_len(0).await.unwrap();
            assert!([0, 1 << 20, (1 << 20) + 10].contains(&length), "{length}");
            file.sync().await.unwrap();
            assert_eq!(file.len().await.unwrap(), 0);
        }
    });
}
