//! The network of a world, by the names of its nodes.
//!
//! Thin: each method is a call or two of [`SimNet`](crate::SimNet) and a line in the trace. All arguments are plain
//! values, so that a list of faults can hold them. Read `net/faults.rs` for what they do.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use odeon_env::SrvRecord;
use odeon_interpose::Stream;

use super::World;
use crate::net::{FlapError, LinkRule, LookupRule, RecordError, Topology, TopologyError};

/// Partitions, clogs, rules and names.
impl World {
    /// Cuts every link between the two groups, both ways.
    pub fn partition(&self, one: &[&str], other: &[&str]) {
        for a in one {
            for b in other {
                self.cut(a, b);
                self.cut(b, a);
            }
        }
        self.note("partition", &format!("{one:?} | {other:?}"));
    }

    /// Gives the network between these nodes a shape, by cutting what the shape cuts on top of what is cut already.
    /// Returns the cut directions, to be mended one by one or by [`heal`](Self::heal).
    ///
    /// Who stands where follows from the seed, the shape, the names and the time, and from nothing else.
    ///
    /// # Errors
    /// When the shape cannot be made of these nodes; nothing is cut then.
    ///
    /// # Examples
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use odeon_sim::{Topology, World};
    ///
    /// # async fn scenario(world: &mut World) {
    /// world.apply_topology(&Topology::MajoritiesRing, &["a", "b", "c", "d", "e"]).expect("enough nodes");
    /// world.run_for(Duration::from_secs(30)).await;
    /// world.heal();
    /// # }
    /// ```
    pub fn apply_topology<'a>(
        &self,
        topology: &Topology,
        names: &[&'a str],
    ) -> Result<Vec<(&'a str, &'a str)>, TopologyError> {
        let cuts = topology.cuts(names, &self.chance(&format!("{topology:?} of {names:?}")))?;
        cuts.iter().for_each(|(from, to)| self.cut(from, to));
        self.note("topology", &format!("{topology:?} of {names:?}"));
        Ok(cuts.into_iter().collect())
    }

    /// Cuts one direction: what is sent is lost.
    pub fn cut(&self, from: &str, to: &str) {
        self.ground.net.cut(self.address(from), self.address(to));
        self.note_fault(format!("{from} > {to} is cut"));
    }

    /// Mends one direction that was cut.
    pub fn mend(&self, from: &str, to: &str) {
        self.ground.net.mend(self.address(from), self.address(to));
        self.note_fault(format!("{from} > {to} is mended"));
    }

    /// Lets what a node sends come from another port from now on, as from behind a NAT that has forgotten it; says from
    /// where. It is still reached at its own port as well. The frame link notices nothing of it.
    pub fn forget_nat(&self, name: &str) -> SocketAddr {
        let seen = self.ground.net.forget_nat(self.address(name), super::NODE_PORT);
        self.note("nat", &format!("{name} comes from {seen}"));
        self.note_fault(format!("packets of {name} come from port {}", seen.port()));
        seen
    }

    /// Clogs one direction: what is sent waits, up to the rule's [`queue_bytes_max`](LinkRule::queue_bytes_max), until
    /// the direction is unclogged.
    pub fn clog(&self, from: &str, to: &str) {
        self.ground.net.clog(self.address(from), self.address(to));
        self.note("clog", &format!("{from} > {to}"));
        self.note_fault(format!("{from} > {to} is clogged"));
    }

    /// Unclogs one direction: what has waited sets out.
    pub fn unclog(&self, from: &str, to: &str) {
        self.note("unclog", &format!("{from} > {to}"));
        self.note_fault(format!("{from} > {to} is unclogged"));
        self.ground.net.unclog(self.address(from), self.address(to));
    }

    /// Lets one direction go up and down until it is healed: it is up for the part `duty` of each `period`, beginning
    /// now, and cut for the rest.
    ///
    /// # Errors
    /// When the period is zero, or the duty is not from 0 to 1.
    pub fn flap(&self, from: &str, to: &str, period: Duration, duty: f64) -> Result<(), FlapError> {
        self.ground.net.flap(self.address(from), self.address(to), period, duty)?;
        self.note("flap", &format!("{from} > {to} every {period:?}, up for {duty} of it"));
        self.note_fault(format!("{from} > {to} flaps"));
        Ok(())
    }

    /// Ends the flapping of one direction.
    pub fn unflap(&self, from: &str, to: &str) {
        self.ground.net.unflap(self.address(from), self.address(to));
        self.note("unflap", &format!("{from} > {to}"));
        self.note_fault(format!("{from} > {to} flaps no more"));
    }

