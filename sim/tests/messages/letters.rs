//! Messages between real nodes under loss, partitions and crashes: they keep the order of each pair, each ask is answered
//! exactly once and with its own answer, and what a sender is told about a failed message is what became of it. What the
//! nodes hold comes back to what it was, and in the end they see each other again.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use odeon::{
    Actor, ActorRef, AskError, ChildSpec, Context, Handler, Node, NodeBuilder, SpawnOptions,
    StartError, Supervisor, SupervisorSpec, TellError, actor, message,
};
use odeon_check::{Convergence, Letter, NoLeaks, Recorder, What};
use odeon_sim::{LinkRule, Stream, World};
use tokio::task::{JoinHandle, spawn_local};

use crate::judges::{DEADLINE, judges, tally};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

#[message(id = "letters/Question", reply = u64)]
struct Question {
    from: String,
    number: u64,
    millis: u32,
    panics: bool,
}

#[message(id = "letters/Notice")]
struct Notice {
    from: String,
    number: u64,
}

/// Writes down what it begins to run.
#[derive(Clone)]
struct Clerk {
    name: String,
    recorder: Recorder,
}

#[actor(id = "letters/Clerk", handles(Question, Notice))]
impl Actor for Clerk {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Question> for Clerk {
    async fn handle(&mut self, question: Question, _: &mut Context<Self>) -> u64 {
        self.recorder.began(&Letter::new(question.from, self.name.as_str(), question.number));
        if question.millis > 0 {
            tokio::time::sleep(question.millis * MILLI).await;
        }
        assert!(!question.panics, "as it was told");
        question.number
    }
}

impl Handler<Notice> for Clerk {
    async fn handle(&mut self, notice: Notice, _: &mut Context<Self>) {
        self.recorder.began(&Letter::new(notice.from, self.name.as_str(), notice.number));
    }
}

/// A cluster with a supervised clerk on each node.
async fn cluster(world: &mut World, names: &[&'static str]) {
    for name in names {
        let recorder = world.history().clone();
        let main = move |node: Node| {
            let recorder = recorder.clone();
            async move {
                let clerk = Clerk { name: node.name().to_owned(), recorder };
                let options = SpawnOptions::default().named("clerk");
                let clerk = ChildSpec::new::<Clerk>("clerk", clerk).options(options);
                let tree = SupervisorSpec::one_for_one().intensity(1_000_000, SECOND).child(clerk);
                node.spawn_with::<Supervisor>(tree).await.expect("the tree starts");
            }
        };
        world.start_member(name, NodeBuilder::actor::<Clerk>, main);
    }
    world.all_joined(names, 20 * SECOND).await.expect("they find each other");
}

type Asking = Pin<Box<dyn Future<Output = Result<u64, AskError<std::convert::Infallible>>>>>;

/// One sender and one receiver.
struct Client {
    node: Node,
    to: &'static str,
    name: String,
    recorder: Recorder,
    random: Stream,
    sent: u64,
    asking: VecDeque<(Letter, Asking)>,
}

impl Client {
    fn new(world: &World, from: &str, to: &'static str) -> Self {
        let name = format!("client {from}{to}");
        Self {
            node: world.runtime_node(from).expect("it is up"),
            to,
            recorder: world.history().clone(),
            random: world.random(&name),
            name,
            sent: 0,
            asking: VecDeque::new(),
        }
    }

    fn letter(&mut self) -> Letter {
        self.sent += 1;
        Letter::new(self.name.as_str(), self.to, self.sent)
    }

    /// The clerk, as soon as there is one to be found.
    async fn clerk(&self) -> ActorRef<Clerk> {
        loop {
            let found = if self.node.name() == self.to {
                self.node.lookup("clerk")
            } else {
                self.node.on(self.to).lookup("clerk").await.ok().flatten()
            };
            if let Some(clerk) = found {
                return clerk;
            }
            tokio::time::sleep(20 * MILLI).await;
        }
    }

    /// Sends messages for so long, some asks beside each other; to a new clerk after each failure.
    async fn send(mut self, time: Duration) {
        let until = tokio::time::Instant::now() + time;
        let mut clerk = self.clerk().await;
        while tokio::time::Instant::now() < until {
            let went_well = if self.random.below(2) == 0 {
                self.tell(&clerk).await
            } else {
                self.ask(&clerk).await
            };
            if !went_well {
                clerk = self.clerk().await;
            }
            if self.random.below(3) == 0 {
                tokio::time::sleep(self.random.below(60) as u32 * MILLI).await;
            }
        }
        while let Some((letter, asking)) = self.asking.pop_front() {
            self.end(&letter, asking.await);
        }
    }

    async fn tell(&mut self, clerk: &ActorRef<Clerk>) -> bool {
        let letter = self.letter();
        self.recorder.tell(&letter);
        let notice = Notice { from: self.name.clone(), number: letter.number };
        match clerk.tell(notice).await {
            Ok(()) => self.recorder.taken(&letter),
            Err(error) => return self.told(&letter, &error),
        }
        true
    }

    fn told(&self, letter: &Letter, error: &TellError<Notice>) -> bool {
        self.recorder.send_failed(letter, error.certainty(), error.to_string());
        false
    }

    /// Begins an ask; at most four are under way, of which the first is waited for, or given up.
    async fn ask(&mut self, clerk: &ActorRef<Clerk>) -> bool {
        let letter = self.letter();
        let deadline = if self.random.below(4) == 0 { 60 * MILLI } else { DEADLINE };
        let question = Question {
            from: self.name.clone(),
            number: letter.number,
            millis: self.random.below(80).saturating_sub(40) as u32,
            panics: self.random.below(20) == 0,
        };
        self.recorder.ask(&letter);
        let mut asking: Asking = Box::pin(clerk.ask(question).within(deadline).into_future());
        let answer = poll_fn(|cx| match asking.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => Poll::Ready(None),
        });
        match answer.await {
            Some(answer) => return self.end(&letter, answer),
            None => self.asking.push_back((letter, asking)),
        }
        if self.asking.len() < 4 {
            return true;
        }
        let Some((letter, asking)) = self.asking.pop_front() else { return true };
        if self.random.below(8) == 0 {
            self.recorder.record(What::GaveUp { letter });
            drop(asking);
            return true;
        }
        let answer = asking.await;
        self.end(&letter, answer)
    }

    fn end(
        &self,
        letter: &Letter,
        answer: Result<u64, AskError<std::convert::Infallible>>,
    ) -> bool {
        match answer {
            Ok(echo) => self.recorder.answered(letter, echo),
            Err(error) => {
                self.recorder.send_failed(letter, error.certainty(), error.to_string());
                return false;
            }
        }
        true
    }
}

/// A client for each pair of these.
fn clients(
    world: &World,
    from: &[&str],
    to: &[&'static str],
    time: Duration,
) -> Vec<JoinHandle<()>> {
    let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to)));
    pairs.map(|(from, to)| spawn_local(Client::new(world, from, to).send(time))).collect()
}

