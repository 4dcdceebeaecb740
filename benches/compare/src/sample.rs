//! One sample in this process: the child's side of `local`. It prints one number.

use crate::{Outcome, system::Mode, systems::Name, workload::Workload};

/// Which sample.
#[derive(Debug, clap::Args)]
pub(crate) struct SampleArgs {
    #[arg(long)]
    system: Name,
    #[arg(long)]
    workload: Workload,
    #[arg(long)]
    mode: Mode,
}

/// Takes the sample.
#[expect(clippy::print_stdout, reason = "the figure is what was asked for")]
pub(crate) fn run(args: SampleArgs) -> Outcome<()> {
    println!("{:.3}", args.system.sample(args.workload, args.mode)?);
    Ok(())
}
