//! OTP's table, one test a row, with the names of its supervisor suite: restart type against the way a child ends, and
//! strategy against who starts again.

use std::time::Duration;

use crate::{
    fixture::on_one_thread,
    kin::{
        ABNORMAL, Begin, Birth, Diary, How, Kid, Lives, Ping, child, end, get, kid, seen, settle,
        states, supervise, witness,
    },
    odeon::{
        AutoShutdown, ChildSpec, ChildState, DynamicSpec, DynamicSupervisor, ExitKind, Restart,
        SpawnOptions, Supervisor, SupervisorSpec,
    },
};

/// What becomes of a child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Restarted,
    /// It has ended, and its spec is kept.
    Ended,
    /// Nothing is kept.
    Forgotten,
}

fn termination(restart: Restart, hows: &[How], fate: Fate) {
    for how in hows.iter().copied() {
        on_one_thread(2, |system| async move {
            let diary = Diary::default();
            let spec = SupervisorSpec::one_for_one()
                .child(kid('a', &diary).restart(restart))
                .child(kid('b', &diary));
            let supervisor = supervise(&system, spec).await;
            let child = get(&supervisor, "a").await;
            end(&child, how).await;
            let stopped = if matches!(how, How::Panic | How::Kill) { "" } else { "A" };
            let started = if fate == Fate::Restarted { "a" } else { "" };
            assert_eq!(diary.take(), format!("ab{stopped}{started}"), "{restart:?} {how:?}");
            let now = states(&supervisor).await;
            let b = ("b".to_owned(), ChildState::Running);
            let a = |state| ("a".to_owned(), state);
            match fate {
                Fate::Restarted => assert_eq!(now, [a(ChildState::Running), b]),
                Fate::Ended => assert_eq!(now, [a(ChildState::Ended), b]),
                Fate::Forgotten => assert_eq!(now, [b]),
            }
            assert_eq!(
                child.ask(Ping).await.is_ok(),
                fate == Fate::Restarted,
                "the same reference"
            );
            if fate == Fate::Restarted {
                let (restarts, again, last) = child.ask(Lives).await.unwrap();
                let kind = match how {
                    How::Normal => ExitKind::Stopped,
                    How::Shutdown => ExitKind::Shutdown,
                    How::Fail => ExitKind::Failed,
                    How::Panic => ExitKind::Panicked,
                    How::Kill => ExitKind::Killed,
                };
                assert_eq!((restarts, again, last.unwrap().kind()), (1, true, kind));
            }
        });
    }
}

macro_rules! termination {
    ($($name:ident: $restart:ident, $hows:expr => $fate:ident;)*) => {$(
        #[test]
        fn $name() {
            termination(Restart::$restart, &$hows, Fate::$fate);
        }
    )*};
}

termination! {
    permanent_normal: Permanent, [How::Normal] => Restarted;
    permanent_shutdown: Permanent, [How::Shutdown] => Restarted;
    permanent_abnormal: Permanent, ABNORMAL => Restarted;
    transient_normal: Transient, [How::Normal] => Ended;
    transient_shutdown: Transient, [How::Shutdown] => Ended;
    transient_abnormal: Transient, ABNORMAL => Restarted;
    temporary_normal: Temporary, [How::Normal] => Forgotten;
    temporary_shutdown: Temporary, [How::Shutdown] => Forgotten;
    temporary_abnormal: Temporary, ABNORMAL => Forgotten;
}

