//! Memory for many new actors, provided before they come.
//!
//! Whoever spawns a hundred thousand actors gets their memory from the allocator page after page, and waits for each page
//! longer than for all the rest of the actors on it. [`Growth`] sees where new actors are put; once they have gone over a few
//! pages in a row, it says which pages come next, so that the environment can have the system
//! [provide](odeon_env::Env::provide_memory) them at once: at most [`AHEAD`], which is what a program that stops growing then
//! has in vain. What it is NOT: an allocator; whose the pages are it does not know.

use std::cell::Cell;

/// The least page of the machines that this is for; larger ones are seen as several.
const PAGE: usize = 4096;
/// After so many pages in a row the next are wanted.
const ROW: u32 = 4;
/// Bytes that are wanted ahead: 64 pages in one call make it cheap, and are not missed.
pub(crate) const AHEAD: usize = 64 * PAGE;

/// Where the last new actors were put. One thread's.
pub(crate) struct Growth {
    /// The number of the last one's page.
    page: Cell<usize>,
    /// Pages in a row, this one included.
    row: Cell<u32>,
    /// The first page that was not provided.
    provided: Cell<usize>,
    /// Pages for which nothing is wanted after a refusal.
    pause: Cell<usize>,
}

impl Default for Growth {
    fn default() -> Self {
        Self { page: Cell::new(0), row: Cell::new(0), provided: Cell::new(0), pause: Cell::new(1) }
    }
}

impl Growth {
    /// A new actor ends at this address: from where on memory is wanted, if it is.
    #[inline]
    pub(crate) fn note(&self, end: usize) -> Option<usize> {
        let page = end / PAGE;
        if page == self.page.get() { None } else { self.turn(page) }
    }

    #[inline(never)]
    fn turn(&self, page: usize) -> Option<usize> {
        let goes_on = page == self.page.replace(page).wrapping_add(1);
        self.row.set(if goes_on { self.row.get().saturating_add(1) } else { 0 });
        let wanted = self.row.get() >= ROW && page + 1 >= self.provided.get();
        wanted.then(|| (page + 1) * PAGE)
    }

    /// So many bytes from there on were provided. After a refusal, as at the end of what the allocator has, nothing is wanted
    /// for a page, after another one for two, then for four, and so on up to as many as there might have been.
    pub(crate) fn provided(&self, from: usize, bytes: usize) {
        let pages = match bytes {
            0 => {
                let pause = self.pause.get();
                self.pause.set((pause * 2).min(AHEAD / PAGE));
                pause
            }
            bytes => {
                self.pause.set(1);
                bytes / PAGE
            }
        };
        self.provided.set(from / PAGE + pages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_wanted_only_where_actors_come_one_behind_the_other() {
        let growth = Growth::default();
        let mut wanted = Vec::new();
        for at in (0..200 * PAGE).step_by(200) {
            if let Some(from) = growth.note((1 << 30) + at) {
                wanted.push(from - (1 << 30));
                growth.provided(from, AHEAD);
            }
        }
        let first = (ROW as usize + 1) * PAGE;
        assert!(wanted[0].abs_diff(first) <= PAGE, "{wanted:?}");
        assert!(wanted.windows(2).all(|two| two[1] - two[0] == AHEAD), "{wanted:?}");
        let scattered = |at: usize| growth.note(at.wrapping_mul(7919 * PAGE) % (1 << 40));
        assert!((0..1000).all(|at| scattered(at).is_none()));
    }

    #[test]
    fn who_is_refused_waits_before_it_asks_again() {
        let growth = Growth::default();
        let asked = (0..100)
            .filter_map(|page| growth.note(page * PAGE).inspect(|from| growth.provided(*from, 0)));
        let doublings = (AHEAD / PAGE).ilog2() as usize + 1;
        assert!(asked.count() <= doublings + 100 * PAGE / AHEAD);
    }
}
