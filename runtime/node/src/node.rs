//! `odeon node`: one node by hand, until SIGTERM, SIGINT or SIGHUP.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use odeon::{Node, NodeError, Papers};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failed;

/// Longest time for each phase of the stop.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Runs one node until it is told to stop by SIGTERM, SIGINT or SIGHUP; then it leaves in order.
#[derive(Debug, clap::Args)]
pub(crate) struct NodeArgs {
    /// Name of the node, the one in its certificate.
    #[arg(long, env = "ODEON_NAME")]
    name: String,
    /// Where to listen; port 0 lets the system choose. For other machines an address that they reach, or 0.0.0.0 and
    /// --advertise.
    #[arg(long, env = "ODEON_LISTEN", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where others reach this node, if that is not where it listens; port 0 is the one it listens at.
    #[arg(long, env = "ODEON_ADVERTISE")]
    advertise: Option<SocketAddr>,
    /// The `host:port` of a node that may be in the cluster; may be given several times, or with commas between.
    #[arg(long, env = "ODEON_JOIN", value_delimiter = ',', value_parser = seed)]
    join: Vec<String>,
    /// The node may be a cluster of its own, which others join: for the first node, also when it is started again.
    /// Without --cert, --key and --ca-cert it makes a certificate for itself, and no other node can join it.
    #[arg(long)]
    dev: bool,
    /// The node's certificate, PEM. When this file or one of the next three changes, the node takes the new one within
    /// seconds, without a restart; what cannot be used it names in its log, and goes on with what it had.
    #[arg(long, env = "ODEON_CERT", requires = "key", requires = "ca_cert")]
    cert: Option<PathBuf>,
    /// The certificate's key, PEM.
    #[arg(long, env = "ODEON_KEY", requires = "cert")]
    key: Option<PathBuf>,
    /// The certificate of the cluster's authority, PEM.
    #[arg(long, env = "ODEON_CA_CERT", requires = "cert")]
    ca_cert: Option<PathBuf>,
    /// The authority's list of revoked certificates, PEM, such as `ca.crl`.
    #[arg(long, env = "ODEON_CRL", requires = "cert")]
    crl: Option<PathBuf>,
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
    let on = |kind| signal(kind).map_err(Failed::run);
    let mut orders =
        [on(SignalKind::terminate())?, on(SignalKind::interrupt())?, on(SignalKind::hangup())?];
    let node = builder(args)?.start().await.map_err(start_failed)?;
    tracing::info!(node = node.name(), addr = %node.addr(), "listening");
    tokio::select! {
        () = told(&mut orders) => {}
        // A later life of this node has taken its place.
        () = node.ended() => {
            return Err(Failed::run("another node of this name is in the cluster: names are unique"));
        }
    }
    tracing::info!("leaving");
    node.stop(STOP_WITHIN).await;
    tracing::info!("left");
    Ok(())
}

/// Completes with the first of these signals.
async fn told([terminate, interrupt, hangup]: &mut [Signal; 3]) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hangup.recv() => {}
    }
}

/// Why the node did not start, with the flags that help.
fn start_failed(error: NodeError) -> Failed {
    match &error {
        NodeError::Advertise { .. } => Failed::input(format!(
            "{error} (--advertise HOST-ADDRESS:PORT; port 0 is the one it listens at)"
        )),
        NodeError::NoIdentity { .. } => {
            Failed::input(format!("{error} (here: --cert, --key and --ca-cert, or no --join)"))
        }
        _ => Failed::input(error),
    }
}

fn builder(args: NodeArgs) -> Result<odeon::NodeBuilder, Failed> {
    let mut builder = Node::builder(&args.name).listen(args.listen);
    builder = match (args.cert, args.key, args.ca_cert) {
        (Some(cert), Some(key), Some(ca)) => {
            let papers = Papers::new(cert, key, ca);
            builder.papers(match args.crl {
                Some(list) => papers.revoked(list),
                None => papers,
            })
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
