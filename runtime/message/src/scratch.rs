//! Working memory for archiving: rkyv keeps the resolvers of a list's elements in it until it writes the list.
//!
//! A message without lists needs none, so the thread's arena is fetched only when something asks for memory. It is
//! NOT where archives are written; that is the batch, see `codec.rs`.

use std::{alloc::Layout, cell::RefCell, ptr::NonNull};

use rkyv::ser::{
    Allocator,
    allocator::{Arena, ArenaHandle},
};

/// Most memory a thread keeps for the next message, in bytes: 64 KiB, which lists of some thousand elements need.
/// What a larger message took beyond it is freed when the message is archived.
const ARENA_BYTES_KEPT_MAX: usize = 64 * 1024;

thread_local! {
    static ARENA: RefCell<Option<Arena>> = const { RefCell::new(None) };
}

/// The working memory of one archive.
pub struct Scratch<'a>(State<'a>);

enum State<'a> {
    Untouched(&'a mut Option<Arena>),
    Used(ArenaHandle<'a>),
    /// Only while one of the others becomes the other.
    Between,
}

/// Runs `archive` with working memory that is kept for the thread's next archive.
pub(crate) fn with_scratch<R>(archive: impl FnOnce(Scratch<'_>) -> R) -> R {
    let mut arena = None;
    let result = archive(Scratch(State::Untouched(&mut arena)));
    if let Some(arena) = arena {
        keep(arena);
    }
    result
}

/// Taken out while it is used, so that a value which archives another inside `serialize` gets one of its own.
#[cold]
fn take() -> Arena {
    ARENA.try_with(|kept| kept.borrow_mut().take()).ok().flatten().unwrap_or_default()
}

fn keep(mut arena: Arena) {
    if arena.shrink() <= ARENA_BYTES_KEPT_MAX {
        // A thread that is ending has no place for it: it is freed.
        let _ = ARENA.try_with(|kept| *kept.borrow_mut() = Some(arena));
    }
}

impl<'a> Scratch<'a> {
    fn handle(&mut self) -> &mut ArenaHandle<'a> {
        if !matches!(self.0, State::Used(_))
            && let State::Untouched(arena) = std::mem::replace(&mut self.0, State::Between)
        {
            self.0 = State::Used(arena.insert(take()).acquire());
        }
        match &mut self.0 {
            State::Used(handle) => handle,
            _ => unreachable!("an untouched scratch was just given its arena"),
        }
    }
}

#[expect(
    unsafe_code,
    reason = "rkyv declares the trait unsafe; every call is passed on to its own arena"
)]
// SAFETY: all memory comes from one `ArenaHandle`, which keeps the contract of the trait, and moving a `Scratch` moves
// the handle only, never the memory it gave out.
unsafe impl<E> Allocator<E> for Scratch<'_> {
    unsafe fn push_alloc(&mut self, layout: Layout) -> Result<NonNull<[u8]>, E> {
        // SAFETY: the caller keeps the contract of this method, which is the handle's.
        unsafe { self.handle().push_alloc(layout) }
    }

    unsafe fn pop_alloc(&mut self, ptr: NonNull<u8>, layout: Layout) -> Result<(), E> {
        // SAFETY: `ptr` came from `push_alloc`, so from the same handle, and the caller keeps the order.
        unsafe { self.handle().pop_alloc(ptr, layout) }
    }
}
