//! Where an actor's bonds hang: one word in its cell, until somebody ties something to it.
//!
//! The bonds are made once and stay as long as the cell. Whoever finds none has looked before they were made: what it has
//! done before, whoever made them sees, as if both had held a lock one after the other. What it is NOT: the bonds.
#![expect(unsafe_code, reason = "the bonds are published through one word")]

use std::{
    ptr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicPtr,
            Ordering::{AcqRel, Acquire, Relaxed, SeqCst},
            fence,
        },
    },
};

use super::Bonds;

/// The bonds of one cell, or none yet.
#[derive(Default)]
pub(crate) struct Knot(AtomicPtr<Mutex<Bonds>>);

impl Knot {
    fn look(&self) -> Option<&Mutex<Bonds>> {
        // SAFETY: it is null or came out of a box in `make`, which goes with the knot.
        unsafe { self.0.load(Acquire).as_ref() }
    }

    /// Whether nothing was ever tied to it; certain for whoever alone knows the cell.
    #[inline]
    pub(crate) fn is_bare(&self) -> bool {
        self.0.load(Relaxed).is_null()
    }

    /// The bonds that were made before anybody else knew the actor, or later: what was in them from the beginning is found
    /// for certain, and costs an actor without bonds nothing.
    #[inline]
    pub(super) fn first(&self) -> Option<MutexGuard<'_, Bonds>> {
        self.look().map(lock)
    }

    /// The bonds, if there are any.
    pub(super) fn find(&self) -> Option<MutexGuard<'_, Bonds>> {
        let bonds = self.look().or_else(|| {
            // Two actors that each tie something to themselves and then look at the other: one of them sees it.
            fence(SeqCst);
            self.look()
        });
        bonds.map(lock)
    }

    /// The bonds, made if need be.
    pub(super) fn tie(&self) -> MutexGuard<'_, Bonds> {
        lock(self.look().unwrap_or_else(|| self.make()))
    }

    #[cold]
    fn make(&self) -> &Mutex<Bonds> {
        let made = Box::into_raw(Box::<Mutex<Bonds>>::default());
        let put = self.0.compare_exchange(ptr::null_mut(), made, AcqRel, Acquire);
        fence(SeqCst);
        let there = match put {
            Ok(_) => made,
            Err(first) => {
                // SAFETY: it came out of a box just now, and nobody else has seen it.
                drop(unsafe { Box::from_raw(made) });
                first
            }
        };
        // SAFETY: it came out of a box, here or on another thread, which goes with the knot.
        unsafe { &*there }
    }
}

fn lock(bonds: &Mutex<Bonds>) -> MutexGuard<'_, Bonds> {
    bonds.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Knot {
    fn drop(&mut self) {
        let bonds = *self.0.get_mut();
        if !bonds.is_null() {
            // SAFETY: it came out of a box, and nobody refers to it any more.
            drop(unsafe { Box::from_raw(bonds) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Barrier, atomic::AtomicU32},
        thread,
    };

    use super::*;

    #[test]
    fn many_who_tie_at_once_tie_to_the_same() {
        for _ in 0..if cfg!(miri) { 20 } else { 200 } {
            let (knot, start) = (Knot::default(), Barrier::new(3));
            assert!(knot.first().is_none() && knot.find().is_none());
            thread::scope(|scope| {
                for name in ["a", "b", "c"] {
                    let (knot, start) = (&knot, &start);
                    scope.spawn(move || {
                        start.wait();
                        knot.tie().names.push(name.into());
                    });
                }
            });
            let mut names = knot.find().unwrap().names.clone();
            names.sort();
            assert_eq!(*names, ["a".into(), "b".into(), "c".into()]);
        }
    }

    #[test]
    fn of_two_who_look_at_each_other_one_sees_the_other() {
        for _ in 0..if cfg!(miri) { 20 } else { 500 } {
            let (knots, start) = ([Knot::default(), Knot::default()], Barrier::new(2));
            let seen = AtomicU32::new(0);
            thread::scope(|scope| {
                for own in 0..2 {
                    let (knots, start, seen) = (&knots, &start, &seen);
                    scope.spawn(move || {
                        start.wait();
                        knots[own].tie().names.push("own".into());
                        if knots[1 - own].find().is_some_and(|bonds| !bonds.names.is_empty()) {
                            seen.fetch_add(1, Relaxed);
                        }
                    });
                }
            });
            assert!(seen.load(Relaxed) > 0);
        }
    }
}
