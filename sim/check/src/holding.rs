//! At most one of a name: no two holders of a name, a lease, a role or a shard at the same time.
//!
//! What it is NOT: about how long a name has no holder.

use std::collections::BTreeMap;

use crate::{
    checker::{Checker, Objection, Violation},
    event::{Event, What},
    history::History,
    text::{Party, Text},
};

/// Checks that the times of holding a name do not overlap. Reads [`What::Claimed`] and [`What::Released`]; [`What::Ended`]
/// of a holder, and [`What::Down`] of a node that is one, release whatever they hold.
///
/// A holder that claims again what it holds changes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct OneHolder;

impl Checker for OneHolder {
    fn name(&self) -> &str {
        "at most one of a name"
    }

    fn check(&self, history: &History) -> Result<(), Objection> {
        let mut holders = BTreeMap::<&Text, (&Party, &Event)>::new();
        let mut claims = 0;
        for event in history.events() {
            match &event.what {
                What::Claimed { name, holder } => {
                    claims += 1;
                    let (present, since) = *holders.entry(name).or_insert((holder, event));
                    if present != holder {
                        let what = format!("{holder} holds {name} while {present} does");
                        return Err(Violation::new(what).event(since).event(event).into());
                    }
                }
                What::Released { name, holder } => {
                    holders.retain(|held, (present, _)| *held != name || *present != holder);
                }
                What::Ended { party, .. } | What::Down { node: party } => {
                    holders.retain(|_, (holder, _)| *holder != party);
                }
                _ => {}
            }
        }
        if claims == 0 { Err(Objection::nothing("claims of names")) } else { Ok(()) }
    }
}
