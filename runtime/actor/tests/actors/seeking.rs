//! Asks of another node, as a probe looks for them: wherever they wait, and nowhere else.

use std::{
    future::{Future, IntoFuture, poll_fn},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use odeon_message::{AskId, Incarnation, NodeId, message};
use tokio::{sync::oneshot, task::spawn_local, time::sleep};

use crate::{
    fixture::in_world,
    network::{Pair, Till, Wait, pair},
    odeon::{
        Actor, ActorRef, Along, AskThere, Context, Handler, Overflow, ReadContext, ReadHandler,
        Responder, SpawnOptions, StartError, Way, actor, reads,
    },
};

const HOUR: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(10);

/// Asks an actor of the other node, when it is told to.
struct Post {
    till: ActorRef<Till>,
    kept: Vec<Responder<Later>>,
}

/// Is held up for so long.
#[message(id = "test/Hold", crate = crate::odeon)]
struct Hold {
    millis: u64,
}

#[message(id = "test/Later", crate = crate::odeon)]
struct Later;

#[message(id = "test/Aside", crate = crate::odeon)]
struct Aside;

/// A read that is held up for so long.
#[message(id = "test/Glance", crate = crate::odeon)]
struct Glance {
    millis: u64,
}

#[actor(id = "test/Post", handles(Hold, Later, Aside, Glance), crate = crate::odeon)]
impl Actor for Post {
    type Args = ActorRef<Till>;

    async fn start(till: ActorRef<Till>, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { till, kept: Vec::new() })
    }
}

impl Handler<Hold> for Post {
    async fn handle(&mut self, hold: Hold, _: &mut Context<Self>) {
        self.till.ask(Wait { millis: hold.millis }).within(HOUR).await.unwrap_or_default();
    }
}

impl Handler<Later> for Post {
    async fn handle(&mut self, _: Later, ctx: &mut Context<Self>) {
        ctx.defer(|responder| self.kept.push(responder)).await;
    }
}

impl Handler<Aside> for Post {
    async fn handle(&mut self, aside: Aside, ctx: &mut Context<Self>) {
        ctx.stash(aside).await;
    }
}

impl ReadHandler<Glance> for Post {
    async fn read(&self, glance: Glance, _: &ReadContext<Self>) {
        self.till.ask(Wait { millis: glance.millis }).within(HOUR).await.unwrap_or_default();
    }
}

reads!(Post: Glance);

/// The post of b, as a sees it, and what asks it.
struct Office {
    pair: Pair,
    post: ActorRef<Post>,
    here: ActorRef<Post>,
}

impl Office {
    async fn new(options: SpawnOptions) -> Self {
        let pair = pair(1000).await;
        let till = pair.a.spawn::<Till>((), SpawnOptions::default()).await.unwrap();
        let till = ActorRef::from_address(&pair.b, till.address().unwrap());
        pair.b.declare::<Post>().unwrap();
        let here = pair.b.spawn::<Post>(till, options).await.unwrap();
        let post = ActorRef::from_address(&pair.a, here.address().unwrap());
        Self { pair, post, here }
    }

    async fn end(self) {
        let Self { pair, post, here } = self;
        drop((post, here));
        pair.end().await;
    }

    /// Asks, and goes on once the ask is there; its number.
    async fn ask<M>(&self, message: M) -> AskId
    where
        M: odeon_message::Message,
        Post: Handler<M>,
        crate::odeon::AskFuture<Post, M>: 'static,
    {
        let mut asked = self.post.ask(message).within(HOUR).into_future();
        let sent = poll_fn(|cx| Poll::Ready(Pin::new(&mut asked).poll(cx).is_pending())).await;
        assert!(sent);
        let number = self.pair.net.state.lock().unwrap().asked;
        spawn_local(async move {
            // What the stop of the test leaves is of no interest.
            let _ = asked.await;
        });
        sleep(SHORT).await;
        AskId(number)
    }

    async fn seek_along(&self, from: &str, ask: AskId, along: Along) -> Option<Vec<Way>> {
        let (sender, found) = oneshot::channel();
        let node = NodeId::of(from);
        let to = self.post.address().unwrap().key;
        let there = AskThere { node, incarnation: Incarnation(1), ask, to };
        let found_here = Box::new(move |ways| drop(sender.send(ways)));
        self.pair.b.seek_waits(there, along, found_here);
        found.await.ok()
    }

