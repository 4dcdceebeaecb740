//! What each shape promises, for any number of hosts and any seed.

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 16] =
    ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"];

/// Who hears whom.
struct Heard {
    hosts: Vec<&'static str>,
    cuts: BTreeSet<(&'static str, &'static str)>,
}

impl Heard {
    fn of(topology: &Topology, count: usize, seed: u64) -> Self {
        let hosts = NAMES[..count].to_vec();
        let cuts = topology.cuts(&hosts, &Stream::new(seed)).expect("it can be made of them");
        Self { hosts, cuts }
    }

    /// Whom this host hears, without itself.
    fn by(&self, host: &str) -> BTreeSet<&'static str> {
        let heard = |from: &&&str| **from != host && !self.cuts.contains(&(**from, host));
        self.hosts.iter().filter(heard).copied().collect()
    }

    /// Who hears this host.
    fn hearers(&self, host: &str) -> BTreeSet<&'static str> {
        let hears = |to: &&&str| **to != host && !self.cuts.contains(&(host, **to));
        self.hosts.iter().filter(hears).copied().collect()
    }

    fn is_symmetrical(&self) -> bool {
        self.cuts.iter().all(|(from, to)| self.cuts.contains(&(*to, *from)))
    }

    /// The host with itself and all that it hears.
    fn circle(&self, host: &'static str) -> BTreeSet<&'static str> {
        let mut circle = self.by(host);
        circle.insert(host);
        circle
    }

    /// The distinct circles of these hosts.
    fn circles(&self, hosts: &BTreeSet<&'static str>) -> BTreeSet<BTreeSet<&'static str>> {
        hosts.iter().map(|host| self.circle(host)).collect()
    }

    fn all(&self) -> BTreeSet<&'static str> {
        self.hosts.iter().copied().collect()
    }
}

