//! Actors of several nodes that wait for each other: circles are told, with names, and nothing else is called one.

mod knots;
mod script;

use std::{future::poll_fn, task::Poll, time::Duration};

use odeon::{Certainty, SystemConfig};
use odeon_sim::{Latency, LinkRule, World};

use knots::{SECOND, go, knots, knots_with, only};
use script::deeds;

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn two_nodes_that_ask_each_other_in_turn_are_told(world: &mut World) {
    let book = knots(world, 2).await;
    let took = go(world, &book, 0, "1(0(.))").await;
    let (_, told) = only(&book);
    assert!(took < SECOND, "{took:?}");
    let Some((_, certainty, detail)) = told.failure else { return };
    assert_eq!(certainty, Certainty::MayHaveRun, "it is on another node");
    assert_eq!(detail.matches("circles/Knot").count(), 3, "{detail}");
    assert_eq!(
        (detail.matches(" on a").count(), detail.matches(" on b").count() % 3),
        (1 + usize::from(told.from == 0), 1 + usize::from(told.from == 1))
    );
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_chain_over_three_nodes_that_comes_back_is_told(world: &mut World) {
    let book = knots(world, 3).await;
    let took = go(world, &book, 0, "1(2(0(.)))").await;
    only(&book);
    assert!(took < SECOND, "{took:?}");
}

/// Each ask waits in the mailbox of an actor that asks the other.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn of_two_that_ask_each_other_across_nodes_one_is_told(world: &mut World) {
    let book = knots(world, 2).await;
    let ways = (go(world, &book, 0, "10:1(.)"), go(world, &book, 1, "10:0(.)"));
    let (one, other) = tokio::join!(ways.0, ways.1);
    only(&book);
    assert!(one.max(other) < SECOND, "{one:?} {other:?}");
    let waits = book.waits();
    assert_eq!(waits.iter().filter(|wait| wait.failure.is_none()).count(), 1, "one is served");
}

/// From a to b, on b to another actor, back to a, and there to the first.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_circle_that_is_partly_on_one_node_is_told(world: &mut World) {
    let book = knots(world, 5).await;
    let took = go(world, &book, 0, "1(4(3(0(.))))").await;
    let (_, told) = only(&book);
    let detail = told.failure.expect("it is there").2;
    assert_eq!(detail.matches(" -> ").count(), 4, "{detail}");
    // The ask that closed it was on one node, and probes of others found it.
    assert!(took < 2 * SECOND, "{took:?}");
}

/// Only one of several answers that a handler waits for is in a circle.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_handler_that_waits_for_several_nodes_is_in_the_circle_of_one(world: &mut World) {
    let book = knots(world, 6).await;
    let took = go(world, &book, 0, "[3(300:.) 5(200:.) 1([2(10:0(.)) 4(50:.)])]").await;
    only(&book);
    assert!(took < SECOND, "{took:?}");
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn whoever_only_takes_long_is_not_told(world: &mut World) {
    let book = knots(world, 9).await;
    // A chain over six, a diamond, and an actor that is asked again and again while it waits.
    let chain = go(world, &book, 0, "1(2(3(4(5(20000:.)))))");
    let diamond = go(world, &book, 6, "[7(2(.)) 8(4(.))]");
    let waits = go(world, &book, 8, "100:0(.) 1(.) 7(.)");
    let (chain, _, _) = tokio::join!(chain, diamond, waits);
    assert!(chain > 20 * SECOND);
    let waits = book.waits();
    assert!(waits.iter().all(|wait| wait.failure.is_none()), "{waits:?}");
}

/// The answer comes from a task, whatever the asked actor waits for meanwhile.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn an_answer_that_was_deferred_is_waited_for(world: &mut World) {
    let book = knots(world, 2).await;
    let later = go(world, &book, 0, "1(later 3000)");
    let then = async {
        world.run_for(SECOND / 2).await;
        go(world, &book, 1, "0(.)").await
    };
    let (later, then) = tokio::join!(later, then);
    assert!(later >= 3 * SECOND && then > 2 * SECOND, "{later:?} {then:?}");
    assert!(book.deadlocks().is_empty(), "{:?}", book.deadlocks());
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn a_circle_that_nobody_looks_for_is_left_to_its_deadline(world: &mut World) {
    let mut config = SystemConfig::default();
    config.probe_after = Duration::MAX;
    let book = knots_with(world, 2, config).await;
    let took = go(world, &book, 0, "1(0?3000(.))").await;
    assert!(took >= 3 * SECOND, "{took:?}");
    let waits = book.waits();
    let failed = waits.iter().filter_map(|wait| wait.failure.as_ref().map(|failed| failed.0));
    assert_eq!(failed.collect::<Vec<_>>(), ["deadline"]);
}

