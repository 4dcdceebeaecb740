//! References by what they take, references that keep nothing, and calls on whatever leads to an actor.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex},
    time::Duration,
};

use odeon_message::{FailureKind, message};
use tokio::{sync::oneshot, task::yield_now};

use crate::{
    fixture::{Add, Hold, Tally, Worker, in_world, on_one_thread, read},
    net::Net,
    odeon::{
        Actor, ActorIdentity, ActorRef, ActorSystem, Ask, BreakerConfig, CircuitBreaker, Context,
        Group, Handler, Recipient, SpawnOptions, StartError, Target, Terminated, WeakRef,
    },
};

async fn worker(system: &ActorSystem) -> (ActorRef<Worker>, Tally) {
    let tally = Tally::default();
    let worker = system.spawn::<Worker>(tally.clone(), SpawnOptions::default()).await.unwrap();
    (worker, tally)
}

/// What a macro would write over an actor's handlers.
trait WorkerCalls: Target<Actor = Worker> {
    fn add(&self, number: u64) -> Ask<Worker, Add> {
        Target::ask(self, Add(number))
    }
}

impl<T: Target<Actor = Worker> + ?Sized> WorkerCalls for T {}

#[test]
fn calls_over_a_target_work_on_all_of_them() {
    on_one_thread(1, |system| async move {
        let (worker, _) = worker(&system).await;
        let group = Group::new(4);
        group.join(&worker).unwrap();
        let breaker = CircuitBreaker::new(group.least_loaded(), BreakerConfig::default()).unwrap();
        assert_eq!(worker.add(1).await.unwrap(), 1);
        assert_eq!(group.round_robin().add(2).within(Duration::from_secs(1)).await.unwrap(), 3);
        assert_eq!(group.consistent_hash("k").add(3).await.unwrap(), 6);
        assert_eq!(breaker.add(4).await.unwrap(), 10);
        breaker.tell(Add(5)).await.unwrap();
        breaker.try_tell(Add(6)).unwrap();
        assert_eq!(worker.add(0).await.unwrap(), 21);
    });
}

#[test]
fn a_routed_tell_waits_for_room() {
    on_one_thread(1, |system| async move {
        let tally = Tally::default();
        let options = SpawnOptions::default().mailbox(1);
        let worker = system.spawn::<Worker>(tally.clone(), options).await.unwrap();
        let group = Group::new(1);
        group.join(&worker).unwrap();
        let routed = group.round_robin();
        let (release, held) = oneshot::channel();
        routed.tell(Hold(held)).await.unwrap();
        while read(&tally.runs) == 0 {
            yield_now().await;
        }
        routed.tell(Add(1)).await.unwrap();
        let error = routed.tell(Add(2)).within(Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(error.failure.kind, FailureKind::Deadline);
        assert_eq!(error.message.unwrap().0, 2, "it comes back");
        let waiting = routed.tell(Add(4));
        drop(release);
        waiting.await.unwrap();
        assert_eq!(routed.ask(Add(0)).await.unwrap(), 5);
    });
}

#[test]
fn a_recipient_is_the_actor_by_what_it_takes() {
    on_one_thread(1, |system| async move {
        let ((one, _), (other, _)) = (worker(&system).await, worker(&system).await);
        let recipient: Recipient<Add> = one.recipient();
        assert_eq!(recipient.ask(Add(2)).await.unwrap(), 2);
        recipient.tell(Add(3)).await.unwrap();
        recipient.try_tell(Add(4)).unwrap();
        assert_eq!(recipient.ask(Add(0)).within(Duration::from_secs(1)).await.unwrap(), 9);
        assert_eq!(recipient, Recipient::from(one.clone()));
        assert_ne!(recipient, other.recipient());
        assert_eq!(recipient.identity(), one.identity());
        let ActorIdentity::Local(number) = one.identity() else { panic!("it is of this node") };
        assert_eq!(one.identity().to_string(), format!("#{number}"));
        let hash = |recipient: &Recipient<Add>| {
            let mut hasher = DefaultHasher::new();
            recipient.hash(&mut hasher);
            hasher.finish()
        };
        assert_eq!(hash(&recipient), hash(&one.recipient()));
        assert!(format!("{recipient:?}").contains("Recipient<Add>(ActorRef("));
        fn is_shared<T: Send + Sync>(_: &T) {}
        is_shared(&recipient);
    });
}

#[test]
fn a_tell_to_a_recipient_waits_for_room() {
    on_one_thread(1, |system| async move {
        let tally = Tally::default();
        let options = SpawnOptions::default().mailbox(1);
        let worker = system.spawn::<Worker>(tally.clone(), options).await.unwrap();
        let (release, held) = oneshot::channel();
        worker.try_tell(Hold(held)).unwrap();
        while read(&tally.runs) == 0 {
            yield_now().await;
        }
        let recipient = worker.recipient::<Add>();
        recipient.try_tell(Add(1)).unwrap();
        assert_eq!(recipient.try_tell(Add(9)).unwrap_err().failure.kind, FailureKind::Full);
        let late = recipient.tell(Add(9)).within(Duration::from_millis(20)).await.unwrap_err();
        assert_eq!((late.failure.kind, late.message.unwrap().0), (FailureKind::Deadline, 9));
        drop(release);
        recipient.tell(Add(2)).await.unwrap();
        assert_eq!(recipient.ask(Add(0)).await.unwrap(), 3);
    });
}

/// Watches by what its message holds.
struct Guard(Arc<Mutex<Vec<Terminated>>>);

impl Actor for Guard {
    type Args = Arc<Mutex<Vec<Terminated>>>;

    async fn start(news: Self::Args, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self(news))
    }

    async fn terminated(&mut self, terminated: Terminated, _: &mut Context<Self>) {
        self.0.lock().unwrap().push(terminated);
    }
}