/// The second of three children, of these restart types, fails: what the three do, in order.
fn strategy(spec: fn() -> SupervisorSpec, types: [Restart; 3], written: &str) {
    for how in ABNORMAL {
        on_one_thread(1, |system| async move {
            let diary = Diary::default();
            let mut spec = spec().intensity(1, Duration::from_secs(5));
            for (name, restart) in ['a', 'b', 'c'].into_iter().zip(types) {
                spec = spec.child(kid(name, &diary).restart(restart));
            }
            let supervisor = supervise(&system, spec).await;
            let kids = [
                get(&supervisor, "a").await,
                get(&supervisor, "b").await,
                get(&supervisor, "c").await,
            ];
            for kid in &kids {
                assert_eq!(kid.ask(Ping).await.unwrap(), 1);
            }
            assert_eq!(diary.take(), "abc");
            end(&kids[1], how).await;
            let failed = if how == How::Fail { "B" } else { "" };
            let now = diary.take();
            assert_eq!(now, format!("{failed}{written}"), "{how:?}");
            for (kid, name) in kids.iter().zip(['a', 'b', 'c']) {
                let answer = kid.ask(Ping).await.ok();
                let expected = match (now.contains(name), now.contains(name.to_ascii_uppercase())) {
                    (true, _) => Some(1),
                    (false, false) => Some(2),
                    (false, true) => None,
                };
                // A temporary child that panicked is gone without a word.
                let expected = expected.filter(|_| name != 'b' || now.contains('b'));
                assert_eq!(answer, expected, "{name}: a sibling keeps its reference");
            }
            let left = states(&supervisor).await;
            assert!(left.iter().all(|(_, state)| *state == ChildState::Running), "{left:?}");
        });
    }
}

const P: Restart = Restart::Permanent;
const T: Restart = Restart::Transient;
const X: Restart = Restart::Temporary;

macro_rules! strategy {
    ($($name:ident: $strategy:ident, $types:expr => $written:expr;)*) => {$(
        #[test]
        fn $name() {
            strategy(SupervisorSpec::$strategy, $types, $written);
        }
    )*};
}

strategy! {
    one_for_one: one_for_one, [P, P, P] => "b";
    one_for_one_transient: one_for_one, [P, T, P] => "b";
    one_for_one_temporary: one_for_one, [P, X, P] => "";
    one_for_all: one_for_all, [P, P, P] => "CAabc";
    one_for_all_transient_siblings: one_for_all, [T, P, T] => "CAabc";
    one_for_all_temporary_siblings: one_for_all, [X, P, X] => "CAb";
    one_for_all_temporary: one_for_all, [P, X, P] => "";
    rest_for_one: rest_for_one, [P, P, P] => "Cbc";
    rest_for_one_transient_siblings: rest_for_one, [T, P, T] => "Cbc";
    rest_for_one_temporary_siblings: rest_for_one, [X, P, X] => "Cb";
    rest_for_one_temporary: rest_for_one, [P, X, P] => "";
}

/// The second of two children fails to start so often when it is to start again.
fn other_child_fails_restart(spec: fn() -> SupervisorSpec, written: &str) {
    for begin in [Begin::Refuse, Begin::Panic] {
        on_one_thread(1, |system| async move {
            let diary = Diary::default();
            let other = Birth::new('b', &diary).begins([Begin::Well, begin, begin]);
            let spec = spec()
                .intensity(3, Duration::from_secs(5))
                .child(kid('a', &diary))
                .child(child(&other))
                .child(kid('c', &diary));
            let supervisor = supervise(&system, spec).await;
            let first = get(&supervisor, "a").await;
            assert_eq!(diary.take(), "abc");
            end(&first, How::Panic).await;
            assert_eq!(diary.take(), written);
            assert!(states(&supervisor).await.iter().all(|(_, s)| *s == ChildState::Running));
            // Three restarts are spent by now.
            let ended = witness(&system, &supervisor).await;
            end(&first, How::Panic).await;
            assert_eq!(seen(ended).await, ExitKind::Shutdown);
        });
    }
}

#[test]
fn one_for_all_other_child_fails_restart() {
    // Each failure stops who has started again and starts over.
    other_child_fails_restart(SupervisorSpec::one_for_all, "CBa!bAa!bAabc");
}

#[test]
fn rest_for_one_other_child_fails_restart() {
    // Who is left of the failure stays.
    other_child_fails_restart(SupervisorSpec::rest_for_one, "CBa!b!bbc");
}

/// One restart is put up with; the second failure ends the supervisor and its children.
fn escalation(spec: fn() -> SupervisorSpec, first: &str) {
    for how in ABNORMAL {
        on_one_thread(1, |system| async move {
            let diary = Diary::default();
            let spec = spec()
                .intensity(1, Duration::from_secs(5))
                .child(kid('a', &diary))
                .child(kid('b', &diary));
            let supervisor = supervise(&system, spec).await;
            let ended = witness(&system, &supervisor).await;
            let child = get(&supervisor, "a").await;
            diary.take();
            let own = if how == How::Fail { "A" } else { "" };
            end(&child, how).await;
            assert_eq!(diary.take(), format!("{own}{first}"), "{how:?}");
            end(&child, how).await;
            assert_eq!(diary.take(), format!("{own}B"), "{how:?}: siblings stop, nobody starts");
            let reason = ended.await.unwrap();
            assert_eq!(reason.kind(), ExitKind::Shutdown);
            assert!(reason.detail().contains("1 restarts in 5s"), "{reason}");
            assert!(child.ask(Ping).await.is_err());
        });
    }
}

