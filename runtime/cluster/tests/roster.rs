//! Rosters of a few nodes over links that lose pages and answers, with nodes that die, come back, and take another life:
//! in the end each knows of the others exactly what those have, and all agree on who has which name.

use std::collections::{BTreeMap, BTreeSet};

use odeon_cluster::{
    Cursor, Entry, EntryRefused, Page, Roster, RosterConfig, SUBJECT_BYTES_MAX, Subject, Touched,
};
use odeon_message::{ActorKey, ActorTypeId, Address, Incarnation, MessageId, NodeId};
use proptest::prelude::*;

const NODES: usize = 3;
const NAMES: [&str; 3] = ["a", "b", "c"];
/// All of them match the topic "a".
const PATTERNS: [&str; 3] = ["a", "*", ">"];
const MESSAGE: MessageId = MessageId(5);

fn interest(pattern: &str) -> Subject {
    Subject::Interest { pattern: pattern.into(), message: MESSAGE }
}

fn config() -> RosterConfig {
    let mut config = RosterConfig::default();
    // So small that pages are many and removals are forgotten.
    config.page_entries_max = 2;
    config.removals_max = 3;
    config
}

fn address(node: usize, life: u64, slot: u32) -> Address {
    let key = ActorKey { slot, generation: life as u32 };
    let (node, incarnation) = (NodeId(node as u64), Incarnation(life));
    Address { node, incarnation, key, actor_type: ActorTypeId(7) }
}

struct Node {
    roster: Roster,
    life: u64,
    cursors: BTreeMap<usize, Cursor>,
}

impl Node {
    fn new(at: usize, life: u64) -> Self {
        let roster = Roster::new(NodeId(at as u64), Incarnation(life), config());
        Self { roster, life, cursors: BTreeMap::new() }
    }
}

/// Nodes that know each other as members, unless said otherwise.
struct Cluster {
    nodes: Vec<Node>,
    now: u64,
    /// Names that were given up because an older claim was seen.
    lost: usize,
}

impl Cluster {
    fn new() -> Self {
        let nodes = (0..NODES).map(|at| Node::new(at, 1)).collect();
        let mut cluster = Self { nodes, now: 1, lost: 0 };
        for (of, other) in pairs() {
            cluster.meet(of, other);
        }
        cluster
    }

    fn meet(&mut self, of: usize, other: usize) {
        let incarnation = Incarnation(self.nodes[other].life);
        self.nodes[of].roster.up(NodeId(other as u64), incarnation);
        self.nodes[of].cursors.remove(&other);
    }

    fn part(&mut self, of: usize, other: usize) {
        let incarnation = Incarnation(self.nodes[other].life);
        self.nodes[of].roster.down(NodeId(other as u64), incarnation);
        self.nodes[of].cursors.remove(&other);
    }

    /// One page from one node to another, unless it or its answer is lost; whether there was one.
    fn tell(&mut self, from: usize, to: usize, loses_page: bool, loses_answer: bool) -> bool {
        let sender = &mut self.nodes[from];
        let Some(page) = sender.roster.page(sender.cursors.entry(to).or_default()) else {
            return false;
        };
        self.send(from, to, page, loses_page, loses_answer);
        true
    }

    fn send(&mut self, from: usize, to: usize, page: Page, loses_page: bool, loses_answer: bool) {
        if loses_page {
            return;
        }
        let (of, end, is_last) = (page.incarnation, page.to, page.digest.is_some());
        let (reached, learned) = self.nodes[to].roster.take(page, u64::MAX);
        self.lost += learned.lost.len();
        if loses_answer {
            return;
        }
        let sender = &mut self.nodes[from];
        sender.cursors.entry(to).or_default().answered(end, is_last, reached.covered);
        sender.roster.answered(NodeId(to as u64), of, reached);
    }

