//! The program as a person runs it: a folder for its files, and a node with the lines of its log.

#![allow(dead_code, reason = "each test takes what it needs of it")]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    time::Duration,
};

/// Longest wait for a line of a node's log: a loaded machine starts programs slowly.
const LINE_WITHIN: Duration = Duration::from_secs(30);

/// The program that is tested.
const PROGRAM: &str = env!("CARGO_BIN_EXE_odeon");

pub(crate) fn odeon(args: &[&str]) -> Command {
    command(PROGRAM, args)
}

fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

pub(crate) fn run(args: &[&str]) -> Output {
    odeon(args).output().expect("the program runs")
}

/// Expects one line of the command's own on standard error, the last, that contains all of `says`, status 2 and nothing on
/// standard output. What it has begun with may be in the log before.
pub(crate) fn refuses(args: &[&str], says: &[&str]) {
    let output = run(args);
    let text = String::from_utf8(output.stderr).expect("it says text");
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(output.stdout.is_empty());
    let mut own = text.lines().filter(|line| !line.contains(" INFO "));
    let text = own.next_back().expect("it says why");
    assert_eq!(own.next(), None, "{text}");
    assert!(says.iter().all(|said| text.contains(said)), "{text:?} should say {says:?}");
}

/// A folder that goes with the test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("odeon-cli-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("the temporary folder is writable");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("the temporary folder has a name in UTF-8").to_owned()
    }

    /// An authority and certificates for these nodes.
    pub(crate) fn papers(self, cluster: &str, nodes: &[&str]) -> Self {
        let dir = self.0.to_str().expect("the temporary folder has a name in UTF-8");
        assert!(run(&["ca", "init", "--cluster", cluster, "--dir", dir]).status.success());
        for node in nodes {
            assert!(run(&["ca", "issue", "--name", node, "--dir", dir]).status.success());
        }
        self
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A node that runs, and the lines of its log. Killed if the test fails.
pub(crate) struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Running {
    pub(crate) fn start(papers: &Folder, name: &str, more: &[&str]) -> Self {
        Self::start_with(papers, name, more, &[])
    }

    /// As [`start`](Self::start), with more variables in its environment.
    pub(crate) fn start_with(
        papers: &Folder,
        name: &str,
        more: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let mut command = Self::command(PROGRAM, papers, name, more);
        command.envs(variables.iter().copied());
        Self::begin(command)
    }

    /// As [`start`](Self::start), of another program.
    pub(crate) fn start_program(program: &str, papers: &Folder, name: &str, more: &[&str]) -> Self {
        Self::begin(Self::command(program, papers, name, more))
    }

    fn command(program: &str, papers: &Folder, name: &str, more: &[&str]) -> Command {
        let (cert, key) =
            (papers.path(&format!("{name}.pem")), papers.path(&format!("{name}.key")));
        let args = ["node", "--name", name, "--cert", &cert, "--key", &key];
        let mut command = command(program, &args);
        command.args(["--ca-cert", &papers.path("ca.pem")]).args(more);
        command
    }

    fn begin(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let log = BufReader::new(child.stderr.take().expect("it is piped"));
        let (sender, lines) = mpsc::sync_channel(10_000);
        std::thread::Builder::new()
            .spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)))
            .expect("threads can be started");
        Self { child, lines }
    }

    /// The next line that contains all of `says`.
    pub(crate) fn line(&self, says: &[&str]) -> String {
        loop {
            let line = self.lines.recv_timeout(LINE_WITHIN);
            let line = line.unwrap_or_else(|_| panic!("the node never said {says:?}"));
            if says.iter().all(|said| line.contains(said)) {
                return line;
            }
        }
    }

    /// Waits for a line and then sends a signal, on which the node must leave by itself; all lines of its log from here.
    pub(crate) fn leave_after(self, says: &[&str], signal: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.lines.recv_timeout(LINE_WITHIN);
            let line = line.unwrap_or_else(|_| panic!("the node never said {says:?}: {lines:?}"));
            let is_it = says.iter().all(|said| line.contains(said));
            lines.push(line);
            if is_it {
                lines.extend(self.leave(signal));
                return lines;
            }
        }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        let line = self.line(&["listening", "addr="]);
        let addr = line.split("addr=").nth(1).expect("the line was chosen for it");
        addr.split_whitespace().next().and_then(|addr| addr.parse().ok()).expect("an address")
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let told = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(told.expect("kill runs").success());
    }

    /// Sends SIGTERM; the node must leave by itself, and have said nothing on standard output.
    pub(crate) fn terminate(self) {
        self.leave("-TERM");
    }

    /// Sends a signal, on which the node must leave by itself; the rest of its log.
    pub(crate) fn leave(self, signal: &str) -> Vec<String> {
        self.signal(signal);
        self.ended()
    }

    /// Waits until the node has ended by itself, whichever way.
    pub(crate) fn gone(mut self) {
        self.child.wait().expect("it was started");
    }

    /// Waits until the node has ended by itself and well; the rest of its log.
    pub(crate) fn ended(self) -> Vec<String> {
        self.ended_with(0)
    }

    /// Waits until the node has ended by itself with this status; the rest of its log.
    pub(crate) fn ended_with(mut self, status: i32) -> Vec<String> {
        assert_eq!(self.child.wait().expect("it was started").code(), Some(status));
        let mut said = String::new();
        let mut stdout = self.child.stdout.take().expect("it is piped");
        stdout.read_to_string(&mut said).expect("it says text");
        assert_eq!(said, "");
        self.lines.iter().collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
