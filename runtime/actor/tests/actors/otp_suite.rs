//! The scenarios of OTP's supervisor suite that are no row of a table, by their names there.

use std::{sync::Arc, time::Duration};

use tokio::{task::yield_now, time::Instant};

use crate::{
    fixture::on_one_thread,
    kin::{
        Begin, Birth, Dally, Diary, End, How, Kid, Lives, Ping, child, end, get, kid, kid_of, seen,
        settle, states, supervise, witness,
    },
    odeon::{
        ActorRef, AutoShutdown, Backoff, ChildError, ChildSpec, ChildState, DynamicSpec,
        DynamicSupervisor, ExitKind, NameTaken, Restart, Shutdown, SpawnOptions, StartError,
        Supervisor, SupervisorSpec, WhenSpent,
    },
};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) async fn dynamic(
    system: &crate::odeon::ActorSystem,
    spec: DynamicSpec<Kid>,
) -> ActorRef<DynamicSupervisor<Kid>> {
    system.spawn::<DynamicSupervisor<Kid>>(spec, SpawnOptions::default()).await.unwrap()
}

#[test]
fn sup_start_fail() {
    for begin in [Begin::Refuse, Begin::Panic] {
        on_one_thread(1, |system| async move {
            let diary = Diary::default();
            let bad = Birth::new('c', &diary).begins([begin]);
            let spec = SupervisorSpec::one_for_one()
                .child(kid('a', &diary).options(SpawnOptions::default().named("a")))
                .child(kid('b', &diary))
                .child(child(&bad).options(SpawnOptions::default().named("c")))
                .child(kid('d', &diary));
            let options = SpawnOptions::default();
            let error = system.spawn::<Supervisor>(spec, options).await.unwrap_err();
            assert!(error.to_string().contains("\"c\""), "{error}");
            settle().await;
            assert_eq!(diary.take(), "ab!cBA", "those before it stop, the last first");
            assert_eq!(system.stats().live_actors, 0);
            assert!(system.lookup_any("a").is_none() && system.lookup_any("c").is_none());
        });
    }
}

#[test]
fn sup_start_ignore_child() {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        let ignored = |name| Birth::new(name, &diary).begins([Begin::Ignore]);
        let spec = SupervisorSpec::one_for_one()
            .child(child(&ignored('a')))
            .child(child(&ignored('b')).restart(Restart::Temporary))
            .child(kid('c', &diary));
        let supervisor = supervise(&system, spec).await;
        assert_eq!(diary.take(), "!a!bc");
        let (a, c) = (("a".into(), ChildState::Ended), ("c".into(), ChildState::Running));
        assert_eq!(states(&supervisor).await, [a.clone(), c.clone()], "b was not kept");
        let error = supervisor.start_child(child(&ignored('d'))).await.unwrap_err();
        assert!(matches!(error, ChildError::Start(StartError::Ignored)), "{error}");
        let temporary = child(&ignored('e')).restart(Restart::Temporary);
        supervisor.start_child(temporary).await.unwrap_err();
        settle().await;
        assert_eq!(states(&supervisor).await, [a, c, ("d".into(), ChildState::Ended)]);
        let counts = supervisor.count_children().await.unwrap();
        assert_eq!((counts.specs, counts.active, counts.workers), (3, 1, 3));
        // It runs when it is asked again.
        let started = supervisor.restart_child("d").await.unwrap();
        assert_eq!(kid_of(&started).ask(Ping).await.unwrap(), 1);
    });
}

#[test]
fn sup_start_ignore_permanent_child_start_child_simple() {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        let supervisor = dynamic(&system, DynamicSpec::new()).await;
        let ignored = Birth::new('a', &diary).begins([Begin::Ignore]);
        let error = supervisor.start_child(ignored).await.unwrap_err();
        assert!(matches!(error, ChildError::Start(StartError::Ignored)), "{error}");
        supervisor.start_child(Birth::new('b', &diary)).await.unwrap();
        settle().await;
        assert_eq!(supervisor.count_children().await.unwrap().specs, 1);
    });
}

#[test]
fn sup_start_map() {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        let inner = ChildSpec::new::<Supervisor>("c", SupervisorSpec::one_for_one());
        let spec = SupervisorSpec::one_for_one()
            .child(kid('a', &diary))
            .child(kid('b', &diary).shutdown(Duration::ZERO))
            .child(inner);
        let supervisor = supervise(&system, spec).await;
        let a = supervisor.child_spec("a").await.unwrap();
        assert_eq!((a.id(), a.restart_kind()), ("a", Restart::Permanent));
        assert_eq!(a.shutdown_kind(), Shutdown::Within(5 * SECOND));
        assert!(!a.is_significant() && !a.is_supervisor());
        assert_eq!(supervisor.child_spec("b").await.unwrap().shutdown_kind(), Shutdown::Brutal);
        let c = supervisor.child_spec("c").await.unwrap();
        assert_eq!(c.shutdown_kind(), Shutdown::Unlimited);
        assert!(c.is_supervisor());
        let error = supervisor.child_spec("d").await.unwrap_err();
        assert!(matches!(error, ChildError::NotFound { .. }), "{error}");
    });
}

