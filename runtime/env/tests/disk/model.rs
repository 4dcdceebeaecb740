//! What every disk does, real or simulated: steps in any order, followed on a disk and in memory side by side.
//!
//! It is a module of two tests, so that the simulated disk is held to what the real one shows.

use std::{collections::BTreeMap, io, sync::Arc};

use odeon_env::{Disk, DiskFile, FileName, OpenMode};
use proptest::{collection::vec, prelude::*};

/// Names and handles that steps choose from.
const NAMES: usize = 3;
const HANDLES: usize = 3;

/// Offsets and lengths go up to this: a few sectors.
const BYTES: u64 = 2_000;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Open { name: usize, mode: OpenMode, handle: usize },
    Close { handle: usize },
    Rename { from: usize, to: usize },
    Remove { name: usize },
    List,
    SyncNames,
    Sync { handle: usize },
    Len { handle: usize },
    Read { handle: usize, offset: u64, bytes: usize, blocking: bool },
    Write { handle: usize, offset: u64, bytes: Vec<u8>, blocking: bool },
    SetLen { handle: usize, bytes: u64 },
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let mode = prop_oneof![Just(OpenMode::Existing), Just(OpenMode::New), Just(OpenMode::Either)];
    let (name, handle, offset) = (0..NAMES, 0..HANDLES, 0..BYTES);
    let bytes = vec(any::<u8>(), 0..1_500);
    let step = prop_oneof![
        4 => (name.clone(), mode, handle.clone())
            .prop_map(|(name, mode, handle)| Step::Open { name, mode, handle }),
        1 => handle.clone().prop_map(|handle| Step::Close { handle }),
        1 => (name.clone(), name.clone()).prop_map(|(from, to)| Step::Rename { from, to }),
        1 => name.prop_map(|name| Step::Remove { name }),
        1 => Just(Step::List),
        1 => Just(Step::SyncNames),
        1 => handle.clone().prop_map(|handle| Step::Sync { handle }),
        1 => handle.clone().prop_map(|handle| Step::Len { handle }),
        4 => (handle.clone(), offset.clone(), 0..2_000_usize, any::<bool>()).prop_map(
            |(handle, offset, bytes, blocking)| Step::Read { handle, offset, bytes, blocking }
        ),
        6 => (handle.clone(), offset.clone(), bytes, any::<bool>()).prop_map(
            |(handle, offset, bytes, blocking)| Step::Write { handle, offset, bytes, blocking }
        ),
        2 => (handle, offset).prop_map(|(handle, bytes)| Step::SetLen { handle, bytes }),
    ];
    vec(step, 1..60)
}

fn name(number: usize) -> FileName {
    FileName::new(format!("file-{number}.bin")).unwrap()
}

/// The disk in memory: names, and contents that outlive them.
#[derive(Default)]
struct Model {
    names: BTreeMap<usize, usize>,
    contents: Vec<Vec<u8>>,
}

impl Model {
    fn open(&mut self, name: usize, mode: OpenMode) -> Result<usize, io::ErrorKind> {
        match (self.names.get(&name), mode) {
            (Some(_), OpenMode::New) => Err(io::ErrorKind::AlreadyExists),
            (Some(&content), _) => Ok(content),
            (None, OpenMode::Existing) => Err(io::ErrorKind::NotFound),
            (None, _) => {
                self.contents.push(Vec::new());
                self.names.insert(name, self.contents.len() - 1);
                Ok(self.contents.len() - 1)
            }
        }
    }

    fn rename(&mut self, from: usize, to: usize) -> Result<(), io::ErrorKind> {
        let content = self.names.remove(&from).ok_or(io::ErrorKind::NotFound)?;
        self.names.insert(to, content);
        Ok(())
    }
}

type Handle = (Arc<dyn DiskFile>, usize);

