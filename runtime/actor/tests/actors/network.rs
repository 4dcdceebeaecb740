//! Two systems joined in memory: what a network sees of this crate, and what it must do for it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use odeon_env::RealEnv;
use odeon_message::{
    Address, AskError, AskId, Certainty, Credit, Failure, FailureKind, Fingerprint, Incarnation,
    Message as _, MessageId, Payload, message,
};
use tokio::{
    sync::oneshot,
    task::{spawn_local, yield_now},
    time::sleep,
};

use crate::{
    fixture::{Add, Tally, Worker, in_world, system_of},
    net::Net,
    odeon::{
        Actor, ActorRef, ActorSystem, Context, DeclareError, ExportError, Handler, Inbound,
        RemoteAnswer, ReplyTo, SpawnOptions, StartError, SystemConfig, actor,
    },
};

/// An actor that other nodes can reach.
pub(crate) struct Till {
    cents: u64,
}

#[message(id = "test/Pay", reply = u64, error = String, crate = crate::odeon)]
pub(crate) struct Pay {
    pub(crate) cents: u64,
}

/// Asks another till for its sum, by the reference it carries.
#[message(id = "test/Peek", reply = Option<u64>, crate = crate::odeon)]
struct Peek {
    other: ActorRef<Till>,
}

/// As it was before cents could be many.
#[message(id = "test/Refund", reply = u64, crate = crate::odeon)]
struct RefundV1 {
    cents: u8,
}

#[message(id = "test/Refund", reply = u64, accepts(RefundV1), crate = crate::odeon)]
struct Refund {
    cents: u64,
}

impl From<RefundV1> for Refund {
    fn from(old: RefundV1) -> Self {
        Self { cents: old.cents.into() }
    }
}

#[message(id = "test/Wait", crate = crate::odeon)]
pub(crate) struct Wait {
    pub(crate) millis: u64,
}

#[message(id = "test/Unlisted", crate = crate::odeon)]
struct Unlisted;

#[message(id = "test/Bang", crate = crate::odeon)]
struct Bang;

#[message(local, crate = crate::odeon)]
struct Home(oneshot::Sender<()>);

#[actor(id = "test/Till", handles(Pay, Peek, Refund, Wait, Bang), crate = crate::odeon)]
impl Actor for Till {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { cents: 0 })
    }
}

impl Handler<Pay> for Till {
    async fn handle(&mut self, message: Pay, _: &mut Context<Self>) -> Result<u64, String> {
        if message.cents == 0 {
            return Err("nothing".to_owned());
        }
        self.cents += message.cents;
        Ok(self.cents)
    }
}

impl Handler<Refund> for Till {
    async fn handle(&mut self, message: Refund, _: &mut Context<Self>) -> u64 {
        self.cents -= message.cents;
        self.cents
    }
}

impl Handler<Peek> for Till {
    async fn handle(&mut self, message: Peek, _: &mut Context<Self>) -> Option<u64> {
        message.other.ask(Pay { cents: 1 }).await.ok()
    }
}

impl Handler<Wait> for Till {
    async fn handle(&mut self, message: Wait, _: &mut Context<Self>) {
        sleep(Duration::from_millis(message.millis)).await;
    }
}

impl Handler<Bang> for Till {
    async fn handle(&mut self, _: Bang, _: &mut Context<Self>) {
        panic!("bang");
    }
}

impl Handler<Unlisted> for Till {
    async fn handle(&mut self, _: Unlisted, _: &mut Context<Self>) {}
}

impl Handler<Home> for Till {
    async fn handle(&mut self, message: Home, _: &mut Context<Self>) {
        let _ = message.0.send(());
    }
}

/// Two nodes, a till on the second, and the first one's reference to it.
pub(crate) struct Pair {
    pub(crate) net: Arc<Net>,
    pub(crate) a: ActorSystem,
    pub(crate) b: ActorSystem,
    pub(crate) till: ActorRef<Till>,
    pub(crate) far: ActorRef<Till>,
}

pub(crate) async fn pair(credit: usize) -> Pair {
    let net = Net::new(credit);
    let (a, b) = (net.join("a"), net.join("b"));
    a.declare::<Till>().unwrap();
    b.declare::<Till>().unwrap();
    let till = b.spawn::<Till>((), SpawnOptions::default()).await.unwrap();
    let far = ActorRef::from_address(&a, till.address().unwrap());
    Pair { net, a, b, till, far }
}

impl Pair {
    pub(crate) async fn end(self) {
        let Self { net, a, b, till, far } = self;
        drop((till, far));
        net.clear();
        for system in [a, b] {
            system.stop(Duration::from_secs(60)).await;
            yield_now().await;
            assert_eq!((system.stats().live_actors, system.stats().cells), (0, 0));
        }
    }
}

