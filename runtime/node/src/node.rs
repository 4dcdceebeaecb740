//! `odeon node`: one node by hand, until SIGTERM or SIGINT.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use odeon::{Identity, MemberEvent, Node};
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failed;

/// Longest time for each phase of the stop.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Runs one node until it is told to stop by SIGTERM or SIGINT; then it leaves cleanly.
#[derive(Debug, clap::Args)]
pub(crate) struct NodeArgs {
    /// Name of the node, the one in its certificate.
    #[arg(long, env = "ODEON_NAME")]
    name: String,
    /// Where to listen; port 0 lets the system choose.
    #[arg(long, env = "ODEON_LISTEN", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where others reach this node, if that is not where it listens.
    #[arg(long, env = "ODEON_ADVERTISE")]
    advertise: Option<SocketAddr>,
    /// The `host:port` of a node that may be in the cluster; may be given several times.
    #[arg(long, env = "ODEON_JOIN", value_delimiter = ',', value_parser = seed)]
    join: Vec<String>,
    /// Run as a lone node, which others may join; without papers it makes its own, and none can.
    #[arg(long)]
    dev: bool,
    /// The node's certificate, PEM.
    #[arg(long, env = "ODEON_CERT", requires = "key", requires = "ca_cert")]
    cert: Option<PathBuf>,
    /// The certificate's key, PEM.
    #[arg(long, env = "ODEON_KEY", requires = "cert")]
    key: Option<PathBuf>,
    /// The certificate of the cluster's authority, PEM.
    #[arg(long, env = "ODEON_CA_CERT", requires = "cert")]
    ca_cert: Option<PathBuf>,
}

/// A `host:port`.
fn seed(text: &str) -> Result<String, String> {
    let parts =
        text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    match parts {
        Some((host, port)) if !host.is_empty() && port > 0 => Ok(text.to_owned()),
        _ => Err("use host:port, such as 127.0.0.1:7400".to_owned()),
    }
}

/// Runs the node.
pub(crate) async fn run(args: NodeArgs) -> Result<(), Failed> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failed::run)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failed::run)?;
    let node = builder(args)?.start().await.map_err(Failed::input)?;
    tracing::info!(node = node.name(), addr = %node.addr(), "listening");
    let mut members = node.members();
    loop {
        tokio::select! {
            event = members.next() => match event {
                Some(MemberEvent::Up(member)) => tracing::info!(member = member.name, addr = %member.addr, "up"),
                Some(MemberEvent::Down { member, reason }) => tracing::info!(member = member.name, ?reason, "down"),
                Some(_) => {}
                // A later life of this node has taken its place.
                None => return Err(Failed::run("another node of this name is in the cluster: names are unique")),
            },
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    tracing::info!("leaving");
    node.stop(STOP_WITHIN).await;
    Ok(())
}

fn builder(args: NodeArgs) -> Result<odeon::NodeBuilder, Failed> {
    let mut builder = Node::builder(&args.name).listen(args.listen);
    builder = match (args.cert, args.key, args.ca_cert) {
        (Some(cert), Some(key), Some(ca)) => {
            builder.identity(Identity::from_pem_files(&cert, &key, &ca).map_err(Failed::input)?)
        }
        _ if args.dev => builder,
        _ => {
            return Err(Failed::input(
                "a node needs papers: give --cert, --key and --ca-cert (`odeon ca init` and `odeon ca issue` make \
                 them), or --dev for a lone node without",
            ));
        }
    };
    if let Some(advertise) = args.advertise {
        builder = builder.advertise(advertise);
    }
    if args.dev {
        builder = builder.alone();
    }
    Ok(args.join.into_iter().fold(builder, odeon::NodeBuilder::seed))
}
