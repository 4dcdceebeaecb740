//! All sheets as lines, for scripts and files.

use std::fmt::Write as _;

use super::{Sheet, Sort};
use crate::top::{
    figures::Figures,
    words::{count, harmless, rate, share, span, time},
};

/// Rows of each sheet that are printed.
const ROWS_MAX: usize = 20;

/// The lines at the top: the node, and what all its actors do together.
pub(in crate::top) fn summary(figures: &Figures) -> Vec<String> {
    let Some(now) = &figures.now else { return Vec::new() };
    let status = &now.status;
    let ready = match &status.waits_for {
        Some(what) => format!("not ready: {what}"),
        None => "ready".to_owned(),
    };
    let up = span(now.at - status.since);
    let first = format!(
        "{} {}, {ready}  {} {}  at {}  up {up}  {} members  {} actors",
        status.node,
        status.phase,
        status.program,
        status.version,
        status.addr,
        status.members + 1,
        count(status.actors as f64),
    );
    let waiting = now.types.iter().map(|it| it.depth).sum::<u64>();
    let oldest = now.types.iter().filter_map(|it| it.age_max).fold(0.0, f64::max);
    let second = format!(
        "{} messages, {} in all  {} waiting, oldest {}  {} asks to others  {} restarts  {} failures  {} blocked",
        figures.handled().map_or_else(|| "-".to_owned(), rate),
        count(status.messages_handled as f64),
        count(waiting as f64),
        time(oldest),
        count(status.remote_asks as f64),
        count(now.counts.restarts as f64),
        count(now.counts.failures as f64),
        count(now.counts.blocked as f64),
    );
    [first, second].iter().map(|line| harmless(line).into_owned()).collect()
}

/// The page of this moment.
pub(in crate::top) fn page(figures: &Figures) -> String {
    let mut page = summary(figures).join("\n");
    let workers = figures.now.iter().flat_map(|now| &now.workers).map(|worker| {
        let busy = worker.busy.map_or_else(|| "-".to_owned(), share);
        format!("worker {} {busy}", worker.number)
    });
    let workers = workers.collect::<Vec<_>>().join("  ");
    // Writing to a text cannot fail.
    let _ = write!(page, "\n{workers}");
    for sort in Sort::ALL {
        let (by, greatest_first) = sort.at_first();
        let sheet = Sheet::of(sort, figures, by, greatest_first);
        let _ = write!(page, "\n\n{}\n{}", sort.title(), lines(&sheet));
    }
    page
}

fn lines(sheet: &Sheet) -> String {
    if sheet.rows.is_empty() {
        return sheet.when_empty.to_owned();
    }
    let shown = &sheet.rows[..sheet.rows.len().min(ROWS_MAX)];
    let width = |at: usize| {
        let cells = shown.iter().map(|row| row[at].text.chars().count());
        cells.chain([sheet.columns[at].head.len()]).max().unwrap_or_default()
    };
    let widths = (0..sheet.columns.len()).map(width).collect::<Vec<_>>();
    let line = |texts: &[&str]| {
        let cells = texts.iter().zip(&sheet.columns).zip(&widths).map(|((text, column), width)| {
            if column.is_number { format!("{text:>width$}") } else { format!("{text:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let heads = sheet.columns.iter().map(|column| column.head).collect::<Vec<_>>();
    let rows = shown
        .iter()
        .map(|row| line(&row.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>()));
    let mut all = vec![line(&heads)];
    all.extend(rows);
    if sheet.rows.len() > ROWS_MAX {
        all.push(format!("and {} more", sheet.rows.len() - ROWS_MAX));
    }
    all.join("\n")
}