async fn all(clients: Vec<JoinHandle<()>>) {
    for client in clients {
        client.await.expect("a client does not panic");
    }
}

#[odeon_sim::test(seeds = 0..20)]
async fn under_loss_partitions_and_crashes_messages_keep_their_promises(world: &mut World) {
    world.expect_panics("letters.rs", "as it was told");
    judges(world);
    world.record_views();
    world.check_leaks();
    world.check_at_end(Convergence::within(20 * SECOND));
    world.set_default_link(LinkRule::rough());
    let names = ["a", "b", "c"];
    cluster(world, &names).await;
    let clients = clients(world, &["a", "c"], &names, 5 * SECOND);
    for round in 0..3 {
        world.run_for(700 * MILLI).await;
        world.partition(&[["a", "b", "c"][round]], &[["b", "c", "a"][round]]);
        world.run_for(500 * MILLI).await;
        world.heal();
        world.run_for(300 * MILLI).await;
        world.crash("b");
        world.run_for(400 * MILLI).await;
        world.restart("b");
    }
    all(clients).await;
    world.run_for(30 * SECOND).await;
    let [not_delivered, may_have_run, ran, answered, taken] = tally(world);
    assert!(may_have_run > 0 && not_delivered + may_have_run + ran > 20, "{:?}", tally(world));
    assert!(answered > 100 && taken > 100, "{:?}", tally(world));
}

/// What a thousand messages and an outage leave behind: nothing, while the nodes run on.
#[odeon_sim::test(seeds = 0..10)]
async fn what_nodes_hold_comes_back_to_what_it_was(world: &mut World) {
    world.expect_panics("letters.rs", "as it was told");
    judges(world);
    world.check_leaks();
    cluster(world, &["a", "b"]).await;
    world.run_for(SECOND).await;
    world.count();
    let clients = clients(world, &["a", "b"], &["a", "b"], 3 * SECOND);
    world.run_for(SECOND).await;
    world.partition(&["a"], &["b"]);
    world.run_for(SECOND / 2).await;
    world.heal();
    all(clients).await;
    world.run_for(10 * SECOND).await;
    world.count();
    world.check(&NoLeaks::new());
}
