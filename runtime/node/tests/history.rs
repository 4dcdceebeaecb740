//! The job of `odeon demo` on real processes, judged by the checkers that judge it in simulation.
//!
//! The nodes are programs `odeon`, one of which is killed in mid-run and started again. The driver is this test, and what
//! it is told of each ask goes into a history, with what truly ran: handlers write that into the journal, which outlives
//! them, before they do anything else, and it is read before anything is written down that could have come of it.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    rc::Rc,
    time::{Duration, UNIX_EPOCH},
};

use odeon::{
    Certainty, MemberEvent, Node,
    env::{Env as _, RealEnv},
};
use odeon_check::{Honesty, Letter, OneAnswer, Recorder, What};
use tokio::{
    task::{JoinSet, LocalSet},
    time::Instant,
};

use job::{
    COUNTERS_PER_NODE, CREDIT_MESSAGES,
    board::{Board, Note},
    comparison,
    feeder::{ASK_WITHIN, Feeder},
    words::Words,
};
use journal::Journal;
use papers::Papers;

#[path = "../src/demo/job.rs"]
#[expect(dead_code, reason = "the nodes run the counters, and the demo takes other texts")]
mod job;
#[path = "../src/demo/journal.rs"]
mod journal;
#[path = "../src/demo/papers.rs"]
mod papers;

const NODES: [&str; 3] = ["n1", "n2", "n3"];
const PARTITIONS: usize = NODES.len() * COUNTERS_PER_NODE;
const WORDS: usize = 150_000;

