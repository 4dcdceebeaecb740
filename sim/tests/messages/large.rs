//! Large and small messages between real nodes, on either link: under faults they keep the order of each pair, run once and
//! fail with the right word; and while a long one is on its way, small ones to another actor go past it.

use std::{cell::Cell, future::IntoFuture, rc::Rc, time::Duration};

use odeon::{
    Actor, ActorRef, AskError, Context, Handler, Node, NodeBuilder, SpawnOptions, StartError,
    TransportConfig, actor, data, message,
};
use odeon_check::{Convergence, Letter, NoLeaks, Recorder, What};
use odeon_sim::{LinkRule, Stream, World};
use tokio::task::{JoinHandle, spawn_local};

use crate::judges::{DEADLINE, judges, tally};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// How often the link and a node fail, at most, until enough has come through: 30 s of it. Two rounds are the rule.
const ROUNDS_MAX: usize = 17;

/// Actors on each node, whose messages share one lane.
const CLERKS: [&str; 2] = ["one", "two"];

#[message(id = "large/Question", reply = Echo)]
struct Question {
    from: String,
    number: u64,
    text: String,
    /// Bytes of the answer.
    wants: u32,
}

#[data]
struct Echo {
    number: u64,
    text: String,
}

#[message(id = "large/Notice")]
struct Notice {
    from: String,
    number: u64,
    text: String,
}

/// Writes down what it begins to run.
#[derive(Clone)]
struct Clerk {
    name: String,
    recorder: Recorder,
}

