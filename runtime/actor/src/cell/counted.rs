//! How many refer to a cell: one count in its head, and the typed reference that holds one.
//!
//! Like [`Arc`](std::sync::Arc), but for two things: there is no count of weak references, which every actor would pay for
//! (`weak_ref.rs` makes them of a [`CellSpot`]), and who does not know the type counts without a call through its table.
//! What it is NOT: a reference to an actor of unknown type; that is `CellPtr` in `cell.rs`.

use std::{
    alloc::{self, Layout},
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref,
    process,
    ptr::NonNull,
    sync::atomic::{
        AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
        fence,
    },
};

use super::{ActorCell, CellHead};
use crate::Actor;

/// Only references that were leaked can be so many. From here to where the count overflows is further than a program has
/// threads.
const REFERENCES_MAX: usize = isize::MAX as usize;

/// How many references to a cell there are.
pub(super) struct Counted(AtomicUsize);

impl Counted {
    fn one() -> Self {
        Self(AtomicUsize::new(1))
    }

    /// One more. Whoever calls it has one, so that nothing needs to be ordered.
    #[inline]
    fn retain(&self) {
        if self.0.fetch_add(1, Relaxed) > REFERENCES_MAX {
            process::abort();
        }
    }

    /// One more, of a cell that only the caller knows.
    #[inline]
    fn retain_alone(&self) {
        self.0.store(self.0.load(Relaxed) + 1, Relaxed);
    }

    /// One more, unless there is none: whether there is.
    fn retain_living(&self) -> bool {
        let more = |count| (count != 0 && count <= REFERENCES_MAX).then(|| count + 1);
        self.0.fetch_update(Acquire, Relaxed, more).is_ok()
    }

    /// One less: whether it was the last. Then all that was done with the others is seen.
    #[inline]
    fn release(&self) -> bool {
        let last = self.0.fetch_sub(1, Release) == 1;
        if last {
            fence(Acquire);
        }
        last
    }
}

impl CellHead {
    /// One more reference to its cell, for whoever calls it to keep.
    #[inline]
    pub(super) fn retain(&self) {
        self.counted.retain();
    }

    /// As [`retain`](Self::retain), without an exchange, for whoever alone knows the cell.
    #[inline]
    pub(super) fn retain_alone(&self) {
        self.counted.retain_alone();
    }

    /// Gives a reference up, and with the last one the cell.
    ///
    /// # Safety
    /// `cell` is alive; the caller has a reference that it uses no more.
    #[inline]
    pub(super) unsafe fn release(cell: NonNull<CellHead>) {
        // SAFETY: the caller's reference keeps the cell alive until it is counted off.
        let calls = unsafe { cell.as_ref() }.calls;
        // SAFETY: as above.
        let counted = unsafe { &(*cell.as_ptr()).counted };
        if counted.release() {
            let free = calls.free;
            // SAFETY: nobody refers to it any more, and the table was made for its type.
            unsafe { free(cell) }
        }
    }
}

/// A counted reference to an actor of a known type.
pub(crate) struct CellArc<A: Actor>(NonNull<ActorCell<A>>, PhantomData<ActorCell<A>>);

// SAFETY: cells are `Send` and `Sync`, and so is a counted reference to one.
unsafe impl<A: Actor> Send for CellArc<A> {}
// SAFETY: as above.
unsafe impl<A: Actor> Sync for CellArc<A> {}

/// The cell stays where it is, whatever becomes of the reference.
impl<A: Actor> Unpin for CellArc<A> {}

impl<A: Actor> CellArc<A> {
    const LAYOUT: Layout = Layout::new::<ActorCell<A>>();

    /// A cell that `write` writes to the place it is given, with the count that its head is to have.
    ///
    /// # Safety
    /// It does so.
    #[inline(always)]
    pub(super) unsafe fn new(write: impl FnOnce(Counted, *mut ActorCell<A>)) -> Self {
        // SAFETY: a cell has a size.
        let memory = unsafe { alloc::alloc(Self::LAYOUT) };
        let Some(place) = NonNull::new(memory.cast::<ActorCell<A>>()) else {
            alloc::handle_alloc_error(Self::LAYOUT)
        };
        write(Counted::one(), place.as_ptr());
        Self(place, PhantomData)
    }

    /// Drops a cell to which nobody refers any more, and gives its memory back.
    ///
    /// # Safety
    /// `cell` came out of [`new`](Self::new) as this type, and its last reference was given up.
    pub(super) unsafe fn free(cell: NonNull<CellHead>) {
        // SAFETY: the caller says so; it is still whole.
        unsafe { cell.as_ref() }.cut_link();
        let cell = cell.cast::<ActorCell<A>>();
        let _memory = Memory(cell.cast(), Self::LAYOUT);
        // SAFETY: the caller says so, and weak references lead here no more. The memory goes afterwards, also when an actor's
        // destructor panics.
        unsafe { cell.drop_in_place() };
    }

    /// The reference, for [`from_raw`](Self::from_raw).
    #[inline]
    pub(super) fn into_raw(self) -> NonNull<ActorCell<A>> {
        ManuallyDrop::new(self).0
    }

    /// # Safety
    /// `cell` is alive, of this type, and its count has one that belongs to nobody else.
    #[inline]
    pub(super) unsafe fn from_raw(cell: NonNull<ActorCell<A>>) -> Self {
        Self(cell, PhantomData)
    }

    /// One more reference to a cell.
    ///
    /// # Safety
    /// `cell` came out of a reference, and is alive.
    pub(crate) unsafe fn share(cell: NonNull<ActorCell<A>>) -> Self {
        // SAFETY: the caller says so; only the head is referred to.
        unsafe { &(*cell.as_ptr()).head }.retain();
        Self(cell, PhantomData)
    }

