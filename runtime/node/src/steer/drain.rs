//! `odeon drain`: tells a node to leave, and follows it until it is gone.
//!
//! What it is: looks at the node's status, again and again, until nobody answers there or another life of it does, or the
//! time that the node has for it is over. What it is NOT: the drain, which goes on whether anybody follows it or not.

use std::{io::ErrorKind, time::Duration};

use odeon_ops::{
    harmless,
    operator::{Operator, OperatorError, Status},
};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{SteerArgs, failed};
use crate::{
    failure::Failed,
    output::{print, print_json, show},
};

/// Pause between two looks: short beside a drain, and a node bears ten operators who look so often.
const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// How much longer than its time a node may take that cannot leave in order.
const BEYOND: Duration = Duration::from_secs(5);

/// The node's time, where it does not say: its default.
const WITHIN_DEFAULT: Duration = Duration::from_secs(30);

/// Which node, who asks, and whether to wait.
#[derive(Debug, clap::Args)]
pub(crate) struct DrainArgs {
    #[command(flatten)]
    steer: SteerArgs,
    /// End when the node has begun, and do not follow it until it is gone.
    #[arg(long)]
    no_wait: bool,
}

/// What became of it, as JSON.
#[derive(Serialize)]
struct Outcome<'a> {
    node: &'a str,
    /// Whether the node is gone.
    left: bool,
    /// Seconds from the order to its end, or to the end of the patience.
    after: f64,
}

/// Orders the drain, and follows it.
pub(crate) async fn run(args: DrainArgs) -> Result<(), Failed> {
    let DrainArgs { steer, no_wait } = args;
    let operator = steer.operator()?;
    let ordered = operator.drain(&steer.node).await.map_err(failed)?;
    if no_wait {
        let text = format!("{} drains", harmless(&ordered.node));
        return if steer.json { show(&ordered, true) } else { print(&text) };
    }
    let began = Instant::now();
    let within = ordered.drain_within.and_then(|secs| Duration::try_from_secs_f64(secs).ok());
    let patience = within.unwrap_or(WITHIN_DEFAULT).saturating_add(BEYOND);
    let left = loop {
        if is_gone(&operator, &steer.node, &ordered).await? {
            break true;
        }
        if began.elapsed() >= patience {
            break false;
        }
        sleep(LOOK_PAUSE).await;
    };
    let (name, after) = (ordered.node.as_str(), began.elapsed());
    let node = harmless(name);
    if steer.json {
        print_json(&Outcome { node: name, left, after: after.as_secs_f64() })?;
    } else if left {
        print(&format!("{node} has left after {after:.1?}"))?;
    }
    if left {
        return Ok(());
    }
    Err(Failed::run(format!(
        "{node} is there after {after:.0?}, and had {within:?} to leave: look at its log, and end it by hand",
        within = within.unwrap_or(WITHIN_DEFAULT)
    )))
}

/// Whether that life of the node is over.
async fn is_gone(operator: &Operator, addr: &str, before: &Status) -> Result<bool, Failed> {
    match operator.get::<Status>(addr, "/v1/status").await {
        // Somebody has started it again, or another node has its port.
        Ok(now) => Ok(now.node != before.node || now.since != before.since),
        Err(OperatorError::Unreachable { cause, .. })
            if cause.kind() == ErrorKind::ConnectionRefused =>
        {
            Ok(true)
        }
        // The way there is gone for now, it is about to end, somebody else is there, or it is busy: the next look tells.
        Err(
            OperatorError::Unreachable { .. }
            | OperatorError::NotOurs { .. }
            | OperatorError::Late { .. }
            | OperatorError::Refused { .. },
        ) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}