#[actor(id = "large/Clerk", handles(Question, Notice))]
impl Actor for Clerk {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Question> for Clerk {
    async fn handle(&mut self, question: Question, _: &mut Context<Self>) -> Echo {
        self.recorder.began(&Letter::new(question.from, self.name.as_str(), question.number));
        assert!(question.text.bytes().all(|byte| byte == b'x'));
        Echo { number: question.number, text: "y".repeat(question.wants as usize) }
    }
}

impl Handler<Notice> for Clerk {
    async fn handle(&mut self, notice: Notice, _: &mut Context<Self>) {
        assert!(notice.text.bytes().all(|byte| byte == b'x'));
        self.recorder.began(&Letter::new(notice.from, self.name.as_str(), notice.number));
    }
}

/// Bounds small enough that each of them is met.
fn tight() -> TransportConfig {
    TransportConfig {
        lanes: 1,
        batch_bytes_max: 4 << 10,
        bulk_from_bytes: 4 << 10,
        bulk_streams: 2,
        bulk_bytes_max: 64 << 10,
        credit_messages: 16,
        credit_bytes: 64 << 10,
        ..TransportConfig::default()
    }
}

/// A cluster with clerks on each node.
async fn cluster(world: &mut World, names: &[&'static str], config: &TransportConfig) {
    for name in names {
        let recorder = world.history().clone();
        let main = move |node: Node| {
            let recorder = recorder.clone();
            async move {
                for clerk in CLERKS {
                    let name = format!("{} {clerk}", node.name());
                    let options = SpawnOptions::default().named(clerk);
                    let clerk = Clerk { name, recorder: recorder.clone() };
                    node.spawn_opts::<Clerk>(clerk, options).await.expect("it starts");
                }
            }
        };
        let config = config.clone();
        let setup = move |node: NodeBuilder| node.transport(config.clone()).actor::<Clerk>();
        world.start_member(name, setup, main);
    }
    world.all_joined(names, 20 * SECOND).await.expect("they find each other");
}

type Failed = AskError<std::convert::Infallible>;

/// One sender and one receiver.
struct Client {
    node: Node,
    to: [&'static str; 2],
    name: String,
    recorder: Recorder,
    random: Stream,
    sent: u64,
    /// Large ones that were answered in full.
    large: Rc<Cell<u32>>,
}

impl Client {
    fn new(world: &World, from: &str, to: [&'static str; 2], large: &Rc<Cell<u32>>) -> Self {
        let name = format!("client {from} {} {}", to[0], to[1]);
        Self {
            node: world.runtime_node(from).expect("it is up"),
            to,
            recorder: world.history().clone(),
            random: world.random(&name),
            name,
            sent: 0,
            large: Rc::clone(large),
        }
    }

    fn letter(&mut self) -> Letter {
        self.sent += 1;
        Letter::new(self.name.as_str(), self.to.join(" "), self.sent)
    }

    /// Mostly short, often above the bound for large ones, now and then above all others.
    fn bytes(&mut self) -> usize {
        match self.random.below(8) {
            0..4 => self.random.below(100) as usize,
            4..7 => 3000 + self.random.below(20_000) as usize,
            _ => 50_000 + self.random.below(100_000) as usize,
        }
    }

    async fn clerk(&self) -> ActorRef<Clerk> {
        loop {
            let [node, name] = self.to;
            if let Some(clerk) = self.node.on(node).lookup(name).await.ok().flatten() {
                return clerk;
            }
            tokio::time::sleep(20 * MILLI).await;
        }
    }

    /// Sends one after the other until it is over; to a new clerk after each failure.
    async fn send(mut self, is_over: Rc<Cell<bool>>) {
        let mut clerk = self.clerk().await;
        while !is_over.get() {
            let went_well = match self.random.below(2) {
                0 => self.tell(&clerk).await,
                _ => self.ask(&clerk).await,
            };
            if !went_well {
                clerk = self.clerk().await;
            }
            if self.random.below(3) == 0 {
                tokio::time::sleep(self.random.below(60) as u32 * MILLI).await;
            }
        }
    }

    async fn tell(&mut self, clerk: &ActorRef<Clerk>) -> bool {
        let (letter, text) = (self.letter(), "x".repeat(self.bytes()));
        self.recorder.tell(&letter);
        let notice = Notice { from: self.name.clone(), number: letter.number, text };
        match clerk.tell(notice).await {
            Ok(()) => self.recorder.taken(&letter),
            Err(error) => {
                self.recorder.send_failed(&letter, error.certainty(), error.to_string());
                return false;
            }
        }
        true
    }

    /// Asks and waits, so that what is sent next is sent later also where this one had to wait for room.
    async fn ask(&mut self, clerk: &ActorRef<Clerk>) -> bool {
        let letter = self.letter();
        let deadline = if self.random.below(4) == 0 { 40 * MILLI } else { DEADLINE };
        let (text, wants) = ("x".repeat(self.bytes()), self.bytes() as u32);
        let question = Question { from: self.name.clone(), number: letter.number, text, wants };
        self.recorder.ask(&letter);
        let asking = clerk.ask(question).within(deadline).into_future();
        if self.random.below(10) > 0 {
            return self.end(&letter, wants, asking.await);
        }
        match tokio::time::timeout(self.random.below(20) as u32 * MILLI, asking).await {
            Ok(answer) => self.end(&letter, wants, answer),
            Err(_) => {
                self.recorder.record(What::GaveUp { letter });
                true
            }
        }
    }

    fn end(&self, letter: &Letter, wants: u32, answer: Result<Echo, Failed>) -> bool {
        match answer {
            Ok(echo) => {
                assert_eq!(echo.text, "y".repeat(wants as usize));
                self.large.set(self.large.get() + u32::from(wants > 4 << 10));
                self.recorder.answered(letter, echo.number);
            }
            Err(error) => {
                self.recorder.send_failed(letter, error.certainty(), error.to_string());
                return false;
            }
        }
        true
    }
}

/// A client of each of these nodes for each clerk of the others.
fn clients(
    world: &World,
    from: &[&str],
    to: &[&'static str],
    is_over: &Rc<Cell<bool>>,
    large: &Rc<Cell<u32>>,
) -> Vec<JoinHandle<()>> {
    let mut clients = Vec::new();
    for from in from {
        for to in to.iter().filter(|to| *to != from) {
            for clerk in CLERKS {
                let client = Client::new(world, from, [to, clerk], large);
                clients.push(spawn_local(client.send(Rc::clone(is_over))));
            }
        }
    }
    clients
}

async fn all(clients: Vec<JoinHandle<()>>) {
    for client in clients {
        client.await.expect("a client does not panic");
    }
}

/// Whether enough came through, and enough did not.
fn is_enough([not_delivered, may_have_run, ran, answered, taken]: [usize; 5], large: u32) -> bool {
    not_delivered + may_have_run + ran > 2 && answered > 20 && taken > 20 && large > 5
}

#[odeon_sim::test(seeds = 0..8, link = both)]
async fn under_loss_partitions_and_crashes_large_messages_keep_their_promises(world: &mut World) {
    judges(world);
    world.record_views();
    world.check_leaks();
    world.check_at_end(Convergence::within(20 * SECOND));
    world.set_default_link(LinkRule::rough());
    let names = ["a", "b"];
    cluster(world, &names, &tight()).await;
    let (large, is_over) = (Rc::default(), Rc::default());
    let clients = clients(world, &["a"], &names, &is_over, &large);
    for round in 0..ROUNDS_MAX {
        if round >= 2 && is_enough(tally(world), large.get()) {
            break;
        }
        world.run_for(600 * MILLI).await;
        world.partition(&["a"], &["b"]);
        world.run_for(400 * MILLI).await;
        world.heal();
        world.run_for(500 * MILLI).await;
        world.crash("b");
        world.run_for(300 * MILLI).await;
        world.restart("b");
    }
    is_over.set(true);
    all(clients).await;
    world.run_for(30 * SECOND).await;
    assert!(is_enough(tally(world), large.get()), "{:?} {}", tally(world), large.get());
}

/// What many large messages and an outage leave behind: nothing, while the nodes run on.
#[odeon_sim::test(seeds = 0..4, link = both)]
async fn what_large_messages_hold_comes_back_to_what_it_was(world: &mut World) {
    judges(world);
    world.check_leaks();
    world.set_default_link(LinkRule { in_order: true, ..LinkRule::lan() });
    let names = ["a", "b"];
    cluster(world, &names, &tight()).await;
    world.run_for(SECOND).await;
    world.count();
    let (large, is_over): (Rc<Cell<u32>>, Rc<_>) = Default::default();
    let clients = clients(world, &names, &names, &is_over, &large);
    world.run_for(SECOND).await;
    world.partition(&["a"], &["b"]);
    world.run_for(SECOND / 2).await;
    world.heal();
    world.run_for(3 * SECOND / 2).await;
    let came = world.run_until(|| large.get() > 8, 20 * SECOND).await;
    assert!(came.is_ok(), "{} {:?}", large.get(), tally(world));
    is_over.set(true);
    all(clients).await;
    world.run_for(10 * SECOND).await;
    world.count();
    world.check(&NoLeaks::new());
}

/// At 100 Mbit/s a message of 8 MiB takes two thirds of a second, and longer where the link loses some of it. One lane, so
/// that nothing but its own stream keeps it out of the way.
#[odeon_sim::test(seeds = 0..2, link = both)]
async fn small_messages_to_another_actor_go_past_a_long_one(world: &mut World) {
    world.set_default_link(LinkRule { bandwidth_bps: Some(100_000_000), ..LinkRule::lan() });
    let config = TransportConfig { lanes: 1, ..TransportConfig::default() };
    cluster(world, &["a", "b"], &config).await;
    let large = Rc::default();
    let [one, two] = CLERKS.map(|clerk| Client::new(world, "a", ["b", clerk], &large));
    let (one, two) = (one.clerk().await, two.clerk().await);
    let question = |text: String| Question { from: "a".to_owned(), number: 1, text, wants: 0 };
    let began = world.now();
    let long =
        spawn_local(one.ask(question("x".repeat(8 << 20))).within(60 * SECOND).into_future());
    let mut past = Vec::new();
    while !long.is_finished() {
        let asked = world.now();
        two.ask(question(String::new())).await.expect("it is answered");
        past.push(world.now() - asked);
    }
    long.await.expect("no panic").expect("it is answered");
    let took = world.now() - began;
    assert!(took > SECOND / 2, "{took:?}");
    let longest = past.iter().max().copied().unwrap_or_default();
    assert!(past.len() > 3 && longest < took / 2, "{} past, {longest:?} of {took:?}", past.len());
    // What the same actor gets later comes later, and it has had the long one.
    one.ask(question(String::new())).await.expect("it is answered");
}
