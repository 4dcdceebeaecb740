//! The probes on a model: actors of three nodes that ask, answer and give up in any order, over channels that keep no
//! order between them.

use std::collections::{BTreeMap, VecDeque};

use odeon_actor::{Along, Wait, Way};
use odeon_message::{ActorKey, ActorTypeId, Address, AskId, Incarnation, NodeId};
use odeon_transport::PeerId;
use odeon_wire::Probe;
use proptest::prelude::*;

use super::probing::{Here, Step};

const NODES: usize = 3;
const ACTORS: usize = 7;
/// Waits that one handler may have at a time.
const JOIN_MAX: usize = 2;

#[derive(Clone, Debug)]
struct Ask {
    from: usize,
    to: usize,
    /// The asker waits.
    open: bool,
    /// It is in the mailbox, or runs.
    there: bool,
    /// The first step at which it was both, and the first at which it was not any more.
    began: Option<usize>,
    ended: Option<usize>,
}

#[derive(Default)]
struct Actor {
    mailbox: VecDeque<u64>,
    /// What its handler answers; 0 is nobody.
    runs: Option<u64>,
}

#[derive(Debug)]
enum Frame {
    Ask(u64),
    Reply(u64),
    Cancel(u64),
    Probe(AskId, Probe),
}

#[derive(Default)]
struct World {
    actors: Vec<Actor>,
    asks: BTreeMap<u64, Ask>,
    /// By the nodes at both ends: what goes in lanes, and what overtakes it.
    lanes: BTreeMap<(usize, usize), VecDeque<Frame>>,
    control: BTreeMap<(usize, usize), VecDeque<Frame>>,
    step: usize,
    told: usize,
}

fn node(actor: usize) -> usize {
    actor % NODES
}

fn here(node: usize) -> Here {
    Here { node: NodeId(node as u64 + 1), incarnation: Incarnation(5), name: format!("n{node}") }
}

fn key(actor: usize) -> ActorKey {
    ActorKey { slot: actor as u32, generation: 0 }
}

impl World {
    fn new() -> Self {
        Self { actors: (0..ACTORS).map(|_| Actor::default()).collect(), ..Self::default() }
    }

    fn open_of(&self, actor: usize) -> Vec<u64> {
        let asks = self.asks.iter().filter(|(_, ask)| ask.from == actor && ask.open);
        asks.map(|(number, _)| *number).collect()
    }

    /// Notes whether an ask began or ceased to be a link.
    fn note(&mut self, number: u64) {
        let step = self.step;
        let ask = self.asks.get_mut(&number).unwrap();
        match ask.open && ask.there {
            true => drop(ask.began.get_or_insert(step)),
            false if ask.began.is_some() => drop(ask.ended.get_or_insert(step)),
            false => {}
        }
    }

    fn ask(&mut self, from: usize, to: usize) {
        if from == to || self.actors[from].runs.is_none() || self.open_of(from).len() >= JOIN_MAX {
            return;
        }
        let number = self.asks.len() as u64 + 1;
        let ask = Ask { from, to, open: true, there: false, began: None, ended: None };
        self.asks.insert(number, ask);
        if node(from) == node(to) {
            return self.arrive(number);
        }
        self.send(false, node(from), node(to), Frame::Ask(number));
    }

    fn send(&mut self, control: bool, from: usize, to: usize, frame: Frame) {
        let channels = if control { &mut self.control } else { &mut self.lanes };
        channels.entry((from, to)).or_default().push_back(frame);
    }

    fn arrive(&mut self, number: u64) {
        let ask = self.asks.get_mut(&number).unwrap();
        ask.there = true;
        let to = ask.to;
        self.actors[to].mailbox.push_back(number);
        self.note(number);
    }

    /// The asker stops waiting: answered, or given up.
    fn close(&mut self, number: u64) -> bool {
        let ask = self.asks.get_mut(&number).unwrap();
        let was_open = std::mem::replace(&mut ask.open, false);
        self.note(number);
        was_open
    }