#[test]
fn asks_and_tells_cross_and_keep_their_truth() {
    in_world(|| async {
        let pair = pair(16).await;
        assert!(!pair.far.is_local());
        assert_eq!(pair.far.ask(Pay { cents: 3 }).await.unwrap(), 3);
        pair.far.tell(Pay { cents: 4 }).await.unwrap();
        pair.far.try_tell(Pay { cents: 5 }).unwrap();
        assert_eq!(pair.far.ask(Pay { cents: 1 }).await.unwrap(), 13);
        let error = pair.far.ask(Pay { cents: 0 }).await.unwrap_err();
        assert_eq!(error, AskError::Handler("nothing".to_owned()));
        pair.far.tell(Pay { cents: 0 }).await.unwrap();
        let error = pair.far.ask(Unlisted).await.unwrap_err();
        assert!(matches!(error, AskError::Incompatible(_)), "{error}");
        assert_eq!(error.certainty(), Certainty::NotDelivered);
        let (sender, _receiver) = oneshot::channel();
        let error = pair.far.ask(Home(sender)).await.unwrap_err();
        assert!(matches!(error, AskError::LocalOnly(_)), "{error}");
        let error = pair.far.ask(Bang).await.unwrap_err();
        assert!(matches!(error, AskError::Panicked(_)), "{error}");
        assert_eq!(error.certainty(), Certainty::Ran);
        let error = pair.far.ask(Pay { cents: 1 }).await.unwrap_err();
        assert!(matches!(error, AskError::Stopped(_)), "{error}");
        assert_eq!((pair.b.stats().tell_errors, pair.b.stats().refused), (1, 2));
        {
            let state = pair.net.state.lock().unwrap();
            assert_eq!((state.credit, state.asks.len()), (16, 0), "all credit is back");
        }
        pair.end().await;
    });
}

#[test]
fn references_travel_and_come_home() {
    in_world(|| async {
        let pair = pair(16).await;
        let own = pair.a.spawn::<Till>((), SpawnOptions::default()).await.unwrap();
        // b's till asks a's own till, by the reference in the message.
        assert_eq!(pair.far.ask(Peek { other: own.clone() }).await.unwrap(), Some(1));
        // A reference to the receiver itself is local there.
        let deadlock = pair.far.ask(Peek { other: pair.far.clone() }).await.unwrap();
        assert_eq!(deadlock, None, "it asked itself and was told so");
        let again = ActorRef::<Till>::from_address(&pair.b, pair.far.address().unwrap());
        assert_eq!(again, pair.till);
        // An actor without an id cannot be sent.
        let options = SpawnOptions::default();
        let worker = pair.a.spawn::<Worker>(Tally::default(), options).await.unwrap();
        assert_eq!(worker.address(), Err(ExportError::NoId));
        let other = ActorRef::<Worker>::from_address(&pair.b, pair.far.address().unwrap());
        assert!(other.ask(Add(1)).await.is_err(), "another type's address leads nowhere");
        drop((own, again, worker, other));
        pair.end().await;
    });
}

#[test]
fn a_full_way_makes_senders_wait_and_gives_messages_back() {
    in_world(|| async {
        let pair = pair(2).await;
        pair.far.try_tell(Wait { millis: 500 }).unwrap();
        yield_now().await;
        while pair.net.state.lock().unwrap().given_back < 1 {
            yield_now().await;
        }
        pair.far.try_tell(Wait { millis: 500 }).unwrap();
        pair.far.try_tell(Wait { millis: 500 }).unwrap();
        let error = pair.far.try_tell(Pay { cents: 9 }).unwrap_err();
        assert_eq!((error.failure.kind, error.message.unwrap().cents), (FailureKind::Full, 9));
        let within = Duration::from_millis(100);
        let error = pair.far.tell(Pay { cents: 8 }).within(within).await.unwrap_err();
        assert_eq!((error.failure.kind, error.message.unwrap().cents), (FailureKind::Deadline, 8));
        let error = pair.far.ask(Pay { cents: 8 }).within(within).await.unwrap_err();
        assert_eq!(error.certainty(), Certainty::NotDelivered);
        assert!(tokio::time::timeout(within, pair.far.ask(Pay { cents: 8 })).await.is_err());
        pair.far.tell(Pay { cents: 7 }).await.unwrap();
        assert_eq!(pair.far.ask(Pay { cents: 1 }).await.unwrap(), 8);
        pair.end().await;
    });
}