    /// Tells until nobody has anything to tell; checks at the end.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            let told = pairs().map(|(from, to)| self.tell(from, to, false, false));
            if !told.fold(false, |any, one| any | one) {
                return self.ask_all();
            }
        }
        panic!("they never come to an end");
    }

    /// Each asks each what it has and whom it sees.
    fn ask_all(&mut self) {
        for (from, to) in pairs() {
            let page = self.nodes[from].roster.question();
            self.send(from, to, page, false, false);
        }
    }

    fn check(&self) {
        for node in &self.nodes {
            for group in NAMES {
                let seen = node.roster.members(group);
                let all = self.nodes.iter().flat_map(|it| it.roster.own_members());
                let all = all.filter(|(of, _)| *of == group).map(|(_, address)| address);
                assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), all.collect());
            }
            for name in NAMES {
                assert_eq!(node.roster.holder(name), self.nodes[0].roster.holder(name));
                let subject = Subject::Name(name.into());
                let claims = self.nodes.iter().filter(|it| it.roster.own(&subject).is_some());
                let expected = usize::from(node.roster.holder(name).is_some());
                assert_eq!(claims.count(), expected, "one holder of {name}, or none");
            }
            let listens = |it: &Node| {
                let by = |pattern: &&str| it.roster.own(&interest(pattern)).is_some();
                PATTERNS.iter().any(by)
            };
            let others = self.nodes.iter().zip(0..).filter(|(it, at)| {
                node.roster.peers().any(|(id, _)| id == NodeId(*at)) && listens(it)
            });
            let expected = others.map(|(it, at)| (NodeId(at), Incarnation(it.life)));
            let heard = node.roster.listeners("a", MESSAGE);
            assert_eq!(heard, expected.collect::<Vec<_>>());
            assert!(node.roster.unsettled(node.roster.version()).is_empty());
        }
    }
}

fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..NODES).flat_map(|of| (0..NODES).map(move |other| (of, other))).filter(|(a, b)| a != b)
}

#[derive(Clone, Debug)]
enum Step {
    Claim {
        node: usize,
        name: usize,
        slot: u32,
    },
    Join {
        node: usize,
        group: usize,
        slot: u32,
    },
    Leave {
        node: usize,
        group: usize,
        slot: u32,
    },
    Free {
        node: usize,
        name: usize,
    },
    Listen {
        node: usize,
        pattern: usize,
    },
    ListenNoMore {
        node: usize,
        pattern: usize,
    },
    Tell {
        from: usize,
        to: usize,
        loses_page: bool,
        loses_answer: bool,
    },
    /// A page is said again that was answered long ago.
    Check {
        from: usize,
        to: usize,
    },
    /// Two do not hear each other for so long that each holds the other for dead; later both are back in other lives.
    Part {
        a: usize,
        b: usize,
    },
    Crash {
        node: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let node = 0..NODES;
    let word = 0..NAMES.len();
    prop_oneof![
        2 => (node.clone(), word.clone(), 0_u32..3)
            .prop_map(|(node, name, slot)| Step::Claim { node, name, slot }),
        4 => (node.clone(), word.clone(), 0_u32..4)
            .prop_map(|(node, group, slot)| Step::Join { node, group, slot }),
        3 => (node.clone(), word.clone(), 0_u32..4)
            .prop_map(|(node, group, slot)| Step::Leave { node, group, slot }),
        1 => (node.clone(), word.clone()).prop_map(|(node, name)| Step::Free { node, name }),
        2 => (node.clone(), word.clone())
            .prop_map(|(node, pattern)| Step::Listen { node, pattern }),
        1 => (node.clone(), word).prop_map(|(node, pattern)| Step::ListenNoMore { node, pattern }),
        8 => (node.clone(), node.clone(), any::<bool>(), any::<bool>()).prop_map(
            |(from, to, loses_page, loses_answer)| Step::Tell { from, to, loses_page, loses_answer }
        ),
        1 => (node.clone(), node.clone()).prop_map(|(from, to)| Step::Check { from, to }),
        1 => (node.clone(), node.clone()).prop_map(|(a, b)| Step::Part { a, b }),
        1 => node.prop_map(|node| Step::Crash { node }),
    ]
}

impl Cluster {
    fn step(&mut self, step: Step) {
        self.now += 1;
        match step {
            Step::Claim { node, name, slot } => {
                let (now, life) = (self.now, self.nodes[node].life);
                // Refused where it is taken.
                let _ = self.nodes[node].roster.claim(NAMES[name], address(node, life, slot), now);
            }
            Step::Join { node, group, slot } => {
                let life = self.nodes[node].life;
                let joined = self.nodes[node].roster.join(NAMES[group], address(node, life, slot));
                joined.expect("there is room");
            }
            Step::Leave { node, group, slot } => {
                let actor = address(node, self.nodes[node].life, slot).key;
                let subject = Subject::Member { group: NAMES[group].into(), actor };
                self.nodes[node].roster.withdraw(&subject);
            }
            Step::Free { node, name } => {
                self.nodes[node].roster.withdraw(&Subject::Name(NAMES[name].into()));
            }
            Step::Listen { node, pattern } => {
                let listens = self.nodes[node].roster.listen(PATTERNS[pattern], MESSAGE);
                listens.expect("there is room");
            }
            Step::ListenNoMore { node, pattern } => {
                self.nodes[node].roster.withdraw(&interest(PATTERNS[pattern]));
            }
            Step::Tell { from, to, loses_page, loses_answer } if from != to => {
                self.tell(from, to, loses_page, loses_answer);
            }
            Step::Check { from, to } if from != to => {
                if let Some(page) = self.nodes[from].roster.check_page() {
                    self.send(from, to, page, false, false);
                }
            }
            Step::Part { a, b } if a != b => {
                self.part(a, b);
                self.part(b, a);
                self.reborn(a);
                self.reborn(b);
            }
            Step::Crash { node } => {
                let life = self.nodes[node].life + 1;
                for other in (0..NODES).filter(|other| *other != node) {
                    self.part(other, node);
                }
                self.nodes[node] = Node::new(node, life);
                for other in (0..NODES).filter(|other| *other != node) {
                    self.meet(other, node);
                    self.meet(node, other);
                }
            }
            _ => {}
        }
    }

