//! `timeline`: one run as a page with a lane for each node.
//!
//! The run is the same as in `replay`; it is recorded on its way. Read `page.rs` for the page.

use std::path::PathBuf;

use super::{Failed, Limits, Printer, replay::run_orders, subject::Subject};
use crate::{page::Page, runner::Trial};

#[derive(Debug, clap::Args)]
pub(super) struct TimelineArgs {
    /// A scenario, `NAME:SEED`, or a replay file. May be left out where there is one scenario only.
    what: Option<String>,
    /// The seed of the scenario.
    #[arg(long)]
    seed: Option<u64>,
    /// The page to write: one file, to be opened in a browser. One that is there is replaced.
    #[arg(long, value_name = "FILE")]
    html: PathBuf,
    #[command(flatten)]
    limits: Limits,
}

pub(super) fn timeline(
    args: &TimelineArgs,
    trials: &[Trial],
    out: &mut Printer<'_>,
) -> Result<bool, Failed> {
    let mut subject = Subject::find(args.what.as_deref(), args.seed, trials, &args.limits)?;
    subject.case.recorded = true;
    let [run] = run_orders(subject.trial, [subject.order()?], &args.limits);
    let Some(recording) = run.recording else {
        let (title, verdict) = (subject.title(), run.verdict);
        return Err(Failed::Run(format!("{title} left no recording: {verdict}")));
    };
    let verdict = &run.verdict;
    let page = Page::new(&subject.trial.name, &subject.case, &subject.script, verdict, recording);
    page.write(&args.html).map_err(Failed::usage)?;
    out.line(format!("{}: {verdict}", subject.title()))?;
    out.line(format!("{}; open {} in a browser", page.in_words(), args.html.display()))?;
    Ok(verdict.passed())
}
