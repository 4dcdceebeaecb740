//! Which handshakes are answered while how many are under way.
//!
//! What it is: counts of the handshakes that peers have begun and that are not over, by IP address, and the verdict on the
//! next one. What it is NOT: a limit on tries in a time: a refused try costs one short packet and is not remembered.
//! `endpoint.rs` acts on the verdicts.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    net::IpAddr,
    rc::Rc,
};

use crate::TransportConfig;

/// Handshakes under way; an address has an entry only while it has one, so there are `handshakes_max` at most.
#[derive(Debug)]
pub(crate) struct HandshakeGate {
    handshakes_max: usize,
    ip_max: usize,
    unproven_max: usize,
    counts: Rc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: Cell<usize>,
    by_ip: RefCell<BTreeMap<IpAddr, usize>>,
}

/// What to do with a handshake.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Answer it, and keep this until it is over.
    Answer(Pass),
    /// Have the dialler show first that it receives at its address.
    Retry,
    /// There is no room.
    Refuse,
}

/// A handshake that is under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Pass {
    ip: IpAddr,
    counts: Rc<Counts>,
}

impl HandshakeGate {
    pub(crate) fn new(config: &TransportConfig) -> Self {
        Self {
            handshakes_max: config.handshakes_max,
            ip_max: config.handshakes_ip_max,
            unproven_max: config.handshakes_unproven_max,
            counts: Rc::default(),
        }
    }

    /// How many are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.counts.all.get()
    }

    /// A handshake begins from this address; unproven is an address that may be forged.
    pub(crate) fn enter(&self, ip: IpAddr, is_unproven: bool) -> Verdict {
        let ip = ip.to_canonical();
        let under_way = self.under_way();
        // Before the bounds: whoever forges an address must not use up what its owner may have.
        if is_unproven && under_way >= self.unproven_max && self.unproven_max < self.handshakes_max
        {
            return Verdict::Retry;
        }
        let mut by_ip = self.counts.by_ip.borrow_mut();
        let of_ip = by_ip.get(&ip).copied().unwrap_or(0);
        if under_way >= self.handshakes_max || of_ip >= self.ip_max {
            return Verdict::Refuse;
        }
        by_ip.insert(ip, of_ip + 1);
        self.counts.all.set(under_way + 1);
        Verdict::Answer(Pass { ip, counts: Rc::clone(&self.counts) })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.counts.all.set(self.counts.all.get().saturating_sub(1));
        let mut by_ip = self.counts.by_ip.borrow_mut();
        if let Some(count) = by_ip.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                by_ip.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(handshakes_max: usize, handshakes_ip_max: usize, unproven: usize) -> HandshakeGate {
        HandshakeGate::new(&TransportConfig {
            handshakes_max,
            handshakes_ip_max,
            handshakes_unproven_max: unproven,
            ..TransportConfig::default()
        })
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn pass(verdict: Verdict) -> Pass {
        match verdict {
            Verdict::Answer(pass) => pass,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_address_leaves_room_for_others_and_all_of_them_have_a_bound() {
        let gate = gate(3, 2, 3);
        let mut passes: Vec<_> = (0..2).map(|_| pass(gate.enter(ip(1), true))).collect();
        assert!(matches!(gate.enter(ip(1), true), Verdict::Refuse));
        let mapped = "::ffff:10.0.0.1".parse().unwrap();
        assert!(matches!(gate.enter(mapped, false), Verdict::Refuse), "it is the same");
        passes.push(pass(gate.enter(ip(2), true)));
        assert!(matches!(gate.enter(ip(3), false), Verdict::Refuse));
        passes.remove(0);
        passes.push(pass(gate.enter(ip(3), true)));
        assert_eq!(gate.under_way(), 3);
        passes.clear();
        assert_eq!(gate.under_way(), 0);
        assert!(gate.counts.by_ip.borrow().is_empty(), "nothing is remembered of who is gone");
    }

    #[test]
    fn whoever_may_be_forged_is_asked_once_many_are_under_way() {
        let gate = gate(4, 4, 1);
        let first = pass(gate.enter(ip(1), true));
        assert!(matches!(gate.enter(ip(2), true), Verdict::Retry));
        let second = pass(gate.enter(ip(2), false));
        drop((first, second));
        drop(pass(gate.enter(ip(2), true)));
        let strict = self::gate(4, 4, 0);
        assert!(matches!(strict.enter(ip(1), true), Verdict::Retry));
        assert!(matches!(strict.enter(ip(1), false), Verdict::Answer(_)));
    }
}