    fn give_up(&mut self, number: u64) {
        let Ask { from, to, .. } = self.asks[&number];
        if self.close(number) {
            match node(from) == node(to) {
                true => self.cancelled(number),
                false => self.send(true, node(from), node(to), Frame::Cancel(number)),
            }
        }
    }

    /// What has not begun does not run any more.
    fn cancelled(&mut self, number: u64) {
        let ask = self.asks.get_mut(&number).unwrap();
        let mailbox = &mut self.actors[ask.to].mailbox;
        if let Some(at) = mailbox.iter().position(|queued| *queued == number) {
            mailbox.remove(at);
            ask.there = false;
            self.note(number);
        }
    }

    /// A handler begins, or is done if it waits for nobody.
    fn turn(&mut self, actor: usize, root: bool) {
        match self.actors[actor].runs {
            None => {
                let next = self.actors[actor].mailbox.pop_front();
                self.actors[actor].runs = next.or(root.then_some(0));
            }
            Some(number) if self.open_of(actor).is_empty() => {
                self.actors[actor].runs = None;
                let Some(ask) = self.asks.get_mut(&number) else { return };
                ask.there = false;
                let (from, to) = (ask.from, ask.to);
                self.note(number);
                match node(from) == node(to) {
                    true => drop(self.close(number)),
                    false => self.send(false, node(to), node(from), Frame::Reply(number)),
                }
            }
            Some(_) => {}
        }
    }

    fn wait(&self, number: u64) -> Wait {
        let Ask { from, to, .. } = self.asks[&number];
        let address = Address {
            node: here(node(to)).node,
            incarnation: here(node(to)).incarnation,
            key: key(to),
            actor_type: ActorTypeId(1),
        };
        let far = (node(from) != node(to)).then_some((address, AskId(number)));
        Wait { number, actor: format!("knot {from}"), far }
    }

    fn look(&mut self, number: u64) {
        let from = node(self.asks[&number].from);
        if self.asks[&number].open
            && let Some(step) = here(from).begin(&self.wait(number))
        {
            self.act(from, step, &[]);
        }
    }

    /// What `edges/far.rs` does: the waits behind an ask that is there.
    fn waits_behind(&self, number: u64) -> Vec<u64> {
        let Some(ask) = self.asks.get(&number).filter(|ask| ask.there) else { return Vec::new() };
        self.open_of(ask.to)
    }

    fn ways(&self, number: u64, along: &Along) -> Vec<Way> {
        let way = |numbers: &[u64], closes| Way {
            waits: numbers.iter().map(|number| self.wait(*number)).collect(),
            closes,
        };
        match along {
            Along::These(numbers) => {
                let mut before = number;
                for next in numbers {
                    if !self.waits_behind(before).contains(next) {
                        return Vec::new();
                    }
                    before = *next;
                }
                vec![way(numbers, false)]
            }
            Along::Any { until, ways_max } => {
                let first = self.waits_behind(number).into_iter().map(|one| vec![one]);
                let mut paths = first.collect::<VecDeque<_>>();
                let mut seen = paths.iter().flatten().copied().collect::<Vec<_>>();
                let (mut found, mut exits) = (Vec::new(), 0);
                while let Some(path) = paths.pop_front() {
                    let last = path[path.len() - 1];
                    if Some(last) == *until {
                        found.push(way(&path, true));
                    } else if self.wait(last).far.is_some() {
                        if exits < *ways_max {
                            found.push(way(&path, false));
                        }
                        exits += 1;
                    } else {
                        for next in self.waits_behind(last) {
                            if !seen.contains(&next) {
                                seen.push(next);
                                paths.push_back(path.iter().copied().chain([next]).collect());
                            }
                        }
                    }
                }
                found
            }
        }
    }

