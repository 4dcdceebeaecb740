//! `odeon ca`: a certificate authority in files, and certificates for nodes.
//!
//! The authority's key stays where it was made; nodes take their own certificate and key, the authority's certificate
//! and its list of what is revoked. `issue` never overwrites a file, `renew` replaces them; keys can be read by their
//! owner only. The files are `authority/folder.rs` of `odeon-ops`, because a node that answers fresh ones reads them too.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use odeon::{Ca, JoinToken, Serial, Validity, env::Env};
use odeon_ops::authority::{
    Folder, Issued, PRIVATE, PUBLIC, Token, UNKNOWN, now, read, replace, seconds, span, write_pair,
};

use crate::{failure::Failed, output::print};

/// The name of the authority's files, which no node can have.
const AUTHORITY: &str = "ca";

/// How long a certificate is listed as revoked of which nothing else is known: as long as `issue` makes any.
const LONGEST: Duration = Duration::from_secs(3650 * 86_400);

/// Makes a certificate authority and certificates of nodes.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum CaCommand {
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
    /// Replace a node's `NAME.pem` and `NAME.key` by a new certificate and a new key.
    ///
    /// A node that runs takes them within seconds, once they are where it reads them. The certificate before stays good
    /// until it runs out or is revoked.
    Renew {
        /// Name of the node.
        #[arg(long)]
        name: String,
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
}

/// Runs the command.
pub(crate) async fn run(command: CaCommand) -> Result<(), Failed> {
    match command {
        CaCommand::Init { cluster, dir, days } => init(&cluster, &dir, validity(days)).await,
        CaCommand::Issue { name, operator, dir, days } => match operator {
            Some(operator) => issue_operator(&operator, &dir, validity(days)).await,
            None => issue(&name.unwrap_or_default(), &dir, validity(days)).await,
        },
        CaCommand::Renew { name, same_key, dir, days } => {
            renew(&name, same_key, &dir, validity(days)).await
        }
        CaCommand::Token { name, at, ttl, dir } => token(&name, &at, ttl, &dir).await,
        CaCommand::Revoke { name, operator, serial, cert, dir } => {
            let name = name.or_else(|| operator.map(|operator| as_listed(&operator)));
            let serial = match cert {
                Some(path) => Some(
                    Serial::of_pem(&read(&path)?)
                        .map_err(|error| Failed::input(format!("{}: {error}", path.display())))?,
                ),
                None => serial,
            };
            revoke(name.as_deref(), serial, &dir).await
        }
    }
}

fn validity(days: u32) -> Validity {
    let lasting = Duration::from_secs(u64::from(days) * 24 * 3600);
    Validity::from(odeon::env::RealEnv.wall_clock(), lasting)
}

async fn init(cluster: &str, dir: &Path, validity: Validity) -> Result<(), Failed> {
    let ca = Ca::new(cluster, validity).map_err(Failed::input)?;
    fs::create_dir_all(dir).map_err(|error| {
        Failed::input(format!(
            "cannot make the folder {}: {error}; name a folder with --dir that exists or that you may make",
            dir.display()
        ))
    })?;
    let [cert, key] = write_pair(dir, AUTHORITY, &ca.to_pem())?;
    let list = Folder::open(dir).await?.write_list()?;
    print(&format!("wrote {}, {} and {}", cert.display(), key.display(), list.display()))
}

fn check_name(name: &str) -> Result<(), Failed> {
    if name != AUTHORITY {
        return Ok(());
    }
    Err(Failed::input(format!(
        "a node cannot be named {AUTHORITY}: its files would have the names of the authority's; choose another name"
    )))
}

async fn issue(name: &str, dir: &Path, validity: Validity) -> Result<(), Failed> {
    check_name(name)?;
    let mut folder = Folder::open(dir).await?;
    let pair = folder.ca.issue_pem(name, validity).map_err(Failed::input)?;
    folder.remember(name, &pair.cert, validity)?;
    let [cert, key] = write_pair(dir, name, &pair)?;
    print(&format!("wrote {} and {}", cert.display(), key.display()))
}

/// What an operator is called in the index, where no node can have the name.
fn as_listed(operator: &str) -> String {
    format!("operator:{operator}")
}

