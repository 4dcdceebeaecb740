//! The samples of a run, and what they say of the targets.

use crate::{
    remote::{
        systems::Name,
        targets::{Against, Target, targets},
        workload::Workload,
    },
    table::Cell,
};

/// One workload.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) workload: Workload,
    pub(crate) cells: Vec<Cell<Name>>,
}

/// A target with what was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) target: Target,
    /// Whose figure it is held against, if it is another system's.
    pub(crate) than: Option<Name>,
    pub(crate) value: f64,
}

impl Verdict {
    pub(crate) fn is_reached(&self) -> bool {
        self.target.bound.holds(self.value)
    }
}

impl Row {
    pub(crate) fn new(workload: Workload, systems: &[Name]) -> Self {
        let here = systems.iter().filter(|system| system.has(workload));
        Self { workload, cells: here.map(|system| Cell::new(*system)).collect() }
    }

    pub(crate) fn median_of(&self, system: Name) -> Option<f64> {
        self.cells.iter().find(|cell| cell.system == system)?.median()
    }

    /// The best of the systems that are so.
    fn best(&self, is_so: impl Fn(Name) -> bool) -> Option<(Name, f64)> {
        let cells = self.cells.iter().filter(|cell| is_so(cell.system));
        let medians = cells.filter_map(|cell| Some((cell.system, cell.median()?)));
        let more_is_better = self.workload.is_rate();
        medians.max_by(
            |(_, a), (_, b)| {
                if more_is_better { a.total_cmp(b) } else { b.total_cmp(a) }
            },
        )
    }
}

/// What the rows say of the targets of one of them; without those that somebody's missing figure leaves open.
pub(crate) fn verdicts(rows: &[Row], row: &Row) -> Vec<Verdict> {
    let judged = targets(row.workload).iter().filter_map(|target| judge(rows, row, *target));
    judged.collect()
}

fn judge(rows: &[Row], row: &Row, target: Target) -> Option<Verdict> {
    let own = row.median_of(Name::Odeon)?;
    let of = |workload, system| rows.iter().find(|row| row.workload == workload)?.median_of(system);
    let multiple = |(than, median): (Name, f64)| (Some(than), own / median);
    let (than, value) = match target.against {
        Against::Quinn(workload) => multiple((Name::Quinn, of(workload, Name::Quinn)?)),
        Against::BestPeer => multiple(row.best(Name::is_peer)?),
        Against::BestPlain => multiple(row.best(Name::is_plain)?),
        Against::Own(workload) => multiple((Name::Odeon, of(workload, Name::Odeon)?)),
        Against::BeyondQuinn => (Some(Name::Quinn), own - row.median_of(Name::Quinn)?),
        Against::Nothing => (None, own),
    };
    Some(Verdict { target, than, value })
}

#[cfg(test)]
mod tests {
    use super::{Row, verdicts};
    use crate::remote::{systems::Name, workload::Workload};

    fn row(workload: Workload, odeon: f64, quinn: f64) -> Row {
        let mut row = Row::new(workload, &[Name::Odeon, Name::Quinn]);
        for (cell, figure) in row.cells.iter_mut().zip([odeon, quinn]) {
            cell.samples.push(figure);
        }
        row
    }

    #[test]
    fn each_row_is_held_against_what_its_target_says() {
        let rows = [
            row(Workload::Ask, 13.0, 10.0),
            row(Workload::AskOtherArbiter, 23.0, 0.0),
            row(Workload::Tell64, 6e6, 1e7),
            row(Workload::Peers1, 100.0, 50.0),
            row(Workload::Peers100, 119.0, 50.0),
            row(Workload::IdleBytes, 100_000.0, 40_000.0),
        ];
        let said = |at: usize| -> Vec<(String, bool)> {
            let said = verdicts(&rows, &rows[at]).into_iter();
            said.map(|it| (format!("{:.2}", it.value), it.is_reached())).collect()
        };
        // The goal is about systems that were not measured.
        assert_eq!(said(0), [("1.30".to_owned(), true)]);
        assert_eq!(said(1), [("2.30".to_owned(), false)]);
        assert_eq!(said(2), [("0.60".to_owned(), true), ("0.60".to_owned(), false)]);
        assert_eq!(said(3), []);
        assert_eq!(said(4), [("1.19".to_owned(), true)]);
        assert_eq!(said(5), [("60000.00".to_owned(), true)]);
    }

    #[cfg(feature = "network")]
    #[test]
    fn the_best_peer_has_the_most_of_a_rate_and_the_least_of_a_time() {
        let systems = [Name::Odeon, Name::RactorCluster, Name::Kameo, Name::Erlang];
        for (workload, best) in
            [(Workload::Ask64, Name::Kameo), (Workload::Ask, Name::RactorCluster)]
        {
            let mut row = Row::new(workload, &systems);
            for (cell, figure) in row.cells.iter_mut().zip([6.0, 1.0, 2.0, 3.0]) {
                cell.samples.push(figure);
            }
            let than = row.best(Name::is_peer).unwrap();
            assert_eq!(than.0, best, "{workload}");
        }
    }
}
