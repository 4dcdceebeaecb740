//! What can be done to a network while it runs.
//!
//! Rules say what links and look-ups do by chance; obstacles stand between hosts until they are taken away. `heal` takes
//! all obstacles away and leaves rules and records as they are. Read `rule.rs` next.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use odeon_env::SrvRecord;
use odeon_interpose::Stream;

use super::{
    FlapError, LinkRule, Lookup, LookupRule, RecordError, SimNet, obstacle::Flap, swizzle,
};

/// Rules.
impl SimNet {
    /// Sets the rule of all links that have none of their own.
    ///
    /// # Panics
    /// When the rule is none ([`LinkRule::check`]).
    pub fn set_default_rule(&self, rule: LinkRule) {
        self.fabric().default_rule = valid(rule.check().map(|()| rule));
    }

    /// Sets the rule of one direction; `None` returns it to the default.
    ///
    /// # Panics
    /// When the rule is none ([`LinkRule::check`]).
    pub fn set_rule(&self, from: IpAddr, to: IpAddr, rule: Option<LinkRule>) {
        if let Some(rule) = rule {
            valid(rule.check());
        }
        self.fabric().link(from, to).rule = rule;
    }

    /// The rule of all links that have none of their own.
    pub(crate) fn default_rule(&self) -> LinkRule {
        self.fabric().default_rule
    }

    /// The rule that one direction has of its own.
    pub(crate) fn own_rule(&self, from: IpAddr, to: IpAddr) -> Option<LinkRule> {
        self.fabric().link(from, to).rule
    }

    /// The rule of one direction.
    #[must_use]
    pub fn rule(&self, from: IpAddr, to: IpAddr) -> LinkRule {
        self.fabric().rule(from, to)
    }
}

/// Obstacles.
impl SimNet {
    /// Cuts one direction: what is sent from now on is lost, reports included; what is under way still arrives.
    pub fn cut(&self, from: IpAddr, to: IpAddr) {
        self.fabric().obstacles.cuts.insert((from, to));
    }

    /// Mends one direction that was cut.
    pub fn mend(&self, from: IpAddr, to: IpAddr) {
        self.fabric().obstacles.cuts.remove(&(from, to));
    }

    /// Lets what a host sends from this port of its own come from another one from now on, as a NAT does that has forgotten
    /// what it knew; says which. What is sent to that port, or to the host's own, comes to it. The frame link has
    /// connections without ports, and notices nothing.
    pub fn forget_nat(&self, host: IpAddr, port: u16) -> SocketAddr {
        self.fabric().nat.forget(SocketAddr::new(host, port))
    }

    /// Whether one direction is cut, not counting links that flap.
    pub(crate) fn is_cut(&self, from: IpAddr, to: IpAddr) -> bool {
        self.fabric().obstacles.cuts.contains(&(from, to))
    }

    /// Clogs one direction: what is sent from now on waits, up to the rule's
    /// [`queue_bytes_max`](LinkRule::queue_bytes_max) with its headers, and what is under way still arrives.
    pub fn clog(&self, from: IpAddr, to: IpAddr) {
        self.fabric().obstacles.clogs.insert((from, to));
    }

    /// Unclogs one direction: what has waited sets out now, all at once and in order, and takes the link's latency.
    pub fn unclog(&self, from: IpAddr, to: IpAddr) {
        let mut fabric = self.fabric();
        fabric.obstacles.clogs.remove(&(from, to));
        fabric.release(self.0.timeline.now());
        drop(fabric);
        self.look_again();
    }

    /// Lets one direction go up and down: it is up for the part `duty` of each `period`, beginning now, and cut for
    /// the rest. It replaces an earlier flapping of the same direction.
    ///
    /// # Errors
    /// When the period is zero, or the duty is not from 0 to 1.
    pub fn flap(
        &self,
        from: IpAddr,
        to: IpAddr,
        period: Duration,
        duty: f64,
    ) -> Result<(), FlapError> {
        let flap = Flap::new(self.0.timeline.now(), period, duty)?;
        self.fabric().obstacles.flaps.insert((from, to), flap);
        Ok(())
    }