#[test]
fn sup_start_map_faulty_specs() {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        let one = SupervisorSpec::one_for_one;
        let significant = |restart| kid('a', &diary).restart(restart).significant(true);
        let any = || one().auto_shutdown(AutoShutdown::AnySignificant);
        let pauses = Backoff::exponential(SECOND, Duration::ZERO);
        let many = Backoff::exponential(SECOND, SECOND).jitter(200);
        let budget = |period| kid('a', &diary).budget(1, period, WhenSpent::Escalate);
        let rows = [
            (one().child(kid('a', &diary)).child(kid('a', &diary)), "rename"),
            (one().child(significant(Restart::Transient)), "set auto_shutdown"),
            (any().child(significant(Restart::Permanent)), "make it transient"),
            (one().intensity(1, Duration::ZERO), "a second or more"),
            (one().child(budget(Duration::ZERO)), "a second or more"),
            (one().child(kid('a', &diary).backoff(pauses)), "0ns"),
            (one().child(kid('a', &diary).backoff(many)), "200"),
            (one().children_max(0).child(kid('a', &diary)), "children_max"),
        ];
        for (spec, text) in rows {
            let options = SpawnOptions::default();
            let error = system.spawn::<Supervisor>(spec, options).await.unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
        let spec = DynamicSpec::<Kid>::new().significant(true);
        let options = SpawnOptions::default();
        let refused = system.spawn::<DynamicSupervisor<Kid>>(spec, options).await;
        assert!(refused.unwrap_err().to_string().contains("set auto_shutdown"));
        let supervisor = supervise(&system, one()).await;
        let refused = supervisor.start_child(significant(Restart::Transient)).await;
        assert!(matches!(refused, Err(ChildError::Spec(_))), "{refused:?}");
        assert_eq!(diary.take(), "", "nobody was started");
    });
}

/// A child that is busy for a minute when its supervisor stops: how it ends, and how long that takes.
fn sup_stop(shutdown: impl Into<Shutdown>, kind: ExitKind, took: Duration) {
    let shutdown = shutdown.into();
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        let spec = SupervisorSpec::one_for_one()
            .child(kid('a', &diary))
            .child(kid('b', &diary).shutdown(shutdown));
        let supervisor = supervise(&system, spec).await;
        let (a, b) = (get(&supervisor, "a").await, get(&supervisor, "b").await);
        let ends = [witness(&system, &a).await, witness(&system, &b).await];
        b.tell(Dally(60 * SECOND)).await.unwrap();
        settle().await;
        let begun = Instant::now();
        supervisor.stop();
        let [a, b] = ends;
        assert_eq!((seen(b).await, begun.elapsed().as_secs()), (kind, took.as_secs()));
        assert_eq!(seen(a).await, ExitKind::Shutdown);
        assert_eq!(diary.take(), if kind == ExitKind::Killed { "abA" } else { "abBA" });
    });
}

#[test]
fn sup_stop_infinity() {
    sup_stop(Shutdown::Unlimited, ExitKind::Shutdown, 60 * SECOND);
}

#[test]
fn sup_stop_timeout() {
    sup_stop(SECOND, ExitKind::Killed, SECOND);
    sup_stop(90 * SECOND, ExitKind::Shutdown, 60 * SECOND);
}

#[test]
fn sup_stop_brutal_kill() {
    sup_stop(Shutdown::Brutal, ExitKind::Killed, Duration::ZERO);
}