#[message(local, crate = crate::odeon)]
enum Watch {
    Recipient(Recipient<Add>),
    Named(&'static str),
    Not(Recipient<Add>),
}

impl Handler<Watch> for Guard {
    async fn handle(&mut self, message: Watch, ctx: &mut Context<Self>) {
        match message {
            Watch::Recipient(recipient) => ctx.watch(&recipient),
            Watch::Named(name) => {
                let actor = ctx.system().lookup_any(name).unwrap();
                ctx.watch(&actor);
            }
            Watch::Not(recipient) => ctx.unwatch(&recipient),
        }
    }
}

#[test]
fn a_recipient_and_an_untyped_reference_can_be_watched() {
    on_one_thread(1, |system| async move {
        let mut workers = Vec::new();
        for _ in 0..3 {
            workers.push(worker(&system).await.0);
        }
        let news = Arc::<Mutex<Vec<Terminated>>>::default();
        let guard = system.spawn::<Guard>(news.clone(), SpawnOptions::default()).await.unwrap();
        system.register("two", &workers[2]).unwrap();
        for watch in [
            Watch::Recipient(workers[0].recipient()),
            Watch::Recipient(workers[1].recipient()),
            Watch::Not(workers[1].recipient()),
            Watch::Named("two"),
        ] {
            guard.ask(watch).await.unwrap();
        }
        let mut ended = Vec::new();
        for worker in workers {
            ended.push(worker.identity());
            worker.stop();
        }
        while news.lock().unwrap().len() < 2 {
            yield_now().await;
        }
        let told = news.lock().unwrap().iter().map(|news| news.who).collect::<Vec<_>>();
        assert_eq!(told, [ended[0], ended[2]]);
    });
}

#[test]
fn a_weak_reference_keeps_no_memory() {
    in_world(|| async {
        let net = Net::new(8);
        let system = net.join("a");
        let (worker, _) = worker(&system).await;
        let weak = worker.downgrade();
        let early = weak.clone();
        assert_eq!(weak, worker.downgrade());
        assert_eq!(weak.upgrade().as_ref(), Some(&worker));
        assert_eq!(weak.identity(), worker.identity());
        worker.stop();
        while system.stats().live_actors > 0 {
            yield_now().await;
        }
        assert_eq!(weak.upgrade(), None, "it has ended");
        assert_eq!(worker.downgrade().upgrade(), None, "one made later leads nowhere, too");
        assert_eq!(system.stats().cells, 1, "the reference keeps the cell");
        drop(worker);
        assert_eq!(system.stats().cells, 0, "weak ones do not");
        assert_eq!(early, weak);
        system.stop(Duration::from_secs(1)).await;
        net.clear();
    });
}

#[test]
fn weak_references_are_keys() {
    on_one_thread(1, |system| async move {
        let mut known = BTreeMap::<ActorIdentity, WeakRef<Worker>>::new();
        for _ in 0..3 {
            let weak = worker(&system).await.0.downgrade();
            known.insert(weak.identity(), weak);
        }
        assert!(
            known.values().all(|weak| weak.upgrade().is_some()),
            "actors live without references"
        );
        assert!(format!("{:?}", known.values().next()).contains("WeakRef("));
    });
}
