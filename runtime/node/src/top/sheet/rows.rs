//! The rows of each sheet.

use odeon_ops::operator::{Hot, Lane, Member, Overview, Peer, Type};

use super::{Cell, Column, Sheet, Sort, Tone};
use crate::top::{
    figures::Figures,
    words::{bytes, clock, count, rate, share, short_kind, span, time},
};

/// Heads of columns; those that begin with a `#` have numbers.
fn columns(heads: &[&'static str]) -> Vec<Column> {
    let column = |head: &&'static str| match head.strip_prefix('#') {
        Some(head) => Column { head, is_number: true },
        None => Column { head, is_number: false },
    };
    heads.iter().map(column).collect()
}

/// The sheet, in no order.
pub(super) fn of(sort: Sort, figures: &Figures) -> Sheet {
    let heads: &[&str] = match sort {
        Sort::Actors => &["ACTOR", "TYPE", "#BUSY", "#WAITING", "#FOR", "#RESTARTS", "#WORKER"],
        Sort::Types => &[
            "TYPE",
            "#LIVE",
            "#MSG/S",
            "#WAITING",
            "#MOST",
            "#OLDEST",
            "#HANDLER P50",
            "#P99",
            "#QUEUE P50",
            "#P99",
            "#LOST",
            "#RESTARTS",
            "#FAILURES",
        ],
        Sort::Peers => &[
            "PEER",
            "ADDRESS",
            "#UP",
            "#RTT",
            "#OUT/S",
            "#IN/S",
            "#WAITS",
            "#HELD",
            "#WAIT P99",
            "#LOST",
            "#RECONNECTS",
        ],
        Sort::Lanes => &[
            "PEER", "#LANE", "#WAITS", "#HELD", "#STALLS", "#STALLED", "#OUT/S", "#IN/S",
            "#REFUSED",
        ],
        Sort::Members => {
            &["MEMBER", "ZONE", "ROLES", "VERSION", "#LOAD", "ADDRESS", "LIFE", "STATE"]
        }
        Sort::Events => &["#NUMBER", "TIME", "LEVEL", "EVENT"],
    };
    let when_empty = match sort {
        Sort::Actors => "no actor was found at work, and nothing waits",
        Sort::Types => "no actor has started",
        Sort::Peers | Sort::Lanes => "no other node is known",
        Sort::Members => "no members",
        Sort::Events if figures.keeps_events => "no events yet",
        Sort::Events => "this program has a log of its own: no events are kept",
    };
    let rows = figures.now.as_ref().map(|now| match sort {
        Sort::Actors => now.hot.iter().map(actor).collect(),
        Sort::Types => now.types.iter().map(|it| of_type(it, figures)).collect(),
        Sort::Peers => now.peers.iter().map(|it| peer(it, figures)).collect(),
        Sort::Lanes => lanes(now, figures),
        Sort::Members => now.members.iter().map(|it| member(it, now)).collect(),
        Sort::Events => events(figures),
    });
    Sheet { columns: columns(heads), rows: rows.unwrap_or_default(), when_empty }
}

fn actor(actor: &Hot) -> Vec<Cell> {
    let names = actor.id.iter().cloned().chain(actor.names.iter().map(|name| format!("{name:?}")));
    let name = names.chain([format!("#{}", actor.number)]).collect::<Vec<_>>().join(" ");
    vec![
        Cell::text(&name),
        Cell::text(&short_kind(&actor.kind)),
        Cell::number(actor.busy, share).graded(0.8, 0.95),
        Cell::number(Some(actor.waiting.into()), count),
        Cell::number(actor.age, time).graded(1.0, 10.0),
        Cell::number(Some(actor.restarts.into()), count),
        Cell::number(Some(actor.worker.into()), count),
    ]
}

fn of_type(it: &Type, figures: &Figures) -> Vec<Cell> {
    let number = |number: u64| Cell::number(Some(number as f64), count);
    vec![
        Cell::text(&short_kind(&it.kind)),
        number(it.live),
        Cell::number(figures.of_type(&it.kind), rate),
        number(it.depth),
        number(it.depth_max.into()),
        Cell::number(it.age_max, time).graded(1.0, 10.0),
        Cell::number(it.handler_p50, time),
        Cell::number(it.handler_p99, time),
        Cell::number(it.queue_p50, time),
        Cell::number(it.queue_p99, time),
        number(it.dropped + it.undelivered + it.skipped),
        number(it.restarts),
        number(it.failures).graded(1.0, 1.0),
    ]
}