#[test]
fn child_adm() {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        let supervisor = supervise(&system, SupervisorSpec::one_for_one()).await;
        let spec = kid('a', &diary);
        let first = supervisor.start_child(spec.clone()).await.unwrap();
        let error = supervisor.start_child(spec.clone()).await.unwrap_err();
        match error {
            ChildError::AlreadyRuns { id, actor } => {
                assert_eq!((&*id, actor.identity()), ("a", first.identity()));
            }
            other => panic!("{other}"),
        }
        let running = ChildError::Running { id: "a".into() }.to_string();
        assert_eq!(supervisor.restart_child("a").await.unwrap_err().to_string(), running);
        assert_eq!(supervisor.delete_child("a").await.unwrap_err().to_string(), running);
        supervisor.terminate_child("a").await.unwrap();
        assert_eq!(diary.take(), "aA", "it has stopped when the call is done");
        supervisor.terminate_child("a").await.unwrap();
        let error = supervisor.start_child(spec.clone()).await.unwrap_err();
        assert!(matches!(error, ChildError::AlreadyPresent { .. }), "{error}");
        assert_eq!(states(&supervisor).await, [("a".into(), ChildState::Ended)]);
        assert!(kid_of(&first).ask(Ping).await.is_err());
        let second = supervisor.restart_child("a").await.unwrap();
        assert_ne!(second.identity(), first.identity());
        assert_eq!(kid_of(&second).ask(Ping).await.unwrap(), 1);
        supervisor.terminate_child("a").await.unwrap();
        supervisor.delete_child("a").await.unwrap();
        assert!(states(&supervisor).await.is_empty());
        for error in [
            supervisor.terminate_child("a").await.unwrap_err(),
            supervisor.delete_child("a").await.unwrap_err(),
            supervisor.restart_child("a").await.unwrap_err(),
        ] {
            assert!(matches!(error, ChildError::NotFound { .. }), "{error}");
        }
        supervisor.start_child(spec).await.unwrap();
        // A temporary child leaves nothing behind.
        supervisor.start_child(kid('t', &diary).restart(Restart::Temporary)).await.unwrap();
        supervisor.terminate_child("t").await.unwrap();
        let error = supervisor.restart_child("t").await.unwrap_err();
        assert!(matches!(error, ChildError::NotFound { .. }), "{error}");
        assert_eq!(states(&supervisor).await, [("a".into(), ChildState::Running)]);
    });
}

#[test]
fn start_child_that_fails_is_forgotten() {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        let spec = SupervisorSpec::one_for_one().intensity(0, SECOND).child(kid('a', &diary));
        let supervisor = supervise(&system, spec).await;
        for begin in [Begin::Refuse, Begin::Panic] {
            let options = SpawnOptions::default().named("b");
            let bad = child(&Birth::new('b', &diary).begins([begin])).options(options);
            let error = supervisor.start_child(bad).await.unwrap_err();
            match (begin, &error) {
                (Begin::Refuse, ChildError::Start(StartError::Refused(_)))
                | (Begin::Panic, ChildError::Start(StartError::Panicked(_))) => {}
                (_, other) => panic!("{other}"),
            }
            settle().await;
            assert_eq!(states(&supervisor).await, [("a".into(), ChildState::Running)]);
        }
        let taken = kid('c', &diary).options(SpawnOptions::default().named("taken"));
        supervisor.start_child(taken.clone()).await.unwrap();
        let again = kid('d', &diary).options(SpawnOptions::default().named("taken"));
        let error = supervisor.start_child(again).await.unwrap_err();
        let ChildError::Start(StartError::Name(taken)) = &error else { panic!("{error}") };
        let name = matches!(**taken, NameTaken::Taken { .. });
        assert!(name, "{error}");
        // One that was there before stays as it was.
        supervisor.terminate_child("a").await.unwrap();
        let fails = Birth::new('e', &diary).begins([Begin::Well, Begin::Refuse]);
        supervisor.start_child(child(&fails)).await.unwrap();
        supervisor.terminate_child("e").await.unwrap();
        let error = supervisor.restart_child("e").await.unwrap_err();
        assert!(error.to_string().contains("not now"), "{error}");
        settle().await;
        assert_eq!(states(&supervisor).await[2], ("e".into(), ChildState::Ended));
        supervisor.restart_child("e").await.unwrap();
    });
}

#[test]
fn child_adm_simple() {
    on_one_thread(2, |system| async move {
        let diary = Diary::default();
        let supervisor = dynamic(&system, DynamicSpec::new().children_max(2)).await;
        let birth = |name| Birth::new(name, &diary);
        let a = supervisor.start_child(birth('a')).await.unwrap();
        let b = supervisor.start_child(birth('b')).await.unwrap();
        let error = supervisor.start_child(birth('c')).await.unwrap_err();
        assert!(error.to_string().contains("more than 2"), "{error}");
        supervisor.terminate_child(&a).await.unwrap();
        assert_eq!(diary.take(), "abA");
        let error = supervisor.terminate_child(&a).await.unwrap_err();
        assert!(matches!(error, ChildError::NotFound { .. }), "{error}");
        let options = SpawnOptions::default().named("kid");
        let c = supervisor.start_child_with(birth('c'), options).await.unwrap();
        assert_eq!(system.lookup::<Kid>("kid"), Some(c.clone()));
        let children = supervisor.which_children().await.unwrap();
        let actors = children.iter().map(|child| kid_of(child.actor.as_ref().unwrap()));
        assert_eq!(actors.collect::<Vec<_>>(), [b, c]);
        let error = supervisor.start_child(birth('d').begins([Begin::Refuse])).await.unwrap_err();
        assert!(matches!(error, ChildError::Spec(_)), "{error}");
        let counts = supervisor.count_children().await.unwrap();
        assert_eq!((counts.specs, counts.active, counts.supervisors), (2, 2, 0));
        supervisor.stop();
        settle().await;
        let stopped = diary.take();
        assert!(stopped == "cBC" || stopped == "cCB", "{stopped}: they stop together");
        assert!(matches!(supervisor.which_children().await, Err(ChildError::Unreachable(_))));
    });
}

