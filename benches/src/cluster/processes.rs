//! What a cluster of processes costs at rest, how soon it misses a member, and how soon a node is ready.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::Command,
    time::{Instant, sleep},
};

use super::fleet::Fleet;
use crate::remote::{Outcome, papers::Papers};

/// The nodes of the cluster; certificates are made for them.
pub(crate) const NAMES: [&str; 5] = ["n0", "n1", "n2", "n3", "n4"];

/// Kills of which the time is told that ninety-nine of a hundred take.
const KILLS: usize = 50;

/// How long the cluster has rested before it is measured, and how long that takes.
const REST: Duration = Duration::from_secs(10);
const MEASURED: Duration = Duration::from_secs(20);

/// Starts of the program of which the median is told.
const STARTS: usize = 21;

/// What was measured.
pub(super) struct Figures {
    /// From the kill until all others knew, of fifty: the median, and what ninety-nine of a hundred take.
    pub(super) missed: [Duration; 2],
    /// Part of one core that one idle node takes.
    pub(super) idle: f64,
    /// From the start of `odeon node` until it is ready.
    pub(super) ready: Duration,
}

/// Measures all of it.
pub(super) async fn measure(papers: &Papers) -> Outcome<Figures> {
    // Looked for first: the rest takes two minutes.
    let program = program_beside(&std::env::current_exe()?)?;
    let mut fleet = Fleet::start(papers, &NAMES).await?;
    sleep(REST).await;
    let (before, began) = (busy(&fleet.ids())?, Instant::now());
    sleep(MEASURED).await;
    let busy = busy(&fleet.ids())?.saturating_sub(before);
    let idle = busy.as_secs_f64() / began.elapsed().as_secs_f64() / NAMES.len() as f64;
    let mut took = Vec::new();
    for kill in 0..KILLS {
        took.push(fleet.kill(kill % NAMES.len()).await?);
        // So that a kill does not meet what is left of the last one.
        sleep(Duration::from_millis(500)).await;
    }
    fleet.stop().await?;
    took.sort_unstable();
    let missed = [took[KILLS / 2], took[(KILLS * 99).div_ceil(100) - 1]];
    Ok(Figures { missed, idle, ready: ready(&program).await? })
}

/// How long the threads of these processes have run.
fn busy(ids: &[u32]) -> Outcome<Duration> {
    let mut busy = Duration::ZERO;
    for id in ids {
        for task in fs::read_dir(format!("/proc/{id}/task"))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let nanos = text.split(' ').next().and_then(|it| it.parse().ok());
            busy += Duration::from_nanos(nanos.ok_or("the kernel counts no run time")?);
        }
    }
    Ok(busy)
}

/// The program `odeon` beside this one.
fn program_beside(this: &Path) -> Outcome<PathBuf> {
    let program = this.with_file_name("odeon");
    if program.exists() {
        return Ok(program);
    }
    let profile = if cfg!(debug_assertions) { "" } else { " --release" };
    let missing = program.display();
    Err(format!(
        "{missing} is not there, whose start is to be measured: build it with `cargo build{profile} -p odeon-node`, or \
         leave processes out with --messages-only"
    )
    .into())
}

/// The median of several starts.
async fn ready(program: &Path) -> Outcome<Duration> {
    let mut took = Vec::new();
    for _ in 0..STARTS {
        took.push(start(program).await?);
    }
    took.sort_unstable();
    Ok(took[STARTS / 2])
}

/// From the start of one node until its health port says that it is ready.
async fn start(program: &Path) -> Outcome<Duration> {
    let began = Instant::now();
    let mut child = Command::new(program)
        .args(["node", "--name", "ready", "--dev", "--health-listen", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stderr = child.stderr.take().ok_or("the node has no log")?;
    let mut lines = BufReader::new(stderr).lines();
    let addr = loop {
        let line = lines.next_line().await?.ok_or("the node does not say where its health is")?;
        if let Some((_, addr)) = line.split_once("addr=").filter(|_| line.contains("health")) {
            break addr.trim().to_owned();
        }
    };
    loop {
        let mut stream = TcpStream::connect(&addr).await?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        if answer.starts_with("HTTP/1.1 200") {
            break;
        }
        sleep(Duration::from_millis(1)).await;
    }
    let took = began.elapsed();
    child.kill().await?;
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_named_with_how_to_build_it() {
        let this = std::env::temp_dir().join("odeon-nowhere/odeon-benches");
        let error = program_beside(&this).unwrap_err().to_string();
        assert!(error.contains("odeon-nowhere/odeon is not there"), "{error}");
        assert!(error.contains("cargo build") && error.contains("-p odeon-node"), "{error}");
    }
}