fn peer(peer: &Peer, figures: &Figures) -> Vec<Cell> {
    let waits = peer.lanes.iter().map(|lane| lane.waiting_bytes).sum::<usize>();
    let held = peer.lanes.iter().map(|lane| lane.waiting_senders).sum::<usize>();
    let lost = peer.packets_sent.zip(peer.packets_lost);
    let lost = lost.filter(|(sent, _)| *sent > 0).map(|(sent, lost)| lost as f64 / sent as f64);
    let up = match peer.up_for {
        Some(_) => Cell::number(peer.up_for, span),
        None => Cell { text: "no".to_owned(), ..Cell::number(None, span) }.toned(Tone::Warning),
    };
    vec![
        Cell::text(if peer.name.is_empty() { "unknown" } else { &peer.name }),
        Cell::text(&peer.addr),
        up,
        Cell::number(peer.round_trip, time),
        Cell::number(figures.out(peer), bytes),
        Cell::number(figures.into(peer), bytes),
        Cell::number(Some(waits as f64), bytes),
        Cell::number(Some(held as f64), count).graded(1.0, 1.0),
        Cell::number(peer.lane_wait_p99, time),
        Cell::number(lost, share).graded(0.02, 0.1),
        Cell::number(Some(peer.connections.saturating_sub(1) as f64), count),
    ]
}

fn lanes(now: &Overview, figures: &Figures) -> Vec<Vec<Cell>> {
    let row = |(peer, number, lane): (&Peer, usize, &Lane)| {
        let rates = figures.of_lane(peer, number);
        vec![
            Cell::text(if peer.name.is_empty() { "unknown" } else { &peer.name }),
            Cell::number(Some(number as f64), count).toned(Tone::Plain),
            Cell::number(Some(lane.waiting_bytes as f64), bytes),
            Cell::number(Some(lane.waiting_senders as f64), count).graded(1.0, 1.0),
            Cell::number(Some(lane.stalls as f64), count),
            Cell::number(Some(lane.stalled), time),
            Cell::number(rates.map(|(out, _)| out), bytes),
            Cell::number(rates.map(|(_, into)| into), bytes),
            Cell::number(Some(lane.refused as f64), count),
        ]
    };
    let all = now.peers.iter().flat_map(|peer| {
        peer.lanes.iter().enumerate().map(move |(number, lane)| (peer, number, lane))
    });
    all.map(row).collect()
}

fn member(member: &Member, now: &Overview) -> Vec<Cell> {
    let is_self = (&member.name, member.incarnation) == (&now.status.node, now.status.incarnation);
    let is_of = |peer: &&Peer| (&peer.name, peer.incarnation) == (&member.name, member.incarnation);
    let peer = now.peers.iter().find(is_of);
    let (state, tone) = match peer.and_then(|peer| peer.up_for) {
        _ if is_self => ("this node", Tone::Plain),
        _ if member.leaving => ("leaving", Tone::Warning),
        Some(_) => ("connected", Tone::Plain),
        None => ("no connection", Tone::Warning),
    };
    vec![
        Cell::text(&member.name),
        Cell::text(&member.zone),
        Cell::text(&member.roles.join(",")),
        Cell::text(&member.version),
        Cell::number(Some(f64::from(member.load) / 1_000.0), share),
        Cell::text(&member.addr),
        Cell::text(&member.incarnation.to_string()),
        Cell::text(state).toned(tone),
    ]
}

fn events(figures: &Figures) -> Vec<Vec<Cell>> {
    let row = |event: &odeon_ops::operator::Logged| {
        let tone = match event.level.as_str() {
            "ERROR" => Tone::Bad,
            "WARN" => Tone::Warning,
            _ => Tone::Plain,
        };
        vec![
            Cell::number(Some(event.number as f64), count).toned(Tone::Faint),
            Cell::text(&clock(event.at)),
            Cell::text(&event.level).toned(tone),
            Cell::text(&event.text),
        ]
    };
    figures.events.iter().map(row).collect()
}
