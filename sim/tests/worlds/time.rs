//! Time of one host: its wall clock is skewed, jumps and drifts, its timers are late; all others' are not.
#![expect(
    clippy::disallowed_methods,
    reason = "user code may read the clocks of std; they show what the host's clocks show"
)]

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};

use odeon_env::Env as _;
use odeon_sim::{DRIFT_PPM_MAX, SLOWNESS_MAX, World};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn two(world: &mut World) {
    world.node("a", |_| std::future::pending::<()>());
    world.node("b", |_| std::future::pending::<()>());
}

/// What the wall clock of a node shows, by both ways to it.
async fn shown(world: &World, name: &str) -> SystemTime {
    let by_env = world.env(name).expect("it is up").wall_clock();
    let by_std = world.run_on(name, async { SystemTime::now() }).await.expect("it is up");
    assert_eq!(by_env, by_std);
    by_std
}

#[odeon_sim::test(seeds = 1)]
async fn a_clock_jumps_ahead_and_back(world: &mut World) {
    two(world);
    let before = shown(world, "a").await;
    world.jump_clock("a", 3_600_000_000_000);
    assert_eq!(shown(world, "a").await, before + 3600 * SECOND);
    world.jump_clock("a", -7_200_000_000_000);
    assert_eq!(shown(world, "a").await, before - 3600 * SECOND);
    assert_eq!(shown(world, "b").await, before);
    assert_eq!(world.skew_ns("a"), -3_600_000_000_000);
    world.jump_clock("a", i64::MIN);
    assert_eq!(shown(world, "a").await, SystemTime::UNIX_EPOCH, "no time before 1970");
    world.set_skew_ns("a", 0);
    assert_eq!(shown(world, "a").await, before);
}

#[odeon_sim::test(seeds = 1)]
async fn a_clock_drifts_over_restarts_until_it_is_told_not_to(world: &mut World) {
    two(world);
    world.set_drift("a", 200);
    world.run_for(10 * SECOND).await;
    assert_eq!(world.skew_ns("a"), 2_000_000);
    world.restart("a");
    world.run_for(10 * SECOND).await;
    assert_eq!(shown(world, "a").await, shown(world, "b").await + 4 * MS);
    world.set_drift("a", -400);
    world.run_for(20 * SECOND).await;
    assert_eq!(shown(world, "a").await, shown(world, "b").await - 4 * MS);
    world.set_drift("a", 0);
    world.run_for(20 * SECOND).await;
    assert_eq!(world.skew_ns("a"), -4_000_000);
}

#[odeon_sim::test(seeds = 1)]
async fn monotonic_clocks_and_timers_neither_jump_nor_drift(world: &mut World) {
    world.node("a", |env| async move {
        let (begin, tokio_begin) = (Instant::now(), tokio::time::Instant::now());
        let mut last = begin;
        for _ in 0..100 {
            tokio::time::sleep(10 * MS).await;
            let now = Instant::now();
            assert!(now >= last);
            last = now;
        }
        assert_eq!((last - begin, tokio_begin.elapsed()), (SECOND, SECOND));
        env.note("slept", "a second");
    });
    world.set_drift("a", DRIFT_PPM_MAX);
    world.run_for(500 * MS).await;
    world.jump_clock("a", -1_000_000_000_000);
    world.run_for(501 * MS).await;
    assert!(!world.is_up("a"), "it has slept its second");
}

#[odeon_sim::test(seeds = 1, fails = "a drift of 500001 ppm: use -500000 to 500000")]
async fn a_drift_beyond_the_bound_is_refused(world: &mut World) {
    two(world);
    world.set_drift("a", DRIFT_PPM_MAX + 1);
}

#[odeon_sim::test(seeds = 1, fails = "a node 0 times slower: use 1 to 10000")]
async fn a_speed_of_nothing_is_refused(world: &mut World) {
    two(world);
    world.slow("a", SLOWNESS_MAX);
    world.slow("a", 0);
}

/// Starts a node that notes when each of its timers of 10 ms fires.
fn ticking(world: &mut World, name: &str) -> Rc<RefCell<Vec<Duration>>> {
    let ticks: Rc<RefCell<Vec<Duration>>> = Rc::default();
    let told = Rc::clone(&ticks);
    world.node(name, move |env| {
        let told = Rc::clone(&told);
        async move {
            loop {
                tokio::time::sleep(10 * MS).await;
                told.borrow_mut().push(env.now());
            }
        }
    });
    ticks
}

#[odeon_sim::test(seeds = 0..20)]
async fn timers_of_a_slow_node_are_late_and_come_more_rarely(world: &mut World) {
    let (slow, quick) = (ticking(world, "slow"), ticking(world, "quick"));
    world.slow("slow", 21);
    world.run_for(10 * SECOND).await;
    let (few, all) = (slow.borrow().len(), quick.borrow().len());
    assert!(all >= 900, "{all} ticks of a node that is not slow");
    // 10 ms, and a turn that is 20 ms late on average.
    assert!((250..=420).contains(&few), "{few} ticks of a slow node");
    world.slow("slow", 1);
    slow.borrow_mut().clear();
    world.run_for(SECOND).await;
    assert!(slow.borrow().len() >= 90, "full speed again");
}

#[odeon_sim::test(seeds = 0..10)]
async fn a_slow_member_is_no_dead_member(world: &mut World) {
    for name in ["a", "b", "c"] {
        world.start_member(name, |node| node, async |_| ());
    }
    world.all_joined(&["a", "b", "c"], 10 * SECOND).await.expect("they find each other");
    world.slow("b", 10);
    world.jump_clock("c", 80_000_000_000_000);
    world.set_drift("a", -1000);
    world.run_for(30 * SECOND).await;
    world.all_joined(&["a", "b", "c"], SECOND).await.expect("nobody was given up");
}

#[odeon_sim::test(seeds = 0..3)]
async fn each_life_of_a_slow_node_is_slow_in_its_own_way(world: &mut World) {
    let lives: Rc<RefCell<Vec<Vec<Duration>>>> = Rc::default();
    let told = Rc::clone(&lives);
    world.node("a", move |env| {
        let told = Rc::clone(&told);
        told.borrow_mut().push(Vec::new());
        async move {
            loop {
                let begun = env.now();
                tokio::time::sleep(MS).await;
                let took = env.now() - begun;
                told.borrow_mut().last_mut().expect("one life").push(took);
            }
        }
    });
    world.slow("a", 50);
    world.run_for(5 * SECOND).await;
    world.restart("a");
    world.run_for(5 * SECOND).await;
    let lives = lives.borrow();
    assert_eq!(lives.len(), 2);
    assert!(lives.iter().all(|life| life.len() > 20), "{lives:?}");
    assert_ne!(lives[0][1..20], lives[1][1..20]);
}
