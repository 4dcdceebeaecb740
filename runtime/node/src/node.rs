//! `odeon node`: one node by hand, until SIGTERM, SIGINT or SIGHUP.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use odeon::{JoinToken, Node, NodeError, Papers};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    ca::Desk,
    failure::Failed,
    join::{self, Places},
};

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
    /// A token that `odeon ca token` has printed: it brings a fresh node its certificate, its key and the authority's
    /// certificate, which are written where --cert, --key and --ca-cert say, else to NAME.pem, NAME.key and ca.pem. A
    /// node that has them starts with them.
    #[arg(long, env = "ODEON_JOIN_TOKEN", hide_env_values = true)]
    join_token: Option<JoinToken>,
    /// The authority's key, `ca.key` in its folder: this node answers fresh ones at --enrol-listen. Whoever breaks into
    /// this machine can admit nodes.
    #[arg(long, env = "ODEON_CA_KEY", requires = "enrol_listen")]
    ca_key: Option<PathBuf>,
    /// Where fresh nodes ask for their certificates, an address beside --listen.
    #[arg(long, env = "ODEON_ENROL_LISTEN", requires = "ca_key")]
    enrol_listen: Option<SocketAddr>,
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
    let mut args = args;
    if let Some(token) = args.join_token.take() {
        let given = (args.cert.take(), args.key.take(), args.ca_cert.take());
        let places = places(&args.name, given);
        join::get_papers(&args.name, &token, &places).await?;
        let Places { cert, key, ca_cert } = places;
        (args.cert, args.key, args.ca_cert) = (Some(cert), Some(key), Some(ca_cert));
    }
    let office = match args.ca_key.take().zip(args.enrol_listen) {
        Some((key, listen)) => Some((Desk::open(key).await?, listen)),
        None => None,
    };
    let node = builder(args)?.start().await.map_err(start_failed)?;
    // It answers for as long as the node lives.
    let _enrolment = match office {
        Some((office, listen)) => Some(join::give_papers(office, listen)?),
        None => None,
    };
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

/// Where papers are put that a token brings.
fn places(name: &str, given: (Option<PathBuf>, Option<PathBuf>, Option<PathBuf>)) -> Places {
    let (cert, key, ca_cert) = given;
    Places {
        cert: cert.unwrap_or_else(|| format!("{name}.pem").into()),
        key: key.unwrap_or_else(|| format!("{name}.key").into()),
        ca_cert: ca_cert.unwrap_or_else(|| "ca.pem".into()),
    }
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
