//! What supervisors do beyond OTP's: they never wait, siblings keep their mailboxes, pauses, budgets, lost workers.

use std::time::Duration;

use tokio::{
    task::{spawn_local, yield_now},
    time::{Instant, sleep, timeout},
};

use crate::{
    fixture::{Threads, block_on_plain, on_one_thread, spawn_thread},
    kin::{
        Begin, Birth, Dally, Diary, End, How, Kid, Lives, Ping, Thread, child, end, get, kid,
        kid_of, seen, settle, states, supervise, witness,
    },
    odeon::{
        Backoff, ChildError, ChildState, DynamicSpec, ExitKind, Restart, Shutdown, SpawnOptions,
        SupervisorSpec, WhenSpent,
    },
    otp_suite::dynamic,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn children_of_a_dynamic_supervisor_are_spread() {
    let threads = Threads::new(3);
    let seen = threads.block_on(async {
        let spec = DynamicSpec::new().intensity(9, 60 * SECOND);
        let supervisor = dynamic(&threads.system, spec).await;
        let diary = Diary::default();
        let mut seen = Vec::new();
        for _ in 0..6 {
            let kid = supervisor.start_child(Birth::new('a', &diary)).await.unwrap();
            let thread = kid.ask(Thread).await.unwrap();
            kid.ask(End(How::Panic)).await.unwrap_err();
            assert_eq!(kid.ask(Thread).await.unwrap(), thread, "a restart stays where it was");
            seen.push(thread);
        }
        seen
    });
    threads.end();
    assert_eq!(seen[..3], seen[3..], "one after another");
    assert!(seen[0] != seen[1] && seen[1] != seen[2] && seen[0] != seen[2], "{seen:?}");
}

#[test]
fn a_start_that_hangs_keeps_no_supervisor_waiting() {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        let supervisor = supervise(&system, SupervisorSpec::one_for_one()).await;
        let hangs = Birth::new('h', &diary).begins([Begin::Hang]);
        let calls = supervisor.clone();
        let waits = spawn_local(async move { calls.start_child(child(&hangs)).await });
        settle().await;
        assert_eq!(states(&supervisor).await, [("h".into(), ChildState::Starting)]);
        supervisor.start_child(kid('a', &diary)).await.unwrap();
        let begun = Instant::now();
        supervisor.terminate_child("h").await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 5, "it is ended when its time is up");
        assert!(matches!(waits.await.unwrap(), Err(ChildError::Start(_))));
    });
}

#[test]
fn a_sibling_that_does_not_stop_in_time_is_ended_and_keeps_its_mailbox() {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        let spec = SupervisorSpec::one_for_all()
            .child(kid('a', &diary).shutdown(2 * SECOND))
            .child(kid('b', &diary))
            .child(kid('c', &diary).shutdown(Shutdown::Brutal));
        let supervisor = supervise(&system, spec).await;
        let [a, b, c] =
            [get(&supervisor, "a").await, get(&supervisor, "b").await, get(&supervisor, "c").await];
        for kid in [&a, &c] {
            kid.tell(Dally(60 * SECOND)).await.unwrap();
        }
        settle().await;
        let queued = [&a, &c].map(|kid| {
            let kid = kid.clone();
            spawn_local(async move { kid.ask(Ping).await })
        });
        settle().await;
        let begun = Instant::now();
        end(&b, How::Panic).await;
        for ask in queued {
            assert_eq!(ask.await.unwrap().unwrap(), 1, "it ran on the next life");
        }
        assert_eq!((begun.elapsed().as_secs(), &*diary.take()), (2, "abcabc"));
        assert_eq!(a.ask(Lives).await.unwrap().2.unwrap().kind(), ExitKind::Killed);
    });
}

#[test]
fn kill_ends_a_handler_that_waits_and_an_actor_without_supervisor_for_good() {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        let options = SpawnOptions::default();
        let alone = system.spawn::<Kid>(Birth::new('a', &diary), options).await.unwrap();
        let end = witness(&system, &alone).await;
        let asks = alone.clone();
        let ask = spawn_local(async move { asks.ask(Dally(60 * SECOND)).await });
        settle().await;
        alone.kill();
        assert_eq!(seen(end).await, ExitKind::Killed);
        let error = ask.await.unwrap().unwrap_err();
        assert_eq!(error.certainty(), odeon_message::Certainty::Ran);
        assert_eq!(diary.take(), "a", "stopped did not run");
    });
}

#[test]
fn pauses_grow_with_each_failure_and_are_forgotten() {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        let backoff = Backoff::exponential(SECOND, 4 * SECOND).jitter(0).reset_after(30 * SECOND);
        let spec = SupervisorSpec::one_for_one()
            .intensity(100, SECOND)
            .child(kid('a', &diary).backoff(backoff));
        let supervisor = supervise(&system, spec).await;
        let kid = get(&supervisor, "a").await;
        for expected in [1, 2, 4, 4] {
            end(&kid, How::Panic).await;
            assert_eq!(states(&supervisor).await, [("a".into(), ChildState::Restarting)]);
            let begun = Instant::now();
            assert_eq!(timeout(10 * SECOND, kid.ask(Ping)).await.unwrap().unwrap(), 1);
            let took = begun.elapsed().as_millis();
            assert!((expected * 1000..expected * 1000 + 50).contains(&took), "{took}");
        }
        sleep(31 * SECOND).await;
        end(&kid, How::Panic).await;
        let begun = Instant::now();
        kid.ask(Ping).await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 1);
        // A child that waits can be terminated, and started at once.
        end(&kid, How::Panic).await;
        supervisor.terminate_child("a").await.unwrap();
        let begun = Instant::now();
        supervisor.restart_child("a").await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 0);
    });
}

