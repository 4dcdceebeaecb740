//! `odeon demo`: counts words on nodes that are separate processes, kills one, and checks that nothing was lost.
//!
//! What it is: the driver. It starts the processes (`demo/children.rs`), is itself a member of their cluster, feeds
//! counters on them (`demo/feeder.rs`), kills the node with the most counts, has its counters started elsewhere,
//! starts it anew, and gives the verdict (`demo/verdict.rs`). What it is NOT: a benchmark; its figures are of one run
//! on a busy machine.

mod board;
pub(crate) mod child;
mod children;
mod counter;
mod feeder;
mod journal;
mod papers;
mod report;
mod tally;
mod verdict;
mod words;

use std::{
    net::SocketAddr,
    path::PathBuf,
    rc::Rc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use indicatif::{ProgressBar, ProgressStyle};
use odeon::{ActorRef, MemberEvent, Members, Node, TransportConfig};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    demo::{
        board::Board, child::Said, children::Children, counter::Counter, feeder::Feeder,
        journal::Journal, papers::Papers, report::Report, verdict::Findings, words::Words,
    },
    failure::Failed,
};

/// Partitions, and so counters, a node.
const COUNTERS_PER_NODE: usize = 4;

/// Messages that one counter may have on the way to it; fewer than a feeder's window.
const CREDIT_MESSAGES: u32 = 32;

/// Fewest words for a run in which a node is killed in the middle.
const WORDS_MIN: usize = 100_000;

/// Longest time for all nodes to find each other, or for a killed one to be missed or to be back.
const MEMBERS_WITHIN: Duration = Duration::from_secs(20);

/// Longest time for the whole counting.
const COUNT_WITHIN: Duration = Duration::from_secs(300);

/// Counts words on a cluster of processes on this machine.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Text files to count; without any, an embedded text is repeated to a million words.
    files: Vec<PathBuf>,
    /// Node processes to start, 2 to 16.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=16))]
    nodes: u8,
    /// Do not kill a node in the middle.
    #[arg(long)]
    no_kill: bool,
    /// Chooses when the node is killed and which node counts what.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one line of JSON at the end, and nothing else, on standard output.
    #[arg(long)]
    json: bool,
}

/// The transport of all nodes of the demo.
fn transport() -> TransportConfig {
    TransportConfig { credit_messages: CREDIT_MESSAGES, ..TransportConfig::default() }
}

/// Microseconds since 1970.
fn micros(at: SystemTime) -> u64 {
    u64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
}

/// Runs the demo; true if everything was equal and honest.
pub(crate) async fn run(args: DemoArgs) -> Result<bool, Failed> {
    let count = usize::from(args.nodes);
    let partitions = count * COUNTERS_PER_NODE;
    let words = Rc::new(Words::read(&args.files, partitions).map_err(Failed::input)?);
    if words.total() == 0 || (!args.no_kill && words.total() < WORDS_MIN) {
        let total = words.total();
        return Err(Failed::input(format!(
            "the input has {total} words: give at least {WORDS_MIN}, or a few and --no-kill"
        )));
    }
    let names: Vec<String> = (1..=count).map(|n| format!("n{n}")).collect();
    let env = odeon::env::RealEnv;
    let now = odeon::env::Env::wall_clock(&env);
    let with_driver: Vec<String> = names.iter().cloned().chain(["driver".to_owned()]).collect();
    let papers = Papers::make(&with_driver, now, micros(now)).map_err(Failed::run)?;
    // Every batch is asked at most a handful of times: once, and once more for each lost counter.
    let entries = 4 * (words.total() / words::BATCH_WORDS_MAX + partitions) + 4096 * partitions;
    let journal =
        Journal::create(&papers::journal(papers.folder()), entries).map_err(Failed::run)?;

    let mut stage = Stage::open(&args, names, words, papers.folder()).await?;
    let outcome = stage.play(&args, &journal).await;
    let left = stage.close().await;
    let report = outcome?;
    report.print(args.json, left);
    Ok(report.ok() && left)
}