    /// A node that was held for dead lives on in another life, and its actors under other addresses.
    fn reborn(&mut self, node: usize) {
        for other in (0..NODES).filter(|other| *other != node) {
            self.part(other, node);
        }
        self.nodes[node].life += 1;
        let life = self.nodes[node].life;
        let renewed = |old: &Address| Some(address(node, life, old.key.slot));
        self.lost += self.nodes[node].roster.renew(Incarnation(life), renewed).lost.len();
        for other in (0..NODES).filter(|other| *other != node) {
            self.meet(other, node);
        }
        let others: Vec<usize> = (0..NODES).filter(|other| *other != node).collect();
        others.into_iter().for_each(|other| self.meet(node, other));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn all_know_what_each_has(steps in prop::collection::vec(step(), 0..80)) {
        let mut cluster = Cluster::new();
        steps.into_iter().for_each(|step| cluster.step(step));
        cluster.settle();
        // An older claim that came last may have been answered by a removal: that is told too.
        cluster.settle();
        cluster.check();
    }
}

#[test]
fn the_older_claim_of_two_holds_and_the_other_is_given_up() {
    let mut cluster = Cluster::new();
    let (older, younger) = (address(2, 1, 0), address(0, 1, 0));
    cluster.nodes[2].roster.claim("a", older, 10).expect("it is free there");
    cluster.nodes[0].roster.claim("a", younger, 20).expect("it is free there");
    cluster.settle();
    cluster.check();
    assert_eq!(cluster.nodes[1].roster.holder("a"), Some(older));
    assert_eq!(cluster.lost, 1);
    let refused = cluster.nodes[0].roster.claim("a", younger, 30).expect_err("it is taken");
    assert_eq!(refused, EntryRefused::Taken { holder: older });
}

#[test]
fn of_claims_of_one_moment_that_of_the_smaller_node_id_holds() {
    let mut cluster = Cluster::new();
    for node in [1, 2] {
        cluster.nodes[node].roster.claim("a", address(node, 1, 0), 10).expect("it is free there");
    }
    cluster.settle();
    cluster.check();
    assert_eq!(cluster.nodes[0].roster.holder("a"), Some(address(1, 1, 0)));
}

#[test]
fn a_clock_that_is_slow_does_not_make_a_claim_old() {
    let mut cluster = Cluster::new();
    cluster.nodes[0].roster.claim("a", address(0, 1, 0), 1_000).expect("it is free");
    cluster.settle();
    // Its own clock says 5; but it has seen a claim of 1,000.
    cluster.nodes[1].roster.claim("b", address(1, 1, 0), 5).expect("it is free");
    cluster.nodes[2].roster.claim("b", address(2, 1, 0), 900).expect("it is free there");
    cluster.settle();
    assert_eq!(
        cluster.nodes[0].roster.holder("b"),
        Some(address(1, 1, 0)),
        "1,001 and 1,001: the smaller id"
    );
}

#[test]
fn what_cannot_be_entered_is_refused_with_the_reason() {
    let mut config = RosterConfig::default();
    config.entries_max = 2;
    let mut roster = Roster::new(NodeId(0), Incarnation(1), config);
    let join =
        |roster: &mut Roster, slot| roster.join("g", address(0, 1, slot)).map(|it| it.touched);
    assert_eq!(join(&mut roster, 0), Ok(BTreeSet::from([Touched::Group("g".into())])));
    assert_eq!(join(&mut roster, 0), Ok(BTreeSet::new()), "again is no change");
    assert!(join(&mut roster, 1).is_ok());
    assert_eq!(join(&mut roster, 2), Err(EntryRefused::Full { max: 2 }));
    let long = "x".repeat(SUBJECT_BYTES_MAX + 1);
    for (name, bytes) in [("", 0), (&*long, 257)] {
        let refused = roster.claim(name, address(0, 1, 0), 1).map(|_| ());
        assert_eq!(refused, Err(EntryRefused::Length { bytes }));
    }
}

#[test]
fn a_page_of_a_stranger_or_of_an_earlier_life_is_not_taken() {
    let mut cluster = Cluster::new();
    cluster.nodes[0].roster.join("a", address(0, 1, 0)).expect("there is room");
    let page = cluster.nodes[0].roster.page(&mut Cursor::default()).expect("there is news");
    cluster.part(1, 0);
    let (reached, _) = cluster.nodes[1].roster.take(page.clone(), u64::MAX);
    assert!(!reached.is_member && reached.covered == 0);
    cluster.nodes[1].roster.up(NodeId(0), Incarnation(2));
    let (reached, _) = cluster.nodes[1].roster.take(page, u64::MAX);
    assert!(!reached.is_member);
    assert!(cluster.nodes[1].roster.members("a").is_empty());
}

#[test]
fn pages_that_nobody_would_send_do_no_harm() {
    let mut cluster = Cluster::new();
    cluster.nodes[0].roster.join("a", address(0, 1, 0)).expect("there is room");
    let good = cluster.nodes[0].roster.page(&mut Cursor::default()).expect("there is news");
    let max = u64::MAX;
    for (from, to) in [(0, max), (max, max), (max, 0), (7, 3), (1, max), (0, 0)] {
        let bad = Page { from, to, ..good.clone() };
        cluster.nodes[1].roster.take(bad, max);
    }
    // The digest of the next check shows that something is wrong, and all is told anew.
    let check = cluster.nodes[0].roster.check_page().expect("there was news");
    cluster.send(0, 1, check, false, false);
    cluster.settle();
    cluster.check();
}

#[test]
fn a_node_that_has_more_than_others_take_does_not_harm_them() {
    let mut config = RosterConfig::default();
    config.entries_max = 2;
    let mut small = Roster::new(NodeId(1), Incarnation(1), config);
    small.up(NodeId(0), Incarnation(1));
    let mut large = Roster::new(NodeId(0), Incarnation(1), RosterConfig::default());
    for slot in 0..5 {
        large.join("a", address(0, 1, slot)).expect("there is room");
    }
    let page = large.page(&mut Cursor::default()).expect("there is news");
    let (reached, _) = small.take(page, u64::MAX);
    assert_eq!((reached.covered, small.members("a").len()), (0, 2));
}

/// A page may come from anybody with a certificate: what its owner cannot have said is not taken, and nothing of it.
#[test]
fn a_page_that_says_too_much_is_not_taken() {
    let mut roster = Roster::new(NodeId(0), Incarnation(1), config());
    roster.up(NodeId(1), Incarnation(1));
    let own = address(1, 1, 7);
    let member = |actor: ActorKey| Subject::Member { group: "workers".into(), actor };
    let entry = |subject, address| Entry { subject, address, stamp: 1 };
    let page = |entry: Entry, removals| Page {
        owner: NodeId(1),
        incarnation: Incarnation(1),
        from: 0,
        to: 1,
        entries: vec![(1, entry)],
        removals,
        digest: None,
    };
    let deep = "a.".repeat(100_000) + "a";
    let long = "n".repeat(SUBJECT_BYTES_MAX + 1);
    let bad = [
        entry(interest(&deep), None),
        entry(interest("a..b"), None),
        entry(interest("a"), Some(own)),
        entry(Subject::Name(long.as_str().into()), Some(own)),
        entry(Subject::Name("".into()), Some(own)),
        entry(Subject::Name("leader".into()), None),
        entry(Subject::Name("leader".into()), Some(address(2, 1, 7))),
        entry(Subject::Name("leader".into()), Some(address(1, 2, 7))),
        entry(member(address(1, 1, 8).key), Some(own)),
    ];
    for entry in bad {
        let (reached, learned) = roster.take(page(entry.clone(), Vec::new()), u64::MAX);
        assert_eq!((reached.covered, reached.is_member), (0, false), "{entry:?}");
        assert!(learned.touched.is_empty(), "{entry:?}");
    }
    let good = entry(Subject::Name("leader".into()), Some(own));
    let removed = vec![(1, interest(&deep))];
    assert_eq!(roster.take(page(good.clone(), removed), u64::MAX).0.covered, 0);
    let (reached, _) = roster.take(page(good, Vec::new()), u64::MAX);
    assert_eq!((reached.covered, reached.is_member), (1, true));
    assert_eq!(roster.holder("leader"), Some(own));
}

#[test]
fn a_claim_of_a_time_to_come_is_not_taken() {
    let mut cluster = Cluster::new();
    cluster.nodes[0].roster.claim("a", address(0, 1, 0), u64::MAX).expect("it is free");
    let page = cluster.nodes[0].roster.page(&mut Cursor::default()).expect("there is news");
    let (reached, _) = cluster.nodes[1].roster.take(page, 1_000);
    assert_eq!((reached.covered, cluster.nodes[1].roster.holder("a")), (0, None));
    // A stamp that had been taken would have left no later one.
    cluster.nodes[1].roster.claim("b", address(1, 1, 0), 900).expect("it is free");
    let entry = cluster.nodes[1].roster.own(&Subject::Name("b".into()));
    assert_eq!(entry.map(|entry| entry.stamp), Some(900));
}

/// It knows one of two, and that one knows both.
#[test]
fn a_claim_is_not_settled_where_another_sees_more_members() {
    let mut cluster = Cluster::new();
    cluster.nodes[2].roster.claim("a", address(2, 1, 0), 900).expect("it is free");
    cluster.part(0, 2);
    for (from, to) in [(2, 1), (1, 2), (0, 1), (1, 0)] {
        cluster.tell(from, to, false, false);
        let question = cluster.nodes[from].roster.question();
        cluster.send(from, to, question, false, false);
    }
    // Nobody has told it of the claim.
    assert_eq!(cluster.nodes[0].roster.holder("a"), None);
    assert_eq!(cluster.nodes[0].roster.unsettled(0), [NodeId(1)]);
    assert!(cluster.nodes[1].roster.is_settled(NodeId(2)));
    cluster.meet(0, 2);
    cluster.settle();
    assert_eq!(cluster.nodes[0].roster.unsettled(0), []);
    assert_eq!(cluster.nodes[0].roster.holder("a"), Some(address(2, 1, 0)));
}