#[test]
fn deadlines_travel_and_expired_asks_never_run() {
    in_world(|| async {
        let pair = pair(16).await;
        pair.till.try_tell(Wait { millis: 300 }).unwrap();
        let error = pair.far.ask(Pay { cents: 5 }).within(Duration::from_millis(100)).await;
        let error = error.unwrap_err();
        assert!(matches!(error, AskError::Deadline(_)), "{error}");
        assert_eq!(error.certainty(), Certainty::MayHaveRun, "the route said so");
        let quitter = tokio::time::timeout(
            Duration::from_millis(10),
            pair.far.ask(Pay { cents: 5 }).within(Duration::from_secs(60)),
        );
        assert!(quitter.await.is_err());
        assert_eq!(pair.far.ask(Pay { cents: 1 }).await.unwrap(), 1);
        assert_eq!(pair.b.stats().skipped, 2);
        assert_eq!(pair.net.state.lock().unwrap().cancelled.len(), 2);
        pair.end().await;
    });
}

#[test]
fn broken_archives_harm_nobody_but_their_sender() {
    in_world(|| async {
        let pair = pair(1_000).await;
        let address = pair.till.address().unwrap();
        pair.far.ask(Peek { other: pair.far.clone() }).await.unwrap();
        let sound = pair.net.state.lock().unwrap().last.clone();
        let mut wrong = 0;
        for cut in 0..sound.len() {
            let (sender, failed) = oneshot::channel();
            let answer = Arc::new(Keep(Mutex::new(Some(sender))));
            let ask = AskId(1_000 + cut as u64);
            pair.net.state.lock().unwrap().asks.insert(ask, answer);
            let inbound = Inbound {
                to: address.key,
                message: MessageId::of("test/Peek"),
                layout: None,
                payload: Payload::copy_from(&sound[..cut]),
                remaining: None,
                reply: Some(ReplyTo { ask, path: pair.net.clone() }),
                trace: None,
                credit: Credit::new(pair.net.clone(), address.key, cut as u64),
            };
            pair.b.deliver(inbound).unwrap();
            let failure = failed.await.unwrap().unwrap_err();
            assert_eq!(failure.kind, FailureKind::Decode);
            assert_eq!(failure.certainty, Certainty::NotDelivered);
            wrong += 1;
        }
        assert_eq!(pair.b.stats().decode_failures, wrong);
        assert_eq!(pair.far.ask(Pay { cents: 1 }).await.unwrap(), 1);
        pair.end().await;
    });
}

#[test]
fn a_message_is_taken_in_each_layout_that_is_listed_and_in_no_other() {
    in_world(|| async {
        let pair = pair(16).await;
        pair.far.ask(Pay { cents: 100 }).await.unwrap();
        let address = pair.till.address().unwrap();
        let (present, former) = (Refund::CODEC.unwrap(), RefundV1::CODEC.unwrap());
        let deliver = |layout, archive: &[u8]| {
            let inbound = Inbound {
                to: address.key,
                message: MessageId::of("test/Refund"),
                layout,
                payload: Payload::copy_from(archive),
                remaining: None,
                reply: None,
                trace: None,
                credit: Credit::new(pair.net.clone(), address.key, 0),
            };
            pair.b.deliver(inbound)
        };
        let (mut new, mut old) = (Vec::new(), Vec::new());
        present.encode(&Refund { cents: 10 }, &mut new).unwrap();
        former.encode(&RefundV1 { cents: 5 }, &mut old).unwrap();
        deliver(Some(present.fingerprint()), &new).unwrap();
        deliver(Some(former.fingerprint()), &old).unwrap();
        for layout in [None, Some(Fingerprint(1))] {
            let failure = deliver(layout, &new).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Incompatible);
            assert_eq!(failure.certainty, Certainty::NotDelivered);
            assert!(failure.detail.contains("layout"), "{failure}");
        }
        assert_eq!(pair.far.ask(Pay { cents: 1 }).await.unwrap(), 86);
        let accepted = pair.b.accepted();
        let of_refund = accepted.iter().filter(|one| one.name == "test/Refund");
        assert_eq!(of_refund.map(|one| one.former).collect::<Vec<_>>(), [false, true]);
        pair.end().await;
    });
}

/// Keeps the answer to an ask for the test.
pub(crate) struct Keep(pub(crate) Mutex<Option<oneshot::Sender<Result<Payload, Failure>>>>);

impl RemoteAnswer for Keep {
    fn answer(&self, result: Result<Payload, Failure>) {
        let sender = self.0.lock().unwrap().take().expect("answered once");
        sender.send(result).unwrap();
    }
}

