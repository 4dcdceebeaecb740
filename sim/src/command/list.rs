//! `list`: the scenarios of this program, or the bugs that can be planted.

use odeon_message::planted::Bug;
use serde_json::json;

use super::{Failed, Printer, hunt::hunt};
use crate::runner::Trial;

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Print one JSON array: for each scenario its name, what it is about, its nodes and the lengths of its phases; for
    /// each bug its name, what it is, its scenario, and the check that must find it.
    #[arg(long)]
    json: bool,
    /// Name the bugs that can be planted, and the scenario that each is looked for in.
    #[arg(long)]
    planted: bool,
}

pub(super) fn list(
    args: &ListArgs,
    trials: &[Trial],
    out: &mut Printer<'_>,
) -> Result<bool, Failed> {
    if args.planted {
        return bugs(args.json, out);
    }
    if args.json {
        let entry = |trial: &Trial| {
            let outline = trial.act.cast().map(|cast| cast.outline());
            json!({
                "name": trial.name,
                "about": trial.about,
                "nodes": outline.as_ref().map(|outline| outline.names()),
                "safety_ms": outline.as_ref().map(|outline| outline.safety.as_millis() as u64),
                "liveness_max_ms":
                    outline.as_ref().map(|outline| outline.liveness_max.as_millis() as u64),
            })
        };
        out.json(&trials.iter().map(entry).collect::<serde_json::Value>())?;
        return Ok(true);
    }
    let width = trials.iter().map(|trial| trial.name.len()).max().unwrap_or(0);
    for Trial { name, about, .. } in trials {
        out.line(format!("{name:width$}  {about}"))?;
    }
    Ok(true)
}

/// The bugs that can be planted.
fn bugs(json: bool, out: &mut Printer<'_>) -> Result<bool, Failed> {
    if json {
        let entry = |bug: &Bug| {
            let hunt = hunt(*bug);
            json!({
                "name": bug.name(),
                "about": bug.about(),
                "scenario": hunt.scenario,
                "found_by": hunt.check,
            })
        };
        out.json(&Bug::ALL.iter().map(entry).collect::<serde_json::Value>())?;
        return Ok(true);
    }
    let width = Bug::ALL.iter().map(|bug| bug.name().len()).max().unwrap_or(0);
    for bug in Bug::ALL {
        out.line(format!("{:width$}  {} ({})", bug.name(), bug.about(), hunt(*bug).scenario))?;
    }
    Ok(true)
}
