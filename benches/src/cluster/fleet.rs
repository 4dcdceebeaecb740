//! A cluster of processes, and what its nodes say of each other, with the time at which this process has read it.

use std::{collections::BTreeSet, net::SocketAddr, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout},
};

use super::member::Said;
use crate::remote::{Outcome, papers::Papers};

/// Longest wait for what must happen.
const WITHIN: Duration = Duration::from_secs(60);

/// Lines that wait to be looked at: a round of five nodes has some twenty.
const LINES_MAX: usize = 1_024;

/// What a node said, when it was read, and which node.
type Line = (usize, Instant, Said);

/// One process.
struct Member {
    name: String,
    child: Child,
    addr: Option<SocketAddr>,
    /// Whom it sees.
    sees: BTreeSet<String>,
}

/// All of them.
pub(super) struct Fleet<'a> {
    papers: &'a Papers,
    members: Vec<Member>,
    lines: mpsc::Receiver<Line>,
    sender: mpsc::Sender<Line>,
    readers: JoinSet<()>,
}

impl<'a> Fleet<'a> {
    /// Starts these nodes, and waits until they see each other.
    pub(super) async fn start(papers: &'a Papers, names: &[&str]) -> Outcome<Self> {
        let (sender, lines) = mpsc::channel(LINES_MAX);
        let readers = JoinSet::new();
        let mut fleet = Self { papers, members: Vec::new(), lines, sender, readers };
        for name in names {
            let child = fleet.spawn(name, fleet.members.len())?;
            let (addr, sees) = Default::default();
            fleet.members.push(Member { name: (*name).to_owned(), child, addr, sees });
            fleet.until(|fleet| fleet.members.iter().all(|it| it.addr.is_some())).await?;
        }
        fleet.together().await?;
        Ok(fleet)
    }

    fn spawn(&mut self, name: &str, at: usize) -> Outcome<Child> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["cluster-member", "--name", name, "--folder"]).arg(self.papers.folder());
        for other in self.members.iter().filter(|it| it.name != name) {
            command.args(other.addr.iter().flat_map(|addr| ["--seed".into(), addr.to_string()]));
        }
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = piped.spawn()?;
        let stdout = child.stdout.take().ok_or("the node has no output")?;
        let sender = self.sender.clone();
        self.readers.spawn(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let read = Instant::now();
                let Ok(said) = serde_json::from_str(&line) else { return };
                if sender.send((at, read, said)).await.is_err() {
                    return;
                }
            }
        });
        Ok(child)
    }

    /// The processes.
    pub(super) fn ids(&self) -> Vec<u32> {
        self.members.iter().filter_map(|member| member.child.id()).collect()
    }

    async fn until(&mut self, done: impl Fn(&Self) -> bool) -> Outcome<Instant> {
        let mut last = Instant::now();
        while !done(self) {
            let line = timeout(WITHIN, self.lines.recv()).await;
            let (at, read, said) = line?.ok_or("no node says anything")?;
            last = read;
            let member = &mut self.members[at];
            match said {
                Said::Node(addr) => member.addr = Some(addr),
                Said::Up(name) => drop(member.sees.insert(name)),
                Said::Down(name) => drop(member.sees.remove(&name)),
            }
        }
        Ok(last)
    }

    async fn together(&mut self) -> Outcome<Instant> {
        let others = self.members.len() - 1;
        self.until(|fleet| fleet.members.iter().all(|it| it.sees.len() == others)).await
    }

    /// Kills a node; how long it took until all others had noticed. Then it is started again.
    pub(super) async fn kill(&mut self, at: usize) -> Outcome<Duration> {
        let name = self.members[at].name.clone();
        let began = Instant::now();
        self.members[at].child.start_kill()?;
        let missed = |fleet: &Self| {
            fleet.members.iter().all(|it| it.name == name || !it.sees.contains(&name))
        };
        let noticed = self.until(missed).await?;
        self.members[at].child.wait().await?;
        (self.members[at].addr, self.members[at].sees) = Default::default();
        self.members[at].child = self.spawn(&name, at)?;
        self.together().await?;
        Ok(noticed - began)
    }

    /// Ends all of them in order.
    pub(super) async fn stop(mut self) -> Outcome<()> {
        // The end of its input tells each to leave.
        self.members.iter_mut().for_each(|member| drop(member.child.stdin.take()));
        self.lines.close();
        for member in &mut self.members {
            member.child.wait().await?;
        }
        Ok(())
    }
}