    /// The numbers of the waits for other nodes that hold up an ask.
    async fn holds(&self, ask: AskId) -> Vec<u64> {
        let along = Along::Any { until: None, ways_max: 16 };
        let ways = self.seek_along("a", ask, along).await.unwrap();
        let numbers = ways.iter().map(|way| {
            assert_eq!((way.waits.len(), way.closes), (1, false));
            assert!(way.waits[0].actor.starts_with("test/Post "), "{way:?}");
            let (to, _) = way.waits[0].far.unwrap();
            assert_eq!(to.node, NodeId::of("a"));
            way.waits[0].number
        });
        numbers.collect()
    }
}

#[test]
fn an_ask_is_found_where_it_waits() {
    let small = || SpawnOptions::default().mailbox(2);
    let all = [
        SpawnOptions::default(),
        small(),
        small().priorities(3),
        SpawnOptions::default().overflow(Overflow::DropOldest),
    ];
    for options in all {
        in_world(|| async {
            let office = Office::new(options).await;
            let runs = office.ask(Hold { millis: 10_000 }).await;
            let mut queued = Vec::new();
            for _ in 0..6 {
                queued.push(office.ask(Hold { millis: 0 }).await);
            }
            assert_eq!(office.holds(runs).await, [0; 0], "it has not waited for long");
            sleep(Duration::from_millis(200)).await;
            let held = office.holds(runs).await;
            assert_eq!(held.len(), 1);
            for ask in &queued {
                assert_eq!(office.holds(*ask).await, held);
            }
            assert_eq!(office.holds(AskId(99)).await, [0; 0], "there is no such ask");
            let any = Along::Any { until: None, ways_max: 16 };
            let other = office.seek_along("c", runs, any).await;
            assert_eq!(other, Some(Vec::new()), "it is not of that node");
            let exactly = |numbers| office.seek_along("a", runs, Along::These(numbers));
            assert_eq!(exactly(held.clone()).await.unwrap().len(), 1);
            assert_eq!(exactly(vec![held[0] + 1]).await, Some(Vec::new()));
            let home = Along::Any { until: Some(held[0]), ways_max: 0 };
            let home = office.seek_along("a", queued[3], home).await.unwrap();
            assert!(home[0].closes && home.len() == 1, "{home:?}");
            sleep(Duration::from_secs(10)).await;
            assert_eq!(office.holds(runs).await, [0; 0], "it was answered");
            assert_eq!(exactly(held).await, Some(Vec::new()));
            office.end().await;
        });
    }
}

#[test]
fn an_ask_that_nobody_knows_who_will_answer_is_not_found() {
    in_world(|| async {
        let office = Office::new(SpawnOptions::default()).await;
        let later = office.ask(Later).await;
        let aside = office.ask(Aside).await;
        let runs = office.ask(Hold { millis: 10_000 }).await;
        sleep(Duration::from_millis(200)).await;
        assert_eq!(office.holds(runs).await.len(), 1);
        assert_eq!(office.holds(later).await, [0; 0]);
        assert_eq!(office.holds(aside).await, [0; 0]);
        office.end().await;
    });
}

#[test]
fn a_read_holds_up_itself_and_what_is_no_read() {
    in_world(|| async {
        let office = Office::new(SpawnOptions::default()).await;
        let one = office.ask(Glance { millis: 10_000 }).await;
        let other = office.ask(Glance { millis: 10_000 }).await;
        let hold = office.ask(Hold { millis: 0 }).await;
        let behind = office.ask(Glance { millis: 0 }).await;
        sleep(Duration::from_millis(200)).await;
        let (held, other) = (office.holds(one).await, office.holds(other).await);
        assert_eq!((held.len(), other.len()), (1, 1));
        assert_ne!(held, other);
        assert_eq!(office.holds(hold).await.len(), 2, "it waits for both");
        assert_eq!(office.holds(behind).await, [0; 0], "it is behind what is no read");
        office.end().await;
    });
}

#[test]
fn a_question_about_nobody_is_dropped() {
    in_world(|| async {
        let office = Office::new(SpawnOptions::default()).await;
        let runs = office.ask(Hold { millis: 10_000 }).await;
        sleep(Duration::from_millis(200)).await;
        office.here.kill();
        sleep(SHORT).await;
        let any = Along::Any { until: None, ways_max: 16 };
        assert_eq!(office.seek_along("a", runs, any).await, None);
        office.end().await;
    });
}