#[test]
fn simple_one_for_one_shutdown() {
    on_one_thread(2, |system| async move {
        let diary = Diary::default();
        let supervisor = dynamic(&system, DynamicSpec::new().shutdown(3 * SECOND)).await;
        let mut ends = Vec::new();
        for (name, busy) in [('a', 10), ('b', 2), ('c', 10)] {
            let kid = supervisor.start_child(Birth::new(name, &diary)).await.unwrap();
            ends.push(witness(&system, &kid).await);
            kid.tell(Dally(busy * SECOND)).await.unwrap();
        }
        settle().await;
        let begun = Instant::now();
        supervisor.stop();
        let mut kinds = Vec::new();
        for end in ends {
            kinds.push(seen(end).await);
        }
        assert_eq!(kinds, [ExitKind::Killed, ExitKind::Shutdown, ExitKind::Killed]);
        assert_eq!(begun.elapsed().as_secs(), 3, "one time for all");
    });
}

#[test]
fn multiple_restarts() {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        let spec = SupervisorSpec::one_for_one()
            .intensity(100, 5 * SECOND)
            .child(kid('a', &diary))
            .child(kid('b', &diary));
        let supervisor = supervise(&system, spec).await;
        for _ in 0..20 {
            for name in ["a", "b"] {
                let kid = get(&supervisor, name).await;
                kid.tell(Ping).await.unwrap();
                end(&kid, How::Panic).await;
            }
        }
        assert_eq!(diary.take().len(), 2 * 21);
        assert_eq!(get(&supervisor, "a").await.ask(Lives).await.unwrap().0, 20);
    });
}

#[test]
fn tree() {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        let leaf = |name| kid(name, &diary);
        let all = SupervisorSpec::one_for_all().child(leaf('b')).child(leaf('c'));
        let rest = SupervisorSpec::rest_for_one().child(leaf('d')).child(leaf('e'));
        let root = SupervisorSpec::rest_for_one()
            .child(leaf('a'))
            .child(ChildSpec::new::<Supervisor>("all", all))
            .child(ChildSpec::new::<Supervisor>("rest", rest));
        let root = supervise(&system, root.intensity(2, 5 * SECOND)).await;
        assert_eq!(diary.take(), "abcde");
        let counts = root.count_children().await.unwrap();
        assert_eq!((counts.supervisors, counts.workers), (2, 1));
        let rest = root.child::<Supervisor>("rest").await.unwrap();
        end(&get(&rest, "d").await, How::Panic).await;
        assert_eq!(diary.take(), "Ede");
        let all = root.child::<Supervisor>("all").await.unwrap();
        end(&get(&all, "b").await, How::Kill).await;
        assert_eq!(diary.take(), "Cbc");
        // Its second failure is one too many for it, and takes what is to the right along.
        end(&get(&all, "c").await, How::Panic).await;
        assert_eq!(diary.take(), "BEDbcde");
        assert_eq!(root.child::<Supervisor>("all").await.unwrap(), all, "the same supervisor");
        end(&get(&root, "a").await, How::Panic).await;
        assert_eq!(diary.take(), "EDCBabcde");
        root.stop();
        settle().await;
        assert_eq!(diary.take(), "EDCBA");
    });
}

#[test]
fn do_not_save_start_parameters_for_temporary_children() {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        for (restart, kept) in [(Restart::Temporary, 1), (Restart::Transient, 3)] {
            let birth = Birth::new('a', &diary);
            let starts = Arc::downgrade(&birth.starts);
            let simple = dynamic(&system, DynamicSpec::new().restart(restart)).await;
            let actor = simple.start_child(birth).await.unwrap();
            actor.ask(Ping).await.unwrap();
            assert_eq!(starts.strong_count(), kept, "{restart:?}");
            let birth = Birth::new('a', &diary);
            let starts = Arc::downgrade(&birth.starts);
            let supervisor = supervise(&system, SupervisorSpec::one_for_one()).await;
            supervisor.start_child(child(&birth).restart(restart)).await.unwrap();
            drop(birth);
            settle().await;
            assert_eq!(starts.strong_count(), kept, "{restart:?}");
            assert_eq!(supervisor.child_spec("a").await.is_ok(), restart != Restart::Temporary);
        }
    });
}

