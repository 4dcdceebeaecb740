//! Names and groups of a cluster through crashes, restarts, partitions and loss: every node knows what there is, what is
//! lost goes with its node, and a name has one holder.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc, time::Duration};

use odeon::{
    Actor, ActorRef, ClusterGroup, Context, GroupChange, Handler, Node, NodeBuilder, RegisterError,
    RosterConfig, StartError, Target, actor, message,
};
use odeon_sim::{LinkRule, World};

use crate::nodes::node;

const SECOND: Duration = Duration::from_secs(1);
const NAMES: [&str; 3] = ["a", "b", "c"];

#[message(id = "roster/Who", reply = String)]
struct Who;

#[message(id = "roster/Note")]
#[derive(Clone)]
struct Note {
    number: u64,
}

#[message(id = "roster/Noted", reply = Vec<u64>)]
struct Noted;

/// Knows what it is called, and keeps what it is told.
#[derive(Clone, Default)]
struct Worker {
    name: String,
    notes: Vec<u64>,
}

#[actor(id = "roster/Worker", handles(Who, Note, Noted))]
impl Actor for Worker {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Who> for Worker {
    async fn handle(&mut self, _: Who, _: &mut Context<Self>) -> String {
        self.name.clone()
    }
}

impl Handler<Note> for Worker {
    async fn handle(&mut self, note: Note, _: &mut Context<Self>) {
        self.notes.push(note.number);
    }
}

impl Handler<Noted> for Worker {
    async fn handle(&mut self, _: Noted, _: &mut Context<Self>) -> Vec<u64> {
        self.notes.clone()
    }
}

fn worker(name: &str) -> Worker {
    Worker { name: name.to_owned(), notes: Vec::new() }
}

fn setup(builder: NodeBuilder) -> NodeBuilder {
    let mut roster = RosterConfig::default();
    // Small, so that pages are many and removals are forgotten.
    roster.page_entries_max = 4;
    roster.removals_max = 8;
    roster.check_every = SECOND / 2;
    builder.actor::<Worker>().roster(roster)
}

/// Nodes with `workers` members of the group "workers" each, in each of their lives.
async fn cluster(world: &mut World, names: &[&'static str], workers: usize) {
    for name in names {
        world.start_member(name, setup, move |node: Node| async move {
            for number in 0..workers {
                let worker = worker(&format!("{} {number}", node.name()));
                let worker = node.spawn(worker).await.expect("it starts");
                group(&node).join(&worker).expect("there is room");
            }
        });
    }
    world.all_joined(names, 20 * SECOND).await.expect("they find each other");
}

fn group(node: &Node) -> ClusterGroup<Worker> {
    node.cluster().group("workers").expect("it has room")
}

/// Waits until all of these nodes see so many members.
async fn all_see(world: &World, names: &[&str], members: usize) {
    let sees =
        |name: &&str| world.runtime_node(name).is_some_and(|node| group(&node).len() == members);
    let waited = world.run_until(|| names.iter().all(sees), 60 * SECOND).await;
    let seen = names.iter().map(|name| group(&node(world, name)).len()).collect::<Vec<_>>();
    waited.unwrap_or_else(|_| panic!("{seen:?} members are seen, not {members}"));
}

/// Waits until this node knows nobody by that name.
async fn until_free(world: &World, at: &str, name: &str) {
    let is_free = || {
        let found = node(world, at).cluster().lookup::<Worker>(name);
        found.is_ok_and(|found| found.is_none())
    };
    world.run_until(is_free, 20 * SECOND).await.expect("it hears that the name is free");
}

async fn ask_who(worker: &ActorRef<Worker>) -> String {
    loop {
        // On a rough network an answer may be lost with its connection; asking again does no harm.
        if let Ok(name) = worker.ask(Who).await {
            return name;
        }
    }
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_name_is_known_everywhere_and_goes_with_its_node(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    cluster(world, &NAMES, 0).await;
    let (a, b, c) = (node(world, "a"), node(world, "b"), node(world, "c"));
    let first = b.spawn(worker("first")).await.expect("it starts");
    b.cluster().register("leader", &first).await.expect("it is free");
    for node in [&a, &c] {
        // All have heard of it when it is registered.
        let found = node.cluster().lookup::<Worker>("leader").expect("of that type");
        assert_eq!(ask_who(&found.expect("it is registered")).await, "first");
    }
    let second = c.spawn(worker("second")).await.expect("it starts");
    let taken = c.cluster().register("leader", &second).await.expect_err("it is taken");
    assert_eq!(taken, RegisterError::Taken { name: "leader".into(), node: "b".into() });
    let mut followed = a.cluster().follow::<Worker>("leader").expect("it has room");
    assert!(followed.current().is_some());
    world.crash("b");
    assert!(followed.changed().await.is_none(), "it goes with its node");
    until_free(world, "c", "leader").await;
    c.cluster().register("leader", &second).await.expect("it is free again");
    let held = followed.held().await.expect("a runs");
    assert_eq!(ask_who(&held).await, "second");
    second.stop();
    assert!(followed.changed().await.is_none(), "it goes with its actor");
    world.restart("b");
    world.all_joined(&NAMES, 20 * SECOND).await.expect("b comes back");
    until_free(world, "b", "leader").await;
    let third = node(world, "b").spawn(worker("third")).await.expect("it starts");
    node(world, "b").cluster().register("leader", &third).await.expect("it is free");
    assert_eq!(ask_who(&followed.held().await.expect("a runs")).await, "third");
}

#[odeon_sim::test(seeds = 0..20, link = frames)]
async fn of_those_who_register_a_name_at_once_one_succeeds(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    cluster(world, &NAMES, 0).await;
    for round in 0..10 {
        let name = format!("leader {round}");
        let results = Rc::new(RefCell::new(Vec::new()));
        let mut racing = Vec::new();
        for at in NAMES {
            let (node, name, results) = (node(world, at), name.clone(), Rc::clone(&results));
            racing.push(tokio::task::spawn_local(async move {
                let worker = node.spawn(worker(at)).await.expect("it starts");
                let registered = node.cluster().register(&name, &worker).await;
                results.borrow_mut().push((at, registered));
            }));
        }
        for one in racing {
            one.await.expect("it does not panic");
        }
        let results = results.take();
        let won = results.iter().filter(|(_, result)| result.is_ok()).collect::<Vec<_>>();
        assert_eq!(won.len(), 1, "{results:?}");
        let winner = won[0].0;
        let sees = |at: &&str| {
            let found = node(world, at).cluster().lookup::<Worker>(&name);
            found.is_ok_and(|found| found.is_some())
        };
        world.run_until(|| NAMES.iter().all(sees), 10 * SECOND).await.expect("all know it");
        for at in NAMES {
            let found = node(world, at).cluster().lookup::<Worker>(&name).expect("of that type");
            assert_eq!(ask_who(&found.expect("all know it")).await, winner);
        }
    }
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn after_a_partition_the_older_registration_holds(world: &mut World) {
    cluster(world, &NAMES, 0).await;
    world.partition(&["c"], &["a", "b"]);
    let apart = |world: &World| {
        node(world, "c").members_now().is_empty() && node(world, "a").members_now().len() == 1
    };
    world.run_until(|| apart(world), 60 * SECOND).await.expect("they see each other no more");
    let (a, c) = (node(world, "a"), node(world, "c"));
    let older = c.spawn(worker("older")).await.expect("it starts");
    c.cluster().register("leader", &older).await.expect("nobody else is seen");
    world.run_for(SECOND).await;
    let younger = a.spawn(worker("younger")).await.expect("it starts");
    a.cluster().register("leader", &younger).await.expect("nobody else is seen");
    world.heal();
    world.all_joined(&NAMES, 120 * SECOND).await.expect("they find each other again");
    let older_holds = |at: &&str| {
        let found = node(world, at).cluster().lookup::<Worker>("leader");
        let life = node(world, "c").incarnation();
        let holds = |it: &ActorRef<Worker>| match it.address() {
            Ok(address) => address.node == c.id() && address.incarnation == life,
            Err(_) => false,
        };
        found.is_ok_and(|found| found.is_some_and(|found| holds(&found)))
    };
    world.run_until(|| NAMES.iter().all(older_holds), 60 * SECOND).await.expect("all agree");
    for at in NAMES {
        let found = node(world, at).cluster().lookup::<Worker>("leader").expect("of that type");
        assert_eq!(ask_who(&found.expect("all know it")).await, "older");
    }
    // The one that lost it was stopped.
    assert!(younger.ask(Who).await.is_err());
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_broadcast_reaches_each_member_once(world: &mut World) {
    cluster(world, &NAMES, 3).await;
    all_see(world, &NAMES, 9).await;
    let workers = group(&node(world, "a"));
    for number in 0..200 {
        let broadcast = workers.broadcast(Note { number }).await;
        assert_eq!((broadcast.told, broadcast.failed), (9, Vec::new()));
    }
    for worker in workers.members() {
        let expected = (0..200).collect::<Vec<_>>();
        let mut noted = Vec::new();
        for _ in 0..50 {
            noted = worker.ask(Noted).await.expect("it answers");
            if noted.len() == 200 {
                break;
            }
            // A broadcast has a lane of its own, and an ask no order with it.
            world.run_for(Duration::from_millis(20)).await;
        }
        assert_eq!(noted, expected);
    }
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn members_are_picked_as_the_strategy_says(world: &mut World) {
    cluster(world, &NAMES, 2).await;
    all_see(world, &NAMES, 6).await;
    let workers = group(&node(world, "a"));
    let mut turns = Vec::new();
    for _ in 0..12 {
        turns.push(workers.round_robin().ask(Who).await.expect("it answers"));
    }
    let once = turns[..6].iter().collect::<BTreeSet<_>>();
    assert_eq!((once.len(), &turns[..6]), (6, &turns[6..]));
    for _ in 0..6 {
        let near = workers.prefer_local().ask(Who).await.expect("it answers");
        assert!(near.starts_with("a "), "{near}");
    }
    let mut least = BTreeSet::new();
    for _ in 0..6 {
        least.insert(workers.least_loaded().ask(Who).await.expect("it answers"));
    }
    assert_eq!(least.len(), 6, "idle ones share");
    let mut drawn = BTreeSet::new();
    for _ in 0..100 {
        drawn.insert(workers.random().ask(Who).await.expect("it answers"));
    }
    assert_eq!(drawn.len(), 6);
    for key in 0..10 {
        let mut owners = BTreeSet::new();
        for at in NAMES {
            let keyed = group(&node(world, at)).consistent_hash(&key);
            owners.insert(keyed.ask(Who).await.expect("it answers"));
        }
        assert_eq!(owners.len(), 1, "the same member from everywhere");
    }
    let c = node(world, "c");
    world.crash("c");
    drop(c);
    all_see(world, &["a", "b"], 4).await;
    for _ in 0..8 {
        workers.round_robin().ask(Who).await.expect("those that are left answer");
    }
}

/// Follows a group for as long as its node lives, and keeps what it heard.
fn follow(node: &Node) -> Rc<RefCell<BTreeSet<String>>> {
    let heard = Rc::new(RefCell::new(BTreeSet::new()));
    let (mut changes, kept) = (group(node).changes().expect("it has room"), Rc::clone(&heard));
    tokio::task::spawn_local(async move {
        while let Some(change) = changes.next().await {
            let mut kept = kept.borrow_mut();
            match change {
                GroupChange::Joined(actor) => {
                    let is_new = kept.insert(format!("{:?}", actor.identity()));
                    assert!(is_new, "{actor:?} has joined twice");
                }
                GroupChange::Left(actor) => {
                    let was_there = kept.remove(&format!("{:?}", actor.identity()));
                    assert!(was_there, "{actor:?} has left and was not there");
                }
                _ => {}
            }
        }
    });
    heard
}

#[odeon_sim::test(seeds = 0..20, link = frames)]
async fn all_agree_after_faults(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    let names = ["a", "b", "c", "d"];
    cluster(world, &names, 5).await;
    let heard = follow(&node(world, "a"));
    let random = world.random("faults");
    for _ in 0..12 {
        let at = names[1 + random.below(3) as usize];
        match random.below(4) {
            0 if world.is_up(at) => {
                world.crash(at);
                world.run_for(random.below(4_000) as u32 * Duration::from_millis(1)).await;
                world.restart(at);
            }
            1 => {
                world.partition(&[at], &["a"]);
                world.run_for(random.below(8_000) as u32 * Duration::from_millis(1)).await;
                world.heal();
            }
            // Members that come and go, more than are remembered.
            2 => {
                if let Some(node) = world.runtime_node(at) {
                    for _ in 0..12 {
                        let Ok(worker) = node.spawn(worker("passing")).await else { continue };
                        // The node may be on its way out.
                        let _ = group(&node).join(&worker);
                        worker.stop();
                    }
                }
            }
            _ => world.run_for(SECOND).await,
        }
        world.run_for(random.below(2_000) as u32 * Duration::from_millis(1)).await;
    }
    world.heal();
    world.all_joined(&names, 120 * SECOND).await.expect("they end as one cluster");
    all_see(world, &names, 20).await;
    world.run_for(SECOND).await;
    let expected = group(&node(world, "a")).members();
    let expected = expected.iter().map(|it| format!("{:?}", it.identity()));
    assert_eq!(*heard.borrow(), expected.collect::<BTreeSet<_>>());
    for worker in group(&node(world, "a")).members() {
        ask_who(&worker).await;
    }
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn who_joins_late_is_told_all_and_who_leaves_is_forgotten_first(world: &mut World) {
    cluster(world, &["a", "b"], 30).await;
    all_see(world, &["a", "b"], 60).await;
    cluster(world, &["c"], 1).await;
    all_see(world, &NAMES, 61).await;
    let a = node(world, "a");
    let mut members = a.members();
    let b = node(world, "b");
    let stop = tokio::task::spawn_local(async move { b.stop(5 * SECOND).await });
    let left = async {
        loop {
            match members.next().await {
                Some(odeon::MemberEvent::Down { member, .. }) => return member.name,
                Some(_) => {}
                None => panic!("a has ended"),
            }
        }
    };
    assert_eq!(left.await, "b");
    // Before its goodbye, and not because of it.
    assert_eq!(group(&a).len(), 31);
    stop.await.expect("it stops");
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn a_name_or_group_of_another_type_is_an_error(world: &mut World) {
    #[derive(Clone)]
    struct Other;

    #[actor(id = "roster/Other", handles())]
    impl Actor for Other {
        type Args = Self;

        async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
            Ok(args)
        }
    }

    let setup = |builder: NodeBuilder| setup(builder).actor::<Other>();
    for name in ["a", "b"] {
        world.start_member(name, setup, async |_| ());
    }
    world.all_joined(&["a", "b"], 20 * SECOND).await.expect("they find each other");
    let (a, b) = (node(world, "a"), node(world, "b"));
    let worker = a.spawn(worker("one")).await.expect("it starts");
    a.cluster().register("leader", &worker).await.expect("it is free");
    group(&a).join(&worker).expect("it has room");
    let wrong = b.cluster().lookup::<Other>("leader").expect_err("of another type");
    assert!(wrong.to_string().contains("leader on a is an actor of another type"), "{wrong}");
    all_see(world, &["b"], 1).await;
    let others = b.cluster().group::<Other>("workers").expect("it has room");
    let other = b.spawn(Other).await.expect("it starts");
    let wrong = others.join(&other).expect_err("of another type");
    assert_eq!(wrong, RegisterError::OtherType { name: "workers".into(), node: "a".into() });
    assert!(others.is_empty());
}

fn frames_to(node: &Node, name: &str) -> u64 {
    let metrics = node.network_metrics();
    let lanes = metrics.of(name).map(|peer| peer.lanes.clone()).unwrap_or_default();
    lanes.iter().map(|lane| lane.stream.frames_sent).sum()
}

/// It was told everything five times a second, for ever, and nobody said so.
#[odeon_sim::test(seeds = 0..5, link = frames)]
async fn who_takes_fewer_entries_is_not_told_them_again_and_again(world: &mut World) {
    world.start_member("a", setup, async |_| ());
    let small = |builder: NodeBuilder| {
        let mut roster = RosterConfig::default();
        roster.entries_max = 2;
        builder.actor::<Worker>().roster(roster)
    };
    world.start_member("b", small, async |_| ());
    world.all_joined(&["a", "b"], 20 * SECOND).await.expect("they find each other");
    let (a, mut kept) = (node(world, "a"), Vec::new());
    for number in 0..5 {
        let worker = a.spawn(worker(&number.to_string())).await.expect("it starts");
        group(&a).join(&worker).expect("there is room");
        kept.push(worker);
    }
    world.run_for(120 * SECOND).await;
    let before = frames_to(&a, "b");
    world.run_for(60 * SECOND).await;
    // A page of four, and the next; the registrar's and the membership's own are few.
    let sent = frames_to(&a, "b") - before;
    assert!(sent < 60, "{sent} frames in a minute");
    assert_eq!(group(&node(world, "b")).len(), 2, "as far as it goes");
}

#[odeon_sim::test(seeds = 0..5, link = frames)]
async fn a_broadcast_is_one_frame_to_each_node(world: &mut World) {
    cluster(world, &NAMES, 4).await;
    all_see(world, &NAMES, 12).await;
    world.run_for(5 * SECOND).await;
    let a = node(world, "a");
    let before = ["b", "c"].map(|name| frames_to(&a, name));
    let workers = group(&a);
    for number in 0..100 {
        assert_eq!(workers.broadcast(Note { number }).await.told, 12);
    }
    // In one go of the world: nothing else is sent in that time but what a check of the roster takes.
    world.run_for(SECOND / 2).await;
    for (name, before) in ["b", "c"].iter().zip(before) {
        let sent = frames_to(&a, name) - before;
        assert!(
            (100..110).contains(&sent),
            "{sent} frames to {name} for 100 messages to 4 members"
        );
    }
}
