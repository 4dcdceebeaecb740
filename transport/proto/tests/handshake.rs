//! Two nodes that dial each other whenever they are alone, under every interleaving and with lost connections: once
//! the network is kind, there is exactly one association, and both mean the same connection.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

#[path = "sample/frames.rs"]
#[expect(dead_code, reason = "only the hello is used")]
mod frames;

use std::{collections::VecDeque, time::Duration};

use odeon_message::Incarnation;
use odeon_wire::{
    ClockTerms, Frame, FrameLimits, FrameReader, Handshake, Hello, Known, Link, NodeName, Purpose,
    Step, Surroundings,
};
use proptest::{collection::vec, prelude::*};

/// What one end of a connection gets from the other.
enum News {
    Bytes(Vec<u8>),
    Closed,
}

struct End {
    handshake: Handshake,
    reader: FrameReader,
    open: bool,
    news: VecDeque<News>,
}

/// One connection; ends by node.
struct Connection {
    ends: [End; 2],
}

struct Node {
    hello: Hello,
    link: Link,
    /// The connection of the dial or of the association.
    connection: Option<usize>,
}

struct Pair {
    nodes: [Node; 2],
    connections: Vec<Connection>,
}

fn node(name: &str, incarnation: u64) -> Node {
    let name = NodeName::new(name).unwrap();
    let hello = Hello {
        node: name.id(),
        name,
        incarnation: Incarnation(incarnation),
        dial: 0,
        ..frames::hello()
    };
    Node { hello, link: Link::None, connection: None }
}

fn end(handshake: Handshake) -> End {
    let reader = FrameReader::new(Purpose::Control, FrameLimits::default());
    End { handshake, reader, open: true, news: VecDeque::new() }
}

impl Pair {
    fn new(swap: bool) -> Self {
        let (one, other) = if swap { ("b", "a") } else { ("a", "b") };
        Self { nodes: [node(one, 1), node(other, 1)], connections: Vec::new() }
    }

    fn dial(&mut self, from: usize) -> bool {
        let node = &mut self.nodes[from];
        if node.link != Link::None {
            return false;
        }
        node.hello.dial += 1;
        let mut out = Vec::new();
        let dialer = Handshake::dial(&node.hello, Duration::ZERO, &mut out).unwrap();
        node.link = Link::Dialling;
        node.connection = Some(self.connections.len());
        let mut ends = [end(dialer), end(Handshake::accept())];
        ends[1].news.push_back(News::Bytes(out));
        if from == 1 {
            ends.swap(0, 1);
        }
        self.connections.push(Connection { ends });
        true
    }

    /// One side closes; the other hears of it behind what was sent before.
    fn close(&mut self, connection: usize, side: usize) {
        let ends = &mut self.connections[connection].ends;
        if std::mem::replace(&mut ends[side].open, false) {
            ends[side].news.clear();
            ends[1 - side].news.push_back(News::Closed);
        }
        self.gone(connection, side);
    }

    fn gone(&mut self, connection: usize, side: usize) {
        let node = &mut self.nodes[side];
        if node.connection == Some(connection) {
            (node.link, node.connection) = (Link::None, None);
        }
    }

    /// The next thing that happens at one end; false if nothing waits there.
    fn deliver(&mut self, connection: usize, side: usize) -> bool {
        let end = &mut self.connections[connection].ends[side];
        match end.news.pop_front() {
            None => return false,
            Some(_) if !end.open => {}
            Some(News::Closed) => {
                end.open = false;
                self.gone(connection, side);
            }
            Some(News::Bytes(bytes)) => {
                end.reader.push(&bytes);
                while let Some(frame) = self.frame(connection, side) {
                    self.step(connection, side, &frame);
                }
            }
        }
        true
    }

    fn frame(&mut self, connection: usize, side: usize) -> Option<Frame> {
        let end = &mut self.connections[connection].ends[side];
        if end.open { end.reader.next().unwrap() } else { None }
    }

    fn step(&mut self, connection: usize, side: usize, frame: &Frame) {
        let certified = self.nodes[1 - side].hello.name.clone();
        let node = &self.nodes[side];
        let around = Surroundings {
            local: &node.hello,
            certified: &certified,
            expected: None,
            known: Known { link: node.link, ..Known::default() },
            clock: ClockTerms { now: Duration::ZERO, skew_max: Duration::ZERO },
        };
        let mut out = Vec::new();
        let end = &mut self.connections[connection].ends[side];
        let step = end.handshake.step(frame, &around, &mut out);
        if !out.is_empty() {
            self.connections[connection].ends[1 - side].news.push_back(News::Bytes(out));
        }
        match step {
            Step::Up { peer, .. } => {
                if let Some(old) = self.nodes[side].connection.filter(|old| *old != connection) {
                    self.close(old, side);
                }
                let link = Link::Associated { incarnation: peer.incarnation, dial: peer.dial };
                self.nodes[side].link = link;
                self.nodes[side].connection = Some(connection);
            }
            Step::Refuse(_) | Step::Refused(_) | Step::Failed(_) => self.close(connection, side),
        }
    }

