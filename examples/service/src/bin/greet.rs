//! `greet NAME HOST:PORT…`: asks one of the greeters of a cluster for a greeting, and prints it.
//!
//! What it shows: a client, which is no member of the cluster, asks a group. What it is NOT: a node. It has a certificate
//! as a node has, `greet.pem` and `greet.key`, in the folder where it is started.

#[path = "../greeter.rs"]
mod greeter;

use std::{error::Error, io::Write as _, time::Duration};

use greeter::{GREETER, Greet, Greeter};
use odeon::{Node, Papers, RetryPolicy, Target};
use tokio::time::timeout;

/// How long it waits for a node to answer, and for its own end.
const WITHIN: Duration = Duration::from_secs(10);

#[odeon::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (name, seeds) = (args.next(), args.collect::<Vec<_>>());
    let name =
        name.filter(|_| !seeds.is_empty()).ok_or("say whom to greet, and where a node is")?;

    let builder = Node::builder("greet").papers(Papers::new("greet.pem", "greet.key", "ca.pem"));
    let client = seeds.iter().cloned().fold(builder, |builder, seed| builder.seed(seed));
    let client = client.start_client().await?;
    if !timeout(WITHIN, client.connected()).await.unwrap_or(false) {
        return Err(format!("no node of the cluster answers at {}", seeds.join(", ")).into());
    }
    let greeters = client.group::<Greeter>(GREETER).await?;
    // An ask that was not delivered is tried again, at another node.
    let answer = greeters.ask(Greet { name }).retry(RetryPolicy::attempts(6)).await?;
    writeln!(std::io::stdout(), "{answer}")?;
    client.stop(WITHIN).await;
    Ok(())
}
