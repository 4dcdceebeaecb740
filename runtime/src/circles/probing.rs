//! What a node does with a probe, as a pure function of what it sees: pass it on, end an ask, or nothing.
//!
//! # Why nobody is told of a circle that is none
//!
//! K. M. Chandy, J. Misra, L. M. Haas, "Distributed deadlock detection", ACM TOCS 1 (1983), send a probe along the waits of
//! processes that need all their answers (the AND model), and show that one which comes back to its initiator has come over
//! a circle. Their proof needs that a wait ends by its answer alone. Here it may end otherwise: by a deadline, a future that
//! is dropped, the end of an actor. Then one round proves nothing, because the first waits may be over before the last
//! begin. So a probe goes round twice.
//!
//! A wait has a number that no other has, and it is there for one span of time: from when its actor says that it waits to
//! when that stops waiting, however that comes. That its ask is with the actor that was asked, in the mailbox or running,
//! and held up by a certain wait of that actor, also holds for one span: until the ask is answered, deferred or refused, or
//! that wait ends; none of these comes back. A probe goes on only where both are so, as the asked node sees it, which
//! therefore has not answered: a reply that is still under way does not count as a wait. The first round has seen all this
//! of each wait before the moment T at which the circle closes. The second has seen it again, of the same waits by their
//! numbers, after T. So all were there at T: the circle was whole at one moment, when none of its actors could go on by
//! itself.
//!
//! The wait that ends is looked at last, on its own node, and is taken out of the table of asks there: an ask that was
//! answered or given up meanwhile is not in it. What may have happened since T is that another ask of the circle met its
//! deadline; then the circle was open again a moment before this ask was ended, as it may be on one node.
//!
//! # Why each circle is found, and one ask ends
//!
//! The last ask of a circle probes when all others are there. A probe is lost only with a connection, with which the asks
//! over it fail, or where a bound is met; so it is repeated, each time after twice the time, while the ask waits. Whoever
//! finds a circle, the same ask ends: that of the greatest node, incarnation and number. Of circles that share a part, each
//! may end an ask. Left to the deadline: circles of more than [`PROBE_WAITS_MAX`] waits, and waits beyond the sixteen ways
//! into which a probe splits.
//!
//! What it is NOT: the look at the actors (`edges/far.rs` in `odeon-actor`), nor the sending (`circles.rs`).

use odeon_actor::{Along, Wait, Way};
use odeon_message::{Address, AskId, Incarnation, NodeId};
use odeon_transport::PeerId;
use odeon_wire::{
    Probe, ProbeRound, ProbeWait,
    format::{PROBE_WAITS_MAX, PROBE_WAYS_MAX},
};

/// This life of this node.
#[derive(Clone, Debug)]
pub(crate) struct Here {
    pub(crate) node: NodeId,
    pub(crate) incarnation: Incarnation,
    pub(crate) name: String,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// The probe goes to the node of that actor, over that ask.
    Pass { to: Address, ask: AskId, probe: Probe },
    /// The ask ends, as one of this circle.
    End { ask: AskId, circle: String },
}

impl Here {
    fn has(&self, wait: &ProbeWait) -> bool {
        (wait.node, wait.incarnation) == (self.node, self.incarnation)
    }

    fn listed(&self, wait: &Wait) -> ProbeWait {
        ProbeWait {
            node: self.node,
            incarnation: self.incarnation,
            number: wait.number,
            ask: wait.far.map_or(AskId::NONE, |(_, ask)| ask),
            actor: format!("{} on {}", wait.actor, self.name).into(),
        }
    }

    /// A wait of this node begins to look for a circle.
    pub(crate) fn begin(&self, wait: &Wait) -> Option<Step> {
        let (to, ask) = wait.far?;
        let ways = u8::try_from(PROBE_WAYS_MAX).unwrap_or(u8::MAX);
        let waits = vec![self.listed(wait)];
        let probe = Probe { round: ProbeRound::Seek, ways, confirmed: 0, asked: to.key, waits };
        Some(Step::Pass { to, ask, probe })
    }

    /// Which ways are to be looked for, from the ask over which a peer's probe has come; `None` if it cannot be true.
    pub(crate) fn along(&self, probe: &Probe, from: PeerId, ask: AskId) -> Option<Along> {
        let (first, count) = (probe.waits.first()?, probe.waits.len());
        let came_over = |wait: &ProbeWait| {
            (wait.node, wait.incarnation, wait.ask) == (from.node, from.incarnation, ask)
        };
        match probe.round {
            ProbeRound::Seek if probe.waits.last().is_some_and(came_over) => {
                let until = self.has(first).then_some(first.number);
                let ways_max = if count < PROBE_WAITS_MAX { usize::from(probe.ways) } else { 0 };
                Some(Along::Any { until, ways_max })
            }
            ProbeRound::Confirm => {
                let confirmed = usize::from(probe.confirmed);
                let last = probe.waits.get(confirmed.checked_sub(1)? % count)?;
                let own = own_waits(self, probe);
                let leaves = own.last().is_some_and(|wait| wait.ask != AskId::NONE);
                (came_over(last) && leaves)
                    .then(|| Along::These(own.iter().map(|wait| wait.number).collect()))
            }
            _ => None,
        }
    }

