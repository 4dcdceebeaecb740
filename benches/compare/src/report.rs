//! A run's table for people, and its rows for programs.

use serde_json::{Value, json};

use crate::{
    system::Mode,
    systems::{Name, odeon::placement},
    table::{Cell, Row},
};

/// The table: a line a row, with the ratio to the best peer and the verdict.
pub(crate) fn table(rows: &[Row], systems: &[Name]) -> String {
    let mut text = format!("{:<16}{:<5}{:<6}", "workload", "mode", "unit");
    for system in systems {
        text += &format!("{system:>11}");
    }
    text += &format!("  {:<8}{:>6}{:>8}\n", "best", "ratio", "target");
    for row in rows {
        text += &line(row, systems);
    }
    let failures = rows.iter().flat_map(|row| {
        let told = |cell: &Cell| Some((cell.system, cell.failure.clone()?));
        let told = row.cells.iter().filter_map(told);
        told.map(|(system, why)| format!("{} {} {system}: {why}\n", row.workload, row.mode))
    });
    text.extend(failures);
    let costs = rows.iter().filter_map(|row| {
        let cost = (row.cost_of_metrics()? - 1.0) * 100.0;
        Some(format!("{} {}: metrics cost {cost:.1} %\n", row.workload, row.mode))
    });
    text.extend(costs);
    if rows
        .iter()
        .any(|row| row.mode == Mode::Mt && row.cells.iter().any(|c| c.system == Name::Odeon))
    {
        text += &format!("Odeon's placement in mt is {}\n", placement(Mode::Mt));
    }
    text
}

fn line(row: &Row, systems: &[Name]) -> String {
    let unit = row.workload.unit();
    let mut text = format!("{:<16}{:<5}{unit:<6}", row.workload, row.mode);
    for system in systems {
        let cell = row.cells.iter().find(|cell| cell.system == *system);
        text += &match cell.map(|cell| (cell.median(), &cell.failure)) {
            Some((Some(median), _)) => format!("{median:>11.1}"),
            Some((None, Some(_))) => format!("{:>11}", "failed"),
            Some((None, None)) | None => format!("{:>11}", "-"),
        };
    }
    let Some(ratio) = row.ratio() else { return text + "\n" };
    text += &format!("  {:<8}{:>6.2}", ratio.best, ratio.value);
    if let (Some(target), Some(reached)) = (ratio.target, ratio.is_reached()) {
        let missed = format!("missed by {:.0} %", (ratio.value / target - 1.0) * 100.0);
        text += &format!("{target:>8.2}  {}", if reached { "ok" } else { missed.as_str() });
    }
    text + "\n"
}

/// The rows as JSON: one for each workload, mode and system.
pub(crate) fn json(rows: &[Row]) -> Value {
    let of_row = |row: &Row| {
        let ratio = row.ratio();
        let of_cell = |cell: &Cell| {
            let mut value = json!({
                "workload": row.workload.to_string(), "mode": row.mode.to_string(),
                "system": cell.system.to_string(), "unit": row.workload.unit(),
                "median": cell.median(), "min": cell.min(), "max": cell.max(),
                "samples": cell.samples.len(),
            });
            if let Some(failure) = &cell.failure {
                value["failure"] = json!(failure);
            }
            if cell.system == Name::Odeon {
                value["placement"] = json!(placement(row.mode));
            }
            if let (Name::Odeon, Some(cost)) = (cell.system, row.cost_of_metrics()) {
                value["metrics_ratio"] = json!(cost);
            }
            if let (Name::Odeon, Some(ratio)) = (cell.system, ratio) {
                value["best_peer"] = json!(ratio.best.to_string());
                value["ratio"] = json!(ratio.value);
                value["target"] = json!(ratio.target);
                value["reached"] = json!(ratio.is_reached());
            }
            value
        };
        row.cells.iter().map(of_cell).collect::<Vec<_>>()
    };
    json!({ "rows": rows.iter().flat_map(of_row).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::{json, table};
    use crate::{system::Mode, systems::Name, table::Row, workload::Workload};

    #[test]
    fn every_system_has_a_row_and_a_failure_is_told() {
        let systems = [Name::Odeon, Name::Tokio];
        let mut row = Row::new(Workload::Ask, Mode::Mt, &systems);
        row.cells[0].samples.extend([5.0, 7.0, 6.0]);
        row.cells[1].failure = Some("killed after 60 s".to_owned());
        let rows = [row];
        let value = json(&rows);
        let odeon = &value["rows"][0];
        assert_eq!(odeon["workload"], "ask");
        assert_eq!((odeon["mode"].as_str(), odeon["system"].as_str()), (Some("mt"), Some("odeon")));
        assert_eq!((odeon["median"].as_f64(), odeon["max"].as_f64()), (Some(6.0), Some(7.0)));
        assert!(odeon["placement"].as_str().unwrap().starts_with("stealing"));
        assert!(value["rows"][1]["median"].is_null());
        assert_eq!(value["rows"][1]["failure"], "killed after 60 s");
        let text = table(&rows, &systems);
        assert!(text.contains("ask mt tokio: killed after 60 s"), "{text}");
        assert!(text.contains("        6.0     failed"), "{text}");
        assert!(!text.contains("metrics"), "{text}");
    }

    #[test]
    fn what_metrics_cost_is_told_where_both_were_measured() {
        let systems = [Name::Odeon, Name::OdeonBare];
        let mut row = Row::new(Workload::Tell, Mode::St, &systems);
        row.cells[0].samples.push(20.5);
        row.cells[1].samples.push(20.0);
        let text = table(std::slice::from_ref(&row), &systems);
        assert!(text.contains("tell st: metrics cost 2.5 %"), "{text}");
        assert_eq!(json(&[row])["rows"][0]["metrics_ratio"].as_f64(), Some(1.025));
    }
}
