//! `odeon status`, `members`, `names`, `groups`, `topics`, `actors`, `peers` and `drain`: what an operator asks a node's
//! admin port.
//!
//! What it is: one request and its answer, as text or as JSON. What it is NOT: the port or the certificates, which are
//! `odeon-ops`'s; what is printed as JSON is what the port says. Read `steer/drain.rs` for the one that waits.

pub(crate) mod drain;

use std::path::PathBuf;

use odeon_ops::operator::{
    Actors, Groups, Member, Names, Operator, OperatorError, Peer, Status, Topics,
};

use crate::{
    failure::Failed,
    output::{show, show_all},
};

/// Which node, and who asks.
#[derive(Debug, clap::Args)]
pub(crate) struct SteerArgs {
    /// Where the node's admin port is, host:port: its --admin-listen.
    #[arg(value_name = "NODE-ADMIN-ADDRESS")]
    pub(crate) node: String,
    /// The operator's certificate, PEM; `odeon ca issue --operator NAME` makes it.
    #[arg(long, env = "ODEON_OPERATOR_CERT")]
    cert: PathBuf,
    /// The certificate's key, PEM.
    #[arg(long, env = "ODEON_OPERATOR_KEY")]
    key: PathBuf,
    /// The certificate of the cluster's authority, PEM.
    #[arg(long, env = "ODEON_OPERATOR_CA", default_value = "ca.pem")]
    ca: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

impl SteerArgs {
    /// Who asks.
    pub(crate) fn operator(&self) -> Result<Operator, Failed> {
        Operator::from_pem_files(&self.cert, &self.key, &self.ca).map_err(failed)
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wish {
    Status,
    Members,
    Names,
    Groups,
    Topics,
    Actors,
    Peers,
}

/// Asks, and prints the answer.
pub(crate) async fn run(wish: Wish, args: SteerArgs) -> Result<(), Failed> {
    let operator = args.operator()?;
    let SteerArgs { node, json, .. } = args;
    match wish {
        Wish::Status => {
            show(&operator.get::<Status>(&node, "/v1/status").await.map_err(failed)?, json)
        }
        Wish::Members => {
            let members: Vec<Member> = operator.get(&node, "/v1/members").await.map_err(failed)?;
            show_all(&members, json)
        }
        Wish::Names => {
            show(&operator.get::<Names>(&node, "/v1/names").await.map_err(failed)?, json)
        }
        Wish::Groups => {
            show(&operator.get::<Groups>(&node, "/v1/groups").await.map_err(failed)?, json)
        }
        Wish::Topics => {
            show(&operator.get::<Topics>(&node, "/v1/topics").await.map_err(failed)?, json)
        }
        Wish::Actors => {
            show(&operator.get::<Actors>(&node, "/v1/actors").await.map_err(failed)?, json)
        }
        Wish::Peers => {
            let peers: Vec<Peer> = operator.get(&node, "/v1/peers").await.map_err(failed)?;
            show_all(&peers, json)
        }
    }
}

/// A refusal and files that cannot be used are the caller's to mend.
pub(crate) fn failed(error: OperatorError) -> Failed {
    match error {
        OperatorError::Papers(_) | OperatorError::Refused { .. } => Failed::input(error),
        error => Failed::run(error),
    }
}