/// The nodes, the driver and what they share.
struct Stage<'a> {
    node: Node,
    members: Members,
    children: Children<'a>,
    board: Rc<Board>,
    words: Rc<Words>,
    seed: SocketAddr,
    names: Vec<String>,
    began: Instant,
}

/// What happened to the node that was killed.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Kill {
    pub(crate) detect: Duration,
    pub(crate) recover: Duration,
    pub(crate) rejoined: bool,
}

impl<'a> Stage<'a> {
    /// Starts the processes and waits until all know each other.
    async fn open(
        args: &DemoArgs,
        names: Vec<String>,
        words: Rc<Words>,
        folder: &'a std::path::Path,
    ) -> Result<Self, Failed> {
        let bar = progress_bar(words.total());
        let mut children = Children::new(folder);
        let seed = children.start(&names[0], None).await.map_err(Failed::run)?;
        for name in &names[1..] {
            children.start(name, Some(seed)).await.map_err(Failed::run)?;
        }
        let identity = papers::identity(folder, "driver").map_err(Failed::run)?;
        let node = Node::builder("driver")
            .identity(identity)
            .transport(transport())
            .seed(seed.to_string());
        let node = node.start().await.map_err(Failed::run)?;
        let members = node.members();
        let shift = usize::try_from(args.seed % names.len() as u64).unwrap_or(0);
        let board = Board::new(names.clone(), names.len() * COUNTERS_PER_NODE, shift, bar.clone());
        let began = Instant::now();
        let mut stage =
            Self { node, members, children, board: Rc::new(board), words, seed, names, began };
        stage.all_up(&bar).await?;
        Ok(stage)
    }

    /// Waits until the driver sees every node, and every node all others and the driver.
    async fn all_up(&mut self, bar: &ProgressBar) -> Result<(), Failed> {
        let mut missing: Vec<String> = self.names.clone();
        // Each node hears of every other and of the driver.
        let mut to_hear = self.names.len() * self.names.len();
        let all = async {
            while !missing.is_empty() || to_hear > 0 {
                tokio::select! {
                    event = self.members.next() => if let Some(MemberEvent::Up(member)) = event {
                        bar.println(format!("{} is up at {}", member.name, member.addr));
                        missing.retain(|name| *name != member.name);
                    },
                    heard = self.children.hear() => if matches!(heard.said, Said::Up { .. }) {
                        to_hear = to_hear.saturating_sub(1);
                    },
                }
            }
        };
        let in_time = tokio::time::timeout(MEMBERS_WITHIN, all).await.is_ok();
        self.began = Instant::now();
        if in_time {
            return Ok(());
        }
        Err(Failed::run(format!(
            "not all nodes found each other within {MEMBERS_WITHIN:?}: {missing:?} are missing"
        )))
    }

    /// Counts everything, with a kill in the middle unless told otherwise.
    async fn play(&mut self, args: &DemoArgs, journal: &Journal) -> Result<Report, Failed> {
        let mut feeders = JoinSet::new();
        let partitions = self.names.len() * COUNTERS_PER_NODE;
        for partition in 0..partitions {
            let feeder = Feeder {
                node: self.node.clone(),
                words: Rc::clone(&self.words),
                board: Rc::clone(&self.board),
                partition,
            };
            feeders.spawn_local(async move { (partition, feeder.run().await) });
        }
        let kill = if args.no_kill { None } else { Some(self.kill_one(args.seed).await?) };
        let mut counters: Vec<(usize, ActorRef<Counter>)> = Vec::new();
        let all = async {
            while let Some(done) = feeders.join_next().await {
                counters.push(done.map_err(Failed::run)?);
            }
            Ok(())
        };
        tokio::time::timeout(COUNT_WITHIN, all).await.map_err(|_| {
            Failed::run(format!("the words were not counted within {COUNT_WITHIN:?}"))
        })??;
        let took = self.began.elapsed();
        let kill = kill.map(|(kill, at)| self.recovered(kill, at));
        let findings = self.verdict(&counters).await;
        Ok(Report::new(&self.board, journal, &self.words, took, kill, findings))
    }

