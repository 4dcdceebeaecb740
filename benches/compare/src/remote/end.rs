//! One end of a sample, a process of its own: the receiving program or the sending one.
//!
//! The receiving program prints in one line where it is reached, and leaves when its input ends. The sending one prints one
//! number. Each is pinned to a CPU of its own, with all its threads. What it is NOT: the parent of both, which is
//! `sample.rs` beside this file.

use std::{
    io::{self, Read, Write},
    path::PathBuf,
};

use tokio::task::LocalSet;

use crate::{
    Outcome,
    cpus::Cpus,
    remote::{
        papers::Papers,
        system::{Remote, Setup},
        systems::Name,
        workload::Workload,
    },
    threads::single,
};

/// Which sample.
#[derive(Debug, clap::Args)]
pub(crate) struct EndArgs {
    #[arg(long)]
    system: Name,
    #[arg(long)]
    workload: Workload,
    /// How many peers the receiving program has.
    #[arg(long)]
    peers: usize,
    /// Where the certificates are.
    #[arg(long)]
    folder: PathBuf,
    /// Where the receiving program is reached; without it this is the receiving program.
    #[arg(long)]
    to: Option<String>,
}

/// Is one end.
///
/// # Errors
/// What the system says.
pub(crate) fn run(args: &EndArgs) -> Outcome<()> {
    let EndArgs { system, workload, peers, ref folder, ref to } = *args;
    let setup = Setup { papers: Papers::open(folder), workload, peers };
    match to {
        None => {
            Cpus::find()?.pin_actors()?;
            system.receive(&setup)
        }
        Some(to) => {
            Cpus::find()?.pin_driver()?;
            system.send(&setup, to)
        }
    }
}

/// The receiving end of a system.
///
/// # Errors
/// What the system says.
pub(crate) fn receive<R: Remote>(setup: &Setup) -> Outcome<()> {
    LocalSet::new().block_on(&single()?, async {
        let (server, reached) = R::serve(setup).await?;
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{reached}")?;
        stdout.flush()?;
        drop(stdout);
        ended().await?;
        drop(server);
        Ok(())
    })
}

/// Waits until the input ends, on a thread of its own, so that the runtime goes on.
#[expect(clippy::disallowed_methods, reason = "the bench plays programs with threads of their own")]
async fn ended() -> Outcome<()> {
    let read = || io::stdin().read_to_end(&mut Vec::new());
    Ok(tokio::task::spawn_blocking(read).await?.map(drop)?)
}

/// The sending end of a system.
///
/// # Errors
/// What the system says, and that messages were lost.
#[expect(clippy::print_stdout, reason = "the figure is what was asked for")]
pub(crate) fn send<R: Remote>(setup: &Setup, to: &str) -> Outcome<()> {
    LocalSet::new().block_on(&single()?, async {
        let mut client = R::connect(setup, to).await?;
        println!("{:.3}", setup.workload.measure(&mut client).await?);
        Ok(())
    })
}