    fn waiting(&self) -> Vec<(usize, usize)> {
        let all = (0..self.connections.len()).flat_map(|at| [(at, 0), (at, 1)]);
        all.filter(|(at, side)| !self.connections[*at].ends[*side].news.is_empty()).collect()
    }

    /// The node restarts: its connections end, its dials are counted anew.
    fn restart(&mut self, side: usize) {
        for connection in 0..self.connections.len() {
            self.close(connection, side);
        }
        let hello = &mut self.nodes[side].hello;
        hello.incarnation.0 += 1;
        hello.dial = 0;
    }

    fn act(&mut self, act: u8, at: usize) {
        match act {
            0 => drop(self.dial(at % 2)),
            1 if !self.connections.is_empty() => {
                // One end gives up on a connection: idle too long, or the other end seems gone.
                self.close((at / 2) % self.connections.len(), at % 2);
            }
            2 if at.is_multiple_of(4) => self.restart((at / 4) % 2),
            3 if !self.connections.is_empty() => {
                // The same, but the other end never hears of it: half open.
                let (connection, side) = ((at / 2) % self.connections.len(), at % 2);
                self.connections[connection].ends[side].open = false;
                self.gone(connection, side);
            }
            _ => {
                let waiting = self.waiting();
                if let Some((connection, side)) = waiting.get(at % waiting.len().max(1)) {
                    self.deliver(*connection, *side);
                }
            }
        }
    }

    /// The network is kind from here on: whoever is alone dials, everything arrives, in an order of `seed`.
    fn settle(&mut self, mut seed: u64) {
        for _ in 0..2000 {
            // Knuth's MMIX generator: a fair order, because an unfair one can keep any two apart.
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let pick = (seed >> 33) as usize;
            // A dial whose other end is gone ends with the time it has, whatever else happens.
            let dialling = |side: &usize| self.nodes[*side].link == Link::Dialling;
            if let Some(side) = (0..2).find(|side| dialling(side) && self.is_half_open(*side)) {
                self.close(self.nodes[side].connection.unwrap(), side);
            }
            let waiting = self.waiting();
            let alone = (0..2).filter(|side| self.nodes[*side].link == Link::None);
            let alone: Vec<usize> = alone.collect();
            let choices = waiting.len() + alone.len();
            if choices == 0 {
                // Only the idle timeout is left, of an association whose other end is gone.
                match (0..2).find(|side| self.is_half_open(*side)) {
                    None => return,
                    Some(side) => self.close(self.nodes[side].connection.unwrap(), side),
                }
                continue;
            }
            match waiting.get(pick % choices) {
                Some((connection, side)) => drop(self.deliver(*connection, *side)),
                None => drop(self.dial(alone[pick % choices - waiting.len()])),
            }
        }
        panic!("the two never agree");
    }

    fn is_half_open(&self, side: usize) -> bool {
        let connection = self.nodes[side].connection;
        connection.is_some_and(|at| !self.connections[at].ends[1 - side].open)
    }

    fn assert_one_association(&self) {
        let [one, other] = &self.nodes;
        assert!(matches!(one.link, Link::Associated { .. }), "{:?}", one.link);
        assert!(matches!(other.link, Link::Associated { .. }), "{:?}", other.link);
        assert_eq!(one.connection, other.connection);
        let open = |connection: &&Connection| connection.ends.iter().all(|end| end.open);
        assert_eq!(self.connections.iter().filter(open).count(), 1);
        assert!((0..2).all(|side| !self.is_half_open(side)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn pairs_end_with_exactly_one_association(
        swap in any::<bool>(),
        acts in vec((0..12_u8, any::<usize>()), 0..80),
        seed in any::<u64>(),
    ) {
        let mut pair = Pair::new(swap);
        for (act, at) in acts {
            pair.act(act, at);
        }
        pair.settle(seed);
        pair.assert_one_association();
    }
}

/// Every order in which two simultaneous dials can unfold, without losses: all of them, not a sample.
#[test]
fn every_simultaneous_dial_ends_with_exactly_one_association() {
    let mut orders = vec![Vec::new()];
    let mut ended = 0;
    while let Some(order) = orders.pop() {
        let mut pair = Pair::new(false);
        pair.dial(0);
        pair.dial(1);
        let mut choices = Vec::new();
        for pick in order.iter().copied().chain([usize::MAX]) {
            choices = pair.waiting();
            if let Some((connection, side)) = choices.get(pick) {
                pair.deliver(*connection, *side);
            }
        }
        if choices.is_empty() {
            pair.assert_one_association();
            ended += 1;
        }
        for pick in 0..choices.len() {
            orders.push(order.iter().copied().chain([pick]).collect());
        }
    }
    assert_eq!(ended, 9, "orders were missed");
}
