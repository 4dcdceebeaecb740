//! Actors that wait for each other: circles are told, with names, and nothing else is called one.

mod knots;

use std::{
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use odeon_message::{Certainty, FailureKind};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use tokio::time::Instant;

use crate::{
    fixture::{Threads, in_world, on_one_thread, system_of},
    odeon::{ActorSystem, SpawnOptions, SystemConfig},
    seeded::Seeded,
};
use knots::{
    DAY,
    Deed::{self, All, Ask, Later as AskLater, Look, Panic, Pause, Seq, Tell, Try},
    Doing, Go, HOUR, Pipe, See, go, knots, knots_with, together, way,
};

/// One after the other on one worker, and spread over three.
fn on_one_and_on_three<F: Future<Output = ()>>(test: impl Fn(ActorSystem) -> F) {
    on_one_thread(1, &test);
    on_one_thread(3, &test);
}

#[test]
fn a_chain_that_comes_back_ends_at_its_last_ask() {
    on_one_and_on_three(|system| async move {
        for long in 1..=4 {
            let book = knots(&system, long).await;
            let last = vec![Ask(0, vec![])];
            let chain = (1..long).rev().fold(last, |deeds, at| vec![Ask(at, deeds)]);
            // On three workers they look in the order in which these are polled.
            let chain = [Pause(1)].into_iter().chain(chain).collect();
            go(&book, 0, chain).await.unwrap();
            let note = book.only_deadlock();
            assert_eq!((note.from, note.to), (long - 1, 0));
            assert_eq!(note.failure.certainty, Certainty::NotDelivered);
            let circle = [long - 1].into_iter().chain(0..long).collect::<Vec<_>>();
            assert!(note.failure.detail.starts_with(&way(&book, &circle)), "{}", note.failure);
            assert_eq!(book.runs.lock().unwrap().len(), long, "what was withdrawn never runs");
        }
    });
}

#[test]
fn of_two_that_ask_each_other_one_is_told() {
    on_one_and_on_three(|system| async move {
        let book = knots(&system, 2).await;
        // Both are busy before either asks.
        let (here, there) = (vec![Pause(1), Ask(1, vec![])], vec![Pause(1), Ask(0, vec![])]);
        let (one, other) = tokio::join!(go(&book, 0, here), go(&book, 1, there));
        assert_eq!((one, other), (Ok(()), Ok(())));
        book.only_deadlock();
        assert_eq!(book.runs.lock().unwrap().len(), 3, "the other's ask is answered");
    });
}

#[test]
fn of_two_that_ask_each_other_on_two_threads_one_is_told() {
    let threads = Threads::new(2);
    threads.block_on(async {
        let book = knots(&threads.system, 2).await;
        for round in 1..=200 {
            let (here, there) = (vec![Ask(1, vec![])], vec![Ask(0, vec![])]);
            let (one, other) = tokio::join!(go(&book, 0, here), go(&book, 1, there));
            assert_eq!((one, other), (Ok(()), Ok(())));
            // They may also have missed each other.
            let found = book.deadlocks().len();
            assert!(found <= round, "{found} of {round}");
        }
    });
    threads.end();
}

#[test]
fn a_handler_that_waits_for_several_is_in_the_circle_of_one() {
    on_one_and_on_three(|system| async move {
        let book = knots(&system, 3).await;
        let both = All(vec![Ask(2, vec![Pause(50)]), Ask(1, vec![Pause(10), Ask(0, vec![])])]);
        let both = vec![Pause(1), both];
        go(&book, 0, both).await.unwrap();
        let note = book.only_deadlock();
        assert_eq!((note.from, note.to), (1, 0));
        // All members of a join may be in the same circle.
        let same = vec![Pause(1), All(vec![Ask(1, vec![Ask(0, vec![])]), Ask(1, vec![])])];
        go(&book, 0, same).await.unwrap();
        assert_eq!(book.deadlocks().len(), 2);
    });
}

#[test]
fn mailboxes_full_for_each_other_give_a_message_back() {
    on_one_and_on_three(|system| async move {
        let book = knots_with(&system, 2, |_| SpawnOptions::default().mailbox(1)).await;
        let fill = |to| vec![Pause(10), Tell(to, vec![]), Pause(10), Tell(to, vec![])];
        let (one, other) = tokio::join!(go(&book, 0, fill(1)), go(&book, 1, fill(0)));
        assert_eq!((one, other), (Ok(()), Ok(())));
        let note = book.only_deadlock();
        assert_eq!(note.failure.certainty, Certainty::NotDelivered);
        // An ask and a tell in one circle.
        let ask = vec![Pause(10), Ask(0, vec![])];
        let (one, other) = tokio::join!(go(&book, 0, fill(1)), go(&book, 1, ask));
        assert_eq!((one, other), (Ok(()), Ok(())));
        assert_eq!(book.deadlocks().len(), 2);
    });
}

#[test]
fn a_diamond_is_no_circle() {
    on_one_and_on_three(|system| async move {
        let book = knots(&system, 4).await;
        let last = || vec![Ask(3, vec![Pause(10)])];
        go(&book, 0, vec![All(vec![Ask(1, last()), Ask(2, last())])]).await.unwrap();
        assert!(book.notes.lock().unwrap().is_empty());
    });
}

#[test]
fn whoever_is_not_kept_waiting_is_in_no_circle() {
    on_one_and_on_three(|system| async move {
        let book = knots(&system, 2).await;
        // The answer comes from a task, whatever the asked actor waits for.
        let later = go(&book, 0, vec![AskLater(1), Pause(10)]);
        let then = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            go(&book, 1, vec![Ask(0, vec![])]).await
        };
        let (one, other) = tokio::join!(later, then);
        assert_eq!((one, other), (Ok(()), Ok(())));
        // A piped future lets its actor go on: also where it asks that very actor.
        for to in [0, 1] {
            let back = vec![Pause(10), Ask(0, vec![Pause(10)])];
            let back = if to == 0 { vec![Pause(10)] } else { back };
            book.knot(0).ask(Pipe(to, back)).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(book.piped.load(Ordering::SeqCst), 2);
        assert!(book.notes.lock().unwrap().is_empty());
    });
}

#[test]
fn a_branch_that_ended_is_no_circle_any_more() {
    on_one_and_on_three(|system| async move {
        let book = knots(&system, 2).await;
        let busy = vec![Pause(100), Ask(0, vec![])];
        let tries = vec![Pause(1), Try(1, vec![], 20), Pause(20)];
        let (one, other) = tokio::join!(go(&book, 1, busy), go(&book, 0, tries));
        assert_eq!((one, other), (Ok(()), Ok(())));
        assert!(book.notes.lock().unwrap().is_empty());
    });
}

#[test]
fn waits_go_with_their_actor() {
    on_one_and_on_three(|system| async move {
        for how in [true, false] {
            let book = knots(&system, 2).await;
            let busy = book.clone();
            let busy = tokio::task::spawn_local(async move {
                let deeds = vec![Pause(100), Ask(0, vec![])];
                go(&busy, 1, deeds).await
            });
            // It waits for the other when it ends.
            let ends = if how {
                vec![All(vec![Ask(1, vec![]), Seq(vec![Pause(10), Panic])])]
            } else {
                vec![Ask(1, vec![])]
            };
            let ended = tokio::task::spawn_local({
                let book = book.clone();
                async move { go(&book, 0, ends).await }
            });
            tokio::time::sleep(Duration::from_millis(50)).await;
            if !how {
                book.knot(0).kill();
            }
            assert!(ended.await.unwrap().is_err());
            assert_eq!(busy.await.unwrap(), Ok(()));
            let notes = book.notes.lock().unwrap();
            assert_eq!(notes.len(), 1);
            assert_eq!(notes[0].failure.kind, FailureKind::Stopped, "{}", notes[0].failure);
        }
    });
}

#[test]
fn reads_keep_only_others_than_reads_waiting() {
    on_one_and_on_three(|system| async move {
        let book = knots(&system, 2).await;
        let look = |deeds| book.knot(0).ask(See(book.next(), deeds)).within(DAY);
        let began = Instant::now();
        // A read may ask its own actor for another, also by way of a third.
        look(vec![Look(0, vec![Pause(10)])]).await.unwrap();
        look(vec![Pause(10), Ask(1, vec![Pause(10), Look(0, vec![])])]).await.unwrap();
        assert!(book.notes.lock().unwrap().is_empty());
        // What is no read waits for the read.
        look(vec![Ask(0, vec![])]).await.unwrap();
        look(vec![Ask(1, vec![Ask(0, vec![])])]).await.unwrap();
        assert_eq!(book.deadlocks().len(), 2);
        // And so does whoever asked for it.
        go(&book, 1, vec![Look(0, vec![Pause(10), Ask(1, vec![])])]).await.unwrap();
        assert_eq!(book.deadlocks().len(), 3);
        assert!(began.elapsed() < HOUR);
    });
}

/// What twenty knots may do, at most so deep; with pauses, or as fast as they can.
fn deeds(depth: u32, pauses: bool) -> BoxedStrategy<Vec<Deed>> {
    let pause = (0..if pauses { 20_u64 } else { 1 }).prop_map(Pause);
    if depth == 0 {
        return prop::collection::vec(pause, 0..2).boxed();
    }
    let inner = move || (0_usize..20, deeds(depth - 1, pauses));
    let ask = move || inner().prop_map(|(to, deeds)| Ask(to, deeds));
    let tell = inner().prop_map(|(to, deeds)| Tell(to, deeds));
    let short = (inner(), 0_u64..30).prop_map(|((to, deeds), millis)| Try(to, deeds, millis));
    let all = prop::collection::vec(ask(), 2..4).prop_map(All);
    let short_too = u32::from(pauses);
    let one = prop_oneof![4 => ask(), 2 => pause, 2 => tell, 1 => all, short_too => short];
    prop::collection::vec(one, 1..4).boxed()
}

fn work(pauses: bool) -> impl Strategy<Value = Vec<(usize, Vec<Deed>)>> {
    prop::collection::vec((0_usize..20, deeds(3, pauses)), 20..60)
}

#[test]
fn many_actors_on_three_threads_come_to_rest() {
    let mut runner = TestRunner::deterministic();
    let threads = Threads::new(3);
    for _ in 0..30 {
        let work = work(false).new_tree(&mut runner).unwrap().current();
        threads.block_on(async {
            let options = |_| SpawnOptions::default().mailbox(2);
            let book = knots_with(&threads.system, 20, options).await;
            book.threaded.store(true, Ordering::SeqCst);
            let all = work.into_iter().map(|(at, deeds)| -> Doing<'_> {
                let asked = book.knot(at).ask(Go(book.next(), deeds)).within(DAY);
                Box::pin(async move { asked.await.unwrap() })
            });
            let rest = together(all.collect());
            tokio::time::timeout(Duration::from_secs(100), rest).await.expect("it hung");
        });
    }
    threads.end();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever twenty actors do to each other, each circle that is told is one, and none is left: all of it comes to its
    /// end while the deadlines are far away.
    #[test]
    fn many_actors_come_to_rest(
        seed: u64,
        workers in 1_usize..4,
        work in work(true),
    ) {
        in_world(|| async move {
            let env = Arc::new(Seeded::new(seed));
            let system = system_of("rest", env, SystemConfig::default());
            (0..workers).for_each(|_| system.start_worker());
            let book = knots_with(&system, 20, |_| SpawnOptions::default().mailbox(2)).await;
            let all = work.into_iter().map(|(at, deeds)| {
                let book = book.clone();
                tokio::task::spawn_local(async move { go(&book, at, deeds).await })
            });
            for one in all.collect::<Vec<_>>() {
                one.await.unwrap().unwrap();
            }
            tokio::time::sleep(HOUR).await;
            assert!(book.waits.lock().unwrap().is_empty(), "some still wait");
            for note in &*book.notes.lock().unwrap() {
                let kind = note.failure.kind;
                let is_own = note.from == note.to;
                assert!(kind == FailureKind::Deadlock || is_own && kind == FailureKind::Full, "{note:?}");
            }
            book.assert_truth();
            system.stop(Duration::from_secs(60)).await;
        });
    }
}
