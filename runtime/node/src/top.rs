//! `odeon top`: a node live in the terminal, or in lines for scripts.
//!
//! What it is: once in a while the whole of `/v1/overview`, shown as sheets: hot actors, actor types, peers, lanes, members,
//! and the log's last events. What it is NOT: the figures, which the node has; rates alone are made here, of two answers.
//! Read `top/sheet.rs` for what is shown, `top/live.rs` for the terminal.

mod figures;
mod keys;
mod live;
mod picture;
mod screen;
mod sheet;
mod typed;
mod words;

use std::{io::IsTerminal, time::Duration};

use odeon_ops::{
    Span,
    operator::{LoggedSince, Operator, OperatorError, Overview},
};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::{failure::Failed, output::print, steer::SteerArgs, steer::failed};
use figures::Figures;

/// Pauses between two answers.
const EVERY_MIN: Duration = Duration::from_millis(200);
const EVERY_MAX: Duration = Duration::from_secs(3_600);

/// Which node, how often, and for whom.
#[derive(Debug, clap::Args)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    steer: SteerArgs,
    /// How often it is looked at, 200ms to 1h.
    #[arg(long, value_name = "SPAN", default_value = "1s")]
    every: Span,
    /// Print so many times and end, in lines instead of a live picture.
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// As --count 1.
    #[arg(long, conflicts_with = "count")]
    once: bool,
}

/// What one glance brings: with --json a line of its own.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Glance {
    #[serde(flatten)]
    pub(crate) overview: Overview,
    pub(crate) events: LoggedSince,
}

/// Looks, until it is told to end.
pub(crate) async fn run(args: TopArgs) -> Result<(), Failed> {
    let TopArgs { steer, every: Span(every), count, once } = args;
    if every < EVERY_MIN || every > EVERY_MAX {
        let given = Span(every);
        return Err(Failed::input(format!(
            "--every {given}: use 200ms to 1h; `odeon top --help` lists the flags"
        )));
    }
    let (node, operator) = (steer.node.clone(), steer.operator()?);
    let count = if once { Some(1) } else { count };
    let watching = Watching { operator, node };
    if steer.json || count.is_some() {
        return lines(&watching, every, count, steer.json).await;
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failed::input(
            "odeon top needs a terminal on standard input and output: use --once, --count or --json for a file or a pipe",
        ));
    }
    live::run(&watching, every).await
}

/// One node, and who looks at it.
pub(crate) struct Watching {
    operator: Operator,
    pub(crate) node: String,
}

impl Watching {
    /// The node as of now, and the events that came after the one with this number.
    pub(crate) async fn glance(&self, after: u64) -> Result<Glance, OperatorError> {
        let overview = self.operator.get(&self.node, "/v1/overview").await?;
        let path = format!("/v1/events?after={after}");
        Ok(Glance { overview, events: self.operator.get(&self.node, &path).await? })
    }
}

/// Prints glances, so many or until a signal. The first has no rates; so there is one more before it, unless JSON is wanted,
/// which has none.
async fn lines(
    watching: &Watching,
    every: Duration,
    count: Option<u64>,
    json: bool,
) -> Result<(), Failed> {
    let mut figures = Figures::default();
    // For as long as it runs: from the first on, signals end it here alone.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failed::run)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failed::run)?;
    let mut asked_to_end = std::pin::pin!(async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    });
    let mut pause = None;
    if !json {
        figures.take(watching.glance(0).await.map_err(failed)?);
        pause = Some(EVERY_MIN.max(every.min(Duration::from_secs(1))));
    }
    let mut printed = 0;
    loop {
        let next = async {
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            watching.glance(figures.last_event()).await.map_err(failed)
        };
        let glance = tokio::select! {
            glance = next => glance?,
            () = &mut asked_to_end => return Ok(()),
        };
        if json {
            print(&serde_json::to_string(&glance).expect("texts and numbers have a JSON form"))?;
        }
        figures.take(glance);
        if !json {
            print(&sheet::page(&figures))?;
        }
        printed += 1;
        if count.is_some_and(|count| printed >= count) {
            return Ok(());
        }
        pause = Some(every);
    }
}
