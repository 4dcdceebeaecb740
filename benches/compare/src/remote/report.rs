//! A run's table for people, and its rows for programs.

use serde_json::{Value, json};

use crate::{
    remote::{
        machine::{machine, version},
        systems::Name,
        table::{Row, Verdict, verdicts},
        targets::{Against, Bound},
    },
    table::Cell,
};

/// The table: a line a row, and under it what it says of the targets.
pub(crate) fn table(rows: &[Row], systems: &[Name]) -> String {
    let mut text = format!("{:<18}{:<7}", "workload", "unit");
    for system in systems {
        text += &format!("{system:>15}");
    }
    text.push('\n');
    for row in rows {
        text += &format!("{:<18}{:<7}", row.workload, row.workload.unit());
        for system in systems {
            let cell = row.cells.iter().find(|cell| cell.system == *system);
            text += &match cell.map(|cell| (cell.median(), &cell.failure)) {
                Some((Some(median), _)) => format!("{median:>15.1}"),
                Some((None, Some(_))) => format!("{:>15}", "failed"),
                Some((None, None)) | None => format!("{:>15}", "-"),
            };
        }
        text.push('\n');
        text.extend(verdicts(rows, row).iter().map(|verdict| format!("    {}\n", said(verdict))));
    }
    let failures = rows.iter().flat_map(|row| {
        let told = |cell: &Cell<Name>| Some((cell.system, cell.failure.clone()?));
        let told = row.cells.iter().filter_map(told);
        told.map(|(system, why)| format!("{} {system}: {why}\n", row.workload))
    });
    text.extend(failures);
    text
}

fn said(verdict: &Verdict) -> String {
    let than = verdict.than.map(|system| system.to_string()).unwrap_or_default();
    let value = verdict.value;
    let what = match verdict.target.against {
        Against::Quinn(workload) | Against::Own(workload) => {
            format!("{value:.2} times {than}'s {workload}")
        }
        Against::BestPeer | Against::BestPlain => format!("{value:.2} times {than}'s"),
        Against::BeyondQuinn => format!("{value:.0} beyond {than}'s"),
        Against::Nothing => format!("{value:.0}"),
    };
    let bound = match verdict.target.bound {
        Bound::AtMost(bound) => format!("at most {bound}"),
        Bound::AtLeast(bound) => format!("at least {bound}"),
    };
    let kind = if verdict.target.is_goal { "goal" } else { "target" };
    let off = (value / verdict.target.bound.value() - 1.0).abs() * 100.0;
    let reached =
        if verdict.is_reached() { "ok".to_owned() } else { format!("missed by {off:.0} %") };
    format!("{what}; {kind}: {bound}: {reached}")
}

/// The rows as JSON, one for each workload and system; and what they were measured on.
pub(crate) fn json(rows: &[Row], systems: &[Name], rounds: u16) -> Value {
    let of_row =
        |row: &Row| row.cells.iter().map(|cell| of_cell(rows, row, cell)).collect::<Vec<_>>();
    let of_system = |system: &Name| {
        let told = json!({ "version": version(*system), "carried_by": system.carried_by() });
        (system.to_string(), told)
    };
    json!({
        "rows": rows.iter().flat_map(of_row).collect::<Vec<_>>(),
        "rounds": rounds,
        "systems": systems.iter().map(of_system).collect::<serde_json::Map<_, _>>(),
        "machine": machine(),
    })
}

fn of_cell(rows: &[Row], row: &Row, cell: &Cell<Name>) -> Value {
    let mut value = json!({
        "workload": row.workload.to_string(), "mode": "remote",
        "system": cell.system.to_string(), "unit": row.workload.unit(),
        "median": cell.median(), "min": cell.min(), "max": cell.max(),
        "samples": cell.samples.len(),
    });
    if let Some(failure) = &cell.failure {
        value["failure"] = json!(failure);
    }
    if cell.system != Name::Odeon {
        return value;
    }
    for verdict in verdicts(rows, row) {
        let told = json!({
            "best_peer": verdict.than.map(|system| system.to_string()),
            "ratio": verdict.value, "target": verdict.target.bound.value(),
            "at_least": matches!(verdict.target.bound, Bound::AtLeast(_)),
            "reached": verdict.is_reached(),
        });
        match (verdict.target.is_goal, value.as_object_mut(), told) {
            (true, Some(value), told) => drop(value.insert("goal".to_owned(), told)),
            (false, Some(value), Value::Object(told)) => value.extend(told),
            _ => {}
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{json as rows_of, table};
    use crate::remote::{systems::Name, table::Row, workload::Workload};

    #[test]
    fn a_row_has_its_verdict_and_a_failure_is_told() {
        let systems = [Name::Odeon, Name::Quinn, Name::Tls];
        let mut row = Row::new(Workload::Ask, &systems);
        row.cells[0].samples.extend([20.0, 14.0, 15.0]);
        row.cells[1].samples.push(10.0);
        row.cells[2].failure = Some("killed after 60 s".to_owned());
        let rows = [row];
        let text = table(&rows, &systems);
        assert!(text.contains("           15.0           10.0         failed"), "{text}");
        let said = "    1.50 times quinn's ask; target: at most 1.4: missed by 7 %\n";
        assert!(text.contains(said), "{text}");
        assert!(text.ends_with("ask tls: killed after 60 s\n"), "{text}");
        let value = rows_of(&rows, &systems, 3);
        let odeon = &value["rows"][0];
        assert_eq!((odeon["median"].as_f64(), odeon["max"].as_f64()), (Some(15.0), Some(20.0)));
        assert_eq!((&odeon["reached"], &odeon["at_least"]), (&json!(false), &json!(false)));
        assert_eq!((odeon["ratio"].as_f64(), odeon["target"].as_f64()), (Some(1.5), Some(1.4)));
        assert_eq!(odeon["best_peer"], "quinn");
        assert_eq!(value["rows"][2]["failure"], "killed after 60 s");
        assert!(value["systems"]["quinn"]["version"].is_string());
        assert!(value["machine"]["cpus"].as_u64() > Some(0));
    }
}
