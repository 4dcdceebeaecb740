//! The names of a world and what they stand for.
//!
//! Every host has a name that stands for its address, until a record says otherwise. A record is a list of addresses,
//! given out in an order that the seed draws; an empty one means that there is no such name. Read `lookup.rs` for what
//! goes wrong on the way.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use odeon_env::SrvRecord;
use odeon_interpose::{Stream, mix};
use thiserror::Error;

use super::{
    counts::NetCounts,
    lookup::{Course, Lookup, LookupRule, ResolveError},
};

/// The most addresses of one name, as many as a real node takes of one, and the most SRV records.
pub const RECORD_ADDRESSES_MAX: usize = 64;

/// The most names with records or rules of their own.
pub const RECORDS_MAX: usize = 65_536;

/// Bytes of a name (RFC 1035, section 2.3.4, in the form that is written).
const NAME_BYTES_MAX: usize = 253;

/// Why a name was not given a record or a rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It is no name.
    #[error(
        "{name:?} is no name; a name has 1 to 253 bytes, without blanks and colons, and is no address"
    )]
    Name {
        /// What was given.
        name: String,
    },
    /// Too many addresses.
    #[error(
        "{count} addresses or SRV records for {name:?}; a name has {RECORD_ADDRESSES_MAX} at most"
    )]
    Addresses {
        /// The name.
        name: String,
        /// How many were given.
        count: usize,
    },
    /// Too many names.
    #[error(
        "{name:?} would be one name too many; a world gives {RECORDS_MAX} of them records or rules"
    )]
    Full {
        /// The name.
        name: String,
    },
}

/// What a name stands for now, and stood for before its last change.
#[derive(Debug)]
struct Record<T> {
    now: Vec<T>,
    before: Vec<T>,
}

impl<T: Clone> Record<T> {
    fn at(&self, stale: bool) -> Vec<T> {
        if stale { self.before.clone() } else { self.now.clone() }
    }
}

/// All names of a network.
#[derive(Debug)]
pub(super) struct Names {
    seed: u64,
    hosts: BTreeMap<String, IpAddr>,
    records: BTreeMap<String, Record<IpAddr>>,
    srv: BTreeMap<String, Record<SrvRecord>>,
    rule: LookupRule,
    rules: BTreeMap<String, LookupRule>,
    /// How often a host has asked for a name; those that nobody knows are counted together.
    asked: BTreeMap<(IpAddr, String), u64>,
}

