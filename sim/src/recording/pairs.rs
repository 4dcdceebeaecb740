//! Two ends become an arrow: what was sent here, and what arrived there.
//!
//! Nothing travels that would tell two equal frames apart, so the ends are paired by who, to whom, kind, message and
//! content, first in, first out. A node that starts or ends takes with it what was under way from and to it. Where equal
//! frames are lost with a connection, and equal ones follow on the next, an arrow may begin at the wrong one of them.
//! Datagrams are paired alike; one whose bytes were changed on its way has two arrows, each with one end.

use std::collections::{BTreeMap, VecDeque};

use odeon_wire::FrameKind;

use super::{
    NOBODY,
    ring::{Fields, What},
    told::Arrow,
};
use crate::trace::Fate;

/// What both ends have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    datagram: bool,
    from: u16,
    to: u16,
    kind: u8,
    message: u64,
    size: u32,
    hash: u64,
}

/// The arrows so far.
#[derive(Debug)]
pub(super) struct Pairs {
    names: BTreeMap<u64, String>,
    arrows: Vec<Arrow>,
    under_way: BTreeMap<Key, VecDeque<usize>>,
    /// When the last datagram of this content was sent that has arrived: another copy of it may follow.
    copied: BTreeMap<Key, Option<u64>>,
}

impl Pairs {
    /// No arrows; `names` has the messages that have one.
    pub(super) fn new(names: BTreeMap<u64, String>) -> Self {
        let (arrows, under_way, copied) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self { names, arrows, under_way, copied }
    }

    /// Takes one end.
    pub(super) fn take(&mut self, fields: &Fields) {
        let Fields { at_ns, number, size, hash, host, peer, kind, .. } = *fields;
        let frame = |from, to| Key { datagram: false, from, to, kind, message: number, size, hash };
        let datagram = Key { datagram: true, kind: 0, message: 0, ..frame(host, peer) };
        match fields.what {
            What::FrameOut => self.leave(frame(host, peer), at_ns),
            What::FrameIn => self.arrive(frame(peer, host), at_ns, host, ""),
            What::Sent => self.leave(datagram, at_ns),
            What::Ended => {
                let fate = Fate::ALL.into_iter().find(|fate| *fate as u8 == kind);
                match fate.unwrap_or(Fate::Lost) {
                    Fate::Delivered => {
                        let to = u16::try_from(number).unwrap_or(NOBODY);
                        self.arrive(datagram, at_ns, to, "");
                    }
                    fate => self.arrive(datagram, at_ns, peer, fate.name()),
                }
            }
            _ => {}
        }
    }

    /// A life of a node begins or ends: frames from and to a life that is over do not arrive any more.
    pub(super) fn life(&mut self, host: u16) {
        self.under_way.retain(|key, _| key.datagram || (key.from != host && key.to != host));
    }

    fn leave(&mut self, key: Key, at: u64) {
        self.under_way.entry(key).or_default().push_back(self.arrows.len());
        self.add(key, Some(at), None, key.to, "");
    }

    fn arrive(&mut self, key: Key, at: u64, to: u16, lost: &str) {
        let sent = self.under_way.get_mut(&key).and_then(VecDeque::pop_front);
        match sent {
            Some(index) => {
                let arrow = &mut self.arrows[index];
                arrow.ended = Some(at);
                arrow.to = Some(to);
                arrow.lost = lost.to_owned();
                if key.datagram {
                    self.copied.insert(key, arrow.sent);
                }
            }
            None => {
                let sent = self.copied.get(&key).copied().flatten();
                self.add(key, sent, Some(at), to, lost);
            }
        }
    }

    fn add(&mut self, key: Key, sent: Option<u64>, ended: Option<u64>, to: u16, lost: &str) {
        let kind = match FrameKind::from_byte(key.kind) {
            _ if key.datagram => "Datagram".to_owned(),
            Some(kind) => kind.to_string(),
            None => format!("frame of kind {}", key.kind),
        };
        let message = match self.names.get(&key.message) {
            Some(name) => name.clone(),
            None if key.message == 0 => String::new(),
            None => format!("{:016x}", key.message),
        };
        let (from, to, lost) = (Some(key.from), Some(to), lost.to_owned());
        self.arrows.push(Arrow { kind, from, to, sent, ended, size: key.size, message, lost });
    }

    /// The arrows; `hosts` is how many hosts have a lane.
    pub(super) fn end(mut self, hosts: u16) -> Vec<Arrow> {
        for arrow in &mut self.arrows {
            arrow.from = arrow.from.filter(|from| *from < hosts);
            arrow.to = arrow.to.filter(|to| *to < hosts);
            if arrow.ended.is_none() {
                arrow.lost = "did not arrive".to_owned();
            }
        }
        self.arrows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(what: What, at_ns: u64, host: u16, peer: u16, hash: u64) -> Fields {
        Fields { what, at_ns, host, peer, hash, kind: 4, number: 7, size: 3, ..Fields::EMPTY }
    }

    fn ends(pairs: Pairs) -> Vec<(Option<u64>, Option<u64>, String)> {
        pairs.end(2).into_iter().map(|arrow| (arrow.sent, arrow.ended, arrow.lost)).collect()
    }

    #[test]
    fn equal_frames_are_paired_in_their_order_and_each_once() {
        let mut pairs = Pairs::new(BTreeMap::from([(7, "bank/Deposit".to_owned())]));
        pairs.take(&frame(What::FrameOut, 1, 0, 1, 9));
        pairs.take(&frame(What::FrameOut, 2, 0, 1, 9));
        pairs.take(&frame(What::FrameOut, 3, 0, 1, 8));
        pairs.take(&frame(What::FrameIn, 4, 1, 0, 9));
        pairs.take(&frame(What::FrameIn, 5, 1, 0, 9));
        pairs.take(&frame(What::FrameIn, 6, 1, 0, 9));
        assert_eq!(pairs.arrows[0].message, "bank/Deposit");
        assert_eq!(pairs.arrows[0].kind, "Message");
        let arrived = String::new();
        let expected = [
            (Some(1), Some(4), arrived.clone()),
            (Some(2), Some(5), arrived.clone()),
            (Some(3), None, "did not arrive".to_owned()),
            (None, Some(6), arrived),
        ];
        assert_eq!(ends(pairs), expected);
    }

    #[test]
    fn a_restart_ends_what_was_under_way() {
        let mut pairs = Pairs::new(BTreeMap::new());
        pairs.take(&frame(What::FrameOut, 1, 0, 1, 9));
        pairs.life(1);
        pairs.take(&frame(What::FrameOut, 2, 0, 1, 9));
        pairs.take(&frame(What::FrameIn, 3, 1, 0, 9));
        let ends = ends(pairs);
        assert_eq!((ends[0].1, ends[1].1), (None, Some(3)));
    }

    #[test]
    fn datagrams_have_their_fate_and_their_copies() {
        let mut pairs = Pairs::new(BTreeMap::new());
        let end = |at, fate: Fate| Fields {
            kind: fate as u8,
            number: 1,
            ..frame(What::Ended, at, 0, 1, 9)
        };
        pairs.take(&frame(What::Sent, 1, 0, 1, 9));
        pairs.take(&end(2, Fate::Delivered));
        pairs.take(&end(3, Fate::Delivered));
        pairs.take(&frame(What::Sent, 4, 0, 1, 9));
        pairs.take(&end(5, Fate::Cut));
        let expected = [
            (Some(1), Some(2), String::new()),
            (Some(1), Some(3), String::new()),
            (Some(4), Some(5), "cut off".to_owned()),
        ];
        assert_eq!(ends(pairs), expected);
    }
}