    fn recovered(&self, kill: Kill, at: Instant) -> Kill {
        let recovered = self.board.recovered_at().map(|back| back.saturating_duration_since(at));
        Kill { recover: recovered.unwrap_or_default(), ..kill }
    }

    async fn verdict(&self, counters: &[(usize, ActorRef<Counter>)]) -> Findings {
        let mut findings = Findings::new();
        for (partition, counter) in counters {
            findings.extend(verdict::compare(&self.words, *partition, counter).await);
        }
        findings
    }

    /// Kills the fullest node once enough is counted and asks are in flight to it, and starts it anew.
    async fn kill_one(&mut self, seed: u64) -> Result<(Kill, Instant), Failed> {
        // Between 30 and 50 percent of the way.
        let at_words = self.words.total() / 100 * (30 + usize::try_from(seed % 21).unwrap_or(0));
        let victim = loop {
            self.board.moved.notified().await;
            let (node, words, in_flight) = self.board.fullest();
            let counted = self.board.words();
            if counted >= at_words && words * 5 >= counted && in_flight > 0 {
                break node;
            }
        };
        let (killed_us, killed) = (micros(self.node.env().wall_clock()), Instant::now());
        self.children.kill(&victim).await.map_err(Failed::run)?;
        self.board.gone(&victim);
        let detect = self.missed(&victim, killed_us).await?;
        let rejoined = self.start_again(&victim).await?;
        Ok((Kill { detect, recover: Duration::ZERO, rejoined }, killed))
    }

    /// Waits until every survivor, the driver too, has seen the node go; the time of the last.
    async fn missed(&mut self, victim: &str, killed_us: u64) -> Result<Duration, Failed> {
        let mut waiting = self.names.len();
        let mut last_us = killed_us;
        let all = async {
            while waiting > 0 {
                let at = tokio::select! {
                    event = self.members.next() => match event {
                        Some(MemberEvent::Down { member, .. }) if member.name == victim => {
                            Some(micros(self.node.env().wall_clock()))
                        }
                        _ => None,
                    },
                    heard = self.children.hear() => match heard.said {
                        Said::Down { member, at_us, .. } if member == victim && heard.from != victim => Some(at_us),
                        _ => None,
                    },
                };
                if let Some(at) = at {
                    waiting -= 1;
                    last_us = last_us.max(at);
                }
            }
        };
        tokio::time::timeout(MEMBERS_WITHIN, all).await.map_err(|_| {
            Failed::run(format!("{victim} was killed and not missed within {MEMBERS_WITHIN:?}"))
        })?;
        Ok(Duration::from_micros(last_us - killed_us))
    }

    /// Starts the killed node again and waits until the cluster has it back.
    async fn start_again(&mut self, victim: &str) -> Result<bool, Failed> {
        let survivor = self.node.members_now().first().map_or(self.seed, |member| member.addr);
        self.children.start(victim, Some(survivor)).await.map_err(Failed::run)?;
        let back = async {
            loop {
                match self.members.next().await {
                    Some(MemberEvent::Up(member)) if member.name == victim => return true,
                    Some(_) => {}
                    None => return false,
                }
            }
        };
        Ok(tokio::time::timeout(MEMBERS_WITHIN, back).await.unwrap_or(false))
    }

    /// Lets everyone leave; true if all ended well.
    async fn close(mut self) -> bool {
        let left = self.children.leave().await;
        self.node.stop(Duration::from_secs(2)).await;
        left
    }
}

fn progress_bar(words: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {percent:>3}% of {len} words, {elapsed}")
        .expect("the template is a constant and valid");
    ProgressBar::new(words as u64).with_style(style)
}