/// How long the whole run may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The nodes that run, and what they say, which must stay open.
struct Programs(BTreeMap<&'static str, (Child, BufReader<ChildStdout>)>);

impl Programs {
    /// Starts a node; where it listens.
    fn start(&mut self, folder: &Path, name: &'static str, seed: Option<SocketAddr>) -> SocketAddr {
        let mut command = Command::new(env!("CARGO_BIN_EXE_odeon"));
        command.arg("demo-node").arg("--folder").arg(folder).args(["--name", name]);
        if let Some(seed) = seed {
            command.args(["--seed", &seed.to_string()]);
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut said = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        said.read_line(&mut line).expect("it says where it listens");
        let heard: serde_json::Value = serde_json::from_str(&line).expect("it says JSON");
        self.0.insert(name, (child, said));
        heard["addr"].as_str().and_then(|addr| addr.parse().ok()).expect("it is an address")
    }

    fn kill(&mut self, name: &str) {
        if let Some((mut child, _)) = self.0.remove(name) {
            child.kill().and_then(|()| child.wait()).expect("it is ours");
        }
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        for (child, _) in self.0.values_mut() {
            // Whatever the test has come to, none outlives it.
            let _ = child.kill().and_then(|()| child.wait());
        }
    }
}

/// A history, and how often each ask has run, by its number, as far as that is in it.
struct Writer {
    recorder: Recorder,
    journal: Journal,
    began: RefCell<Vec<u8>>,
}

impl Writer {
    fn letter(ask: u64) -> Letter {
        Letter::new("driver", "counters", ask)
    }

    /// Writes down what ran and is not written down.
    fn read_journal(&self) {
        let (ran, is_whole) = self.journal.asks();
        assert!(is_whole, "the journal was too short");
        let last = ran.iter().max().map_or(0, |ask| *ask as usize);
        let mut began = self.began.borrow_mut();
        let length = began.len().max(last + 1);
        began.resize(length, 0);
        let mut times = vec![0_u8; length];
        for ask in ran {
            let (at, time) = (ask as usize, &mut times[ask as usize]);
            *time = time.saturating_add(1);
            if began[at] < *time {
                self.recorder.began(&Self::letter(ask));
                began[at] = *time;
            }
        }
    }

    fn note(&self, note: Note) {
        self.read_journal();
        match note {
            Note::Asks { ask } => self.recorder.ask(&Self::letter(ask)),
            Note::Counted { ask, .. } => self.recorder.answered(&Self::letter(ask), None),
            Note::Failed { ask, label } => {
                self.recorder.send_failed(&Self::letter(ask), label, "no answer");
            }
            Note::Complete { .. } | Note::Lost { .. } => {}
        }
    }
}

/// Tells the board who comes and goes.
async fn follow(node: Node, board: Rc<Board>) {
    let mut members = node.members();
    while let Some(event) = members.next().await {
        match event {
            MemberEvent::Up(member) => board.back(&member.name),
            MemberEvent::Down { member, .. } => board.gone(&member.name),
            _ => {}
        }
    }
}

async fn count_with_a_kill() {
    let names = NODES.map(str::to_owned).to_vec();
    let with_driver = [&names[..], &["driver".to_owned()]].concat();
    let now = RealEnv.wall_clock();
    let nonce = now.duration_since(UNIX_EPOCH).expect("it is later").as_nanos() as u64;
    let papers = Papers::make(&with_driver, now, nonce).expect("there is room");
    let folder = papers.folder();
    let journal = Journal::create(&papers::journal(folder), 1 << 16).expect("there is room");
    let mut programs = Programs(BTreeMap::new());
    let seed = programs.start(folder, "n1", None);
    programs.start(folder, "n2", Some(seed));
    programs.start(folder, "n3", Some(seed));

    let began = Instant::now();
    let recorder = Recorder::new(move || began.elapsed());
    let writer = Rc::new(Writer { recorder, journal, began: RefCell::default() });
    let words = Rc::new(Words::embedded(WORDS, PARTITIONS));
    let sizes: Vec<_> = (0..PARTITIONS).map(|partition| words.len(partition)).collect();
    let writes = Rc::clone(&writer);
    let book = Box::new(move |note| writes.note(note));
    let board = Rc::new(Board::new(names, &sizes, 0, 0, book));
    let identity = papers::identity(folder, "driver").expect("they were made");
    let driver = Node::builder("driver").identity(identity).transport(job::transport());
    let node = driver.seed(seed.to_string()).start().await.expect("it starts");
    tokio::task::spawn_local(follow(node.clone(), Rc::clone(&board)));
    while node.members_now().len() < NODES.len() {
        board.moved.notified().await;
    }
    let mut feeders = JoinSet::new();
    for partition in 0..PARTITIONS {
        let (node, words, board) = (node.clone(), Rc::clone(&words), Rc::clone(&board));
        let feeder = Feeder { node, words, board, partition, forgets: false };
        feeders.spawn_local(async move { (partition, feeder.run().await) });
    }
    let victim = loop {
        board.moved.notified().await;
        assert!(!board.all_complete(), "everything was counted before a node could be killed");
        let is_half_way = board.words() * 3 > words.total();
        if let Some(victim) = board.victim(CREDIT_MESSAGES as usize / 4, |_| true)
            && is_half_way
        {
            break NODES.into_iter().find(|name| **name == *victim).expect("it is one of them");
        }
    };
    programs.kill(victim);
    let others = || node.members_now().into_iter().find(|member| member.name != victim);
    let survivor = others().map(|member| member.addr).expect("two are left");
    programs.start(folder, victim, Some(survivor));
    board.calm();
    while let Some(done) = feeders.join_next().await {
        let (partition, counter) = done.expect("a feeder does not panic");
        let counted = comparison::count(&counter).await.expect("it is there");
        assert_eq!(comparison::compare(&words, partition, &counted), Vec::<String>::new());
    }
    writer.read_journal();
    judge(&writer.recorder);
    node.stop(Duration::from_secs(2)).await;
}

/// The checkers are content, and would not be with a lie.
fn judge(recorder: &Recorder) {
    let history = recorder.history();
    // A feeder takes answers in turn, so that one may wait for another that is late itself.
    let one_answer = OneAnswer::within(2 * ASK_WITHIN);
    history.check(&one_answer).expect("each ask ends once");
    history.check(&Honesty).expect("what is said of each ask is true");
    let events = || history.events().iter().map(|event| &event.what);
    let failed = |wanted: Certainty| {
        events().find_map(|what| match what {
            What::Refused { letter, certainty, .. } if *certainty == wanted => Some(letter.clone()),
            _ => None,
        })
    };
    // What was on its way when its node was killed may have run, what waited for credit has not; there is some of either,
    // and of which there is more is up to the machine.
    let never_ran = failed(Certainty::NotDelivered);
    assert!(never_ran.is_some() || failed(Certainty::MayHaveRun).is_some(), "a node was killed");
    let answered = events().find_map(|what| match what {
        What::Answered { letter, .. } => Some(letter.clone()),
        _ => None,
    });
    if let Some(never_ran) = never_ran {
        recorder.began(&never_ran);
        let lie = recorder.history().check(&Honesty).expect_err("it ran after all");
        assert!(lie.to_string().contains("it was not delivered"), "{lie}");
    }
    recorder.answered(&answered.expect("most are answered"), None);
    let twice = recorder.history().check(&one_answer).expect_err("it was answered twice");
    assert!(twice.to_string().contains("ended 2 times"), "{twice}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_killed_node_leaves_a_history_that_the_checkers_are_content_with() {
    let tasks = LocalSet::new();
    let run = tasks.run_until(count_with_a_kill());
    tokio::time::timeout(PATIENCE, run).await.expect("it comes to its end");
}
