//! `odeon ca`: a certificate authority in files, and certificates for nodes.
//!
//! The authority's key stays where it was made; nodes take their own certificate and key, the authority's certificate
//! and its list of what is revoked. `issue` never overwrites a file, `renew` replaces them; keys can be read by their
//! owner only. What it is NOT: the files, which are `authority/folder.rs` of `odeon-ops`, because a node that answers fresh
//! ones reads them too. Here are the flags; read `ca/issue.rs` next.

mod issue;
mod list;
mod revoke;
mod subject;
mod token;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use odeon::{Serial, Validity, env::Env};
use odeon_ops::authority::{read, span};

use self::subject::Subject;
use crate::{
    failure::Failed,
    output::{show, show_all},
};

/// Makes a certificate authority and certificates of nodes.
#[derive(Debug, clap::Args)]
pub(crate) struct CaArgs {
    #[command(subcommand)]
    command: CaCommand,
    /// Print JSON on one line: what was made as an object, and of `list` an array of them. Times are seconds since 1970.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum CaCommand {
    /// Make an authority for a cluster: `ca.pem`, `ca.key`, and `ca.crl`, the list of what it has revoked.
    Init {
        /// Name of the cluster: 1 to 63 lower-case letters, digits and `-`.
        #[arg(long)]
        cluster: String,
        /// Folder for the files; it is made if it does not exist.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// Days for which the authority is valid.
        #[arg(long, default_value_t = 3650, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=36500))]
        days: u32,
    },
    /// Issue a certificate to a node, or to an operator: `NAME.pem` and `NAME.key`.
    #[command(group = clap::ArgGroup::new("who").required(true))]
    Issue {
        /// Name of the node: 1 to 63 lower-case letters, digits and `-`.
        #[arg(long, group = "who")]
        name: Option<String>,
        /// Name of an operator, made like a node's: who has the certificate may look at every node of the cluster that
        /// has an admin port, and drain it. No node can be started with it.
        #[arg(long, group = "who")]
        operator: Option<String>,
        /// Folder with `ca.pem` and `ca.key`; the node's files are put beside them.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// Days for which the certificate is valid.
        #[arg(long, default_value_t = 90, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
    },
    /// Replace `NAME.pem` and `NAME.key` of a node or an operator by a new certificate and a new key.
    ///
    /// A node that runs takes them within seconds, once they are where it reads them. The certificate before stays good
    /// until it runs out or is revoked.
    #[command(group = clap::ArgGroup::new("whose").required(true))]
    Renew {
        /// Name of the node.
        #[arg(long, group = "whose")]
        name: Option<String>,
        /// Name of the operator.
        #[arg(long, group = "whose")]
        operator: Option<String>,
        /// Keep the key, of which `NAME.pem` has the public half, and write `NAME.pem` alone.
        #[arg(long)]
        same_key: bool,
        /// Folder of the authority, with `NAME.pem`.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// Days for which the certificate is valid.
        #[arg(long, default_value_t = 90, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
    },
    /// Print a join token, by which a fresh node gets its certificate from the authority's endpoint, once.
    ///
    /// The endpoint is a node that was started with --ca-key and --enrol-listen. Give the token to
    /// `odeon node --join-token`; whoever reads it can take the node's place, until it was used or its time is over.
    Token {
        /// Name of the node that may use it.
        #[arg(long)]
        name: String,
        /// The `host:port` where the authority's endpoint is reached.
        #[arg(long)]
        at: String,
        /// How long it can be used: a number with s, m, h or d, at most 30d.
        #[arg(long, default_value = "1h", value_parser = span)]
        ttl: Duration,
        /// Folder of the authority.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
    /// Revoke certificates: they are added to the list `ca.crl`, which is written anew.
    ///
    /// Give the list to every node (`odeon node --crl`). A node that runs takes it within seconds and cuts off those
    /// whose certificates it names.
    #[command(group = clap::ArgGroup::new("which").required(true))]
    Revoke {
        /// All certificates of this node.
        #[arg(long, group = "which")]
        name: Option<String>,
        /// All certificates of this operator.
        #[arg(long, group = "which")]
        operator: Option<String>,
        /// The certificate with this serial number, in hexadecimal.
        #[arg(long, group = "which")]
        serial: Option<Serial>,
        /// The certificate in this PEM file.
        #[arg(long, group = "which")]
        cert: Option<PathBuf>,
        /// Folder of the authority.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
    /// List the certificates that the authority has issued: whose, their serial numbers, until when, and whether they are
    /// revoked.
    ///
    /// It knows those that have not run out, or did so in the last thirty days.
    List {
        /// Folder of the authority.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
}

/// Runs the command, and prints what it has made.
pub(crate) async fn run(args: CaArgs) -> Result<(), Failed> {
    let CaArgs { command, json } = args;
    match command {
        CaCommand::Init { cluster, dir, days } => {
            show(&issue::init(&cluster, &dir, validity(days)).await?, json)
        }
        CaCommand::Issue { name, operator, dir, days } => {
            let subject = Subject::given(name, operator)?;
            show(&issue::issue(subject, &dir, validity(days)).await?, json)
        }
        CaCommand::Renew { name, operator, same_key, dir, days } => {
            let subject = Subject::given(name, operator)?;
            show(&issue::renew(subject, same_key, &dir, validity(days)).await?, json)
        }
        CaCommand::Token { name, at, ttl, dir } => {
            let subject = Subject::given(Some(name), None)?;
            show(&token::token(subject.name(), &at, ttl, &dir).await?, json)
        }
        CaCommand::Revoke { name, operator, serial, cert, dir } => {
            let listed = match operator {
                Some(operator) => Some(Subject::Operator(operator).as_listed()),
                None => name,
            };
            let serial = match cert {
                Some(path) => Some(serial_in(&path)?),
                None => serial,
            };
            show(&revoke::revoke(listed.as_deref(), serial, &dir).await?, json)
        }
        CaCommand::List { dir } => show_all(&list::list(&dir).await?, json),
    }
}

fn validity(days: u32) -> Validity {
    let lasting = Duration::from_secs(u64::from(days) * 24 * 3600);
    Validity::from(odeon::env::RealEnv.wall_clock(), lasting)
}

fn serial_in(path: &Path) -> Result<Serial, Failed> {
    Serial::of_pem(&read(path)?)
        .map_err(|error| Failed::input(format!("{}: {error}", path.display())))
}