#[test]
fn a_pinned_actor_keeps_its_place_through_all_lives_of_the_node() {
    in_world(|| async {
        let pair = pair(16).await;
        let first = pair.b.pin(&pair.till).unwrap();
        assert_eq!(pair.till.address().unwrap(), first);
        for life in 2..5 {
            let incarnation = Incarnation(life);
            pair.b.set_incarnation(incarnation);
            let address = Address { incarnation, ..first };
            let far = ActorRef::<Till>::from_address(&pair.a, address);
            far.ask(Pay { cents: 1 }).await.unwrap();
            assert_eq!(pair.till.address().unwrap(), address);
            assert_eq!(pair.b.stats().exported, 1);
        }
        pair.till.stop();
        while pair.b.stats().exported > 0 {
            yield_now().await;
        }
        let next = pair.b.spawn::<Till>((), SpawnOptions::default()).await.unwrap();
        let second = next.address().unwrap();
        assert_eq!(second.key.slot, first.key.slot, "the slot is free again");
        assert_ne!(second.key.generation, first.key.generation);
        pair.b.set_incarnation(Incarnation(9));
        assert_ne!(next.address().unwrap().key, second.key, "only the first was pinned");
        drop(next);
        pair.end().await;
    });
}

#[test]
fn addresses_die_with_their_actor_and_with_the_life_of_the_node() {
    in_world(|| async {
        let pair = pair(16).await;
        let first = pair.till.address().unwrap();
        assert_eq!(pair.till.address().unwrap(), first);
        assert_eq!(pair.b.stats().exported, 1);
        pair.b.set_incarnation(Incarnation(2));
        assert!(pair.far.ask(Pay { cents: 1 }).await.is_err(), "the old address is dead");
        let second = pair.till.address().unwrap();
        assert_eq!(second.incarnation, Incarnation(2));
        assert_ne!(second.key, first.key);
        let far = ActorRef::<Till>::from_address(&pair.a, second);
        assert_eq!(far.ask(Pay { cents: 1 }).await.unwrap(), 1);
        assert!(matches!(
            ActorRef::<Till>::from_address(&pair.b, first).try_tell(Pay { cents: 1 }),
            Err(error) if error.failure.kind == FailureKind::Stopped
        ));
        pair.till.stop();
        while pair.b.stats().exported > 0 {
            yield_now().await;
        }
        let next = pair.b.spawn::<Till>((), SpawnOptions::default()).await.unwrap();
        let third = next.address().unwrap();
        assert_eq!(third.key.slot, second.key.slot, "the slot is used again");
        assert_ne!(third.key.generation, second.key.generation);
        assert!(far.ask(Pay { cents: 1 }).await.is_err(), "no stranger gets its messages");
        drop((far, next));
        pair.end().await;
    });
}

/// Has the id of another type.
struct Impostor;

#[actor(id = "test/Till", handles(), crate = crate::odeon)]
impl Actor for Impostor {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self)
    }
}

/// Has the id of another message.
#[message(id = "test/Pay", crate = crate::odeon)]
struct FalsePay;

struct Rival;

#[actor(id = "test/Rival", handles(FalsePay), crate = crate::odeon)]
impl Actor for Rival {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self)
    }
}

impl Handler<FalsePay> for Rival {
    async fn handle(&mut self, _: FalsePay, _: &mut Context<Self>) {}
}

#[test]
fn two_meanings_of_one_id_are_refused() {
    in_world(|| async {
        let system = system_of("declared", Arc::new(RealEnv), SystemConfig::default());
        system.declare::<Till>().unwrap();
        system.declare::<Till>().unwrap();
        system.declare::<Worker>().unwrap();
        let before = system.accepted();
        assert_eq!(before.len(), 6);
        assert!(before.is_sorted_by_key(|one| (one.message, one.former)));
        let error = system.declare::<Impostor>().unwrap_err();
        assert!(matches!(error, DeclareError::Actor { .. }), "{error}");
        let error = system.declare::<Rival>().unwrap_err();
        assert!(matches!(error, DeclareError::Message { .. }), "{error}");
        assert_eq!(system.accepted(), before);
    });
}

#[test]
fn many_asks_cross_at_once() {
    in_world(|| async {
        let pair = pair(4).await;
        let asks = (0..500).map(|_| {
            let far = pair.far.clone();
            spawn_local(async move { far.ask(Pay { cents: 1 }).await.unwrap() })
        });
        let mut sums = Vec::new();
        for ask in asks.collect::<Vec<_>>() {
            sums.push(ask.await.unwrap());
        }
        sums.sort_unstable();
        assert_eq!(sums, (1..=500).collect::<Vec<_>>());
        pair.end().await;
    });
}