async fn issue_operator(name: &str, dir: &Path, validity: Validity) -> Result<(), Failed> {
    check_name(name)?;
    let mut folder = Folder::open(dir).await?;
    let pair = folder.ca.issue_operator_pem(name, validity).map_err(Failed::input)?;
    folder.remember(&as_listed(name), &pair.cert, validity)?;
    let [cert, key] = write_pair(dir, name, &pair)?;
    print(&format!("wrote {} and {}", cert.display(), key.display()))
}

async fn renew(name: &str, same_key: bool, dir: &Path, validity: Validity) -> Result<(), Failed> {
    check_name(name)?;
    let mut folder = Folder::open(dir).await?;
    let [cert, key] = ["pem", "key"].map(|end| folder.path(&format!("{name}.{end}")));
    let old = fs::read_to_string(&cert).map_err(|error| {
        Failed::input(format!(
            "cannot read the certificate to be renewed, {}: {error}; `odeon ca issue --name {name}` makes a first one",
            cert.display()
        ))
    })?;
    let old_serial = Serial::of_pem(&old)
        .map_err(|error| Failed::input(format!("{}: {error}", cert.display())))?;
    if same_key {
        let is_revoked = |one: &Issued| one.serial == old_serial && one.revoked.is_some();
        if folder.index.issued.iter().any(is_revoked) {
            return Err(Failed::input(format!(
                "the certificate in {} is revoked, and its key with it; renew without --same-key",
                cert.display()
            )));
        }
        let renewed = folder.ca.renew_pem(name, &old, validity).map_err(Failed::input)?;
        folder.remember(name, &renewed, validity)?;
        replace(&cert, &renewed, PUBLIC)?;
        return print(&format!("wrote {}, for the same key", cert.display()));
    }
    let pair = folder.ca.issue_pem(name, validity).map_err(Failed::input)?;
    folder.remember(name, &pair.cert, validity)?;
    replace(&key, &pair.key, PRIVATE)?;
    replace(&cert, &pair.cert, PUBLIC)?;
    print(&format!(
        "wrote {} and {}, a new key; the certificate before, {old_serial}, is good until it runs out or is revoked",
        cert.display(),
        key.display()
    ))
}

async fn token(name: &str, at: &str, ttl: Duration, dir: &Path) -> Result<(), Failed> {
    check_name(name)?;
    let folder = Folder::open(dir).await?;
    // What no certificate can carry is refused here, and not to the node that comes with the token.
    folder.ca.check_node(name).map_err(Failed::input)?;
    let env = odeon::env::RealEnv;
    let token = JoinToken::new(&env, &folder.ca, env.wall_clock() + ttl, at)
        .map_err(|error| Failed::input(format!("--at {at}: {}", error.cause)))?;
    let mut tokens = folder.tokens()?;
    let remembered = Token {
        digest: token.digest(),
        not_after: seconds(token.not_after()),
        node: name.to_owned(),
        used: None,
    };
    if !tokens.add(remembered, now()) {
        return Err(Failed::input("too many join tokens wait: let some run out, and try again"));
    }
    folder.write_tokens(&tokens)?;
    print(&token.to_string())
}

async fn revoke(name: Option<&str>, serial: Option<Serial>, dir: &Path) -> Result<(), Failed> {
    let mut folder = Folder::open(dir).await?;
    let now = now();
    let is_meant = |one: &Issued| {
        name.is_some_and(|name| one.node == name) || serial.as_ref() == Some(&one.serial)
    };
    if let Some(serial) = &serial
        && !folder.index.issued.iter().any(is_meant)
    {
        // From before there was an index: whose it is and how long it is valid is not known.
        let not_after = seconds(odeon::env::RealEnv.wall_clock() + LONGEST);
        let node = UNKNOWN.to_owned();
        let issued = Issued { serial: serial.clone(), not_after, node, revoked: None };
        if !folder.index.add(issued, now) {
            return Err(Failed::input("the index of the authority is full: use another authority"));
        }
    }
    let revoked = folder.index.revoke(now, is_meant);
    if revoked.is_empty() {
        return Err(Failed::input(match name {
            Some(name) => format!(
                "no certificate of {name} is known in {} that is not revoked already; --cert FILE or --serial NUMBER \
                 names one that is not in the index",
                dir.display()
            ),
            None => "this certificate is revoked already; nothing is left to do".to_owned(),
        }));
    }
    let list = folder.write_list()?;
    let revoked: Vec<_> = revoked.iter().map(Serial::to_string).collect();
    print(&format!(
        "revoked {}; wrote {}, which every node needs (odeon node --crl)",
        revoked.join(", "),
        list.display()
    ))
}