    /// Where the cell is.
    #[inline]
    pub(crate) fn as_raw(&self) -> NonNull<ActorCell<A>> {
        self.0
    }

    /// Where the cell is, for weak references.
    pub(crate) fn spot(&self) -> CellSpot<A> {
        CellSpot(self.0)
    }
}

/// Memory that is given back when it is dropped.
struct Memory(NonNull<u8>, Layout);

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout, and whoever made this has no other use for it.
        unsafe { alloc::dealloc(self.0.as_ptr(), self.1) }
    }
}

impl<A: Actor> Clone for CellArc<A> {
    #[inline]
    fn clone(&self) -> Self {
        self.head.retain();
        Self(self.0, PhantomData)
    }
}

impl<A: Actor> Drop for CellArc<A> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: it has a reference, which goes with it.
        unsafe { CellHead::release(self.0.cast()) }
    }
}

impl<A: Actor> Deref for CellArc<A> {
    type Target = ActorCell<A>;

    #[inline]
    fn deref(&self) -> &ActorCell<A> {
        // SAFETY: it has a reference, so the cell is alive.
        unsafe { self.0.as_ref() }
    }
}

/// Where a cell is, or was.
pub(crate) struct CellSpot<A: Actor>(NonNull<ActorCell<A>>);

// SAFETY: nothing can be done with it but to make a `CellArc`, which is `Send`.
unsafe impl<A: Actor> Send for CellSpot<A> {}

impl<A: Actor> CellSpot<A> {
    /// One more reference to the cell, unless the last one was given up.
    ///
    /// # Safety
    /// The cell is whole as long as this takes: its link is not cut yet.
    pub(crate) unsafe fn upgrade(&self) -> Option<CellArc<A>> {
        // SAFETY: the caller says so.
        let counted = unsafe { &(*self.0.as_ptr()).head.counted };
        counted.retain_living().then(|| CellArc(self.0, PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        marker::PhantomPinned,
        sync::{Arc, Mutex},
        thread,
    };

    use odeon_message::{Codec, Message};

    use super::*;
    use crate::{
        ActorRef, Context, Handler, SpawnOptions, StartError, SystemConfig, WeakRef,
        by_hand::ByHand, cell::CellPtr, worker::waiting::who_waits,
    };

    /// An actor that must not be moved once it is pinned, as with a timer in it.
    struct Still(PhantomPinned);

    impl Actor for Still {
        type Args = ();

        async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
            Ok(Self(PhantomPinned))
        }
    }

    /// Keeps the actor by the way of whoever asks whose turn it is.
    struct Keep(Arc<Mutex<Option<CellPtr>>>);

    impl Message for Keep {
        type Reply = ();
        type Error = std::convert::Infallible;
        type Output = ();
        const NAME: &'static str = "Keep";
        const CODEC: Option<Codec<Self>> = None;

        fn answer(output: ()) -> Result<(), std::convert::Infallible> {
            Ok(output)
        }
    }

    impl Handler<Keep> for Still {
        async fn handle(&mut self, Keep(place): Keep, _: &mut Context<Self>) {
            *place.lock().unwrap() = who_waits(u32::MAX).map(|(cell, _)| cell);
        }
    }

    #[test]
    fn a_count_that_is_used_up_gives_no_more() {
        let counted = Counted::one();
        assert!(counted.retain_living());
        counted.retain();
        counted.retain_alone();
        assert!(!counted.release() && !counted.release() && !counted.release());
        assert!(counted.release(), "the last of four");
        assert!(!counted.retain_living());
    }

    #[test]
    fn a_reference_may_be_moved_whatever_it_leads_to() {
        fn movable<T: Unpin + Send + Sync>() {}
        movable::<ActorRef<Still>>();
        movable::<WeakRef<Still>>();
    }

    /// The last reference of all frees the cell, so it must lead to all of it, also if it was made of what the worker notes
    /// of a turn.
    #[test]
    fn a_cell_goes_with_the_reference_that_was_found_in_its_turn() {
        let hand = ByHand::new(SystemConfig::default());
        // From here on the worker has a thread, and the start is taken on this stack.
        hand.run();
        for directly in [false, true] {
            let entered = directly.then(|| hand.system.runtime().enter());
            let still = hand.spawn::<Still>((), SpawnOptions::default()).unwrap();
            let place = Arc::default();
            hand.finish(still.ask(Keep(Arc::clone(&place))).into_future()).unwrap();
            drop(entered);
            still.stop();
            hand.run();
            drop(still);
            let kept = place.lock().unwrap().take().expect("it was its turn");
            assert_eq!(hand.system.stats().cells, 1);
            drop(kept);
            assert_eq!(hand.system.stats().cells, 0);
        }
        hand.close();
    }

    #[test]
    fn weak_references_are_tried_while_the_actor_goes() {
        for round in 0..if cfg!(miri) { 10 } else { 300 } {
            let hand = ByHand::new(SystemConfig::default());
            hand.run();
            let _entered = hand.system.runtime().enter();
            let still = hand.spawn::<Still>((), SpawnOptions::default()).unwrap();
            let weak = still.downgrade();
            thread::scope(|scope| {
                for _ in 0..2 {
                    let weak = weak.clone();
                    scope.spawn(move || {
                        while let Some(still) = weak.upgrade() {
                            drop(still.clone());
                        }
                    });
                }
                if round % 2 == 0 {
                    drop(still);
                    weak.upgrade().into_iter().for_each(|still| still.stop());
                } else {
                    still.stop();
                }
                hand.run();
            });
            assert!(weak.upgrade().is_none());
            hand.close();
        }
    }
}