impl Names {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            hosts: BTreeMap::new(),
            records: BTreeMap::new(),
            srv: BTreeMap::new(),
            rule: LookupRule::default(),
            rules: BTreeMap::new(),
            asked: BTreeMap::new(),
        }
    }

    /// Gives a host its name.
    pub(super) fn add_host(&mut self, name: &str, address: IpAddr) {
        self.hosts.insert(name.to_owned(), address);
    }

    /// The address of the host with this name, whatever records say.
    pub(super) fn host(&self, name: &str) -> Option<IpAddr> {
        self.hosts.get(name).copied()
    }

    /// Changes what a name stands for; nothing means that there is no such name.
    pub(super) fn set(&mut self, name: &str, addresses: &[IpAddr]) -> Result<(), RecordError> {
        check(name, self.records.len(), self.records.contains_key(name))?;
        check_count(name, addresses.len())?;
        let before = self.addresses(name, false);
        self.records.insert(name.to_owned(), Record { now: addresses.to_vec(), before });
        Ok(())
    }

    /// Lets a name stand again for the host of that name, if there is one.
    pub(super) fn restore(&mut self, name: &str) -> Result<(), RecordError> {
        let host: Vec<_> = self.host(name).into_iter().collect();
        self.set(name, &host)
    }

    /// Changes the SRV records of a name; none means that it has none.
    pub(super) fn set_srv(&mut self, name: &str, srv: &[SrvRecord]) -> Result<(), RecordError> {
        check(name, self.srv.len(), self.srv.contains_key(name))?;
        check_count(name, srv.len())?;
        srv.iter().try_for_each(|record| check(&record.target, 0, true))?;
        let before = self.srv.get(name).map(|record| record.at(false)).unwrap_or_default();
        self.srv.insert(name.to_owned(), Record { now: srv.to_vec(), before });
        Ok(())
    }

    pub(super) fn rule(&self) -> LookupRule {
        self.rule
    }

    pub(super) fn set_rule(&mut self, rule: LookupRule) {
        self.rule = rule;
    }

    pub(super) fn set_rule_of(
        &mut self,
        name: &str,
        rule: Option<LookupRule>,
    ) -> Result<(), RecordError> {
        check(name, self.rules.len(), self.rules.contains_key(name))?;
        match rule {
            Some(rule) => self.rules.insert(name.to_owned(), rule),
            None => self.rules.remove(name),
        };
        Ok(())
    }

    /// Decides how one look-up by `host` goes.
    pub(super) fn look_up(&mut self, host: IpAddr, name: &str, counts: &mut NetCounts) -> Lookup {
        let known = self.hosts.contains_key(name)
            || self.records.contains_key(name)
            || self.srv.contains_key(name);
        let counted = if known { name } else { "" };
        let asked = self.asked.entry((host, counted.to_owned())).or_default();
        *asked += 1;
        let asker = Stream::named(self.seed, &format!("look-up of {counted} by {host}"));
        let rule = self.rules.get(name).unwrap_or(&self.rule);
        let lookup = rule.decide(mix(asker.next_word() ^ mix(*asked)));
        counts.lookups += 1;
        match lookup.course {
            Course::Silent => counts.lookups_silent += 1,
            Course::Fails => counts.lookups_failed += 1,
            Course::Answers { stale, .. } => counts.lookups_stale += u64::from(stale),
        }
        lookup
    }

    /// The answer to a look-up, at the time at which it comes.
    pub(super) fn answer(
        &self,
        lookup: &Lookup,
        name: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        let (stale, order) = lookup.answered(name)?;
        let mut addresses = self.addresses(name, stale);
        if addresses.is_empty() {
            return Err(ResolveError::NoSuchName { name: name.to_owned() });
        }
        // Name servers turn the order round, to spread the load (RFC 1794).
        order.shuffle(&mut addresses);
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    /// The SRV records that a look-up finds.
    pub(super) fn answer_srv(
        &self,
        lookup: &Lookup,
        name: &str,
    ) -> Result<Vec<SrvRecord>, ResolveError> {
        let (stale, order) = lookup.answered(name)?;
        let records = self.srv.get(name).map(|record| record.at(stale)).unwrap_or_default();
        if records.is_empty() {
            return Err(ResolveError::NoSrv { name: name.to_owned() });
        }
        Ok(SrvRecord::in_order(records, |bound| order.below(bound)))
    }

    fn addresses(&self, name: &str, stale: bool) -> Vec<IpAddr> {
        match self.records.get(name) {
            Some(record) => record.at(stale),
            None => self.host(name).into_iter().collect(),
        }
    }
}

fn check_count(name: &str, count: usize) -> Result<(), RecordError> {
    if count > RECORD_ADDRESSES_MAX {
        return Err(RecordError::Addresses { name: name.to_owned(), count });
    }
    Ok(())
}

