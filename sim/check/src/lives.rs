//! Lives of nodes: a later one replaces an earlier one, everywhere and for good.
//!
//! What it is NOT: a check of whom nodes see; that is `convergence.rs`, which goes by names.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    checker::{Checker, Objection, Violation},
    event::{Event, What},
    history::History,
    text::Party,
};

/// Checks three things about the lives of nodes. Nobody who has seen a node in a later life sees it in an earlier one
/// again. A life is superseded only where there is a later one. From `within` after the last disturbance on nobody sees a
/// node in a life before its present one. Reads [`What::Lives`], [`What::Superseded`], and, for disturbances,
/// [`What::Up`], [`What::Down`] and [`What::Fault`].
#[derive(Clone, Copy, Debug)]
pub struct PresentLives {
    within: Duration,
}

impl PresentLives {
    /// With this much time from the last disturbance on until all know.
    #[must_use]
    pub const fn within(within: Duration) -> Self {
        Self { within }
    }
}

/// A life, and the event by which it is known.
type Known<'h> = (u64, &'h Event);

/// What is known of lives so far.
#[derive(Default)]
struct Lives<'h> {
    /// The latest life that each node said is its own.
    own: BTreeMap<&'h Party, Known<'h>>,
    /// In which life each node that is up last saw each other one, whether it sees it still or not.
    last_seen: BTreeMap<&'h Party, BTreeMap<&'h Party, Known<'h>>>,
    /// Whom each of them sees now.
    sees: BTreeMap<&'h Party, Vec<&'h Party>>,
}

impl<'h> Lives<'h> {
    /// Forgets what a node that went down or comes up has seen.
    fn begin(&mut self, node: &'h Party) {
        self.last_seen.remove(node);
        self.sees.remove(node);
    }

    fn take(
        &mut self,
        event: &'h Event,
        node: &'h Party,
        life: u64,
        members: &'h BTreeMap<Party, u64>,
    ) -> Result<(), Violation> {
        self.own.insert(node, (life, event));
        let seen = self.last_seen.entry(node).or_default();
        for (member, life) in members.iter().filter(|(member, _)| *member != node) {
            if let Some((later, since)) = seen.insert(member, (*life, event))
                && later > *life
            {
                let what = format!(
                    "{node} sees {member} in its life {life}, and has seen it in its later life {later}"
                );
                return Err(Violation::new(what).event(since).event(event));
            }
        }
        self.sees.insert(node, members.keys().filter(|member| *member != node).collect());
        Ok(())
    }

    /// Whether the life that was told to make way has a later one.
    fn supersede(&self, event: &'h Event, node: &Party, life: u64) -> Result<(), Violation> {
        let others =
            || self.last_seen.iter().filter_map(|(who, seen)| Some((who, seen.get(node)?)));
        let own = self.own.get(node);
        if own.is_some_and(|(own, _)| *own > life) || others().any(|(_, seen)| seen.0 > life) {
            return Ok(());
        }
        let what = format!("life {life} of {node} makes way for a later one, and there is none");
        let believers = others().filter(|(_, seen)| seen.0 < life);
        let mut violation = Violation::new(what).event(event);
        for (who, (dead, seen)) in believers {
            violation = violation
                .line(format!("{who} has seen no life of {node} after {dead}, which is over"))
                .event(seen);
        }
        Err(violation.events(own.map(|(_, event)| *event)))
    }

    /// Whether all that is seen is present, when it should be.
    fn settled(&self, last: &'h Event, quiet: Duration, within: Duration) -> Result<(), Violation> {
        for (node, sees) in &self.sees {
            for member in sees {
                let seen = self.last_seen.get(*node).and_then(|seen| seen.get(*member));
                let (Some((life, event)), Some((own, since))) = (seen, self.own.get(*member))
                else {
                    continue;
                };
                if life < own && since.at.saturating_add(within) <= quiet {
                    let what = format!(
                        "{node} sees {member} in its life {life}, which is over: it is {own}"
                    );
                    return Err(Violation::new(what).events([*event, *since, last]));
                }
            }
        }
        Ok(())
    }
}

impl Checker for PresentLives {
    fn name(&self) -> &str {
        "present lives"
    }

    fn check(&self, history: &History) -> Result<(), Objection> {
        let (mut lives, mut last) = (Lives::default(), None);
        for event in history.events() {
            match &event.what {
                What::Up { node } | What::Down { node } => {
                    lives.begin(node);
                    last = Some(event);
                }
                What::Fault { .. } => last = Some(event),
                What::Lives { node, life, members } => lives.take(event, node, *life, members)?,
                What::Superseded { node, life } => lives.supersede(event, node, *life)?,
                _ => {}
            }
        }
        let Some(last) = last.filter(|_| !lives.sees.is_empty()) else {
            return Err(Objection::nothing("lives of nodes that are up"));
        };
        let quiet = last.at.saturating_add(self.within);
        if history.until() < quiet {
            let text = "let it be quiet for longer: the last disturbance is too near to the end";
            return Err(Objection::Unknown(format!("{text}, {:?}\n  {last}", history.until())));
        }
        Ok(lives.settled(last, history.until(), self.within)?)
    }
}
