//! Every way out, with everything on the way: no cell, message, future or waker is left, and none is dropped twice.
//!
//! The worker is polled by hand, so that Miri can run it and each end comes at a known moment: while the actor is idle,
//! while a handler waits, with a full mailbox and a full waiting room behind it. What it is NOT: a race; those are in
//! `loom_models.rs` and `tests/actors/drops.rs`.

use std::{
    convert::Infallible,
    future::{Future, pending},
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Waker},
    time::Duration,
};

use odeon_message::{Codec, Message};

use crate::{
    Actor, ActorRef, ChildSpec, Context, Handler, Overflow, SpawnOptions, StartError, Supervisor,
    SupervisorSpec, SystemConfig, by_hand::ByHand, cell::Signals, worker::Order,
};

/// How the actor ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Stop,
    Leave,
    Kill,
    NodeStops,
    NodeEnds,
    /// Its worker goes away without a word, as in a crash.
    WorkerGone,
}

const WAYS: [Way; 6] =
    [Way::Stop, Way::Leave, Way::Kill, Way::NodeStops, Way::NodeEnds, Way::WorkerGone];

/// What a handler does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    Return,
    Wait,
    Panic,
    Fail,
}

struct Keeper {
    _kept: Arc<()>,
}

impl Actor for Keeper {
    type Args = (Arc<()>, Then);

    async fn start(
        (kept, then): (Arc<()>, Then),
        _: &mut Context<Self>,
    ) -> Result<Self, StartError> {
        match then {
            Then::Panic => panic!("at the start"),
            Then::Fail => Err(StartError::new("it does not want to")),
            Then::Return | Then::Wait => Ok(Self { _kept: kept }),
        }
    }
}

struct Carry {
    kept: Arc<()>,
    then: Then,
}

impl Message for Carry {
    type Reply = Arc<()>;
    type Error = Infallible;
    type Output = Arc<()>;
    const NAME: &'static str = "Carry";
    const CODEC: Option<Codec<Self>> = None;

    fn answer(output: Arc<()>) -> Result<Arc<()>, Infallible> {
        Ok(output)
    }
}

impl Handler<Carry> for Keeper {
    async fn handle(&mut self, message: Carry, ctx: &mut Context<Self>) -> Arc<()> {
        match message.then {
            Then::Return => {}
            Then::Wait => pending().await,
            Then::Panic => panic!("in a handler"),
            Then::Fail => ctx.fail("told to"),
        }
        message.kept
    }
}

type Send<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Sends of all kinds, each polled once: some are taken, some wait, some are over.
fn send<'a>(keeper: &'a ActorRef<Keeper>, kept: &Arc<()>, then: Then) -> Vec<Send<'a>> {
    let carry = |then| Carry { kept: kept.clone(), then };
    let mut sends = Vec::<Send<'a>>::new();
    for n in 0..12_u8 {
        let message = carry(if n == 2 { then } else { Then::Return });
        sends.push(match n % 3 {
            0 => Box::pin(async move { drop(keeper.tell(message).priority(n % 2).await) }),
            1 => Box::pin(async move { drop(keeper.try_tell(message)) }),
            _ => Box::pin(async move { drop(keeper.ask(message).priority(n % 2).await) }),
        });
    }
    sends.retain_mut(|send| send.as_mut().poll(&mut Task::from_waker(Waker::noop())).is_pending());
    sends
}

fn end(hand: &ByHand, keeper: &ActorRef<Keeper>, way: Way) {
    let cell = keeper.cell().unwrap();
    match way {
        Way::Stop => cell.signal(Signals::STOP),
        Way::Leave => keeper.stop(),
        Way::Kill => cell.signal(Signals::KILL),
        Way::NodeStops => hand.worker.order(Order::STOP),
        Way::NodeEnds => hand.worker.order(Order::END | Order::QUIT),
        Way::WorkerGone => {}
    }
}

/// One life, from the spawn to the last reference.
fn live(way: Way, then: Then, options: SpawnOptions, supervised: bool) {
    let kept = Arc::new(());
    let hand = ByHand::new(SystemConfig { waiting_max: 4, ..SystemConfig::default() });
    let args = (kept.clone(), Then::Return);
    let keeper = if supervised {
        let child = ChildSpec::new::<Keeper>("keeper", args).options(options);
        let child = child.shutdown(Duration::ZERO);
        let spec = SupervisorSpec::one_for_one().intensity(2, Duration::from_secs(1)).child(child);
        let supervisor = hand.spawn::<Supervisor>(spec, SpawnOptions::default()).unwrap();
        hand.finish(supervisor.child::<Keeper>("keeper")).unwrap()
    } else {
        hand.spawn::<Keeper>(args, options).unwrap()
    };
    let mut sends = send(&keeper, &kept, then);
    // Some are dropped before their turn, some while they run or wait, some after the end.
    sends.pop();
    hand.run();
    sends.truncate(sends.len() / 2 + 1);
    end(&hand, &keeper, way);
    hand.run();
    sends.extend(send(&keeper, &kept, then));
    hand.run();
    if way == Way::NodeEnds {
        assert!(hand.run(), "a worker that is told to quit does");
    }
    drop(sends);
    drop(keeper);
    hand.close();
    assert_eq!(Arc::strong_count(&kept), 1, "{way:?} {then:?}: something is left");
}

#[test]
fn nothing_is_left_on_any_way_out() {
    let small = || SpawnOptions::default().mailbox(3);
    let overflows = [Overflow::Wait, Overflow::Reject, Overflow::DropOldest, Overflow::DropNewest];
    let mailboxes = || {
        let plain = overflows.map(|overflow| (small().overflow(overflow), false));
        let dropping = small().priorities(2).overflow(Overflow::DropOldest);
        plain.into_iter().chain([(small().priorities(2), false), (small(), true), (dropping, true)])
    };
    let ends = [Then::Return, Then::Wait, Then::Panic, Then::Fail];
    let all = WAYS.iter().flat_map(|way| ends.map(|then| (*way, then)));
    for (nth, (way, then)) in all.enumerate() {
        for (at, (options, supervised)) in mailboxes().enumerate() {
            // Miri is slow: there each way out has one mailbox, and each mailbox several ways out.
            if !cfg!(miri) || at == nth % 7 {
                live(way, then, options, supervised);
            }
        }
    }
}

#[test]
fn nothing_is_left_of_an_actor_that_does_not_start() {
    for then in [Then::Panic, Then::Fail] {
        let kept = Arc::new(());
        let hand = ByHand::new(SystemConfig::default());
        let options = SpawnOptions::default().named("keeper");
        assert!(hand.spawn::<Keeper>((kept.clone(), then), options.clone()).is_err());
        // Its name is free again.
        drop(hand.spawn::<Keeper>((kept.clone(), Then::Return), options).unwrap());
        hand.close();
        assert_eq!(Arc::strong_count(&kept), 1, "{then:?}");
    }
}

#[test]
fn nothing_is_left_of_an_actor_whose_spawner_gave_up() {
    let kept = Arc::new(());
    let hand = ByHand::new(SystemConfig::default());
    let args = (kept.clone(), Then::Return);
    let options = SpawnOptions::default();
    let mut spawning =
        Box::pin(crate::spawn::spawn::<Keeper>(hand.worker.clone(), args, options, None));
    assert!(spawning.as_mut().poll(&mut Task::from_waker(Waker::noop())).is_pending());
    drop(spawning);
    hand.run();
    assert_eq!(hand.system.stats().live_actors, 0, "nobody would ever use it");
    hand.close();
    assert_eq!(Arc::strong_count(&kept), 1);
}
