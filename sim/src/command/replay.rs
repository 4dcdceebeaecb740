//! `replay`: one run, exactly as it was, with everything that happened.

use super::{Failed, Limits, Printer, subject::Subject};
use crate::{
    recording::{LogFilter, Recording},
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
    /// Which log lines of nodes are printed among them: levels, by target if need be, as in `warn,odeon_cluster=debug`.
    #[arg(long, value_name = "FILTER", default_value_t)]
    log: LogFilter,
    #[command(flatten)]
    limits: Limits,
}

pub(super) fn replay(
    args: &ReplayArgs,
    trials: &[Trial],
    out: &mut Printer<'_>,
) -> Result<bool, Failed> {
    let mut subject = Subject::find(args.what.as_deref(), args.seed, trials, &args.limits)?;
    (subject.case.recorded, subject.case.log) = (true, args.log);
    out.line(subject.title())?;
    for sentence in subject.script.story(|step| subject.describe(step)) {
        out.line(format!("  {sentence}"))?;
    }
    let mut order = subject.order()?;
    order.case.lines_until = order.case.lines_until.min(Case::EVERY_LINE);
    let [run] = run_orders(subject.trial, [order], &args.limits);
    out.line("--- what happened")?;
    what_happened(&run, args.lines.unwrap_or(usize::MAX), out)?;
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

/// Prints the last lines of the trace, and the log lines of nodes at their places among them.
fn what_happened(run: &Run, lines_max: usize, out: &mut Printer<'_>) -> Result<(), Failed> {
    let (lines, marks) = (&run.verdict.lines, &run.verdict.marks);
    let skip = lines.len().saturating_sub(lines_max);
    let first = marks.get(skip).filter(|_| skip > 0).map_or(0, |mark| mark.event);
    let recording = run.recording.as_ref();
    let gone = recording.map_or(0, |recording| recording.left_out.story);
    if gone > 0 {
        out.line(format!("({gone} notes and log lines before these had no room)"))?;
    }
    let mut logs = recording.into_iter().flat_map(log_lines).peekable();
    while logs.next_if(|(after, _)| *after < first).is_some() {}
    for (line, mark) in lines.iter().zip(marks).skip(skip) {
        while let Some((_, log)) = logs.next_if(|(after, _)| *after < mark.event) {
            out.line(&log)?;
        }
        out.line(line)?;
    }
    logs.try_for_each(|(_, log)| out.line(&log))
}

/// The log lines of a run, each with the number of the last event before it.
fn log_lines(recording: &Recording) -> impl Iterator<Item = (u64, String)> {
    let logs = recording.dots.iter().filter_map(|dot| dot.kind.level().map(|level| (dot, level)));
    logs.zip(&recording.logs_after).map(|((dot, level), after)| {
        let host = dot.host.and_then(|host| recording.hosts.get(usize::from(host)));
        let host = host.map_or("world", String::as_str);
        let (seconds, rest) = (dot.at / 1_000_000_000, dot.at % 1_000_000_000);
        (*after, format!("{seconds:>4}.{rest:09} {host:<8} {level} {}", dot.text))
    })
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
