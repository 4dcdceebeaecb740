//! Messages read in place: a view shows what was archived, nothing makes one of bytes that fail the check, it costs no
//! allocation, and what it holds of its sender's credit goes back with it.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::sync::{Arc, Mutex};

use odeon_message::{
    ARCHIVE_DEPTH_MAX, ActorKey, Credit, Creditor, DecodeError, Payload, Slab, SlabHome,
    SlabMemory, View, Wire, data,
};
use proptest::{collection, prelude::*};

#[data(crate = odeon_message)]
#[derive(Clone, Debug, PartialEq)]
struct Batch {
    number: u64,
    lines: Vec<String>,
    tree: Tree,
}

#[data(crate = odeon_message)]
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Leaf(u32),
    Fork(Vec<Self>),
}

#[data(crate = odeon_message)]
#[derive(Debug)]
struct Chain {
    next: Option<Box<Self>>,
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = any::<u32>().prop_map(Tree::Leaf);
    leaf.prop_recursive(5, 30, 4, |inner| collection::vec(inner, 0..4).prop_map(Tree::Fork))
}

fn batch() -> impl Strategy<Value = Batch> {
    (any::<u64>(), collection::vec(".{0,20}", 0..10), tree())
        .prop_map(|(number, lines, tree)| Batch { number, lines, tree })
}

fn archive<T: Wire>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    value.archive(&mut out).unwrap();
    out
}

/// What can be seen of a tree without a value of it.
fn leaves(tree: &ArchivedTree) -> Vec<u32> {
    match tree {
        ArchivedTree::Leaf(leaf) => vec![leaf.to_native()],
        ArchivedTree::Fork(parts) => parts.iter().flat_map(leaves).collect(),
    }
}

fn see(view: &View<Batch>) -> (u64, Vec<String>, Vec<u32>) {
    let lines = view.lines.iter().map(|line| line.as_str().to_owned()).collect();
    (view.number.to_native(), lines, leaves(&view.tree))
}

fn leaves_of(tree: &Tree) -> Vec<u32> {
    match tree {
        Tree::Leaf(leaf) => vec![*leaf],
        Tree::Fork(parts) => parts.iter().flat_map(leaves_of).collect(),
    }
}

proptest! {
    #[test]
    fn a_view_shows_what_was_archived(batch in batch()) {
        let seen = (batch.number, batch.lines.clone(), leaves_of(&batch.tree));
        let view = View::<Batch>::open(Payload::copy_from(&archive(&batch)), None).unwrap();
        prop_assert_eq!(&see(&view), &seen);
        prop_assert_eq!(view.read(&()).unwrap(), batch.clone());
        let own = View::of(&batch).unwrap();
        prop_assert_eq!(own.bytes(), view.bytes());
        prop_assert_eq!(see(&own), seen);
    }

    /// A few bytes changed, or some cut off: what the codec refuses becomes no view, and what becomes one can be seen
    /// whole.
    #[test]
    fn a_bad_archive_never_becomes_a_view(
        batch in batch(),
        changes in collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
    ) {
        let mut bytes = archive(&batch);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cuts {
            bytes.truncate(cut.index(bytes.len()));
        }
        let value = Batch::unarchive(Payload::copy_from(&bytes).bytes(), &());
        let view = View::<Batch>::open(Payload::copy_from(&bytes), None);
        prop_assert_eq!(view.is_ok(), value.is_ok());
        if let (Ok(view), Ok(value)) = (view, value) {
            let (number, lines, leaves) = see(&view);
            prop_assert_eq!(number, value.number);
            prop_assert_eq!(lines, value.lines);
            prop_assert_eq!(leaves, leaves_of(&value.tree));
        }
    }

    #[test]
    fn noise_never_becomes_a_view_that_harms(bytes in collection::vec(any::<u8>(), 0..300)) {
        if let Ok(view) = View::<Batch>::open(Payload::copy_from(&bytes), None) {
            let _ = see(&view);
        }
    }
}

/// Chains by hand, because archiving recurses: a tag, three bytes of padding, the distance to the link before.
fn chain_bytes(links: usize) -> Vec<u8> {
    let mut bytes = vec![0; 8];
    for _ in 1..links {
        bytes.extend_from_slice(&[1, 0, 0, 0]);
        bytes.extend_from_slice(&(-12_i32).to_le_bytes());
    }
    bytes
}

#[test]
fn the_bound_on_depth_holds_for_views() {
    let open = |links| View::<Chain>::open(Payload::copy_from(&chain_bytes(links)), None);
    let mut links = 1;
    let deepest = open(ARCHIVE_DEPTH_MAX).unwrap();
    let mut link = &*deepest;
    while let Some(next) = link.next.as_ref() {
        links += 1;
        link = next;
    }
    assert_eq!(links, ARCHIVE_DEPTH_MAX);
    for links in [ARCHIVE_DEPTH_MAX + 1, 100_000] {
        assert!(matches!(open(links), Err(DecodeError::Archive(_))));
    }
}

#[derive(Default)]
struct Books {
    given_back: Mutex<u64>,
    memory: Mutex<usize>,
}

impl Creditor for Books {
    fn consumed(&self, _: ActorKey, _: u64, bytes: u64) {
        *self.given_back.lock().unwrap() += bytes;
    }
}

impl SlabHome for Books {
    fn returned(&self, memory: SlabMemory) {
        *self.memory.lock().unwrap() += memory.capacity();
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "no node is there, whose threads they would be")]
fn credit_and_memory_go_back_when_the_view_goes_on_whatever_thread() {
    let books = Arc::new(Books::default());
    let chain = archive(&Chain { next: None });
    let mut slab = Slab::of(books.clone(), SlabMemory::with_capacity(4096));
    slab.extend_from_slice(&chain);
    slab.extend_from_slice(&[0; 8]);
    slab.extend_from_slice(&chain);
    let slab = Arc::new(slab);
    let view = |start| {
        let payload = Payload::new(Arc::clone(&slab), start..start + 8).unwrap();
        let key = ActorKey { slot: 1, generation: 0 };
        View::<Chain>::open(payload, Some(Credit::new(books.clone(), key, 40))).unwrap()
    };
    let (one, other) = (view(0), view(16));
    drop(slab);
    assert_eq!((one.credit_bytes(), *books.given_back.lock().unwrap()), (40, 0));
    std::thread::spawn(move || drop(one)).join().unwrap();
    assert_eq!((*books.given_back.lock().unwrap(), *books.memory.lock().unwrap()), (40, 0));
    assert!(other.next.is_none());
    drop(other);
    assert_eq!((*books.given_back.lock().unwrap(), *books.memory.lock().unwrap()), (80, 4096));
}

#[test]
fn what_fails_the_check_gives_its_credit_back() {
    let books = Arc::new(Books::default());
    let credit = Credit::new(books.clone(), ActorKey { slot: 1, generation: 0 }, 40);
    let bad = View::<Batch>::open(Payload::copy_from(&[255; 64]), Some(credit));
    assert!(matches!(bad, Err(DecodeError::Archive(_))));
    assert_eq!(*books.given_back.lock().unwrap(), 40);
}