    /// What follows from the ways that were found.
    pub(crate) fn steps(&self, probe: &Probe, ways: &[Way]) -> Vec<Step> {
        match probe.round {
            ProbeRound::Seek => self.seek(probe, ways),
            ProbeRound::Confirm => {
                ways.first().and_then(|way| self.confirm(probe, way)).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn seek(&self, probe: &Probe, ways: &[Way]) -> Vec<Step> {
        let closing = ways.iter().filter(|way| way.closes);
        let closing = closing.filter_map(|way| {
            let (last, others) = way.waits.split_last()?;
            let (to, ask) = last.far?;
            let waits = self.longer(probe, others)?;
            let probe =
                Probe { round: ProbeRound::Confirm, ways: 1, confirmed: 1, asked: to.key, waits };
            Some(Step::Pass { to, ask, probe })
        });
        let open = ways.iter().filter(|way| !way.closes);
        // What went round without the first wait is a circle of others, who find it themselves.
        let open =
            open.filter_map(|way| Some((way.waits.last()?.far?, self.longer(probe, &way.waits)?)));
        let open = open.take(usize::from(probe.ways)).collect::<Vec<_>>();
        let shares = shares(probe.ways, open.len());
        let open = open.into_iter().zip(shares).map(|(((to, ask), waits), ways)| {
            let probe = Probe { ways, asked: to.key, waits, ..probe.clone() };
            Step::Pass { to, ask, probe }
        });
        closing.chain(open).collect()
    }

    /// The waits of a probe and some of this node, if they are not among them and not too many.
    fn longer(&self, probe: &Probe, more: &[Wait]) -> Option<Vec<ProbeWait>> {
        let is_new = |wait: &Wait| {
            !probe.waits.iter().any(|seen| self.has(seen) && seen.number == wait.number)
        };
        let fits = probe.waits.len() + more.len() <= PROBE_WAITS_MAX && more.iter().all(is_new);
        let more = more.iter().map(|wait| self.listed(wait));
        fits.then(|| probe.waits.iter().cloned().chain(more).collect())
    }

    fn confirm(&self, probe: &Probe, way: &Way) -> Option<Step> {
        let (to, ask) = way.waits.last()?.far?;
        let count = probe.waits.len();
        let confirmed = usize::from(probe.confirmed) + way.waits.len();
        let at = (confirmed - 1) % count;
        if probe.waits.get(at)?.ask != ask {
            return None;
        }
        // The first was seen when the circle closed: with the one behind the last it was seen again.
        if confirmed > count && victim(&probe.waits) == Some(at) {
            return Some(Step::End { ask, circle: circle(&probe.waits, at) });
        }
        let confirmed = u8::try_from(confirmed).ok().filter(|_| confirmed < 2 * count)?;
        let probe = Probe { confirmed, asked: to.key, ..probe.clone() };
        Some(Step::Pass { to, ask, probe })
    }
}

/// The waits that follow those that were confirmed, up to the one that leads to another node, if all are of this one.
fn own_waits<'a>(here: &Here, probe: &'a Probe) -> Vec<&'a ProbeWait> {
    let following = probe.waits.iter().cycle().skip(usize::from(probe.confirmed));
    let mut left = false;
    following
        .take(probe.waits.len())
        .take_while(|wait| {
            let own = !left && here.has(wait);
            left |= wait.ask != AskId::NONE;
            own
        })
        .collect()
}

/// The wait whose ask ends: the same, whoever has found the circle.
fn victim(waits: &[ProbeWait]) -> Option<usize> {
    let far = waits.iter().enumerate().filter(|(_, wait)| wait.ask != AskId::NONE);
    let last = far.max_by_key(|(_, wait)| (wait.node, wait.incarnation, wait.ask));
    last.map(|(at, _)| at)
}

/// The names of a circle, from who is told of it back to it.
fn circle(waits: &[ProbeWait], from: usize) -> String {
    let names = waits.iter().cycle().skip(from).take(waits.len() + 1);
    names.map(|wait| &*wait.actor).collect::<Vec<_>>().join(" -> ")
}

/// The ways that each of so many probes may still split into.
fn shares(ways: u8, among: usize) -> impl Iterator<Item = u8> {
    let among = u8::try_from(among).unwrap_or(u8::MAX).max(1);
    let (each, more) = (ways / among, ways % among);
    (0..among).map(move |at| (each + u8::from(at < more)).max(1))
}
