//! Rare paths on demand: `buggify!()` is `false` in production, and in a simulation sometimes `true`.
//!
//! Rare paths have bugs because they are rare: the buffer that is full, the write that goes out in two, the timer that is
//! late. A place in the code says `if buggify!() { … }` and takes such a path when a simulation wants it to. Each place is
//! on or off for a whole run, by the seed, and a place that is on fires with its probability each time it is asked; so
//! runs differ in which paths they take, and no run drowns in all of them at once (FoundationDB's BUGGIFY: A. Miller,
//! "Buggify", transactional.blog, 2022).
//!
//! What a place may do: whatever the world could do at that spot anyway. What it must NOT do: break a promise of the code
//! that it is in. What it is NOT: configuration, or a way to inject errors into production; nothing there can turn it on.
//! Also here, because it has the same hook: [`any_order`], by which a simulation changes the order of ready tasks.

use std::{
    cell::Cell,
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    task::{Context, Poll},
};

/// The probability with which a place fires that is on and does not say how often.
pub const USUAL_CHANCE: f64 = 0.25;

/// One place in the code: the same in every build of the same source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Its module.
    pub module: &'static str,
    /// Its line, from 1.
    pub line: u32,
    /// Its column, from 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.module, self.line, self.column)
    }
}

/// What a simulation answers.
pub trait Mischief: fmt::Debug {
    /// Whether this place fires now, given that it fires with this probability if it is on; if so, a number from 0 up to
    /// and without `bound`.
    fn fires(&self, place: Place, chance: f64, bound: u64) -> Option<u64>;

    /// Whether the task that is about to run is to let the others that are ready go first.
    fn defers(&self) -> bool;
}

/// How many threads are in a simulation: none, in production.
static ARMED: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static MISCHIEF: Cell<Option<&'static dyn Mischief>> = const { Cell::new(None) };
}

/// This thread is in a simulation until this is dropped.
#[derive(Debug)]
#[must_use = "the places are quiet again when this is dropped"]
pub struct Armed(PhantomData<*const ()>);

/// Lets the places on this thread ask the simulation. For simulators only.
///
/// # Panics
/// When this thread asks one already.
pub fn arm(mischief: &'static dyn Mischief) -> Armed {
    assert!(MISCHIEF.get().is_none(), "this thread is in a simulation already");
    MISCHIEF.set(Some(mischief));
    ARMED.fetch_add(1, Ordering::Relaxed);
    Armed(PhantomData)
}

impl Drop for Armed {
    fn drop(&mut self) {
        ARMED.fetch_sub(1, Ordering::Relaxed);
        MISCHIEF.set(None);
    }
}

/// Whether any thread of this program is in a simulation: one load.
#[inline(always)]
#[must_use]
pub fn is_armed() -> bool {
    ARMED.load(Ordering::Relaxed) != 0
}

/// Whether this thread is in a simulation.
#[must_use]
pub fn is_simulated() -> bool {
    MISCHIEF.try_with(Cell::get).ok().flatten().is_some()
}

/// Whether a simulation of this program ever had places that may fire.
static ASKS: AtomicBool = AtomicBool::new(false);

/// From now on places ask the simulation of their thread, if it is in one. For simulators only.
pub fn let_places_ask() {
    ASKS.store(true, Ordering::Relaxed);
}

/// Whether places ask: one load, and all that a place costs in production, and in a simulation without any that is on.
#[inline(always)]
#[must_use]
pub fn places_ask() -> bool {
    ASKS.load(Ordering::Relaxed)
}

/// What [`buggify!`](crate::buggify!) and [`buggify_number!`](crate::buggify_number!) ask where places ask.
#[cold]
#[inline(never)]
#[must_use]
pub fn ask(place: Place, chance: f64, bound: u64) -> Option<u64> {
    // A thread that is being torn down is in no simulation.
    MISCHIEF.try_with(Cell::get).ok().flatten()?.fires(place, chance, bound)
}

#[cold]
#[inline(never)]
fn defers() -> bool {
    MISCHIEF.try_with(Cell::get).ok().flatten().is_some_and(Mischief::defers)
}

