//! A node that is held, and a link that is cut, on either link: what was sent meanwhile arrives late, and nothing fails.

use std::{cell::Cell, rc::Rc, time::Duration};

use odeon::{Node, NodeBuilder};
use odeon_sim::World;

use crate::counter::{Counter, Next, counting};

const SECOND: Duration = Duration::from_secs(1);

/// Asks one after the other; the number of the last answer is kept where the scenario sees it.
async fn count(node: Node, answers: Rc<Cell<u64>>) -> Result<(), String> {
    let mut name = node.on("b").follow::<Counter>("counter").await.map_err(|e| e.to_string())?;
    let counter = name.held().await.ok_or("nobody holds the name")?;
    loop {
        let answer = counter.ask(Next).await.map_err(|error| error.to_string())?;
        answers.set(answer + 1);
        tokio::time::sleep(SECOND / 100).await;
    }
}

/// Two nodes, one of which asks the other and fails the seed when an ask fails.
async fn two(world: &mut World) -> Rc<Cell<u64>> {
    let answers: Rc<Cell<u64>> = Rc::default();
    world.start_member("b", NodeBuilder::actor::<Counter>, counting);
    let kept = Rc::clone(&answers);
    world.start_member("a", NodeBuilder::actor::<Counter>, move |node| {
        count(node, Rc::clone(&kept))
    });
    let began = Rc::clone(&answers);
    world.run_until(move || began.get() > 10, 20 * SECOND).await.expect("asks are answered");
    answers
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn asks_of_a_held_node_are_answered_when_it_goes_on(world: &mut World) {
    let answers = two(world).await;
    world.pause("b");
    world.run_for(SECOND / 10).await;
    let held = answers.get();
    world.run_for(SECOND / 2).await;
    assert_eq!(answers.get(), held, "a held node answers nothing");
    world.resume("b");
    world.run_for(3 * SECOND).await;
    assert!(answers.get() > held + 20, "{} answers", answers.get());
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn asks_over_a_link_that_was_cut_for_a_moment_are_answered(world: &mut World) {
    let answers = two(world).await;
    world.partition(&["a"], &["b"]);
    world.run_for(SECOND / 10).await;
    let cut = answers.get();
    world.run_for(SECOND / 2).await;
    assert_eq!(answers.get(), cut, "nothing crosses a cut");
    world.heal();
    world.run_for(4 * SECOND).await;
    assert!(answers.get() > cut + 20, "{} answers", answers.get());
}
