//! Groups: who joins, who is out, and who is picked.

use std::{collections::BTreeSet, time::Duration};

use odeon_message::{AskError, FailureKind, message};
use tokio::{sync::oneshot, task::yield_now};

use crate::{
    fixture::{Add, Boom, Hold, Leave, Tally, Threads, Worker, on_one_thread, read},
    odeon::{
        Actor, ActorRef, ActorSystem, ChildSpec, Context, Group, GroupError, Handler, SpawnOptions,
        StartError, Supervisor, SupervisorSpec, SystemConfig, Target,
    },
};

async fn some(system: &ActorSystem, count: usize) -> (Vec<ActorRef<Worker>>, Vec<Tally>) {
    let (mut workers, mut tallies) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let tally = Tally::default();
        tallies.push(tally.clone());
        workers.push(system.spawn::<Worker>(tally, SpawnOptions::default()).await.unwrap());
    }
    (workers, tallies)
}

fn group_of(workers: &[ActorRef<Worker>]) -> Group<Worker> {
    let group = Group::new(16);
    for worker in workers {
        group.join(worker).unwrap();
    }
    group
}

fn runs(tallies: &[Tally]) -> Vec<u64> {
    tallies.iter().map(|tally| read(&tally.runs)).collect()
}

#[test]
fn members_take_turns() {
    on_one_thread(2, |system| async move {
        let (workers, tallies) = some(&system, 3).await;
        let group = group_of(&workers);
        let (one, other) = (group.round_robin(), group.clone().round_robin());
        for _ in 0..3 {
            one.ask(Add(1)).await.unwrap();
            other.ask(Add(1)).await.unwrap();
        }
        assert_eq!(runs(&tallies), [2, 2, 2]);
    });
}

#[test]
fn whoever_has_least_to_do_is_picked() {
    on_one_thread(1, |system| async move {
        let (workers, tallies) = some(&system, 3).await;
        let routed = group_of(&workers).least_loaded();
        let mut held = Vec::new();
        for busy in [0, 2] {
            let (release, hold) = oneshot::channel();
            workers[busy].try_tell(Hold(hold)).unwrap();
            while read(&tallies[busy].runs) == 0 {
                yield_now().await;
            }
            held.push(release);
        }
        for _ in 0..9 {
            routed.ask(Add(1)).await.unwrap();
        }
        assert_eq!(runs(&tallies), [1, 9, 1], "a handler that waits counts as load");
        for _ in 0..6 {
            routed.try_tell(Add(1)).unwrap();
        }
        drop(held);
        while runs(&tallies).iter().sum::<u64>() < 17 {
            yield_now().await;
        }
        let shares = runs(&tallies);
        assert!(shares.iter().zip([1, 9, 1]).all(|(now, then)| now - then >= 1), "{shares:?}");
    });
}

#[test]
fn a_key_stays_with_its_member() {
    on_one_thread(1, |system| async move {
        let (workers, tallies) = some(&system, 4).await;
        let group = group_of(&workers);
        let place = |key: u64| group.consistent_hash(&key).aim().pick().unwrap().actor().clone();
        let before = (0..400).map(place).collect::<Vec<_>>();
        assert_eq!(before, (0..400).map(place).collect::<Vec<_>>());
        let used = before.iter().map(ActorRef::identity).collect::<BTreeSet<_>>();
        assert_eq!(used.len(), 4);
        group.leave(&workers[1]);
        let after = (0..400).map(place).collect::<Vec<_>>();
        for (old, new) in before.iter().zip(&after) {
            assert!(if *old == workers[1] { old != new } else { old == new });
        }
        let alice = group.consistent_hash("alice");
        for _ in 0..5 {
            alice.ask(Add(1)).await.unwrap();
        }
        assert_eq!(runs(&tallies).iter().filter(|runs| **runs > 0).count(), 1);
    });
}

#[test]
fn who_has_ended_is_out_and_who_restarts_is_not() {
    on_one_thread(1, |system| async move {
        let (workers, _) = some(&system, 2).await;
        let spec =
            SupervisorSpec::one_for_one().child(ChildSpec::new::<Worker>("w", Tally::default()));
        let supervisor = system.spawn::<Supervisor>(spec, SpawnOptions::default()).await.unwrap();
        let child = supervisor.child::<Worker>("w").await.unwrap();
        let group = group_of(&workers);
        group.join(&child).unwrap();
        group.join(&child).unwrap();
        assert_eq!((group.len(), system.stats().live_actors), (3, 4));
        child.ask(Boom { later: false }).await.unwrap_err();
        child.ask(Add(1)).await.unwrap();
        workers[0].ask(Leave::Stop).await.unwrap();
        workers[1].ask(Boom { later: true }).await.unwrap_err();
        while group.len() > 1 {
            yield_now().await;
        }
        assert_eq!(group.members(), [child]);
        assert_eq!(group.join(&workers[0]), Err(GroupError::Ended));
    });
}