/// Follows the steps on an empty disk, and returns what its files hold in the end.
pub(crate) async fn follow(disk: &dyn Disk, steps: Vec<Step>) -> BTreeMap<FileName, Vec<u8>> {
    let mut model = Model::default();
    let mut handles: [Option<Handle>; HANDLES] = Default::default();
    for step in steps {
        match step {
            Step::Open { name: number, mode, handle } => {
                let opened = disk.open(&name(number), mode).await;
                let expected = model.open(number, mode);
                assert_eq!(
                    opened.as_ref().map(|_| ()).map_err(io::Error::kind),
                    expected.map(|_| ())
                );
                if let (Ok(file), Ok(content)) = (opened, expected) {
                    handles[handle] = Some((file, content));
                }
            }
            Step::Close { handle } => handles[handle] = None,
            Step::Rename { from, to } => {
                let renamed = disk.rename(&name(from), &name(to)).await;
                assert_eq!(renamed.map_err(|error| error.kind()), model.rename(from, to));
            }
            Step::Remove { name: number } => {
                let removed = disk.remove(&name(number)).await.map_err(|error| error.kind());
                let expected = model.names.remove(&number).map(|_| ());
                assert_eq!(removed, expected.ok_or(io::ErrorKind::NotFound));
            }
            Step::List => {
                let expected = model.names.keys().map(|&number| name(number)).collect::<Vec<_>>();
                assert_eq!(disk.list().await.unwrap(), expected);
            }
            Step::SyncNames => disk.sync().await.unwrap(),
            on_handle => on_content(on_handle, &mut model, &handles).await,
        }
    }
    compare(disk, &model).await
}

async fn on_content(step: Step, model: &mut Model, handles: &[Option<Handle>; HANDLES]) {
    match step {
        Step::Sync { handle } => {
            if let Some((file, _)) = &handles[handle] {
                file.sync().await.unwrap();
            }
        }
        Step::Len { handle } => {
            if let Some((file, content)) = &handles[handle] {
                assert_eq!(file.len().await.unwrap(), model.contents[*content].len() as u64);
            }
        }
        Step::Read { handle, offset, bytes, blocking } => {
            let Some((file, content)) = &handles[handle] else { return };
            let content = &model.contents[*content];
            let begin = (offset as usize).min(content.len());
            let expected = &content[begin..(begin + bytes).min(content.len())];
            let read = if blocking {
                let mut out = vec![7; bytes];
                let read = file.blocking().read_at(offset, &mut out).unwrap();
                out.truncate(read);
                out
            } else {
                file.read_at(offset, bytes).await.unwrap()
            };
            assert_eq!(read, expected);
        }
        Step::Write { handle, offset, bytes, blocking } => {
            let Some((file, content)) = &handles[handle] else { return };
            let content = &mut model.contents[*content];
            let (begin, end) = (offset as usize, offset as usize + bytes.len());
            if !bytes.is_empty() {
                content.resize(content.len().max(end), 0);
                content[begin..end].copy_from_slice(&bytes);
            }
            if blocking {
                file.blocking().write_at(offset, &bytes).unwrap();
            } else {
                file.write_at(offset, bytes.into()).await.unwrap();
            }
        }
        Step::SetLen { handle, bytes } => {
            let Some((file, content)) = &handles[handle] else { return };
            model.contents[*content].resize(bytes as usize, 0);
            file.set_len(bytes).await.unwrap();
        }
        other => unreachable!("{other:?} is on no handle"),
    }
}

/// Everything there is, through fresh handles.
async fn compare(disk: &dyn Disk, model: &Model) -> BTreeMap<FileName, Vec<u8>> {
    let mut all = BTreeMap::new();
    for (&number, &content) in &model.names {
        let file = disk.open(&name(number), OpenMode::Existing).await.unwrap();
        let length = file.len().await.unwrap();
        let read = file.read_at(0, length as usize + 1).await.unwrap();
        assert_eq!(read, model.contents[content]);
        all.insert(name(number), read);
    }
    assert_eq!(disk.list().await.unwrap(), all.keys().cloned().collect::<Vec<_>>());
    all
}
