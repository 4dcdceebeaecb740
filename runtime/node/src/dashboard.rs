//! `odeon dashboard`: a node's page in a browser, without the operator's certificate in it.
//!
//! What it is: the command around `odeon-ops`'s relay. What it is NOT: the page, which each node's admin port has as well,
//! for browsers that have the certificate.

use odeon_ops::operator::{Relay, Status};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    failure::Failed,
    output::print,
    steer::{SteerArgs, failed},
};

/// Serves the page until a signal ends it.
pub(crate) async fn run(args: SteerArgs) -> Result<(), Failed> {
    let (node, json, operator) = (args.node.clone(), args.json, args.operator()?);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failed::run)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failed::run)?;
    // What is wrong from the beginning is said here and not in a browser.
    let _: Status = operator.get(&node, "/v1/status").await.map_err(failed)?;
    let relay = Relay::bind().await?;
    let url = relay.url();
    print(&if json { format!("{{\"url\":\"{url}\"}}") } else { url })?;
    tokio::select! {
        () = relay.serve(operator, node) => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
