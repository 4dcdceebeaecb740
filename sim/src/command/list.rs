//! `list`: the scenarios of this program.

use serde_json::json;

use super::{Failed, Printer};
use crate::runner::Trial;

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Print one JSON array: for each scenario its name, what it is about, its nodes and the lengths of its phases.
    #[arg(long)]
    json: bool,
}

pub(super) fn list(
    args: &ListArgs,
    trials: &[Trial],
    out: &mut Printer<'_>,
) -> Result<bool, Failed> {
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
        out.line(
            serde_json::Value::from(trials.iter().map(entry).collect::<Vec<_>>()).to_string(),
        )?;
        return Ok(true);
    }
    let width = trials.iter().map(|trial| trial.name.len()).max().unwrap_or(0);
    for Trial { name, about, .. } in trials {
        out.line(format!("{name:width$}  {about}"))?;
    }
    Ok(true)
}
