//! Supervisors: what restarts, what it keeps, and when they give up.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use odeon_message::{AskError, message};
use tokio::{
    task::{spawn_local, yield_now},
    time::{Instant, sleep},
};

use crate::{
    fixture::{Add, Boom, Leave, Tally, Worker, on_one_thread, read},
    odeon::{
        Actor, ActorRef, ActorSystem, ChildSpec, Context, ExitReason, Handler, Restart,
        SpawnOptions, StartError, Supervisor, SupervisorSpec,
    },
};

async fn supervise(system: &ActorSystem, spec: SupervisorSpec) -> ActorRef<Supervisor> {
    system.spawn::<Supervisor>(spec, SpawnOptions::default()).await.unwrap()
}

fn lenient() -> SupervisorSpec {
    SupervisorSpec::one_for_one().intensity(100, Duration::from_secs(5))
}

#[test]
fn a_restart_keeps_mailbox_reference_and_name_but_not_state() {
    for later in [false, true] {
        on_one_thread(1, |system| async move {
            let tally = Tally::default();
            let options = SpawnOptions::default().named("worker");
            let child = ChildSpec::new::<Worker>("w", tally.clone()).options(options);
            let supervisor = supervise(&system, lenient().child(child)).await;
            let worker = supervisor.child::<Worker>("w").await.unwrap();
            assert_eq!(worker.ask(Add(5)).await.unwrap(), 5);
            worker.try_tell(Boom { later }).unwrap();
            for _ in 0..10 {
                worker.try_tell(Add(1)).unwrap();
            }
            let last = worker.ask(Add(0)).await.unwrap();
            assert_eq!(last, 10, "queued messages ran on the new life, the failing one did not");
            assert_eq!(system.lookup::<Worker>("worker"), Some(worker));
            assert_eq!((read(&tally.starts), read(&tally.drops), read(&tally.stops)), (2, 1, 0));
            assert_eq!(read(&tally.runs), 1 + 1 + 10 + 1);
            assert_eq!((system.stats().restarts, system.stats().panics), (1, 1));
        });
    }
}

#[test]
fn a_fail_restarts_and_runs_stopped() {
    on_one_thread(1, |system| async move {
        let tally = Tally::default();
        let child = ChildSpec::new::<Worker>("w", tally.clone()).restart(Restart::Transient);
        let supervisor = supervise(&system, lenient().child(child)).await;
        let worker = supervisor.child::<Worker>("w").await.unwrap();
        worker.tell(Leave::Fail).await.unwrap();
        assert_eq!(worker.ask(Add(1)).await.unwrap(), 1);
        assert_eq!((read(&tally.starts), read(&tally.stops)), (2, 1));
        worker.tell(Leave::Stop).await.unwrap();
        let error = worker.ask(Add(1)).await.unwrap_err();
        assert!(matches!(error, AskError::Stopped(_)), "a transient child that stopped stays so");
        assert!(supervisor.child::<Worker>("w").await.is_none());
    });
}

#[test]
fn permanent_children_return_after_a_stop_and_temporary_ones_never() {
    on_one_thread(1, |system| async move {
        let (stay, go) = (Tally::default(), Tally::default());
        let spec = lenient()
            .child(ChildSpec::new::<Worker>("stay", stay.clone()))
            .child(ChildSpec::new::<Worker>("go", go.clone()).restart(Restart::Temporary));
        let supervisor = supervise(&system, spec).await;
        let permanent = supervisor.child::<Worker>("stay").await.unwrap();
        let temporary = supervisor.child::<Worker>("go").await.unwrap();
        permanent.stop();
        assert_eq!(permanent.ask(Add(1)).await.unwrap(), 1);
        assert_eq!(read(&stay.starts), 2);
        let error = temporary.ask(Boom { later: false }).await.unwrap_err();
        assert!(matches!(error, AskError::Panicked(_)));
        assert!(temporary.ask(Add(1)).await.is_err());
        assert_eq!(read(&go.starts), 1);
    });
}

#[test]
fn more_restarts_than_the_intensity_allows_end_the_supervisor() {
    on_one_thread(1, |system| async move {
        let (tally, other) = (Tally::default(), Tally::default());
        let spec = SupervisorSpec::one_for_one()
            .intensity(2, Duration::from_secs(10))
            .child(ChildSpec::new::<Worker>("calm", other.clone()))
            .child(ChildSpec::new::<Worker>("wild", tally.clone()));
        let supervisor = supervise(&system, spec).await;
        let wild = supervisor.child::<Worker>("wild").await.unwrap();
        for _ in 0..2 {
            wild.ask(Boom { later: false }).await.unwrap_err();
        }
        sleep(Duration::from_secs(11)).await;
        for _ in 0..2 {
            wild.ask(Boom { later: true }).await.unwrap_err();
        }
        assert_eq!(wild.ask(Add(1)).await.unwrap(), 1, "the period had passed");
        wild.ask(Boom { later: false }).await.unwrap_err();
        while system.stats().live_actors > 0 {
            yield_now().await;
        }
        assert_eq!(read(&tally.starts), 5);
        assert_eq!((read(&other.starts), read(&other.stops)), (1, 1), "siblings stop in order");
    });
}

/// Writes down when it starts and stops.
struct Diarist(char, Arc<Mutex<String>>);

#[message(local, crate = crate::odeon)]
struct Dally(Duration);

impl Actor for Diarist {
    type Args = (char, Arc<Mutex<String>>, bool);

    async fn start(args: Self::Args, _: &mut Context<Self>) -> Result<Self, StartError> {
        yield_now().await;
        if args.2 {
            return Err(StartError::new("cannot"));
        }
        args.1.lock().unwrap().push(args.0);
        Ok(Self(args.0, args.1))
    }

