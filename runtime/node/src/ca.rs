//! `odeon ca`: a certificate authority in files, and certificates for nodes.
//!
//! The authority's key stays where it was made; nodes take their own certificate and key, and the authority's
//! certificate. Files are never overwritten, and keys can be read by their owner only.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use odeon::{Ca, PemPair, Validity, env::Env};

use crate::{failure::Failed, output::print};

/// The name of the authority's files, which no node can have.
const AUTHORITY: &str = "ca";

/// Makes a certificate authority and certificates of nodes.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum CaCommand {
    /// Make an authority for a cluster: `ca.pem` and `ca.key`.
    Init {
        /// Name of the cluster: 1 to 63 lower-case letters, digits and `-`.
        #[arg(long)]
        cluster: String,
        /// Folder for the two files; it is made if it does not exist.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// Days for which the authority is valid.
        #[arg(long, default_value_t = 3650, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=36500))]
        days: u32,
    },
    /// Issue a certificate to a node: `NAME.pem` and `NAME.key`.
    Issue {
        /// Name of the node: 1 to 63 lower-case letters, digits and `-`.
        #[arg(long)]
        name: String,
        /// Folder with `ca.pem` and `ca.key`; the node's files are put beside them.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// Days for which the certificate is valid.
        #[arg(long, default_value_t = 90, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
    },
}

/// Runs the command.
pub(crate) fn run(command: CaCommand) -> Result<(), Failed> {
    let now = odeon::env::RealEnv.wall_clock();
    let validity =
        |days: u32| Validity::from(now, Duration::from_secs(u64::from(days) * 24 * 3600));
    match command {
        CaCommand::Init { cluster, dir, days } => {
            let ca = Ca::new(&cluster, validity(days)).map_err(Failed::input)?;
            fs::create_dir_all(&dir).map_err(|error| {
                Failed::input(format!(
                    "cannot make the folder {}: {error}; name a folder with --dir that exists or that you may make",
                    dir.display()
                ))
            })?;
            write_pair(&dir, AUTHORITY, &ca.to_pem())
        }
        CaCommand::Issue { name, .. } if name == AUTHORITY => Err(Failed::input(format!(
            "a node cannot be named {AUTHORITY}: its files would have the names of the authority's; choose another name"
        ))),
        CaCommand::Issue { name, dir, days } => {
            let pem = PemPair { cert: read(&dir.join("ca.pem"))?, key: read(&dir.join("ca.key"))? };
            let ca = Ca::from_pem(&pem).map_err(Failed::input)?;
            write_pair(&dir, &name, &ca.issue_pem(&name, validity(days)).map_err(Failed::input)?)
        }
    }
}

fn read(path: &Path) -> Result<String, Failed> {
    let why = |error: io::Error| {
        format!(
            "cannot read {}: {error}; `odeon ca init` makes an authority, --dir says where it is",
            path.display()
        )
    };
    fs::read_to_string(path).map_err(|error| Failed::input(why(error)))
}

fn write_pair(dir: &Path, name: &str, pair: &PemPair) -> Result<(), Failed> {
    let [key, cert] = ["key", "pem"].map(|end| dir.join(format!("{name}.{end}")));
    write(&key, &pair.key, 0o600)?;
    write(&cert, &pair.cert, 0o644).inspect_err(|_| {
        // A key without its certificate would only lie in the way; if it cannot go, the error above is what matters.
        let _ = fs::remove_file(&key);
    })?;
    print(&format!("wrote {} and {}", cert.display(), key.display()))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failed> {
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::AlreadyExists => {
                "files are never overwritten: name another folder with --dir, or move the old file away"
            }
            _ => "name a folder with --dir that you may write to and that has room",
        };
        Failed::input(format!("cannot write {}: {error}; {remedy}", path.display()))
    })
}