    /// Swizzle-clogging, as FoundationDB's simulator does it: of a random subset of these nodes all links are clogged,
    /// one node after the other within the first half of `over`, and unclogged in another order within the second.
    /// Returns at once; the rest happens as time goes by, until the end of the world or the next
    /// [`heal`](Self::heal).
    pub fn swizzle_clog(&self, names: &[&str], over: Duration) {
        let random = self.chance(&format!("swizzle of {names:?} over {over:?}"));
        self.note("swizzle-clog", &format!("{names:?} over {over:?}"));
        self.note_fault(format!("{names:?} are swizzled for {over:?}"));
        self.ground.net.swizzle_clog(&self.addresses(names), over, &random);
    }

    /// Ends every swizzle that is under way: what it has clogged is unclogged.
    pub fn unswizzle(&self) {
        self.note("unswizzle", "");
        self.note_fault("no swizzle goes on");
        self.ground.net.unswizzle();
    }

    /// Takes every obstacle away: cuts, clogs, flapping, swizzles that are under way. Rules and records stay.
    pub fn heal(&self) {
        self.note("heal", "");
        self.note_fault("every obstacle is taken away");
        self.ground.net.heal();
    }

    /// Sets the rule of both directions between two nodes.
    ///
    /// # Panics
    /// When the rule is none ([`LinkRule::check`]).
    pub fn set_link(&self, one: &str, other: &str, rule: LinkRule) {
        self.set_link_one_way(one, other, rule);
        self.set_link_one_way(other, one, rule);
    }

    /// Sets the rule of one direction.
    ///
    /// # Panics
    /// When the rule is none ([`LinkRule::check`]).
    pub fn set_link_one_way(&self, from: &str, to: &str, rule: LinkRule) {
        self.ground.net.set_rule(self.address(from), self.address(to), Some(rule));
        self.note_fault(format!("{from} > {to} has another rule"));
    }

    /// Gives one direction back the rule of its own, or none, so that it follows the default again.
    pub(crate) fn restore_link(&self, from: &str, to: &str, own: Option<LinkRule>) {
        self.ground.net.set_rule(self.address(from), self.address(to), own);
        self.note_fault(format!("{from} > {to} has its rule again"));
    }

    /// Sets the rule of every link that has none of its own.
    ///
    /// # Panics
    /// When the rule is none ([`LinkRule::check`]).
    pub fn set_default_link(&self, rule: LinkRule) {
        self.ground.net.set_default_rule(rule);
        self.note_fault("links have another rule");
    }

    /// Lets a name stand for these nodes; none means that there is no such name. The name may be a node's own, and
    /// nodes that look it up get the addresses in an order that the seed draws.
    ///
    /// # Errors
    /// When it is no name, or there are too many nodes or names.
    ///
    /// # Examples
    /// ```no_run
    /// use odeon_sim::{LookupRule, World};
    ///
    /// # async fn scenario(world: &mut World) {
    /// world.set_record("seeds.example", &["a", "b"]).expect("a name");
    /// world.set_default_lookups(LookupRule { stale: 0.5, ..LookupRule::default() });
    /// # }
    /// ```
    pub fn set_record(&self, name: &str, nodes: &[&str]) -> Result<(), RecordError> {
        self.ground.net.set_record(name, &self.addresses(nodes))?;
        self.note("record", &format!("{name} is {nodes:?}"));
        Ok(())
    }

    /// Lets a name stand again for the node of that name, if there is one.
    ///
    /// # Errors
    /// When it is no name, or there are too many names.
    pub fn restore_record(&self, name: &str) -> Result<(), RecordError> {
        self.ground.net.restore_record(name)?;
        self.note("record", &format!("{name} is as it was"));
        Ok(())
    }

    /// Changes the SRV records of a name; none means that it has none.
    ///
    /// # Errors
    /// When it or a target is no name, or there are too many records or names.
    pub fn set_srv(&self, name: &str, records: &[SrvRecord]) -> Result<(), RecordError> {
        self.ground.net.set_srv(name, records)?;
        self.note("record", &format!("{name} has {records:?}"));
        Ok(())
    }

    /// Sets the rule by which all names are looked up that have none of their own.
    ///
    /// # Panics
    /// When the rule is none ([`LookupRule::check`]).
    pub fn set_default_lookups(&self, rule: LookupRule) {
        self.ground.net.set_default_lookups(rule);
    }

    /// Sets the rule by which one name is looked up; `None` returns it to the default.
    ///
    /// # Errors
    /// When it is no name, or there are too many names.
    ///
    /// # Panics
    /// When the rule is none ([`LookupRule::check`]).
    pub fn set_lookups(&self, name: &str, rule: Option<LookupRule>) -> Result<(), RecordError> {
        self.ground.net.set_lookups(name, rule)
    }

    fn addresses(&self, names: &[&str]) -> Vec<IpAddr> {
        names.iter().map(|name| self.address(name)).collect()
    }

    /// The random stream of one thing done now; what else is done shifts nothing in it.
    fn chance(&self, what: &str) -> Stream {
        self.random(&format!("network {what} at {:?}", self.now()))
    }
}
