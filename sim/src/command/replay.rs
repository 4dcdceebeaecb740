//! `replay`: one run, exactly as it was, with everything that happened.

use super::{Failed, Limits, Printer, subject::Subject};
use crate::{
    runner::{Case, Lanes, Order, Run, Trial, run_each},
    verdict::{Replay, Verdict},
};

#[derive(Debug, clap::Args)]
pub(super) struct ReplayArgs {
    /// A scenario, `NAME:SEED`, or a replay file. May be left out where there is one scenario only.
    what: Option<String>,
    /// The seed of the scenario.
    #[arg(long)]
    seed: Option<u64>,
    /// Lines of what happened that are printed, the last ones. Default: all that are kept.
    #[arg(long, value_name = "N")]
    lines: Option<usize>,
    #[command(flatten)]
    limits: Limits,
}

pub(super) fn replay(
    args: &ReplayArgs,
    trials: &[Trial],
    out: &mut Printer<'_>,
) -> Result<bool, Failed> {
    let subject = Subject::find(args.what.as_deref(), args.seed, trials, &args.limits)?;
    out.line(subject.title())?;
    for sentence in subject.script.story(|step| subject.describe(step)) {
        out.line(format!("  {sentence}"))?;
    }
    let mut order = subject.order()?;
    order.case.lines_until = order.case.lines_until.min(Case::EVERY_LINE);
    let [run] = run_orders(subject.trial, [order], &args.limits);
    out.line("--- what happened")?;
    let lines = &run.verdict.lines;
    let skip = lines.len().saturating_sub(args.lines.unwrap_or(usize::MAX));
    lines[skip..].iter().try_for_each(|line| out.line(line))?;
    if !run.output.is_empty() {
        out.line("--- what it printed")?;
        out.line(run.output.trim_end())?;
    }
    out.line("--- verdict")?;
    out.line(run.verdict.to_string())?;
    for detail in run.verdict.problems.iter().map(|problem| &problem.detail) {
        if !detail.is_empty() {
            out.line(detail.trim_end())?;
        }
    }
    if let Some(file) = &subject.file {
        out.line(compared(&run.verdict, file))?;
    }
    Ok(run.verdict.passed())
}

/// Whether it was the run of the file.
fn compared(verdict: &Verdict, file: &crate::runner::ReplayFile) -> String {
    let hash = format!("{:032x}", verdict.hash);
    let same_hash = hash == file.trace_hash;
    let program = if file.same_binary() {
        "this is the program that wrote the file".to_owned()
    } else {
        let commit = if file.commit.is_empty() { "an unknown commit" } else { &file.commit };
        format!("this is another program than the one that wrote the file, at {commit}")
    };
    let run = if same_hash { "the run is the same" } else { "the run is another one" };
    let why = match &verdict.replay {
        Replay::NotGuaranteed(why) if !same_hash => format!(" ({why})"),
        _ => String::new(),
    };
    format!("{program}; {run}{why}: hash {hash}, in the file {}", file.trace_hash)
}

/// Runs some orders of one trial; the results are in their order.
pub(super) fn run_orders<const N: usize>(
    trial: &Trial,
    orders: [Order; N],
    limits: &Limits,
) -> [Run; N] {
    let mut runs: [Option<Run>; N] = [const { None }; N];
    let mut orders = orders.into_iter().enumerate();
    let end = |at: usize, run| runs[at] = Some(run);
    run_each(&trial.arguments, Lanes::Own(limits.jobs()), limits.limit(), || orders.next(), end);
    runs.map(|run| run.expect("every order that was taken has ended"))
}