proptest! {
    #[test]
    fn every_shape_cuts_something_between_two_hosts_and_repeats_itself(
        count in 4_usize..=16,
        seed: u64,
    ) {
        for topology in Topology::DRAWN {
            let heard = Heard::of(&topology, count, seed);
            prop_assert!(!heard.cuts.is_empty(), "{topology:?}");
            prop_assert!(heard.cuts.iter().all(|(from, to)| from != to));
            prop_assert_eq!(&heard.cuts, &Heard::of(&topology, count, seed).cuts);
        }
    }

    #[test]
    fn halves_are_disjoint_and_deaf_to_each_other(count in 2_usize..=16, seed: u64) {
        let heard = Heard::of(&Topology::Halves, count, seed);
        prop_assert!(heard.is_symmetrical());
        let halves: Vec<_> = heard.circles(&heard.all()).into_iter().collect();
        prop_assert_eq!(halves.len(), 2);
        prop_assert!(halves[0].is_disjoint(&halves[1]));
        let sizes = BTreeSet::from([halves[0].len(), halves[1].len()]);
        prop_assert_eq!(sizes, BTreeSet::from([count / 2, count - count / 2]));
    }

    #[test]
    fn a_one_way_partition_is_half_of_halves(count in 2_usize..=16, seed: u64) {
        let (one_way, halves) =
            (Heard::of(&Topology::OneWay, count, seed), Heard::of(&Topology::Halves, count, seed));
        prop_assert!(one_way.cuts.iter().all(|(from, to)| !one_way.cuts.contains(&(to, from))));
        let both = one_way.cuts.iter().flat_map(|(from, to)| [(*from, *to), (*to, *from)]);
        prop_assert_eq!(both.collect::<BTreeSet<_>>(), halves.cuts);
    }

    #[test]
    fn in_a_partial_partition_some_hear_all_and_the_rest_are_two_parts(count in 3_usize..=16, seed: u64) {
        let heard = Heard::of(&Topology::Partial, count, seed);
        prop_assert!(heard.is_symmetrical());
        let (hear_all, parted): (BTreeSet<_>, BTreeSet<_>) =
            heard.hosts.iter().copied().partition(|host| heard.circle(host) == heard.all());
        prop_assert!(!hear_all.is_empty());
        let parts: Vec<_> = heard.circles(&parted).into_iter().collect();
        prop_assert_eq!(parts.len(), 2);
        prop_assert_eq!(parts[0].intersection(&parts[1]).copied().collect::<BTreeSet<_>>(), hear_all);
    }

    #[test]
    fn each_in_a_ring_hears_its_two_neighbours(count in 4_usize..=16, seed: u64) {
        let heard = Heard::of(&Topology::Ring, count, seed);
        prop_assert!(heard.is_symmetrical());
        prop_assert!(heard.hosts.iter().all(|host| heard.by(host).len() == 2));
        // One ring and not several: whoever walks on comes past all.
        let (mut last, mut at, mut seen) = ("", "a", BTreeSet::new());
        while seen.insert(at) {
            let next = heard.by(at).into_iter().find(|next| *next != last).unwrap();
            (last, at) = (at, next);
        }
        prop_assert_eq!(seen, heard.all());
    }

    #[test]
    fn each_in_a_majorities_ring_hears_a_majority_of_its_own(count in 3_usize..=16, seed: u64) {
        let heard = Heard::of(&Topology::MajoritiesRing, count, seed);
        let majorities = heard.circles(&heard.all());
        prop_assert_eq!(majorities.len(), count, "no two hear the same");
        prop_assert!(majorities.iter().all(|majority| majority.len() == count / 2 + 1));
        // And each is heard by as many.
        prop_assert!(heard.hosts.iter().all(|host| heard.hearers(host).len() == count / 2));
    }

    #[test]
    fn a_bridge_hears_both_sides_which_do_not_hear_each_other(count in 3_usize..=16, seed: u64) {
        let heard = Heard::of(&Topology::Bridge(Some("b".to_owned())), count, seed);
        prop_assert!(heard.is_symmetrical());
        prop_assert_eq!(heard.circle("b"), heard.all());
        let mut others = heard.all();
        others.remove("b");
        let sides: Vec<_> = heard.circles(&others).into_iter().collect();
        prop_assert_eq!(sides.len(), 2);
        let shared = sides[0].intersection(&sides[1]).copied().collect::<Vec<_>>();
        prop_assert_eq!(shared, ["b"]);
        prop_assert!(sides[0].len().abs_diff(sides[1].len()) <= 1);
    }

    #[test]
    fn in_a_star_all_hear_its_middle_alone(count in 3_usize..=16, seed: u64) {
        let heard = Heard::of(&Topology::Star(Some("c".to_owned())), count, seed);
        prop_assert!(heard.is_symmetrical());
        prop_assert_eq!(heard.circle("c"), heard.all());
        let others = heard.hosts.iter().filter(|host| **host != "c");
        prop_assert!(others.clone().all(|host| heard.by(host) == BTreeSet::from(["c"])));
    }

    #[test]
    fn one_host_alone_is_isolated_mute_or_deaf(count in 2_usize..=16, seed: u64) {
        let named = || Some("a".to_owned());
        for (topology, hears, is_heard) in [
            (Topology::Isolate(named()), false, false),
            (Topology::Mute(named()), true, false),
            (Topology::Deaf(named()), false, true),
        ] {
            let heard = Heard::of(&topology, count, seed);
            let as_said = |all: bool| if all { count - 1 } else { 0 };
            prop_assert_eq!(heard.by("a").len(), as_said(hears), "{:?}", topology);
            prop_assert_eq!(heard.hearers("a").len(), as_said(is_heard), "{:?}", topology);
            prop_assert!(heard.cuts.iter().all(|(from, to)| *from == "a" || *to == "a"));
        }
    }

    #[test]
    fn groups_are_deaf_to_each_other_and_whoever_is_in_none_hears_all(seed: u64) {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let groups = Topology::Groups(vec![names(&["a", "c"]), names(&["b"]), names(&["e", "f"])]);
        let heard = Heard::of(&groups, 6, seed);
        prop_assert!(heard.is_symmetrical());
        prop_assert_eq!(heard.circle("a"), BTreeSet::from(["a", "c", "d"]));
        prop_assert_eq!(heard.circle("b"), BTreeSet::from(["b", "d"]));
        prop_assert_eq!(heard.circle("e"), BTreeSet::from(["d", "e", "f"]));
        prop_assert_eq!(heard.circle("d"), heard.all());
    }
}

#[test]
fn who_is_drawn_depends_on_the_seed() {
    for topology in Topology::DRAWN {
        let all = (0..100).map(|seed| Heard::of(&topology, 6, seed).cuts).collect::<BTreeSet<_>>();
        assert!(all.len() >= 6, "{topology:?} has {} faces", all.len());
    }
}

#[test]
fn what_cannot_be_made_is_refused_with_the_name() {
    let cuts = |topology: &Topology, hosts: &[&'static str]| {
        topology.cuts(hosts, &Stream::new(1)).expect_err("it cannot be made")
    };
    let ring = cuts(&Topology::Ring, &["a", "b", "c"]);
    assert_eq!(ring, TopologyError::TooFew { topology: Topology::Ring, hosts: 3, min: 4 });
    let twice = TopologyError::Twice { name: "a".to_owned() };
    assert_eq!(cuts(&Topology::Halves, &["a", "b", "a"]), twice);
    let named = |name: &str| Topology::Star(Some(name.to_owned()));
    let unknown = cuts(&named("x"), &["a", "b", "c"]).to_string();
    assert_eq!(unknown, r#""x" is none of the hosts ["a", "b", "c"]"#);
    let groups = Topology::Groups(vec![vec!["a".to_owned()], vec!["b".to_owned(), "a".to_owned()]]);
    assert_eq!(cuts(&groups, &["a", "b"]), twice);
}

#[test]
fn a_shape_can_be_written_down() {
    for topology in
        Topology::DRAWN.into_iter().chain([Topology::Groups(vec![vec!["a".to_owned()]])])
    {
        let text = serde_json::to_string(&topology).unwrap();
        assert_eq!(serde_json::from_str::<Topology>(&text).unwrap(), topology, "{text}");
    }
}