    fn act(&mut self, at: usize, step: Step, circle: &[u64]) {
        match step {
            Step::Pass { to, ask, probe } => {
                let to = to.node.0 as usize - 1;
                // As it travels.
                let mut bytes = Vec::new();
                odeon_wire::Body::encode(&probe, &mut bytes);
                let probe = odeon_wire::Body::decode(&bytes).unwrap();
                self.send(true, at, to, Frame::Probe(ask, probe));
            }
            Step::End { ask, .. } => {
                let spans = circle.iter().map(|number| &self.asks[number]);
                let (mut began, mut ended) = (0, usize::MAX);
                for ask in spans {
                    began = began.max(ask.began.expect("it was there"));
                    ended = ended.min(ask.ended.unwrap_or(usize::MAX));
                }
                assert!(began < ended, "{circle:?} never was one: {:?}", self.asks);
                assert!(circle.contains(&ask.0));
                let ends = circle
                    .windows(2)
                    .all(|pair| self.asks[&pair[0]].to == self.asks[&pair[1]].from);
                assert!(ends, "{circle:?} has a gap");
                self.told += usize::from(self.asks[&ask.0].open);
                self.give_up(ask.0);
            }
        }
    }

    fn deliver(&mut self, control: bool, pick: usize) {
        let channels = if control { &mut self.control } else { &mut self.lanes };
        let full = channels.iter_mut().filter(|(_, frames)| !frames.is_empty());
        let mut full = full.collect::<Vec<_>>();
        let count = full.len().max(1);
        let Some(((from, to), frames)) = full.get_mut(pick % count) else { return };
        let (from, to) = (*from, *to);
        match frames.pop_front().unwrap() {
            Frame::Ask(number) => {
                // One that was overtaken by its cancel does not run.
                if self.asks[&number].open || pick.is_multiple_of(2) {
                    self.arrive(number);
                }
            }
            Frame::Reply(number) => drop(self.close(number)),
            Frame::Cancel(number) => self.cancelled(number),
            Frame::Probe(ask, probe) => {
                let here = here(to);
                let from = PeerId { node: NodeId(from as u64 + 1), incarnation: Incarnation(5) };
                let Some(along) = here.along(&probe, from, ask) else { return };
                let ways = self.ways(ask.0, &along);
                let circle = probe.waits.iter().map(|wait| wait.number).collect::<Vec<_>>();
                for step in here.steps(&probe, &ways) {
                    self.act(to, step, &circle);
                }
            }
        }
    }

    fn random_step(&mut self, word: u32) {
        self.step += 1;
        let (what, pick) = (word % 16, (word / 16) as usize);
        let open = self.asks.iter().filter(|(_, ask)| ask.open).map(|(number, _)| *number);
        let open = open.collect::<Vec<_>>();
        match what {
            0..4 => self.ask(pick % ACTORS, pick / ACTORS % ACTORS),
            4..6 => self.turn(pick % ACTORS, true),
            6..9 => self.deliver(false, pick),
            9..13 => self.deliver(true, pick),
            13 if pick % 3 == 0 && !open.is_empty() => self.give_up(open[pick / 3 % open.len()]),
            _ if !open.is_empty() => self.look(open[pick % open.len()]),
            _ => {}
        }
    }

    /// Nobody begins anything or gives up any more: all that is left must end.
    fn come_to_rest(&mut self) {
        for _ in 0..50 {
            // Those of one node are found there.
            while let Some(number) = self.near_circle() {
                self.give_up(number);
            }
            for _ in 0..1000 {
                self.step += 1;
                self.deliver(false, 0);
                self.deliver(true, 1);
                (0..ACTORS).for_each(|actor| self.turn(actor, false));
                if self.lanes.values().chain(self.control.values()).all(VecDeque::is_empty) {
                    break;
                }
            }
            let open = self.asks.iter().filter(|(_, ask)| ask.open).map(|(number, _)| *number);
            open.collect::<Vec<_>>().into_iter().for_each(|number| self.look(number));
        }
        let hung = self.asks.iter().filter(|(_, ask)| ask.open).collect::<Vec<_>>();
        assert!(hung.is_empty(), "{hung:?}");
    }