/// Whoever gives up opens the circle, and is told nothing else.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn an_ask_that_gives_up_before_it_is_looked_at_opens_the_circle(world: &mut World) {
    let book = knots(world, 2).await;
    let took = go(world, &book, 0, "1?90(0?50(.))").await;
    assert!(took < SECOND, "{took:?}");
    assert!(book.deadlocks().is_empty(), "{:?}", book.deadlocks());
}

/// Whatever nine actors of three nodes do to each other on a bad network, each circle that is told was one, and none is
/// left: all of it comes to its end long before the deadlines.
#[odeon_sim::test(seeds = 0..40, link = both)]
async fn many_actors_of_three_nodes_come_to_rest(world: &mut World) {
    let rule = if world.seed().is_multiple_of(3) { LinkRule::lan() } else { LinkRule::rough() };
    let book = knots(world, 9).await;
    world.set_default_link(rule);
    let mut random = world.random("work");
    let mut work = Vec::new();
    for _ in 0..24 {
        let at = random.below(9) as usize;
        work.push((at, deeds(&mut random, 3)));
    }
    let all = work.iter().map(|(at, deeds)| go(world, &book, *at, deeds));
    let mut all = all.map(Box::pin).collect::<Vec<_>>();
    let mut longest = Duration::ZERO;
    poll_fn(|cx| {
        all.retain_mut(|one| match one.as_mut().poll(cx) {
            Poll::Ready(took) => {
                longest = longest.max(took);
                false
            }
            Poll::Pending => true,
        });
        if all.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    assert!(longest < 30 * SECOND, "it hung: {longest:?}");
    book.assert_circles();
    let waits = book.waits();
    let told = waits.iter().filter(|wait| wait.failure.is_some());
    for wait in told {
        let kind = wait.failure.as_ref().map(|told| told.0);
        assert!(matches!(kind, Some("deadlock" | "deadline")), "{wait:?}");
    }
}

/// A probe of the first wait comes late to the third, when the second was given up and the third had just begun: each wait
/// was seen, but there was no moment with all of them.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn waits_that_were_never_there_together_are_no_circle(world: &mut World) {
    let book = knots(world, 3).await;
    let third = go(world, &book, 2, "450:0(.)");
    let first = async {
        world.run_for(SECOND / 200).await;
        go(world, &book, 0, "1(2?400(.) 2600:.)").await
    };
    let slow = async {
        // The second ask has arrived by then; its cancel, and the probe before it, take their time.
        world.run_for(SECOND / 20).await;
        let latency = Latency::Constant(4 * SECOND / 10);
        world.set_link_one_way("b", "c", LinkRule { latency, ..LinkRule::lan() });
    };
    tokio::join!(third, first, slow);
    assert!(book.deadlocks().is_empty(), "{:?}", book.deadlocks());
}

/// Whoever restarts has other waits; those that were lost with it are no part of a circle.
#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_circle_over_a_node_that_crashes_is_open(world: &mut World) {
    let book = knots(world, 3).await;
    let chain = go(world, &book, 0, "1(2(300:0(.)))");
    let crash = async {
        world.run_for(SECOND / 10).await;
        world.crash("c");
    };
    let (took, ()) = tokio::join!(chain, crash);
    assert!(took < 5 * SECOND, "{took:?}");
    assert!(book.deadlocks().is_empty(), "{:?}", book.deadlocks());
    let waits = book.waits();
    assert!(waits.iter().any(|wait| wait.failure.is_some()), "{waits:?}");
}

/// Probes are lost with what they are sent over, and come again.
#[odeon_sim::test(seeds = 0..20, link = both)]
async fn a_circle_on_a_bad_network_is_told(world: &mut World) {
    let book = knots(world, 3).await;
    world.set_default_link(LinkRule { loss: 0.1, ..LinkRule::rough() });
    let took = go(world, &book, 0, "1(2(0(.)))").await;
    book.assert_circles();
    assert!(took < 10 * SECOND, "{took:?}");
    let waits = book.waits();
    assert_eq!(waits.iter().filter(|wait| wait.failure.is_some()).count(), 1, "{waits:?}");
}
