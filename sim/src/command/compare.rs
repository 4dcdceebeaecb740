//! `check` and `diff`: whether two runs are one run, and where they part.
//!
//! Two runs are compared by the hashes of their traces; `difference.rs` says where they part.

use super::{Failed, Limits, Printer, replay::run_orders, subject::Subject};
use crate::{
    runner::{Checked, Order, Trial},
    verdict::{Replay, Verdict},
};

#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// A scenario, `NAME:SEED`, or a replay file. May be left out where there is one scenario only.
    what: Option<String>,
    /// The seed of the scenario.
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    limits: Limits,
}

#[derive(Debug, clap::Args)]
pub(super) struct DiffArgs {
    /// `NAME:SEED`, or a replay file.
    a: String,
    /// `NAME:SEED`, or a replay file.
    b: String,
    #[command(flatten)]
    limits: Limits,
}

pub(super) fn check(
    args: &CheckArgs,
    trials: &[Trial],
    out: &mut Printer<'_>,
) -> Result<bool, Failed> {
    let subject = Subject::find(args.what.as_deref(), args.seed, trials, &args.limits)?;
    let again = Subject::find(args.what.as_deref(), args.seed, trials, &args.limits)?;
    if subject.script != again.script {
        out.line(format!(
            "{}: the seed makes another script each time: the workload or the outline of the scenario is not a pure \
             function of its stream (does it visit a HashMap, read a clock, or draw elsewhere?)",
            subject.title()
        ))?;
        return Ok(false);
    }
    let parted = part(&subject, &again, &args.limits)?;
    let first = &parted.verdicts[0];
    if let Replay::NotGuaranteed(why) = &first.replay {
        out.line(format!("{}: the replay is not guaranteed here: {why}", subject.title()))?;
    }
    let Some(difference) = &parted.difference else {
        let Verdict { hash, events, .. } = first;
        out.line(format!(
            "{}: two runs are one run, hash {hash:032x}, {events} events",
            subject.title()
        ))?;
        return Ok(true);
    };
    out.line(format!("{}: two runs of one seed differ", subject.title()))?;
    out.line(difference.to_string())?;
    Ok(false)
}

pub(super) fn diff(
    args: &DiffArgs,
    trials: &[Trial],
    out: &mut Printer<'_>,
) -> Result<bool, Failed> {
    let a = Subject::find(Some(&args.a), None, trials, &args.limits)?;
    let b = Subject::find(Some(&args.b), None, trials, &args.limits)?;
    let parted = part(&a, &b, &args.limits)?;
    let Some(difference) = &parted.difference else {
        let Verdict { hash, events, .. } = &parted.verdicts[0];
        out.line(format!("the two are one run, hash {hash:032x}, {events} events"))?;
        return Ok(true);
    };
    out.line(format!("a is {}; b is {}", parted.verdicts[0], parted.verdicts[1]))?;
    out.line(difference.to_string())?;
    Ok(false)
}

/// Runs both, and compares them.
fn part(a: &Subject<'_>, b: &Subject<'_>, limits: &Limits) -> Result<Checked, Failed> {
    let orders = [a.order()?, b.order()?];
    let checked = Checked::of(|lines_until| {
        let mut orders = orders.clone();
        orders.iter_mut().for_each(|order| order.case.lines_until = lines_until);
        run_pair([a, b], orders, limits)
    });
    match checked.verdicts.iter().find(|verdict| verdict.events == 0) {
        Some(missing) => Err(Failed::run(missing)),
        None => Ok(checked),
    }
}

fn run_pair(subjects: [&Subject<'_>; 2], orders: [Order; 2], limits: &Limits) -> Vec<Verdict> {
    let [a, b] = orders;
    let runs = if subjects[0].trial.name == subjects[1].trial.name {
        run_orders(subjects[0].trial, [a, b], limits)
    } else {
        let [a] = run_orders(subjects[0].trial, [a], limits);
        let [b] = run_orders(subjects[1].trial, [b], limits);
        [a, b]
    };
    runs.map(|run| run.verdict).to_vec()
}