    /// An ask of a circle that is on one node.
    fn near_circle(&self) -> Option<u64> {
        let near = |number: &u64| {
            let ask = &self.asks[number];
            node(ask.from) == node(ask.to)
        };
        let open = self.asks.iter().filter(|(number, ask)| ask.open && near(number));
        open.map(|(number, _)| *number).find(|start| {
            let mut seen = vec![];
            let mut next = self.waits_behind(*start);
            while let Some(number) = next.pop() {
                if number == *start {
                    return true;
                }
                if near(&number) && !seen.contains(&number) {
                    seen.push(number);
                    next.extend(self.waits_behind(number));
                }
            }
            false
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_circle_that_is_told_was_one_and_none_stays(
        words in prop::collection::vec(any::<u32>(), 50..400),
    ) {
        let mut world = World::new();
        words.into_iter().for_each(|word| world.random_step(word));
        world.come_to_rest();
    }
}

/// Actors 0, 1 and 2 on three nodes, each of which waits for the next.
fn circle_of_three() -> World {
    let mut world = World::new();
    (0..3).for_each(|actor| world.turn(actor, true));
    (0..3).for_each(|actor| world.ask(actor, (actor + 1) % 3));
    while world.lanes.values().any(|frames| !frames.is_empty()) {
        world.deliver(false, 0);
    }
    world
}

#[test]
fn whoever_looks_the_same_ask_ends() {
    for lookers in [vec![1], vec![2], vec![3], vec![1, 2, 3], vec![3, 1]] {
        let mut world = circle_of_three();
        lookers.iter().for_each(|number| world.look(*number));
        for _ in 0..50 {
            world.deliver(true, 1);
        }
        assert_eq!(world.told, 1);
        let open = world.asks.values().map(|ask| ask.open).collect::<Vec<_>>();
        assert_eq!(open, [true, true, false], "the one of the greatest node");
    }
}

#[test]
fn a_wait_that_is_over_ends_the_second_round() {
    for gone in 1..=3 {
        for after in 0..6 {
            let mut world = circle_of_three();
            world.look(1);
            (0..after).for_each(|_| world.deliver(true, 0));
            assert_eq!(world.told, 0);
            world.close(gone);
            (0..20).for_each(|_| world.deliver(true, 0));
            // One that ends after it was seen for the second time was there when the circle closed.
            assert!(world.told == 0 || after > 3, "{gone} after {after}");
        }
    }
}

#[test]
fn a_probe_that_cannot_be_true_goes_nowhere() {
    let world = circle_of_three();
    let Some(Step::Pass { ask, probe, .. }) = here(0).begin(&world.wait(1)) else {
        panic!("it leads to another node")
    };
    let from = |node| PeerId { node: NodeId(node), incarnation: Incarnation(5) };
    assert!(here(1).along(&probe, from(1), ask).is_some());
    assert_eq!(here(1).along(&probe, from(3), ask), None, "from somebody else");
    assert_eq!(here(1).along(&probe, from(1), AskId(9)), None, "over another ask");
    let round = odeon_wire::ProbeRound::Other(7);
    assert_eq!(here(1).along(&Probe { round, ..probe.clone() }, from(1), ask), None);
    let round = odeon_wire::ProbeRound::Confirm;
    for confirmed in 0..2 {
        let probe = Probe { round, confirmed, ..probe.clone() };
        assert_eq!(here(1).along(&probe, from(1), ask), None, "no wait of this node follows");
    }
    // A full one goes no further, and may only come back.
    let mut full = probe;
    full.waits = vec![full.waits[0].clone(); odeon_wire::format::PROBE_WAITS_MAX];
    let along = here(1).along(&full, from(1), ask);
    assert_eq!(along, Some(Along::Any { until: None, ways_max: 0 }));
}