fn check(name: &str, count: usize, known: bool) -> Result<(), RecordError> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    let clean = !name.contains(|c: char| c.is_whitespace() || c == ':');
    if !fits || !clean || name.parse::<IpAddr>().is_ok() {
        return Err(RecordError::Name { name: name.to_owned() });
    }
    if !known && count >= RECORDS_MAX {
        return Err(RecordError::Full { name: name.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, net::Ipv4Addr};

    use proptest::prelude::*;

    use super::*;

    fn ip(number: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, number).into()
    }

    fn names(seed: u64) -> Names {
        let mut names = Names::new(seed);
        names.add_host("a", ip(1));
        names.add_host("b", ip(2));
        names
    }

    fn ask(names: &mut Names, name: &str) -> Result<Vec<u8>, ResolveError> {
        let lookup = names.look_up(ip(1), name, &mut NetCounts::default());
        let last = |address: SocketAddr| match address.ip() {
            IpAddr::V4(ip) => ip.octets()[3],
            IpAddr::V6(_) => 0,
        };
        Ok(names.answer(&lookup, name, 7)?.into_iter().map(last).collect())
    }

    #[test]
    fn a_name_stands_for_its_host_until_a_record_says_otherwise() {
        let mut names = names(1);
        let none = |name: &str| Err(ResolveError::NoSuchName { name: name.to_owned() });
        assert_eq!(ask(&mut names, "a"), Ok(vec![1]));
        assert_eq!(ask(&mut names, "seeds"), none("seeds"));
        names.set("a", &[ip(2)]).unwrap();
        assert_eq!(ask(&mut names, "a"), Ok(vec![2]));
        assert_eq!(names.host("a"), Some(ip(1)));
        names.set("a", &[]).unwrap();
        assert_eq!(ask(&mut names, "a"), none("a"));
        names.restore("a").unwrap();
        assert_eq!(ask(&mut names, "a"), Ok(vec![1]));
    }

    #[test]
    fn a_stale_answer_is_what_was_true_before_the_last_change() {
        let mut names = names(2);
        names.set_rule(LookupRule { stale: 1.0, ..LookupRule::default() });
        assert_eq!(ask(&mut names, "a"), Ok(vec![1]), "it has never changed");
        names.set("a", &[ip(2)]).unwrap();
        assert_eq!(ask(&mut names, "a"), Ok(vec![1]));
        names.set("a", &[]).unwrap();
        assert_eq!(ask(&mut names, "a"), Ok(vec![2]), "also where the name is gone");
        names.set("seeds", &[ip(1)]).unwrap();
        assert!(ask(&mut names, "seeds").is_err(), "it did not exist before");
    }

    #[test]
    fn rules_hold_for_all_names_or_for_one() {
        let mut names = names(3);
        names.set_rule(LookupRule::failing());
        names.set_rule_of("b", Some(LookupRule::silent())).unwrap();
        assert_eq!(ask(&mut names, "a"), Err(ResolveError::Failed { name: "a".to_owned() }));
        assert_eq!(ask(&mut names, "b"), Err(ResolveError::Silent { name: "b".to_owned() }));
        names.set_rule_of("b", None).unwrap();
        names.set_rule(LookupRule::default());
        assert_eq!(ask(&mut names, "b"), Ok(vec![2]));
    }

    #[test]
    fn asking_for_one_name_shifts_nothing_for_another() {
        let mixed = LookupRule { failure: 0.3, silence: 0.3, ..LookupRule::default() };
        let run = |others: bool| {
            let mut names = names(4);
            names.set_rule(mixed);
            let ask = |_| {
                if others {
                    let _ = (ask(&mut names, "b"), ask(&mut names, "unknown"));
                }
                ask(&mut names, "a")
            };
            (0..50).map(ask).collect::<Vec<_>>()
        };
        assert_eq!(run(false), run(true));
        assert!(run(false).iter().any(Result::is_ok) && run(false).iter().any(Result::is_err));
    }

    proptest! {
        #[test]
        fn all_addresses_are_given_out_in_an_order_that_the_seed_draws(seed: u64) {
            let mut names = names(seed);
            let many: Vec<_> = (1..=5).map(ip).collect();
            names.set("seeds", &many).unwrap();
            let orders: BTreeSet<_> =
                (0..30).map(|_| ask(&mut names, "seeds").expect("it is there")).collect();
            prop_assert!(orders.len() > 5);
            for mut order in orders {
                order.sort_unstable();
                prop_assert_eq!(order, vec![1, 2, 3, 4, 5]);
            }
        }
    }

    #[test]
    fn srv_records_come_by_priority_and_follow_the_same_rules() {
        let mut names = names(6);
        let srv = |priority, target: &str| SrvRecord {
            priority,
            weight: 1,
            port: 7400,
            target: target.to_owned(),
        };
        let ask = |names: &mut Names| {
            let lookup = names.look_up(ip(1), "_odeon._udp", &mut NetCounts::default());
            names.answer_srv(&lookup, "_odeon._udp")
        };
        let none = || Err(ResolveError::NoSrv { name: "_odeon._udp".to_owned() });
        assert_eq!(ask(&mut names), none());
        names.set_srv("_odeon._udp", &[srv(2, "b"), srv(1, "a")]).unwrap();
        assert_eq!(ask(&mut names), Ok(vec![srv(1, "a"), srv(2, "b")]));
        names.set_rule(LookupRule { stale: 1.0, ..LookupRule::default() });
        assert_eq!(ask(&mut names), none(), "there were none before");
        names.set_srv("_odeon._udp", &[]).unwrap();
        assert_eq!(ask(&mut names).map(|records| records.len()), Ok(2));
        names.set_rule(LookupRule::failing());
        assert!(matches!(ask(&mut names), Err(ResolveError::Failed { .. })));
        let error = names.set_srv("_odeon._udp", &[srv(1, "a b")]);
        assert_eq!(error, Err(RecordError::Name { name: "a b".to_owned() }));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let mut names = names(5);
        for name in ["", "a b", "a:7400", "10.0.0.1", "::1", &"x".repeat(254)] {
            let error = names.set(name, &[ip(1)]);
            assert_eq!(error, Err(RecordError::Name { name: name.to_owned() }));
        }
        let many = vec![ip(1); RECORD_ADDRESSES_MAX + 1];
        let error = names.set("seeds", &many).unwrap_err().to_string();
        assert_eq!(error, r#"65 addresses or SRV records for "seeds"; a name has 64 at most"#);
    }
}