    async fn stopped(&mut self, _: &ExitReason, _: &mut Context<Self>) {
        yield_now().await;
        self.1.lock().unwrap().push(self.0.to_ascii_uppercase());
    }
}

impl Handler<Dally> for Diarist {
    async fn handle(&mut self, message: Dally, _: &mut Context<Self>) {
        sleep(message.0).await;
    }
}

#[test]
fn children_start_left_to_right_and_stop_right_to_left() {
    on_one_thread(1, |system| async move {
        let diary = Arc::new(Mutex::new(String::new()));
        let child =
            |name: char| ChildSpec::new::<Diarist>(&name.to_string(), (name, diary.clone(), false));
        let inner = lenient().child(child('b')).child(child('c'));
        let spec = lenient()
            .child(child('a'))
            .child(ChildSpec::new::<Supervisor>("inner", inner))
            .child(child('d'));
        let supervisor = supervise(&system, spec).await;
        assert_eq!(*diary.lock().unwrap(), "abcd");
        supervisor.stop();
        while system.stats().live_actors > 0 {
            yield_now().await;
        }
        assert_eq!(*diary.lock().unwrap(), "abcdDCBA");
    });
}

#[test]
fn a_child_that_cannot_start_undoes_those_before_it() {
    on_one_thread(1, |system| async move {
        let diary = Arc::new(Mutex::new(String::new()));
        let child = |name: char, bad| {
            ChildSpec::new::<Diarist>(&name.to_string(), (name, diary.clone(), bad))
        };
        let spec =
            lenient().child(child('a', false)).child(child('b', false)).child(child('c', true));
        let error = system.spawn::<Supervisor>(spec, SpawnOptions::default()).await.unwrap_err();
        assert!(error.to_string().contains("cannot"), "{error}");
        while system.stats().live_actors > 0 {
            yield_now().await;
        }
        assert_eq!(*diary.lock().unwrap(), "abBA");
        let twice = lenient().child(child('a', false)).child(child('a', false));
        let error = system.spawn::<Supervisor>(twice, SpawnOptions::default()).await.unwrap_err();
        assert!(error.to_string().contains("rename"), "{error}");
    });
}

#[test]
fn a_child_that_does_not_stop_in_time_is_ended() {
    on_one_thread(1, |system| async move {
        let diary = Arc::new(Mutex::new(String::new()));
        let child = |name: char, shutdown| {
            ChildSpec::new::<Diarist>(&name.to_string(), (name, diary.clone(), false))
                .shutdown(shutdown)
        };
        let spec = lenient()
            .child(child('a', Duration::from_secs(2)))
            .child(child('b', Duration::ZERO))
            .child(child('c', Duration::from_secs(9)));
        let supervisor = supervise(&system, spec).await;
        for (name, busy) in [("a", 100), ("b", 100), ("c", 3)] {
            let child = supervisor.child::<Diarist>(name).await.unwrap();
            child.tell(Dally(Duration::from_secs(busy))).await.unwrap();
        }
        yield_now().await;
        let begun = Instant::now();
        supervisor.stop();
        while system.stats().live_actors > 0 {
            sleep(Duration::from_millis(1)).await;
        }
        let took = begun.elapsed();
        assert!(took >= Duration::from_secs(5) && took < Duration::from_millis(5_100), "{took:?}");
        assert_eq!(*diary.lock().unwrap(), "abcC");
    });
}

/// Starts well the first time only.
struct Once;

#[message(local, crate = crate::odeon)]
struct Break;

impl Actor for Once {
    type Args = Tally;

    async fn start(tally: Tally, _: &mut Context<Self>) -> Result<Self, StartError> {
        crate::fixture::bump(&tally.starts);
        match read(&tally.starts) {
            1 | 4 => Ok(Self),
            2 => Err(StartError::new("not yet")),
            _ => panic!("still not"),
        }
    }
}

impl Handler<Break> for Once {
    async fn handle(&mut self, _: Break, _: &mut Context<Self>) {
        panic!("broken");
    }
}

impl Handler<Add> for Once {
    async fn handle(&mut self, message: Add, _: &mut Context<Self>) -> u64 {
        message.0
    }
}

#[test]
fn a_restart_that_fails_is_tried_again() {
    on_one_thread(1, |system| async move {
        let tally = Tally::default();
        let supervisor =
            supervise(&system, lenient().child(ChildSpec::new::<Once>("o", tally.clone()))).await;
        let once = supervisor.child::<Once>("o").await.unwrap();
        once.tell(Break).await.unwrap();
        assert_eq!(once.ask(Add(7)).await.unwrap(), 7);
        assert_eq!(read(&tally.starts), 4);
    });
}

#[test]
fn an_ask_in_flight_over_a_restart_is_answered() {
    on_one_thread(2, |system| async move {
        let tally = Tally::default();
        let supervisor =
            supervise(&system, lenient().child(ChildSpec::new::<Worker>("w", tally.clone()))).await;
        let worker = supervisor.child::<Worker>("w").await.unwrap();
        let mut tasks = Vec::new();
        for n in 0..200 {
            let worker = worker.clone();
            tasks.push(spawn_local(async move {
                if n % 10 == 9 {
                    worker.ask(Boom { later: n % 20 == 9 }).await.map(|()| 0)
                } else {
                    worker.ask(Add(1)).await
                }
            }));
        }
        let mut panicked = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(sum) => assert!((1..=9).contains(&sum)),
                Err(AskError::Panicked(_)) => panicked += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!((panicked, system.stats().restarts), (20, 20));
    });
}
