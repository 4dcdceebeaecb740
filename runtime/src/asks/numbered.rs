//! What waits under the number of an ask, found by it at once.
//!
//! A table of places that the number itself tells, because a tree over thousands of asks took as long as the frame of one. What
//! it is NOT: in an order of its own; what is taken out together comes by number, so that it is the same in each run.

use odeon_message::AskId;
use rustc_hash::FxHashMap;

/// Places that an empty table keeps; more were for a rush that is over.
const KEPT: usize = 4_096;

/// Things by the number of an ask, hashed without a secret: this node gives the numbers, so that nobody chooses them to collide.
#[derive(Debug)]
pub(super) struct Numbered<T>(FxHashMap<AskId, T>);

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self(FxHashMap::default())
    }
}

impl<T> Numbered<T> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn contains(&self, ask: AskId) -> bool {
        self.0.contains_key(&ask)
    }

    pub(super) fn get(&self, ask: AskId) -> Option<&T> {
        self.0.get(&ask)
    }

    pub(super) fn get_mut(&mut self, ask: AskId) -> Option<&mut T> {
        self.0.get_mut(&ask)
    }

    /// Puts one in; what was there under its number is no more.
    pub(super) fn insert(&mut self, ask: AskId, thing: T) {
        self.0.insert(ask, thing);
    }

    pub(super) fn remove(&mut self, ask: AskId) -> Option<T> {
        let removed = self.0.remove(&ask);
        self.give_back();
        removed
    }

    /// Takes out those that `which` says, by their numbers.
    pub(super) fn take(&mut self, which: impl Fn(&T) -> bool) -> Vec<T> {
        let mut taken: Vec<_> = self.0.extract_if(|_, thing| which(thing)).collect();
        taken.sort_unstable_by_key(|(ask, _)| *ask);
        self.give_back();
        taken.into_iter().map(|(_, thing)| thing).collect()
    }

    /// Frees the memory of a rush that is over.
    fn give_back(&mut self) {
        if self.0.is_empty() && self.0.capacity() > 2 * KEPT {
            self.0.shrink_to(KEPT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: impl IntoIterator<Item = u64>) -> Numbered<u64> {
        let mut all = Numbered::default();
        numbers.into_iter().for_each(|number| all.insert(AskId(number), number));
        all
    }

    #[test]
    fn each_is_found_by_its_number_until_it_is_taken_out() {
        let mut all = of(1..=1_000);
        assert!((1..=1_000).all(|number| all.get(AskId(number)) == Some(&number)));
        for number in (1..=1_000).step_by(2) {
            assert_eq!(all.remove(AskId(number)), Some(number));
            assert_eq!(all.remove(AskId(number)), None);
        }
        assert_eq!(all.len(), 500);
        assert!(all.contains(AskId(2)) && !all.contains(AskId(3)) && all.get(AskId(3)).is_none());
        if let Some(two) = all.get_mut(AskId(2)) {
            *two = 7;
        }
        assert_eq!(all.remove(AskId(2)), Some(7));
    }

    #[test]
    fn those_that_go_together_go_by_number() {
        let mut all = of((1..=100).rev());
        let even: Vec<u64> = all.take(|number| number.is_multiple_of(2));
        assert_eq!(even, (2..=100).step_by(2).collect::<Vec<_>>());
        assert_eq!(all.len(), 50);
    }

    #[test]
    fn the_memory_of_a_rush_is_given_back() {
        let mut all = of(0..100_000);
        assert!(all.0.capacity() >= 100_000);
        (0..99_999).for_each(|number| assert!(all.remove(AskId(number)).is_some()));
        assert!(all.0.capacity() >= 100_000, "while one waits nothing moves");
        assert!(all.remove(AskId(99_999)).is_some());
        assert!(all.0.capacity() < 3 * KEPT, "{}", all.0.capacity());
    }
}