#[test]
fn one_for_one_escalation() {
    escalation(SupervisorSpec::one_for_one, "a");
}

#[test]
fn one_for_all_escalation() {
    escalation(SupervisorSpec::one_for_all, "Bab");
}

#[test]
fn rest_for_one_escalation() {
    escalation(SupervisorSpec::rest_for_one, "Bab");
}

#[test]
fn intensities_multiply_up_the_tree() {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        let five = Duration::from_secs(5);
        let inner = SupervisorSpec::one_for_one().intensity(2, five).child(kid('a', &diary));
        let middle =
            SupervisorSpec::one_for_one()
                .intensity(1, five)
                .child(ChildSpec::new::<Supervisor>("inner", inner));
        let outer =
            SupervisorSpec::one_for_one()
                .intensity(1, five)
                .child(ChildSpec::new::<Supervisor>("middle", middle));
        let outer = supervise(&system, outer).await;
        let mut failures = 0;
        let mut ended = witness(&system, &outer).await;
        while ended.try_recv().is_err() {
            let middle = outer.child::<Supervisor>("middle").await.unwrap();
            let inner = middle.child::<Supervisor>("inner").await.unwrap();
            end(&get(&inner, "a").await, How::Panic).await;
            failures += 1;
        }
        // (2 + 1) of the inner one, by (1 + 1) of the middle, by (1 + 1) of the outer.
        assert_eq!(failures, 3 * 2 * 2);
        assert_eq!(diary.take().matches('a').count(), 3 * 2 * 2);
    });
}

/// What a supervisor with these children does when children end, one after another: how many ends it takes.
fn auto_shutdown(
    auto: AutoShutdown,
    children: &[(Restart, bool)],
    ends: &[(usize, How)],
    shuts_down: bool,
) {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        let mut spec =
            SupervisorSpec::one_for_one().auto_shutdown(auto).intensity(9, Duration::from_secs(5));
        let names = ['a', 'b', 'c'];
        for (name, (restart, significant)) in names.into_iter().zip(children) {
            spec = spec.child(kid(name, &diary).restart(*restart).significant(*significant));
        }
        let supervisor = supervise(&system, spec).await;
        let mut ended = witness(&system, &supervisor).await;
        let mut kids = Vec::new();
        for name in &names[..children.len()] {
            kids.push(get(&supervisor, &name.to_string()).await);
        }
        for (at, how) in ends {
            assert!(ended.try_recv().is_err(), "it ended too early");
            end(&kids[*at], *how).await;
        }
        settle().await;
        match shuts_down {
            true => assert_eq!(ended.try_recv().unwrap().kind(), ExitKind::Shutdown),
            false => assert!(ended.try_recv().is_err()),
        }
    });
}

macro_rules! auto_shutdown {
    ($($name:ident: $auto:ident, $children:expr, $ends:expr => $shuts_down:expr;)*) => {$(
        #[test]
        fn $name() {
            auto_shutdown(AutoShutdown::$auto, &$children, &$ends, $shuts_down);
        }
    )*};
}

auto_shutdown! {
    any_significant_transient_normal: AnySignificant, [(T, true), (T, true)], [(0, How::Normal)] => true;
    any_significant_transient_shutdown: AnySignificant, [(T, true), (P, false)], [(0, How::Shutdown)] => true;
    any_significant_transient_abnormal: AnySignificant, [(T, true)], [(0, How::Panic)] => false;
    any_significant_temporary_normal: AnySignificant, [(X, true), (P, false)], [(0, How::Normal)] => true;
    any_significant_temporary_abnormal: AnySignificant, [(X, true), (P, false)], [(0, How::Kill)] => true;
    any_significant_insignificant_ends: AnySignificant, [(T, true), (X, false)], [(1, How::Panic)] => false;
    all_significant_one_ends: AllSignificant, [(T, true), (X, true)], [(0, How::Normal)] => false;
    all_significant_all_end: AllSignificant, [(T, true), (P, false), (X, true)], [(0, How::Normal), (2, How::Panic)] => true;
    all_significant_transient_abnormal: AllSignificant, [(T, true), (X, true)], [(1, How::Normal), (0, How::Fail)] => false;
    never_all_end: Never, [(T, false), (X, false)], [(0, How::Normal), (1, How::Normal)] => false;
}

