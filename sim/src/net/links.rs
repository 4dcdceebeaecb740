//! All directions between hosts, each made on first use.
//!
//! Each packet asks for its link, so those between hosts are found by two numbers in a table. The map beside it holds the
//! order in which they are walked, and those of addresses that no host has. Read `link.rs` next.

use std::{collections::BTreeMap, net::IpAddr};

use super::{link::Link, numbers::host_at};

/// One direction.
type Pair = (IpAddr, IpAddr);

/// Where a link is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(u32);

/// The links of a network.
#[derive(Debug)]
pub(super) struct Links {
    seed: u64,
    all: Vec<Link>,
    places: BTreeMap<Pair, usize>,
    /// By the numbers of both hosts: the place plus one, 0 for none yet.
    table: Vec<Vec<u32>>,
}

impl Links {
    pub(super) const fn new(seed: u64) -> Self {
        Self { seed, all: Vec::new(), places: BTreeMap::new(), table: Vec::new() }
    }

    /// The link of this direction.
    pub(super) fn find(&mut self, from: IpAddr, to: IpAddr) -> &mut Link {
        let at = self.place_of(from, to);
        self.at(at)
    }

    /// The link in this place.
    #[inline]
    pub(super) fn at(&mut self, Place(at): Place) -> &mut Link {
        &mut self.all[at as usize]
    }

    /// Where the link of this direction is, which never changes.
    pub(super) fn place_of(&mut self, from: IpAddr, to: IpAddr) -> Place {
        let numbers = host_at(from).zip(host_at(to));
        let numbers = numbers.map(|(from, to)| (usize::from(from.0), usize::from(to.0)));
        let known = numbers.and_then(|(from, to)| self.table.get(from)?.get(to).copied());
        Place(match known {
            Some(place) if place > 0 => place - 1,
            _ => self.place((from, to), numbers) as u32,
        })
    }

    /// Finds or makes a link that is not in the table.
    fn place(&mut self, pair: Pair, numbers: Option<(usize, usize)>) -> usize {
        if let Some(at) = self.places.get(&pair) {
            return *at;
        }
        let at = self.all.len();
        self.all.push(Link::new(self.seed, pair.0, pair.1));
        self.places.insert(pair, at);
        if let Some((from, to)) = numbers {
            let rows = self.table.len().max(from + 1);
            self.table.resize_with(rows, Vec::new);
            let row = &mut self.table[from];
            row.resize(row.len().max(to + 1), 0);
            row[to] = at as u32 + 1;
        }
        at
    }

    /// All of them, in the order of their addresses.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Pair, &Link)> {
        self.places.iter().map(|(pair, at)| (*pair, &self.all[*at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_direction_has_one_link_whatever_its_addresses() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let all = ["10.0.0.1", "10.0.3.250", "192.168.0.1", "::1"].map(address);
        let mut links = Links::new(1);
        let pairs = || all.iter().flat_map(|from| all.iter().map(move |to| (*from, *to)));
        for (count, (from, to)) in pairs().enumerate() {
            (0..=count).for_each(|_| _ = links.find(from, to).number());
        }
        for (count, (from, to)) in pairs().enumerate() {
            let mut other = Link::new(1, from, to);
            let next = (0..count + 2).map(|_| other.number()).last();
            assert_eq!(Some(links.find(from, to).number()), next);
        }
        assert!(links.iter().map(|(pair, _)| pair).eq(pairs()), "they are walked in order");
    }
}