#[test]
fn temporary_bystander() {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        for (spec, written) in
            [(SupervisorSpec::one_for_all(), "TaA"), (SupervisorSpec::rest_for_one(), "TaA")]
        {
            let bystander = kid('t', &diary).restart(Restart::Temporary);
            let spec = spec.intensity(1, 5 * SECOND).child(kid('a', &diary)).child(bystander);
            let supervisor = supervise(&system, spec).await;
            end(&get(&supervisor, "a").await, How::Panic).await;
            assert_eq!(states(&supervisor).await, [("a".into(), ChildState::Running)]);
            supervisor.stop();
            settle().await;
            assert_eq!(diary.take(), format!("at{written}"));
        }
    });
}

/// A child that fails each time it is started again: the supervisor answers meanwhile, and can be stopped.
#[test]
fn hanging_restart_loop() {
    for spec in [
        SupervisorSpec::one_for_one(),
        SupervisorSpec::one_for_all(),
        SupervisorSpec::rest_for_one(),
    ] {
        on_one_thread(1, |system| async move {
            let diary = Diary::default();
            let starts = std::iter::once(Begin::Well).chain([Begin::Refuse; 100_000]);
            let bad = Birth::new('b', &diary).begins(starts);
            let spec = spec.intensity(u32::MAX, 10 * SECOND);
            let spec = spec.child(kid('a', &diary)).child(child(&bad));
            let supervisor = supervise(&system, spec).await;
            get(&supervisor, "b").await.tell(End(How::Panic)).await.unwrap();
            settle().await;
            for _ in 0..10 {
                let state = states(&supervisor).await[1].1;
                assert!(
                    matches!(state, ChildState::Restarting | ChildState::Starting),
                    "{state:?}"
                );
            }
            assert!(!supervisor.restart_child("b").await.unwrap_err().to_string().is_empty());
            assert!(!supervisor.delete_child("b").await.unwrap_err().to_string().is_empty());
            supervisor.terminate_child("b").await.unwrap();
            settle().await;
            assert_eq!(states(&supervisor).await[1].1, ChildState::Ended);
            bad.starts.lock().unwrap().clear();
            supervisor.restart_child("b").await.unwrap();
            assert_eq!(get(&supervisor, "b").await.ask(Ping).await.unwrap(), 1);
        });
    }
}

#[test]
fn hanging_restart_loop_simple() {
    on_one_thread(2, |system| async move {
        let diary = Diary::default();
        let starts = std::iter::once(Begin::Well).chain([Begin::Panic; 1000]);
        let bad = Birth::new('b', &diary).begins(starts);
        let spec = DynamicSpec::new().intensity(u32::MAX, 10 * SECOND);
        let supervisor = dynamic(&system, spec).await;
        let good = supervisor.start_child(Birth::new('a', &diary)).await.unwrap();
        let wild = supervisor.start_child(bad).await.unwrap();
        wild.tell(End(How::Panic)).await.unwrap();
        settle().await;
        assert_eq!(supervisor.count_children().await.unwrap().specs, 2);
        assert_eq!(good.ask(Ping).await.unwrap(), 1);
        supervisor.terminate_child(&wild).await.unwrap();
        assert_eq!(supervisor.count_children().await.unwrap().specs, 1);
    });
}

#[test]
fn simple_one_for_one_scale_many_temporary_children() {
    on_one_thread(2, |system| async move {
        const MANY: usize = 3_000;
        let diary = Diary::default();
        let spec = DynamicSpec::new().restart(Restart::Temporary);
        let supervisor = dynamic(&system, spec).await;
        let mut kids = Vec::new();
        for _ in 0..MANY {
            kids.push(supervisor.start_child(Birth::new('a', &diary)).await.unwrap());
        }
        assert_eq!(supervisor.count_children().await.unwrap().active, MANY);
        for kid in kids.iter().step_by(2) {
            kid.tell(End(How::Panic)).await.unwrap();
        }
        while supervisor.count_children().await.unwrap().specs > MANY / 2 {
            yield_now().await;
        }
        supervisor.stop();
        while system.stats().live_actors > 0 {
            yield_now().await;
        }
    });
}