#[test]
fn a_group_lets_its_members_go_when_it_is_dropped() {
    on_one_thread(1, |system| async move {
        let (workers, _) = some(&system, 1).await;
        for _ in 0..10 {
            drop(group_of(&workers));
        }
        let group = group_of(&workers);
        group.leave(&workers[0]);
        group.leave(&workers[0]);
        assert!(group.is_empty());
        let error = group.round_robin().ask(Add(1)).await.unwrap_err();
        assert!(matches!(error, AskError::Stopped(_)), "{error}");
        let told = group.round_robin().tell(Add(3)).await.unwrap_err();
        assert_eq!((told.failure.kind, told.message.unwrap().0), (FailureKind::Stopped, 3));
    });
}

#[derive(Clone)]
#[message(local, crate = crate::odeon)]
struct Note;

impl Handler<Note> for Worker {
    async fn handle(&mut self, _: Note, _: &mut Context<Self>) {
        self.sum += 100;
    }
}

#[test]
fn a_broadcast_reaches_all_and_says_whom_not() {
    on_one_thread(1, |system| async move {
        let (mut workers, _) = some(&system, 2).await;
        let tally = Tally::default();
        let options = SpawnOptions::default().mailbox(1);
        let slow = system.spawn::<Worker>(tally.clone(), options).await.unwrap();
        workers.push(slow.clone());
        let group = group_of(&workers);
        let (release, hold) = oneshot::channel();
        slow.try_tell(Hold(hold)).unwrap();
        while read(&tally.runs) == 0 {
            yield_now().await;
        }
        assert_eq!(group.broadcast(Note).await.told, 3);
        let broadcast = group.broadcast(Note).await;
        assert_eq!((broadcast.told, broadcast.failed.len()), (2, 1));
        let (who, failure) = &broadcast.failed[0];
        assert_eq!((*who, failure.kind), (slow.identity(), FailureKind::Deadline));
        drop(release);
        assert_eq!(group.broadcast(Note).await.told, 3, "it waits for room");
        assert_eq!(slow.ask(Add(0)).await.unwrap(), 200);
        assert_eq!(workers[0].ask(Add(0)).await.unwrap(), 300);
    });
}

/// An actor of another type.
struct Other;

impl Actor for Other {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self)
    }
}

#[test]
fn named_groups_are_found_and_bounded() {
    crate::fixture::in_world(|| async {
        let mut config = SystemConfig::default();
        config.groups_max = 2;
        config.group_members_max = 2;
        let env = std::sync::Arc::new(odeon_env::RealEnv);
        let system = crate::fixture::system_of("named", env, config);
        system.start_worker();
        let (workers, _) = some(&system, 3).await;
        let group = system.group::<Worker>("one").unwrap();
        group.join(&workers[0]).unwrap();
        drop(group);
        let again = system.group::<Worker>("one").unwrap();
        assert_eq!(again.members(), workers[..1]);
        let error = system.group::<Other>("one").unwrap_err();
        assert!(matches!(error, GroupError::OtherType { .. }), "{error}");
        again.join(&workers[1]).unwrap();
        assert_eq!(again.join(&workers[2]), Err(GroupError::Full { max: 2 }));

        let two = system.group::<Other>("two").unwrap();
        assert_eq!(system.group::<Other>("three"), Err(GroupError::TooMany { max: 2 }));
        drop(two);
        drop(again);
        system.group::<Worker>("three").unwrap();
        assert_eq!(system.group::<Worker>("one").unwrap().len(), 2, "it has members");
        system.stop(Duration::from_secs(1)).await;
    });
}

#[test]
fn members_that_end_while_others_join_are_never_left_behind() {
    let threads = Threads::new(2);
    threads.block_on(async {
        for _ in 0..50 {
            let group = Group::<Worker>::new(64);
            let (workers, _) = some(&threads.system, 8).await;
            workers.iter().for_each(ActorRef::stop);
            for worker in &workers {
                // It may have ended or not.
                let _ = group.join(worker);
            }
            while threads.system.stats().live_actors > 0 {
                tokio::task::yield_now().await;
            }
            assert!(group.is_empty(), "{group:?}");
        }
    });
    threads.end();
}