/// `true` now and then in a simulation, where a rare path is to be taken; `false` in production.
///
/// `buggify!()` fires in one of four cases, `buggify!(0.01)` in one of a hundred, at a place that is on in this run. In
/// production it is one relaxed load and a branch that is never taken: a loop of 0.8 ns a round took no longer with it (the
/// least of 400 runs of two million rounds, x86_64).
///
/// ```
/// # use odeon_env::buggify;
/// # let (all, rest) = (vec![1, 2, 3], 0);
/// // Nobody may rely on how much goes out at once.
/// let now = if buggify!() { 1 } else { all.len() };
/// assert_eq!(now, 3, "this is no simulation");
/// ```
#[macro_export]
macro_rules! buggify {
    () => {
        $crate::buggify!($crate::buggify::USUAL_CHANCE)
    };
    ($chance:expr) => {
        $crate::buggify_number!($chance, 0..1).is_some()
    };
}

/// A number from this range of `u64` now and then in a simulation; `None` in production.
///
/// `buggify_number!(1..50)` fires in one of four cases, `buggify_number!(0.01, 1..50)` in one of a hundred, at a place that
/// is on in this run.
///
/// ```
/// # use odeon_env::buggify_number;
/// // In a simulation the timer is sometimes late.
/// let late_ms = buggify_number!(1..50).unwrap_or(0);
/// assert_eq!(late_ms, 0, "this is no simulation");
/// ```
#[macro_export]
macro_rules! buggify_number {
    ($range:expr) => {
        $crate::buggify_number!($crate::buggify::USUAL_CHANCE, $range)
    };
    ($chance:expr, $range:expr) => {
        if $crate::buggify::places_ask() {
            let place = $crate::buggify::Place {
                module: ::core::module_path!(),
                line: ::core::line!(),
                column: ::core::column!(),
            };
            let range: ::core::ops::Range<u64> = $range;
            let bound = range.end.saturating_sub(range.start);
            $crate::buggify::ask(place, $chance, bound).map(|number| range.start + number)
        } else {
            ::core::option::Option::None
        }
    };
}

/// Whether what is about to be done on the stack of its caller is to be left to a task, which goes when its turn comes:
/// now and then in a simulation, as [`any_order`] defers a task; never in production.
#[inline]
#[must_use]
pub fn is_deferred() -> bool {
    is_armed() && defers()
}

/// A task that a simulation may run after others that are ready. See [`any_order`].
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct AnyOrder<F>(F);

/// Wraps the future of a task whose order among the ready tasks of its node is nobody's promise.
///
/// tokio's `LocalSet` runs tasks in the order in which they were woken, which is one order of many. In a simulation a
/// task that was wrapped now and then goes to the end of that queue when its turn comes. In production this is one load a
/// poll. A future that must not be moved is pinned in a box first.
///
/// ```no_run
/// # use odeon_env::buggify::any_order;
/// # async fn keep_house() {}
/// tokio::task::spawn_local(any_order(Box::pin(keep_house())));
/// ```
pub fn any_order<F: Future + Unpin>(future: F) -> AnyOrder<F> {
    AnyOrder(future)
}

impl<F: Future + Unpin> Future for AnyOrder<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if is_deferred() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.0).poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[derive(Debug)]
    struct Always(AtomicU64);

    impl Mischief for Always {
        fn fires(&self, place: Place, chance: f64, bound: u64) -> Option<u64> {
            assert!(place.module.ends_with("buggify::tests"), "{place}");
            self.0.fetch_add(1, Ordering::Relaxed);
            (chance > 0.0).then_some(bound - 1)
        }

        fn defers(&self) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed) == 0
        }
    }

    fn places() -> (bool, bool, Option<u64>) {
        (crate::buggify!(), crate::buggify!(0.0), crate::buggify_number!(0.5, 10..20))
    }

    #[test]
    fn places_fire_on_an_armed_thread_only() {
        static ALWAYS: Always = Always(AtomicU64::new(0));
        assert_eq!(places(), (false, false, None));
        let armed = arm(&ALWAYS);
        let_places_ask();
        assert_eq!(places(), (true, false, Some(19)));
        assert_eq!(std::thread::scope(|s| s.spawn(places).join()).ok(), Some((false, false, None)));
        drop(armed);
        assert_eq!(places(), (false, false, None));
        assert_eq!(ALWAYS.0.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_deferred_task_is_woken_at_once_and_loses_nothing() {
        static ONCE: Always = Always(AtomicU64::new(0));
        let _armed = arm(&ONCE);
        let_places_ask();
        let mut task = polled(any_order(Box::pin(async { 7 })));
        assert_eq!(task(), None);
        assert_eq!(task(), Some(7));
    }

    fn polled<F: Future + Unpin>(mut future: AnyOrder<F>) -> impl FnMut() -> Option<F::Output> {
        move || match Pin::new(&mut future).poll(&mut Context::from_waker(std::task::Waker::noop()))
        {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }
}
