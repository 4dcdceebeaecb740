//! What nodes know of each other: who is there, in which life, what each says of itself, and every change of it.

use std::{collections::BTreeMap, time::Duration};

use odeon::{DownReason, Member, MemberEvent, Members, Node, NodeBuilder, Profile};
use odeon_sim::{LinkRule, World};

use crate::nodes::node;

const SECOND: Duration = Duration::from_secs(1);
const THREE: [&str; 3] = ["a", "b", "c"];
const TEN: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

fn profile(name: &str) -> Profile {
    Profile {
        zone: format!("zone-{name}"),
        roles: vec!["web".to_owned(), format!("role-{name}")],
        version: "1.2.3".to_owned(),
        load: 100,
    }
}

async fn cluster(world: &mut World, names: &[&'static str]) {
    for name in names.iter().copied() {
        let setup = move |node: NodeBuilder| node.profile(profile(name));
        world.start_member(name, setup, async |_| ());
    }
    world.all_joined(names, 30 * SECOND).await.expect("they find each other");
}

fn member(world: &World, at: &str, name: &str) -> Option<Member> {
    node(world, at).members_now().into_iter().find(|member| member.name == name)
}

/// Waits until each of these sees that profile of a node.
async fn all_see(world: &World, names: &[&str], of: &str, profile: &Profile, max: Duration) {
    let sees = |at: &&str| {
        *at == of || member(world, at, of).is_some_and(|member| *member.profile == *profile)
    };
    let done = world.run_until(|| names.iter().all(sees), max).await;
    done.unwrap_or_else(|_| panic!("not all see {profile:?} of {of}"));
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn all_know_what_each_says_of_itself(world: &mut World) {
    cluster(world, &THREE).await;
    for name in THREE {
        all_see(world, &THREE, name, &profile(name), 2 * SECOND).await;
    }
    let said = Profile { load: 700, ..profile("b") };
    node(world, "b").describe(said.clone()).expect("it can travel");
    assert_eq!(node(world, "b").profile(), said);
    all_see(world, &THREE, "b", &said, 2 * SECOND).await;
    let bad = Profile { zone: "\n".to_owned(), ..said.clone() };
    node(world, "b").describe(bad).expect_err("it cannot");
    assert_eq!(node(world, "b").profile(), said);
}

#[odeon_sim::test(seeds = 0..5, link = frames)]
async fn ten_know_it_on_a_bad_day_and_the_restarted_too(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    cluster(world, &TEN).await;
    for name in TEN {
        all_see(world, &TEN, name, &profile(name), 10 * SECOND).await;
    }
    for load in [1, 2, 3, 4] {
        node(world, "d").describe(Profile { load, ..profile("d") }).expect("it can travel");
        world.run_for(SECOND / 2).await;
    }
    all_see(world, &TEN, "d", &Profile { load: 4, ..profile("d") }, 10 * SECOND).await;
    let life = node(world, "e").incarnation();
    world.crash("e");
    world.restart("e");
    let lives_anew = || world.runtime_node("e").is_some_and(|node| node.incarnation() > life);
    world.run_until(lives_anew, SECOND).await.expect("it starts");
    node(world, "e").describe(Profile { load: 9, ..profile("e") }).expect("it can travel");
    world.all_joined(&TEN, 30 * SECOND).await.expect("it is back");
    all_see(world, &TEN, "e", &Profile { load: 9, ..profile("e") }, 10 * SECOND).await;
    for name in TEN.into_iter().filter(|name| *name != "e") {
        let load = if name == "d" { 4 } else { 100 };
        all_see(world, &["e"], name, &Profile { load, ..profile(name) }, 10 * SECOND).await;
    }
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn what_was_said_during_a_partition_is_known_after_it(world: &mut World) {
    cluster(world, &THREE).await;
    world.partition(&["c"], &["a", "b"]);
    world.run_for(SECOND).await;
    let said = Profile { load: 500, ..profile("c") };
    node(world, "c").describe(said.clone()).expect("it can travel");
    world.run_for(SECOND / 2).await;
    world.heal();
    world.all_joined(&THREE, 60 * SECOND).await.expect("they find each other again");
    all_see(world, &THREE, "c", &said, 10 * SECOND).await;
}

/// A view of the members that is built from events alone.
#[derive(Default)]
struct View {
    members: BTreeMap<String, Member>,
    changes: usize,
}

impl View {
    fn take(&mut self, event: MemberEvent) {
        match event {
            MemberEvent::Up(member) => {
                let before = self.members.insert(member.name.clone(), member);
                assert_eq!(before, None, "a member is up twice without going down");
            }
            MemberEvent::Changed(member) => {
                self.changes += 1;
                let before = self.members.insert(member.name.clone(), member.clone());
                let before = before.expect("a change is of a member that is up");
                assert!(before.is_same_life(&member) && before != member, "{before:?} {member:?}");
            }
            MemberEvent::Down { member, .. } => {
                let before = self.members.remove(&member.name).expect("it was up");
                assert!(before.is_same_life(&member));
            }
            _ => {}
        }
    }

    /// Takes all events there are.
    async fn catch_up(&mut self, members: &mut Members) {
        while let Ok(Some(event)) = tokio::time::timeout(Duration::ZERO, members.next()).await {
            self.take(event);
        }
    }

    fn assert_is(&self, node: &Node) {
        let seen: Vec<&Member> = self.members.values().collect();
        let mut now = node.members_now();
        now.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(seen, now.iter().collect::<Vec<_>>());
    }
}

/// A subscription that is read now and then, one that is read at the end, and the snapshot: all agree, whatever happened.
#[odeon_sim::test(seeds = 0..10, link = frames)]
async fn events_have_no_gap_and_lead_to_what_is(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    cluster(world, &THREE).await;
    let watcher = node(world, "a");
    let (mut often, mut late) = (watcher.members(), watcher.members());
    let (mut view, mut late_view) = (View::default(), View::default());
    for round in 0..40_u16 {
        match round % 10 {
            3 => world.crash("b"),
            5 => world.restart("b"),
            7 => world.partition(&["c"], &["a", "b"]),
            9 => world.heal(),
            _ => {
                if let Some(node) = world.runtime_node("c") {
                    let said = Profile { load: round, ..profile("c") };
                    node.describe(said).expect("it can travel");
                }
            }
        }
        world.run_for(2 * SECOND).await;
        view.catch_up(&mut often).await;
        view.assert_is(&watcher);
    }
    late_view.catch_up(&mut late).await;
    late_view.assert_is(&watcher);
    assert!(view.changes > 5, "{}", view.changes);
}

/// Links come and go faster than a suspicion lasts: nobody dies of it.
#[odeon_sim::test(seeds = 0..5, link = frames)]
async fn flapping_links_kill_nobody(world: &mut World) {
    let five = ["a", "b", "c", "d", "e"];
    cluster(world, &five).await;
    world.run_for(2 * SECOND).await;
    let mut members = node(world, "a").members();
    let mut view = View::default();
    view.catch_up(&mut members).await;
    for other in ["a", "b", "c", "d"] {
        world.flap("e", other, SECOND / 2, 0.5).expect("a link can flap so");
        world.flap(other, "e", SECOND / 2, 0.5).expect("a link can flap so");
    }
    world.run_for(30 * SECOND).await;
    while let Ok(Some(event)) = tokio::time::timeout(Duration::ZERO, members.next()).await {
        assert!(!matches!(event, MemberEvent::Down { .. }), "{event:?}");
    }
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn a_node_that_stops_says_first_that_it_will_leave(world: &mut World) {
    cluster(world, &THREE).await;
    world.run_for(2 * SECOND).await;
    let mut members = node(world, "a").members();
    let mut view = View::default();
    view.catch_up(&mut members).await;
    let b = node(world, "b");
    b.spawn_with::<slow::Slow>(()).await.expect("it starts");
    b.stop(5 * SECOND).await;
    let mut leaving = false;
    loop {
        let event = tokio::time::timeout(10 * SECOND, members.next()).await;
        match event.expect("in time").expect("a lives") {
            MemberEvent::Changed(member) if member.name == "b" => leaving |= member.leaving,
            MemberEvent::Down { member, reason } => {
                assert_eq!((member.name.as_str(), reason), ("b", DownReason::Left));
                assert!(leaving && member.leaving, "it was not said before");
                return;
            }
            _ => {}
        }
    }
}

mod slow {
    //! An actor that takes a while to stop, as real ones do.

    use std::time::Duration;

    use odeon::{Actor, Context, ExitReason, StartError};

    pub(super) struct Slow;

    impl Actor for Slow {
        type Args = ();

        async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
            Ok(Self)
        }

        async fn stopped(&mut self, _: &ExitReason, _: &mut Context<Self>) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}
