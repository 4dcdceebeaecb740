//! The demo's processes: started, listened to, killed and started anew.
//!
//! What it is: one child process a node, and the queue of what they all say. What it is NOT: what runs inside them
//! (`child.rs`). Only processes that were started here are ended here, by their handle.

use std::{collections::BTreeMap, io, net::SocketAddr, path::Path, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    sync::mpsc,
    task::JoinSet,
};

use crate::demo::child::Said;

/// Lines that may wait to be read by the driver; a child that says more waits.
const SAID_MAX: usize = 1024;

/// Longest time a child may take to listen: a cold machine reads the program from disk first.
const START_WITHIN: Duration = Duration::from_secs(20);

/// Longest time a child may take to leave before it is killed.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);

/// A child that did not do what children do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChildError {
    /// It could not be started.
    #[error("cannot start the node {name}: {source}")]
    Start { name: String, source: io::Error },
    /// It ended or was silent before it listened.
    #[error(
        "the node {name} did not start within {START_WITHIN:?}; its last words are above, RUST_LOG=debug says more"
    )]
    Silent { name: String },
    /// It could not be killed.
    #[error("cannot kill the node {name}: {source}")]
    Kill { name: String, source: io::Error },
}

/// A line that a child said.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) from: String,
    pub(crate) said: Said,
}

/// All children, by the name of their node.
pub(crate) struct Children<'a> {
    folder: &'a Path,
    running: BTreeMap<String, Child>,
    listeners: JoinSet<()>,
    sender: mpsc::Sender<Heard>,
    heard: mpsc::Receiver<Heard>,
}

impl<'a> Children<'a> {
    /// None yet; `folder` holds their papers.
    pub(crate) fn new(folder: &'a Path) -> Self {
        let (sender, heard) = mpsc::channel(SAID_MAX);
        Self { folder, running: BTreeMap::new(), listeners: JoinSet::new(), sender, heard }
    }

    /// Starts a node and waits until it listens.
    pub(crate) async fn start(
        &mut self,
        name: &str,
        seed: Option<SocketAddr>,
    ) -> Result<SocketAddr, ChildError> {
        let failed = |source| ChildError::Start { name: name.to_owned(), source };
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.arg("demo-node").arg("--folder").arg(self.folder).args(["--name", name]);
        if let Some(seed) = seed {
            command.args(["--seed", &seed.to_string()]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        let stdout = child.stdout.take().expect("its output is piped, and nobody took it yet");
        let mut lines = BufReader::new(stdout).lines();
        let first = tokio::time::timeout(START_WITHIN, next(&mut lines)).await;
        let Ok(Some(Said::Listening { addr })) = first else {
            return Err(ChildError::Silent { name: name.to_owned() });
        };
        self.running.insert(name.to_owned(), child);
        self.listeners.spawn(listen(name.to_owned(), lines, self.sender.clone()));
        Ok(addr)
    }

    /// Kills a node with SIGKILL.
    pub(crate) async fn kill(&mut self, name: &str) -> Result<(), ChildError> {
        let Some(mut child) = self.running.remove(name) else { return Ok(()) };
        let failed = |source| ChildError::Kill { name: name.to_owned(), source };
        child.start_kill().map_err(failed)?;
        // Reaped, so that nothing is left of it.
        child.wait().await.map_err(failed)?;
        Ok(())
    }

    /// What the next child says.
    pub(crate) async fn hear(&mut self) -> Heard {
        self.heard.recv().await.expect("this struct holds a sender")
    }

    /// Lets all nodes leave, one after the other; true if each ended well.
    pub(crate) async fn leave(&mut self) -> bool {
        let mut well = true;
        for (_, mut child) in std::mem::take(&mut self.running) {
            // The end of its input is the word to leave.
            drop(child.stdin.take());
            let left = tokio::time::timeout(LEAVE_WITHIN, child.wait()).await;
            well &= matches!(left, Ok(Ok(status)) if status.success());
            // One that does not leave is killed when the handle is dropped.
        }
        well
    }
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<Said> {
    let line = lines.next_line().await.ok()??;
    serde_json::from_str(&line).ok()
}

async fn listen(from: String, mut lines: Lines<BufReader<ChildStdout>>, to: mpsc::Sender<Heard>) {
    while let Some(said) = next(&mut lines).await {
        if to.send(Heard { from: from.clone(), said }).await.is_err() {
            return;
        }
    }
}
