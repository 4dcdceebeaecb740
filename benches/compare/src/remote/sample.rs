//! One sample between two programs: starts the receiving one, learns where it is, and has the sending one measure.
//!
//! Both are children of this process: bounded in time, and ended by their handles. What it is NOT: what they do, which is
//! `end.rs`.

use std::{path::Path, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::{
    Outcome, child,
    remote::{systems::Name, workload::Workload},
};

/// How long the receiving program may take to start with all its peers.
const STARTED_WITHIN: Duration = Duration::from_secs(30);

/// How long the sending one may take; a system that hangs is killed.
const MEASURED_WITHIN: Duration = Duration::from_secs(60);

/// How long the receiving one may take to leave.
const LEFT_WITHIN: Duration = Duration::from_secs(5);

/// Takes a sample: a figure, or the growth from one to many peers, for each peer more.
///
/// # Errors
/// What one of the programs said, or that it was killed.
pub(crate) async fn take(system: Name, workload: Workload, folder: &Path) -> Outcome<f64> {
    match workload.peers() {
        &[few, many] => {
            let base = figure(system, workload, few, folder).await?;
            let grown = figure(system, workload, many, folder).await?;
            Ok((grown - base) / (many - few) as f64)
        }
        peers => {
            let peers = *peers.first().ok_or("a workload has peers")?;
            figure(system, workload, peers, folder).await
        }
    }
}

async fn figure(system: Name, workload: Workload, peers: usize, folder: &Path) -> Outcome<f64> {
    let mut args = vec![
        "remote-end".to_owned(),
        format!("--system={system}"),
        format!("--workload={workload}"),
        format!("--peers={peers}"),
        format!("--folder={}", folder.display()),
    ];
    let (mut server, reached) = tokio::time::timeout(STARTED_WITHIN, start(&args))
        .await
        .map_err(|_| format!("not started after {} s", STARTED_WITHIN.as_secs()))??;
    args.push(format!("--to={reached}"));
    let figure = child::number(&args, MEASURED_WITHIN).await;
    // The end of its input tells it to leave.
    drop(server.stdin.take());
    if tokio::time::timeout(LEFT_WITHIN, server.wait()).await.is_err() {
        server.kill().await?;
    }
    figure
}

/// Starts the receiving program, and reads where it is reached.
async fn start(args: &[String]) -> Outcome<(Child, String)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take().ok_or("the receiving program has no output")?;
    let line = BufReader::new(stdout).lines().next_line().await?;
    Ok((child, line.ok_or("the receiving program ended before it was reached")?))
}
