//! Convergence of membership: some time after the last disturbance, all live nodes see the same nodes: the live ones.
//!
//! What it is NOT: a check of what they see meanwhile, when they may be wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    checker::{Checker, Objection, Violation},
    event::{Event, What},
    history::History,
    text::Party,
};

/// Checks that each node that is up at the end sees exactly those nodes from `within` after the last disturbance on. Reads
/// [`What::View`], [`What::Up`], [`What::Down`] and [`What::Fault`].
///
/// Disturbances are nodes that come up or go down, and faults, their mending included; mend everything before the time of
/// quiet. Record a view whenever it changes: each counts until the next one of its node. Whether a node is in its own view
/// does not matter.
#[derive(Clone, Copy, Debug)]
pub struct Convergence {
    within: Duration,
}

/// A view and the event that it came by.
type Seen<'h> = (&'h Event, BTreeSet<&'h Party>);

impl Convergence {
    /// With this much time from the last disturbance on.
    #[must_use]
    pub const fn within(within: Duration) -> Self {
        Self { within }
    }
}

impl Checker for Convergence {
    fn name(&self) -> &str {
        "convergence of membership"
    }

    fn check(&self, history: &History) -> Result<(), Objection> {
        let mut live = BTreeMap::<&Party, Vec<Seen<'_>>>::new();
        let mut last = None;
        for event in history.events() {
            match &event.what {
                What::Up { node } => {
                    live.insert(node, Vec::new());
                    last = Some(event);
                }
                What::Down { node } => {
                    live.remove(node);
                    last = Some(event);
                }
                What::Fault { .. } => last = Some(event),
                What::View { node, members } => {
                    let view = members.iter().filter(|member| *member != node).collect();
                    // Of a node that is down there is nothing to see any more.
                    live.entry(node).and_modify(|views| views.push((event, view)));
                }
                _ => {}
            }
        }
        let Some(last) = last.filter(|_| live.values().any(|views| !views.is_empty())) else {
            return Err(Objection::nothing("nodes that are up and their views"));
        };
        let quiet = last.at.saturating_add(self.within);
        if history.until() < quiet {
            let text = "let it be quiet for longer: the last disturbance is too near to the end";
            return Err(Objection::Unknown(format!("{text}, {:?}\n  {last}", history.until())));
        }
        for (node, views) in &live {
            let expected = live.keys().copied().filter(|other| other != node).collect();
            check_node(node, views, &expected, quiet).map_err(|violation| violation.event(last))?;
        }
        Ok(())
    }
}

/// Whether a node sees what it must at that moment and from then on.
fn check_node(
    node: &Party,
    views: &[Seen<'_>],
    expected: &BTreeSet<&Party>,
    quiet: Duration,
) -> Result<(), Violation> {
    let names = |set: &BTreeSet<&Party>| {
        format!("{{{}}}", set.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "))
    };
    let in_force = views.iter().rposition(|(event, _)| event.at <= quiet);
    let Some(first) = in_force else {
        let what = format!("{node} has no view {:?} after the beginning", quiet);
        return Err(Violation::new(what).events(views.iter().map(|(event, _)| *event)));
    };
    let wrong = views[first..].iter().find(|(_, view)| view != expected);
    let Some((event, view)) = wrong else { return Ok(()) };
    let what =
        format!("{node} sees {} beside itself and must see {}", names(view), names(expected));
    Err(Violation::new(what).event(event))
}