#[test]
fn significant_child_that_is_terminated_shuts_nobody_down() {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        let spec = SupervisorSpec::rest_for_one()
            .auto_shutdown(AutoShutdown::AnySignificant)
            .child(kid('a', &diary))
            .child(kid('b', &diary).restart(T).significant(true))
            .child(kid('c', &diary).restart(X).significant(true));
        let supervisor = supervise(&system, spec).await;
        supervisor.terminate_child("b").await.unwrap();
        // Its group starts anew, without the temporary one.
        end(&get(&supervisor, "a").await, How::Panic).await;
        assert_eq!(diary.take(), "abcBCab");
        assert_eq!(supervisor.count_children().await.unwrap().active, 2);
    });
}

#[test]
fn auto_shutdown_counts_with_the_supervisor_above() {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        let inner = SupervisorSpec::one_for_one()
            .auto_shutdown(AutoShutdown::AnySignificant)
            .child(kid('a', &diary).restart(T).significant(true));
        for (restart, again) in [(P, true), (T, false)] {
            let inner = ChildSpec::new::<Supervisor>("inner", inner.clone()).restart(restart);
            let outer = supervise(&system, SupervisorSpec::one_for_one().child(inner)).await;
            let inner = outer.child::<Supervisor>("inner").await.unwrap();
            end(&get(&inner, "a").await, How::Normal).await;
            assert_eq!(inner.count_children().await.is_ok(), again);
            assert_eq!(diary.take(), if again { "aAa" } else { "aA" });
            outer.stop();
            settle().await;
            diary.take();
        }
    });
}

/// The same for children of a dynamic supervisor.
fn simple(restart: Restart, how: How, stays: bool) {
    on_one_thread(3, |system| async move {
        let diary = Diary::default();
        let spec = DynamicSpec::<Kid>::new().restart(restart);
        let options = SpawnOptions::default();
        let supervisor = system.spawn::<DynamicSupervisor<Kid>>(spec, options).await.unwrap();
        let mut kids = Vec::new();
        for name in ['a', 'b', 'c'] {
            kids.push(supervisor.start_child(Birth::new(name, &diary)).await.unwrap());
        }
        assert_eq!(diary.take(), "abc");
        end(&kids[1], how).await;
        assert_eq!(diary.take().contains('b'), stays, "{restart:?} {how:?}");
        assert_eq!(kids[1].ask(Ping).await.is_ok(), stays);
        let left = supervisor.which_children().await.unwrap();
        assert_eq!(left.len(), if stays { 3 } else { 2 });
        assert!(left.iter().all(|child| child.state == ChildState::Running));
    });
}

#[test]
fn simple_one_for_one() {
    for how in [How::Normal, How::Shutdown] {
        simple(P, how, true);
        simple(T, how, false);
        simple(X, how, false);
    }
    for how in ABNORMAL {
        simple(P, how, true);
        simple(T, how, true);
        simple(X, how, false);
    }
}

#[test]
fn simple_one_for_one_escalation() {
    for how in ABNORMAL {
        on_one_thread(2, |system| async move {
            let diary = Diary::default();
            let spec = DynamicSpec::<Kid>::new();
            let options = SpawnOptions::default();
            let supervisor = system.spawn::<DynamicSupervisor<Kid>>(spec, options).await.unwrap();
            let ended = witness(&system, &supervisor).await;
            let first = supervisor.start_child(Birth::new('a', &diary)).await.unwrap();
            let second = supervisor.start_child(Birth::new('b', &diary)).await.unwrap();
            end(&first, how).await;
            end(&second, how).await;
            assert_eq!(seen(ended).await, ExitKind::Shutdown, "one intensity for all children");
            assert!(first.ask(Ping).await.is_err());
        });
    }
}