#[test]
fn a_child_with_a_budget_is_counted_alone() {
    for when_spent in [WhenSpent::GiveUpChild, WhenSpent::Escalate] {
        on_one_thread(1, |system| async move {
            let diary = Diary::default();
            let wild = kid('w', &diary).budget(3, 60 * SECOND, when_spent);
            let spec = SupervisorSpec::one_for_one().intensity(0, SECOND);
            let supervisor = supervise(&system, spec.child(kid('a', &diary)).child(wild)).await;
            let mut ended = witness(&system, &supervisor).await;
            let kid = get(&supervisor, "w").await;
            for _ in 0..3 {
                end(&kid, How::Panic).await;
                assert_eq!(kid.ask(Ping).await.unwrap(), 1);
            }
            end(&kid, How::Panic).await;
            if when_spent == WhenSpent::Escalate {
                let reason = ended.try_recv().unwrap();
                assert!(reason.detail().contains("3 restarts in 60s"), "{reason}");
                return;
            }
            let now = [("a".into(), ChildState::Running), ("w".into(), ChildState::Ended)];
            assert_eq!(states(&supervisor).await, now);
            assert!(ended.try_recv().is_err());
        });
    }
}

#[test]
fn children_of_a_lost_worker_start_on_another() {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        let lost = tokio::task::LocalSet::new();
        let supervisor = dynamic(&system, DynamicSpec::new().intensity(9, SECOND)).await;
        lost.run_until(async {
            system.start_worker();
            yield_now().await;
            for name in ['a', 'b', 'c', 'd'] {
                supervisor.start_child(Birth::new(name, &diary)).await.unwrap();
            }
        })
        .await;
        assert_eq!(diary.take(), "abcd");
        drop(lost);
        settle().await;
        assert_eq!(diary.take().len(), 2, "half of them were on it");
        assert_eq!(supervisor.count_children().await.unwrap().active, 4);
        for child in supervisor.which_children().await.unwrap() {
            let lives = kid_of(&child.actor.unwrap()).ask(Lives).await.unwrap();
            assert!(lives.0 == 0 || lives.2.unwrap().kind() == ExitKind::Killed);
        }
    });
}

#[test]
fn a_supervisor_that_ends_tells_who_waits_for_a_call() {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        let supervisor = supervise(&system, SupervisorSpec::one_for_one()).await;
        let hangs = Birth::new('h', &diary).begins([Begin::Hang]);
        let calls = supervisor.clone();
        let spec = child(&hangs).shutdown(Shutdown::Brutal);
        let waits = spawn_local(async move { calls.start_child(spec).await });
        settle().await;
        supervisor.stop();
        assert!(matches!(waits.await.unwrap(), Err(ChildError::Ended)));
    });
}

/// Threads that spawn, end, kill and terminate children of one supervisor: at rest nothing is lost.
#[test]
fn calls_and_ends_from_many_threads_lead_to_rest() {
    let threads = Threads::new(3);
    let spec = DynamicSpec::new().restart(Restart::Transient).intensity(u32::MAX, 60 * SECOND);
    let supervisor = threads.block_on(dynamic(&threads.system, spec));
    let workers = (0..3_u32).map(|thread| {
        let supervisor = supervisor.clone();
        spawn_thread(move || {
            block_on_plain(async move {
                let (diary, mut left) = (Diary::default(), 0);
                for round in 0..60 {
                    let kid = supervisor.start_child(Birth::new('a', &diary)).await.unwrap();
                    match (thread + round) % 6 {
                        0 => kid.ask(End(How::Normal)).await.unwrap(),
                        1 => drop(kid.ask(End(How::Panic)).await.unwrap_err()),
                        2 => kid.kill(),
                        3 => kid.tell(End(How::Kill)).await.unwrap(),
                        4 => {
                            kid.kill();
                            supervisor.terminate_child(&kid).await.unwrap();
                        }
                        _ => {
                            kid.stop();
                            // It may be gone, going, or still there.
                            let _ = supervisor.terminate_child(&kid).await;
                        }
                    }
                    if (1..4).contains(&((thread + round) % 6)) {
                        assert_eq!(kid.ask(Ping).await.unwrap(), 1, "a new life, the same child");
                        left += 1;
                    }
                }
                left
            })
        })
    });
    let workers = workers.collect::<Vec<_>>();
    let left = workers.into_iter().map(|worker| worker.join().unwrap()).sum::<usize>();
    let counts = threads.block_on(async {
        loop {
            let counts = supervisor.count_children().await.unwrap();
            if counts.specs == left {
                break counts;
            }
            yield_now().await;
        }
    });
    assert_eq!((counts.active, left), (left, 90));
    drop(supervisor);
    threads.end();
}
