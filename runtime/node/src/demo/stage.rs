//! The stage of one run: its processes, its driver, and the kill in the middle.
//!
//! What it is: the driver. It starts the processes (`children.rs`), is itself a member of their cluster, feeds counters on
//! them (`job.rs`), kills the node with the most counts, has its counters started elsewhere, starts it anew, and gives the
//! verdict (`verdict.rs`). What it is NOT: the job, which runs in the simulator too.

use std::{collections::BTreeSet, net::SocketAddr, path::Path, rc::Rc, sync::Arc, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use odeon::{ActorRef, Members, Node};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    demo::{
        DemoArgs,
        child::{self, Said},
        children::Children,
        job::{
            self, COUNTERS_PER_NODE, CREDIT_MESSAGES,
            board::Board,
            comparison::{self, Counts, Findings},
            counter::Counter,
            feeder::Feeder,
            words::Words,
        },
        journal::Journal,
        meter::Meter,
        micros, papers,
        report::Report,
        verdict,
        witness::{Watched, Witness, marked},
    },
    failure::Failed,
};

/// Longest time for all nodes to find each other, or for a killed one to be missed or to be back.
const MEMBERS_WITHIN: Duration = Duration::from_secs(20);

/// Longest time for the whole counting.
const COUNT_WITHIN: Duration = Duration::from_secs(300);

/// The nodes, the driver and what they share.
pub(super) struct Stage<'a> {
    node: Node,
    witness: Witness,
    members: Members,
    children: Children<'a>,
    board: Rc<Board>,
    meter: Rc<Meter>,
    words: Rc<Words>,
    seed: SocketAddr,
    names: Vec<String>,
    bar: ProgressBar,
    began: Instant,
}

/// What happened to the node that was killed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kill {
    pub(super) detect: Duration,
    /// `None` if no counter of it ever counted again.
    pub(super) recover: Option<Duration>,
    pub(super) rejoined: bool,
}

/// A member as one node sees it.
type Seen = (String, u64);

impl<'a> Stage<'a> {
    /// Starts the processes and waits until all know each other.
    pub(super) async fn open(
        args: &DemoArgs,
        names: Vec<String>,
        words: Rc<Words>,
        folder: &'a Path,
    ) -> Result<Self, Failed> {
        let bar = progress_bar(words.total());
        let mut children = Children::new(folder);
        let seed = children.start(&names[0], None).await.map_err(Failed::run)?;
        for name in &names[1..] {
            children.start(name, Some(seed)).await.map_err(Failed::run)?;
        }
        let identity = papers::identity(folder, "driver").map_err(Failed::run)?;
        let witness = Witness::default();
        let node = Node::builder("driver").identity(identity).transport(job::transport());
        let node = node.env(Arc::new(Watched(witness.clone()))).seed(seed.to_string());
        let node = node.start().await.map_err(Failed::run)?;
        let members = node.members();
        let shift = usize::try_from(args.seed % names.len() as u64).unwrap_or(0);
        let sizes: Vec<usize> =
            (0..names.len() * COUNTERS_PER_NODE).map(|partition| words.len(partition)).collect();
        let meter = Rc::new(Meter::new(bar.clone()));
        let noted = Rc::clone(&meter);
        let book = Box::new(move |note| noted.note(note));
        let board = Rc::new(Board::new(names.clone(), &sizes, shift, marked(0), book));
        let began = Instant::now();
        let mut stage =
            Self { node, witness, members, children, board, meter, words, seed, names, bar, began };
        stage.all_up().await?;
        stage.began = Instant::now();
        Ok(stage)
    }

    /// A line for people, above the progress bar.
    fn tell(&self, text: &str) {
        if self.bar.is_hidden() {
            tracing::info!("{text}");
        } else {
            self.bar.println(text);
        }
    }

    /// What the driver or a child sees next: who says it, and what.
    async fn see(&mut self) -> Result<(String, Said), Failed> {
        let (from, said) = tokio::select! {
            said = child::next_said(&self.node, &mut self.members) => {
                let said = said.ok_or_else(|| Failed::run("the driver's node has ended"))?;
                ("driver".to_owned(), said)
            }
            heard = self.children.hear() => (heard.from, heard.said),
        };
        if from == "driver" {
            match &said {
                Said::Up { member, .. } => {
                    self.tell(&format!("{member} is up"));
                    self.board.back(member);
                }
                Said::Down { member, reason, .. } => {
                    self.tell(&format!("{member} is down: {reason}"));
                    // From now on its counters are started elsewhere.
                    self.board.gone(member);
                }
                Said::Listening { .. } => {}
            }
        }
        Ok((from, said))
    }

    /// Waits until the driver sees every node, and every node all others and the driver.
    async fn all_up(&mut self) -> Result<(), Failed> {
        let everybody = self.names.len() + 1;
        let mut seen = BTreeSet::new();
        let within = Instant::now() + MEMBERS_WITHIN;
        while seen.len() < everybody * (everybody - 1) {
            let next = tokio::time::timeout_at(within, self.see()).await;
            let next = next.map_err(|_| {
                Failed::run(format!(
                    "not all nodes found each other within {MEMBERS_WITHIN:?}: {seen:?}"
                ))
            })?;
            if let (from, Said::Up { member, .. }) = next? {
                seen.insert((from, member));
            }
        }
        Ok(())
    }

