//! No leaks: what was there in the beginning is what is there in the end.
//!
//! What it is NOT: a count of anything; whoever runs the system counts, at least twice: before there is anything to leak,
//! and when all of it should be gone.

use std::collections::BTreeMap;

use crate::{
    checker::{Checker, Objection, Violation},
    event::{Event, Resource, What},
    history::History,
    text::Party,
};

/// Checks that at each place there is in the end no more of each resource than in the beginning. Reads [`What::Counted`]:
/// the first count of a place and resource is the beginning, the last one the end.
#[derive(Clone, Debug, Default)]
pub struct NoLeaks {
    allowed: BTreeMap<Resource, u64>,
}

impl NoLeaks {
    /// Nothing may be left over.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// So many of a resource may be left over at each place, such as what is made once and kept. Default: none.
    #[must_use]
    pub fn allow(mut self, resource: Resource, count: u64) -> Self {
        self.allowed.insert(resource, count);
        self
    }
}

impl Checker for NoLeaks {
    fn name(&self) -> &str {
        "no leaks"
    }

    fn check(&self, history: &History) -> Result<(), Objection> {
        let mut counts = BTreeMap::<(&Party, Resource), Vec<(&Event, u64)>>::new();
        for event in history.events() {
            if let What::Counted { place, resource, count } = &event.what {
                counts.entry((place, *resource)).or_default().push((event, *count));
            }
        }
        if !counts.values().any(|counts| counts.len() > 1) {
            return Err(Objection::nothing("places at which anything was counted twice"));
        }
        for ((place, resource), counts) in &counts {
            let ([(first, before), ..], [.., (last, after)]) = (&counts[..], &counts[..]) else {
                continue;
            };
            let allowed = self.allowed.get(resource).copied().unwrap_or_default();
            let left = after.saturating_sub(*before);
            if left > allowed {
                let what = format!("{place} has {left} {resource} more than in the beginning");
                let peak = counts.iter().max_by_key(|(_, count)| *count).map(|(event, _)| *event);
                let shown = [*first, *last].into_iter().chain(peak);
                return Err(Violation::new(what).events(shown).into());
            }
        }
        Ok(())
    }
}