    /// Ends the flapping of one direction.
    pub fn unflap(&self, from: IpAddr, to: IpAddr) {
        self.fabric().obstacles.flaps.remove(&(from, to));
    }

    /// Clogs all links of a random subset of these hosts, one host after the other within the first half of `over`,
    /// and unclogs them in another order within the second half. Times are rounded up to a tick of the clock.
    pub fn swizzle_clog(&self, hosts: &[IpAddr], over: Duration, random: &Stream) {
        if hosts.is_empty() {
            return;
        }
        let steps = swizzle::plan(hosts, over, random);
        self.fabric().swizzle(self.0.timeline.now(), steps);
        self.look_again();
    }

    /// Ends every swizzle that is under way: what it has clogged is unclogged.
    pub fn unswizzle(&self) {
        let mut fabric = self.fabric();
        fabric.obstacles.unswizzle();
        fabric.release(self.0.timeline.now());
        drop(fabric);
        self.look_again();
    }

    /// Takes every obstacle away: all links are mended and unclogged, none flaps, no swizzle goes on.
    pub fn heal(&self) {
        let mut fabric = self.fabric();
        fabric.obstacles.heal();
        fabric.release(self.0.timeline.now());
        drop(fabric);
        self.look_again();
    }
}

/// Names.
impl SimNet {
    /// Changes what a name stands for, also the name of a host; no address means that there is no such name.
    ///
    /// # Errors
    /// When it is no name, or there are too many addresses or names.
    pub fn set_record(&self, name: &str, addresses: &[IpAddr]) -> Result<(), RecordError> {
        self.fabric().names.set(name, addresses)
    }

    /// Lets a name stand again for the host of that name, if there is one.
    ///
    /// # Errors
    /// When it is no name, or there are too many names.
    pub fn restore_record(&self, name: &str) -> Result<(), RecordError> {
        self.fabric().names.restore(name)
    }

    /// Changes the SRV records of a name; none means that it has none. Targets are names, to be looked up in turn.
    ///
    /// # Errors
    /// When it or a target is no name, or there are too many records or names.
    pub fn set_srv(&self, name: &str, records: &[SrvRecord]) -> Result<(), RecordError> {
        self.fabric().names.set_srv(name, records)
    }

    /// Sets the rule by which all names are looked up that have none of their own.
    ///
    /// # Panics
    /// When the rule is none ([`LookupRule::check`]).
    pub fn set_default_lookups(&self, rule: LookupRule) {
        valid(rule.check());
        self.fabric().names.set_rule(rule);
    }

    /// The rule by which all names are looked up that have none of their own.
    #[must_use]
    pub fn default_lookups(&self) -> LookupRule {
        self.fabric().names.rule()
    }

    /// Sets the rule by which one name is looked up; `None` returns it to the default.
    ///
    /// # Errors
    /// When it is no name, or there are too many names.
    ///
    /// # Panics
    /// When the rule is none ([`LookupRule::check`]).
    pub fn set_lookups(&self, name: &str, rule: Option<LookupRule>) -> Result<(), RecordError> {
        if let Some(rule) = rule {
            valid(rule.check());
        }
        self.fabric().names.set_rule_of(name, rule)
    }

    /// Begins a look-up by a host.
    pub(crate) fn look_up(&self, host: IpAddr, name: &str) -> Lookup {
        let mut fabric = self.fabric();
        let fabric = &mut *fabric;
        fabric.names.look_up(host, name, &mut fabric.counts)
    }

    /// What a look-up finds when its time has come.
    pub(crate) fn found(
        &self,
        lookup: &Lookup,
        name: &str,
        port: u16,
    ) -> io::Result<Vec<SocketAddr>> {
        Ok(self.fabric().names.answer(lookup, name, port)?)
    }

    /// The SRV records that a look-up finds when its time has come.
    pub(crate) fn found_srv(&self, lookup: &Lookup, name: &str) -> io::Result<Vec<SrvRecord>> {
        Ok(self.fabric().names.answer_srv(lookup, name)?)
    }
}

/// A scenario that sets a rule that is none has a bug; whoever has a rule from outside checks it before.
pub(crate) fn valid<T, E: std::fmt::Display>(checked: Result<T, E>) -> T {
    match checked {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