    /// Counts everything, with a kill in the middle unless told otherwise.
    pub(super) async fn play(
        &mut self,
        args: &DemoArgs,
        journal: &Journal,
    ) -> Result<Report, Failed> {
        let mut feeders = JoinSet::new();
        for partition in 0..self.names.len() * COUNTERS_PER_NODE {
            let feeder = Feeder {
                node: self.node.clone(),
                words: Rc::clone(&self.words),
                board: Rc::clone(&self.board),
                partition,
                forgets: false,
            };
            feeders.spawn_local(async move { (partition, feeder.run().await) });
        }
        let within = Instant::now() + COUNT_WITHIN;
        let late = |_| Failed::run(format!("the words were not counted within {COUNT_WITHIN:?}"));
        let mut kill = None;
        if !args.no_kill {
            kill = Some(
                tokio::time::timeout_at(within, self.kill_one(args.seed)).await.map_err(late)??,
            );
        }
        self.board.calm();
        let mut counters: Vec<(usize, ActorRef<Counter>)> = Vec::new();
        let all = async {
            while let Some(done) = feeders.join_next().await {
                counters.push(done.map_err(Failed::run)?);
            }
            Ok(())
        };
        tokio::time::timeout_at(within, all).await.map_err(late)??;
        let took = self.began.elapsed();
        let kill = kill.map(|(kill, at)| self.recovered(kill, at));
        let (mut findings, counts) = self.verdict(&counters).await;
        let (labels, dishonest) =
            verdict::honesty(&self.meter, journal, &self.witness, kill.is_some());
        findings.extend(dishonest);
        Ok(Report::new(&self.meter, &self.words, took, kill, (labels, findings))
            .with_counts(&counts))
    }

    fn recovered(&self, kill: Kill, at: Instant) -> Kill {
        let recover = self.meter.recovered_at().map(|back| back.saturating_duration_since(at));
        Kill { recover, ..kill }
    }

    async fn verdict(&self, counters: &[(usize, ActorRef<Counter>)]) -> (Findings, Counts) {
        let mut findings = Findings::new();
        let mut counts = Counts::new();
        for (partition, counter) in counters {
            match comparison::count(counter).await {
                Ok(counted) => {
                    findings.extend(comparison::compare(&self.words, *partition, &counted));
                    // A word has one partition, so nothing is overwritten.
                    counts.extend(counted.counts);
                }
                Err(error) => findings
                    .push(format!("partition {partition}: the counter does not answer: {error}")),
            }
        }
        (findings, counts)
    }

    /// Kills a node that holds a fifth of all counts, once enough is counted and asks are in flight to it, and starts
    /// it anew.
    async fn kill_one(&mut self, seed: u64) -> Result<(Kill, Instant), Failed> {
        // Between 30 and 50 percent of the way.
        let at_words = self.words.total() / 100 * (30 + usize::try_from(seed % 21).unwrap_or(0));
        let victim = loop {
            self.board.moved.notified().await;
            let counted = self.board.words();
            // Answers may be on their way back already, so that a few asks are none. The later it gets, the less is
            // asked for.
            let flying_min = match counted * 10 / self.words.total().max(1) {
                ..7 => CREDIT_MESSAGES as usize / 2,
                7..9 => CREDIT_MESSAGES as usize / 4,
                _ => 1,
            };
            if counted >= at_words
                && let Some(victim) = self.board.victim(flying_min, |ask| self.witness.flies(ask))
            {
                break victim;
            }
            if self.board.all_complete() {
                return Err(Failed::run("everything was counted before a node could be killed"));
            }
        };
        let before = self.node.members_now().into_iter().find(|member| member.name == victim);
        let life = before.map_or(0, |member| member.incarnation.0);
        let (killed_us, killed) = (micros(self.node.env().wall_clock()), Instant::now());
        self.children.kill(&victim).await.map_err(Failed::run)?;
        self.tell(&format!("{victim} is killed"));
        let detect = self.missed(&(victim.clone(), life), killed_us).await?;
        let rejoined = self.start_again(&(victim, life)).await?;
        Ok((Kill { detect, recover: None, rejoined }, killed))
    }

    /// Waits until every survivor, the driver too, has seen that life of the node go; the time of the last.
    async fn missed(&mut self, victim: &Seen, killed_us: u64) -> Result<Duration, Failed> {
        let (name, life) = victim;
        let mut waiting = self.survivors(name);
        let mut last_us = killed_us;
        let within = Instant::now() + MEMBERS_WITHIN;
        while !waiting.is_empty() {
            let next = tokio::time::timeout_at(within, self.see()).await.map_err(|_| {
                Failed::run(format!(
                    "{name} was killed and {waiting:?} did not miss it within {MEMBERS_WITHIN:?}"
                ))
            })?;
            if let (from, Said::Down { member, incarnation, at_us, .. }) = next?
                && member == *name
                && incarnation == *life
            {
                waiting.remove(&from);
                last_us = last_us.max(at_us);
            }
        }
        Ok(Duration::from_micros(last_us - killed_us))
    }

    fn survivors(&self, victim: &str) -> BTreeSet<String> {
        let others = self.names.iter().filter(|name| *name != victim).cloned();
        others.chain(["driver".to_owned()]).collect()
    }

    /// Starts the killed node again and waits until all survivors have it back, in a later life; false if not all do.
    async fn start_again(&mut self, victim: &Seen) -> Result<bool, Failed> {
        let (name, life) = victim;
        let survivor = self.node.members_now().first().map_or(self.seed, |member| member.addr);
        self.children.start(name, Some(survivor)).await.map_err(Failed::run)?;
        let mut waiting = self.survivors(name);
        let within = Instant::now() + MEMBERS_WITHIN;
        while !waiting.is_empty() {
            let Ok(next) = tokio::time::timeout_at(within, self.see()).await else {
                return Ok(false);
            };
            if let (from, Said::Up { member, incarnation, .. }) = next?
                && member == *name
                && incarnation > *life
            {
                waiting.remove(&from);
            }
        }
        Ok(true)
    }

    /// Lets everyone leave; true if all ended well.
    pub(super) async fn close(mut self) -> bool {
        self.bar.finish_and_clear();
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
